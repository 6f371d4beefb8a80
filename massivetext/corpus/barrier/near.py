"""Near-duplicates over all documents: MinHash keys meet in bands, candidates are compared by true Jaccard similarity.

Rows are judged one after the other in canonical order. A row that is as similar as `threshold` to any earlier one, kept
or not, is dropped: that depends on earlier rows alone, so appending gives what building at once gives. Then the split:
a row goes where the earlier kept rows are that are as similar as `split_threshold`; where these lie on two sides, or on
another than the rest of its file, it is dropped, because keeping it would leak one side into the other.

Arrays that grow with the corpus are on disk, but for a few bytes a row, and leave memory as soon as a stretch of rows
is done. Bands are sorted one by one, each in as many ranges as `memory_bytes` asks for.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from massivetext.corpus.barrier.banding import Banding, banding_for
from massivetext.corpus.barrier.census import BRIDGE, CONTAMINATED, NEAR, NEAR_ASKED, NOWHERE, Census, equal_rows
from massivetext.corpus.barrier.deduplication import NearSettings
from massivetext.corpus.barrier.index import KEPT, REPEATED, Keys, Lists, Numbers, as_hexadecimal, index_batches
from massivetext.corpus.parts import opened, part_files
from massivetext.parquet import OwnParquet
from massivetext.storage import write_whole
from massivetext.text.compiling import kernel
from massivetext.text.minhash import band_keys, common, shingle_sets, signatures
from massivetext.text.words import hash_words

JUDGED_ROWS = 2**12
"""Rows after whose judgement the arrays are released: each may be compared with shingles anywhere on the disk."""
GONE = (NEAR, BRIDGE, CONTAMINATED)
"""Fates of rows that are dropped here, to which later rows are compared all the same."""
Sides = npt.NDArray[np.int8]


def split_banding(near: NearSettings) -> Banding:
    """Return the bands of the same hash values in which documents as similar as `split_threshold` meet."""
    assert near.split_threshold is not None
    hashes = near.bands * near.rows
    return banding_for(near.split_threshold, hashes, hashes)


class Spool:
    """The shingles of rows, on disk one after the other."""

    def __init__(self, census: Census, near: NearSettings) -> None:
        self.census, self.near = census, near
        self.path = census.scratch.folder / "shingles"
        self.path.write_bytes(b"")
        self.spans: Numbers = census.scratch.array("spans", (census.rows, 2), np.int64, NOWHERE)
        """(rows, 2), where a row's shingles are; NOWHERE where they are not kept."""
        self.count = 0

    @property
    def shingles(self) -> Keys:
        """All shingles that were added."""
        return self.census.scratch.mapped(self.path.name, np.uint64)

    def add(self, rows: Numbers, texts: pa.Array) -> None:
        """Add the shingles of some rows."""
        found, offsets = shingle_sets(hash_words(texts), self.near.ngram, self.near.han_ngram)
        self.add_shingles(rows, found, offsets)

    def add_shingles(self, rows: Numbers, found: Keys, offsets: Numbers) -> None:
        """Add shingles that are known already, by the rows' offsets in them."""
        self.spans[rows, 0], self.spans[rows, 1] = self.count + offsets[:-1], self.count + offsets[1:]
        with open(self.path, "ab") as stream:
            stream.write(found.tobytes())
        self.count += len(found)

    def add_parts(self, work: Path, wanted: npt.NDArray[np.bool_]) -> None:
        """Add the wanted rows of this build."""
        for number in range(len(self.census.starts) - 1):
            start = int(self.census.starts[number])
            if not wanted[start : self.census.starts[number + 1]].any():
                continue
            for batch in opened(part_files(work, number).kept, ["text"]):
                chosen = wanted[start : start + len(batch)]
                if chosen.any():
                    self.add(start + np.flatnonzero(chosen), batch.column("text").filter(pa.array(chosen)))
                start += len(batch)
            self.census.scratch.release()

    def add_earlier(self, folder: Path, wanted: npt.NDArray[np.bool_], build: int) -> None:
        """Add the wanted rows of earlier builds, from their texts, or from the index if dropped or edited."""
        if not wanted[: self.census.earlier].any():
            return
        for rows, texts in _earlier_texts(folder, self.census, wanted, build):
            self.add(rows, texts)
        at = 0
        for batch in index_batches(folder, build, ["shingles"]):
            column = batch.column("shingles")
            places = np.flatnonzero(wanted[at : at + len(batch)] & column.is_valid().to_numpy(zero_copy_only=False))
            lists = column.take(pa.array(places))
            offsets = lists.offsets.to_numpy().astype(np.int64)
            self.add_shingles(at + places, lists.flatten().to_numpy(), offsets - offsets[0])
            at += len(batch)
            self.census.scratch.release()


