"""Text statistics, and the package's definitions of character, word, symbol, line and paragraph in English and Chinese.

- *character*: a Unicode code point.
- *word*: one Han character; or a run of other letters and numbers. An apostrophe (' or ’) before a letter, an
  underscore before a letter or number, and a full stop or comma between digits do not end a run: "don't", "max_x" and
  "3.14" are one word each. A hyphen does.
- *symbol*: a run of characters that are neither words nor white space, such as "," or "...)".
  Combining marks and invisible format characters extend the word or symbol before them and start neither.
- *line*: the text between two line feeds, without the white space around it; blank lines are not counted.
- *paragraph*: consecutive lines with no blank line between them.
- *duplicate* line or paragraph: one that equals an earlier one of the same document.

The classes of characters are those of the pinned table (`unicode_table`).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from massivetext.text.arrays import string_buffers
from massivetext.text.counting import COUNTS, Counts, count_documents, count_units
from massivetext.text.unicode_table import class_table

STATISTICS_VERSION = 1
"""Incremented when the same text could give different statistics."""

COUNTED = ("characters", "words", "symbols", "hashes", "ellipses", "stop_words", "lines", "paragraphs")
SHARES = {
    "alphabetic_word_fraction": ("alphabetic_words", "words_and_symbols"),
    "digit_fraction": ("digits", "characters"),
    "space_fraction": ("spaces", "characters"),
    "han_fraction": ("han", "characters"),
    "bullet_line_fraction": ("bullet_lines", "lines"),
    "ellipsis_line_fraction": ("ellipsis_lines", "lines"),
    "duplicate_line_fraction": ("duplicate_lines", "lines"),
    "duplicate_line_character_fraction": ("duplicate_line_characters", "characters"),
    "duplicate_paragraph_fraction": ("duplicate_paragraphs", "paragraphs"),
    "duplicate_paragraph_character_fraction": ("duplicate_paragraph_characters", "characters"),
}
"""The numerator and denominator of each fraction."""

STATISTICS: dict[str, pa.DataType] = {
    **{name: pa.int64() for name in COUNTED},
    "longest_line_characters": pa.int64(),
    "mean_word_characters": pa.float64(),
    **{name: pa.float64() for name in SHARES},
}
"""The name and type of every statistic, in order.

hashes: number of "#". ellipses: number of "…" and of three full stops in a row. stop_words: number of different words
among the, be, to, of, and, that, have, with, in exactly this spelling. alphabetic_word_fraction: words with a letter,
divided by words and symbols. Bullet lines begin with "•" or "-"; ellipsis lines end with "..." or "…". A fraction with
the denominator 0 is 0.
"""


def text_statistics(array: pa.Array) -> dict[str, pa.Array]:
    """Return every statistic of `STATISTICS` for each text of a string or large_string array; null for a null text."""
    data, offsets = string_buffers(array)
    counts = np.zeros((len(array), len(COUNTS)), dtype=np.int64)
    count_documents(data, offsets, class_table(), counts)
    column: dict[str, npt.NDArray[Any]] = {name: counts[:, index] for index, name in enumerate(COUNTS)}
    column["words_and_symbols"] = column["words"] + column["symbols"]
    column["mean_word_characters"] = _ratio(column["word_characters"], column["words"])
    for name, (part, whole) in SHARES.items():
        column[name] = _ratio(column[part], column[whole])
    missing = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    return {name: pa.array(column[name], type=kind, mask=missing) for name, kind in STATISTICS.items()}


def words_and_symbols(array: pa.Array) -> Counts:
    """Return the number of words and symbols of each text of a string or large_string array, 0 for a null."""
    data, offsets = string_buffers(array)
    counts = np.zeros(len(array), np.int64)
    count_units(data, offsets, class_table(), counts)
    return counts


def _ratio(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return part / whole, and 0 where whole is 0."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
