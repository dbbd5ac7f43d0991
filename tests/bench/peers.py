#!/usr/bin/env python3
"""Times dlc beside ONNX Runtime and OpenVINO on this machine.

usage: peers.py MODELS... [--dlc-run PATH] [--engines dlc,onnxruntime,openvino] [--threads 1,2] [--rounds 3]
                [--seconds 1] [--symbol NAME=VALUE]... [--exclude PATTERN]... [--out TSV] [--markdown FILE]

MODELS are .onnx files, folders with a model.onnx, or folders of such folders. The peers are set up by one
command:

    $(tests/bench/setup_peers.sh) tests/bench/peers.py ../shared/models --dlc-run build/tools/dlc-run

A model is timed at every thread count in --rounds rounds. In a round each engine gets its turn in a process
of its own, the order turning by one from round to round, so that drift of the machine falls on all alike. Of
each engine the best round counts. All run in fp32 with their own default optimisations, with inputs and
outputs bound before the timing; OpenVINO is given the shapes as static ones. Inputs are a recorded data set
of the model (of the shape that --symbol asks for, if there is one) or seeded random numbers. The ratio is the
best peer's time divided by dlc's: above 1 dlc is faster.
"""

import argparse
import fnmatch
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

HERE = Path(__file__).resolve().parent
TIMES = ("min_ms", "median_ms", "p99_ms", "first_run_ms", "load_ms")
COLUMNS = (*TIMES, "compile_ms", "peak_rss_mb", "arena_mb")
SYMBOLS = {"batch": 1, "batch_size": 1, "sequence": 128, "sequence_length": 128, "past": 128}
# Decoding one token after a context is what such a model does most of the time.
MODEL_SYMBOLS = {"gpt2_small": {"sequence": 1}}


def find_models(arguments: list[str], exclude: list[str]) -> dict[str, Path]:
    found = {}
    for argument in map(Path, arguments):
        if argument.suffix == ".onnx":
            found[argument.parent.name if argument.name == "model.onnx" else argument.stem] = argument
        elif (argument / "model.onnx").exists():
            found[argument.resolve().name] = argument / "model.onnx"
        else:
            found |= {path.parent.name: path for path in sorted(argument.glob("*/model.onnx"))}
    if not found:
        sys.exit(f"no model.onnx in {', '.join(arguments)}")
    return {name: path for name, path in found.items() if not any(fnmatch.fnmatch(name, p) for p in exclude)}


def expected_shape(info: onnx.ValueInfoProto, symbols: dict) -> list[int]:
    return [
        d.dim_value if d.dim_value else symbols.get(d.dim_param, 1) for d in info.type.tensor_type.shape.dim
    ]


def recorded(folder: Path, inputs: list) -> dict | None:
    files = [folder / f"input_{i}.pb" for i in range(len(inputs))]
    if not all(f.exists() for f in files):
        return None
    return {
        info.name: numpy_helper.to_array(onnx.load_tensor(f)) for info, f in zip(inputs, files, strict=True)
    }


def made_up(info: onnx.ValueInfoProto, shape: list[int]) -> np.ndarray:
    rng = np.random.default_rng(0)
    dtype = helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)
    if "mask" in info.name or dtype.kind == "b":
        return np.ones(shape, dtype)
    return (rng.integers(0, 100, shape) if dtype.kind in "iu" else rng.standard_normal(shape)).astype(dtype)


def choose_inputs(name: str, path: Path, symbols: dict) -> dict[str, np.ndarray]:
    graph = onnx.load(path, load_external_data=False).graph
    constants = {t.name for t in graph.initializer}
    inputs = [i for i in graph.input if i.name not in constants]
    values = symbols | MODEL_SYMBOLS.get(name, {})
    shapes = {i.name: expected_shape(i, values) for i in inputs}
    sets = [recorded(f, inputs) for f in sorted(path.parent.glob("test_data_set_*"))]
    sets = [s for s in sets if s is not None]
    for feed in sets:
        if all(list(value.shape) == shapes[key] for key, value in feed.items()):
            return feed
    return sets[0] if sets else {i.name: made_up(i, shapes[i.name]) for i in inputs}


def command(engine: str, path: Path, threads: int, inputs: list[str], options) -> list[str]:
    if engine == "dlc":
        flags = ["--bench", f"--threads={threads}", f"--seconds={options.seconds}", "--json"]
        return [options.dlc_run, str(path), *flags, *(f"--input={i}" for i in inputs)]
    return [
        sys.executable,
        str(HERE / "engines.py"),
        engine,
        str(path),
        str(threads),
        str(options.seconds),
        *inputs,
    ]


def run_engine(arguments: list[str], timeout: float) -> dict:
    """What the engine prints, or {"error": its last words}."""
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=timeout)
        if done.returncode == 0:
            return json.loads(done.stdout.strip().splitlines()[-1])
        words = done.stderr.strip().splitlines() or [f"ended with status {done.returncode}"]
        return {"error": words[-1][:160]}
    except subprocess.TimeoutExpired:
        return {"error": f"no answer in {timeout:.0f} s"}
    except (OSError, ValueError, IndexError) as fault:
        return {"error": str(fault)[:160]}


