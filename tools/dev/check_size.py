#!/usr/bin/env python3
"""Checks that no source file exceeds 600 lines and no function 60.

usage: check_size.py [ROOT]

Prints one line a fault and exits with 1 if there is one. C++ functions are found by their braces, from the line of the
name to the closing brace; a lambda counts for the function that it is in.
"""
import ast
import re
import subprocess
import sys
from pathlib import Path

MAX_FILE = 600
MAX_FUNCTION = 60
SUFFIXES = ("cpp", "h", "py", "sh", "cmake")

# Comments, string and character literals: of no interest, but they may hold braces.
NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^(\s]*)\(.*?\)(?P=d)"|"(?:[^"\\\n]|\\.)*"'
                   r"|(?<![0-9a-fA-F])'(?:[^'\\\n]|\\.)+'", re.S)
SCOPE = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b")


def source_files(root: Path) -> list[str]:
    command = ["git", "ls-files", "-co", "--exclude-standard", *(f"*.{suffix}" for suffix in SUFFIXES)]
    listing = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    return [name for name in listing.splitlines() if (root / name).is_file()]


def blank_noise(text: str) -> str:
    text = NOISE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda match: re.sub(r"[^\n]", " ", match[0]), text, flags=re.M)


def opens(head: str) -> str:
    """What a brace opens, by the text between the last `;`, `{` or `}` and it: scope, function or data."""
    head = re.sub(r"\btemplate\s*<[^{;]*?>\s*(?=\w)", "", head.strip())
    if re.match(r"(inline\s+)?namespace\b", head) or head.startswith("extern"):
        return "scope"
    before_parenthesis = head.split("(", 1)[0]
    if SCOPE.search(before_parenthesis) and (head.count("(") == 0 or re.search(r"\balignas\s*\(", head)):
        return "scope"
    if head.endswith("=") or "(" not in head:
        return "data"
    return "function"


def cpp_functions(text: str):
    """Yields (first line, last line, head) of every function that is not inside another."""
    text = blank_noise(text)
    stack = []
    head_start = 0
    for match in re.finditer(r"[{};]", text):
        at, token = match.start(), match[0]
        inside = stack[-1][0] if stack else "scope"
        if token == "{":
            head = text[head_start:at]
            kind = opens(head) if inside == "scope" else "nested"
            first = head_start + len(head) - len(head.lstrip())
            stack.append((kind, first, " ".join(head.split())))
        elif token == "}" and stack:
            kind, first, head = stack.pop()
            if kind == "function":
                yield text.count("\n", 0, first) + 1, text.count("\n", 0, at) + 1, head
        if token == ";" and inside != "scope":
            continue
        head_start = at + 1


def python_functions(text: str):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.end_lineno, node.name


def faults_of(path: str, text: str):
    lines = text.count("\n")
    if lines > MAX_FILE:
        yield 1, f"the file has {lines} lines, more than {MAX_FILE}"
    if path.endswith((".cpp", ".h")):
        functions = cpp_functions(text)
    elif path.endswith(".py"):
        functions = python_functions(text)
    else:
        return
    for first, last, head in functions:
        if last - first + 1 > MAX_FUNCTION:
            yield first, f"a function of {last - first + 1} lines, more than {MAX_FUNCTION}: {head[:60]}"


def main() -> int:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    count = 0
    for path in source_files(root):
        for line, fault in faults_of(path, (root / path).read_text()):
            print(f"{path}:{line}: {fault}")
            count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
