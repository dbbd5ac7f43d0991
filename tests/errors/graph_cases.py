"""Faults of a graph's names and tensors; inputs that do not fit; and empty tensors, which are legal."""

import numpy as np
from case import BOOL, FLOAT, INT64, STRING, Case, graph, ints, model, node, tensor, value
from onnx import TensorProto, ValueInfoProto, helper


def name_cases():
    pair = [node("Add", "x b", "a", name="first"), node("Relu", "a", "b", name="second")]
    yield Case(
        "cycle_of_two", model(pair, outputs=[value("b", None)]), ["cycle", "first", "second", "Add", "Relu"]
    )
    yield Case("cycle_of_one", model(node("Add", "x y", "y")), ["cycle", "culprit", "Add"])
    body = graph(node("Relu", "y", "out"), [], [value("out", None)])
    through = node("If", "c", "y", then_branch=body, else_branch=body)
    yield Case("cycle_through_branch", model(through, [value("c", [], BOOL)]), ["cycle", "culprit"])
    twice = [node("Relu", "x", "y", name="first"), node("Neg", "x", "y", name="second")]
    yield Case("output_twice", model(twice), ["'y'", "first", "second"])
    yield Case(
        "output_twice_in_node", model(node("Split", "x", "y y", num_outputs=2, axis=0)), ["'y'", "culprit"]
    )
    yield Case(
        "output_is_input", model(node("Relu", "x", "x"), outputs=[value("x")]), ["'x'", "culprit|cycle"]
    )
    yield Case(
        "output_is_constant",
        model(node("Relu", "x", "w"), outputs=[value("w")], constants=[tensor("w", [1])]),
        ["'w'", "culprit"],
    )
    yield Case(
        "constant_twice", model(node("Add", "x w"), constants=[tensor("w", [1]), tensor("w", [2])]), ["'w'"]
    )
    yield Case("input_twice", model(node("Relu"), [value("x"), value("x")]), ["'x'", "two|twice|another"])
    yield Case(
        "graph_output_twice",
        model(node("Relu"), outputs=[value("y", None), value("y", None)]),
        ["'y'", "two|twice"],
    )
    yield Case("undefined_input", model(node("Add", "x nowhere")), ["culprit", "Add", "'nowhere'"])
    yield Case(
        "undefined_input_near",
        model([node("Relu", "x", "hidden", name="fine"), node("Neg", "hiden")]),
        ["culprit", "Neg", "'hiden'", "'hidden'"],
    )
    yield Case("undefined_output", model(node("Relu"), outputs=[value("z")]), ["'z'"])
    yield Case("unnamed_input", model(node("Relu"), [value("x"), value("")]), ["input 1", "name"])
    yield Case(
        "unnamed_constant", model(node("Relu"), constants=[tensor("", [1])]), ["initializer|constant", "name"]
    )
    untyped = [ValueInfoProto(name="x")]
    yield Case("input_without_type", model(node("Relu"), untyped), ["'x'", "type"])
    yield Case("input_without_shape", model(node("Relu"), [value("x", None)]), ["'x'", "shape"])
    branch = graph(node("Relu", "x", "secret"), [], [value("secret", None)])
    leak = [
        node("If", "c", "z", name="if", then_branch=branch, else_branch=branch),
        node("Neg", "secret", "y"),
    ]
    yield Case(
        "name_of_inner_graph", model(leak, [value("x"), value("c", [], BOOL)]), ["culprit", "'secret'"]
    )


def tensor_case(name, proto, expect):
    proto.name = "w"
    return Case(f"tensor_{name}", model(node("Identity", "w"), [], constants=[proto]), ["'?w'?", *expect])


