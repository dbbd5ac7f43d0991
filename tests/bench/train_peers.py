#!/usr/bin/env python3
"""Times training steps of dlc beside PyTorch on this machine.

usage: train_peers.py [NETWORKS...] [--architectures FOLDER] [--dlc-train PATH] [--engines dlc,eager,compile]
                      [--threads 1] [--rounds 3] [--seconds 3] [--markdown FILE]

NETWORKS are of the table below; all of them by default. FOLDER holds the models of ../shared/architectures
with weights (materialize.py there writes them); LeNet and GPT-2 are made by train_networks.py.
PyTorch is set up by one command:

    $(tests/bench/setup_train_peers.sh) tests/bench/train_peers.py --architectures FOLDER

A step is forward, loss, backward and optimizer on one batch of random data, in fp32, with the same network
(PyTorch's is rebuilt from the ONNX file by onnx_to_torch.py), loss and optimizer. In a round each engine gets
its turn in a process of its own, the order turning by one from round to round, so that drift of the machine
falls on all alike. Of each engine the best round's median counts. Memory is the peak of the process less weights,
optimizer state and what the engine itself takes: PyTorch after its import, dlc for a step of one weight. The ratio is
the best time of PyTorch divided by dlc's: above 1 dlc is faster.
"""

import argparse
import dataclasses
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from train_networks import WRITERS, write_smallest


@dataclasses.dataclass
class Network:
    batch: int
    optimizer: str  # of dlc-train
    sequence: int = 0  # of token ids; 0: it takes pictures


SGD = "sgd,lr=0.001,momentum=0.9"
NETWORKS = {
    "lenet": Network(64, SGD),
    "resnet18": Network(8, SGD),
    "mobilenet_v2": Network(8, SGD),
    "minilm_l6": Network(8, "adamw,lr=1e-5,wd=0.01", 128),
    "gpt2": Network(1, "adamw,lr=1e-5,wd=0.01", 256),
}


def inputs_of(model, network: Network) -> dict:
    import torch

    result = {}
    for value in model.graph.input:
        if network.sequence:
            shape = (network.batch, network.sequence)
            result[value.name] = (
                torch.ones(shape, dtype=torch.int64)
                if "mask" in value.name
                else torch.randint(0, 1000, shape)
            )
        else:
            dims = [d.dim_value for d in value.type.tensor_type.shape.dim]
            result[value.name] = torch.randn(network.batch, *dims[1:])
    return result


def optimizer_of(text: str, parameters):
    import torch

    name, *parts = text.split(",")
    keys = {key: float(number) for key, number in (part.split("=") for part in parts)}
    if name == "sgd":
        return torch.optim.SGD(parameters, lr=keys["lr"], momentum=keys["momentum"])
    return torch.optim.AdamW(parameters, lr=keys["lr"], weight_decay=keys["wd"])


