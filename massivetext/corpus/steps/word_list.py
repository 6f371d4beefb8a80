"""The decision `word_list`: Gopher and C4 drop pages by word lists; here the user supplies the list."""

import re
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from massivetext.corpus.steps.limits import LimitDecide, LimitSettings, Values
from massivetext.errors import DataError
from massivetext.settings import GivenPath
from massivetext.storage import file_digest

HAN = re.compile(r"[\u3400-\u9fff]")
WORDS_IN_PATTERN = 500


class WordListSettings(LimitSettings):
    """Which words to search for, and how many of them a document may contain."""

    path: GivenPath
    """Text file in UTF-8 with one word or phrase per line."""
    max_hits: int | None = 0
    """Maximum number of occurrences."""
    max_different_per_line: float | None = None
    """Maximum number of different words of the list per line that is not blank."""


@cache
def _listed(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words of a list, longest first, and RE2 patterns that together find all of them."""
    if not path.is_file():
        raise DataError(f"the word list {path} is not a file; check word_list.path")
    try:
        lines = {line.strip() for line in path.read_text(encoding="utf-8").splitlines()} - {""}
    except OSError as error:
        raise DataError(f"the word list {path} cannot be read ({error.strerror}); check word_list.path") from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"the word list {path} is not UTF-8 text (byte 0x{error.object[error.start]:02x} at offset {error.start}); "
            "save it as UTF-8, one word or phrase a line"
        ) from None
    words = tuple(sorted(lines, key=lambda word: (-len(word), word)))
    # RE2 is many times faster than Python's patterns, but refuses very large ones.
    groups = (words[start : start + WORDS_IN_PATTERN] for start in range(0, len(words), WORDS_IN_PATTERN))
    return words, tuple("(?i)" + "|".join(map(re.escape, group)) for group in groups)


@lru_cache(4096)
def _patterns(words: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    """Return a pattern for the words with Han characters, which match anywhere, and one for the others."""
    chinese = [re.escape(word) for word in words if HAN.search(word)]
    others = [re.escape(word) for word in words if not HAN.search(word)]
    found = ["|".join(chinese)] if chinese else []
    found += [rf"(?<!\w)(?:{'|'.join(others)})(?!\w)"] if others else []
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in found)


def list_hits(texts: pa.Array, path: Path) -> list[list[str]]:
    """Return the listed words that each text contains, once per occurrence, in lower case."""
    words, quick = _listed(path)
    lowered = [(text or "").lower() for text in texts.to_pylist()]
    array = pa.array(lowered, pa.large_string())
    hit = pa.array([False] * len(lowered))
    for pattern in quick:
        hit = pc.or_(hit, pc.match_substring_regex(array, pattern))
    found: list[list[str]] = []
    for text, holds in zip(lowered, hit.to_pylist()):
        # Patterns of the few words found are fast; here, too, the longest come first.
        folded = text.casefold() if holds else ""
        present = tuple(word for word in words if word.casefold() in folded) if holds else ()
        found.append([hit for pattern in _patterns(present) for hit in pattern.findall(text)])
    return found


class WordList(LimitDecide):
    """Drops documents by the words of a list; words of Latin letters are matched whole, Chinese words anywhere."""

    name = "word_list"
    version = 1
    settings_type = WordListSettings

    def check(self) -> None:
        """Raise DataError if the list cannot be read."""
        _listed(self.settings.path)

    def describe(self) -> dict[str, object]:
        """Return also the digest of the list, because another list makes another step."""
        return super().describe() | {"list": file_digest(self.settings.path) if self.settings.path.is_file() else None}

    def measured(self, batch: pa.RecordBatch) -> dict[str, Values]:
        """Return the values that are compared with the limits."""
        hits, different = np.zeros(len(batch)), np.zeros(len(batch))
        listed = list_hits(batch.column("text"), self.settings.path)
        for row, (text, found) in enumerate(zip(batch.column("text").to_pylist(), listed)):
            lines = sum(1 for line in (text or "").splitlines() if line.strip())
            hits[row], different[row] = len(found), len(set(found)) / max(lines, 1)
        measured = {"max_hits": hits, "max_different_per_line": different}
        return measured
