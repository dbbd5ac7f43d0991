#!/usr/bin/env python3
"""Trains the digit classifier of this folder and writes it as ONNX.

usage: train.py [OUT_DIR]        (OUT_DIR: this folder)

Data: the 1,797 images of 8x8 grey values that scikit-learn's wheel carries (UCI optical digits). A fixed,
seeded bank of 3x3 filters with ReLU and max pooling feeds a perceptron that scikit-learn trains. The exported
network takes grey values in [0, 1], what value / 255 of an 8-bit PNG gives. Writes digits.onnx, labels.txt,
images/<digit>.png and ACCURACY.txt.
"""

import struct
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import onnx
import sklearn
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

SEED = 0
FILTERS = 16
HIDDEN = 48
HELD_OUT = 0.2


def make_filters() -> np.ndarray:
    filters = np.random.default_rng(SEED).standard_normal((FILTERS, 1, 3, 3)).astype(np.float32)
    return filters / np.sqrt((filters**2).sum((1, 2, 3), keepdims=True))


def features(images: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Convolution, ReLU and 2x2 max pooling of [n, 1, 8, 8], flattened."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))[:, 0]
    maps = np.maximum(np.einsum("nhwij,fij->nfhw", windows, filters[:, 0]), 0)
    return maps.reshape(len(images), FILTERS, 4, 2, 4, 2).max((3, 5)).reshape(len(images), -1)


def to_onnx(filters: np.ndarray, mlp: MLPClassifier) -> onnx.ModelProto:
    weights = {"filters": filters, "filters_bias": np.zeros(FILTERS, np.float32)}
    for name, weight, bias in zip(("hidden", "output"), mlp.coefs_, mlp.intercepts_, strict=True):
        weights[f"{name}_weight"] = weight.astype(np.float32)
        weights[f"{name}_bias"] = bias.astype(np.float32)
    nodes = [
        helper.make_node(
            "Conv", ["image", "filters", "filters_bias"], ["maps"], "conv", kernel_shape=[3, 3], pads=[1] * 4
        ),
        helper.make_node("Relu", ["maps"], ["active_maps"], "conv_relu"),
        helper.make_node("MaxPool", ["active_maps"], ["pooled"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pooled"], ["features"], "flatten", axis=1),
        helper.make_node("Gemm", ["features", "hidden_weight", "hidden_bias"], ["hidden"], "hidden"),
        helper.make_node("Relu", ["hidden"], ["active_hidden"], "hidden_relu"),
        helper.make_node("Gemm", ["active_hidden", "output_weight", "output_bias"], ["logits"], "output"),
        helper.make_node("Softmax", ["logits"], ["probabilities"], "softmax", axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10, producer_name="train.py"
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def png(pixels: np.ndarray) -> bytes:
    """An 8-bit grey PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels.astype(np.uint8))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )


def main() -> None:
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    digits = load_digits()
    images, labels = (digits.images / 16).astype(np.float32)[:, None], digits.target
    train, held_out = train_test_split(
        np.arange(len(labels)), test_size=HELD_OUT, random_state=SEED, stratify=labels
    )
    filters = make_filters()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mlp = MLPClassifier((HIDDEN,), alpha=1e-3, random_state=SEED, max_iter=200)
        mlp.fit(features(images[train], filters), labels[train])
    accuracy = mlp.score(features(images[held_out], filters), labels[held_out])

    (out / "images").mkdir(parents=True, exist_ok=True)
    onnx.save(to_onnx(filters, mlp), out / "digits.onnx")
    (out / "labels.txt").write_text("".join(f"{digit}\n" for digit in range(10)))
    for digit in range(10):
        first = next(i for i in held_out if labels[i] == digit)
        (out / "images" / f"{digit}.png").write_bytes(png(np.round(images[first, 0] * 255)))
    right = round(accuracy * len(held_out))
    text = (
        f"accuracy on held-out images: {accuracy:.4f} ({right} of {len(held_out)})\n"
        f"split: {len(train)} training, {len(held_out)} held out; stratified by class, seed {SEED}\n"
        f"trained with scikit-learn {sklearn.__version__}\n"
    )
    (out / "ACCURACY.txt").write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
