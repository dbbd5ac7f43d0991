"""Networks as ONNX Runtime's quantiser and its optimisers write them, for make_references.py.

write(name, path) writes the network NAME of NAMES: a small convolutional network or a small transformer with random
weights, quantised in one way. Needs numpy, onnx, onnxruntime and sympy."""

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic,
                                      quantize_static)
from onnxruntime.transformers import optimizer

CHANNELS = 16  # of the convolutional network
SIZE, HEADS = 64, 4  # of the transformer's vectors


class Network:
    """A graph in the making. Operators give the name of their output."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.constants = [], []

    def constant(self, value) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def weights(self, *shape, inputs: int) -> str:
        return self.constant((self.rng.standard_normal(shape) * np.sqrt(2 / inputs)).astype(np.float32))

    def __call__(self, op: str, *inputs: str, **attributes) -> str:
        name = f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name, **attributes))
        return name

    def conv(self, x: str, channels: int, outputs: int, kernel: int = 3, group: int = 1, **attributes) -> str:
        inputs = channels // group * kernel * kernel
        weights = self.weights(outputs, channels // group, kernel, kernel, inputs=inputs)
        bias = self.constant((self.rng.standard_normal(outputs) * 0.1).astype(np.float32))
        pads = [kernel // 2] * 4
        return self("Conv", x, weights, bias, group=group, pads=pads, kernel_shape=[kernel] * 2, **attributes)

    def linear(self, x: str, inputs: int, outputs: int) -> str:
        bias = self.constant((self.rng.standard_normal(outputs) * 0.1).astype(np.float32))
        return self("Add", self("MatMul", x, self.weights(inputs, outputs, inputs=2 * inputs)), bias)

    def norm(self, x: str) -> str:
        scale = (1 + 0.1 * self.rng.standard_normal(SIZE)).astype(np.float32)
        bias = (0.1 * self.rng.standard_normal(SIZE)).astype(np.float32)
        return self("LayerNormalization", x, self.constant(scale), self.constant(bias), axis=-1)

    def model(self, shape: list, output: str, result: list) -> onnx.ModelProto:
        self.nodes.append(helper.make_node("Identity", [output], ["y"]))
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, result)
        graph = helper.make_graph(self.nodes, "network", [x], [y], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def convolutional() -> onnx.ModelProto:
    """Convolutions of all kinds, pools, a residual sum, a joined pair of branches, a gate and a classifier."""
    n, c = Network(1), CHANNELS
    x = n("Relu", n.conv("x", 3, c, strides=[2, 2]))
    x = n("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    inner = n("LeakyRelu", n.conv(x, c, c), alpha=0.1)
    x = n("Relu", n("Add", x, n.conv(inner, c, c)))
    left = n("Relu", n.conv(n("Relu", n.conv(x, c, c, group=c)), c, c, kernel=1))
    right = n("AveragePool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)
    x = n("Concat", left, right, axis=1)
    gate = n("Sigmoid", n.conv(n("GlobalAveragePool", x), 2 * c, 2 * c, kernel=1))
    x = n("Relu", n.conv(n("Mul", x, gate), 2 * c, 2 * c, strides=[2, 2], dilations=[1, 1]))
    x = n("Flatten", n("GlobalAveragePool", x))
    x = n("Gemm", x, n.weights(10, 2 * c, inputs=c), n.constant(np.zeros(10, np.float32)), transB=1)
    return n.model(["batch", 3, 32, 32], x, ["batch", 10])


def transformer() -> onnx.ModelProto:
    """Two layers of attention and of a perceptron."""
    n, size = Network(2), SIZE // HEADS

    def split(x: str) -> str:
        x = n("Reshape", x, n.constant(np.array([0, 0, HEADS, size])))
        return n("Transpose", x, perm=[0, 2, 1, 3])

    x = "x"
    for _ in range(2):
        h = n.norm(x)
        q, k, v = (split(n.linear(h, SIZE, SIZE)) for _ in range(3))
        scores = n("Div", n("MatMul", q, n("Transpose", k, perm=[0, 1, 3, 2])), n.constant(np.float32(size**0.5)))
        h = n("Transpose", n("MatMul", n("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
        h = n("Reshape", h, n.constant(np.array([0, 0, SIZE])))
        x = n("Add", n.linear(h, SIZE, SIZE), x)
        h = n.linear(n.norm(x), SIZE, 2 * SIZE)
        root = n("Erf", n("Div", h, n.constant(np.float32(2**0.5))))
        h = n("Mul", n("Mul", h, n("Add", root, n.constant(np.float32(1)))), n.constant(np.float32(0.5)))
        x = n("Add", n.linear(h, 2 * SIZE, SIZE), x)
    return n.model(["batch", "sequence", SIZE], n.norm(x), ["batch", "sequence", SIZE])


class Samples(CalibrationDataReader):
    def __init__(self, shape: list):
        rng = np.random.default_rng(3)
        self.samples = iter([{"x": rng.standard_normal(shape).astype(np.float32)} for _ in range(8)])

    def get_next(self):
        return next(self.samples, None)


def static(model: Path, out: Path, **options) -> None:
    image = len(onnx.load(model).graph.input[0].type.tensor_type.shape.dim) == 4
    quantize_static(model, out, Samples([2, 3, 32, 32] if image else [2, 7, SIZE]), **options)


def optimised(model: Path, out: Path, level=ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED) -> None:
    """As ONNX Runtime would run it: with the operators that its optimiser puts in place of others."""
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(out)
    options.graph_optimization_level = level
    options.log_severity_level = 3
    ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def channels_last(model: Path, out: Path) -> None:
    optimised(model, out, ort.GraphOptimizationLevel.ORT_ENABLE_ALL)


def fused(model: Path, out: Path) -> None:
    """With the operators of its optimiser for transformers."""
    result = optimizer.optimize_model(str(model), model_type="bert", num_heads=HEADS, hidden_size=SIZE, opt_level=0)
    result.save_model_to_file(str(out))


def qoperator(model: Path, out: Path) -> None:
    static(model, out, quant_format=QuantFormat.QOperator)


def qdq(model: Path, out: Path) -> None:
    static(model, out, quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QInt8)


def dynamic(model: Path, out: Path) -> None:
    options = {"DefaultTensorType": TensorProto.FLOAT}
    quantize_dynamic(model, out, weight_type=QuantType.QInt8, extra_options=options)


# The network and what is done with it, one step after another.
NAMES = {
    "cnn_qoperator": (convolutional, [qoperator]),
    "cnn_qoperator_channels_last": (convolutional, [qoperator, channels_last]),
    "cnn_qdq": (convolutional, [qdq]),
    "cnn_qdq_optimised": (convolutional, [qdq, optimised]),
    "cnn_dynamic": (convolutional, [dynamic]),
    "transformer_qoperator": (transformer, [qoperator]),
    "transformer_qdq": (transformer, [qdq]),
    "transformer_dynamic": (transformer, [dynamic]),
    "transformer_dynamic_optimised": (transformer, [dynamic, optimised]),
    "transformer_fused": (transformer, [fused]),
    "transformer_fused_dynamic": (transformer, [fused, dynamic]),
}


def write(name: str, path: Path) -> None:
    make, steps = NAMES[name]
    with tempfile.TemporaryDirectory() as folder:
        last = Path(folder) / "model.onnx"
        onnx.save(make(), last)
        for i, step in enumerate(steps):
            step(last, last.with_name(f"step{i}.onnx"))
            last = last.with_name(f"step{i}.onnx")
        path.write_bytes(last.read_bytes())
