"""What is known of all rows at the barrier, in arrays on disk: memory does not grow with the corpus.

A row is a document that the steps kept. Rows are in canonical order: first those of earlier builds, from
`index/build-0001.parquet` and its like, then those of this build, from its parts. `index/` is written at the end of
each build, so that new text can be appended without reading the old again.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from massivetext.corpus.parts import part_files
from massivetext.storage import temporary_path

KEPT, EXACT, NEAR, BRIDGE, REMOVED, REFUSED, CONTAMINATED = range(7)
"""What became of a row; REMOVED: taken down after an earlier build; REFUSED: its text is that of one taken down."""
REASONS = {
    EXACT: "exact duplicate",
    NEAR: "near duplicate",
    BRIDGE: "bridges two splits",
    REFUSED: "taken down earlier",
    CONTAMINATED: "holds a benchmark item",
}
DEDUPLICATE, DECONTAMINATE = "deduplicate", "decontaminate"
EXACT_ASKED, NEAR_ASKED = 1, 2
NOWHERE = -1
INDEX_ROWS = 2**16
INDEX_COLUMNS = {
    "id": pa.binary(16),
    "text_digest": pa.binary(16),
    "cluster": pa.binary(16),
    "group": pa.uint64(),
    "fate": pa.uint8(),
    "asked": pa.uint8(),
    "split": pa.string(),
}
"""Columns of the index; where near-duplicates are dropped, `keys` (of bands) and their `shingles` follow."""

Keys = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]


class Scratch:
    """Arrays in files of one folder; the operating system decides how much of them is in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def array(self, name: str, shape: tuple[int, ...], kind: Any, fill: int = 0) -> npt.NDArray[Any]:
        """Return a new array; what the file of that name held is gone."""
        path = self.folder / name
        path.unlink(missing_ok=True)
        # A file cannot be mapped while it is empty.
        size = max(int(np.prod(shape)), 1)
        mapped = np.asarray(np.memmap(path, kind, "w+", shape=(size,)))[: int(np.prod(shape))].reshape(shape)
        if fill:
            mapped[...] = fill
        return mapped


@dataclass
class Census:
    """All rows, and what was decided of them."""

    scratch: Scratch
    splits: tuple[str, ...]
    earlier: int
    """How many rows are of earlier builds."""
    starts: Numbers
    """(parts + 1,), the first row of each part of this build."""
    ids: Keys
    """(rows, 2), the id's 128 bits."""
    digests: Keys
    """(rows, 2), the text's."""
    group: Keys
    """(rows,), rows with the same number come from one file and fall on one side."""
    asked: npt.NDArray[np.uint8]
    """(rows,), EXACT_ASKED and NEAR_ASKED as the source's steps say."""
    fate: npt.NDArray[np.uint8]
    side: npt.NDArray[np.int8]
    """(rows,), index of the split."""
    like: Numbers
    """(rows,), the earlier row that this one duplicates; itself where it duplicates none."""
    similarity: npt.NDArray[np.float64]
    """(rows,), Jaccard similarity to `like`, nan where it was not measured."""
    contamination: npt.NDArray[np.float64]
    """(rows,), the largest part of a benchmark's item that the row holds."""
    cluster: Keys
    """(rows, 2), the id of the first document of its cluster of duplicates; its own where it duplicates none."""

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.fate)


@dataclass
class Totals:
    """What the rows of this build add up to."""

    splits: dict[str, dict[str, Any]] = field(default_factory=dict)
    """split -> documents, bytes, and the same for each source."""
    dropped: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    """source -> reason -> documents and bytes that the barrier drops."""
    digest: str = ""
    """SHA-256 over (split, id, text digest) of the documents, in canonical order."""


