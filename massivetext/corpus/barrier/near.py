"""Find near-duplicates among all documents: MinHash bands give candidates, compared by true Jaccard similarity.

A row whose similarity to any earlier row, kept or not, reaches `threshold` is dropped. This depends on earlier rows
alone, so appending gives the same result as building everything at once.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from massivetext.corpus.barrier.banding import Banding, banding_for
from massivetext.corpus.barrier.census import NOWHERE, Census
from massivetext.corpus.barrier.deduplication import Deduplicate, NearSettings
from massivetext.corpus.barrier.fates import COMPARED, Fate
from massivetext.corpus.barrier.index import list_array
from massivetext.corpus.barrier.keys import Mask, Numbers
from massivetext.corpus.barrier.neighbours import (
    Candidates,
    Neighbours,
    find_neighbours,
    judged_stretches,
)
from massivetext.corpus.barrier.verdicts import IndexColumn, Judge, Verdict
from massivetext.engines import Engine
from massivetext.text.compiling import kernel
from massivetext.text.minhash import jaccard

DROPPED_AND_COMPARED = tuple(fate for fate in COMPARED if fate != Fate.KEPT)


def split_banding(near: NearSettings) -> Banding:
    """Return bands of the same hash values in which documents of similarity `split_threshold` are found."""
    assert near.split_threshold is not None
    hashes = near.bands * near.rows
    return banding_for(near.split_threshold, hashes, hashes)


class Near(Judge):
    """Drops rows that are near-duplicates of an earlier one."""

    name, version = Deduplicate.name, Deduplicate.version

    def __init__(self, near: NearSettings, memory_bytes: int, is_split: bool) -> None:
        self.near, self.memory_bytes = near, memory_bytes
        self.bandings = [near.banding]
        if is_split and near.split_threshold is not None:
            self.bandings.append(split_banding(near))
        self.found: Neighbours | None = None
        """The neighbours, which the judge of the split uses too."""

    @property
    def finds_sides(self) -> bool:
        """Whether it also finds the neighbours that must be in the same split."""
        return len(self.bandings) > 1

    def judge(self, census: Census, engine: Engine) -> Iterator[Verdict]:
        """Yield the near-duplicates; each names the first similar row in a band as its `like`."""
        self.found = find_neighbours(census, self.near, self.bandings, self.memory_bytes, engine)
        candidates = self.found.candidates(0, self.near.threshold)
        seen = census.scratch.array("near-seen", (census.rows,), np.int64, NOWHERE)
        for place in judged_stretches(census):
            judged = self.found.taken[place] & (census.fate[place] == Fate.KEPT)
            like = np.full(len(judged), NOWHERE)
            value = np.full(len(judged), np.nan)
            _find_near(place.start, judged, candidates, self.near.verify, seen, like, value)
            found = np.flatnonzero(like != NOWHERE)
            yield Verdict(place.start + found, Fate.NEAR, like[found], value[found], self.near.threshold)

    def index_columns(self, census: Census, engine: Engine) -> dict[str, IndexColumn]:
        """Return the keys of all rows, and the shingles of rows whose compared text is not stored in the corpus."""
        assert self.found is not None
        keys, taken, _, spool = self.found
        needed = np.isin(census.fate, DROPPED_AND_COMPARED) | (census.sizes != NOWHERE)
        missing = needed & taken & (spool.spans[:, 0] == NOWHERE)
        missing[: census.earlier] = False
        spool.add_parts(missing)
        shingles, spans = spool.shingles, spool.spans

        def counts(place: slice) -> Numbers:
            counted: Numbers = np.where(needed[place], spans[place, 1] - spans[place, 0], 0)
            return counted

        def lists(place: slice) -> pa.Array:
            counted = counts(place)
            chosen = spans[place][counted > 0].tolist()
            values = np.concatenate([shingles[:0], *(shingles[start:end] for start, end in chosen)])
            return list_array(values, counted)

        def packed(place: slice) -> pa.Array:
            held = np.ascontiguousarray(keys[:, place].T)
            return pa.Array.from_buffers(kind, len(held), [None, pa.py_buffer(held)])

        kind = pa.binary(8 * len(keys))
        return {
            "keys": IndexColumn(kind, packed),
            "shingles": IndexColumn(pa.list_(pa.uint64()), lists, counts),
        }


@kernel
def _find_near(
    start: int,
    judged: Mask,
    candidates: Candidates,
    verify: bool,
    seen: Numbers,
    like: Numbers,
    value: npt.NDArray[np.float64],
) -> None:
    """For each judged row from `start` on, write the first similar row and the similarity."""
    members, begins, places = candidates.meeting
    shingles, spans, threshold = candidates.shingles, candidates.spans, candidates.threshold
    for at in range(len(judged)):
        row = start + at
        if not judged[at]:
            continue
        for band in range(len(places)):
            place = places[band, row] - 1
            if place < 0 or like[at] >= 0:
                continue
            for member in members[begins[place] : place]:
                if seen[member] == row:
                    continue
                seen[member] = row
                if verify and (spans[member, 0] < 0 or spans[row, 0] < 0):
                    continue
                found = np.nan
                if verify:
                    found = jaccard(
                        shingles[spans[member, 0] : spans[member, 1]],
                        shingles[spans[row, 0] : spans[row, 1]],
                        threshold,
                    )
                if not verify or found >= threshold:
                    like[at], value[at] = member, found
                    break
