"""Counts that grow batch by batch: documents and bytes, and histograms with bins fixed in advance."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FRACTION_BINS = 40
DECADE_BINS = 6
DECADES = 6
LEAST_MIDDLE, MOST_MIDDLE = 1e-200, 1e200
"""Limits beyond these would give bin edges that are not finite numbers."""


@dataclass
class Tally:
    """Documents and their bytes."""

    documents: int = 0
    size_bytes: int = 0

    def add(self, documents: int, size_bytes: int) -> None:
        """Add documents and their bytes to the counts."""
        self.documents += documents
        self.size_bytes += size_bytes


def logarithmic(middle: float, decades: float = DECADES, per_decade: int = DECADE_BINS) -> npt.NDArray[np.float64]:
    """Return bin edges in equal ratios over `decades` on each side of `middle`, which is one of them."""
    steps = round(decades * per_decade)
    return middle * 10.0 ** (np.arange(-steps, steps + 1) / per_decade)


LENGTHS = logarithmic(1000.0, 3, 4)
LENGTHS = np.concatenate([LENGTHS, LENGTHS[-1] * 10.0 ** (np.arange(1, 13) / 4)])
"""Edges for bytes of documents: from one to a billion."""


class Histogram:
    """Number of values between each two edges; values outside count in the outermost bins."""

    def __init__(
        self,
        edges: npt.NDArray[np.float64],
        limit: float | None = None,
        above: bool = True,
        even: bool = False,
    ) -> None:
        self.edges, self.limit, self.above, self.even = edges, limit, above, even
        """even: the bins have (nearly) equal width, not an equal ratio."""
        self.counts = np.zeros(len(edges) - 1, np.int64)

    @classmethod
    def for_limit(cls, name: str, limit: float) -> "Histogram":
        """Return an empty histogram for a rule with a bin edge at its limit. `min_...` rejects below, others above.

        Fractions have bins of equal width from 0 to 1, other measures bins of equal ratio. A limit below 0 has bins of
        equal width around 0. A limit at the end of the scale has an extra bin beyond it, so both sides are visible.
        """
        above = not name.startswith("min_")
        if not math.isfinite(limit):
            return cls(logarithmic(1.0), None, above)
        if ("fraction" in name or "_per_" in name) and 0 <= limit <= 1:
            if 0 < limit < 1:
                left = min(max(round(FRACTION_BINS * limit), 2), FRACTION_BINS - 2)
                lower = np.linspace(0, limit, left, endpoint=False)
                return cls(np.append(lower, np.linspace(limit, 1, FRACTION_BINS - left)), limit, above, even=True)
            scale = np.linspace(0, 1, FRACTION_BINS + 1)
            beyond = [-scale[1], *scale] if limit == 0 else [*scale, 1 + scale[1]]
            return cls(np.array(beyond), limit, above, even=True)
        if limit < 0:
            return cls(np.linspace(2 * limit, -2 * limit, 2 * FRACTION_BINS + 1), limit, above, even=True)
        if limit == 0:
            edges = logarithmic(1.0)
            edges = edges[edges > 0.9e-3]
            return cls(np.append([-edges[0], 0.0], edges), limit, above)
        return cls(logarithmic(min(max(limit, LEAST_MIDDLE), MOST_MIDDLE)), limit, above)

    def add(self, values: npt.NDArray[np.float64]) -> None:
        """Count values except NaN. A value equal to the limit counts on the side that is kept."""
        values = values[~np.isnan(values)]
        places = np.searchsorted(self.edges, values, "left" if self.above else "right") - 1
        self.counts += np.bincount(np.clip(places, 0, len(self.counts) - 1), minlength=len(self.counts))

    def broken(self) -> npt.NDArray[np.bool_]:
        """Return which bins are beyond the limit."""
        if self.limit is None:
            return np.zeros(len(self.counts), bool)
        middles = (self.edges[1:] + self.edges[:-1]) / 2
        return middles > self.limit if self.above else middles < self.limit
