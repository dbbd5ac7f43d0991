"""What an error case is, and short ways to write models, right or wrong: nothing here is checked."""

import re
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 21
FLOAT, INT64, INT32, BOOL, STRING = (
    getattr(TensorProto, t) for t in ("FLOAT", "INT64", "INT32", "BOOL", "STRING")
)


@dataclass
class Case:
    name: str
    model: onnx.ModelProto | bytes
    expect: list[str]  # regular expressions; every one of them is found in the message, letter case aside
    files: dict[str, bytes] = field(default_factory=dict)  # beside the model; keys may climb with "../"
    links: dict[str, str] = field(default_factory=dict)  # symbolic links beside the model: name -> target
    inputs: list[np.ndarray] | None = None
    outputs: list[np.ndarray] | None = None  # given: the model is right and must compute these

    def __post_init__(self):
        for pattern in self.expect:
            re.compile(pattern)


def value(name: str, shape=(2, 3), dtype=FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


def tensor(name: str, array, dtype=np.float32) -> TensorProto:
    return numpy_helper.from_array(np.asarray(array, dtype), name)


def ints(name: str, *values: int) -> TensorProto:
    return tensor(name, values, np.int64)


def node(op: str, inputs="x", outputs="y", name="culprit", domain="", **attributes) -> onnx.NodeProto:
    """Inputs and outputs are names separated by spaces; "-" is an absent one."""
    names = [[n if n != "-" else "" for n in text.split()] for text in (inputs, outputs)]
    return helper.make_node(op, *names, name=name, domain=domain, **attributes)


def graph(nodes, inputs=None, outputs=None, constants=(), name="graph") -> onnx.GraphProto:
    nodes = [nodes] if isinstance(nodes, onnx.NodeProto) else nodes
    inputs = [value("x")] if inputs is None else inputs
    outputs = [value("y", None)] if outputs is None else outputs
    return helper.make_graph(nodes, name, inputs, outputs, constants)


def model(
    nodes, inputs=None, outputs=None, constants=(), opset=OPSET, imports=(), ir_version=10, functions=()
):
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, v) for d, v in imports)]
    body = graph(nodes, inputs, outputs, constants)
    return helper.make_model(body, opset_imports=opsets, ir_version=ir_version, functions=list(functions))


def renamed_attribute_type(target: onnx.NodeProto, name: str, attribute) -> onnx.NodeProto:
    """The node with the attribute `name` replaced by one of any type."""
    kept = [a for a in target.attribute if a.name != name]
    del target.attribute[:]
    target.attribute.extend([*kept, helper.make_attribute(name, attribute)])
    return target