def open_census(
    folder: Path, work: Path, parts: int, asked: dict[str, int], splits: Sequence[str], build: int
) -> Census:
    """Return the rows of earlier builds and of this one; nothing is decided of the latter yet.

    asked: what the steps of each source ask for.
    """
    indices = index_files(folder, build)
    earlier = sum(pq.read_metadata(path).num_rows for path in indices)
    starts = [earlier]
    for number in range(parts):
        starts.append(starts[-1] + part_columns(work, number, ["id"]).num_rows)
    rows, scratch = starts[-1], Scratch(work / "rows")
    census = Census(
        scratch,
        tuple(splits),
        earlier,
        np.array(starts, np.int64),
        ids=scratch.array("ids", (rows, 2), np.uint64),
        digests=scratch.array("digests", (rows, 2), np.uint64),
        group=scratch.array("group", (rows,), np.uint64),
        asked=scratch.array("asked", (rows,), np.uint8),
        fate=scratch.array("fate", (rows,), np.uint8),
        side=scratch.array("side", (rows,), np.int8),
        like=scratch.array("like", (rows,), np.int64),
        similarity=scratch.array("similarity", (rows,), np.float64),
        contamination=scratch.array("contamination", (rows,), np.float64),
        cluster=scratch.array("cluster", (rows, 2), np.uint64),
    )
    at = 0
    for batch in _index_batches(indices, list(INDEX_COLUMNS)):
        place = slice(at, at + len(batch))
        census.ids[place] = _from_binary(batch.column("id"))
        census.digests[place] = _from_binary(batch.column("text_digest"))
        census.cluster[place] = _from_binary(batch.column("cluster"))
        census.side[place] = _sides(batch.column("split"), splits)
        for name in ("group", "asked", "fate"):
            getattr(census, name)[place] = batch.column(name).to_numpy()
        at += len(batch)
    for number in range(parts):
        table = part_columns(work, number, ["id", "text_digest", "source", "group", "split"])
        place = slice(starts[number], starts[number + 1])
        census.ids[place] = _from_hexadecimal(table["id"])
        census.digests[place] = _from_hexadecimal(table["text_digest"])
        census.group[place] = table["group"].to_numpy()
        census.side[place] = _sides(table["split"], splits)
        names = list(asked)
        census.asked[place] = np.array([asked[name] for name in names], np.uint8)[
            pc.index_in(table["source"], pa.array(names, pa.string())).to_numpy()
        ]
    census.cluster[earlier:] = census.ids[earlier:]
    census.like[:] = np.arange(rows)
    census.similarity[:] = np.nan
    _refuse(census, folder)
    return census


def _refuse(census: Census, folder: Path) -> None:
    """Decide that what was taken down stays out: earlier documents by their id, new ones by id and by text."""
    taken = taken_down(folder, ["id", "text_digest"])
    if not taken.num_rows:
        return
    ids, texts = (set(taken[name].to_pylist()) for name in ("id", "text_digest"))
    for start in range(0, census.rows, INDEX_ROWS):
        place = slice(start, min(start + INDEX_ROWS, census.rows))
        named = zip(as_hexadecimal(census.ids[place]), as_hexadecimal(census.digests[place]))
        for row, (document, text) in enumerate(named, start):
            if document in ids or (text in texts and row >= census.earlier):
                census.fate[row] = REMOVED if row < census.earlier else REFUSED


def taken_down(folder: Path, columns: list[str]) -> pa.Table:
    """Return some columns of the takedowns in `removed/`, in the order in which they were made."""
    tables = [pq.read_table(path, columns=columns) for path in sorted((folder / "removed").glob("*.parquet"))]
    return pa.concat_tables(tables) if tables else pa.table({name: pa.array([], pa.string()) for name in columns})


def equal_rows(
    keys: Sequence[Keys], eligible: npt.NDArray[np.bool_], memory_bytes: int
) -> Iterator[tuple[Numbers, Numbers]]:
    """Yield (rows, begins): rows that share all keys with another, the rows of one such group in ascending order and
    beside each other, `begins` the place in `rows` where each one's group begins.

    keys: arrays (rows,), the first well mixed. About `memory_bytes` are used: the keys are gone through in as many
    ranges of the first as that needs.
    """
    passes = max(1, -(-len(eligible) * 64 // memory_bytes))
    for number in range(passes):
        low, high = (number << 64) // passes, ((number + 1) << 64) // passes - 1
        rows = np.concatenate(
            [
                start + np.flatnonzero(eligible[place] & (keys[0][place] >= low) & (keys[0][place] <= high))
                for start in range(0, len(eligible), INDEX_ROWS)
                for place in (slice(start, start + INDEX_ROWS),)
            ]
            or [np.zeros(0, np.int64)]
        )
        chosen = [part[rows] for part in keys]
        # The sort is stable, so equal keys keep the order of their rows.
        order = np.lexsort(chosen[::-1])
        begins = np.ones(len(order), dtype=bool)
        for part in chosen:
            ordered = part[order]
            begins[1:] &= ordered[1:] == ordered[:-1]
        begins[1:] = ~begins[1:]
        first = np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0)) if len(order) else order
        shared = ~begins | np.append(~begins[1:], False)
        place_of = np.cumsum(shared) - 1
        yield rows[order[shared]], place_of[first[shared]]


