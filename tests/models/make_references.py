#!/usr/bin/env python3
"""Fills the networks of shared/architectures with weights and records reference outputs for them.

usage: make_references.py OUT_DIR [--shared DIR] [--only NAME[,NAME...]]

    OUT_DIR/<name>/model.onnx            the network as shared holds it
    OUT_DIR/<name>_dynamic/model.onnx    the same with a symbolic batch or sequence, where it allows one
    OUT_DIR/<name>/test_data_set_<k>/{input,output}_<i>.pb
    OUT_DIR/<name>/shapes.tsv            data set, shapes of its inputs, difference to its twin

Outputs come from ONNX Runtime with its graph optimisations off. Every network has data sets of several
shapes, each shape twice with different inputs; the twins' outputs must differ by 1 % of their size, else
nothing is recorded: a comparison with outputs that ignore the input could not fail. A stamp per network makes
repeated runs instant. Needs numpy, onnx and onnxruntime.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

ROOT = Path(__file__).resolve().parents[2]
LEAST_DIFFERENCE = 1e-2

# The symbols' values per network; a network not named here has static dims.
TRANSFORMER = [{"batch": b, "sequence": s} for b, s in ((1, 1), (1, 7), (2, 7), (1, 128), (1, 384))]
SYMBOLS = {
    "bert_base": TRANSFORMER,
    "minilm_l6": TRANSFORMER,
    "gpt2_small": [{"sequence": s, "past": p} for p in (0, 1, 128) for s in (1, 7)],
    "lstm_tagger_dynamic": [{"sequence": s} for s in (1, 7, 128, 384)],
    "mlp_b64_dynamic": [{"batch": b} for b in (1, 3, 64, 65)],
}
BATCHES = [{"batch": b} for b in (1, 2, 3)]
# Networks whose first dim can be made symbolic, and the symbol; of lstm_tagger it is the second one.
DYNAMIC = {
    name: "batch"
    for name in "densenet121 mlp_b64 mobilenet_v2 r3d_18 resnet18 resnet50 shufflenet_v2 unet".split()
} | {"lstm_tagger": "sequence"}


def live_inputs(graph):
    constants = {t.name for t in graph.initializer}
    return [i for i in graph.input if i.name not in constants]


def loosen(model: onnx.ModelProto, symbol: str) -> None:
    """Makes the batch (axis 0) or the sequence (axis 1) of all inputs and outputs symbolic."""
    axis = 1 if symbol == "sequence" else 0
    static = live_inputs(model.graph)[0].type.tensor_type.shape.dim[axis].dim_value
    for info in (*live_inputs(model.graph), *model.graph.output):
        dim = info.type.tensor_type.shape.dim[axis]
        dim.Clear()
        dim.dim_param = symbol
    del model.graph.value_info[:]
    shapes = {n.input[1] for n in model.graph.node if n.op_type == "Reshape"}
    for tensor in model.graph.initializer:
        if tensor.name in shapes:
            value = numpy_helper.to_array(tensor).copy()
            if value.size > 1 and value[0] == static and -1 not in value:
                value[0] = -1
                tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))


def vocabulary(model: onnx.ModelProto, name: str) -> int:
    """Rows of the table that the ids gather from."""
    dims = {t.name: t.dims for t in model.graph.initializer}
    flat = {name}
    for node in model.graph.node:
        if node.op_type in ("Reshape", "Cast", "Identity") and node.input[0] in flat:
            flat.add(node.output[0])
        if node.op_type == "Gather" and node.input[1] in flat:
            return dims[node.input[0]][0]
    raise ValueError(f"{name} is no index of a Gather")


def smooth(rng, shape) -> np.ndarray:
    """Waves of random direction and length with a little noise: of white noise, averages are all alike."""
    grids = np.meshgrid(*(np.linspace(0, 1, n) for n in shape[2:]), indexing="ij")
    image = np.empty(shape, np.float64)
    for index in np.ndindex(*shape[:2]):
        waves = [
            np.sin(2 * np.pi * (sum(rng.normal(0, 3) * g for g in grids) + rng.random())) for _ in range(4)
        ]
        image[index] = rng.normal(0, 1) + sum(rng.normal(0, 0.6) * w for w in waves)
    return (image + 0.1 * rng.standard_normal(shape)).astype(np.float32)


def mask(rng, shape) -> np.ndarray:
    """Ones, with the end of each row and one place inside masked; the first place stays."""
    value = np.ones(shape, np.int64)
    length = shape[1]
    if length > 3:
        for row in value:
            row[length - rng.integers(1, 1 + length // 4) :] = 0
            row[rng.integers(1, length - length // 4)] = 0
    return value


def make_inputs(model: onnx.ModelProto, symbols: dict, rng) -> dict:
    feed = {}
    for info in live_inputs(model.graph):
        tensor = info.type.tensor_type
        shape = [symbols[d.dim_param] if d.dim_param else d.dim_value for d in tensor.shape.dim]
        dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        if "mask" in info.name:
            feed[info.name] = mask(rng, shape)
        elif dtype.kind == "i":
            feed[info.name] = rng.integers(0, vocabulary(model, info.name), shape).astype(dtype)
        elif 4 <= len(shape) <= 5 and "past" not in symbols:
            feed[info.name] = smooth(rng, shape)
        else:
            feed[info.name] = rng.standard_normal(shape).astype(dtype)
    return feed


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(np.float64) - b).max() / np.abs(a).max())


def write_set(folder: Path, model, feed: dict, outputs: list) -> None:
    folder.mkdir()
    for i, (name, value) in enumerate(feed.items()):
        (folder / f"input_{i}.pb").write_bytes(numpy_helper.from_array(value, name).SerializeToString())
    for i, (info, value) in enumerate(zip(model.graph.output, outputs, strict=True)):
        (folder / f"output_{i}.pb").write_bytes(numpy_helper.from_array(value, info.name).SerializeToString())


def record(folder: Path) -> None:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = min(2, os.cpu_count() or 1)
    options.log_severity_level = 3
    session = ort.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
    model = onnx.load(folder / "model.onnx")
    name = folder.name
    shapes = SYMBOLS.get(name, BATCHES if name.endswith("_dynamic") else [{}])
    rows, k = [], 0
    for symbols in shapes:
        runs = []
        for twin in range(2):
            rng = np.random.default_rng([zlib.crc32(name.encode()), twin, *symbols.values()])
            feed = make_inputs(model, symbols, rng)
            runs.append((feed, session.run(None, feed)))
        least = min(difference(a, b) for a, b in zip(runs[0][1], runs[1][1], strict=True))
        if not least >= LEAST_DIFFERENCE:
            sys.exit(
                f"{name} {symbols}: outputs of different inputs differ by {least:.2g} of their size only"
            )
        for feed, outputs in runs:
            if not all(np.isfinite(o).all() for o in outputs):
                sys.exit(f"{name} {symbols}: an output is not finite")
            if any(o.shape[0] != symbols["batch"] for o in outputs if "batch" in symbols):
                sys.exit(
                    f"{name} {symbols}: outputs of shape {[o.shape for o in outputs]} do not follow the batch"
                )
            write_set(folder / f"test_data_set_{k}", model, feed, outputs)
            dims = " ".join(f"{n}={list(v.shape)}".replace(" ", "") for n, v in feed.items())
            rows.append(f"{k}\t{dims}\t{least:.3f}\n")
            k += 1
    (folder / "shapes.tsv").write_text("set\tinputs\tdifference\n" + "".join(rows))


def stamp(architectures: Path, name: str) -> str:
    digest = hashlib.sha256()
    for path in (Path(__file__), architectures / "materialize.py", architectures / f"{name}.stripped.onnx"):
        digest.update(path.read_bytes())
    return f"onnx {onnx.__version__}, onnxruntime {ort.__version__}, {digest.hexdigest()}"


def prepare(out: Path, architectures: Path, name: str) -> None:
    folders = [out / name] + ([out / f"{name}_dynamic"] if name in DYNAMIC else [])
    text = stamp(architectures, name)
    if all((f / "stamp.txt").exists() and (f / "stamp.txt").read_text() == text for f in folders):
        return
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(
        [sys.executable, architectures / "materialize.py", out, name], check=True, stdout=subprocess.DEVNULL
    )
    if name in DYNAMIC:
        model = onnx.load(folders[0] / "model.onnx")
        loosen(model, DYNAMIC[name])
        folders[1].mkdir()
        onnx.save(model, folders[1] / "model.onnx")
    for folder in folders:
        record(folder)
        (folder / "stamp.txt").write_text(text)
        print(folder.name, len(list(folder.glob("test_data_set_*"))), "data sets", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--shared", type=Path, default=Path(os.environ.get("DLC_SHARED", ROOT.parent / "shared"))
    )
    parser.add_argument("--only", default="", help="names of architectures, separated by commas")
    options = parser.parse_args()
    architectures = options.shared / "architectures"
    names = [p.name.removesuffix(".stripped.onnx") for p in sorted(architectures.glob("*.stripped.onnx"))]
    if not names:
        sys.exit(f"no *.stripped.onnx in {architectures}: give --shared or set DLC_SHARED")
    wanted = options.only.split(",") if options.only else names
    unknown = set(wanted) - set(names)
    if unknown:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    options.out.mkdir(parents=True, exist_ok=True)
    for name in wanted:
        prepare(options.out, architectures, name)


if __name__ == "__main__":
    main()
