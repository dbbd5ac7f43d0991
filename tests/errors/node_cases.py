"""Faults of one node against its operator's schema: name, arity, attributes, types, shapes."""

import numpy as np
from case import (
    BOOL,
    FLOAT,
    INT32,
    INT64,
    STRING,
    Case,
    graph,
    ints,
    model,
    node,
    renamed_attribute_type,
    tensor,
    value,
)

CULPRIT = "culprit"


def name_cases():
    yield Case("unknown_operator", model(node("Frobnicate")), [CULPRIT, "Frobnicate", "unknown"])
    yield Case("unknown_operator_near", model(node("Convv")), ["Convv", r"\bConv\b", "did you mean"])
    yield Case("unknown_operator_case", model(node("relu")), ["'?relu'?", r"\bRelu\b", "did you mean"])
    yield Case("unknown_operator_letters", model(node("MatMull", "x x")), ["MatMull", r"\bMatMul\b"])
    yield Case(
        "domain_not_imported", model(node("Foo", domain="com.acme")), [CULPRIT, "Foo", r"com\.acme", "import"]
    )
    yield Case(
        "domain_unknown",
        model(node("Foo", domain="com.acme"), imports=[("com.acme", 1)]),
        [CULPRIT, "Foo", r"com\.acme", "unknown"],
    )
    yield Case(
        "operator_removed",
        model(node("Upsample", "x s"), constants=[tensor("s", [1, 2])]),
        [CULPRIT, "Upsample", "removed|deprecated", "21"],
    )
    yield Case("operator_too_new", model(node("Gelu"), opset=13), [CULPRIT, "Gelu", "13"])
    yield Case("operator_empty", model(node("")), [CULPRIT, "operator"])


def arity_cases():
    yield Case("too_few_inputs", model(node("MatMul")), [CULPRIT, "MatMul", "1 input", "expected 2"])
    yield Case("too_many_inputs", model(node("Relu", "x x")), [CULPRIT, "Relu", "2 inputs", "expected 1"])
    yield Case(
        "no_inputs", model(node("Concat", "", axis=0)), [CULPRIT, "Concat", "0 inputs|no input", "at least 1"]
    )
    yield Case(
        "required_input_absent",
        model(node("MatMul", "- x")),
        [CULPRIT, "MatMul", "input 0", "absent|required"],
    )
    yield Case(
        "too_many_outputs", model(node("Relu", "x", "y z")), [CULPRIT, "Relu", "2 outputs", "expected 1"]
    )
    yield Case(
        "no_outputs",
        model([node("Relu", "x", "y", name="fine"), node("Neg", "x", "")]),
        [CULPRIT, "Neg", "0 outputs|no output"],
    )


def attribute_cases():
    def convolution(**attributes):
        return node("Conv", "x w", **attributes)

    conv_inputs = [value("x", [1, 3, 8, 8])]
    weights = [tensor("w", np.ones((4, 3, 3, 3)))]

    def conv(name, expect, culprit):
        return Case(
            f"attribute_{name}", model(culprit, conv_inputs, constants=weights), [CULPRIT, "Conv", *expect]
        )

    yield conv("unknown", ["'stride'", "strides"], convolution(stride=[1, 1]))
    yield conv("int_for_ints", ["strides", r"\bint\b", r"\bints\b"], convolution(strides=2))
    yield conv("string_for_ints", ["pads", "string", "ints"], convolution(pads="same"))
    yield conv("bad_enum", ["auto_pad", "SOMETIMES"], convolution(auto_pad="SOMETIMES"))
    yield conv("too_few_strides", ["strides", r"\b1\b", r"\b2\b"], convolution(strides=[2]))
    yield conv("too_many_pads", ["pads", r"\b6\b|1, 1, 1, 1, 1, 1", r"\b4\b"], convolution(pads=[1] * 6))
    yield conv("zero_stride", ["strides?", r"\b0\b"], convolution(strides=[0, 1]))
    yield conv("negative_dilation", ["dilation", "-1"], convolution(dilations=[-1, 1]))
    yield conv("zero_group", ["group", r"\b0\b"], convolution(group=0))
    yield conv("group_divides_not", ["group", r"\b2\b", r"\b3\b"], convolution(group=2))
    yield conv(
        "wrong_kernel_shape", ["kernel_shape|kernel", r"\b5\b", r"\b3\b"], convolution(kernel_shape=[5, 5])
    )
    twice = convolution(strides=[1, 1])
    twice.attribute.append(twice.attribute[0])
    yield conv("twice", ["strides", "twice"], twice)
    yield Case(
        "attribute_missing", model(node("Concat", "x x")), [CULPRIT, "Concat", "axis", "required|absent"]
    )
    yield Case(
        "attribute_float_for_int",
        model(renamed_attribute_type(node("Softmax", axis=1), "axis", 1.5)),
        [CULPRIT, "Softmax", "axis", "float", r"\bint\b"],
    )
    yield Case(
        "axis_too_large", model(node("Softmax", axis=7)), [CULPRIT, "Softmax", "axis", "7", r"\b2\b|-2"]
    )
    yield Case("axis_too_small", model(node("Softmax", axis=-3)), [CULPRIT, "Softmax", "axis", "-3"])
    yield Case("perm_repeats", model(node("Transpose", perm=[0, 0])), [CULPRIT, "Transpose", "perm", "0, 0"])
    yield Case("perm_too_short", model(node("Transpose", perm=[0])), [CULPRIT, "Transpose", "perm"])
    yield Case("cast_to_unknown", model(node("Cast", to=1000)), [CULPRIT, "Cast", "1000"])
    yield Case(
        "pool_kernel_too_large",
        model(node("MaxPool", kernel_shape=[9, 9]), [value("x", [1, 1, 4, 4])]),
        [CULPRIT, "MaxPool"],
    )
    yield Case(
        "constant_without_value", model(node("Constant", "")), [CULPRIT, "Constant", "value|attribute"]
    )
    yield Case(
        "einsum_bad_equation", model(node("Einsum", "x x", equation="ij,jk,->ik")), [CULPRIT, "Einsum"]
    )


