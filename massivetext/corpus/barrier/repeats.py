"""Lines and paragraphs that stood before, in an earlier document or in the same one, are taken out of the documents.

This is an edit, but it needs all documents, so it is a part of the barrier: it comes after duplicates are dropped and
looks at those that stay, in canonical order. The first place of a line keeps it. That depends on earlier rows alone, so
appending gives what building at once gives; the index keeps the hashes of the lines that a row was the first to hold.

Lines are those between line feeds, paragraphs those between empty lines. Two are the same when they are equal but for
white space at their ends, by 64-bit hashes of their bytes. Hashes are on disk, sorted in as many ranges as
`memory_bytes` asks for.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from massivetext.corpus.barrier.census import Census, PartRows
from massivetext.corpus.barrier.deduplication import REPEATS, Deduplicate, RepeatSettings
from massivetext.corpus.barrier.fates import STAYED, Fate
from massivetext.corpus.barrier.index import index_batches, list_array
from massivetext.corpus.barrier.keys import Keys, Mask, Numbers, as_hexadecimal, from_hexadecimal
from massivetext.corpus.barrier.scratch import equal_rows
from massivetext.corpus.barrier.verdicts import Editor, IndexColumn, Judge, Verdict
from massivetext.corpus.rows import noted
from massivetext.engines import Advance, Engine
from massivetext.text.arrays import Bytes, Offsets, replaced, string_buffers
from massivetext.text.compiling import kernel
from massivetext.text.digests import digests
from massivetext.text.words import HASH_FACTOR, HASH_START, hash_words, mix

BLANK, SHORT = np.uint64(0), np.uint64(1)
"""Keys of pieces that are never taken out: nothing but white space, and fewer words than `min_words`."""


class Repeats(Judge):
    """Takes lines and paragraphs that appeared before out of the rows that stay; one of which nothing is left is
    dropped."""

    name, version = Deduplicate.name, Deduplicate.version

    def __init__(self, settings: Mapping[str, Mapping[str, RepeatSettings]], memory_bytes: int) -> None:
        """settings: kind (a key of REPEATS) -> source -> its settings."""
        self.settings = {kind: asked for kind, asked in settings.items() if asked}
        self.memory_bytes = memory_bytes

    def judge(self, census: Census, engine: Engine) -> Iterator[Verdict]:
        """Yield the rows that change, with their new sizes and digests, and those of which nothing is left."""
        if not self.settings:
            return
        for number, kind in enumerate(self.settings):
            self._find_repeated(census, engine, kind, Cuts(census, tuple(self.settings)[:number]))
        note = NoteEdits(Cuts(census, tuple(self.settings)))
        engine.map_parts(note, census.parts)
        for part in census.parts:
            with np.load(note.path(part)) as found:
                yield Verdict(found["emptied"], Fate.REPEATED)
                yield Verdict(found["rows"], Fate.KEPT, facts={name: found[name] for name in ("digests", "sizes")})
            note.path(part).unlink()

    def editor(self, census: Census) -> Editor | None:
        """Return what takes the lines and paragraphs out, None where no source requires it."""
        return Cuts(census, tuple(self.settings)) if self.settings else None

    def index_columns(self, census: Census, engine: Engine) -> dict[str, IndexColumn]:
        """Return the hashes of the pieces that each row was the first to hold."""
        return {kind: _first_keys(census, kind) for kind in self.settings}

    def _find_repeated(self, census: Census, engine: Engine, kind: str, cuts: "Cuts") -> None:
        """Write which pieces of a kind appeared before; cuts: what is taken out first."""
        spool = SpoolPieces(cuts, kind, self.settings[kind])
        engine.map_parts(spool, census.parts)
        earlier = _join_pieces(census, kind, spool)
        keys = census.scratch.mapped(f"{kind}-keys", np.uint64)
        repeated = census.scratch.array(f"{kind}-repeated", (len(keys),), np.bool_)
        long = census.scratch.array(f"{kind}-long", (len(keys),), np.bool_)
        np.greater(keys, SHORT, out=long)
        for pieces, first in equal_rows([keys], long, self.memory_bytes):
            again = (pieces[first] != pieces) & (pieces >= earlier)
            repeated[pieces[again]] = True
            census.scratch.release()


class Pieces(NamedTuple):
    """The lines, or the paragraphs, of all rows whose sources ask for them."""

    keys: Keys
    """(pieces,), the hash of each, BLANK or SHORT; first those that earlier builds were the first to hold."""
    begins: Numbers
    """(rows + 1,), the first piece of each row."""
    repeated: Mask
    """(pieces,), those that appeared before."""


def open_pieces(census: Census, kind: str) -> Pieces:
    """Return the pieces of a kind, once it is known which appeared before."""
    kinds = {"keys": np.uint64, "begins": np.int64, "repeated": np.bool_}
    return Pieces(**{name: census.scratch.mapped(f"{kind}-{name}", values) for name, values in kinds.items()})


@dataclass(frozen=True)
class Cuts:
    """What is taken out of which row; called, it returns rows without it."""

    census: Census
    kinds: tuple[str, ...]
    """Keys of REPEATS, in the order in which they are taken out."""

    def __call__(self, batch: pa.RecordBatch, start: int) -> pa.RecordBatch:
        """Return rows from `start` on without what appeared before, the edit noted."""
        before = batch.column("text")
        texts = self.texts(before, start)
        if texts is before:
            return batch
        edited = noted(batch, texts, pc.not_equal(before, texts), Deduplicate)
        return replaced(edited, "text_digest", as_hexadecimal(self.census.digests[start : start + len(batch)]))

    def texts(self, texts: pa.Array, start: int) -> pa.Array:
        """Return the texts of rows from `start` on without what appeared before; the same array if that is nothing."""
        changed: dict[int, str] = {}
        place = slice(start, start + len(texts))
        for kind in self.kinds:
            pieces = open_pieces(self.census, kind)
            begins, ends = pieces.begins[place], pieces.begins[start + 1 : start + 1 + len(texts)]
            if not len(begins) or not pieces.repeated[begins[0] : ends[-1]].any():
                continue
            for row in np.flatnonzero(self.census.fate[place] == Fate.KEPT).tolist():
                gone = pieces.repeated[begins[row] : ends[row]]
                if gone.any():
                    text = changed[row] if row in changed else texts[row].as_py()
                    parts = text.split(REPEATS[kind])
                    changed[row] = REPEATS[kind].join(part for part, out in zip(parts, gone.tolist()) if not out)
        if not changed:
            return texts
        mask = np.zeros(len(texts), bool)
        mask[list(changed)] = True
        new = pa.array([changed[row] for row in sorted(changed)], texts.type)
        return pc.replace_with_mask(texts, pa.array(mask), new)


@dataclass(frozen=True)
class SpoolPieces:
    """Writes the keys of the pieces of a part's rows, and how many each row has."""

    cuts: Cuts
    kind: str
    asked: Mapping[str, RepeatSettings]

    def __call__(self, part: PartRows, advance: Advance) -> None:
        """Write the keys of one part."""
        census = self.cuts.census
        keys, counts = [np.zeros(0, np.uint64)], np.zeros(part.stop - part.start, np.int64)
        for start, batch in census.documents(part, ["source", "text"], self.asked):
            stay = census.fate[start : start + len(batch)] == Fate.KEPT
            if stay.any():
                min_words = self.asked[batch.column("source")[0].as_py()].min_words
                texts = self.cuts.texts(batch.column("text"), start).filter(pa.array(stay))
                found, offsets = piece_keys(texts, REPEATS[self.kind], min_words)
                keys.append(found)
                counts[start - part.start + np.flatnonzero(stay)] = np.diff(offsets)
        np.savez(self.path(part), keys=np.concatenate(keys), counts=counts)
        census.scratch.release()

    def path(self, part: PartRows) -> Path:
        """Return where a part's keys are."""
        return self.cuts.census.scratch.folder / f"{self.kind}-{part.number}.npz"


