"""Conversion of text to the normal form in which all text is stored."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from massivetext.text.arrays import Bytes, array_from_buffers, string_buffers
from massivetext.text.kernels import (
    HAS_CONTROLS,
    HAS_LONG_RUN,
    HAS_UNSETTLED,
    LONG_RUN,
    find_unsettled,
    remove_controls,
)
from massivetext.text.unicode_table import class_table

MARK = r"[^\PM\x{34F}]"
"""A combining mark other than the joiner U+034F, for RE2."""
LONG_RUN_OF_MARKS, MARKS_IN_A_ROW = f"{MARK}{{{LONG_RUN}}}", f"({MARK}{{30}})"


def normalise_text(array: pa.Array) -> pa.Array:
    """Return the texts in normal form: "\\n" ends lines, no controls except tab, no byte order marks, NFC.

    array: string or large_string. The result has the same type, and is `array` itself if all of it is already normal.
    "\\r\\n" and a single "\\r" become "\\n". Other controls (category Cc, so also U+0085 and DEL) and U+FEFF anywhere
    are removed before NFC, so that the characters around them can compose. The function is idempotent.
    """
    data, offsets = string_buffers(array)
    found = np.zeros(len(array), dtype=np.uint8)
    find_unsettled(data, offsets, class_table(), found)
    result = array
    if (found & HAS_CONTROLS).any():
        new_data = np.empty(offsets[-1] - offsets[0], dtype=np.uint8)
        new_offsets = np.zeros(len(offsets), dtype=np.int64)
        remove_controls(data, offsets, found, new_data, new_offsets)
        result = array_from_buffers(new_data[: new_offsets[-1]], new_offsets, array)
    return _composed(result, found)


def compose_text(array: pa.Array) -> pa.Array:
    """Return the texts in NFC, otherwise unchanged; `array` itself if all of it is already in NFC."""
    data, offsets = string_buffers(array)
    found = np.zeros(len(array), dtype=np.uint8)
    find_unsettled(data, offsets, class_table(), found)
    return _composed(array, found)


def _composed(array: pa.Array, found: Bytes) -> pa.Array:
    """Return the texts with NFC applied where NFC may change them; found: the flags from `find_unsettled`."""
    unsettled = pa.array((found & HAS_UNSETTLED).astype(bool))
    if not unsettled.true_count:
        return array
    texts = array.filter(unsettled)
    if (found & HAS_LONG_RUN).any():
        texts = _with_joiners(texts)
    composed = pc.utf8_normalize(texts, form="NFC")
    return pc.replace_with_mask(array, unsettled, composed)


def _with_joiners(texts: pa.Array) -> pa.Array:
    """Return the texts with a joiner after every 30 combining marks in runs of LONG_RUN marks or more.

    No language has such runs, and sorting the marks of a run takes time quadratic in its length. This is Unicode's
    Stream-Safe Text Format (UAX #15, section 13), but shorter runs are left unchanged.
    """
    long = pc.fill_null(pc.match_substring_regex(texts, LONG_RUN_OF_MARKS), False)
    safe = pc.replace_substring_regex(texts.filter(long), MARKS_IN_A_ROW, "\\1\u034f")
    return pc.replace_with_mask(texts, long, safe)