def type_cases():
    def two(name, op, a, b, expect, **attributes):
        inputs = [value("a", [2, 3], a), value("b", [2, 3], b)]
        return Case(
            f"type_{name}", model(node(op, "a b", **attributes), inputs), [CULPRIT, rf"\b{op}\b", *expect]
        )

    strings = [value("x", [2, 3], STRING)]
    yield Case(
        "type_string_relu", model(node("Relu"), strings), [CULPRIT, "Relu", "input 0", "string", "float"]
    )
    yield two("float_and", "And", FLOAT, BOOL, ["input 0", "float", "bool"])
    yield two("mixed_add", "Add", FLOAT, INT64, ["input 1", "int64", "float"])
    yield two("int32_with_int64", "MatMul", INT32, INT64, ["input 1", "int64", "int32"])
    yield two("float_indices", "Gather", FLOAT, FLOAT, ["input 1", "float", "int64"])
    yield Case(
        "type_where_condition", model(node("Where", "x x x")), [CULPRIT, "Where", "input 0", "float", "bool"]
    )
    integers = [value("x", [1, 1, 4, 4], INT64)]
    weights = [tensor("w", np.ones((1, 1, 3, 3)), np.int64)]
    yield Case(
        "type_int_conv",
        model(node("Conv", "x w"), integers, constants=weights),
        [CULPRIT, "Conv", "int64", "float"],
    )
    yield Case(
        "type_float_axes",
        model(node("Unsqueeze", "x axes"), constants=[tensor("axes", [0])]),
        [CULPRIT, "Unsqueeze", "float", "int64"],
    )
    yield Case(
        "type_declared_output",
        model(node("Relu"), outputs=[value("y", [2, 3], INT64)]),
        ["'y'", "int64", "float|f32"],
    )
    yield Case("type_unknown_element", model(node("Relu"), [value("x", [2], 77)]), ["'x'", "77"])
    yield Case("type_undefined_element", model(node("Relu"), [value("x", [2], 0)]), ["'x'", "undefined"])


def shape_case(name, op, shapes, expect, constants=(), results="y", **attributes):
    names = "abcdef"[: len(shapes)]
    inputs = [value(n, shape) for n, shape in zip(names, shapes, strict=True)]
    reads = " ".join([*names, *(c.name for c in constants)])
    built = model(node(op, reads, results, **attributes), inputs, constants=constants)
    return Case(f"shape_{name}", built, [CULPRIT, rf"\b{op}\b", *expect])


