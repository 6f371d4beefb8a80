"""Chat templates: conversations become ids, and what people wrote stays text.

The template is rendered once; then only the special tokens that the template itself wrote become control ids. Those
inside messages are broken up by a mark before rendering, and the mark is taken out again before encoding.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from massivetext.errors import ConfigError

# Characters that are never text (Unicode noncharacters); the first that does not occur serves as the mark.
MARKS = [chr(code) for code in range(0xFDD0, 0xFDF0)]


def chosen_mark(value: Any) -> str:
    """Return a character that occurs nowhere in a structure of strings."""
    used = set("".join(_strings(value)))
    for mark in MARKS:
        if mark not in used:
            return mark
    raise ConfigError("the conversation uses all 32 noncharacters from U+FDD0 to U+FDEF; remove one of them")


def _strings(value: Any) -> Iterable[str]:
    """Yield every string in nested dicts and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _strings(key)
            yield from _strings(entry)
    elif isinstance(value, Sequence):
        for entry in value:
            yield from _strings(entry)


def protect(value: Any, specials: Sequence[str], mark: str) -> Any:
    """Return the structure with a mark inside every special token, and at ends that could complete one outside."""
    if isinstance(value, str):
        return _protected_text(value, specials, mark)
    if isinstance(value, Mapping):
        return {key: protect(entry, specials, mark) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [protect(entry, specials, mark) for entry in value]
    return value


def _protected_text(text: str, specials: Sequence[str], mark: str) -> str:
    """Return the text with marks; whitespace at its ends stays there, so that templates still trim it."""
    for special in specials:
        if special in text:
            text = text.replace(special, special[0] + mark + special[1:])
    core = text.strip()
    if not core:
        return text
    before, after = text[: text.index(core)], text[text.index(core) + len(core) :]
    cuts = [(special[:cut], special[cut:]) for special in specials for cut in range(1, len(special))]
    ends = any(core.endswith(head) for head, _ in cuts)
    begins = any(core.startswith(tail) for _, tail in cuts)
    return f"{before}{mark if begins else ''}{core}{mark if ends else ''}{after}"


class PlacedToken(NamedTuple):
    """One token of a rendered conversation, and the part of the text that it stands for."""

    id: int
    start: int
    end: int


def encode_rendered(
    text: str, mark: str, added: Sequence[Any], token_id: Callable[[str], int], encode: Callable[[str], Any]
) -> list[PlacedToken]:
    """Return the tokens of a rendered conversation: special tokens as control ids, all else as ordinary text.

    Their places are those in the text without marks. added: the special `AddedToken`s, whose `lstrip` and `rstrip` take
    the whitespace beside them. encode: makes an encoding (ids, offsets) of ordinary text.
    """
    longest_first = sorted(added, key=lambda token: -len(token.content))
    forms = [
        (r"\s*" if t.lstrip else "") + f"({re.escape(t.content)})" + (r"\s*" if t.rstrip else "") for t in longest_first
    ]
    pieces: list[PlacedToken] = []
    position = base = 0
    for found in re.finditer("|".join(forms), text) if forms else ():
        base += _ordinary(text[position : found.start()].replace(mark, ""), base, encode, pieces)
        content = next(group for group in found.groups() if group is not None)
        start = base + found.group().index(content)
        pieces.append(PlacedToken(token_id(content), start, start + len(content)))
        base += len(found.group())
        position = found.end()
    _ordinary(text[position:].replace(mark, ""), base, encode, pieces)
    return pieces


def _ordinary(text: str, base: int, encode: Callable[[str], Any], pieces: list[PlacedToken]) -> int:
    """Add the tokens of ordinary text that begins at `base`; return its length."""
    encoding = encode(text)
    pieces += [
        PlacedToken(number, base + a, base + b) for number, (a, b) in zip(encoding.ids, encoding.offsets, strict=True)
    ]
    return len(text)


def without_marks(text: str, mark: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return places in a text as places in the same text without marks."""
    return [(start - text.count(mark, 0, start), end - text.count(mark, 0, end)) for start, end in spans]
