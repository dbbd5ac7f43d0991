#!/usr/bin/env python3
"""Checks what the folders of the source tree may include and name (docs/architecture.md).

usage: check_layers.py [ROOT]

Prints one line a fault and exits with 1 if there is one. Operator names are asked of the `onnx` package; without it that
rule is skipped with a message.
"""
import re
import subprocess
import sys
from pathlib import Path

# Folder -> folders whose headers it may include. A file belongs to the longest folder that it lies in.
ARROWS = {
    "runtime/format": {"runtime/format"},
    "runtime/model": {"runtime/format", "runtime/model", "runtime/kernels"},
    "runtime/kernels": {"runtime/format", "runtime/model", "runtime/kernels"},
    "runtime/data": {"runtime", "runtime/data"},
    "runtime/mpi": {"runtime/mpi"},
    "runtime/training": {"runtime", "runtime/model", "runtime/data", "runtime/mpi", "runtime/training"},
    "runtime": {"runtime", "runtime/format", "runtime/model", "runtime/kernels", "runtime/data"},
    "ir": {"ir", "runtime", "runtime/format"},
    "frontend": {"frontend", "ir", "runtime", "runtime/format", "runtime/data"},
    "passes": {"passes", "ir", "runtime", "runtime/training"},
    "codegen": {"codegen", "passes", "ir", "runtime", "runtime/model", "runtime/kernels", "runtime/training"},
    "api": {"api", "codegen", "passes", "frontend", "ir", "runtime", "runtime/model", "runtime/data", "runtime/training"},
    "tools": {"tools", "codegen", "passes", "frontend", "ir", "runtime", "runtime/model", "runtime/data",
              "runtime/training"},
    "tests": {"tests", "tools", "api", "codegen", "passes", "frontend", "ir", "runtime", "runtime/format", "runtime/model",
              "runtime/kernels", "runtime/data", "runtime/training"},
}

# Headers of libraries -> folders that may include them.
LIBRARIES = [
    (r"(llvm|llvm-c|lld)/", {"codegen", "tests/unit/codegen", "tests/bench"}),
    (r"(onnx|google/protobuf)/", {"frontend", "tests/unit/frontend", "tests/conformance", "tests/support", "tests/fuzz"}),
    (r"xsimd/", {"runtime/kernels"}),
    (r"(png\.h|jpeglib\.h|zlib\.h|tiffio\.h|openjpeg\.h|webp/.*)", {"runtime/data", "tests"}),
    (r"mpi\.h", {"runtime/mpi"}),
    (r"CLI/", {"tools"}),
    (r"training_event\.pb\.h", {"tools"}),
    (r"nlohmann/", {"runtime/data", "runtime/training", "passes", "codegen", "tools", "tests"}),
    (r"fmt/", {"runtime", "ir", "frontend", "passes", "codegen", "api", "tools", "tests"}),
    (r"(gtest|gmock|benchmark)/", {"tests"}),
    (r"iostream$", {"tools", "tests"}),
]
# What goes into compiled models does without these, whatever the rows above say of its parent folder.
MODEL_FOLDERS = ("runtime/format", "runtime/model", "runtime/kernels")
BANNED_IN_MODELS = re.compile(r"(fmt/|nlohmann/|exception$|stdexcept$|string$|vector$|map$|memory$|functional$)")

NO_OPERATOR_NAMES = ("codegen",)

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)
STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')


def source_files(root: Path) -> list[str]:
    listing = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.cpp", "*.h"], cwd=root, check=True,
                             capture_output=True, text=True).stdout
    return [name for name in listing.splitlines() if (root / name).is_file()]


def folder_of(path: str) -> str | None:
    inside = [folder for folder in ARROWS if path.startswith(folder + "/")]
    return max(inside, key=len, default=None)


def lies_in(path: str, folders) -> bool:
    return any(path.startswith(folder + "/") for folder in folders)


def operator_names() -> set[str]:
    try:
        import onnx.defs
    except ImportError:
        print("check_layers: no onnx package; operator names are not checked", file=sys.stderr)
        return set()
    return {schema.name for schema in onnx.defs.get_all_schemas()}


def include_fault(path: str, quote: str, header: str) -> str | None:
    folder = folder_of(path)
    for pattern, allowed in LIBRARIES:
        if re.match(pattern, header) and not lies_in(path, allowed):
            return f"only {', '.join(sorted(allowed))} may include <{header}>"
    if folder in MODEL_FOLDERS and BANNED_IN_MODELS.match(header):
        return f"code of compiled models may not include <{header}>"
    if quote != '"':
        return None
    target = folder_of(header)
    if target is None:
        return f'"{header}" is no path from the project root'
    if folder is not None and target not in ARROWS[folder]:
        return f"{folder} may not include {target}: {header}"
    return None


def faults_of(path: str, text: str, operators: set[str]):
    for match in INCLUDE.finditer(text):
        fault = include_fault(path, match[1], match[2])
        if fault:
            yield text.count("\n", 0, match.start()) + 1, fault
    if lies_in(path, NO_OPERATOR_NAMES):
        for match in STRING.finditer(text):
            if match[1] in operators:
                yield text.count("\n", 0, match.start()) + 1, f"names the operator {match[1]}"


def main() -> int:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    operators = operator_names()
    count = 0
    for path in source_files(root):
        for line, fault in faults_of(path, (root / path).read_text(), operators):
            print(f"{path}:{line}: {fault}")
            count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
