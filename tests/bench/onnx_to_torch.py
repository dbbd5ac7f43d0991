"""Rebuilds the networks of train_peers.py in PyTorch from their ONNX files.

Every operator becomes the PyTorch function for it. What depends on shapes and constants alone is computed
once, for the shapes of the example inputs, so that no step of PyTorch pays for it.
"""

import numpy as np
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper

# Arguments from this position on are numbers, not tensors of the network: they are read once.
FIRST_NUMBER = {
    "Reshape": 1,
    "Slice": 1,
    "Expand": 1,
    "Unsqueeze": 1,
    "Squeeze": 1,
    "ReduceMean": 1,
    "Clip": 1,
    "Range": 0,
}


# Written out, so that torch.compile need not look into calls of other libraries.
TYPES = {
    TensorProto.FLOAT: torch.float32,
    TensorProto.DOUBLE: torch.float64,
    TensorProto.INT32: torch.int32,
    TensorProto.INT64: torch.int64,
    TensorProto.BOOL: torch.bool,
}


def pads_of(attributes: dict, rank: int) -> list[int]:
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise NotImplementedError(f"auto_pad {attributes['auto_pad'].decode()}")
    pads = attributes.get("pads", [0] * 2 * rank)
    if pads[:rank] != pads[rank:]:
        raise NotImplementedError(f"pads {pads}")
    return pads[:rank]


def conv(a, x, w, b=None):
    rank = w.dim() - 2
    function = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[rank]
    return function(x, w, b, a.get("strides", 1), pads_of(a, rank), a.get("dilations", 1), a.get("group", 1))


def max_pool(a, x):
    rank = x.dim() - 2
    function = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}[rank]
    ceil = bool(a.get("ceil_mode", 0))
    return function(
        x, a["kernel_shape"], a.get("strides", [1] * rank), pads_of(a, rank), a.get("dilations", 1), ceil
    )


def gemm(a, x, w, b=None):
    x = x.t() if a.get("transA") else x
    w = w.t() if a.get("transB") else w
    y = a.get("alpha", 1.0) * (x @ w) if a.get("alpha", 1.0) != 1.0 else x @ w
    if a.get("alpha", 1.0) == 1.0 and a.get("beta", 1.0) == 1.0 and b is not None and b.dim() == 1:
        return torch.addmm(b, x, w)
    return y if b is None else y + a.get("beta", 1.0) * b


def reduce_mean(a, x, axes=None):
    return x.mean(dim=axes or a.get("axes"), keepdim=bool(a.get("keepdims", 1)))


def reshape(a, x, shape):
    return x.reshape([x.shape[i] if n == 0 else n for i, n in enumerate(shape)])


def slice_(a, x, starts, ends, axes=None, steps=None):
    axes = range(len(starts)) if axes is None else axes
    steps = steps or [1] * len(starts)
    index = [slice(None)] * x.dim()
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        if step < 1:
            raise NotImplementedError(f"Slice with step {step}")
        index[axis] = slice(start, min(end, x.shape[axis]), step)
    return x[tuple(index)]


def layer_norm(a, x, scale, bias=None):
    axis = a.get("axis", -1) % x.dim()
    return F.layer_norm(x, x.shape[axis:], scale, bias, a.get("epsilon", 1e-5))


def gather(a, x, index):
    axis = a.get("axis", 0) % x.dim()
    if axis == 0 and x.dim() == 2 and index.dim() > 0 and x.is_floating_point():
        return F.embedding(index, x)
    index = torch.where(index < 0, index + x.shape[axis], index)
    taken = torch.index_select(x, axis, index.reshape(-1))
    return taken.reshape(x.shape[:axis] + index.shape + x.shape[axis + 1 :])


def gather_nd(a, x, index):
    if a.get("batch_dims", 0):
        raise NotImplementedError("GatherND with batch_dims")
    return x[tuple(index[..., i] for i in range(index.shape[-1]))]


def unsqueeze(a, x, axes):
    rank = x.dim() + len(axes)
    for axis in sorted(i % rank for i in axes):
        x = x.unsqueeze(axis)
    return x


def squeeze(a, x, axes=None):
    return x.squeeze() if axes is None else x.squeeze(tuple(axes))


def cast(a, x):
    return x.to(TYPES[a["to"]])


def divide(a, x, y):
    return x / y if x.is_floating_point() else torch.div(x, y, rounding_mode="trunc")


def clip(a, x, low=None, high=None):
    return torch.clamp(x, low, high)


def attention(a, q, k, v):
    """On [batch, tokens, heads * size], as the standard's operator without masks and caches has it."""

    def split(x, heads):
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)

    q, (k, v) = split(q, a["q_num_heads"]), (split(x, a["kv_num_heads"]) for x in (k, v))
    found = F.scaled_dot_product_attention(q, k, v, is_causal=bool(a.get("is_causal", 0)))
    return found.transpose(1, 2).flatten(-2)


def gelu(a, x):
    return F.gelu(x, approximate=a.get("approximate", b"none").decode())


