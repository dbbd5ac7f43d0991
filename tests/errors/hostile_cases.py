"""Nodes that fit their schema and still ask for what cannot be: extents that only the run knows and that do not
fit, inputs of the wrong rank or length, numbers of no element type."""

import numpy as np
from case import BOOL, FLOAT, INT64, STRING, Case, graph, ints, model, node, tensor, value
from onnx import TensorProto

CULPRIT = "culprit"


def ones(*shape, dtype=np.float32):
    return np.ones(shape, dtype)


def unfit_at_run(name, op, given, expect, **attributes):
    """A node whose inputs (value info, array) are only found not to fit together when it runs."""
    infos = [info for info, _ in given]
    names = " ".join(info.name for info in infos)
    outputs = attributes.pop("outputs", "y")
    results = [value(output, None) for output in outputs.split()]
    for result in results:
        result.ClearField("type")
    return Case(
        f"at_run_{name}",
        model(node(op, names, outputs, **attributes), infos, results),
        [CULPRIT, op, *expect],
        inputs=[array for _, array in given],
    )


def run_cases():
    square = value("b", ["n", "n"])
    yield unfit_at_run("broadcast", "Add", [(value("x", [2, 8]), ones(2, 8)), (square, ones(5, 5))], ["n", "2|8"])
    yield unfit_at_run(
        "broadcast_of_sums",
        "Less",
        [(value("x", [3, 2, 3]), ones(3, 2, 3)), (value("b", [3, "n", 3]), ones(3, 7, 3))],
        ["n", "2"],
    )
    yield Case(
        "at_run_expand",
        model(node("Expand", "x s"), [value("x", ["n", "n"])], constants=[ints("s", 2, 3)]),
        [CULPRIT, "Expand", "n"],
        inputs=[ones(5, 5)],
    )
    lengths = (value("l", ["n"], INT64), np.array([4], np.int64))
    yield unfit_at_run("split_length", "Split", [(value("x", [4, 2]), ones(4, 2)), lengths], ["length"], outputs="y z")
    yield unfit_at_run("tile_length", "Tile", [(value("x", [4, 2]), ones(4, 2)), lengths], ["length"])
    yield unfit_at_run("pad_length", "Pad", [(value("x", [4, 2]), ones(4, 2)), lengths], ["length"])
    on_off = (value("v", ["n"]), ones(1))
    depth = (value("d", [], INT64), np.array(3, np.int64))
    indices = (value("x", [2], INT64), np.array([0, 1], np.int64))
    yield unfit_at_run("one_hot_values", "OneHot", [indices, depth, on_off], ["values", "2"])
    none = (value("k", ["n"], INT64), np.array([], np.int64))
    yield unfit_at_run("top_k_without_k", "TopK", [(value("x"), ones(2, 3)), none], ["one element"], outputs="y z")
    window = (value("f", ["n"], INT64), np.array([], np.int64))
    yield unfit_at_run(
        "trilu_without_k", "Trilu", [(value("x"), ones(2, 3)), window], ["one element"]
    )


def index_cases():
    data = value("x", ["n", 4])
    rows = ones(3, 4)

    def out_of_range(name, op, indices, number, updates=()):
        info = value("i", ["k", *np.shape(indices)[1:]], INT64)
        given = [(data, rows), (info, np.array(indices, np.int64)), *updates]
        return unfit_at_run(f"index_{name}", op, given, ["index", rf"found {number}\b"])

    update = (value("u", ["k", 4]), ones(2, 4))
    yield out_of_range("gather_elements", "GatherElements", [[0, 0, 0, 7]], 7)
    yield out_of_range("gather_nd", "GatherND", [[0, 3], [2, -5]], -5)
    yield out_of_range("gather_smallest", "Gather", [0, -(2**63)], -(2**63 - 1))
    yield out_of_range("scatter_nd", "ScatterND", [[1], [-4]], -4, [update])
    yield out_of_range("scatter_elements", "ScatterElements", [[0] * 4, [0, 0, 3, 0]], 3, [update])
    empty = [(data, ones(0, 4)), (value("i", ["k"], INT64), np.array([0], np.int64))]
    yield unfit_at_run("index_into_nothing", "Gather", empty, ["index", r"found 0\b"])


