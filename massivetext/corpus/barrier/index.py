"""`index/`: what appending needs of earlier builds' documents, and the forms in which ids and digests stand there.

Each build writes one Parquet file with a row for every document that reached its barrier, in canonical order.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from massivetext.corpus.takedowns import taken_down
from massivetext.parquet import OwnParquet, own_writer
from massivetext.storage import temporary_path
from massivetext.text.arrays import string_buffers

if TYPE_CHECKING:
    from massivetext.corpus.barrier.census import Census

KEPT, REPEATED = 0, 8
"""Fates: a document that stays; one of which nothing is left, because all its lines stood before."""
STAYED = (KEPT, REPEATED)
"""Fates of rows that later ones are compared with as with documents that stay."""
INDEX_ROWS = 2**16
INDEX_VALUES = 2**23
"""Values of lists after which a row group of the index ends."""
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
"""Columns of the index. arrived: the digest of the text before lines were taken out, compared: what exact deduplication
compares; both null where they are the text's digest. Where
near-duplicates are dropped, `keys` (of bands) and `shingles` follow; where lines or paragraphs are taken out, `lines`
and `paragraphs`, the hashes of those that the row was the first to hold."""

Keys = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]


class Lists(NamedTuple):
    """A column of lists."""

    sizes: Callable[[slice], Numbers]
    """How many values each of some rows has at most."""
    values: Callable[[slice], tuple[Keys, Numbers]]
    """The values of some rows one after the other, and how many each has; none is null."""


def documents_digest(folder: Path, build: int) -> str:
    """Return the digest of the documents of all builds up to this one, without those that were taken down."""
    digest, gone = hashlib.sha256(), taken_down(folder, ["id"])["id"].combine_chunks()
    for batch in index_batches(folder, build + 1, ["id", "text_digest", "split", "fate"]):
        batch = batch.filter(pc.equal(batch.column("fate"), KEPT))
        ids, texts = (as_hexadecimal(from_binary(batch.column(name))) for name in ("id", "text_digest"))
        stays = pc.invert(pc.is_in(ids, gone))
        add_lines(digest, *(column.filter(stays) for column in (batch.column("split"), ids, texts)))
    return digest.hexdigest()


def index_path(folder: Path, build: int) -> Path:
    """Return where the index of a build is."""
    return folder / "index" / f"build-{build:04d}.parquet"


def index_files(folder: Path, build: int) -> list[Path]:
    """Return the indices of the builds before this one."""
    return [index_path(folder, number) for number in range(1, build)]


def index_batches(folder: Path, build: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield some columns of all rows of the builds before this one; a column that an index has not is not there."""
    for path in index_files(folder, build):
        with OwnParquet(path) as opened:
            for group in range(opened.num_row_groups):
                yield opened.read_row_group(group, columns).combine_chunks().to_batches()[0]


def write_index(folder: Path, census: "Census", build: int, keys: Keys | None, lists: Mapping[str, Lists]) -> None:
    """Write the index of this build.

    keys: (bands, rows) band keys, where near-duplicates are dropped. lists: further columns.
    """
    columns = {**INDEX_COLUMNS, **({} if keys is None else {"keys": pa.binary(8 * len(keys))})}
    schema = pa.schema({**columns, **{name: pa.list_(pa.uint64()) for name in lists}})
    # Hashes do not get smaller.
    compression = {**dict.fromkeys(columns, "zstd"), "keys": "none"}
    compression |= {f"{name}.list.element": "none" for name in lists}
    with (
        temporary_path(index_path(folder, build)) as temporary,
        own_writer(
            temporary, schema, compression=compression, use_dictionary=["split"], write_statistics=False
        ) as writer,
    ):
        if census.rows == census.earlier:
            writer.write_table(schema.empty_table())
        for place in _row_groups(census, lists):
            fate = census.fate[place]
            splits = pa.array(census.splits, pa.string()).take(pa.array(census.side[place]))
            arrays = [
                *(as_binary(part[place]) for part in (census.ids, census.digests, census.cluster)),
                *(pa.array(part[place]) for part in (census.group, census.fate, census.asked)),
                pc.if_else(pa.array(np.isin(fate, STAYED)), splits, None),
                *(unlike(part[place], census.digests[place]) for part in (census.arrived, census.compared)),
            ]
            if keys is not None:
                packed = pa.py_buffer(np.ascontiguousarray(keys[:, place].T))
                arrays.append(pa.Array.from_buffers(pa.binary(8 * len(keys)), len(fate), [None, packed]))
            for held in lists.values():
                values, counts = held.values(place)
                offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]).astype(np.int32)
                arrays.append(pa.ListArray.from_arrays(offsets, values, mask=pa.array(counts == 0)))
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _row_groups(census: "Census", lists: Mapping[str, Lists]) -> Iterator[slice]:
    """Yield the rows of this build in stretches of which no more is in memory than INDEX_VALUES allows, or a row."""
    for place in census.scratch.stretches(census.earlier, census.rows):
        sizes = sum((held.sizes(place) for held in lists.values()), np.zeros(place.stop - place.start, np.int64))
        start = 0
        while start < len(sizes):
            rows = max(1, int(np.searchsorted(np.cumsum(sizes[start:]), INDEX_VALUES, "right")))
            yield slice(place.start + start, min(place.start + start + rows, place.stop))
            start += rows


def add_lines(digest: Any, *columns: pa.Array) -> None:
    """Add a line for each row of some columns of strings, without nulls, to a digest."""
    data, places = string_buffers(
        pc.binary_join_element_wise(*columns[:-1], pc.binary_join_element_wise(columns[-1], "\n", ""), "\t")
    )
    digest.update(data[places[0] : places[-1]])


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


def unlike(keys: Keys, others: Keys) -> pa.Array:
    """Return (rows, 2) numbers as a column of 16 bytes, null where they are those of `others`."""
    values = as_binary(keys)
    return pc.if_else(pa.array((keys == others).all(axis=1)), pa.scalar(None, values.type), values)


def as_hexadecimal(keys: Keys) -> pa.Array:
    """Return (rows, 2) numbers as strings of 32 hexadecimal digits."""
    digits = keys.astype(">u8").tobytes().hex().encode()
    offsets = np.arange(0, 32 * len(keys) + 1, 32, dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), len(keys), [None, pa.py_buffer(offsets), pa.py_buffer(digits)])