OPERATORS = {
    "Add": lambda a, x, y: x + y,
    "And": lambda a, x, y: x & y,
    "Attention": attention,
    "AveragePool": lambda a, x: F.avg_pool2d(x, a["kernel_shape"], a.get("strides", 1), pads_of(a, 2)),
    "Cast": cast,
    "Clip": clip,
    "Concat": lambda a, *x: torch.cat(x, a["axis"]),
    "Conv": conv,
    "Div": divide,
    "Erf": lambda a, x: torch.erf(x),
    "Expand": lambda a, x, shape: x.expand(torch.broadcast_shapes(x.shape, tuple(shape))),
    "Flatten": lambda a, x: x.flatten(a.get("axis", 1)),
    "Gather": gather,
    "GatherElements": lambda a, x, index: torch.gather(x, a.get("axis", 0), index),
    "GatherND": gather_nd,
    "Gelu": gelu,
    "Gemm": gemm,
    "GlobalAveragePool": lambda a, x: x.mean(dim=tuple(range(2, x.dim())), keepdim=True),
    "GreaterOrEqual": lambda a, x, y: x >= y,
    "Identity": lambda a, x: x,
    "IsNaN": lambda a, x: torch.isnan(x),
    "LayerNormalization": layer_norm,
    "MatMul": lambda a, x, y: x @ y,
    "Max": lambda a, x, *y: x if not y else torch.maximum(x, *y),
    "MaxPool": max_pool,
    "Mul": lambda a, x, y: x * y,
    "Range": lambda a, start, limit, step: torch.arange(start, limit, step),
    "ReduceMean": reduce_mean,
    "Relu": lambda a, x: F.relu(x),
    "Reshape": reshape,
    "Shape": lambda a, x: torch.tensor(x.shape[a.get("start", 0) : a.get("end")]),
    "Slice": slice_,
    "Softmax": lambda a, x: F.softmax(x, a.get("axis", -1)),
    "Squeeze": squeeze,
    "Sub": lambda a, x, y: x - y,
    "Tanh": lambda a, x: torch.tanh(x),
    "Transpose": lambda a, x: x.permute(a.get("perm", list(reversed(range(x.dim()))))),
    "Unsqueeze": unsqueeze,
    "Where": lambda a, c, x, y: torch.where(c, x, y),
}


def set_batch(shape: list[int], found: torch.Size):
    """Exporters write a batch of 1 out in the shapes that a Reshape takes."""
    if shape[0] == 1 and (-1 in shape[1:] or np.prod(shape) * found[0] == found.numel()):
        shape[0] = found[0]


def run_step(step, values: dict, results: dict):
    """Arguments that are names stand for values, others for themselves."""
    function, attributes, arguments, output = step
    results[output] = function(attributes, *[values[a] if isinstance(a, str) else a for a in arguments])


class OnnxModule(torch.nn.Module):
    """The first output of a model, for inputs of the shapes of `examples`."""

    def __init__(self, model, examples: dict):
        super().__init__()
        unknown = sorted({node.op_type for node in model.graph.node} - OPERATORS.keys() - {"Constant"})
        if unknown:
            raise NotImplementedError(f"operators {', '.join(unknown)}")
        self.inputs = list(examples)
        self.output = model.graph.output[0].name
        self.weights = torch.nn.ParameterList()
        self.places = {}  # of weights, by name
        constants = {}
        for tensor in model.graph.initializer:
            value = torch.from_numpy(numpy_helper.to_array(tensor).copy())
            if value.is_floating_point() and value.numel() > 1:
                self.places[tensor.name] = len(self.weights)
                self.weights.append(torch.nn.Parameter(value))
            else:
                constants[tensor.name] = value
        self.steps = []
        with torch.no_grad():
            self.settle(model.graph, constants, examples)
        needed = {name for _, _, arguments, _ in self.steps for name in arguments if isinstance(name, str)}
        self.constants = {name: value for name, value in constants.items() if name in needed}

    def settle(self, graph, constants: dict, examples: dict):
        """Runs the nodes once: those that depend on no weight and no input become constants."""
        values = {name: self.weights[place] for name, place in self.places.items()} | dict(examples)
        for node in graph.node:
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            if node.op_type == "Constant":
                constants[node.output[0]] = torch.from_numpy(
                    numpy_helper.to_array(attributes["value"]).copy()
                )
                continue
            is_constant = node.op_type == "Shape" or all(not n or n in constants for n in node.input)
            arguments = list(node.input)
            for i, name in enumerate(arguments):
                if not name:
                    arguments[i] = None
                elif i >= FIRST_NUMBER.get(node.op_type, len(arguments)):
                    arguments[i] = constants[name].tolist()
            if node.op_type == "Reshape" and not is_constant:
                set_batch(arguments[1], (values | constants)[node.input[0]].shape)
            step = (OPERATORS[node.op_type], attributes, arguments, node.output[0])
            run_step(step, values | constants, constants if is_constant else values)
            if not is_constant:
                self.steps.append(step)

    def forward(self, *inputs):
        values = dict(zip(self.inputs, inputs, strict=True)) | self.constants
        values |= {name: self.weights[place] for name, place in self.places.items()}
        for step in self.steps:
            run_step(step, values, values)
        return values[self.output]
