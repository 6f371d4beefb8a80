"""What is known of all rows at the barrier, in arrays on disk: but for a few bytes a row, memory does not grow with the
corpus.

A row is a document that the steps kept. Rows are in canonical order: first those of earlier builds, from
`index/build-0001.parquet` and its like, then those of this build, from its parts. `index/` is written at the end of
each build, so that new text can be appended without reading the old again.
"""

import hashlib
import mmap
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from massivetext.corpus.barrier.index import (
    INDEX_COLUMNS,
    INDEX_ROWS,
    KEPT,
    REPEATED,
    Keys,
    Numbers,
    add_lines,
    as_hexadecimal,
    from_binary,
    from_hexadecimal,
    index_batches,
    index_files,
)
from massivetext.corpus.parts import opened, part_files, schema_of
from massivetext.corpus.takedowns import TakenDown
from massivetext.parquet import OwnParquet

EXACT, NEAR, BRIDGE, REMOVED, REFUSED, CONTAMINATED, FOLDED = range(1, 8)
"""What became of a row (KEPT and REPEATED: see `index`). REMOVED: taken down after an earlier build; REFUSED: its text
is that of one taken down; FOLDED: equal to another but for case, width, white space and punctuation."""
REASONS = {
    EXACT: "exact duplicate",
    NEAR: "near duplicate",
    BRIDGE: "bridges two splits",
    REFUSED: "taken down earlier",
    CONTAMINATED: "holds a benchmark item",
    FOLDED: "normalised duplicate",
    REPEATED: "only repeated lines",
}
TWINS = (EXACT, NEAR, FOLDED)
"""Fates of rows that belong to a cluster of duplicates."""
DEDUPLICATE, DECONTAMINATE = "deduplicate", "decontaminate"
EXACT_ASKED, NEAR_ASKED = 1, 2
NOWHERE = -1


class Scratch:
    """Arrays in files of one folder, mapped: what is touched of them is in memory until `release`, or until the
    operating system needs the room."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._maps: WeakSet[mmap.mmap] = WeakSet()
        folder.mkdir(parents=True, exist_ok=True)

    def array(self, name: str, shape: tuple[int, ...], kind: Any, fill: float = 0) -> npt.NDArray[Any]:
        """Return a new array; what the file of that name held is gone."""
        path, count = self.folder / name, int(np.prod(shape))
        path.unlink(missing_ok=True)
        with open(path, "wb") as stream:
            if fill:
                # Written, not touched in memory.
                filled = np.full(min(count, INDEX_ROWS), fill, kind)
                for start in range(0, count, INDEX_ROWS):
                    stream.write(filled[: count - start].tobytes())
            # Room on the disk now: a full one would end the process where a mapped page is written.
            if count:
                os.posix_fallocate(stream.fileno(), 0, count * np.dtype(kind).itemsize)
        return self.mapped(name, kind).reshape(shape)

    def mapped(self, name: str, kind: Any) -> npt.NDArray[Any]:
        """Return what a file of the folder holds, as an array that may be written to."""
        with open(self.folder / name, "r+b") as stream:
            if not stream.seek(0, 2):
                return np.zeros(0, kind)  # a file cannot be mapped while it is empty
            found = mmap.mmap(stream.fileno(), 0)
        self._maps.add(found)
        return np.frombuffer(found, kind)

    def release(self) -> None:
        """Take the arrays out of this process's memory; what is needed of them again is read again."""
        for found in list(self._maps):
            found.madvise(mmap.MADV_DONTNEED)

    def stretches(self, start: int, end: int, rows: int = INDEX_ROWS) -> Iterator[slice]:
        """Yield slices of so many rows each, from `start` to `end`; what was touched of the arrays is released after
        each."""
        for begin in range(start, end, rows):
            yield slice(begin, min(begin + rows, end))
            self.release()


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
    """(rows, 2), the text's, without what was taken out of it."""
    arrived: Keys
    """(rows, 2), the text's as the steps gave it."""
    compared: Keys
    """(rows, 2), what exact deduplication compares: `arrived`, or the digest of the text's words."""
    sizes: Numbers
    """(rows,), bytes of the text where something was taken out of it here, else NOWHERE."""
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
    edited: dict[str, tuple[int, int]] = field(default_factory=dict)
    """source -> documents out of which lines were taken, and how many bytes."""
    digest: str = ""
    """SHA-256 over (split, id, text digest) of the documents, in canonical order."""


def _rows_of(path: Path) -> int:
    """Return the rows of an index."""
    with OwnParquet(path) as opened:
        return int(opened.metadata.num_rows)


