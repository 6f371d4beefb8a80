"""Draw the charts of the report as SVG: lines over training, and bars of scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from massivetext.report.quantities import change_text, tick_text
from massivetext.report.svg import Drawing, Point, nice_ticks, spread, text_width
from massivetext.translations import tr

WIDE, NARROW = 940.0, 400.0  # widths of a chart on a large and on a small screen, in pixels
BUCKETS = 260  # points of a drawn line: finer than the eye, small on disk
HOVERS = 48  # points of a line that show their values under the pointer


@dataclass(frozen=True)
class Series:
    """One line or row of dots. colour: a class of the style sheet, such as "c0" or "model"."""

    name: str
    points: Sequence[Point]
    colour: str
    kind: str = "line"
    """line, faint (thin and pale) or dots."""
    labelled: bool = True
    """Whether the name is written at the end of the line."""


@dataclass(frozen=True)
class Axis:
    """An axis: its label, and how its numbers are written."""

    label: str
    write: Callable[[float], str] = tick_text
    zero: bool = False
    """Whether the axis begins at zero."""


@dataclass(frozen=True)
class Bar:
    """One bar of scores. group: 0 for systems that were trained on the training text, 1 for the others."""

    name: str
    value: float
    colour: str
    group: int
    interval: Sequence[float] = field(default=())
    change: float | None = None
    """Relative change from this bar's value to this model's: above zero if this model's value is higher."""


def thinned(points: Sequence[Point], buckets: int = BUCKETS) -> list[Point]:
    """Return the first point and the means of consecutive groups of points, about `buckets` of them."""
    if len(points) <= buckets:
        return list(points)
    size = len(points) / buckets
    groups = [points[round(i * size) : round((i + 1) * size)] for i in range(buckets)]
    return [points[0], *((sum(x for x, _ in g) / len(g), sum(y for _, y in g) / len(g)) for g in groups)]


def below(points: Sequence[Point], limit: float) -> list[Point]:
    """Return the points from the first crossing below `limit` on; all of them if they start below it.

    Points above `limit` are lowered to it.
    """
    first = next((i for i, (_, y) in enumerate(points) if y <= limit), 0)
    if not first:
        return [(x, min(y, limit)) for x, y in points]
    (x1, y1), (x2, y2) = points[first - 1], points[first]
    crossing = x1 + (x2 - x1) * (y1 - limit) / (y1 - y2)
    return [(crossing, limit), *((x, min(y, limit)) for x, y in points[first:])]


def smoothed(points: Sequence[Point], fraction: float = 0.03) -> list[Point]:
    """Return a running mean over `fraction` of the points, centred so that a falling curve is not delayed.

    Near the end, where fewer points follow, it still includes all points before: a noisy last value would otherwise
    look like a cliff.
    """
    half = round(len(points) * fraction / 2)
    sums = [0.0]
    for _, y in points:
        sums.append(sums[-1] + y)
    found = []
    for i, (x, _) in enumerate(points):
        before, after = min(half, i), min(half, i, len(points) - 1 - i)
        found.append((x, (sums[i + after + 1] - sums[i - before]) / (before + after + 1)))
    return found


def line_chart(series: Sequence[Series], x_axis: Axis, y_axis: Axis, *, width: float, height: float, name: str) -> str:
    """Return a chart of lines over a shared x axis, each labelled at its end.

    The y axis covers the range of the lines after their first twentieth. A curve that starts far above is cut, and a
    note says where it starts.
    """
    drawing = Drawing(width, height, name)
    shown = [one for one in series if one.points]
    labels = [one.name for one in shown if one.labelled]
    right = 14 + max((text_width(label, 13) + 6 for label in labels if label), default=0)
    low_y, high_y = _y_range(shown, y_axis.zero)
    y_ticks = nice_ticks(low_y, high_y, max(2, round(height / 55)))
    left = 14 + max(text_width(y_axis.write(tick), 11.5) for tick in y_ticks)
    top, bottom = 26.0, 36.0
    last_x = max(x for one in shown for x, _ in one.points)
    first_x = min(x for one in shown for x, _ in one.points) if not y_axis.zero else 0.0
    first_x = 0.0 if first_x < 0.1 * last_x else first_x

    def place(x: float, y: float) -> Point:
        across = (x - first_x) / max(last_x - first_x, 1e-12)
        up = (y - low_y) / max(high_y - low_y, 1e-12)
        return left + across * (width - left - right), height - bottom - up * (height - top - bottom)

    for tick in y_ticks:
        _, y = place(first_x, tick)
        drawing.line(left, y, width - right, y, "grid")
        drawing.text(left - 6, y + 4, y_axis.write(tick), "tick", "end")
    for tick in nice_ticks(first_x, last_x, max(2, round((width - left - right) / 110))):
        x, _ = place(tick, low_y)
        drawing.line(x, height - bottom, x, height - bottom + 4, "axis")
        drawing.text(x, height - bottom + 17, x_axis.write(tick), "tick", "middle")
    drawing.line(left, height - bottom, width - right, height - bottom, "axis")
    drawing.text(0, 12, y_axis.label, "unit")
    drawing.text(width - right, height - 4, x_axis.label, "unit", "end")
    _draw_series(drawing, shown, place, high_y, x_axis, y_axis)
    named = [(one, place(*one.points[-1])) for one in shown if one.labelled and one.name]
    heights = spread([point[1] for _, point in named], 15, top, height - bottom)
    for (one, _), y in zip(named, heights):
        drawing.text(width - right + 9, y + 4, one.name, f"label ink-{one.colour}")
    return drawing.finish()