def refused(name, op, inputs, expect, constants=(), outputs="y", **attributes):
    names = " ".join([*(info.name for info in inputs), *(constant.name for constant in constants)])
    return Case(f"hostile_{name}", model(node(op, names, outputs, **attributes), inputs, constants=constants), expect)


def import_cases():
    yield refused("top_k_of_two", "TopK", [value("x")], [CULPRIT, "TopK", "one element"], [ints("k", 1, 2)], "y z")
    matrix = value("t", ["n", 4], BOOL)
    flag = model(node("Dropout", "x r t"), [value("x"), matrix], constants=[tensor("r", 0.5)])
    yield Case("hostile_dropout_mode", flag, [CULPRIT, "Dropout", "input 2", "one element"])
    yield refused("split_rank", "Split", [value("x"), value("s", [2, 1], INT64)], [CULPRIT, "Split", "rank 1"])
    yield refused("tile_length", "Tile", [value("x"), value("r", [1], INT64)], [CULPRIT, "Tile", r"\b1\b", r"\b2\b"])
    width = [value("x"), value("i", [2, "k"], INT64)]
    yield refused("gather_nd_width", "GatherND", width, [CULPRIT, "GatherND", r"\bk\b", "known", "--shape"])
    yield refused("bernoulli_type", "Bernoulli", [value("x")], [CULPRIT, "dtype", "-2147483648"], dtype=-(2**31))
    yield refused("eye_like_type", "EyeLike", [value("x")], [CULPRIT, "dtype", "77"], dtype=77)
    yield refused("negative_split", "Split", [value("x")], [CULPRIT, "Split", "-1"], [ints("s", 3, -1)], "y z")
    cut = model(node("Pad", "x p v"), constants=[ints("p", 0, 0, 1, 1), tensor("v", [1, 2])])
    yield Case("hostile_pad_value", cut, [CULPRIT, "Pad", "input 2", "one element"])


def loop_cases():
    """More iterations than anybody waits for."""
    body = graph(
        [node("Identity", "c", "c_out"), node("Add", "v v", "v_out", name="inner")],
        [value("i", [], INT64), value("c", [], BOOL), value("v")],
        [value("c_out", [], BOOL), value("v_out")],
        name="body",
    )
    count = value("m", [], INT64)
    yield unfit_at_run(
        "loop_count",
        "Loop",
        [(count, np.array(2**62, np.int64)), (value("go", [], BOOL), np.array(True)), (value("x"), ones(2, 3))],
        ["at most 100000000 iterations"],
        body=body,
    )
    many = model(node("Tile", "x r"), constants=[ints("r", 2**40, 2**40)])
    yield Case("hostile_tile_repeats", many, [CULPRIT, "Tile"])
    often = model(node("Tile", "x r"), [value("x"), value("r", [2], INT64)], [value("y", ["n", "m"])])
    often_given = [ones(2, 3), np.array([2**31, 2**31], np.int64)]
    yield Case("at_run_tile_repeats", often, ["'y'", "size overflows"], inputs=often_given)


def text_cases():
    words = TensorProto(name="w", data_type=TensorProto.STRING, dims=[2], string_data=[b"fine", b"\xff\xfe"])
    yield Case(
        "hostile_constant_text",
        model(node("StringConcat", "x w"), [value("x", [2], STRING)], constants=[words]),
        ["'w'", "UTF-8", r"\b1\b"],
    )
    yield Case("hostile_attribute_text", model(node("Einsum", "x", equation=b"\xc3(")), [CULPRIT, "equation", "UTF-8"])


def type_cases():
    complex_input = value("x", [2, 3], TensorProto.COMPLEX64)
    output = value("y", None, TensorProto.COMPLEX64)
    yield Case(
        "hostile_complex",
        model(node("Transpose"), [complex_input], [output]),
        ["'x'", "complex64"],
        inputs=[ones(2, 3, dtype=np.complex64)],
    )
    wide = value("x", [2, 3], FLOAT)
    folded = model(
        [node("Transpose", "c", "t"), node("Relu")], [wide], constants=[tensor("c", [[1, 2]], np.complex64)]
    )
    folded.graph.output.append(value("t", None, TensorProto.COMPLEX64))
    yield Case("hostile_complex_constant", folded, ["complex64"], inputs=[ones(2, 3)])


def cases():
    for group in (run_cases, index_cases, import_cases, loop_cases, text_cases, type_cases):
        yield from group()