def open_census(
    folder: Path, work: Path, parts: int, asked: dict[str, int], splits: Sequence[str], build: int
) -> Census:
    """Return the rows of earlier builds and of this one; nothing is decided of the latter yet.

    asked: what the steps of each source ask for.
    """
    indices = index_files(folder, build)
    earlier = sum(_rows_of(path) for path in indices)
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
        arrived=scratch.array("arrived", (rows, 2), np.uint64),
        compared=scratch.array("compared", (rows, 2), np.uint64),
        sizes=scratch.array("sizes", (rows,), np.int64, NOWHERE),
        group=scratch.array("group", (rows,), np.uint64),
        asked=scratch.array("asked", (rows,), np.uint8),
        fate=scratch.array("fate", (rows,), np.uint8),
        side=scratch.array("side", (rows,), np.int8),
        like=scratch.array("like", (rows,), np.int64),
        similarity=scratch.array("similarity", (rows,), np.float64, np.nan),
        contamination=scratch.array("contamination", (rows,), np.float64),
        cluster=scratch.array("cluster", (rows, 2), np.uint64),
    )
    at = 0
    for batch in index_batches(folder, build, list(INDEX_COLUMNS)):
        place = slice(at, at + len(batch))
        census.ids[place] = from_binary(batch.column("id"))
        census.digests[place] = from_binary(batch.column("text_digest"))
        for name in ("arrived", "compared"):
            getattr(census, name)[place] = from_binary(pc.coalesce(batch.column(name), batch.column("text_digest")))
        census.cluster[place] = from_binary(batch.column("cluster"))
        census.side[place] = _sides(batch.column("split"), splits)
        for name in ("group", "asked", "fate"):
            getattr(census, name)[place] = batch.column(name).to_numpy()
        at += len(batch)
        scratch.release()
    for number in range(parts):
        table = part_columns(work, number, ["id", "text_digest", "compared", "source", "group", "split"])
        place = slice(starts[number], starts[number + 1])
        census.ids[place] = from_hexadecimal(table["id"])
        census.digests[place] = from_hexadecimal(table["text_digest"])
        census.arrived[place] = census.digests[place]
        census.compared[place] = from_hexadecimal(table["compared"])
        census.group[place] = table["group"].to_numpy()
        census.side[place] = _sides(table["split"], splits)
        names = list(asked)
        census.asked[place] = np.array([asked[name] for name in names], np.uint8)[
            pc.index_in(table["source"], pa.array(names, pa.string())).to_numpy()
        ]
        census.cluster[place] = census.ids[place]
        scratch.release()
    for place in scratch.stretches(0, rows):
        census.like[place] = np.arange(place.start, place.stop)
    _refuse(census, folder, work)
    return census


def _refuse(census: Census, folder: Path, work: Path) -> None:
    """Decide that what was taken down stays out: earlier documents by their id, new ones by id, text and raw record.

    A text is also that of one taken down where they were equal before lines were taken out of the latter.
    """
    taken = TakenDown(folder)
    if not len(taken):
        return
    for number in range(len(census.starts) - 1):
        place = slice(census.starts[number], census.starts[number + 1])
        gone = taken.among(part_columns(work, number, ["id", "raw_digest"])).to_numpy(zero_copy_only=False)
        census.fate[place][gone] = REFUSED
    ids, texts = (set(values.to_pylist()) for values in (taken.ids, taken.texts))
    for place in census.scratch.stretches(0, census.rows):
        parts = (census.ids, census.digests, census.arrived)
        named = zip(*(as_hexadecimal(part[place]).to_pylist() for part in parts))
        for row, (document, text, arrived) in enumerate(named, place.start):
            if row < census.earlier and document in ids:
                census.fate[row] = REMOVED
                texts.add(arrived)
            elif row >= census.earlier and (document in ids or text in texts):
                census.fate[row] = REFUSED


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
        # Most keys stand alone: a quick sort by the first leaves few rows to be put in order.
        first = keys[0][rows]
        order = np.argsort(first)
        same = np.diff(first[order]) == 0
        rows = np.sort(rows[order[np.append(same, False) | np.append(False, same)]]) if same.any() else rows[:0]
        chosen = [part[rows] for part in keys]
        # The sort is stable, so equal keys keep the order of their rows.
        order = np.lexsort(chosen[::-1])
        begins = np.zeros(len(order), dtype=bool)
        begins[:1] = True
        for part in chosen:
            sorted_part = part[order]
            begins[1:] |= sorted_part[1:] != sorted_part[:-1]
        place = np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))
        shared = ~begins | np.append(~begins[1:], False)
        place_of = np.cumsum(shared) - 1
        yield rows[order[shared]], place_of[place[shared]]