def contraction_shape_cases():
    yield shape_case("add", "Add", [[2, 3], [4]], [r"\b3\b", r"\b4\b"])
    yield shape_case("equal", "Equal", [[5, 2], [5, 3]], [r"\b2\b", r"\b3\b"])
    yield shape_case("matmul", "MatMul", [[2, 3], [4, 5]], [r"\b3\b", r"\b4\b"])
    yield shape_case("matmul_batch", "MatMul", [[2, 2, 3], [5, 3, 4]], [r"\b2\b", r"\b5\b"])
    yield shape_case("matmul_scalar", "MatMul", [[], [3]], ["rank|dims|scalar"])
    yield shape_case("gemm", "Gemm", [[2, 3], [3, 4]], [r"\b2\b", r"\b3\b"], transA=1)
    yield shape_case("gemm_rank", "Gemm", [[1, 2, 3], [3, 4]], ["rank|dims", r"\b3\b"])
    yield shape_case("gemm_bias", "Gemm", [[2, 3], [3, 4], [5]], [r"\b5\b", r"\b4\b"])
    yield shape_case("conv_channels", "Conv", [[1, 3, 8, 8], [4, 2, 3, 3]], [r"\b3\b", r"\b2\b"])
    yield shape_case("conv_rank", "Conv", [[1, 3, 8, 8], [4, 3, 3]], [r"\b4\b", r"\b3\b"])
    yield shape_case("conv_bias", "Conv", [[1, 3, 8, 8], [4, 3, 3, 3], [5]], [r"\b5\b", r"\b4\b"])
    yield shape_case("conv_window", "Conv", [[1, 1, 2, 8], [1, 1, 5, 5]], [r"\b2\b|-2|window|kernel"])


def movement_shape_cases():
    yield shape_case("concat_rank", "Concat", [[2, 3], [2, 3, 1]], ["rank", r"\b2\b", r"\b3\b"], axis=0)
    yield shape_case("concat_dims", "Concat", [[2, 3], [2, 4]], [r"\b3\b", r"\b4\b"], axis=0)
    yield shape_case("reshape_count", "Reshape", [[2, 3]], [r"\b6\b|2, 3", r"\b4\b"], [ints("s", 4)])
    yield shape_case("reshape_two_wild", "Reshape", [[2, 3]], ["-1"], [ints("s", -1, -1)])
    yield shape_case("reshape_negative", "Reshape", [[2, 3]], ["-2"], [ints("s", -2, 3)])
    yield shape_case(
        "reshape_divides_not", "Reshape", [[2, 3]], [r"\b6\b|2, 3", r"\b4\b"], [ints("s", 4, -1)]
    )
    yield shape_case("reshape_zero_outside", "Reshape", [[2]], [r"\b2\b"], [ints("s", 1, 2, 0)])
    yield shape_case("reshape_to_matrix", "Reshape", [[2, 3]], ["rank|1-?D"], [tensor("s", [[6]], np.int64)])
    yield shape_case("squeeze_not_one", "Squeeze", [[2, 3]], [r"\b3\b|\b1\b"], [ints("s", 1)])
    yield shape_case("unsqueeze_twice", "Unsqueeze", [[2, 3]], ["axes|axis"], [ints("s", 0, 0)])
    yield shape_case("expand", "Expand", [[2, 3]], [r"\b3\b", r"\b4\b"], [ints("s", 2, 4)])
    yield shape_case("expand_negative", "Expand", [[2, 3]], ["-1|-4"], [ints("s", 2, -4)])
    yield shape_case("split_sum", "Split", [[6]], [r"\b6\b", r"\b5\b|2, 3"], [ints("s", 2, 3)], "y z")
    yield shape_case(
        "slice_step_zero",
        "Slice",
        [[6]],
        ["step", r"\b0\b"],
        [ints("s", 0), ints("t", 6), ints("u", 0), ints("v", 0)],
    )
    yield shape_case(
        "slice_axis", "Slice", [[6]], ["ax[ie]s", r"\b3\b"], [ints("s", 0), ints("t", 6), ints("u", 3)]
    )
    yield shape_case("slice_lengths", "Slice", [[6]], [r"\b1\b", r"\b2\b"], [ints("s", 0), ints("t", 6, 6)])
    yield shape_case("tile_length", "Tile", [[2, 3]], [r"\b2\b|rank", r"\b1\b|repeats"], [ints("s", 2)])
    yield shape_case("tile_negative", "Tile", [[2, 3]], ["-2"], [ints("s", -2, 1)])
    yield shape_case("pad_length", "Pad", [[2, 3]], ["pads", r"\b3\b|\b4\b"], [ints("s", 1, 1, 1)])
    yield shape_case("pad_below_zero", "Pad", [[2, 3]], ["-"], [ints("s", -2, 0, -1, 0)])
    yield shape_case("topk_too_many", "TopK", [[2, 3]], [r"\b9\b", r"\b3\b"], [ints("s", 9)], "y z")
    yield shape_case("gather_constant", "Gather", [[2, 3]], [r"\b5\b", r"\b2\b"], [ints("s", 5)])


