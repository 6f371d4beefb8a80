"""Draw histograms as SVG: the number of documents by measured value, and the limit of the rule for this measure."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from massivetext.report.quantities import count_text, tick_text
from massivetext.report.svg import Drawing, text_width
from massivetext.report.tallies import Histogram
from massivetext.translations import tr

TOP, BOTTOM = 22.0, 20.0


def histogram_picture(
    histogram: Histogram,
    colour: str,
    *,
    width: float,
    height: float,
    name: str,
    write: Callable[[float], str] = tick_text,
) -> str:
    """Return bars of documents over a measure, with logarithmic heights; bars beyond the limit are grey.

    write: formats values of the measure.
    """
    first, last = _shown(histogram)
    counts, broken = histogram.counts[first:last].tolist(), histogram.broken()[first:last].tolist()
    edges = histogram.edges[first : last + 1].tolist()
    # If only the first bin is below 0, it holds the zeros.
    least = 0.0 if histogram.edges[0] < 0 <= histogram.edges[1] else -math.inf
    drawing = Drawing(width, height, name)
    most = math.log10(max(counts) + 1)
    left = 8 + max(text_width(count_text(10**power), 11.5) for power in range(int(most) + 1))
    inside = width - left - 4
    floor = height - BOTTOM

    # Bins of equal ratio have equal width on a logarithmic axis. Values outside are drawn at the end of the axis.
    marks = edges if histogram.even else list(range(len(edges)))
    places = left + (np.array(marks) - marks[0]) / (marks[-1] - marks[0]) * inside

    def across(value: float) -> float:
        return float(np.interp(value, edges, places))

    def up(count: float) -> float:
        return floor - math.log10(count + 1) / max(most, 0.3) * (floor - TOP)

    for power in range(int(most) + 1):
        y = up(10**power)
        drawing.line(left, y, width - 4, y, "grid")
        drawing.text(left - 5, y + 4, count_text(10**power), "tick", "end")
    for count, far, start, end in zip(counts, broken, edges, edges[1:]):
        if count:
            x, y = across(start), up(count)
            bar = "bar lost" if far else f"bar {colour}"
            low, high = (write(max(float(f"{value:.3g}"), least)) for value in (start, end))
            title = tr("{low} to {high}: {count} documents", low=low, high=high, count=count_text(count))
            drawing.add(
                "rect", x=x + 0.5, y=y, width=max(across(end) - x - 1, 1.0), height=floor - y, class_=bar, title=title
            )
    drawing.line(left, floor, width - 4, floor, "axis")
    _draw_ticks(drawing, [max(edges[0], least), edges[-1]], histogram.limit, across, write)
    return drawing.finish()


def _draw_ticks(
    drawing: Drawing, ends: Sequence[float], limit: float | None, across: Callable[[float], float],
    write: Callable[[float], str],
) -> None:  # fmt: skip
    """Write the numbers at the ends of the axis, and draw the limit."""
    taken, floor = None, drawing.height - BOTTOM
    if limit is not None:
        x = across(limit)
        words = write(limit)
        drawing.line(x, TOP - 8, x, floor + 4, "limit")
        anchor = "start" if x < 40 else "end" if x > drawing.width - 40 else "middle"
        drawing.text(x, TOP - 11, words, "small ink-model strong", anchor)
        taken = x
    for value, anchor in zip(ends, ("start", "end")):
        x = across(value)
        if taken is None or abs(taken - x) > 14:
            drawing.text(x, floor + 15, write(float(f"{value:.2g}")), "tick", anchor)


def _shown(histogram: Histogram) -> tuple[int, int]:
    """Return the first bin to show and the one after the last: the range includes all documents and the limit."""
    occupied = histogram.counts.nonzero()[0].tolist()
    if histogram.limit is not None:
        limit = int(abs(histogram.edges - histogram.limit).argmin())
        occupied += [max(limit - 1, 0), min(limit, len(histogram.counts) - 1)]
    if histogram.even or histogram.edges[0] < 0:
        # Start at the first bin, so that pictures of fractions are easy to compare.
        return 0, min(max(occupied) + 2, len(histogram.counts))
    return max(min(occupied) - 1, 0), min(max(occupied) + 2, len(histogram.counts))