def drop_exact(census: Census, memory_bytes: int) -> None:
    """Decide which rows of this build repeat the text of an earlier row whose source asks for it too."""
    asked = (census.asked & EXACT_ASKED) > 0
    for rows, begins in equal_rows([census.compared[:, 0], census.compared[:, 1]], asked, memory_bytes):
        first = rows[begins]
        new = (rows >= census.earlier) & (rows != first) & (census.fate[rows] == KEPT)
        rows, first = rows[new], first[new]
        census.like[rows] = first
        equal = (census.arrived[rows] == census.arrived[first]).all(axis=1)
        census.similarity[rows] = np.where(equal, 1.0, np.nan)
        census.fate[rows] = np.where(equal, EXACT, FOLDED)
        census.scratch.release()


def name_clusters(census: Census) -> None:
    """Give each row of this build its cluster: that of the row it duplicates."""
    for place in census.scratch.stretches(census.earlier, census.rows):
        rows = place.start + np.flatnonzero(census.like[place] != np.arange(place.start, place.stop))
        for row in rows.tolist():
            census.cluster[row] = census.cluster[census.like[row]]


def totals_of(census: Census, work: Path) -> Totals:
    """Return what the rows of this build add up to, split by split and source by source."""
    totals = Totals({split: {"documents": 0, "bytes": 0, "sources": {}} for split in census.splits})
    digest = hashlib.sha256()
    for place in census.scratch.stretches(0, census.earlier):
        rows = place.start + np.flatnonzero(census.fate[place] == KEPT)
        names = pa.array(census.splits, pa.string()).take(pa.array(census.side[rows]))
        add_lines(digest, names, as_hexadecimal(census.ids[rows]), as_hexadecimal(census.digests[rows]))
    for number in range(len(census.starts) - 1):
        place = slice(census.starts[number], census.starts[number + 1])
        table = _with_final_texts(part_columns(work, number, ["id", "source", "text_bytes"]), census, place, totals)
        splits = pa.array(census.splits, pa.string()).take(pa.array(census.side[place]))
        table = table.append_column("split", splits).append_column("fate", pa.array(census.fate[place]))
        kept = table.filter(pc.equal(table["fate"], KEPT)).combine_chunks()
        for batch in kept.to_batches():
            add_lines(digest, *(batch.column(name) for name in ("split", "id", "text_digest")))
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
        census.scratch.release()
    for entry in totals.splits.values():
        entry["sources"] = dict(sorted(entry["sources"].items()))
    totals.digest = digest.hexdigest()
    return totals


def _with_final_texts(table: pa.Table, census: Census, place: slice, totals: Totals) -> pa.Table:
    """Return rows with the digests and sizes that their texts end with, after counting what was taken out of them."""
    sizes, before = census.sizes[place], table["text_bytes"].to_numpy()
    changed = (sizes != NOWHERE) & (census.fate[place] == KEPT)
    edits = pa.table({"source": table["source"], "text_bytes": pa.array(before - sizes)}).filter(pa.array(changed))
    for row in _sums(edits, ["source"]):
        documents, removed = totals.edited.get(row["source"], (0, 0))
        totals.edited[row["source"]] = documents + row["text_bytes_count"], removed + row["text_bytes_sum"]
    after = pa.array(np.where(changed, sizes, before))
    table = table.set_column(table.schema.get_field_index("text_bytes"), "text_bytes", after)
    return table.append_column("text_digest", as_hexadecimal(census.digests[place]))


def _sums(table: pa.Table, keys: list[str]) -> list[dict[str, Any]]:
    """Return count and sum of the text bytes for each value of some columns."""
    rows: list[dict[str, Any]] = (
        table.group_by(keys).aggregate([("text_bytes", "count"), ("text_bytes", "sum")]).to_pylist()
    )
    return rows


def part_columns(work: Path, number: int, names: list[str]) -> pa.Table:
    """Return some columns of a part's kept rows."""
    path = part_files(work, number).kept
    return pa.Table.from_batches(opened(path, names), pa.schema([schema_of(path).field(name) for name in names]))


def _sides(splits: Any, names: Sequence[str]) -> npt.NDArray[np.int8]:
    """Return the index of each split's name, NOWHERE for a null."""
    found = pc.index_in(splits, pa.array(list(names), pa.string())).fill_null(NOWHERE)
    return np.asarray(found.to_numpy(), dtype=np.int8)
