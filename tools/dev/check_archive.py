#!/usr/bin/env python3
"""Checks the archive that goes into compiled models.

usage: check_archive.py libdlcrt.a OBJECTS

OBJECTS is a text file of lines "ISA PATH", one for each object of the archive. Checked: the archive links into a shared
library with libc and libm alone and needs no relocation of code; nothing runs at load time; no two ISAs define the same
symbol, weak ones included, because the linker would then pick one of them for all processors.
"""
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ALLOWED_LIBRARIES = {"libc.so.6", "libm.so.6"}


def output_of(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def link_faults(archive: str):
    with tempfile.TemporaryDirectory() as folder:
        library = str(Path(folder) / "all.so")
        link = subprocess.run(
            ["gcc", "-shared", "-o", library, "-Wl,-z,defs", "-Wl,-z,text", "-Wl,--whole-archive", archive,
             "-Wl,--no-whole-archive", "-lm"], capture_output=True, text=True)
        if link.returncode != 0:
            yield from (line for line in link.stderr.splitlines() if re.search("undefined|reloc|multiple", line))
            yield "the archive does not link with libc and libm alone"
            return
        for line in output_of("readelf", "-d", library).splitlines():
            if "(NEEDED)" in line and (name := line.split("[")[1].rstrip("]")) not in ALLOWED_LIBRARIES:
                yield f"a compiled model would need {name}"


def defined_symbols(path: str):
    for line in output_of("nm", "--defined-only", "--format=posix", path).splitlines():
        name, kind = line.split()[:2]
        yield name, kind


def symbol_faults(objects: list[tuple[str, str]]):
    isas_of = defaultdict(set)
    for isa, path in objects:
        for name, kind in defined_symbols(path):
            if name.startswith("_GLOBAL__sub_I"):
                yield f"{path} runs code when it is loaded"
            if kind.isupper() or kind in "wvu":
                isas_of[name].add(isa)
    for name, isas in sorted(isas_of.items()):
        if len(isas) > 1:
            yield f"{', '.join(sorted(isas))} all define {name}"


def main() -> int:
    archive, object_list = sys.argv[1:3]
    objects = [tuple(line.split(" ", 1)) for line in Path(object_list).read_text().splitlines() if line]
    faults = [*link_faults(archive), *symbol_faults(objects)]
    for fault in faults:
        print(f"{Path(archive).name}: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