def tensor_cases():
    raw = np.arange(6, dtype=np.float32).tobytes()
    make = TensorProto
    yield tensor_case("raw_too_short", make(data_type=FLOAT, dims=[2, 3], raw_data=raw[:-4]), ["20", "24"])
    yield tensor_case("raw_too_long", make(data_type=FLOAT, dims=[2, 2], raw_data=raw), ["24", "16"])
    yield tensor_case("raw_missing", make(data_type=FLOAT, dims=[2, 3]), [r"\b0\b", "24|6"])
    yield tensor_case(
        "too_few_values", make(data_type=FLOAT, dims=[2, 3], float_data=[1, 2, 3]), [r"\b3\b", r"\b6\b"]
    )
    yield tensor_case(
        "wrong_field", make(data_type=FLOAT, dims=[2], int64_data=[1, 2]), ["int64_data", "float_data"]
    )
    yield tensor_case("negative_dim", make(data_type=FLOAT, dims=[-2, 3], raw_data=raw), ["-2", "negative"])
    yield tensor_case(
        "two_negative_dims", make(data_type=FLOAT, dims=[-2, -3], raw_data=raw), ["-2", "negative"]
    )
    yield tensor_case("overflow", make(data_type=FLOAT, dims=[1 << 32, 1 << 32], raw_data=raw), ["overflow"])
    yield tensor_case(
        "byte_overflow", make(data_type=FLOAT, dims=[1 << 61, 2], raw_data=raw), ["overflow|limit"]
    )
    yield tensor_case("overflow_to_zero", make(data_type=FLOAT, dims=[1 << 62, 4]), ["overflow"])
    yield tensor_case(
        "huge", make(data_type=FLOAT, dims=[1 << 38], raw_data=raw), ["274877906944", "limit|needs"]
    )
    yield tensor_case("unknown_type", make(data_type=1000, dims=[1], raw_data=b"1"), ["1000"])
    yield tensor_case("undefined_type", make(data_type=0, dims=[1], raw_data=b"1"), ["undefined"])
    yield tensor_case("raw_strings", make(data_type=STRING, dims=[1], raw_data=b"abc"), ["string"])
    segment = make(data_type=FLOAT, dims=[1], raw_data=raw[:4])
    segment.segment.begin, segment.segment.end = 0, 1
    yield tensor_case("segment", segment, ["segment"])
    empty_bytes = make(data_type=FLOAT, dims=[0, 1 << 40], raw_data=b"")
    y = np.zeros((0, 1 << 40), np.float32)
    empty = Case(
        "tensor_empty_but_wide", model(node("Shape", "w"), [], [value("y", [2], INT64)], [empty_bytes]), []
    )
    empty_bytes.name = "w"
    empty.model.graph.initializer[0].name = "w"
    empty.inputs, empty.outputs = [], [np.array(y.shape, np.int64)]
    yield empty
    for name, position, expect in (("outside", 9, "9"), ("negative", -1, "-1")):
        sparse = helper.make_sparse_tensor(tensor("w", [1.5]), ints("", position), [4])
        built = model(node("Identity", "w"), [])
        built.graph.sparse_initializer.append(sparse)
        yield Case(f"sparse_{name}", built, ["'?w'?|sparse", rf"{expect}", "index|indices"])


def data_case(name, built, inputs, expect):
    return Case(f"data_{name}", built, expect, inputs=inputs)