def drop_exact(census: Census, memory_bytes: int) -> None:
    """Decide which rows of this build repeat the text of an earlier row whose source asks for it too."""
    asked = (census.asked & EXACT_ASKED) > 0
    for rows, begins in equal_rows([census.digests[:, 0], census.digests[:, 1]], asked, memory_bytes):
        first = rows[begins]
        new = (rows >= census.earlier) & (rows != first) & (census.fate[rows] == KEPT)
        rows, first = rows[new], first[new]
        census.like[rows] = first
        census.similarity[rows] = 1.0
        census.fate[rows] = EXACT


def name_clusters(census: Census) -> None:
    """Give each row of this build its cluster: that of the row it duplicates."""
    for row in np.flatnonzero(census.like[census.earlier :] != np.arange(census.earlier, census.rows)) + census.earlier:
        census.cluster[row] = census.cluster[census.like[row]]


def totals_of(census: Census, work: Path) -> Totals:
    """Return what the rows of this build add up to, split by split and source by source."""
    totals = Totals({split: {"documents": 0, "bytes": 0, "sources": {}} for split in census.splits})
    digest = hashlib.sha256()
    for start in range(0, census.earlier, INDEX_ROWS):
        rows = np.arange(start, min(start + INDEX_ROWS, census.earlier))
        rows = rows[census.fate[rows] == KEPT]
        names = [census.splits[side] for side in census.side[rows].tolist()]
        _add_lines(digest, names, as_hexadecimal(census.ids[rows]), as_hexadecimal(census.digests[rows]))
    for number in range(len(census.starts) - 1):
        table = part_columns(work, number, ["id", "text_digest", "source", "text_bytes"])
        place = slice(census.starts[number], census.starts[number + 1])
        splits = pa.array(np.array(census.splits, dtype=object)[census.side[place]], pa.string())
        table = table.append_column("split", splits).append_column("fate", pa.array(census.fate[place]))
        kept = table.filter(pc.equal(table["fate"], KEPT))
        _add_lines(digest, *(kept[name].to_pylist() for name in ("split", "id", "text_digest")))
        for row in _sums(kept, ["split", "source"]):
            entry = totals.splits[row["split"]]
            size = {"documents": row["text_bytes_count"], "bytes": row["text_bytes_sum"]}
            held = entry["sources"].setdefault(row["source"], {"documents": 0, "bytes": 0})
            for name, amount in size.items():
                entry[name] += amount
                held[name] += amount
        for row in _sums(table.filter(pc.not_equal(table["fate"], KEPT)), ["source", "fate"]):
            reasons = totals.dropped.setdefault(row["source"], {})
            step = DECONTAMINATE if row["fate"] == CONTAMINATED else DEDUPLICATE
            held = reasons.setdefault(f"{step}: {REASONS[row['fate']]}", {"documents": 0, "bytes": 0})
            held["documents"] += row["text_bytes_count"]
            held["bytes"] += row["text_bytes_sum"]
    for entry in totals.splits.values():
        entry["sources"] = dict(sorted(entry["sources"].items()))
    totals.digest = digest.hexdigest()
    return totals


def _add_lines(digest: Any, *columns: list[str]) -> None:
    """Add a line for each row to a digest."""
    digest.update("".join("\t".join(row) + "\n" for row in zip(*columns)).encode())


def _sums(table: pa.Table, keys: list[str]) -> list[dict[str, Any]]:
    """Return count and sum of the text bytes for each value of some columns."""
    rows: list[dict[str, Any]] = (
        table.group_by(keys).aggregate([("text_bytes", "count"), ("text_bytes", "sum")]).to_pylist()
    )
    return rows


def part_columns(work: Path, number: int, names: list[str]) -> pa.Table:
    """Return some columns of a part's kept rows."""
    path = str(part_files(work, number).kept)
    with pa.memory_map(path) as source:
        schema = pa.ipc.open_file(source).schema
    options = pa.ipc.IpcReadOptions(included_fields=[schema.get_field_index(name) for name in names], use_threads=False)
    with pa.memory_map(path) as source, pa.ipc.open_file(source, options=options) as reader:
        return reader.read_all().select(names)


