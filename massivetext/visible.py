"""Control characters made visible: text of others is shown on terminals and pages, and must not steer them."""

import re

# C0 without tab and line feed, DEL and C1: a terminal obeys them, and most are no characters of HTML or XML at all.
CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f"
# Overrides, embeddings, isolates and marks of direction reorder what is shown around them.
DIRECTIONS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
# Halves of surrogate pairs and the two last code points of the first plane cannot be written as UTF-8 or in XML.
IMPOSSIBLE = "\ud800-\udfff\ufffe\uffff"
HIDDEN = re.compile(f"[{CONTROLS}{DIRECTIONS}{IMPOSSIBLE}]")
PICTURES = 0x2400


def visible(text: str) -> str:
    """Return `text` with a visible sign for each control character; tabs, line feeds and all else stay.

    The sign is Unicode's picture of it where there is one (␛ for escape), else its code point: ⟨U+202E⟩.
    """
    return HIDDEN.sub(lambda found: _sign(ord(found[0])), text)


def visible_json(text: str) -> str:
    """Return JSON with the control characters in it escaped, which changes no value."""
    return HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _sign(code: int) -> str:
    if code < 0x20:
        return chr(PICTURES + code)
    return "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"
