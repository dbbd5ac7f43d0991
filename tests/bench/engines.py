"""Runs one model on one engine in this process and prints its times as a line of JSON. Started by peers.py.

usage: engines.py ENGINE MODEL THREADS SECONDS NAME=FILE.npy...
"""

import json
import resource
import sys
import time

import numpy as np


def onnxruntime_runner(path: str, threads: int, feed: dict):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    for name, value in feed.items():
        binding.bind_cpu_input(name, value)
    for output in session.get_outputs():
        binding.bind_output(output.name)
    runs = [lambda: session.run_with_iobinding(binding), lambda: session.run(None, feed)]

    def run():
        try:
            runs[0]()
        except RuntimeError:  # a model whose outputs have other shapes than it declares cannot be bound
            if len(runs) == 1:
                raise
            del runs[0]
            runs[0]()

    return run


def openvino_runner(path: str, threads: int, feed: dict):
    import openvino as ov

    core = ov.Core()
    model = core.read_model(path)
    model.reshape({name: list(value.shape) for name, value in feed.items()})
    config = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = core.compile_model(model, "CPU", config).create_infer_request()
    for name, value in feed.items():
        request.set_tensor(name, ov.Tensor(value, shared_memory=True))
    return request.infer


RUNNERS = {"onnxruntime": onnxruntime_runner, "openvino": openvino_runner}


def measure(run, seconds: float) -> dict:
    """Times of single runs for `seconds`, at least five of them, after two that do not count."""
    start = time.perf_counter()
    run()
    first = time.perf_counter() - start
    run()
    times, end = [], time.perf_counter() + max(seconds, 3 * first)
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    times.sort()
    return {
        "min_ms": times[0] * 1e3,
        "median_ms": times[len(times) // 2] * 1e3,
        "p99_ms": times[len(times) * 99 // 100] * 1e3,
        "first_run_ms": first * 1e3,
        "runs": len(times),
    }


def main() -> None:
    engine, path, threads, seconds, *inputs = sys.argv[1:]
    feed = {name: np.load(file) for name, file in (i.rsplit("=", 1) for i in inputs)}
    start = time.perf_counter()
    run = RUNNERS[engine](path, int(threads), feed)
    load = (time.perf_counter() - start) * 1e3
    times = measure(run, float(seconds))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(times | {"load_ms": load, "peak_rss_mb": peak, "threads": int(threads)}))


if __name__ == "__main__":
    main()
