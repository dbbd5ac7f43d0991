#!/usr/bin/env python3
"""Writes the official ONNX test cases of the installed `onnx` package as files.

usage: generate_cases.py OUT_DIR

    OUT_DIR/<kind>/<case>/model.onnx
    OUT_DIR/<kind>/<case>/test_data_set_<k>/{input,output}_<i>.pb    a TensorProto, SequenceProto,
                                                                     OptionalProto or MapProto, as the type
                                                                     of the graph's input or output i says
    OUT_DIR/<kind>/<case>/tolerance.txt                              "rtol atol"
    OUT_DIR/ops.tsv                                                  case, kind, opset imports, operators

Kinds: node and simple (made by the package's own code), pytorch-converted, pytorch-operator and light (files
of the package). input_<i> belongs to the i-th graph input that has no initializer. An operator is written
DOMAIN.NAME, without DOMAIN for ai.onnx; those of sub-graphs and of model-local functions count. A stamp makes
repeated runs instant.
"""

import hashlib
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnx.backend.test.case.model
import onnx.backend.test.case.node
from onnx import AttributeProto, numpy_helper

FILE_KINDS = ("pytorch-converted", "pytorch-operator")
RTOL, ATOL = 1e-3, 1e-7  # what onnx.backend.test assumes of cases that are plain files
LIGHT_RTOL = {"light_densenet121": 2e-3}


def stamp() -> str:
    return f"onnx {onnx.__version__}, script {hashlib.sha256(Path(__file__).read_bytes()).hexdigest()}"


def live_inputs(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    constants = {t.name for t in graph.initializer}
    return [i for i in graph.input if i.name not in constants]


def to_proto(value, info: onnx.ValueInfoProto):
    """The message that holds `value` (array, scalar, list, dict, None or message) as `info` declares it."""
    kind = info.type.WhichOneof("value")
    if isinstance(value, onnx.TensorProto):
        return value
    if kind == "sequence_type":
        return numpy_helper.from_list(value, info.name)
    if kind == "optional_type":
        return numpy_helper.from_optional(value, info.name)
    if kind == "map_type":
        return numpy_helper.from_dict(value, info.name)
    array = np.asarray(value)
    return numpy_helper.from_array(array.astype(object) if array.dtype.kind in "US" else array, info.name)


def write_data_set(folder: Path, graph: onnx.GraphProto, inputs, outputs) -> None:
    folder.mkdir(parents=True)
    for role, values, infos in (("input", inputs, live_inputs(graph)), ("output", outputs, graph.output)):
        for i, (value, info) in enumerate(zip(values, infos, strict=True)):
            (folder / f"{role}_{i}.pb").write_bytes(to_proto(value, info).SerializeToString())


def write_case(folder: Path, case) -> None:
    for k, (inputs, outputs) in enumerate(case.data_sets):
        write_data_set(folder / f"test_data_set_{k}", case.model.graph, inputs, outputs)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString())
    (folder / "tolerance.txt").write_text(f"{case.rtol} {case.atol}\n")


def write_generated(out: Path) -> None:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        cases = list(onnx.backend.test.case.node.collect_testcases(None))
        cases += [c for c in onnx.backend.test.case.model.collect_testcases() if c.model is not None]
    for case in cases:
        write_case(out / case.kind / case.name, case)


def copy_files(out: Path, data: Path) -> None:
    for kind in FILE_KINDS:
        for source in sorted((data / kind).iterdir()):
            if (source / "model.onnx").exists():
                shutil.copytree(
                    source, out / kind / source.name, ignore=shutil.ignore_patterns("__pycache__")
                )
                (out / kind / source.name / "tolerance.txt").write_text(f"{RTOL} {ATOL}\n")


def copy_light(out: Path, data: Path) -> None:
    """The light models come with outputs only; their input is defined as arange(n) / n."""
    for source in sorted((data / "light").glob("*.onnx")):
        graph = onnx.load(source).graph
        inputs = []
        for info in live_inputs(graph):
            shape = [d.dim_value or 1 for d in info.type.tensor_type.shape.dim]
            count = int(np.prod(shape))
            inputs.append((np.arange(count).reshape(shape) / count).astype(np.float32))
        outputs = [
            onnx.load_tensor(f"{source.with_suffix('')}_output_{i}.pb") for i in range(len(graph.output))
        ]
        folder = out / "light" / source.stem
        write_data_set(folder / "test_data_set_0", graph, inputs, outputs)
        shutil.copyfile(source, folder / "model.onnx")
        (folder / "tolerance.txt").write_text(f"{LIGHT_RTOL.get(source.stem, RTOL)} {ATOL}\n")


def operators(nodes) -> set[str]:
    found = set()
    for node in nodes:
        found.add(node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}")
        for attribute in node.attribute:
            graphs = [attribute.g] if attribute.type == AttributeProto.GRAPH else attribute.graphs
            for graph in graphs:
                found |= operators(graph.node)
    return found


def write_index(out: Path) -> int:
    rows = []
    for path in sorted(out.glob("*/*/model.onnx")):
        model = onnx.load(path, load_external_data=False)
        imports = ",".join(sorted(f"{i.domain or 'ai.onnx'}:{i.version}" for i in model.opset_import))
        ops = operators(model.graph.node).union(*(operators(f.node) for f in model.functions))
        rows.append(f"{path.parent.name}\t{path.parent.parent.name}\t{imports}\t{','.join(sorted(ops))}\n")
    (out / "ops.tsv").write_text("case\tkind\topsets\tops\n" + "".join(rows))
    return len(rows)


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    out = Path(sys.argv[1])
    done = out / "stamp.txt"
    if done.exists() and done.read_text() == stamp():
        return
    if out.exists():
        if any(out.iterdir()) and not (out / "ops.tsv").exists() and not (out / "node").exists():
            sys.exit(f"{out} is not empty and holds no test cases: nothing written")
        shutil.rmtree(out)
    out.mkdir(parents=True)
    write_generated(out)
    data = Path(onnx.__file__).parent / "backend" / "test" / "data"
    copy_files(out, data)
    copy_light(out, data)
    count = write_index(out)
    done.write_text(stamp())
    print(f"{count} cases in {out}")


if __name__ == "__main__":
    main()
