"""The normal form of all stored text."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from massivetext.text.arrays import Bytes, array_from_buffers, string_buffers
from massivetext.text.kernels import HAS_CONTROLS, HAS_UNSETTLED, find_unsettled, remove_controls
from massivetext.text.unicode_table import class_table


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
    composed = pc.utf8_normalize(array.filter(unsettled), form="NFC")
    return pc.replace_with_mask(array, unsettled, composed)
