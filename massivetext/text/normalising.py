"""The normal form of all stored text."""

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
    """Return the texts in normal form: "\\n" ends lines, no controls but tab, no byte order marks, NFC.

    array: string or large_string; the result has its type, and is `array` itself where all of it is normal already.
    "\\r\\n" and a lone "\\r" become "\\n"; other controls (category Cc, so also U+0085 and DEL) and U+FEFF anywhere are
    removed first, so that what they held apart can compose. Doing it twice changes nothing more.
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
    """Return the texts in NFC and otherwise as they are; `array` itself where all of it is NFC already."""
    data, offsets = string_buffers(array)
    found = np.zeros(len(array), dtype=np.uint8)
    find_unsettled(data, offsets, class_table(), found)
    return _composed(array, found)


def _composed(array: pa.Array, found: Bytes) -> pa.Array:
    """Return the texts of which `find_unsettled` found that NFC may change them in NFC, the others as they are."""
    unsettled = pa.array((found & HAS_UNSETTLED).astype(bool))
    if not unsettled.true_count:
        return array
    texts = array.filter(unsettled)
    if (found & HAS_LONG_RUN).any():
        texts = _with_joiners(texts)
    composed = pc.utf8_normalize(texts, form="NFC")
    return pc.replace_with_mask(array, unsettled, composed)


def _with_joiners(texts: pa.Array) -> pa.Array:
    """Return the texts with a joiner after every 30 marks of a run that is too long to be of any language.

    Sorting the marks of a run takes time with the square of its length. This is Unicode's stream-safe text (UAX #15,
    section 13), for runs of LONG_RUN marks or more only: shorter ones stay as they are.
    """
    long = pc.fill_null(pc.match_substring_regex(texts, LONG_RUN_OF_MARKS), False)
    safe = pc.replace_substring_regex(texts.filter(long), MARKS_IN_A_ROW, "\\1\u034f")
    return pc.replace_with_mask(texts, long, safe)
