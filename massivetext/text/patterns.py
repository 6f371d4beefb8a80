"""Regular expressions with possessive groups, such as `(?:a|b)*+`, on every supported Python."""

import re
import sys

IS_RIGHT = sys.version_info >= (3, 11, 5)
"""Whether `re` matches possessive groups that contain a choice; before, it does not (CPython issue 106052)."""
QUANTIFIER = re.compile(r"([*+?]|\{[0-9,]+\})\+")


def compile_pattern(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """Return a compiled pattern; where `re` does not match possessive groups, atomic groups take their place.

    Both match the same text. Atomic groups keep about 100 bytes for each repetition, so they are not used elsewhere.
    """
    return re.compile(pattern if IS_RIGHT else with_atomic_groups(pattern), flags)


def with_atomic_groups(pattern: str) -> str:
    """Return a pattern with `(?>(...)*)` in place of each `(...)*+`, and the same for other quantifiers."""
    opened: list[int] = []
    result: list[str] = []
    at, is_in_class = 0, False
    while at < len(pattern):
        character = pattern[at]
        result.append(pattern[at : at + 2] if character == "\\" else character)
        at += len(result[-1])
        if character == "[" and not is_in_class:
            is_in_class = True
            for first in ("^", "]"):  # neither ends a class at its beginning
                if pattern.startswith(first, at):
                    result.append(first)
                    at += 1
        elif character == "]":
            is_in_class = False
        elif character == "(" and not is_in_class:
            opened.append(len(result) - 1)
        elif character == ")" and not is_in_class:
            start = opened.pop()
            if quantifier := QUANTIFIER.match(pattern, at):
                result[start] = "(?>" + result[start]
                result.append(f"{quantifier[1]})")
                at = quantifier.end()
    return "".join(result)