def _y_range(shown: Sequence[Series], zero: bool) -> tuple[float, float]:
    """Return the lowest and highest values of the y axis."""
    settled = [y for one in shown for _, y in one.points[len(one.points) // 20 :]]
    low, high = (0.0 if zero else min(settled)), max(settled)
    margin = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return (0.0 if zero else low - margin), high + margin


def _draw_series(
    drawing: Drawing,
    shown: Sequence[Series],
    place: Callable[[float, float], Point],
    high_y: float,
    x_axis: Axis,
    y_axis: Axis,
) -> None:
    """Draw lines, then dots on top of them, with the values that appear under the pointer."""
    for one in sorted(shown, key=lambda one: ("faint", "line", "dots").index(one.kind)):
        values = below(one.points, high_y)
        points = [place(*point) for point in values]
        if one.kind == "dots":
            drawing.curve(points, f"dash {one.colour}")
        else:
            drawing.curve(points, f"{one.kind} {one.colour}")
        if one.kind == "faint":
            continue
        every = 1 if one.kind == "dots" else max(1, len(points) // HOVERS)
        for (x, y), (value_x, value_y) in list(zip(points, values))[::every]:
            title = f"{one.name}: {value_y:.4g} · {x_axis.label} {x_axis.write(value_x)}"
            kind = "dot" if one.kind == "dots" else "hover"
            drawing.add("circle", title=title, cx=x, cy=y, r=3.5 if kind == "dot" else 7, class_=f"{kind} {one.colour}")
    cut = [one for one in shown if one.kind == "line" and one.points[0][1] > high_y]
    if cut:
        start = max(cut, key=lambda one: one.points[0][1]).points[0][1]
        x, y = place(max(below(one.points, high_y)[0][0] for one in cut), high_y)
        drawing.text(x + 26, y + 6, tr("↑ from {value}", value=y_axis.write(round(start, 2))), "tick")


def bar_chart(
    bars: Sequence[Bar],
    groups: Sequence[str],
    highest: float,
    *,
    width: float,
    name: str,
    write: Callable[[float], str] = "{:.3f}".format,
) -> str:
    """Return bars from zero to `highest`, in groups with a heading each (none for a small chart).

    Each bar has its interval, if there is one. At its end are its value, as `write` formats it, and, for other systems,
    how much higher or lower this model's value is. A group with an empty heading has none.
    """
    headed = bool(groups)
    row, thick = (30.0, 16.0) if headed else (21.0, 11.0)
    size = 13.0 if headed else 12.0
    above = headed and width < 560  # in a narrow picture, labels are above the bars
    left = 0.0 if above else 12 + max(text_width(bar.name, size + 0.5) for bar in bars)
    right = (68.0 if headed else 56.0) + max(text_width(write(bar.value), size + 2) for bar in bars)
    row += 18 if above else 0
    height = sum(row for _ in bars) + sum(26 for group in {bar.group for bar in bars} if headed and groups[group]) + 4
    drawing = Drawing(width, height, name)
    y, group = 0.0, -1
    for bar in sorted(bars, key=lambda bar: bar.group):
        if headed and bar.group != group and groups[bar.group]:
            group = bar.group
            y += 26
            drawing.text(0, y - 8, groups[group], "unit")
        y += 18 if above else 0
        middle = y + thick / 2 + 3
        baseline = middle + size * 0.35
        strong = " strong" if bar.colour == "model" else ""
        drawing.text(0, y - 3 if above else baseline, bar.name, f"{'label' if headed else 'small'}{strong}")
        scale = (width - left - right) / (highest or 1.0)
        drawing.add(
            "rect", x=left, y=middle - thick / 2, width=max(bar.value * scale, 1.0), height=thick, rx=2.0,
            class_=f"bar {bar.colour}", title=f"{bar.name}: {bar.value:.4f}",
        )  # fmt: skip
        end = left + max(bar.value, 0.0) * scale
        if headed and bar.interval:
            low, high = (left + value * scale for value in bar.interval)
            title = " – ".join(write(value) for value in bar.interval)
            drawing.add("path", d=f"M{low:.1f} {middle:.1f}H{high:.1f}", class_="whisker", title=title)
            end = max(end, high)
        words = [(write(bar.value), f"{'value' if headed else 'small'}{strong}")]
        if bar.change is not None:
            words.append((change_text(bar.change), "small muted"))
        drawing.phrase(end + 8, baseline, words)
        y += row - (18 if above else 0)
    return drawing.finish()
