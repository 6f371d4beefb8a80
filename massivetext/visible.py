"""Makes control characters visible, so that untrusted text cannot control terminals and pages that show it."""

import re

# C0 without tab and line feed, DEL and C1: terminals obey them, and most are not allowed in HTML or XML.
CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f"
# Direction overrides, embeddings, isolates and marks reorder the text around them.
DIRECTIONS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
# Lone surrogates cannot be encoded as UTF-8, and U+FFFE and U+FFFF are not allowed in XML.
IMPOSSIBLE = "\ud800-\udfff\ufffe\uffff"
HIDDEN = re.compile(f"[{CONTROLS}{DIRECTIONS}{IMPOSSIBLE}]")
PICTURES = 0x2400


def visible(text: str) -> str:
    """Return `text` with a visible sign for each control character; tabs and line feeds are kept.

    The sign is Unicode's control picture if there is one (␛ for escape), else the code point: ⟨U+202E⟩.
    """
    return HIDDEN.sub(lambda found: _sign(ord(found[0])), text)


def visible_json(text: str) -> str:
    """Return JSON text with control characters escaped; its values stay the same."""
    return HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _sign(code: int) -> str:
    if code < 0x20:
        return chr(PICTURES + code)
    return "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"