@dataclass(frozen=True)
class NoteEdits:
    """Writes which rows of a part change, their new sizes and digests, and which of them nothing is left of."""

    cuts: Cuts

    def __call__(self, part: PartRows, advance: Advance) -> None:
        """Write the edits of one part."""
        found: dict[str, list[npt.NDArray[Any]]] = {
            **{name: [np.zeros(0, np.int64)] for name in ("emptied", "rows", "sizes")},
            "digests": [np.zeros((0, 2), np.uint64)],
        }
        for start, batch in self.cuts.census.documents(part, ["text"]):
            before = batch.column("text")
            after = self.cuts.texts(before, start)
            if after is before:
                continue
            changed = start + np.flatnonzero(pc.not_equal(before, after).to_numpy(zero_copy_only=False))
            texts = after.take(pa.array(changed - start))
            blank = pc.equal(pc.binary_length(pc.utf8_trim_whitespace(texts)), 0).to_numpy(zero_copy_only=False)
            left = texts.filter(pa.array(~blank))
            found["emptied"].append(changed[blank])
            found["rows"].append(changed[~blank])
            found["sizes"].append(pc.binary_length(left).to_numpy())
            found["digests"].append(from_hexadecimal(digests(pc.utf8_normalize(left, "NFC"))))
        emptied, rows, sizes, written = map(np.concatenate, found.values())
        np.savez(self.path(part), emptied=emptied, rows=rows, sizes=sizes, digests=written)
        self.cuts.census.scratch.release()

    def path(self, part: PartRows) -> Path:
        """Return where a part's edits are."""
        return self.cuts.census.scratch.folder / f"edits-{part.number}.npz"