def peak_mb() -> float:
    """Of this process alone: getrusage counts what its parent took before as well."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


def run_torch(path: Path, network: Network, compiles: bool, threads: int, seconds: float) -> dict:
    """In a process of its own: the steps of PyTorch."""
    import onnx
    import torch
    import torch.nn.functional as F
    from onnx_to_torch import OnnxModule

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    base = peak_mb()
    begin = time.perf_counter()
    model = onnx.load(path)
    inputs = inputs_of(model, network)
    module = OnnxModule(model, inputs)
    del model
    step_module = torch.compile(module) if compiles else module
    optimizer = optimizer_of(network.optimizer, module.parameters())
    classes = module(*inputs.values()).shape[-1]
    target = torch.randint(
        0, classes, (network.batch, network.sequence) if network.sequence else (network.batch,)
    )

    def step():
        optimizer.zero_grad()
        scores = step_module(*inputs.values())
        loss = F.cross_entropy(scores.reshape(-1, scores.shape[-1]), target.reshape(-1))
        loss.backward()
        optimizer.step()
        return loss.item()

    step()
    first = time.perf_counter() - begin
    step()
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - start))
    states = [*module.parameters(), *module.buffers()]
    states += [v for s in optimizer.state.values() for v in s.values() if torch.is_tensor(v)]
    kept = sum(t.numel() * t.element_size() for t in states) / 1e6
    return {"median_ms": statistics.median(times), "first_s": first, "memory_mb": peak_mb() - base - kept}


def bench_dlc(program: str, path: Path, network: Network, threads: int, seconds: float) -> dict:
    import onnx

    command = [
        program,
        "bench",
        str(path),
        "--batch",
        str(network.batch),
        "--threads",
        str(threads),
        "--seconds",
        str(seconds),
        "--optimizer",
        network.optimizer,
        "--json",
    ]
    if network.sequence:
        for value in onnx.load(path, load_external_data=False).graph.input:
            command += ["--shape", f"{value.name}={network.batch}x{network.sequence}"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def state_mb(path: Path, network: Network) -> float:
    """Of weights and what the optimizer keeps of each."""
    import onnx

    copies = 2 if network.optimizer.startswith("sgd") else 3
    weights = [t for t in onnx.load(path).graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
    return copies * 4 * sum(math.prod(t.dims) for t in weights) / 1e6


def run_dlc(program: str, path: Path, network: Network, threads: int, seconds: float) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        smallest = Path(folder) / "smallest.onnx"
        write_smallest(smallest)
        base = bench_dlc(program, smallest, Network(1, network.optimizer), threads, 0.01)["peak_rss_mb"]
    found = bench_dlc(program, path, network, threads, seconds)
    return {
        "median_ms": found["median_ms"],
        "first_s": found["load_ms"] / 1e3,
        "memory_mb": found["peak_rss_mb"] - base - state_mb(path, network),
    }


def measure(engine: str, path: Path, name: str, options) -> dict:
    if engine == "dlc":
        return run_dlc(options.dlc_train, path, NETWORKS[name], options.thread, options.seconds)
    command = [
        sys.executable,
        __file__,
        name,
        "--worker",
        engine,
        "--model",
        str(path),
        "--seconds",
        str(options.seconds),
    ]
    environment = os.environ | {"OMP_NUM_THREADS": str(options.thread)}
    command += ["--threads", str(options.thread)]
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(result.stdout.splitlines()[-1])


def best_of(rounds: list[dict]) -> dict:
    return min(rounds, key=lambda found: found["median_ms"])


def compare(path: Path, name: str, options) -> str:
    engines = options.engines.split(",")
    found = {engine: [] for engine in engines}
    for turn in range(options.rounds):
        for i in range(len(engines)):
            engine = engines[(turn + i) % len(engines)]
            found[engine].append(measure(engine, path, name, options))
            print(
                f"{name}, {options.thread} threads, round {turn + 1}: {engine} {found[engine][-1]}",
                file=sys.stderr,
            )
    best = {engine: best_of(rounds) for engine, rounds in found.items()}
    peers = [engine for engine in engines if engine != "dlc"]
    ratio = (
        min(best[peer]["median_ms"] for peer in peers) / best["dlc"]["median_ms"]
        if peers and "dlc" in best
        else 0
    )
    cells = [f"{best[engine]['median_ms']:.1f}" for engine in engines]
    cells += [f"{ratio:.2f}"] + [f"{best[engine]['memory_mb']:.0f}" for engine in engines]
    cells += [f"{best[engine]['first_s']:.1f}" for engine in engines]
    return f"| {name} x {NETWORKS[name].batch} | {options.thread} | {' | '.join(cells)} |"


def table(options) -> str:
    engines = options.engines.split(",")
    columns = [
        "network x batch",
        "threads",
        *(f"{e} ms" for e in engines),
        "ratio",
        *(f"{e} MB" for e in engines),
        *(f"{e} first step s" for e in engines),
    ]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    with tempfile.TemporaryDirectory() as folder:
        for name in options.networks or NETWORKS:
            path = Path(options.architectures) / name / "model.onnx"
            if name in WRITERS:
                path = Path(folder) / f"{name}.onnx"
                WRITERS[name](path)
            for options.thread in map(int, options.threads.split(",")):
                lines.append(compare(path, name, options))
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="*", metavar="NETWORKS")
    parser.add_argument("--architectures", default=".")
    parser.add_argument("--dlc-train", default="build/bin/dlc-train")
    parser.add_argument("--engines", default="dlc,eager,compile")
    parser.add_argument("--threads", default="1")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--markdown")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--model", help=argparse.SUPPRESS)
    options = parser.parse_args()
    for name in options.networks:
        if name not in NETWORKS:
            sys.exit(f"there is no network {name}; there are {', '.join(NETWORKS)}")
    if options.worker:
        network = NETWORKS[options.networks[0]]
        print(
            json.dumps(
                run_torch(
                    Path(options.model),
                    network,
                    options.worker == "compile",
                    int(options.threads),
                    options.seconds,
                )
            )
        )
        return
    text = table(options)
    print(text, end="")
    if options.markdown:
        Path(options.markdown).write_text(text)


if __name__ == "__main__":
    main()
