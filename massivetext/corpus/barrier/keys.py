"""Ids and digests of 128 bits as numbers, and conversions from and to the forms in which files store them."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from massivetext.text.arrays import string_buffers

Keys = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def from_hexadecimal(column: pa.ChunkedArray) -> Keys:
    """Return (rows, 2) numbers for a column of 32 hexadecimal digits."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    texts = []
    for chunk in chunks:
        data, places = string_buffers(chunk)
        texts.append(data[places[0] : places[-1]].tobytes())
    return _from_bytes(bytes.fromhex(b"".join(texts).decode()))


def from_binary(column: pa.Array) -> Keys:
    """Return (rows, 2) numbers for a column of 16 bytes."""
    start = 16 * column.offset
    return _from_bytes(column.buffers()[1][start : start + 16 * len(column)] if len(column) else b"")


def _from_bytes(data: bytes | pa.Buffer) -> Keys:
    return np.frombuffer(data, dtype=">u8").astype(np.uint64).reshape(-1, 2)


def as_binary(keys: Keys) -> pa.Array:
    """Return (rows, 2) numbers as a column of 16 bytes."""
    return pa.Array.from_buffers(pa.binary(16), len(keys), [None, pa.py_buffer(keys.astype(">u8").tobytes())])


def as_hexadecimal(keys: Keys) -> pa.Array:
    """Return (rows, 2) numbers as strings of 32 hexadecimal digits."""
    digits = keys.astype(">u8").tobytes().hex().encode()
    offsets = np.arange(0, 32 * len(keys) + 1, 32, dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), len(keys), [None, pa.py_buffer(offsets), pa.py_buffer(digits)])
