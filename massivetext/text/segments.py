"""The words of the segmenter jieba, counted and hashed: the second of the package's two units for Chinese.

A token of the segmenter with a letter, number or Han character is a word, one of other characters a symbol, white space
and what is invisible neither. Two words are the same where they are equal as written.
"""

from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from massivetext.text.arrays import Bytes, Offsets, string_buffers
from massivetext.text.characters import Positions, decode_document, longest_document
from massivetext.text.compiling import kernel
from massivetext.text.counting import Counts
from massivetext.text.kernels import CODE_BITS, CODE_MASK
from massivetext.text.unicode_table import HAN, IGNORED, LETTER, MARK, SPACE, WORD_CLASSES, class_table
from massivetext.text.words import HASH_FACTOR, HASH_START, Hashes, Words, mix

SEGMENTS_VERSION = 1
"""Grows whenever the same text could give other words or counts."""
STOP_WORDS = "的年在月是和日了於·為有被人中为他與後也而由"
STOP_CODES = np.array(sorted(map(ord, STOP_WORDS)), np.int32)
COUNTED = ("words", "symbols", "stop_words", "word_characters", "alphabetic_words")
"""What the columns of the counts are: stop_words how many different ones, of STOP_WORDS."""


def segment(array: pa.Array) -> tuple[Words, Counts]:
    """Return the words of each text of a string or large_string array, and its counts (texts, len(COUNTED))."""
    import rjieba

    tokens = [rjieba.cut(text) if text else [] for text in array.to_pylist()]
    token_offsets = np.cumsum([0, *map(len, tokens)])
    # The tokens of a text are all of it, so their lengths say where they are.
    lengths = np.fromiter(map(len, chain.from_iterable(tokens)), np.int32, token_offsets[-1])
    data, offsets = string_buffers(array)
    hashes, positions = np.empty(len(lengths), np.uint64), np.empty((2, len(lengths)), np.int32)
    word_offsets, characters = np.zeros(len(array) + 1, np.int64), np.zeros(len(array), np.int64)
    counts = np.zeros((len(array), len(COUNTED)), np.int64)
    _segment(
        data, offsets, class_table(), lengths, token_offsets, hashes, positions[0], positions[1], word_offsets,
        characters, counts,
    )  # fmt: skip
    count = word_offsets[-1]
    return Words(hashes[:count], positions[0, :count], positions[1, :count], word_offsets, characters), counts


@kernel
def _segment(
    data: Bytes,
    offsets: Offsets,
    table: Bytes,
    lengths: Positions,
    token_offsets: npt.NDArray[np.int64],
    hashes: Hashes,
    starts: Positions,
    ends: Positions,
    word_offsets: Offsets,
    text_characters: Offsets,
    counts: Counts,
) -> None:
    """Write words and counts of all documents."""
    longest = longest_document(offsets)
    characters = np.empty(longest, np.int32)
    word = 0
    for document in range(len(offsets) - 1):
        count = decode_document(data, offsets[document], offsets[document + 1], table, characters)
        start, stops, first_word = 0, 0, word
        for token in range(token_offsets[document], token_offsets[document + 1]):
            end = start + lengths[token]
            value, some, visible = HASH_START, 0, False
            for at in range(start, end):
                bits = characters[at] >> CODE_BITS
                some |= bits
                visible |= bits & (SPACE | IGNORED | MARK) == 0
                value = (value ^ np.uint64(characters[at] & CODE_MASK)) * HASH_FACTOR
            if end - start == 1:
                place = np.searchsorted(STOP_CODES, characters[start] & CODE_MASK)
                if place < len(STOP_CODES) and STOP_CODES[place] == characters[start] & CODE_MASK:
                    stops |= 1 << place
            if some & (WORD_CLASSES | HAN):
                hashes[word], starts[word], ends[word] = mix(value), start, end
                word += 1
                counts[document, 3] += end - start
                counts[document, 4] += some & (LETTER | HAN) != 0
            elif visible:
                counts[document, 1] += 1
            start = end
        while stops:
            counts[document, 2] += stops & 1
            stops >>= 1
        counts[document, 0] = word - first_word
        word_offsets[document + 1] = word
        text_characters[document] = count
