"""Keep removed documents out: drop documents of earlier builds, and refuse new ones with the same text."""

from collections.abc import Iterator

import numpy as np

from massivetext.corpus.barrier.census import Census
from massivetext.corpus.barrier.deduplication import Deduplicate
from massivetext.corpus.barrier.fates import Fate
from massivetext.corpus.barrier.keys import as_hexadecimal
from massivetext.corpus.barrier.verdicts import Judge, Verdict
from massivetext.corpus.takedowns import TakenDown
from massivetext.engines import Engine


class Takedowns(Judge):
    """Removes earlier documents by id, and refuses new ones by id, text and raw record.

    A text also counts as removed if it equals the removed document's text before lines were taken out of it.
    """

    name, version = Deduplicate.name, Deduplicate.version

    def judge(self, census: Census, engine: Engine) -> Iterator[Verdict]:
        """Yield the rows that were removed on request."""
        taken = TakenDown(census.folder)
        if not len(taken):
            return
        for part in census.parts:
            gone = taken.among(census.table(part, ["id", "raw_digest"])).to_numpy(zero_copy_only=False)
            yield Verdict(part.start + np.flatnonzero(gone), Fate.REFUSED)
        ids, texts = (set(values.to_pylist()) for values in (taken.ids, taken.texts))
        for place in census.scratch.stretches(0, census.earlier):
            names, arrived = (as_hexadecimal(part[place]).to_pylist() for part in (census.ids, census.arrived))
            removed = [row for row, name in enumerate(names) if name in ids]
            texts |= {arrived[row] for row in removed}
            yield Verdict(place.start + np.array(removed, np.int64), Fate.REMOVED)
        for place in census.scratch.stretches(census.earlier, census.rows):
            names, digests = (as_hexadecimal(part[place]).to_pylist() for part in (census.ids, census.digests))
            refused = [row for row, (name, text) in enumerate(zip(names, digests)) if name in ids or text in texts]
            yield Verdict(place.start + np.array(refused, np.int64), Fate.REFUSED)
