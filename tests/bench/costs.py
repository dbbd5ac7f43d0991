#!/usr/bin/env python3
"""Measures what compiling a model costs, and starting the library that comes out.

usage: costs.py MODELS... [--bin FOLDER] [--markdown FILE]

MODELS are .onnx files or folders with a model.onnx. The columns: the model file; seconds and peak resident memory
of `dlc-compile`, the whole process; the library; a warm run; and the first answer, from loading the library to the
end of the first run, in a process of its own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MB = 1e6
HEADER = ("model", "file (MB)", "compile (s)", "peak (MB)", "library (MB)", "warm run (ms)", "first answer (ms)")


def compile_model(tool: Path, model: Path, library: Path) -> tuple[float, float]:
    start = time.perf_counter()
    process = subprocess.Popen([tool, model, "-o", library, "-q"])
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{model}: dlc-compile ends with status {status}")
    return time.perf_counter() - start, usage.ru_maxrss * 1024 / MB


def bench(tool: Path, library: Path) -> dict:
    command = [tool, library, "--bench", "--seconds", "0.5", "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def measure(folder: Path, model: Path) -> tuple[str, ...]:
    with tempfile.TemporaryDirectory() as temporary:
        library = Path(temporary) / "model.so"
        seconds, peak = compile_model(folder / "dlc-compile", model, library)
        times = bench(folder / "dlc-run", library)
        size = library.stat().st_size / MB
    name = model.parent.name if model.name == "model.onnx" else model.stem
    return (name, f"{model.stat().st_size / MB:.1f}", f"{seconds:.2f}", f"{peak:.0f}", f"{size:.1f}",
            f"{times['min_ms']:.3f}", f"{times['load_ms']:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__, add_help=True)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--bin", type=Path, default=Path("build/bin"))
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    lines = ["| " + " | ".join(HEADER) + " |", "|---" + "|--:" * (len(HEADER) - 1) + "|"]
    for model in arguments.models:
        model = model if model.suffix == ".onnx" else model / "model.onnx"
        lines.append("| " + " | ".join(measure(arguments.bin, model)) + " |")
        print(lines[-1], flush=True)
    if arguments.markdown:
        arguments.markdown.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
