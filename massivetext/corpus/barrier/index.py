"""`index/`: what an append needs to know about documents of earlier builds, so that it need not read their texts again.

Each build writes one Parquet file with a row for every document that reached its barrier, in canonical order.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from massivetext.corpus.barrier.census import Census
from massivetext.corpus.barrier.fates import STAYED, Fate
from massivetext.corpus.barrier.keys import Keys, as_binary, as_hexadecimal, from_binary
from massivetext.corpus.barrier.verdicts import IndexColumn
from massivetext.corpus.takedowns import taken_down
from massivetext.parquet import OwnParquet, own_writer
from massivetext.storage import temporary_path
from massivetext.text.arrays import string_buffers

INDEX_VALUES = 2**23
"""Number of list values after which a row group of the index ends."""
INDEX_COLUMNS = {
    "id": pa.binary(16),
    "text_digest": pa.binary(16),
    "cluster": pa.binary(16),
    "group": pa.uint64(),
    "fate": pa.uint8(),
    "asked": pa.uint8(),
    "split": pa.string(),
    "arrived": pa.binary(16),
    "compared": pa.binary(16),
}
"""Columns of the index. arrived: the digest of the text before lines were removed. compared: what exact deduplication
compares. Both are null if they equal the digest of the text. If near-duplicates are dropped, `keys` (of bands) and
`shingles` follow. If lines or paragraphs are removed, `lines` and `paragraphs` follow: the hashes of those that
appeared first in this row."""


def documents_digest(folder: Path, build: int) -> str:
    """Return the digest of the documents of all builds up to this one, without those that were removed on request."""
    digest, gone = hashlib.sha256(), taken_down(folder, ["id"])["id"].combine_chunks()
    for batch in index_batches(folder, build + 1, ["id", "text_digest", "split", "fate"]):
        batch = batch.filter(pc.equal(batch.column("fate"), int(Fate.KEPT)))
        ids, texts = (as_hexadecimal(from_binary(batch.column(name))) for name in ("id", "text_digest"))
        stays = pc.invert(pc.is_in(ids, gone))
        add_lines(digest, *(column.filter(stays) for column in (batch.column("split"), ids, texts)))
    return digest.hexdigest()


def index_path(folder: Path, build: int) -> Path:
    """Return the path of a build's index."""
    return folder / "index" / f"build-{build:04d}.parquet"


def index_files(folder: Path, build: int) -> list[Path]:
    """Return the index files of the builds before this one."""
    return [index_path(folder, number) for number in range(1, build)]


def index_batches(folder: Path, build: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield some columns of all rows of the builds before this one; columns that an index lacks are left out."""
    for path in index_files(folder, build):
        with OwnParquet(path) as opened:
            for group in range(opened.num_row_groups):
                yield opened.read_row_group(group, columns).combine_chunks().to_batches()[0]


def write_index(census: Census, more: Mapping[str, IndexColumn]) -> None:
    """Write the index of this build. more: the columns that judges add."""
    schema = pa.schema({**INDEX_COLUMNS, **{name: column.kind for name, column in more.items()}})
    # Hashes do not compress.
    compression = dict.fromkeys(INDEX_COLUMNS, "zstd") | {
        f"{name}.list.element" if pa.types.is_list(column.kind) else name: "none" for name, column in more.items()
    }
    with (
        temporary_path(index_path(census.folder, census.build)) as temporary,
        own_writer(
            temporary, schema, compression=compression, use_dictionary=["split"], write_statistics=False
        ) as writer,
    ):
        if census.rows == census.earlier:
            writer.write_table(schema.empty_table())
        for place in _row_groups(census, more):
            digests, splits = census.digests[place], pa.array(census.splits, pa.string())
            arrays = [
                *(as_binary(part[place]) for part in (census.ids, census.digests, census.cluster)),
                *(pa.array(part[place]) for part in (census.group, census.fate, census.asked)),
                pc.if_else(
                    pa.array(np.isin(census.fate[place], STAYED)), splits.take(pa.array(census.side[place])), None
                ),
                *(_unlike(part[place], digests) for part in (census.arrived, census.compared)),
                *(column.array(place) for column in more.values()),
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _unlike(keys: Keys, others: Keys) -> pa.Array:
    """Return (rows, 2) numbers as a column of 16 bytes, null where they equal those of `others`."""
    values = as_binary(keys)
    return pc.if_else(pa.array((keys == others).all(axis=1)), pa.scalar(None, values.type), values)


def list_array(values: Keys, counts: npt.NDArray[Any]) -> pa.Array:
    """Return a column of lists from all their values in order and the number of values of each; null for 0 values."""
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, values, mask=pa.array(counts == 0))


def _row_groups(census: Census, more: Mapping[str, IndexColumn]) -> Iterator[slice]:
    """Yield the rows of this build as slices. Each holds at most INDEX_VALUES list values, or is a single row."""
    for place in census.scratch.stretches(census.earlier, census.rows):
        none = np.zeros(place.stop - place.start, np.int64)
        sizes = sum((column.sizes(place) for column in more.values() if column.sizes), none)
        start = 0
        while start < len(sizes):
            rows = max(1, int(np.searchsorted(np.cumsum(sizes[start:]), INDEX_VALUES, "right")))
            yield slice(place.start + start, min(place.start + start + rows, place.stop))
            start += rows


def add_lines(digest: Any, *columns: pa.Array) -> None:
    """Add one line for each row of some string columns, which hold no nulls, to a digest."""
    data, places = string_buffers(
        pc.binary_join_element_wise(*columns[:-1], pc.binary_join_element_wise(columns[-1], "\n", ""), "\t")
    )
    digest.update(data[places[0] : places[-1]])
