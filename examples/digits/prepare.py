#!/usr/bin/env python3
"""Writes what train.sh trains the digit classifier from: the network with random weights, and the images.

usage: prepare.py WORK_DIR IMAGES_DIR

Data: the 1,797 images of 8x8 grey values that scikit-learn's wheel carries (UCI optical digits), as grey values
in [0, 1], what value / 255 of an 8-bit PNG gives. A fifth is held out. Writes WORK_DIR/untrained.onnx,
WORK_DIR/train.npz and WORK_DIR/held_out.npz (image, labels), and one held-out image of each class to
IMAGES_DIR/<digit>.png.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SEED = 0
FILTERS = 16
HIDDEN = 48
HELD_OUT = 0.2


def make_weights() -> dict[str, np.ndarray]:
    """Normal random numbers with the spread of He et al. 2015; biases are zero."""
    random = np.random.default_rng(SEED)
    shapes = {"filters": (FILTERS, 1, 3, 3), "hidden_weight": (FILTERS * 16, HIDDEN), "output_weight": (HIDDEN, 10)}
    inputs = {"filters": 9, "hidden_weight": FILTERS * 16, "output_weight": HIDDEN}
    weights = {name: random.normal(0, (2 / inputs[name]) ** 0.5, shape) for name, shape in shapes.items()}
    weights |= {"filters_bias": np.zeros(FILTERS), "hidden_bias": np.zeros(HIDDEN), "output_bias": np.zeros(10)}
    return {name: value.astype(np.float32) for name, value in weights.items()}


def make_network() -> onnx.ModelProto:
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
        [numpy_helper.from_array(value, name) for name, value in make_weights().items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10, producer_name="prepare.py"
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    work, pictures = Path(sys.argv[1]), Path(sys.argv[2])
    work.mkdir(parents=True, exist_ok=True)
    pictures.mkdir(parents=True, exist_ok=True)
    digits = load_digits()
    images, labels = (digits.images / 16).astype(np.float32)[:, None], digits.target
    train, held_out = train_test_split(
        np.arange(len(labels)), test_size=HELD_OUT, random_state=SEED, stratify=labels
    )
    onnx.save(make_network(), work / "untrained.onnx")
    for name, chosen in (("train", train), ("held_out", held_out)):
        np.savez(work / f"{name}.npz", image=images[chosen], labels=labels[chosen].astype(np.int64))
    for digit in range(10):
        first = next(i for i in held_out if labels[i] == digit)
        pixels = np.round(images[first, 0] * 255).astype(np.uint8)
        Image.fromarray(pixels).save(pictures / f"{digit}.png")


if __name__ == "__main__":
    main()
