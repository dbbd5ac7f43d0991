"""Models of one operator each, with inputs for them: what operators.py times.

A maker returns the model and its feed. MAKERS is the table of them, in the order of the rows. Random numbers are
seeded, so that every run times the same work.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Feed = dict[str, np.ndarray]
OPSET = 20


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def indices(count: int, end: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, end, (count, *shape))


def typed(name: str, value: np.ndarray) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)


def constant(name: str, value: np.ndarray) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value, order="C"), name)


def make_model(nodes, feed: Feed, constants: Feed, outputs, opset: int = OPSET) -> tuple[onnx.ModelProto, Feed]:
    """`outputs` gives names with types of elements; their extents are left to the engines."""
    graph = helper.make_graph(
        nodes,
        "row",
        [typed(name, value) for name, value in feed.items()],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()],
        [constant(name, value) for name, value in constants.items()],
    )
    domains = {"": opset} | {n.domain: {"ai.onnx.ml": 3}.get(n.domain, 1) for n in nodes if n.domain}
    imports = [helper.make_opsetid(domain, version) for domain, version in domains.items()]
    model = helper.make_model(graph, opset_imports=imports, ir_version=9)
    return model, feed


def one_node(
    op: str, feed: Feed, constants: Feed | None = None, outputs=None, domain: str = "", opset: int = OPSET, **attributes
):
    """The node's inputs are those of the feed, then the constants; a constant of no elements is an absent input."""
    constants = constants or {}
    outputs = outputs or {"y": TensorProto.FLOAT}
    names = list(feed) + [name if value.size else "" for name, value in constants.items()]
    node = helper.make_node(op, names, list(outputs), domain=domain, **attributes)
    return make_model([node], feed, {n: v for n, v in constants.items() if v.size}, outputs, opset)


ABSENT = np.empty(0, np.float32)


def stft():
    constants = {"step": np.int64(160), "window": np.hanning(400).astype(np.float32), "length": np.int64(400)}
    return one_node("STFT", {"x": random(1, 16000, 1)}, constants, onesided=1)


def dft(onesided: int):
    parts = 1 if onesided else 2
    return one_node("DFT", {"x": random(1, 16000, parts)}, opset=17, axis=1, onesided=onesided)


def loop(steps: int, size: int):
    """state = tanh(state * w + b), `steps` times."""
    state = helper.make_tensor_value_info("state", TensorProto.FLOAT, [size])
    going = helper.make_tensor_value_info("going", TensorProto.BOOL, [])
    index = helper.make_tensor_value_info("index", TensorProto.INT64, [])
    nodes = [
        helper.make_node("Mul", ["state", "w"], ["scaled"]),
        helper.make_node("Add", ["scaled", "b"], ["sum"]),
        helper.make_node("Tanh", ["sum"], ["next"]),
        helper.make_node("Identity", ["going"], ["go"]),
    ]
    outputs = [
        helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        helper.make_tensor_value_info("next", TensorProto.FLOAT, [size]),
    ]
    body = helper.make_graph(nodes, "body", [index, going, state], outputs)
    constants = {"steps": np.int64(steps), "start": np.bool_(True), "w": random(size), "b": random(size) + 1}
    node = helper.make_node("Loop", ["steps", "start", "x"], ["y"], body=body)
    return make_model([node], {"x": random(size)}, constants, {"y": TensorProto.FLOAT})


def scan(steps: int, size: int):
    """A leaky sum along the first axis."""
    nodes = [
        helper.make_node("Mul", ["state", "decay"], ["kept"]),
        helper.make_node("Add", ["kept", "item"], ["next"]),
        helper.make_node("Identity", ["next"], ["out"]),
    ]
    ends = {n: helper.make_tensor_value_info(n, TensorProto.FLOAT, [size]) for n in ("state", "item", "next", "out")}
    body = helper.make_graph(nodes, "body", [ends["state"], ends["item"]], [ends["next"], ends["out"]])
    node = helper.make_node("Scan", ["s", "x"], ["last", "y"], body=body, num_scan_inputs=1)
    feed = {"s": random(size), "x": random(steps, size)}
    outputs = {"last": TensorProto.FLOAT, "y": TensorProto.FLOAT}
    return make_model([node], feed, {"decay": np.float32(0.9)}, outputs)


def conv(x: tuple[int, ...], w: tuple[int, ...], op: str = "Conv", **attributes):
    filters = w[1] * attributes.get("group", 1) if op == "ConvTranspose" else w[0]
    return one_node(op, {"x": random(*x)}, {"w": random(*w) * 0.1, "b": random(filters)}, **attributes)


def top_k(k: int):
    outputs = {"values": TensorProto.FLOAT, "places": TensorProto.INT64}
    return one_node("TopK", {"x": random(1, 100_000)}, {"k": np.array([k])}, outputs)


def grid_sample():
    grid = np.tanh(random(1, 64, 64, 2))
    return one_node("GridSample", {"x": random(1, 32, 64, 64), "grid": grid}, mode="linear")


def resize(mode: str):
    constants = {"roi": ABSENT, "scales": ABSENT, "sizes": np.array([1, 16, 120, 160])}
    return one_node("Resize", {"x": random(1, 16, 60, 80)}, constants, mode=mode)


def einsum():
    feed = {"q": random(2, 128, 8, 64), "k": random(2, 128, 8, 64)}
    return one_node("Einsum", feed, equation="bqhd,bkhd->bhqk")


def where():
    feed = {"mask": random(1000, 1000) > 0, "a": random(1000, 1000), "b": random(1, 1000)}
    return one_node("Where", feed)


