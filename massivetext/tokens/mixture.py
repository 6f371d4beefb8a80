"""Which source each row of training comes from: an exact schedule of shares, found for any row without history."""

from collections.abc import Mapping
from fractions import Fraction
from math import floor, gcd, lcm

import numpy as np
from numba import njit
from numpy.typing import NDArray

from massivetext.errors import ConfigError, unknown_name
from massivetext.tokens.settings import MixtureSettings

# The schedule repeats after this many rows at most; shares with a larger common denominator are rounded to it.
LONGEST_PERIOD_ROWS = 2**22


class Schedule:
    """Deals rows to sources so that at every prefix each source is less than one row away from its share.

    shares: rows of each source in one period, in the order of the sources; the schedule repeats after `sum(shares)`
    rows. The rule is the chairman assignment of R. Tijdeman, "The chairman assignment problem", Discrete Mathematics
    32 (1980): among the sources that may take a row without running ahead, the one whose row is due first.
    """

    def __init__(self, shares: list[int]) -> None:
        self.shares = shares
        self.period_rows = sum(shares)
        self._source, self._earlier = _deal(np.array(shares, dtype=np.int64))

    def place(self, row: int) -> tuple[int, int]:
        """Return (source, number of earlier rows of that source) for a row of training, counted from 0."""
        period, inside = divmod(row, self.period_rows)
        source = int(self._source[inside])
        return source, period * self.shares[source] + int(self._earlier[inside])

    def counts(self, rows: int) -> list[int]:
        """Return how many of the first `rows` rows fall to each source."""
        periods, inside = divmod(rows, self.period_rows)
        head = np.bincount(self._source[:inside], minlength=len(self.shares))
        return [periods * share + int(extra) for share, extra in zip(self.shares, head, strict=True)]


@njit(cache=True)
def _deal(shares: NDArray[np.int64]) -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
    """Return for each row of one period its source and the number of earlier rows of that source.

    All in whole numbers: `lag` is the period times (share of the rows so far, this one included, minus rows taken).
    """
    period, sources = shares.sum(), len(shares)
    slack = max(2 * sources - 2, 1)
    taken = np.zeros(sources, np.int64)
    source_of_row = np.zeros(period, np.uint16)
    earlier = np.zeros(period, np.int32)
    for row in range(period):
        chosen, chosen_due = -1, np.int64(0)
        for source in range(sources):
            lag = shares[source] * (row + 1) - period * taken[source]
            if slack * lag >= period or sources == 1:
                due = (slack - 1) * period - slack * lag
                # due / share, compared by cross multiplication; the first of equals wins
                if chosen < 0 or due * shares[chosen] < chosen_due * shares[source]:
                    chosen, chosen_due = source, due
        source_of_row[row] = chosen
        earlier[row] = taken[chosen]
        taken[chosen] += 1
    return source_of_row, earlier


def rows_per_period(mixture: MixtureSettings, windows: Mapping[str, int]) -> dict[str, int]:
    """Return the whole number of rows that each source trained on has in one period of the schedule.

    windows: rows in one pass of each source of the store. Weights are shares of rows, and all rows hold the same
    number of tokens, so they are shares of tokens. Without weights and epochs the period is one pass of everything.
    """
    given = mixture.exact()
    for name in given:
        if name not in windows:
            raise ConfigError(unknown_name("source in the mixture:", name, windows))
    if mixture.epochs is not None:
        given = {name: given[name] * windows[name] for name in given}
    exact = {name: given[name] for name in windows if name in given} or {n: Fraction(w) for n, w in windows.items()}
    empty = [name for name in exact if windows[name] == 0]
    if empty:
        raise ConfigError(f"the mixture names {', '.join(empty)}, which has no documents in this split; leave it out")
    scale = lcm(*(share.denominator for share in exact.values()))
    whole = {name: int(share * scale) for name, share in exact.items()}
    common = gcd(*whole.values())
    whole = {name: share // common for name, share in whole.items()}
    return whole if sum(whole.values()) <= LONGEST_PERIOD_ROWS else _rounded(whole, LONGEST_PERIOD_ROWS)


def _rounded(shares: dict[str, int], total: int) -> dict[str, int]:
    """Return the shares scaled to sum to `total`, by largest remainder, each at least 1."""
    exact = {name: Fraction(share * total, sum(shares.values())) for name, share in shares.items()}
    scaled = {name: max(floor(share), 1) for name, share in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (scaled[name] - exact[name], name))
    for name in by_remainder[: max(total - sum(scaled.values()), 0)]:
        scaled[name] += 1
    return scaled
