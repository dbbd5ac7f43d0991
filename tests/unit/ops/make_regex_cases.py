#!/usr/bin/env python3
"""Writes regex_cases.txt: patterns and texts, with what RE2 says of them. Needs google-re2.

    make_regex_cases.py > regex_cases.txt

A line: pattern, then for each text of the list at the top 1 (matches), 0 (does not); or "error". Patterns and texts
are written as JSON strings."""
import json

import re2

TEXTS = ["", "a", "b", "ab", "ba", "aab", "abab", "aaaa", "A", "aB", "k", "K", "\u212a", "s", "\u017f", "0", "42", "_",
         " ", "\n", "a\n", "a\nb", "a b", "-", ".", "a.b", "]", "^", "\\", "{", "a{2", "é", "É", "日本", "\U0001f600", "aé",
         "user@gmail.com", "x@yahoo.com", "www.google.com", "hello\tworld", "ß", "σ", "ς", "Σ", "\x7f", "\u0800", "\uffff"]

PATTERNS = ["", "a", "a*", "a+b", "a?b", "(ab)*", "(a|b)+", "a|b|ab", "a{2}", "a{2,}", "a{1,3}b", "(?:ab){2}", "(?P<x>a)b",
            "(?<x>a)b", "a*?b", "a{2}?", ".", "..", ".*", "(?s).", "(?s).*", "[ab]+", "[^ab]", "[a-c]*", "[]]", "[^]]", "[a\\-]+",
            "[-a]+", "[a-]+", "\\d+", "\\D", "\\w+", "\\W", "\\s", "\\S+", "[\\d_]+", "[^\\d]", "[\\D]", "[[:alpha:]]+", "[[:^alpha:]]",
            "[^[:digit:]]+", "(?i)a", "(?i)ab", "(?i)k", "(?i)[k-s]", "(?i)[^k]", "(?i)é", "(?i)σ", "(?i:A)B", "a(?i)b|c", "(?i)\\w",
            "(?i)\\W", "(?i)ß", "(?i)[[:upper:]]", "(?-i)a", "^a$", "^", "$", "a$", "a\\z", "\\Aa", "a\\b", "\\ba\\b.*", "a\\B.", "\\B",
            "(?m)a$\\nb", "(?m)a$(?s).*", "a$\\n", "^^a", "é", "[é-ü]", "[à-ÿ]+", "日.", "[\\x{4e00}-\\x{9fff}]+", "\\x{1F600}", "\\x61",
            "\\x{61}b", "\\141", "\\Qa.b\\E", "\\Qa\\E*", "\\.", "\\\\", "\\]", "[\\]]", "\\^", "{", "a{2", "a{,2}", "\\{", "a{0}", "a{0,1}",
            "(a*)*", "(a*)+b", "(|a)+", "()", "(a|)", "a||b", "[^\\n]*", "[\\x00-\\x{10FFFF}]", "[^\\x00-\\x7f]+", "[\\x{800}-\\x{ffff}]",
            "(\\W|^)[\\w.\\-]{0,25}@(yahoo|gmail)\\.com(\\W|$)", "www\\.[\\w.-]+\\.\\bcom\\b", "[a-z]+\\t[a-z]+", "(?U)a+b",
            # errors
            "a**", "*a", "a{2}{3}", "a{3,2}", "a{1001}", "(", ")", "(?", "(?z)", "[", "[a", "[b-a]", "[[:foo:]]", "\\", "\\8", "\\q",
            "(?P<>a)", "(?P<n", "\\x{110000}", "\\x", "a*+", "(?i", "x{2,1}", "[a-\\d]"]


def row(pattern):
    try:
        compiled = re2.compile(pattern)
    except re2.error:
        return "error"
    return "".join("1" if compiled.fullmatch(text) else "0" for text in TEXTS)


print(json.dumps(TEXTS))
for pattern in PATTERNS:
    print(json.dumps(pattern), row(pattern))