def _join_pieces(census: Census, kind: str, spool: SpoolPieces) -> int:
    """Write the keys of all pieces and the first piece of each row; return how many pieces are of earlier builds."""
    begins, earlier = census.scratch.array(f"{kind}-begins", (census.rows + 1,), np.int64), 0
    with open(census.scratch.folder / f"{kind}-keys", "wb") as stream:
        for keys in _earlier_keys(census, kind):
            stream.write(keys.tobytes())
            earlier += len(keys)
        for part in census.parts:
            with np.load(spool.path(part)) as found:
                stream.write(found["keys"].tobytes())
                begins[part.start + 1 : part.stop + 1] = found["counts"]
            spool.path(part).unlink()
            census.scratch.release()
    begins[census.earlier] = earlier
    for place in census.scratch.stretches(census.earlier, census.rows):
        start, end = place.start, place.stop
        begins[start + 1 : end + 1] = begins[start] + np.cumsum(begins[start + 1 : end + 1])
    return earlier


def _earlier_keys(census: Census, kind: str) -> Iterator[Keys]:
    """Yield the keys of the pieces that rows of earlier builds, which are still there, were the first to hold."""
    row = 0
    for batch in index_batches(census.folder, census.build, ["fate", kind]):
        if kind in batch.schema.names:
            stay = pa.array(np.isin(census.fate[row : row + len(batch)], STAYED))
            yield batch.column(kind).filter(stay).flatten().to_numpy(zero_copy_only=False)
        row += len(batch)


def _first_keys(census: Census, kind: str) -> IndexColumn:
    """Return the hashes of the pieces of a kind that each row was the first to hold."""
    pieces = open_pieces(census, kind)

    def sizes(place: slice) -> Numbers:
        return np.diff(pieces.begins[place.start : place.stop + 1])

    def lists(place: slice) -> pa.Array:
        # Of some rows nothing is left, but a paragraph of lines that all appeared before may be the first of its kind.
        rows = np.repeat(np.arange(place.stop - place.start), sizes(place))
        stayed = np.isin(census.fate[place], STAYED)
        held = slice(int(pieces.begins[place.start]), int(pieces.begins[place.stop]))
        first = stayed[rows] & ~pieces.repeated[held] & (pieces.keys[held] > SHORT)
        return list_array(pieces.keys[held][first], np.bincount(rows[first], minlength=len(stayed)))

    return IndexColumn(pa.list_(pa.uint64()), lists, sizes)


def piece_keys(texts: pa.Array, separator: str, min_words: int) -> tuple[Keys, Offsets]:
    """Return the keys of the pieces of each text, and the texts' offsets in them (texts + 1)."""
    lists = pc.split_pattern(texts, separator)
    offsets = lists.offsets.to_numpy().astype(np.int64)
    pieces = pc.utf8_trim_whitespace(lists.flatten())
    data, places = string_buffers(pieces)
    keys = np.empty(len(pieces), np.uint64)
    _hash_pieces(data, places, hash_words(pieces).offsets, min_words, keys)
    return keys, offsets - offsets[0]


@kernel
def _hash_pieces(data: Bytes, places: Offsets, words: Offsets, min_words: int, keys: Keys) -> None:
    """Write the key of each piece."""
    for piece in range(len(keys)):
        if places[piece] == places[piece + 1]:
            keys[piece] = BLANK
        elif words[piece + 1] - words[piece] < min_words:
            keys[piece] = SHORT
        else:
            value = HASH_START
            for at in range(places[piece], places[piece + 1]):
                value = (value ^ np.uint64(data[at])) * HASH_FACTOR
            # BLANK and SHORT are no hashes.
            keys[piece] = max(mix(value), SHORT + np.uint64(1))
