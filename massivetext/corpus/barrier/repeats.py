"""Lines and paragraphs that stood before, in an earlier document or in the same one, are taken out of the documents.

This is an edit, but it needs all documents, so it is a part of the barrier: it comes after duplicates are dropped and
looks at those that stay, in canonical order. The first place of a line keeps it. That depends on earlier rows alone, so
appending gives what building at once gives; the index keeps the hashes of the lines that a row was the first to hold.

Lines are those between line feeds, paragraphs those between empty lines. Two are the same when they are equal but for
white space at their ends, by 64-bit hashes of their bytes. Hashes are on disk, sorted in as many ranges as
`memory_bytes` asks for.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from massivetext.corpus.barrier.census import Census, equal_rows
from massivetext.corpus.barrier.deduplication import REPEATS, Deduplicate, RepeatSettings
from massivetext.corpus.barrier.index import (
    KEPT,
    REPEATED,
    STAYED,
    Keys,
    Lists,
    Numbers,
    from_hexadecimal,
    index_batches,
)
from massivetext.corpus.parts import opened, part_files
from massivetext.corpus.rows import digests, noted
from massivetext.text.arrays import Bytes, Offsets, string_buffers
from massivetext.text.compiling import kernel
from massivetext.text.words import HASH_FACTOR, HASH_START, hash_words, mix

BLANK, SHORT = np.uint64(0), np.uint64(1)
"""Keys of pieces that are never taken out: nothing but white space, and fewer words than `min_words`."""
Mask = npt.NDArray[np.bool_]


class Pieces(NamedTuple):
    """The lines, or the paragraphs, of all rows that ask for them."""

    keys: Keys
    """(pieces,), the hash of each, BLANK or SHORT; first those that earlier builds were the first to hold."""
    begins: Numbers
    """(rows + 1,), the first piece of each row."""
    repeated: Mask
    """(pieces,), those that stood before."""


@dataclass
class Repeats:
    """What is taken out of which row."""

    census: Census
    settings: Mapping[str, Mapping[str, RepeatSettings]]
    """Kind (a key of REPEATS) -> source -> what it asks."""
    found: dict[str, Pieces] = field(default_factory=dict)
    """Kind -> its pieces, in the order in which they are taken out."""

    def edited(self, batch: pa.RecordBatch, start: int) -> pa.RecordBatch:
        """Return rows without what stood before, the edit noted; start: the number of the first."""
        before = batch.column("text")
        texts = self._texts(before, start)
        return batch if texts is before else noted(batch, texts, pc.not_equal(before, texts), Deduplicate)

    def _texts(self, texts: pa.Array, start: int) -> pa.Array:
        """Return the texts of rows from `start` on without what was found so far; the same array if that is nothing."""
        changed: dict[int, str] = {}
        for kind, pieces in self.found.items():
            place = slice(start, start + len(texts))
            begins, ends = pieces.begins[place], pieces.begins[start + 1 : start + 1 + len(texts)]
            if not len(begins) or not pieces.repeated[begins[0] : ends[-1]].any():
                continue
            for row in np.flatnonzero(self.census.fate[place] == KEPT).tolist():
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

    def first_keys(self, kind: str) -> Lists:
        """Return the hashes of the pieces that each row was the first to hold."""
        begins, found = self.found[kind].begins, self.found[kind]

        def sizes(place: slice) -> Numbers:
            return np.diff(begins[place.start : place.stop + 1])

        def values(place: slice) -> tuple[Keys, Numbers]:
            # Of some rows nothing is left, but a paragraph of lines that all stood before may be the first of its kind.
            rows = np.repeat(np.arange(place.stop - place.start), sizes(place))
            stayed = np.isin(self.census.fate[place], STAYED)
            held = slice(int(begins[place.start]), int(begins[place.stop]))
            first = stayed[rows] & ~found.repeated[held] & (found.keys[held] > SHORT)
            return found.keys[held][first], np.bincount(rows[first], minlength=len(stayed))

        return Lists(sizes, values)


def take_repeats(
    folder: Path,
    work: Path,
    census: Census,
    settings: Mapping[str, Mapping[str, RepeatSettings]],
    memory_bytes: int,
    build: int,
    threads: int,
) -> Repeats:
    """Decide what is taken out of the rows of this build; give them their new sizes and digests.

    A row of which nothing is left is dropped.
    """
    repeats = Repeats(census, settings)
    for kind, asked in settings.items():
        if asked:
            keys, begins, earlier = _spool(folder, work, repeats, kind, build, threads)
            repeated = census.scratch.array(f"{kind}-repeated", (len(keys),), np.bool_)
            long = census.scratch.array(f"{kind}-long", (len(keys),), np.bool_)
            np.greater(keys, SHORT, out=long)
            for pieces, first in equal_rows([keys], long, memory_bytes):
                again = (pieces[first] != pieces) & (pieces >= earlier)
                repeated[pieces[again]] = True
                census.scratch.release()
            repeats.found[kind] = Pieces(keys, begins, repeated)

    if not repeats.found:
        return repeats

    def finish(number: int) -> None:
        row = int(census.starts[number])
        for batch in opened(part_files(work, number).kept, ["text"]):
            _note_edits(repeats, batch, row)
            row += len(batch)
        census.scratch.release()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(finish, range(len(census.starts) - 1)))
    return repeats


def _note_edits(repeats: Repeats, batch: pa.RecordBatch, start: int) -> None:
    """Give the rows of a batch that change their new size and digest, and drop those of which nothing is left."""
    census, before = repeats.census, batch.column("text")
    after = repeats._texts(before, start)
    if after is before:
        return
    rows = start + np.flatnonzero(pc.not_equal(before, after).to_numpy(zero_copy_only=False))
    texts = after.take(pa.array(rows - start))
    blank = pc.equal(pc.binary_length(pc.utf8_trim_whitespace(texts)), 0).to_numpy(zero_copy_only=False)
    census.fate[rows[blank]] = REPEATED
    left = texts.filter(pa.array(~blank))
    census.digests[rows[~blank]] = from_hexadecimal(digests(pc.utf8_normalize(left, "NFC")))
    census.sizes[rows[~blank]] = pc.binary_length(left).to_numpy()


def _spool(
    folder: Path, work: Path, repeats: Repeats, kind: str, build: int, threads: int
) -> tuple[Keys, Numbers, int]:
    """Return the keys of all pieces on disk, the first piece of each row, and how many pieces are of earlier builds."""
    census, asked = repeats.census, repeats.settings[kind]
    begins = census.scratch.array(f"{kind}-begins", (census.rows + 1,), np.int64)

    def spool(number: int) -> None:
        keys, counts = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
        row = int(census.starts[number])
        for batch in opened(part_files(work, number).kept, ["source", "text"]):
            settings = asked.get(batch.column("source")[0].as_py())
            stay = census.fate[row : row + len(batch)] == KEPT
            lengths = np.zeros(len(batch), np.int64)
            if settings is not None and stay.any():
                texts = repeats._texts(batch.column("text"), row).filter(pa.array(stay))
                found, offsets = piece_keys(texts, REPEATS[kind], settings.min_words)
                keys.append(found)
                lengths[stay] = np.diff(offsets)
            counts.append(lengths)
            row += len(batch)
        np.save(census.scratch.folder / f"{kind}-{number}.npy", np.concatenate(keys))
        begins[int(census.starts[number]) + 1 : row + 1] = np.concatenate(counts)
        census.scratch.release()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(spool, range(len(census.starts) - 1)))
    path = census.scratch.folder / f"{kind}-keys"
    with open(path, "wb") as stream:
        earlier = 0
        for found in _earlier_keys(folder, census, kind, build):
            stream.write(found.tobytes())
            earlier += len(found)
        for number in range(len(census.starts) - 1):
            part = census.scratch.folder / f"{kind}-{number}.npy"
            stream.write(np.load(part).tobytes())
            part.unlink()
    begins[census.earlier] = earlier
    for place in census.scratch.stretches(census.earlier, census.rows):
        start, end = place.start, place.stop
        begins[start + 1 : end + 1] = begins[start] + np.cumsum(begins[start + 1 : end + 1])
    return census.scratch.mapped(path.name, np.uint64), begins, earlier


def _earlier_keys(folder: Path, census: Census, kind: str, build: int) -> Iterator[Keys]:
    """Yield the keys of the pieces that rows of earlier builds, which are still there, were the first to hold."""
    row = 0
    for batch in index_batches(folder, build, ["fate", kind]):
        if kind in batch.schema.names:
            stay = pa.array(np.isin(census.fate[row : row + len(batch)], STAYED))
            yield batch.column(kind).filter(stay).flatten().to_numpy(zero_copy_only=False)
        row += len(batch)


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
