#!/usr/bin/env python3
"""Records reference outputs of the networks in networks.txt, the tests' list.

usage: make_references.py OUT_DIR [--shared DIR] [--all] [--only NAME[,NAME...]]

    OUT_DIR/<name>/model.onnx
    OUT_DIR/<name>/test_data_set_<k>/{input,output}_<i>.pb
    OUT_DIR/<name>/shapes.tsv            data set, shapes of its inputs, difference to its twin

Outputs come from ONNX Runtime with its graph optimisations off. Every network has data sets of several
shapes, each shape twice with different inputs; the twins' outputs must differ by 1 % of their size, else
nothing is recorded: a comparison with outputs that ignore the input could not fail. Inputs of a real model are
made of its own, those of an architecture are random. A stamp per network makes repeated runs instant. Needs
numpy, onnx and onnxruntime, and what make_quantized.py needs.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

import make_quantized

ROOT = Path(__file__).resolve().parents[2]
NETWORKS = Path(__file__).with_name("networks.txt")
LEAST_DIFFERENCE = 1e-2


class Network(NamedTuple):
    name: str
    source: str  # folder of shared/, or quantized/NAME of make_quantized.py
    when: str  # ci or long
    symbol: str
    shapes: list[dict[str, list[int]]]  # by the names of symbols or inputs


def read_networks() -> list[Network]:
    networks = []
    for line in NETWORKS.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, source, when, symbol, shapes = line.split()
        pairs = [[p.split("=") for p in s.split(",")] for s in shapes.split(";")] if shapes != "-" else [[]]
        parsed = [{k: [int(n) for n in v.split("x")] for k, v in shape} for shape in pairs]
        networks.append(Network(name, source, when, symbol, parsed))
    return networks


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


def random_inputs(model: onnx.ModelProto, shapes: dict, rng) -> dict:
    feed = {}
    for info in live_inputs(model.graph):
        shape = shapes[info.name]
        dtype = helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)
        if "mask" in info.name:
            feed[info.name] = mask(rng, shape)
        elif dtype.kind == "i":
            feed[info.name] = rng.integers(0, vocabulary(model, info.name), shape).astype(dtype)
        elif 4 <= len(shape) <= 5:
            feed[info.name] = smooth(rng, shape)
        else:
            feed[info.name] = rng.standard_normal(shape).astype(dtype)
    return feed


def resampled_inputs(model: onnx.ModelProto, shapes: dict, recorded: Path, twin: int, rng) -> dict:
    """The model's recorded inputs, resampled to the shapes; pictures, which are noise there, are waves. Rows of a
    batch come from the recordings in turn, each shifted by another distance, so that no two are alike."""
    feed = {}
    sets = sorted(recorded.glob("test_data_set_*"))
    for i, info in enumerate(live_inputs(model.graph)):
        values = [numpy_helper.to_array(onnx.load_tensor(s / f"input_{i}.pb")) for s in sets]
        shape = shapes[info.name]
        if len(shape) == 4 and values[0].dtype.kind == "f":
            feed[info.name] = (4 * smooth(rng, shape)).astype(values[0].dtype)
            continue
        if not shape:
            feed[info.name] = values[0]
            continue
        axis = next((k for k in range(len(shape)) if values[0].shape[k] == 1), 0)  # the batch
        rows = []
        for row in range(shape[axis]):
            value = np.roll(values[(row + twin) % len(values)], 5 * row + 11 * twin, axis=-1)
            for k, extent in enumerate(shape):
                places = np.linspace(0, value.shape[k] - 1, 1 if k == axis else extent)
                value = np.take(value, places.round().astype(int), axis=k)
            rows.append(value)
        feed[info.name] = np.concatenate(rows, axis)
    return feed


def resolve(model: onnx.ModelProto, numbers: dict[str, list[int]]) -> dict[str, list[int]]:
    """Shapes by the names of the inputs."""
    shapes = {}
    for info in live_inputs(model.graph):
        dims = info.type.tensor_type.shape.dim
        given = numbers.get(info.name, [])  # or of a symbol that has the name of an input
        if dims and len(given) == len(dims):
            shapes[info.name] = given
        else:
            shapes[info.name] = [numbers[d.dim_param][0] if d.dim_param else d.dim_value for d in dims]
    return shapes


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(np.float64) - b).max() / np.abs(a).max())


def write_set(folder: Path, model, feed: dict, outputs: list) -> None:
    folder.mkdir()
    for i, (name, value) in enumerate(feed.items()):
        (folder / f"input_{i}.pb").write_bytes(numpy_helper.from_array(value, name).SerializeToString())
    for i, (info, value) in enumerate(zip(model.graph.output, outputs, strict=True)):
        (folder / f"output_{i}.pb").write_bytes(numpy_helper.from_array(value, info.name).SerializeToString())


def check_runs(name: str, runs: list, batch: int | None) -> float:
    """The least difference between outputs of the twins."""
    least = min(difference(a, b) for a, b in zip(runs[0][1], runs[1][1], strict=True))
    if not least >= LEAST_DIFFERENCE:
        sys.exit(f"{name}: outputs of different inputs differ by {least:.2g} of their size only")
    for _, outputs in runs:
        if not all(np.isfinite(o).all() for o in outputs):
            sys.exit(f"{name}: an output is not finite")
        if batch is not None and any(o.shape[0] != batch for o in outputs):
            sys.exit(f"{name}: outputs of shape {[o.shape for o in outputs]} do not follow the batch")
    return least


def record(network: Network, folder: Path, source: Path) -> None:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = min(2, os.cpu_count() or 1)
    options.log_severity_level = 3
    session = ort.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
    model = onnx.load(folder / "model.onnx")
    rows, k = [], 0
    for numbers in network.shapes:
        shapes = resolve(model, numbers)
        runs = []
        for twin in range(2):
            seed = [zlib.crc32(network.name.encode()), twin, *(n for v in numbers.values() for n in v)]
            rng = np.random.default_rng(seed)
            if source.parent.name == "models":
                feed = resampled_inputs(model, shapes, source, twin, rng)
            else:
                feed = random_inputs(model, shapes, rng)
            runs.append((feed, session.run(None, feed)))
        batch = numbers["batch"][0] if network.symbol == "batch" else None
        least = check_runs(f"{network.name} {numbers}", runs, batch)
        for feed, outputs in runs:
            write_set(folder / f"test_data_set_{k}", model, feed, outputs)
            dims = " ".join(f"{n}={list(v.shape)}".replace(" ", "") for n, v in feed.items())
            rows.append(f"{k}\t{dims}\t{least:.3f}\n")
            k += 1
    (folder / "shapes.tsv").write_text("set\tinputs\tdifference\n" + "".join(rows))


def is_quantized(network: Network) -> bool:
    return network.source.startswith("quantized/")


def source_files(network: Network, shared: Path) -> list[Path]:
    if is_quantized(network):
        return [Path(make_quantized.__file__)]
    source = shared / network.source
    if source.is_dir():
        return [source / "model.onnx"]
    return [source.parent / "materialize.py", source.with_name(f"{source.name}.stripped.onnx")]


def stamp(network: Network, shared: Path) -> str:
    digest = hashlib.sha256(repr(network).encode())
    for path in (Path(__file__), *source_files(network, shared)):
        digest.update(path.read_bytes())
    return f"onnx {onnx.__version__}, onnxruntime {ort.__version__}, {digest.hexdigest()}"


def write_model(network: Network, folder: Path, source: Path) -> None:
    if is_quantized(network):
        folder.mkdir()
        make_quantized.write(source.name, folder / "model.onnx")
        return
    if source.is_dir():
        folder.mkdir()
        shutil.copy(source / "model.onnx", folder)
        return
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        command = [sys.executable, source.parent / "materialize.py", work, source.name]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        if network.symbol != "-":
            model = onnx.load(Path(work) / source.name / "model.onnx")
            loosen(model, network.symbol)
            onnx.save(model, Path(work) / source.name / "model.onnx")
        (Path(work) / source.name).rename(folder)


def prepare(out: Path, shared: Path, network: Network) -> None:
    folder = out / network.name
    text = stamp(network, shared)
    if (folder / "stamp.txt").exists() and (folder / "stamp.txt").read_text() == text:
        return
    shutil.rmtree(folder, ignore_errors=True)
    write_model(network, folder, shared / network.source)
    record(network, folder, shared / network.source)
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
    parser.add_argument("--all", action="store_true", help="those too that are marked as long")
    parser.add_argument("--only", default="", help="names, separated by commas")
    options = parser.parse_args()
    networks = {n.name: n for n in read_networks()}
    wanted = options.only.split(",") if options.only else networks
    unknown = set(wanted) - set(networks)
    if unknown:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(networks)}")
    options.out.mkdir(parents=True, exist_ok=True)
    for name in wanted:
        if options.all or options.only or networks[name].when == "ci":
            prepare(options.out, options.shared, networks[name])


if __name__ == "__main__":
    main()
