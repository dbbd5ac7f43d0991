#!/usr/bin/env python3
"""Writes small models with one fault each, and legal ones that look like faults.

usage: make_error_cases.py OUT_DIR

    OUT_DIR/bad/<case>/         model.onnx, expect.txt: reading the model fails
    OUT_DIR/bad_data/<case>/    the same, and test_data_set_0/input_<i>.pb: compiling it or running it with
                                these inputs fails
    OUT_DIR/good/<case>/        model.onnx, test_data_set_0/{input,output}_<i>.pb: gives these outputs

A line of expect.txt is a regular expression (ECMAScript); each is found in the error's message, letter case
aside: the node, the operator, what was expected and what was found. Data beside a model and links to it
belong to the case. A stamp makes repeated runs instant.
"""

import hashlib
import os
import shutil
import sys
from pathlib import Path

import file_cases
import graph_cases
import hostile_cases
import node_cases
import onnx
from case import Case
from onnx import numpy_helper


def stamp() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return f"onnx {onnx.__version__}, {digest.hexdigest()}"


def kind_of(case: Case) -> str:
    return "good" if case.outputs is not None else "bad" if case.inputs is None else "bad_data"


def write(folder: Path, case: Case) -> None:
    folder.mkdir(parents=True)
    data = case.model if isinstance(case.model, bytes) else case.model.SerializeToString()
    (folder / "model.onnx").write_bytes(data)
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for name, target in case.links.items():
        os.symlink(target, folder / name)
    if case.outputs is None:
        (folder / "expect.txt").write_text("".join(f"{pattern}\n" for pattern in case.expect))
    if case.inputs is not None:
        sets = folder / "test_data_set_0"
        sets.mkdir()
        for role, values, infos in (
            ("input", case.inputs, case.model.graph.input),
            ("output", case.outputs or [], case.model.graph.output),
        ):
            for i, value in enumerate(values):
                name = infos[i].name if i < len(infos) else ""
                (sets / f"{role}_{i}.pb").write_bytes(
                    numpy_helper.from_array(value, name).SerializeToString()
                )


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    out = Path(sys.argv[1])
    done = out / "stamp.txt"
    if done.exists() and done.read_text() == stamp():
        return
    for kind in ("bad", "bad_data", "good"):
        shutil.rmtree(out / kind, ignore_errors=True)
    count = 0
    for module in (file_cases, node_cases, graph_cases, hostile_cases):
        for case in module.cases():
            write(out / kind_of(case) / case.name, case)
            count += 1
    done.write_text(stamp())
    print(f"{count} cases in {out}")


if __name__ == "__main__":
    main()
