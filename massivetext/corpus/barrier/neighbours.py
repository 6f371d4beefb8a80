"""Neighbours: rows that may be similar because their MinHash keys share a band, and the shingles that decide it.

Arrays that grow with the corpus are on disk, except for a few bytes per row. They are released from memory after each
stretch of rows. Bands are sorted one by one, each in as many ranges as `memory_bytes` requires.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from massivetext.corpus.barrier.banding import Banding
from massivetext.corpus.barrier.census import NEAR_ASKED, NOWHERE, Census, PartRows
from massivetext.corpus.barrier.deduplication import NearSettings
from massivetext.corpus.barrier.fates import COMPARED, Fate
from massivetext.corpus.barrier.index import index_batches
from massivetext.corpus.barrier.keys import Keys, Mask, Numbers, as_hexadecimal
from massivetext.corpus.barrier.scratch import equal_rows
from massivetext.engines import Advance, Engine
from massivetext.parquet import OwnParquet
from massivetext.storage import write_whole
from massivetext.text.minhash import band_keys, shingle_sets, signatures
from massivetext.text.words import hash_words

JUDGED_ROWS = 2**12
"""Number of rows after which the arrays are released, because a row may be compared with shingles anywhere on disk."""


class Spool:
    """The shingles of rows, stored on disk one row after the other."""

    def __init__(self, census: Census, near: NearSettings) -> None:
        self.census, self.near = census, near
        self.path = census.scratch.folder / "shingles"
        self.path.write_bytes(b"")
        self.spans: Numbers = census.scratch.array("spans", (census.rows, 2), np.int64, NOWHERE)
        """(rows, 2), the start and end of a row's shingles; NOWHERE if they are not stored."""
        self.count = 0

    @property
    def shingles(self) -> Keys:
        """All shingles added so far."""
        return self.census.scratch.mapped(self.path.name, np.uint64)

    def add(self, rows: Numbers, texts: pa.Array) -> None:
        """Add the shingles of some rows."""
        found, offsets = shingle_sets(hash_words(texts), self.near.ngram, self.near.han_ngram)
        self.add_shingles(rows, found, offsets)

    def add_shingles(self, rows: Numbers, found: Keys, offsets: Numbers) -> None:
        """Add shingles that are already known; `offsets` says which belong to which row."""
        self.spans[rows, 0], self.spans[rows, 1] = self.count + offsets[:-1], self.count + offsets[1:]
        with open(self.path, "ab") as stream:
            stream.write(found.tobytes())
        self.count += len(found)

    def add_parts(self, wanted: Mask) -> None:
        """Add the shingles of the wanted rows of this build."""
        for part in self.census.parts:
            if not wanted[part.place].any():
                continue
            for start, batch in self.census.documents(part, ["text"]):
                chosen = wanted[start : start + len(batch)]
                if chosen.any():
                    self.add(start + np.flatnonzero(chosen), batch.column("text").filter(pa.array(chosen)))
            self.census.scratch.release()

    def add_earlier(self, wanted: Mask) -> None:
        """Add the shingles of wanted rows of earlier builds: from their texts or, if dropped or edited, the index."""
        if not wanted[: self.census.earlier].any():
            return
        for rows, texts in _earlier_texts(self.census, wanted):
            self.add(rows, texts)
        at = 0
        for batch in index_batches(self.census.folder, self.census.build, ["shingles"]):
            column = batch.column("shingles")
            places = np.flatnonzero(wanted[at : at + len(batch)] & column.is_valid().to_numpy(zero_copy_only=False))
            lists = column.take(pa.array(places))
            offsets = lists.offsets.to_numpy().astype(np.int64)
            self.add_shingles(at + places, lists.flatten().to_numpy(), offsets - offsets[0])
            at += len(batch)
            self.census.scratch.release()


class Meeting(NamedTuple):
    """The rows that share a band with another row."""

    members: Numbers
    """Rows, bucket by bucket, in ascending order within each."""
    begins: Numbers
    """For each member, the position where its bucket begins."""
    places: Numbers
    """(bands, rows), the position of a row among the members, counted from 1; 0 if it shares no bucket."""


class Candidates(NamedTuple):
    """What a kernel needs to compare a row with the rows that share a band with it."""

    meeting: Meeting
    shingles: Keys
    spans: Numbers
    threshold: float
    """Minimum similarity of two similar rows."""


class Neighbours(NamedTuple):
    """The rows that are compared, and the bands that they share."""

    keys: Keys
    """(bands, rows), the keys of all bandings in order; 0 for rows without shingles."""
    taken: Mask
    """(rows,), whether a row is compared with others."""
    meetings: tuple[Meeting, ...]
    """One for each banding."""
    spool: Spool

    def candidates(self, number: int, threshold: float) -> Candidates:
        """Return the rows that share a band in a banding, with the shingles that decide whether they are similar."""
        return Candidates(self.meetings[number], self.spool.shingles, self.spool.spans, threshold)