def gather(rows: int, width: int, count: int):
    return one_node("Gather", {"x": random(rows, width), "i": indices(count, rows)}, axis=0)


def scatter_nd(rows: int, width: int, count: int):
    places = np.random.default_rng(0).permutation(rows)[:count, None]
    return one_node("ScatterND", {"x": random(rows, width), "i": places, "u": random(count, width)})


def recurrent(op: str, gates: int, length: int = 100, inputs: int = 128, hidden: int = 128):
    scale = hidden**-0.5
    constants = {
        "w": random(1, gates * hidden, inputs) * scale,
        "r": random(1, gates * hidden, hidden) * scale,
        "b": random(1, 2 * gates * hidden) * scale,
    }
    outputs = {"y": TensorProto.FLOAT, "h": TensorProto.FLOAT}
    return one_node(op, {"x": random(length, 1, inputs)}, constants, outputs, hidden_size=hidden)


def non_max_suppression(count: int):
    rng = np.random.default_rng(0)
    corner, size = rng.random((1, count, 2)) * 600, 8 + rng.random((1, count, 2)) * 60
    feed = {
        "boxes": np.concatenate([corner, corner + size], 2).astype(np.float32),
        "scores": rng.random((1, 1, count)).astype(np.float32),
    }
    constants = {"most": np.array([300]), "iou": np.array([0.5], np.float32), "least": np.array([0.05], np.float32)}
    return one_node("NonMaxSuppression", feed, constants, {"chosen": TensorProto.INT64})


def trees(rows: int, count: int = 400, depth: int = 6, features: int = 50):
    """Full trees; the nodes of one are numbered by levels."""
    rng = np.random.default_rng(0)
    inner, total = 2**depth - 1, 2 ** (depth + 1) - 1
    node = np.tile(np.arange(total), count)
    is_leaf = node >= inner
    tree = np.repeat(np.arange(count), total)
    left, right = np.where(is_leaf, 0, 2 * node + 1), np.where(is_leaf, 0, 2 * node + 2)
    return one_node(
        "TreeEnsembleRegressor",
        {"x": random(rows, features)},
        domain="ai.onnx.ml",
        n_targets=1,
        nodes_treeids=tree.tolist(),
        nodes_nodeids=node.tolist(),
        nodes_featureids=np.where(is_leaf, 0, rng.integers(0, features, node.size)).tolist(),
        nodes_modes=["LEAF" if leaf else "BRANCH_LEQ" for leaf in is_leaf],
        nodes_values=rng.standard_normal(node.size).astype(np.float32).tolist(),
        nodes_truenodeids=left.tolist(),
        nodes_falsenodeids=right.tolist(),
        target_treeids=tree[is_leaf].tolist(),
        target_nodeids=node[is_leaf].tolist(),
        target_ids=np.zeros(int(is_leaf.sum()), np.int64).tolist(),
        target_weights=rng.standard_normal(int(is_leaf.sum())).astype(np.float32).tolist(),
    )


def matmul_nbits(rows: int, depth: int = 2048, columns: int = 2048, block: int = 32):
    rng = np.random.default_rng(0)
    blocks = depth // block
    constants = {
        "b": rng.integers(0, 256, (columns, blocks, block // 2)).astype(np.uint8),
        "scales": (rng.random(columns * blocks) * 0.01).astype(np.float32),
    }
    attributes = {"K": depth, "N": columns, "bits": 4, "block_size": block}
    return one_node("MatMulNBits", {"x": random(rows, depth)}, constants, domain="com.microsoft", **attributes)


MAKERS: dict[str, Callable[[], tuple[onnx.ModelProto, Feed]]] = {
    "stft_1s": stft,
    "dft_16000_real": partial(dft, 1),
    "dft_16000_complex": partial(dft, 0),
    "loop_1000": partial(loop, 1000, 16),
    "scan_1000": partial(scan, 1000, 16),
    "conv1d": partial(conv, (1, 64, 1000), (128, 64, 5), pads=[2, 2]),
    "conv3d": partial(conv, (1, 16, 16, 32, 32), (32, 16, 3, 3, 3), pads=[1] * 6),
    "conv_grouped": partial(conv, (1, 128, 56, 56), (128, 4, 3, 3), pads=[1] * 4, group=32),
    "depthwise_x2": partial(conv, (1, 64, 56, 56), (128, 1, 3, 3), pads=[1] * 4, group=64),
    "conv_transpose": partial(
        conv, (1, 64, 32, 32), (64, 32, 4, 4), op="ConvTranspose", pads=[1] * 4, strides=[2, 2]
    ),
    "top_k_100": partial(top_k, 100),
    "top_k_5000": partial(top_k, 5000),
    "grid_sample": grid_sample,
    "resize_linear": partial(resize, "linear"),
    "resize_cubic": partial(resize, "cubic"),
    "einsum": einsum,
    "where_1m": where,
    "gather_rows_1m": partial(gather, 50_000, 64, 16_384),
    "gather_elements_1m": partial(gather, 1_000_000, 1, 1_000_000),
    "scatter_rows_1m": partial(scatter_nd, 16_384, 64, 8192),
    "scatter_elements_1m": partial(scatter_nd, 1_000_000, 1, 250_000),
    "gru_batch_1": partial(recurrent, "GRU", 3),
    "lstm_batch_1": partial(recurrent, "LSTM", 4),
    "nms_10k": partial(non_max_suppression, 10_000),
    "trees_400_rows_1": partial(trees, 1),
    "trees_400_rows_64": partial(trees, 64),
    "trees_400_rows_10k": partial(trees, 10_000),
    "matmul_4bits_decode": partial(matmul_nbits, 1),
}
