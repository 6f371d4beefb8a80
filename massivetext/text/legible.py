"""Which texts leave nothing to read: they are blank, or mostly made of U+FFFD."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from massivetext.text.arrays import first_bytes, string_buffers

REPLACEMENT = "\ufffd"
"""What stands for bytes that could not be decoded."""
IS_VISIBLE = np.zeros(256, np.bool_)
IS_VISIBLE[ord("!") : 0x7F] = IS_VISIBLE[0xE4:] = True
"""First bytes of texts that are not blank for certain: no white space begins with them."""


def find_blank(texts: pa.Array) -> npt.NDArray[np.bool_]:
    """Return which texts are nothing but white space."""
    perhaps = ~IS_VISIBLE[first_bytes(texts)]
    if perhaps.any():
        trimmed = pc.utf8_trim_whitespace(texts.filter(pa.array(perhaps)))
        perhaps[perhaps] = pc.equal(pc.binary_length(trimmed), 0)
    return perhaps


def hold_replacements(texts: pa.Array) -> bool:
    """Return whether any of the texts may hold U+FFFD."""
    return REPLACEMENT.encode() in string_buffers(texts)[0].tobytes()


def find_undecodable(texts: pa.Array) -> npt.NDArray[np.bool_]:
    """Return of which texts most characters, without white space, are U+FFFD."""
    visible = pc.utf8_length(pc.replace_substring_regex(texts, r"\s+", ""))
    found = pc.greater(pc.multiply(pc.count_substring(texts, REPLACEMENT), 2), visible)
    return np.asarray(found.to_numpy(zero_copy_only=False))