def documents_digest(folder: Path, build: int) -> str:
    """Return the digest of the documents of all builds up to this one, without those that were taken down."""
    digest, gone = hashlib.sha256(), set(taken_down(folder, ["id"])["id"].to_pylist())
    for batch in index_batches(folder, build + 1, ["id", "text_digest", "split", "fate"]):
        batch = batch.filter(pc.equal(batch.column("fate"), KEPT))
        columns = [[value.hex() for value in batch.column(name).to_pylist()] for name in ("id", "text_digest")]
        rows = [row for row in zip(batch.column("split").to_pylist(), *columns) if row[1] not in gone]
        if rows:
            _add_lines(digest, *map(list, zip(*rows)))
    return digest.hexdigest()


def index_path(folder: Path, build: int) -> Path:
    """Return where the index of a build is."""
    return folder / "index" / f"build-{build:04d}.parquet"


def index_files(folder: Path, build: int) -> list[Path]:
    """Return the indices of the builds before this one."""
    return [index_path(folder, number) for number in range(1, build)]


def index_batches(folder: Path, build: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield some columns of all rows of the builds before this one."""
    return _index_batches(index_files(folder, build), columns)


def _index_batches(paths: Sequence[Path], columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield some columns of the indices, row group by row group; a column that an index has not is null."""
    for path in paths:
        with pq.ParquetFile(path) as opened:
            for group in range(opened.num_row_groups):
                yield opened.read_row_group(group, columns=columns, use_threads=False).combine_chunks().to_batches()[0]


def write_index(
    folder: Path,
    census: Census,
    build: int,
    keys: Keys | None = None,
    shingles: Callable[[int], Keys | None] | None = None,
) -> None:
    """Write the index of this build.

    keys: (bands, rows) band keys, where near-duplicates are dropped; then shingles gives what to keep of a row.
    """
    columns = dict(INDEX_COLUMNS)
    if keys is not None:
        columns |= {"keys": pa.binary(8 * len(keys)), "shingles": pa.list_(pa.uint64())}
    schema = pa.schema(columns)
    with (
        temporary_path(index_path(folder, build)) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        if census.rows == census.earlier:
            writer.write_table(schema.empty_table())
        for start in range(census.earlier, census.rows, INDEX_ROWS):
            place = slice(start, min(start + INDEX_ROWS, census.rows))
            fate = census.fate[place]
            splits = np.array(census.splits, dtype=object)[census.side[place]]
            arrays = [
                *(_as_binary(part[place]) for part in (census.ids, census.digests, census.cluster)),
                *(pa.array(part[place]) for part in (census.group, census.fate, census.asked)),
                pa.array(splits, pa.string(), mask=fate != KEPT),
            ]
            if keys is not None and shingles is not None:
                packed = pa.py_buffer(np.ascontiguousarray(keys[:, place].T))
                arrays.append(pa.Array.from_buffers(pa.binary(8 * len(keys)), len(fate), [None, packed]))
                arrays.append(pa.array(map(shingles, range(place.start, place.stop)), pa.list_(pa.uint64())))
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _sides(splits: Any, names: Sequence[str]) -> npt.NDArray[np.int8]:
    """Return the index of each split's name, NOWHERE for a null."""
    found = pc.index_in(splits, pa.array(list(names), pa.string())).fill_null(NOWHERE)
    return np.asarray(found.to_numpy(), dtype=np.int8)


def _from_hexadecimal(column: pa.ChunkedArray) -> Keys:
    """Return (rows, 2) numbers for a column of 32 hexadecimal digits."""
    return _from_bytes(bytes.fromhex("".join(column.to_pylist())))


def _from_binary(column: pa.Array) -> Keys:
    """Return (rows, 2) numbers for a column of 16 bytes."""
    return _from_bytes(b"".join(column.to_pylist()))


def _from_bytes(data: bytes) -> Keys:
    return np.frombuffer(data, dtype=">u8").astype(np.uint64).reshape(-1, 2)


def _as_binary(keys: Keys) -> pa.Array:
    """Return (rows, 2) numbers as a column of 16 bytes."""
    return pa.Array.from_buffers(pa.binary(16), len(keys), [None, pa.py_buffer(keys.astype(">u8").tobytes())])


def as_hexadecimal(keys: Keys) -> list[str]:
    """Return (rows, 2) numbers as 32 hexadecimal digits each."""
    return [f"{high:016x}{low:016x}" for high, low in keys.tolist()]