def other_shape_cases():
    yield shape_case(
        "batch_norm", "BatchNormalization", [[1, 3, 4], [3], [3], [3], [2]], [r"\b2\b", r"\b3\b"]
    )
    yield shape_case(
        "batch_norm_scale", "BatchNormalization", [[1, 3, 4], [2], [3], [3], [3]], [r"\b2\b", r"\b3\b"]
    )
    yield shape_case("layer_norm", "LayerNormalization", [[2, 3], [4]], [r"\b3\b", r"\b4\b"])
    yield shape_case("lstm", "LSTM", [[5, 1, 4], [1, 32, 3], [1, 32, 8]], [r"\b4\b", r"\b3\b"], hidden_size=8)
    yield shape_case("einsum", "Einsum", [[2, 3], [4, 5]], [r"\b3\b", r"\b4\b"], equation="ij,jk->ik")
    yield shape_case("constant_of_shape_negative", "ConstantOfShape", [], ["-3"], [ints("s", 2, -3)])
    declared = [value("y", [2, 4])]
    yield Case("shape_declared_output", model(node("Relu"), outputs=declared), ["'y'", r"\b4\b", r"\b3\b"])
    yield Case(
        "shape_declared_rank",
        model(node("Relu"), outputs=[value("y", [2, 3, 1])]),
        ["'y'", "2, 3, 1", "2, 3"],
    )
    yield Case("shape_declared_input_negative", model(node("Relu"), [value("x", [-4, 3])]), ["'x'", "-4"])
    yield Case(
        "shape_declared_input_overflow",
        model(node("Relu"), [value("x", [1 << 40, 1 << 40])]),
        ["'x'", "overflow|large|limit"],
    )


def control_cases():
    condition = [value("x"), value("c", [], BOOL)]

    def branch(*nodes, out="out", shape=None):
        return graph(list(nodes), [], [value(out, shape)])

    relu, neg = branch(node("Relu", "x", "out")), branch(node("Neg", "x", "out"))
    yield Case(
        "if_float_condition",
        model(node("If", "x", then_branch=relu, else_branch=neg)),
        [CULPRIT, "If", "float", "bool"],
    )
    yield Case(
        "if_missing_branch",
        model(node("If", "c", then_branch=relu), condition),
        [CULPRIT, "If", "else_branch"],
    )
    none = graph([], [], [])
    yield Case(
        "if_branch_outputs",
        model(node("If", "c", then_branch=relu, else_branch=none), condition),
        [CULPRIT, "If", r"\b0\b", r"\b1\b"],
    )
    cast = branch(node("Cast", "x", "out", to=INT64))
    yield Case(
        "if_branch_types",
        model(node("If", "c", then_branch=relu, else_branch=cast), condition),
        [CULPRIT, "If", "float|f32", "int64|i64"],
    )
    inner = branch(node("Convv", "x", "out", name="inner"))
    yield Case(
        "if_inner_fault",
        model(node("If", "c", then_branch=inner, else_branch=relu), condition),
        ["inner", "Convv", "Conv"],
    )
    lost = branch(node("Relu", "nowhere", "out", name="inner"))
    yield Case(
        "if_undefined_name",
        model(node("If", "c", then_branch=lost, else_branch=relu), condition),
        ["inner|culprit", "nowhere"],
    )
    body = graph(
        [node("Identity", "cond", "cond_out"), node("Relu", "v", "v_out", name="b")],
        [value("i", [], INT64), value("cond", [], BOOL), value("v")],
        [value("cond_out", [], BOOL), value("v_out")],
    )
    count = [ints("m", 3), tensor("t", True, np.bool_)]
    yield Case(
        "loop_state_count", model(node("Loop", "m t", "y", body=body), constants=count), [CULPRIT, "Loop"]
    )


def cases():
    schema = (name_cases, arity_cases, attribute_cases, type_cases)
    shape = (contraction_shape_cases, movement_shape_cases, other_shape_cases)
    for group in (*schema, *shape, control_cases):
        yield from group()