def best_of(rounds: list[dict]) -> dict:
    good = [r for r in rounds if "error" not in r]
    if not good:
        return rounds[-1]
    return {column: min(r[column] for r in good) for column in COLUMNS if all(column in r for r in good)}


def time_model(path: Path, threads: int, inputs: list[str], options) -> dict[str, dict]:
    results = {engine: [] for engine in options.engines}
    for turn in range(options.rounds):
        start = turn % len(options.engines)
        for engine in options.engines[start:] + options.engines[:start]:
            if not any("error" in r for r in results[engine]):
                results[engine].append(
                    run_engine(command(engine, path, threads, inputs, options), options.timeout)
                )
    return {engine: best_of(rounds) for engine, rounds in results.items()}


def ratio(row: dict[str, dict]) -> float | None:
    peers = [r["min_ms"] for engine, r in row.items() if engine != "dlc" and "min_ms" in r]
    return min(peers) / row["dlc"]["min_ms"] if peers and "min_ms" in row.get("dlc", {}) else None


def summary(rows: list[tuple[str, int, dict]]) -> list[str]:
    lines = []
    for threads in sorted({t for _, t, _ in rows}):
        ratios = [r for r in (ratio(row) for _, t, row in rows if t == threads) if r]
        if ratios:
            mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
            faster = sum(r > 1 for r in ratios)
            lines.append(
                f"{threads} thread{'s' * (threads > 1)}: best peer / dlc geometric mean {mean:.2f}, "
                f"worst {min(ratios):.2f}, dlc faster in {faster} of {len(ratios)}"
            )
    return lines


def machine() -> str:
    with open("/proc/cpuinfo") as info:
        names = [line.split(":", 1)[1].strip() for line in info if line.startswith("model name")]
    name = names[0] if names else platform.machine()
    return f"{name}, {os.cpu_count()} cores visible, load {os.getloadavg()[0]:.1f} at the end"


def cell(result: dict) -> str:
    return f"{result['min_ms']:.3f}" if "min_ms" in result else "fails"


def header(what: str, width: int, engines: list[str]) -> str:
    return f"{what:{width}} threads  " + "  ".join(f"{e:>11}" for e in engines) + "  best peer / dlc"


def lines(row: tuple[str, int, dict], width: int, engines: list[str]) -> list[str]:
    """One row for the terminal, and what engines had to say that failed."""
    name, threads, results = row
    value = ratio(results)
    cells = "  ".join(f"{cell(results[e]):>11}" for e in engines)
    line = f"{name:{width}} {threads:7}  {cells}  {f'{value:.2f}' if value else '-':>15}"
    return [line, *(f"    {e}: {r['error']}" for e, r in results.items() if "error" in r)]


def markdown(rows, options) -> str:
    head = ["model", "threads", *(f"{e} (ms)" for e in options.engines), "best peer / dlc"]
    lines = [f"| {' | '.join(head)} |", f"|---{'|--:' * (len(head) - 1)}|"]
    for name, threads, row in rows:
        value = ratio(row)
        cells = [
            name,
            str(threads),
            *(cell(row[e]) for e in options.engines),
            f"{value:.2f}" if value else "-",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    note = f"{machine()}; best of {options.rounds} rounds of {options.seconds} s."
    return "\n".join(lines + [""] + [line + "  " for line in summary(rows)] + [note, ""])


def write_tsv(rows, file: Path) -> None:
    with open(file, "w") as out:
        out.write("\t".join(("model", "threads", "engine", *COLUMNS, "error")) + "\n")
        for name, threads, row in rows:
            for engine, result in row.items():
                values = [f"{result[c]:.4f}" if c in result else "" for c in COLUMNS]
                out.write("\t".join((name, str(threads), engine, *values, result.get("error", ""))) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+")
    parser.add_argument("--dlc-run", default="dlc-run")
    parser.add_argument("--engines", default="dlc,onnxruntime,openvino")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--timeout", type=float, default=300)
    parser.add_argument("--symbol", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--exclude", action="append", default=[], metavar="PATTERN")
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--markdown", type=Path, default=None)
    options = parser.parse_args()
    options.engines = options.engines.split(",")
    unknown = set(options.engines) - {"dlc", "onnxruntime", "openvino"}
    if unknown:
        parser.error(f"unknown engine {', '.join(sorted(unknown))}")
    return options


def main() -> None:
    options = parse()
    symbols = SYMBOLS | {k: int(v) for k, v in (s.split("=", 1) for s in options.symbol)}
    width = max(map(len, models := find_models(options.models, options.exclude)), default=5)
    rows = []
    print(header("model", width, options.engines))
    for name, path in models.items():
        with tempfile.TemporaryDirectory() as folder:
            inputs = []
            for k, (key, value) in enumerate(choose_inputs(name, path, symbols).items()):
                np.save(f"{folder}/{k}.npy", value)
                inputs.append(f"{key}={folder}/{k}.npy")
            for threads in map(int, options.threads.split(",")):
                rows.append((name, threads, time_model(path, threads, inputs, options)))
                print("\n".join(lines(rows[-1], width, options.engines)), flush=True)
                if options.out:
                    write_tsv(rows, options.out)
    print("\n".join(summary(rows)))
    if options.markdown:
        options.markdown.write_text(markdown(rows, options))


if __name__ == "__main__":
    main()
