#!/usr/bin/env python3
"""Writes runtime/format/letter_case_tables.h: simple case mappings of Unicode as runs of characters.

    tools/dev/make_letter_case.py > runtime/format/letter_case_tables.h
"""
import unicodedata


def mapped(code, change):
    """The character of the other case; itself where Unicode gives none or several."""
    text = change(chr(code))
    return ord(text) if len(text) == 1 else code


def runs(change):
    """(first, last, step, offset): every step-th character from first to last is `offset` before its other case."""
    found = []
    for code in range(0x110000):
        offset = mapped(code, change) - code
        if offset == 0:
            continue
        if found:
            first, last, step, same = found[-1]
            gap = code - last
            if same == offset and gap <= 2 and step in (0, gap):
                found[-1] = (first, code, gap, offset)
                continue
        found.append((code, code, 0, offset))
    return [(first, last, max(step, 1), offset) for first, last, step, offset in found]


def table(name, change):
    rows = [f"    {{0x{first:x}, 0x{last:x}, {step}, {offset}}}," for first, last, step, offset in runs(change)]
    return "\n".join([f"inline constexpr LetterRun {name}[] = {{", "    // clang-format off", *rows,
                      "    // clang-format on", "};"])


print(f"""// Written by tools/dev/make_letter_case.py from Unicode {unicodedata.unidata_version}.
#pragma once

#include <cstdint>

namespace dlc {{

// Every step-th character from first to last becomes the one `offset` behind it. In the order of `first`.
struct LetterRun {{
  uint32_t first, last;
  uint32_t step;
  int32_t offset;
}};

{table("kLowerCase", str.lower)}

{table("kUpperCase", str.upper)}

}}  // namespace dlc""")
