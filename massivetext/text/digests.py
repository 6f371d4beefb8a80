"""Digests of texts: of their bytes, and of their words alone."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from massivetext.text.words import hash_words


def digests(texts: pa.Array) -> pa.Array:
    """Return the xxh3-128 of each text's UTF-8 bytes, as 32 hexadecimal digits."""
    blobs: list[Any] = texts.cast(pa.binary()).to_pylist()
    return pa.array([xxhash.xxh3_128_hexdigest(blob) for blob in blobs], pa.string())


def word_digests(texts: pa.Array) -> pa.Array:
    """Return a digest of each text's words, without regard to case, width, white space and punctuation.

    A text without words has the digest of its bytes: it equals no other but its copies.
    """
    words = hash_words(pc.utf8_normalize(texts, "NFKC"))
    return pa.array(
        [
            xxhash.xxh3_128_hexdigest(words.hashes[start:end].tobytes()) if end > start else plain
            for start, end, plain in zip(words.offsets, words.offsets[1:], digests(texts).to_pylist())
        ],
        pa.string(),
    )
