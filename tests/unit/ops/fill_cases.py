#!/usr/bin/env python3
"""Writes the expected outputs of operator cases: fill_cases.py cases/*.txt

Only cases without outputs get them, from the oracle that they name. Needs onnx and onnxruntime."""
import re
import sys

import numpy as np
import onnx
import onnx.parser

TYPES = {"float": np.float32, "double": np.float64, "float16": np.float16, "bool": np.bool_,
         **{f"{u}int{n}": np.dtype(f"{u}int{n}") for u in ("", "u") for n in (8, 16, 32, 64)}}


def read_value(text):
    kind, _, rest = text.partition(" ")
    if kind == "optional":
        return read_value(rest) if rest else None
    if kind == "map":
        keys, values = (read_tensor(part).tolist() for part in rest.split(" => "))
        return dict(zip(keys, values))
    if kind == "sequence":
        return [read_value(part) for part in rest.split(" | ")] if rest else []
    return read_tensor(text)


def write_value(value):
    if isinstance(value, list):
        return " ".join(["sequence", " | ".join(map(write_value, value))]).rstrip()
    if isinstance(value, dict):
        values = np.array(list(value.values()), np.float32)
        return f"map {write_tensor(np.array(list(value)))} => {write_tensor(values)}"
    return "optional" if value is None else write_tensor(value)


def read_tensor(text):
    name, shape, values = re.fullmatch(r"\s*(\w+)\[([\d, ]*)\](.*)", text).groups()
    shape = [int(extent) for extent in shape.split(",")] if shape.strip() else []
    if name == "string":
        words = re.findall(r'"((?:[^"\\]|\\.)*)"', values)
        return np.array([re.sub(r"\\(.)", r"\1", word) for word in words], object).reshape(shape)
    if values.split() == ["pattern"]:
        flat = (np.arange(int(np.prod(shape))) * 37 % 101 - 50) / 16
    else:
        flat = np.array([{"true": 1, "false": 0}.get(word) if word in ("true", "false") else float(word)
                         for word in values.split()], np.float64)
    return flat.astype(TYPES[name]).reshape(shape)


def write_tensor(array):
    array = np.asarray(array)
    if array.dtype.kind in "OU":
        quote = lambda word: '"' + re.sub(r'(["\\])', r"\\\1", str(word)) + '"'
        return f"string[{','.join(map(str, array.shape))}] {' '.join(map(quote, array.ravel()))}"
    name = next(name for name, dtype in TYPES.items() if np.dtype(dtype) == array.dtype)
    digits = {2: "%.5g", 4: "%.8g", 8: "%.16g"}.get(array.dtype.itemsize) if array.dtype.kind == "f" else "%d"
    return f"{name}[{','.join(map(str, array.shape))}] {' '.join(digits % x for x in array.ravel())}"


def model_of(text):
    if not text.lstrip().startswith("<"):
        text = '<ir_version: 8, opset_import: ["" : 17]>\n' + text
    return onnx.parser.parse_model(text)


def evaluate(oracle, model, arrays):
    feeds = dict(zip([value.name for value in model.graph.input], arrays))
    if oracle == "reference":
        from onnx.reference import ReferenceEvaluator
        return ReferenceEvaluator(model).run(None, feeds)
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # with more of them, DynamicQuantizeLSTM finds a range for each part of the batch
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, feeds)


def fill(case):
    lines = case.rstrip("\n").split("\n")
    oracle = next((line[8:] for line in lines if line.startswith("oracle: ")), "by hand")
    done = any(line.startswith(("> ", "fails: ")) for line in lines)
    if done or oracle == "by hand":
        return case
    is_model = lambda line: not line.startswith(("== ", "oracle: ", "tolerance: ", "< "))
    model = model_of("\n".join(filter(is_model, lines)))
    arrays = [read_value(line[2:]) for line in lines if line.startswith("< ")]
    outputs = ["> " + write_value(value) for value in evaluate(oracle, model, arrays)]
    return "\n".join(lines + outputs) + "\n\n"


for path in sys.argv[1:]:
    with open(path) as file:
        parts = re.split(r"(?m)^(?=== )", file.read())
    filled = parts[0] + "".join(fill(part) for part in parts[1:])
    with open(path, "w") as file:
        file.write(filled)
