"""Limit how much of a Parquet file is expanded at once: a few hundred bytes can expand to gigabytes.

A dictionary stores each string once, however many rows repeat it, so a batch can be far larger than the file. Before a
row group is read, its dictionaries are read, and the longest string decides how many rows a batch gets.
"""

from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from massivetext.corpus.readers.streams import Budget
from massivetext.errors import BadDocument

BATCH_ROWS = 1024
BATCH_BYTES = 2**26
STRINGS = ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
DICTIONARY = {"PLAIN_DICTIONARY", "RLE_DICTIONARY"}


def rows_at_once(stream: BinaryIO, metadata: Any, group: int, kept: list[str], budget: Budget) -> int:
    """Return the number of rows to read at once, so that a batch has about BATCH_BYTES or is a single row.

    metadata: of the file. kept: the columns that are read. Raises BadDocument if a column, or a single row, expands to
    more than the budget allows.
    """
    described = metadata.row_group(group)
    rows = max(described.num_rows, 1)
    chunks = [described.column(number) for number in range(described.num_columns)]
    chunks = [chunk for chunk in chunks if any(f"{chunk.path_in_schema}.".startswith(f"{name}.") for name in kept)]
    if sum(chunk.total_uncompressed_size for chunk in chunks) > budget.allowed_bytes:
        raise BadDocument(budget.message)
    most = 1
    for chunk in chunks:
        size, per_row = chunk.total_uncompressed_size, -(-chunk.num_values // rows)
        is_listed = chunk.physical_type in STRINGS and bool(DICTIONARY & set(chunk.encodings))
        if is_listed and size * per_row * min(BATCH_ROWS, rows) > BATCH_BYTES:
            longest = _longest(stream, group, chunk.path_in_schema)
            if "." in chunk.path_in_schema and longest * chunk.num_values > budget.allowed_bytes:
                # How the values of lists are distributed over rows is unknown before they are read.
                raise BadDocument(budget.message)
            most = max(most, longest * per_row)
    return max(1, min(BATCH_ROWS, BATCH_BYTES // most))


def _longest(stream: BinaryIO, group: int, column: str) -> int:
    """Return the size in bytes of the longest string in a column's dictionary, reading only that and one row."""
    with pq.ParquetFile(stream, read_dictionary=[column]) as opened:
        batches = opened.iter_batches(1, row_groups=[group], columns=[column], use_threads=False)
        first = next(batches, None)
    return 0 if first is None else max((_longest_in(array) for array in first.columns), default=0)


def _longest_in(array: pa.Array) -> int:
    """Return the size in bytes of the longest string in an array's dictionaries, including nested ones."""
    if isinstance(array, pa.DictionaryArray):
        return pc.max(pc.binary_length(array.dictionary)).as_py() or 0
    if isinstance(array, pa.StructArray):
        return max((_longest_in(part) for part in array.flatten()), default=0)
    if isinstance(array, pa.ListArray | pa.LargeListArray):
        return _longest_in(array.values)
    return 0