def find_neighbours(
    census: Census, near: NearSettings, bandings: Sequence[Banding], memory_bytes: int, engine: Engine
) -> Neighbours:
    """Return which rows share a band, for several bandings of the same hash values.

    Shingles are stored for the rows that share a band; for the first banding only if its pairs are verified.
    """
    keys = _all_keys(census, near, bandings, engine)
    taken = (census.asked & NEAR_ASKED > 0) & (keys[0] != 0)
    taken &= np.isin(census.fate, COMPARED)
    meetings, at = [], 0
    for banding in bandings:
        meetings.append(_meet(census, keys[at : at + banding.bands], taken, memory_bytes, f"band-{at}"))
        at += banding.bands
    spool = Spool(census, near)
    wanted = np.zeros(census.rows, bool)
    for meeting in meetings if near.verify else meetings[1:]:
        wanted[meeting.members] = True
    spool.add_parts(wanted)
    spool.add_earlier(wanted)
    return Neighbours(keys, taken, tuple(meetings), spool)


def judged_stretches(census: Census) -> Iterator[slice]:
    """Yield the rows of this build in stretches; each is judged as a whole."""
    return census.scratch.stretches(census.earlier, census.rows, JUDGED_ROWS)


@dataclass(frozen=True)
class Sign:
    """Writes the band keys of a part's rows to `part-00000.keys.npy`, unless the file exists."""

    census: Census
    near: NearSettings
    bandings: tuple[Banding, ...]

    def __call__(self, part: PartRows, advance: Advance) -> None:
        """Write the keys of one part."""
        path = self.path(part)
        if path.is_file():
            return
        bands = sum(banding.bands for banding in self.bandings)
        found = [self._signed(batch.column("text")) for _, batch in self.census.documents(part, ["text"])]
        with write_whole(path) as stream:
            np.save(stream, np.concatenate([np.zeros((bands, 0), np.uint64), *found], axis=1))

    def path(self, part: PartRows) -> Path:
        """Return the path of a part's keys."""
        return self.census.work / f"part-{part.number:05d}.keys.npy"

    def _signed(self, texts: pa.Array) -> Keys:
        """Return (bands, texts) keys, 0 for texts without words."""
        near = self.near
        signed, counts = signatures(hash_words(texts), near.bands * near.rows, near.ngram, near.han_ngram)
        keys = np.concatenate([band_keys(signed, banding.bands, banding.rows) for banding in self.bandings])
        keys[:, counts == 0] = 0
        return keys


def _all_keys(census: Census, near: NearSettings, bandings: Sequence[Banding], engine: Engine) -> Keys:
    """Return the band keys of all rows."""
    bands = sum(banding.bands for banding in bandings)
    keys = census.scratch.array("keys", (bands, census.rows), np.uint64)
    at = 0
    for batch in index_batches(census.folder, census.build, ["keys"]):
        packed = np.frombuffer(b"".join(batch.column("keys").to_pylist()), np.uint64).reshape(len(batch), -1)
        keys[:, at : at + len(batch)] = packed[:, :bands].T
        at += len(batch)
        census.scratch.release()
    sign = Sign(census, near, tuple(bandings))
    engine.map_parts(sign, census.parts)
    for part in census.parts:
        keys[:, part.place] = np.load(sign.path(part))
        census.scratch.release()
    return keys


def _meet(census: Census, keys: Keys, taken: Mask, memory_bytes: int, name: str) -> Meeting:
    """Return which rows share a band."""
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


def _earlier_texts(census: Census, wanted: Mask) -> Iterator[tuple[Numbers, pa.Array]]:
    """Yield (rows, texts) of the wanted documents of earlier builds."""
    rows = np.flatnonzero(wanted[: census.earlier] & (census.fate[: census.earlier] == Fate.KEPT))
    ids = as_hexadecimal(census.ids[rows])
    for path in sorted((census.folder / "documents").rglob("build-*.parquet")):
        if int(path.name.split("-")[1]) >= census.build:
            continue
        with OwnParquet(path) as opened:
            for group in range(opened.num_row_groups):
                place = pc.index_in(opened.read_row_group(group, ["id"])["id"], ids)
                hits = place.is_valid()
                if pc.any(hits).as_py():
                    texts = opened.read_row_group(group, ["text"])["text"].filter(hits)
                    yield rows[place.filter(hits).to_numpy()], texts.combine_chunks()
