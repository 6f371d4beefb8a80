"""Find exact duplicates: documents whose text, or whose words, equal those of an earlier one."""

from collections.abc import Iterator

import numpy as np

from massivetext.corpus.barrier.census import EXACT_ASKED, Census
from massivetext.corpus.barrier.deduplication import Deduplicate
from massivetext.corpus.barrier.fates import Fate
from massivetext.corpus.barrier.scratch import equal_rows
from massivetext.corpus.barrier.verdicts import Judge, Verdict
from massivetext.engines import Engine


class Exact(Judge):
    """Drops rows that repeat the text of an earlier row, if the sources of both require it."""

    name, version = Deduplicate.name, Deduplicate.version

    def __init__(self, memory_bytes: int) -> None:
        self.memory_bytes = memory_bytes

    def judge(self, census: Census, engine: Engine) -> Iterator[Verdict]:
        """Yield the rows with equal texts (EXACT) or equal words (FOLDED); each names the first such row as `like`."""
        asked = (census.asked & EXACT_ASKED) > 0
        compared, arrived = census.compared, census.arrived
        for rows, begins in equal_rows([compared[:, 0], compared[:, 1]], asked, self.memory_bytes):
            first = rows[begins]
            again = rows != first
            rows, first = rows[again], first[again]
            equal = (arrived[rows] == arrived[first]).all(axis=1)
            yield Verdict(rows[equal], Fate.EXACT, like=first[equal], value=np.ones(int(equal.sum())))
            yield Verdict(rows[~equal], Fate.FOLDED, like=first[~equal])