def data_cases():
    """Right models that are given inputs that do not fit."""
    x = np.ones((2, 3), np.float32)
    relu = model(node("Relu"))
    yield data_case("wrong_dims", relu, [np.ones((2, 4), np.float32)], ["'x'", r"\b3\b", r"\b4\b"])
    yield data_case("wrong_rank", relu, [np.ones(6, np.float32)], ["'x'", "rank|dims|axes|shape|2, 3"])
    yield data_case("wrong_type", relu, [x.astype(np.float64)], ["'x'", "float", "double|float64"])
    yield data_case("too_few", model(node("Add", "x b"), [value("x"), value("b")]), [x], ["2", "1"])
    yield data_case("too_many", relu, [x, x], ["2", "1"])
    named = model(node("Concat", "x b", axis=1), [value("x", ["batch", 3]), value("b", ["batch", 2])])
    yield data_case(
        "symbols_disagree", named, [x, np.ones((3, 2), np.float32)], ["batch", r"\b2\b", r"\b3\b"]
    )
    free = model(node("Add", "x b"), [value("x", ["n", 3]), value("b", ["m", 3])])
    yield data_case(
        "broadcast", free, [x, np.ones((3, 3), np.float32)], [r"\b2\b", r"\b3\b", "culprit|Add|broadcast|n|m"]
    )
    gather = model(node("Gather", "x i"), [value("x"), value("i", [1], INT64)])
    yield data_case("gather_too_large", gather, [x, np.array([2])], ["Gather", "culprit", "index", r"found 2\b"])
    yield data_case("gather_too_small", gather, [x, np.array([-3])], ["Gather", "culprit", "index", "found -3"])
    reshape = model(node("Reshape", "x s"), [value("x"), value("s", [2], INT64)])
    yield data_case("reshape_count", reshape, [x, np.array([4, 2])], ["Reshape|culprit"])
    expand = model(node("Expand", "x s"), [value("x"), value("s", [2], INT64)])
    yield data_case("expand", expand, [x, np.array([2, 5])], ["Expand|culprit"])
    for name, size in (("huge_constant", 1 << 32), ("large_constant", 1 << 21)):
        wide = model(node("ConstantOfShape", "s"), [], constants=[ints("s", size, size)])
        yield data_case(name, wide, [], ["ConstantOfShape|culprit|'y'|memory"])
    wide = model(node("Expand", "x s"), [value("x", [1])], constants=[ints("s", 1 << 40, 1 << 40)])
    yield data_case("huge_expand", wide, [x[0, :1]], ["Expand|culprit|'y'|memory"])
    fill = model(node("ConstantOfShape", "s"), [value("s", [2], INT64)])
    yield data_case(
        "huge_output",
        fill,
        [np.array([1 << 31, 1 << 31])],
        ["overflow|memory|limit|large|ConstantOfShape|culprit"],
    )
    yield data_case("negative_output", fill, [np.array([2, -2])], ["-2|negative"])
    matmul = model(node("MatMul", "x b"), [value("x", [2, "k"]), value("b", ["j", 2])])
    yield data_case("matmul", matmul, [x, np.ones((4, 2), np.float32)], [r"\b3\b", r"\b4\b"])


def empty(name, built, inputs, output):
    return Case(f"empty_{name}", built, [], inputs=inputs, outputs=[output])


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


NOTHING, SOME = zeros(0, 3), np.arange(6, dtype=np.float32).reshape(2, 3)
ROWS = [value("x", ["n", 3])]


def empty_arithmetic_cases():
    """Tensors without elements are legal everywhere."""
    yield empty("relu", model(node("Relu"), ROWS), [NOTHING], NOTHING)
    yield empty("relu_static", model(node("Relu"), [value("x", [0, 3])]), [NOTHING], NOTHING)
    add = node("Add", "x b")
    yield empty("add", model(add, [*ROWS, value("b", [3])]), [NOTHING, SOME[0]], NOTHING)
    crossed = model(add, [value("x", ["n", 1]), value("b", [1, "m"])])
    yield empty("broadcast", crossed, [np.ones((2, 1), np.float32), zeros(1, 0)], zeros(2, 0))
    for op, identity in (("Sum", 0), ("Prod", 1), ("Max", -np.inf), ("Min", np.inf)):
        reduce = model(node(f"Reduce{op}", "x axes", keepdims=0), ROWS, constants=[ints("axes", 0)])
        yield empty(f"reduce_{op.lower()}", reduce, [NOTHING], np.full(3, identity, np.float32))
    yield empty("softmax", model(node("Softmax", axis=1), ROWS), [NOTHING], NOTHING)
    yield empty("softmax_axis", model(node("Softmax", axis=0), ROWS), [NOTHING], NOTHING)
    normal = model(node("LayerNormalization", "x s"), ROWS, constants=[tensor("s", [1, 1, 1])])
    yield empty("layer_norm", normal, [NOTHING], NOTHING)


