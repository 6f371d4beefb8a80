"""Arrow string arrays as the NumPy arrays that kernels read, and back, without copying; batches with other columns."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]
NO_COLUMNS: Mapping[str, pa.Array] = {}


def string_buffers(array: pa.Array) -> tuple[Bytes, Offsets]:
    """Return the UTF-8 bytes and the int64 offsets (length + 1) of a string or large_string array, sliced or not.

    Text i is bytes[offsets[i]:offsets[i + 1]]; a null is empty. The bytes are a read-only view of the whole buffer.
    Errors: TypeError for other types.
    """
    if pa.types.is_string(array.type):
        width: np.dtype[Any] = np.dtype(np.int32)
    elif pa.types.is_large_string(array.type):
        width = np.dtype(np.int64)
    else:
        raise TypeError(f"found an array of type {array.type}; allowed are string and large_string; cast it first")
    _, offset_buffer, data_buffer = array.buffers()
    if len(array) == 0 or offset_buffer is None:
        return np.frombuffer(b"", dtype=np.uint8), np.zeros(len(array) + 1, dtype=np.int64)
    start = array.offset * width.itemsize
    offsets = np.frombuffer(offset_buffer, dtype=width, count=len(array) + 1, offset=start).astype(np.int64)
    data = b"" if data_buffer is None else data_buffer
    return np.frombuffer(data, dtype=np.uint8), offsets


def count_byte(array: pa.Array, byte: int) -> Offsets:
    """Return how often each text of a string or large_string array holds an ASCII character; a null holds none."""
    data, offsets = string_buffers(array)
    places = offsets[0] + np.flatnonzero(data[offsets[0] : offsets[-1]] == byte)
    return np.diff(np.searchsorted(places, offsets))


def first_bytes(array: pa.Array) -> Bytes:
    """Return the first byte of each text of a string or large_string array, 0 for an empty one or a null."""
    data, offsets = string_buffers(array)
    found, begun = np.zeros(len(array), np.uint8), offsets[1:] > offsets[:-1]
    found[begun] = data[offsets[:-1][begun]]
    return found


def array_from_buffers(data: Bytes, offsets: Offsets, like: pa.Array) -> pa.Array:
    """Return the string array with these bytes and offsets, of the type of `like` and null where `like` is."""
    validity = None
    if like.null_count:
        validity = pa.array(like.is_valid().to_numpy(zero_copy_only=False)).buffers()[1]
    width = np.int32 if pa.types.is_string(like.type) else np.int64
    buffers = [validity, pa.py_buffer(offsets.astype(width)), pa.py_buffer(data)]
    return pa.Array.from_buffers(like.type, len(like), buffers)


def replaced(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    """Return the batch with one column replaced, or added at the end."""
    index = batch.schema.get_field_index(name)
    if index < 0:
        return batch.append_column(name, values)
    return batch.set_column(index, pa.field(name, values.type), values)


def conformed(batch: pa.RecordBatch, schema: pa.Schema, columns: Mapping[str, pa.Array] = NO_COLUMNS) -> pa.RecordBatch:
    """Return the batch with exactly the schema's columns, null where it has none; columns: those that are given."""
    present = {**dict(zip(batch.schema.names, batch.columns)), **columns}
    arrays = [
        pa.nulls(len(batch), entry.type) if (found := present.get(entry.name)) is None
        else found if found.type == entry.type
        else found.cast(entry.type)
        for entry in schema
    ]  # fmt: skip
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
