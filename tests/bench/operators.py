#!/usr/bin/env python3
"""Times single operators, and quantised models, on dlc beside ONNX Runtime and OpenVINO.

usage: operators.py [PATTERNS...] [--models FOLDER] [--dlc-run PATH] [--engines dlc,onnxruntime,openvino]
                    [--threads 1,2] [--rounds 3] [--seconds 0.5] [--keep FOLDER] [--out TSV] [--markdown FILE]

    $(tests/bench/setup_peers.sh) tests/bench/operators.py --models ../shared/models --dlc-run build/bin/dlc-run

PATTERNS choose rows by name. A row is a model of operator_models.py with its inputs, or a model of FOLDER named in
QUANTIZED with its recorded ones, or that model's float twin (float_twin.py), NAME_as_floats. How rows are timed is told
in peers.py. --keep leaves the models and inputs in a folder, for profiles.
"""

import argparse
import fnmatch
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import peers
from float_twin import float_twin
from operator_models import MAKERS

QUANTIZED = ("minilm_l6_int8", "fastestdet_qdq", "micro_kws_qdq")
TWIN = "_as_floats"


def save_inputs(feed: dict[str, np.ndarray], folder: Path) -> list[str]:
    for name, value in feed.items():
        np.save(folder / f"{name.replace('/', '_')}.npy", value)
    return [f"{name}={folder}/{name.replace('/', '_')}.npy" for name in feed]


def prepare(name: str, options, scratch: Path) -> tuple[Path, list[str]]:
    """The model's file and its inputs."""
    folder = scratch / name
    folder.mkdir(parents=True, exist_ok=True)
    quantized = name.removesuffix(TWIN)
    if quantized in QUANTIZED:
        path = options.models / quantized / "model.onnx"
        inputs = save_inputs(peers.choose_inputs(quantized, path, peers.SYMBOLS), folder)
        if name == quantized:
            return path, inputs
        onnx.save(float_twin(onnx.load(path)), folder / "model.onnx")
        return folder / "model.onnx", inputs
    model, feed = MAKERS[name]()
    onnx.save(model, folder / "model.onnx")
    return folder / "model.onnx", save_inputs(feed, folder)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("patterns", nargs="*", default=["*"])
    parser.add_argument("--models", type=Path, default=None)
    parser.add_argument("--dlc-run", default="dlc-run")
    parser.add_argument("--engines", default="dlc,onnxruntime,openvino")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--timeout", type=float, default=300)
    parser.add_argument("--keep", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--markdown", type=Path, default=None)
    options = parser.parse_args()
    options.engines = options.engines.split(",")
    return options


def main() -> None:
    options = parse()
    quantized = [row for name in QUANTIZED for row in (name, name + TWIN)]
    names = [*MAKERS, *(quantized if options.models else ())]
    names = [n for n in names if any(fnmatch.fnmatch(n, p) for p in options.patterns)]
    if not names:
        sys.exit(f"no row matches {', '.join(options.patterns)}")
    rows = []
    print(peers.header("row", max(map(len, names)), options.engines))
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            path, inputs = prepare(name, options, options.keep or Path(folder))
            for threads in map(int, options.threads.split(",")):
                rows.append((name, threads, peers.time_model(path, threads, inputs, options)))
                print("\n".join(peers.lines(rows[-1], max(map(len, names)), options.engines)), flush=True)
                if options.out:
                    peers.write_tsv(rows, options.out)
    print("\n".join(peers.summary(rows)))
    if options.markdown:
        options.markdown.write_text(peers.markdown(rows, options))


if __name__ == "__main__":
    main()