class NearFound(NamedTuple):
    """What the index keeps for later builds."""

    keys: Keys
    """(bands, rows), those for the threshold and then those for the split; 0 where a row has no shingles."""
    taken: npt.NDArray[np.bool_]
    """(rows,), those that are compared with others."""
    spool: Spool

    def kept_shingles(self, work: Path) -> Lists:
        """Return the shingles of the rows whose text, as it was compared, is not in the corpus."""
        census, spans = self.spool.census, self.spool.spans
        needed = np.isin(census.fate, (*GONE, REPEATED)) | (census.sizes != NOWHERE)
        missing = needed & self.taken & (spans[:, 0] == NOWHERE)
        missing[: census.earlier] = False
        self.spool.add_parts(work, missing)
        shingles = self.spool.shingles

        def counts(place: slice) -> Numbers:
            counted: Numbers = np.where(needed[place], spans[place, 1] - spans[place, 0], 0)
            return counted

        def values(place: slice) -> tuple[Keys, Numbers]:
            counted = counts(place)
            chosen = spans[place][counted > 0].tolist()
            return np.concatenate([shingles[:0], *(shingles[start:end] for start, end in chosen)]), counted

        return Lists(counts, values)


def drop_near(
    folder: Path, work: Path, census: Census, near: NearSettings, memory_bytes: int, build: int, threads: int
) -> NearFound:
    """Decide which rows of this build are near-duplicates, and on which side of the split the others fall."""
    # Earlier rows of which nothing was left, once lines were taken out, were compared before as documents that stay.
    emptied = np.flatnonzero(census.fate[: census.earlier] == REPEATED)
    census.fate[emptied] = KEPT
    bandings = [near.banding]
    if near.split_threshold is not None and len(census.splits) > 1:
        bandings.append(split_banding(near))
    keys = _all_keys(folder, work, census, near, bandings, build, threads)
    taken = (census.asked & NEAR_ASKED > 0) & (keys[0] != 0)
    taken &= np.isin(census.fate, (KEPT, *GONE))
    meetings = []
    at = 0
    for banding in bandings:
        meetings.append(_meet(census, keys[at : at + banding.bands], taken, memory_bytes, f"band-{at}"))
        at += banding.bands
    spool = Spool(census, near)
    wanted = np.zeros(census.rows, bool)
    for meeting in meetings if near.verify else meetings[1:]:
        wanted[meeting.members] = True
    spool.add_parts(work, wanted)
    spool.add_earlier(folder, wanted, build)
    split_threshold = near.split_threshold if len(bandings) > 1 and near.split_threshold is not None else 2.0
    group, decided = _groups(census, memory_bytes)
    seen, shingles = census.scratch.array("seen", (census.rows,), np.int64, NOWHERE), spool.shingles
    for place in census.scratch.stretches(census.earlier, census.rows, JUDGED_ROWS):
        _judge(
            place.start, place.stop, census.fate, census.side, census.like, census.similarity, group, decided, taken,
            meetings[0], meetings[-1], shingles, spool.spans, near.threshold, near.verify, split_threshold, seen,
        )  # fmt: skip
    census.fate[emptied] = REPEATED
    return NearFound(keys, taken, spool)


def _groups(census: Census, memory_bytes: int) -> tuple[Numbers, Sides]:
    """Return (rows,) the first row of each one's file, and (rows,) the side that the file of such a row is on."""
    group = census.scratch.array("groups", (census.rows,), np.int64)
    decided = census.scratch.array("decided", (census.rows,), np.int8, NOWHERE)
    for place in census.scratch.stretches(0, census.rows):
        group[place] = np.arange(place.start, place.stop)
    for rows, begins in equal_rows([census.group], np.ones(census.rows, bool), memory_bytes):
        group[rows] = rows[begins]
        census.scratch.release()
    for place in census.scratch.stretches(0, census.earlier):
        kept = census.fate[place] == KEPT
        decided[group[place][kept]] = census.side[place][kept]
    return group, decided


class Meeting(NamedTuple):
    """The rows that share a band with another."""

    members: Numbers
    """Rows, bucket by bucket, ascending in each."""
    begins: Numbers
    """For each member, where its bucket begins."""
    places: Numbers
    """(bands, rows), where a row is among the members, counted from 1; 0 where it meets none."""


def _all_keys(
    folder: Path, work: Path, census: Census, near: NearSettings, bandings: list[Banding], build: int, threads: int
) -> Keys:
    """Return the band keys of all rows; a part whose keys are on disk already is not signed again."""
    bands = sum(banding.bands for banding in bandings)
    keys = census.scratch.array("keys", (bands, census.rows), np.uint64)
    at = 0
    for batch in index_batches(folder, build, ["keys"]):
        packed = np.frombuffer(b"".join(batch.column("keys").to_pylist()), np.uint64).reshape(len(batch), -1)
        keys[:, at : at + len(batch)] = packed[:, :bands].T
        at += len(batch)
        census.scratch.release()

    def sign(number: int) -> None:
        path = work / f"part-{number:05d}.keys.npy"
        if not path.is_file():
            texts = (batch.column("text") for batch in opened(part_files(work, number).kept, ["text"]))
            found = [_sign_texts(column, near, bandings) for column in texts]
            with write_whole(path) as stream:
                np.save(stream, np.concatenate([np.zeros((bands, 0), np.uint64), *found], axis=1))
        keys[:, census.starts[number] : census.starts[number + 1]] = np.load(path)
        census.scratch.release()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(sign, range(len(census.starts) - 1)))
    return keys