def empty_contraction_cases():
    inner = [value("x", [2, "k"]), value("b", ["k", 4])]
    yield empty("matmul_k", model(node("MatMul", "x b"), inner), [zeros(2, 0), zeros(0, 4)], zeros(2, 4))
    outer = model(node("MatMul", "x b"), [*ROWS, value("b", [3, 4])])
    yield empty("matmul_m", outer, [NOTHING, np.ones((3, 4), np.float32)], zeros(0, 4))
    bias = np.arange(4, dtype=np.float32)
    gemm = model(node("Gemm", "x b c"), [*inner, value("c", [4])])
    yield empty("gemm_k", gemm, [zeros(2, 0), zeros(0, 4), bias], np.tile(bias, (2, 1)))
    images = [value("x", ["n", 2, 4, 4])]
    conv = model(node("Conv", "x w", pads=[1] * 4), images, constants=[tensor("w", np.ones((3, 2, 3, 3)))])
    yield empty("conv", conv, [zeros(0, 2, 4, 4)], zeros(0, 3, 4, 4))
    pool = model(node("MaxPool", kernel_shape=[2, 2], strides=[2, 2]), images)
    yield empty("pool", pool, [zeros(0, 2, 4, 4)], zeros(0, 2, 2, 2))


def empty_movement_cases():
    concat = model(node("Concat", "x b", axis=0), [*ROWS, value("b", ["m", 3])])
    yield empty("concat", concat, [NOTHING, SOME], SOME)
    yield empty("transpose", model(node("Transpose", perm=[1, 0]), ROWS), [NOTHING], NOTHING.T)
    gather = model(node("Gather", "x i"), [value("x"), value("i", ["k"], INT64)])
    yield empty("gather", gather, [SOME, zeros(0, dtype=np.int64)], NOTHING)
    for name, end in (("slice", 2), ("slice_reversed", 1)):
        cut = model(node("Slice", "x s e"), constants=[ints("s", 2), ints("e", end)])
        yield empty(name, cut, [SOME], NOTHING)
    reshape = model(node("Reshape", "x s", allowzero=1), ROWS, constants=[ints("s", 3, 0)])
    yield empty("reshape", reshape, [NOTHING], zeros(3, 0))
    yield empty("tile", model(node("Tile", "x r"), constants=[ints("r", 0, 1)]), [SOME], NOTHING)
    fill = model(node("ConstantOfShape", "s"), [], constants=[ints("s", 0, 3)])
    yield empty("constant_of_shape", fill, [], NOTHING)
    scalars = [value(name, [], INT64) for name in "abc"]
    steps = model(node("Range", "a b c"), scalars, [value("y", ["k"], INT64)])
    yield empty("range", steps, [np.array(5), np.array(5), np.array(1)], zeros(0, dtype=np.int64))
    found = model(node("NonZero"), ROWS, [value("y", [2, "k"], INT64)])
    yield empty("nonzero", found, [zeros(2, 3)], zeros(2, 0, dtype=np.int64))
    flat = zeros(2, 4, 0)
    distinct = model(node("Unique", axis=1), [value("x", flat.shape)], [value("y", [2, "k", 0])])
    yield empty("unique", distinct, [flat], np.unique(flat, axis=1))
    chain = [
        node("NonZero", "x", "at", name="nonzero"),
        node("Transpose", "at", "rows", name="transpose", perm=[1, 0]),
        node("GatherND", "x rows", "y", name="gather"),
    ]
    yield empty("nonzero_chain", model(chain, ROWS), [zeros(2, 3)], zeros(0))


def cases():
    legal = (empty_arithmetic_cases, empty_contraction_cases, empty_movement_cases)
    for group in (name_cases, tensor_cases, data_cases, *legal):
        yield from group()
