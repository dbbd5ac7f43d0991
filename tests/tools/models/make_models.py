#!/usr/bin/env python3
"""Writes the models beside this script: make_models.py"""
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def next_token(vocabulary=16, width=8):
    """Scores of the token after each of a sequence, from that token alone."""
    random = np.random.default_rng(5)
    table = random.normal(0, 0.5, (vocabulary, width)).astype(np.float32)
    weight = random.normal(0, 0.5, (width, vocabulary)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["features"], "embedding"),
         helper.make_node("MatMul", ["features", "weight"], ["logits"], "scores")],
        "next_token",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "sequence", vocabulary])],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(weight, "weight")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


model = next_token()
onnx.checker.check_model(model, full_check=True)
onnx.save(model, Path(__file__).parent / "next_token.onnx")
