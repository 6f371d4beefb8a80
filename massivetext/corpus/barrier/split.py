"""The split: similar documents, and documents from one file, belong in one split.

Rows are settled one after the other in canonical order. A row goes to the split of the earlier kept rows whose
similarity reaches `split_threshold`. If these are in two splits, or in another split than the rest of the row's file,
the row is dropped, because keeping it would leak one split into the other.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from massivetext.corpus.barrier.census import NOWHERE, Census
from massivetext.corpus.barrier.deduplication import Deduplicate
from massivetext.corpus.barrier.fates import STAYED, Fate
from massivetext.corpus.barrier.keys import Mask, Numbers
from massivetext.corpus.barrier.near import Near
from massivetext.corpus.barrier.neighbours import Candidates, judged_stretches
from massivetext.corpus.barrier.scratch import equal_rows
from massivetext.corpus.barrier.verdicts import Judge, Verdict
from massivetext.engines import Engine
from massivetext.text.compiling import kernel
from massivetext.text.minhash import jaccard

Sides = npt.NDArray[np.int8]


class Settled(NamedTuple):
    """Which rows stay, and in which split, while rows are being settled."""

    stays: Mask
    side: Sides
    group: Numbers
    """(rows,), the first row from the same file."""
    decided: Sides
    """(rows,), the split of a file, stored at its first row; NOWHERE until one of its rows is settled."""


class Split(Judge):
    """Moves rows to the split of similar rows, and drops rows that are similar to rows in two splits."""

    name, version = Deduplicate.name, Deduplicate.version

    def __init__(self, near: Near) -> None:
        """near: the judge that runs before this one and finds the neighbours for both."""
        self.near = near

    def judge(self, census: Census, engine: Engine) -> Iterator[Verdict]:
        """Yield the rows that bridge two splits, and the rows that move to another split than was drawn for them."""
        threshold, neighbours = self.near.near.split_threshold, self.near.found
        assert threshold is not None and neighbours is not None
        candidates = neighbours.candidates(1, threshold)
        settled = _first_settled(census, self.near.memory_bytes)
        seen = census.scratch.array("split-seen", (census.rows,), np.int64, NOWHERE)
        for place in judged_stretches(census):
            before, drawn = settled.stays[place].copy(), census.side[place]
            value = np.full(len(before), np.nan)
            _settle(place.start, neighbours.taken[place], candidates, settled, seen, value)
            stays, side = settled.stays[place], settled.side[place]
            gone, moved = np.flatnonzero(before & ~stays), np.flatnonzero(stays & (side != drawn))
            facts = {"side": side[moved]}
            yield Verdict(place.start + gone, Fate.BRIDGE, value=value[gone], threshold=threshold)
            yield Verdict(place.start + moved, Fate.KEPT, facts=facts)


def _first_settled(census: Census, memory_bytes: int) -> Settled:
    """Return what earlier builds have settled."""
    scratch, rows = census.scratch, census.rows
    settled = Settled(
        stays=scratch.array("stays", (rows,), np.bool_),
        side=scratch.array("settled-side", (rows,), np.int8),
        group=scratch.array("groups", (rows,), np.int64),
        decided=scratch.array("decided", (rows,), np.int8, NOWHERE),
    )
    for place in scratch.stretches(0, rows):
        settled.group[place] = np.arange(place.start, place.stop)
        settled.stays[place] = np.isin(census.fate[place], STAYED)
        settled.side[place] = census.side[place]
    for found, begins in equal_rows([census.group], np.ones(rows, bool), memory_bytes):
        settled.group[found] = found[begins]
        scratch.release()
    for place in scratch.stretches(0, census.earlier):
        kept = settled.stays[place]
        settled.decided[settled.group[place][kept]] = settled.side[place][kept]
    return settled


@kernel
def _settle(
    start: int, taken: Mask, candidates: Candidates, settled: Settled, seen: Numbers, value: npt.NDArray[np.float64]
) -> None:
    """Settle rows from `start` on, in order; write the similarity of the rows that are dropped."""
    members, begins, places = candidates.meeting
    shingles, spans, threshold = candidates.shingles, candidates.spans, candidates.threshold
    stays, side, group, decided = settled
    for at in range(len(taken)):
        row = start + at
        if not stays[row]:
            continue
        allowed = decided[group[row]]
        for band in range(len(places) if taken[at] else 0):
            place = places[band, row] - 1
            if place < 0 or not stays[row]:
                continue
            for member in members[begins[place] : place]:
                # Rows in the split that is already settled cannot change anything.
                if not stays[member] or side[member] == allowed or seen[member] == row:
                    continue
                seen[member] = row
                if spans[member, 0] < 0 or spans[row, 0] < 0:
                    continue
                found = jaccard(
                    shingles[spans[member, 0] : spans[member, 1]], shingles[spans[row, 0] : spans[row, 1]], threshold
                )
                if found >= threshold:
                    if allowed != NOWHERE:
                        stays[row], value[at] = False, found
                        break
                    allowed = side[member]
        if stays[row]:
            if allowed != NOWHERE:
                side[row] = allowed
            decided[group[row]] = side[row]
