"""Guards around the `tokenizers` library: panics become errors, and normalisers that inflate text are refused."""

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tokenizers import Tokenizer as Backend

from massivetext.errors import DataError, ModelError

MOST_GROWTH = 1000.0  # times; published normalisers stay below 100
PANIC = "PanicException"  # raised when a Rust library panics: a BaseException that cannot be imported
COMPATIBILITY_GROWTH = 18.0  # one character of Unicode becomes 18 in NFKC


@contextmanager
def panics_told(action: str) -> Iterator[None]:
    """Turn a panic of the library inside the block into DataError; action: what the block does, "encoding a text"."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != PANIC:
            raise
        reason = str(error).strip().splitlines()
        raise DataError(
            f"the tokenizer gave up {action} ({reason[0][:200] if reason else 'no reason given'}): a pattern in its "
            f"tokenizer.json takes too long on this text, or the file is damaged; cut the text into shorter pieces, or "
            f"use another tokenizer"
        ) from None


def check_growth(backend: Backend, where: str) -> None:
    """Raise ModelError if the normaliser or decoder can make a text more than MOST_GROWTH times as long."""
    for part in (backend.normalizer, backend.decoder):
        if part is None:
            continue
        content = json.loads(part.__getstate__())
        most = growth(content)
        if most > MOST_GROWTH:
            raise ModelError(
                f"{where}: its {content['type']} can make a text {most:,.0f} times as long, and a text would fill the "
                f"memory; at most {MOST_GROWTH:,.0f} times is allowed: fetch the tokenizer again, or use another"
            )


def growth(step: dict[str, Any]) -> float:
    """Return an upper bound on the factor by which a normalisation or decoding step can lengthen a text."""
    kind = step.get("type")
    if kind == "Sequence":
        most = 1.0
        for inner in step.get("normalizers") or step.get("decoders") or []:
            most = min(most * growth(inner), 1e30)
        return most
    if kind == "Replace":
        return _replacement(step)
    if kind == "Precompiled":
        return _charsmap(step.get("precompiled_charsmap"))
    if kind in ("NFKC", "NFKD"):
        return COMPATIBILITY_GROWTH
    return 4.0 if kind in ("NFD", "BertNormalizer", "Lowercase") else 1.0


def _replacement(step: dict[str, Any]) -> float:
    """Return the growth by a replacement, which includes insertions if the pattern matches the empty string."""
    pattern, content = step.get("pattern") or {}, len(str(step.get("content", "")))
    if "String" in pattern:
        return max(1.0, content / max(1, len(pattern["String"]))) + (content if not pattern["String"] else 0)
    try:
        empty = re.search(pattern.get("Regex", ""), "") is not None
    except re.error:  # not a pattern that Python can read
        empty = False
    return max(1.0, float(content)) + (content if empty else 0)


def _charsmap(written: Any) -> float:
    """Return the length of the longest replacement in SentencePiece's compiled table, in characters, at least 1."""
    try:
        table = base64.b64decode(written) if isinstance(written, str) else bytes(written or b"")
        replacements = table[4 + int.from_bytes(table[:4], "little") :].split(b"\0")
    except (ValueError, TypeError):
        return 1.0
    return float(max((len(text.decode(errors="ignore")) for text in replacements), default=1) or 1)
