"""The float twin of a quantised model: the same network without a quantum, for operators.py to time beside it."""

import numpy as np
import onnx
from onnx import helper, numpy_helper


class Twin:
    def __init__(self, model: onnx.ModelProto):
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        self.graph = self.model.graph
        self.values = {t.name: numpy_helper.to_array(t) for t in self.graph.initializer}
        self.renamed: dict[str, str] = {}  # results of nodes that are gone, by what they stand for
        self.rows: set[str] = set()  # results that are rows of a table of integers

    def convert(self) -> onnx.ModelProto:
        nodes = list(self.graph.node)
        del self.graph.node[:]
        for node in nodes:
            node.input[:] = [self.renamed.get(name, name) for name in node.input]
            kept = getattr(self, node.op_type, self.keep)(node)
            if kept is not None:
                self.graph.node.append(kept)
        self.end_outputs()
        self.write_constants()
        return self.model

    def keep(self, node):
        return node

    def Constant(self, node):  # noqa: N802 (the operators' own names)
        self.values[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        return node

    def Gather(self, node):  # noqa: N802
        if node.input[0] in self.values and self.values[node.input[0]].dtype.itemsize == 1:
            self.rows.add(node.output[0])
        return node

    def QuantizeLinear(self, node):  # noqa: N802
        zero = self.values[node.input[2]] if len(node.input) > 2 else np.uint8(0)
        if node.input[0] not in self.values and np.all(zero == np.iinfo(zero.dtype).min):
            return helper.make_node("Relu", node.input[:1], node.output, node.name)  # which quanta do by themselves
        self.renamed[node.output[0]] = node.input[0]
        return None

    def DequantizeLinear(self, node):  # noqa: N802
        name = node.input[0]
        if name in self.rows:
            return node
        if name in self.values and self.values[name].dtype != np.float32:
            axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
            scale, zero = (self.along(name, axis, i, node) for i in (1, 2))
            self.values[node.output[0]] = ((self.values[name].astype(np.float32) - zero) * scale).astype(np.float32)
        else:
            self.renamed[node.output[0]] = name
        return None

    def along(self, name: str, axis: int, i: int, node) -> np.ndarray:
        if len(node.input) <= i or not node.input[i]:
            return np.float32(0)
        value = self.values[node.input[i]].astype(np.float32)
        shape = [1] * self.values[name].ndim
        if value.size > 1:
            shape[axis] = value.size
        return value.reshape(shape) if value.size > 1 else value.reshape(())

    def DynamicQuantizeLinear(self, node):  # noqa: N802
        quantized, scale, zero = node.output
        self.renamed[quantized] = node.input[0]
        self.values[scale] = np.float32(1)
        self.values[zero] = np.float32(0)

    def MatMulInteger(self, node):  # noqa: N802
        weights = node.input[1]
        zero = self.values[node.input[3]].astype(np.float32) if len(node.input) > 3 else np.float32(0)
        self.values[node.output[0] + "_weights"] = self.values[weights].astype(np.float32) - zero
        return helper.make_node("MatMul", [node.input[0], node.output[0] + "_weights"], node.output, node.name)

    def end_outputs(self):
        for output in self.graph.output:
            if output.name in self.renamed:
                self.graph.node.append(helper.make_node("Identity", [self.renamed[output.name]], [output.name]))

    def write_constants(self):
        used = {name for node in self.graph.node for name in node.input}
        made = {name for node in self.graph.node for name in node.output}
        del self.graph.initializer[:]
        for name, value in self.values.items():
            if name in used and name not in made:
                self.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))


def float_twin(model: onnx.ModelProto) -> onnx.ModelProto:
    """QuantizeLinear and DequantizeLinear are gone, their constants are floats (tables of which rows are taken stay
    what they are); MatMulInteger of what DynamicQuantizeLinear gives is a MatMul."""
    return Twin(model).convert()