def _sign_texts(texts: pa.Array, near: NearSettings, bandings: list[Banding]) -> Keys:
    """Return (bands, texts) keys, 0 for texts without words."""
    signed, counts = signatures(hash_words(texts), near.bands * near.rows, near.ngram, near.han_ngram)
    keys = np.concatenate([band_keys(signed, banding.bands, banding.rows) for banding in bandings])
    keys[:, counts == 0] = 0
    return keys


def _meet(census: Census, keys: Keys, taken: npt.NDArray[np.bool_], memory_bytes: int, name: str) -> Meeting:
    """Return which rows meet in the bands."""
    scratch = census.scratch
    places = scratch.array(f"{name}-places", keys.shape, np.int64)
    names = [f"{name}-{part}" for part in ("members", "begins")]
    count = 0
    with open(scratch.folder / names[0], "wb") as members, open(scratch.folder / names[1], "wb") as begins:
        for band in range(len(keys)):
            for rows, first in equal_rows([keys[band]], taken, memory_bytes):
                places[band, rows] = count + np.arange(1, len(rows) + 1)
                members.write(rows.astype(np.int64).tobytes())
                begins.write((first + count).astype(np.int64).tobytes())
                count += len(rows)
                scratch.release()
    return Meeting(scratch.mapped(names[0], np.int64), scratch.mapped(names[1], np.int64), places)


def _earlier_texts(
    folder: Path, census: Census, wanted: npt.NDArray[np.bool_], build: int
) -> Iterator[tuple[Numbers, pa.Array]]:
    """Yield (rows, texts) of the wanted documents of earlier builds."""
    rows = np.flatnonzero(wanted[: census.earlier] & (census.fate[: census.earlier] == KEPT))
    ids = as_hexadecimal(census.ids[rows])
    for path in sorted((folder / "documents").rglob("build-*.parquet")):
        if int(path.name.split("-")[1]) >= build:
            continue
        with OwnParquet(path) as opened:
            for group in range(opened.num_row_groups):
                place = pc.index_in(opened.read_row_group(group, ["id"])["id"], ids)
                hits = place.is_valid()
                if pc.any(hits).as_py():
                    texts = opened.read_row_group(group, ["text"])["text"].filter(hits)
                    yield rows[place.filter(hits).to_numpy()], texts.combine_chunks()


@kernel
def _similarity(left: int, right: int, shingles: Keys, spans: Numbers, least: float) -> float:
    """Return the Jaccard similarity of two rows, or 0 where their sizes alone put it below `least`."""
    one = shingles[spans[left, 0] : spans[left, 1]]
    other = shingles[spans[right, 0] : spans[right, 1]]
    if min(len(one), len(other)) < least * max(len(one), len(other)):
        return 0.0
    shared = common(one, other)
    return shared / (len(one) + len(other) - shared)


@kernel
def _judge(
    first: int,
    last: int,
    fate: npt.NDArray[np.uint8],
    side: Sides,
    like: Numbers,
    similarity: npt.NDArray[np.float64],
    group: Numbers,
    decided: Sides,
    taken: npt.NDArray[np.bool_],
    near: Any,
    near_split: Any,
    shingles: Keys,
    spans: Numbers,
    threshold: float,
    verify: bool,
    split_threshold: float,
    seen: Numbers,
) -> None:
    """Decide the rows from `first` to `last`, in order."""
    for row in range(first, last):
        if fate[row] != KEPT:
            continue
        if taken[row]:
            for band in range(len(near.places)):
                place = near.places[band, row] - 1
                if place < 0 or fate[row] != KEPT:
                    continue
                for member in near.members[near.begins[place] : place]:
                    if seen[member] == 2 * row:
                        continue
                    seen[member] = 2 * row
                    if verify and (spans[member, 0] < 0 or spans[row, 0] < 0):
                        continue
                    found = _similarity(member, row, shingles, spans, threshold) if verify else np.nan
                    if not verify or found >= threshold:
                        fate[row], like[row], similarity[row] = NEAR, member, found
                        break
        if fate[row] != KEPT:
            continue
        allowed = decided[group[row]]
        if taken[row] and split_threshold <= 1.0:
            for band in range(len(near_split.places)):
                place = near_split.places[band, row] - 1
                if place < 0 or fate[row] != KEPT:
                    continue
                for member in near_split.members[near_split.begins[place] : place]:
                    # Rows on the side that is settled already can change nothing.
                    if fate[member] != KEPT or side[member] == allowed or seen[member] == 2 * row + 1:
                        continue
                    seen[member] = 2 * row + 1
                    if spans[member, 0] < 0 or spans[row, 0] < 0:
                        continue
                    found = _similarity(member, row, shingles, spans, split_threshold)
                    if found >= split_threshold:
                        if allowed != NOWHERE:
                            fate[row], similarity[row] = BRIDGE, found
                            break
                        allowed = side[member]
        if fate[row] == KEPT:
            if allowed != NOWHERE:
                side[row] = allowed
            decided[group[row]] = side[row]
