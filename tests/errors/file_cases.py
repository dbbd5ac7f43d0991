"""Faults of the file, its header, and of data beside it."""

import numpy as np
import onnx
from case import BOOL, FLOAT, OPSET, Case, graph, model, node, tensor, value
from onnx import TensorProto, helper


def simple(constants=()):
    return model(node("Add", "x w"), constants=constants)


def large() -> bytes:
    return simple([tensor("w", np.arange(3000).reshape(1000, 3))]).SerializeToString()


def header_cases():
    yield Case(
        "not_onnx_text", b"This is a text that somebody gave a wrong ending.\n" * 20, ["not an ONNX model"]
    )
    yield Case("not_onnx_png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), ["not an ONNX model"])
    yield Case("empty_file", b"", ["empty", "expected an ONNX model"])
    yield Case("truncated_half", large()[: len(large()) // 2], ["truncated"])
    yield Case("truncated_by_one", large()[:-1], ["truncated"])
    yield Case("trailing_bytes", large() + b"\xff\xff\xff", ["not an ONNX model|truncated"])
    no_graph = simple([tensor("w", [1])])
    no_graph.ClearField("graph")
    yield Case("no_graph", no_graph, ["graph"])
    no_version = simple([tensor("w", [1])])
    no_version.ClearField("ir_version")
    yield Case("no_ir_version", no_version, ["IR version"])
    for version in (99, 0, -1):
        changed = simple([tensor("w", [1])])
        changed.ir_version = version
        yield Case(
            f"ir_version_{version}".replace("-", "minus_"),
            changed,
            ["IR version", f"{version}", "known|expected"],
        )


def opset_cases():
    add = node("Relu")
    yield Case("opset_99", model(add, opset=99), ["opset", "99", "newer"])
    yield Case("opset_0", model(add, opset=0), ["opset", r"\b0\b"])
    yield Case("opset_negative", model(add, opset=-3), ["opset", "-3"])
    yield Case("opset_ml_99", model(add, imports=[("ai.onnx.ml", 99)]), [r"ai\.onnx\.ml", "99"])
    none = model(add)
    del none.opset_import[:]
    yield Case("no_opset_import", none, ["Relu", "import"])
    twice = model(add)
    twice.opset_import.append(helper.make_opsetid("", 13))
    yield Case("opset_twice", twice, ["13", f"{OPSET}"])


def external(location, length=None, offset=None, dims=(2, 3), **more) -> TensorProto:
    result = TensorProto(name="w", data_type=FLOAT, dims=dims, data_location=TensorProto.EXTERNAL)
    entries = {"location": location, "offset": offset, "length": length} | more
    for key, text in entries.items():
        if text is not None:
            result.external_data.add(key=key, value=str(text))
    return result


DATA = np.arange(6, dtype=np.float32)
RAW = DATA.tobytes()
BESIDE = {"weights.bin": RAW}


def external_case(name, tensor_proto, expect, **more):
    return Case(f"external_{name}", simple([tensor_proto]), expect, **more)


def external_extent_cases():
    def case(name, expect, length=None, offset=None, files=BESIDE, **more):
        return external_case(name, external("weights.bin", length, offset, **more), expect, files=files)

    file = r"weights\.bin"
    yield case("missing", ["'?w'?", file, "No such file|missing|not found"], files={})
    yield case("too_short", ["'?w'?", file, "24", "20"], files={"weights.bin": RAW[:20]})
    yield case("offset_past_end", [file, "4096"], 24, 4096)
    yield case("offset_overflow", [f"{file}|offset"], 24, 2**64 - 8)
    yield case("offset_negative", ["offset", "-8"], 24, -8)
    yield case("offset_text", ["offset", "eight"], 24, "eight")
    yield case("wrong_length", [file, "24", "20"], 20)
    yield case("huge", ["1073741824|dims"], dims=(1 << 30, 1 << 20))


def external_location_cases():
    def case(name, location, expect, **more):
        return external_case(name, external(location), expect, **more)

    outside = {"../outside.bin": RAW}
    yield case("no_location", None, ["'?w'?", "location"])
    yield case("empty_location", "", ["'?w'?", "location"])
    yield case("parent", "../outside.bin", [r"\.\./outside\.bin", "folder"], files=outside)
    deep = {"a/b.bin": RAW, **outside}
    yield case("deep_parent", "a/../../outside.bin", [r"outside\.bin", "folder"], files=deep)
    yield case("absolute", "/etc/passwd", ["/etc/passwd", "relative"])
    links = {"link.bin": "../outside.bin"}
    yield case("symlink", "link.bin", [r"link\.bin", "link|folder"], files=outside, links=links)
    yield case("folder_symlink", "data/passwd", ["data/passwd", "link|folder"], links={"data": "/etc"})
    yield case("is_folder", "data", ["data", "not a file"], files={"data/other.bin": RAW})
    yield case("nul_in_name", "weights.bin\0.txt", ["'?w'?|location"], files=BESIDE)


def external_legal_cases():
    x = np.ones((2, 3), np.float32)
    good = {"inputs": [x], "outputs": [x + DATA.reshape(2, 3)]}
    shifted = {"data/weights.bin": b"12345678" + RAW}
    yield external_case("in_folder", external("data/weights.bin", 24, 8), [], files=shifted, **good)
    yield external_case("without_length", external("weights.bin"), [], files=BESIDE, **good)
    files, links = {"data/weights.bin": RAW}, {"link.bin": "data/weights.bin"}
    yield external_case("inner_symlink", external("link.bin"), [], files=files, links=links, **good)


def message(field: int, content: bytes) -> bytes:
    """A length-delimited protobuf field; the protobuf library refuses to write messages that nest deeply."""
    size, length = len(content), b""
    while size > 127:
        size, length = size >> 7, length + bytes([size & 127 | 128])
    return bytes([field << 3 | 2]) + length + bytes([size]) + content


def nested_ifs(depth: int) -> bytes:
    """A model of If nodes, each in the then_branch of the one before, around y = Relu(x)."""
    leaf = graph(node("Relu", "x", "y"), [], [value("y", None)]).SerializeToString()
    inner = leaf
    for _ in range(depth):
        shell = node(
            "If", "c", "y", else_branch=graph(node("Relu", "x", "y"), [], [value("y", None)])
        ).SerializeToString()
        branch = message(1, b"then_branch") + bytes([20 << 3 & 127 | 128, 1, 5]) + message(6, inner)
        inner = (
            message(1, shell + message(5, branch))
            + message(2, b"graph")
            + message(12, value("y", None).SerializeToString())
        )
    frame = model([], [value("x"), value("c", [], BOOL)], [])
    return frame.SerializeToString() + message(7, inner)  # a second part of a field is merged into the first


def depth_cases():
    yield Case("nested_200_deep", nested_ifs(200), ["deep|depth"])
    yield Case("nested_5000_deep", nested_ifs(5000), ["deep|depth"])
    x = np.array([[-1, 2, 3], [4, -5, 6]], np.float32)
    right = {"inputs": [x, np.array(True)], "outputs": [np.maximum(x, 0)]}
    nested = onnx.ModelProto.FromString(nested_ifs(12))
    yield Case("nested_12_deep", nested, [], **right)
    chain = [node("Relu", "x" if i == 0 else f"t{i - 1}", f"t{i}", name=f"n{i}") for i in range(5000)]
    long_chain = model(chain, outputs=[value("t4999", None)])
    yield Case("long_chain", long_chain, [], inputs=[x], outputs=[np.maximum(x, 0)])


def function(name, nodes, inputs=("a",), outputs=("b",), attributes=()):
    imports = [helper.make_opsetid("", OPSET), helper.make_opsetid("local", 1)]
    return helper.make_function("local", name, list(inputs), list(outputs), nodes, imports, list(attributes))


def function_cases():
    imports = [("local", 1)]
    call = node("F", domain="local")
    own = function("F", [node("F", "a", "b", domain="local")])
    yield Case(
        "function_recursive",
        model(call, imports=imports, functions=[own]),
        ["F", "calls itself|recursi|deep"],
    )
    pair = [function(a, [node(b, "a", "b", domain="local")]) for a, b in (("F", "G"), ("G", "F"))]
    yield Case(
        "function_mutual_recursion",
        model(call, imports=imports, functions=pair),
        ["F", "G", "calls itself|recursi|deep"],
    )
    relu = function("F", [node("Relu", "a", "b")])
    too_many = node("F", "x x", domain="local")
    yield Case(
        "function_arity",
        model(too_many, imports=imports, functions=[relu]),
        ["culprit", r"\bF\b", "2 inputs", "1"],
    )
    yield Case(
        "function_twice", model(call, imports=imports, functions=[relu, relu]), [r"\bF\b", "twice|duplicate"]
    )
    undefined = function("F", [node("Relu", "nowhere", "b")])
    yield Case(
        "function_undefined_name", model(call, imports=imports, functions=[undefined]), ["nowhere", r"\bF\b"]
    )
    no_output = function("F", [node("Relu", "a", "c")])
    yield Case(
        "function_undefined_output", model(call, imports=imports, functions=[no_output]), [r"\bF\b", r"'b'"]
    )
    doubling = [
        function(
            f"F{i}",
            [node(f"F{i + 1}", "a", "t", domain="local"), node(f"F{i + 1}", "t", "b", domain="local")],
        )
        for i in range(40)
    ]
    doubling.append(function("F40", [node("Relu", "a", "b")]))
    bomb = model(node("F0", domain="local"), imports=imports, functions=doubling)
    yield Case("function_bomb", bomb, ["more than|limit|too many"])
    near = model(
        node("Fanction", domain="local"),
        imports=imports,
        functions=[function("Function", [node("Relu", "a", "b")])],
    )
    yield Case("function_near_name", near, ["Fanction", "local", "Function"])


def cases():
    beside = (external_extent_cases, external_location_cases, external_legal_cases)
    for group in (header_cases, opset_cases, *beside, depth_cases, function_cases):
        yield from group()
