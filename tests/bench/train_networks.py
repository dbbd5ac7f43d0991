"""Networks of train_peers.py that are made here, with random weights."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save


class Writer:
    """A network in the making: a chain of nodes, each of which takes what the one before it gives."""

    def __init__(self, value: str, seed: int = 0):
        self.random = np.random.default_rng(seed)
        self.nodes, self.weights, self.value = [], [], value

    def weight(self, name: str, *shape: int, scale: float = 0) -> str:
        """Normal random numbers; zeros without a scale."""
        data = self.random.normal(0, scale, shape) if scale else np.zeros(shape)
        self.weights.append(numpy_helper.from_array(data.astype(np.float32), name))
        return name

    def constant(self, name: str, data) -> str:
        self.weights.append(numpy_helper.from_array(np.asarray(data), name))
        return name

    def add(self, operator: str, *extra: str, **attributes) -> str:
        return self.node(operator, self.value, *extra, **attributes)

    def node(self, operator: str, *inputs: str, **attributes) -> str:
        self.value = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [self.value], **attributes))
        return self.value

    def save(self, path: Path, inputs, output_shape, opset: int):
        output = helper.make_tensor_value_info(self.value, TensorProto.FLOAT, output_shape)
        graph = helper.make_graph(self.nodes, path.stem, inputs, [output], self.weights)
        version = 8 if opset < 21 else 10
        save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=version), path)


def write_smallest(path: Path):
    """One weight: what a program takes to train anything."""
    net = Writer("x")
    net.add("Gemm", net.weight("weight", 1, 2, scale=1))
    net.save(path, [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1])], [1, 2], 17)


def write_lenet(path: Path):
    """LeNet-5 on 28x28 (LeCun et al. 1998), with ReLU and the largest of four pixels."""
    net = Writer("image")
    for name, pad, shape in (("c1", 2, (6, 1, 5, 5)), ("c2", 0, (16, 6, 5, 5))):
        weight = net.weight(f"{name}_weight", *shape, scale=1 / np.sqrt(np.prod(shape[1:])))
        bias = net.weight(f"{name}_bias", shape[0])
        net.add("Conv", weight, bias, pads=[pad] * 4, kernel_shape=[5, 5])
        net.add("Relu")
        net.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    net.add("Flatten")
    for name, outputs, inputs in (("f1", 120, 400), ("f2", 84, 120), ("f3", 10, 84)):
        weight = net.weight(f"{name}_weight", outputs, inputs, scale=1 / np.sqrt(inputs))
        net.add("Gemm", weight, net.weight(f"{name}_bias", outputs), transB=1)
        if name != "f3":
            net.add("Relu")
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 28, 28])
    net.save(path, [image], [1, 10], 17)


def write_gpt2(path: Path, layers: int = 12, width: int = 768, heads: int = 12, tokens: int = 50257):
    """GPT-2 (Radford et al. 2019) of the small shape, without a cache of keys and values."""
    length = 256
    net = Writer("ids")

    def linear(name: str, inputs: int, outputs: int) -> str:
        net.add("MatMul", net.weight(f"{name}_weight", inputs, outputs, scale=0.02))
        return net.add("Add", net.weight(f"{name}_bias", outputs))

    def normalised(name: str, x: str):
        scale = net.constant(f"{name}_scale", np.ones(width, np.float32))
        net.node("LayerNormalization", x, scale, net.weight(f"{name}_bias", width), axis=-1, epsilon=1e-5)

    edges = [net.constant(f"edge_{i}", np.array([i * width], np.int64)) for i in range(4)]
    net.constant("last_axis", np.array([-1], np.int64))
    table = net.weight("tokens", tokens, width, scale=0.02)
    net.node("Gather", table, "ids")
    x = net.add("Add", net.weight("positions", length, width, scale=0.02))
    for i in range(layers):
        normalised(f"{i}_n1", x)
        joined = linear(f"{i}_qkv", width, 3 * width)
        parts = [net.node("Slice", joined, *edges[part : part + 2], "last_axis") for part in range(3)]
        net.node("Attention", *parts, is_causal=1, q_num_heads=heads, kv_num_heads=heads)
        x = net.node("Add", x, linear(f"{i}_out", width, width))
        normalised(f"{i}_n2", x)
        linear(f"{i}_up", width, 4 * width)
        net.add("Gelu", approximate="tanh")
        x = net.node("Add", x, linear(f"{i}_down", 4 * width, width))
    normalised("n", x)
    turned = net.value
    net.node("Transpose", table, perm=[1, 0])
    net.node("MatMul", turned, net.value)
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, [1, length])
    net.save(path, [ids], [1, length, tokens], 23)


WRITERS = {"lenet": write_lenet, "gpt2": write_gpt2}
