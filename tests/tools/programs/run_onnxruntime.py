#!/usr/bin/env python3
"""Runs a model of one input in ONNX Runtime and writes its first output: run_onnxruntime.py MODEL INPUT.npy OUTPUT.npy"""
import sys

import numpy as np
import onnxruntime

model, source, target = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
np.save(target, session.run(None, {session.get_inputs()[0].name: np.load(source)})[0])
