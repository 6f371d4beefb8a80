"""What came into a corpus, what left at which step, and why, as one picture: two rivers that fall from step to step.

On the left documents, on the right their bytes, each to its own scale; between them, in words, what each step took. A
band has its source's colour. What is dropped turns grey, what edits took away keeps a pale colour.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from massivetext.report.quantities import bytes_text, count_text, reason_words, share_text
from massivetext.report.svg import Drawing, number
from massivetext.translations import tr

RIVER = 250.0
NARROW_RIVER = 96.0
WIDE_WIDTH, NARROW_WIDTH = 940.0, 400.0
REACH = 26.0
"""How far beside the river the bands end that leave it."""
LINE, ROW, SPACE = 15.0, 34.0, 26.0
SHOWN_REASONS = 4
Amounts = dict[str, float]


@dataclass
class Stage:
    """What one step took, by source."""

    name: str
    documents: Amounts = field(default_factory=dict)
    """Documents dropped."""
    dropped: Amounts = field(default_factory=dict)
    """Bytes dropped."""
    edited: Amounts = field(default_factory=dict)
    """Bytes that its edits took away; below zero where texts grew."""
    edited_documents: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    """Reason -> documents."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing happened here."""
        return not self.reasons and not self.edited_documents


def stages_of(manifest: Mapping[str, Any]) -> list[Stage]:
    """Return the steps at which something left, in their order, `read` first."""
    orders = [[step["name"] for step in steps] for steps in manifest.get("versions", {}).get("steps", {}).values()]
    stages = {name: Stage(name) for name in merged_order([["read"], *orders])}
    for source, counts in manifest["sources"].items():
        for key, entry in counts["dropped"].items():
            step, _, reason = key.partition(": ")
            stage = stages.setdefault(step, Stage(step))
            for amounts, size in ((stage.documents, entry["documents"]), (stage.dropped, entry["bytes"])):
                amounts[source] = amounts.get(source, 0) + size
            reason = reason.partition(": ")[0]
            stage.reasons[reason] = stage.reasons.get(reason, 0) + entry["documents"]
        for step, entry in counts["edited"].items():
            stage = stages.setdefault(step, Stage(step))
            stage.edited[source] = entry["removed_bytes"]
            stage.edited_documents += entry["documents"]
    return [stage for stage in stages.values() if not stage.is_empty]


def merged_order(orders: Sequence[Sequence[str]]) -> list[str]:
    """Return all names once, each list's order kept where the lists agree."""
    merged: list[str] = []
    for order in sorted(orders, key=len, reverse=True):
        at = 0
        # A measure that is taken again stands in a list twice.
        for name in dict.fromkeys(order):
            if name in merged:
                at = max(at, merged.index(name) + 1)
            else:
                merged.insert(at, name)
                at += 1
    if "read" in merged:
        merged.remove("read")
    return ["read", *merged]


def corpus_flow(manifest: Mapping[str, Any], colours: Mapping[str, str], narrow: bool = False) -> str:
    """Return the picture; for small screens only the documents' half. Nothing for a corpus that read nothing.

    colours: a style class for each source.
    """
    sources = manifest["sources"]
    documents = {name: float(counts["read"]["records"]) for name, counts in sources.items()}
    if not sum(documents.values()):
        return ""
    stages = stages_of(manifest)
    drawing = Drawing(NARROW_WIDTH if narrow else WIDE_WIDTH, 0.0, tr("What each step dropped"))
    rivers = [_River(drawing, documents, colours, NARROW_RIVER if narrow else RIVER, mirrored=False)]
    if not narrow:
        size = {name: float(max(counts["read"]["bytes"], 0)) for name, counts in sources.items()}
        if sum(size.values()):
            rivers.append(_River(drawing, size, colours, RIVER, mirrored=True))
    y = _write_heads(drawing, rivers)
    for stage in stages:
        y = _draw_stage(drawing, rivers, stage, y)
    for river in rivers:
        river.fall_to(y)
    _write_ends(drawing, rivers, manifest, y)
    drawing.height = y + 46
    return drawing.finish("river")


class _River:
    """One quantity on its way down; bands lie side by side, in the order of the sources."""

    def __init__(
        self, drawing: Drawing, amounts: Amounts, colours: Mapping[str, str], width: float, *, mirrored: bool
    ) -> None:
        self.drawing, self.colours, self.mirrored, self.width = drawing, colours, mirrored, width
        self.amounts, self.total = dict(amounts), sum(amounts.values())
        self.scale = width / self.total
        self.top = 0.0

    def x(self, value: float) -> float:
        """Return where a place lies that is so far from the river's outer edge."""
        return self.drawing.width - value if self.mirrored else value

    def places(self) -> dict[str, tuple[float, float]]:
        """Return where each band begins and ends now, from the outer edge."""
        found, at = {}, 0.0
        for name, amount in self.amounts.items():
            found[name] = (at, at + amount * self.scale)
            at += amount * self.scale
        return found

    def draw_line(self, y: float) -> None:
        """Draw the bar across the river at which bands begin."""
        for name, (start, end) in self.places().items():
            if end - start > 0.05:
                x = min(self.x(start), self.x(end))
                self.drawing.add("rect", x=x, y=y, width=end - start, height=3.0, class_=f"node {self.colours[name]}")
        self.top = y + 3

    def fall_to(self, y: float, shifted: Mapping[str, tuple[float, float]] | None = None) -> None:
        """Draw the bands down to `y`, where they lie side by side again.

        shifted: where the bands begin above, where some of each has left; unset, all of them.
        """
        now = self.places()
        for name, (start, end) in (shifted or now).items():
            if end - start > 0.05:
                low, high = now[name]
                self._ribbon((start, end, self.top), (low, high, y), f"flow {self.colours[name]}", name)
        self.draw_line(y)

    def leave(self, leaving: Amounts, y: float, class_: str) -> tuple[dict[str, tuple[float, float]], float]:
        """Draw what leaves from the line above, ending beside the river from `y` down; return where the rest begins,
        and how high the end is."""
        shifted, end = {}, y
        for name, (low, high) in self.places().items():
            amount = min(max(leaving.get(name, 0.0), 0.0), self.amounts[name])
            width = amount * self.scale
            if width > 0.05:
                colour = class_ if class_ == "lost" else f"{self.colours[name]} edited"
                self._turn(high - width, high, end, max(width, 0.6), f"flow {colour}", name)
                end += width
            shifted[name] = (low, high - width)
            self.amounts[name] -= leaving.get(name, 0.0)
        if end > y:
            x = self.x(self.width + REACH)
            self.drawing.add(
                "rect", x=x - (4.0 if self.mirrored else 0.0), y=y, width=4.0, height=max(end - y, 1.0),
                class_="node lost" if class_ == "lost" else "node read",
            )  # fmt: skip
        return shifted, end - y

    def _ribbon(
        self, above: tuple[float, float, float], below: tuple[float, float, float], class_: str, title: str
    ) -> None:
        """Draw a band from (start, end, y) down to (start, end, y)."""
        (a1, a2, y1), (b1, b2, y2) = above, below
        middle = number((y1 + y2) / 2)
        a1, a2, b1, b2 = (self.x(value) for value in (a1, a2, b1, b2))
        path = (
            f"M{number(a1)} {number(y1)}C{number(a1)} {middle} {number(b1)} {middle} {number(b1)} {number(y2)}"
            f"H{number(b2)}C{number(b2)} {middle} {number(a2)} {middle} {number(a2)} {number(y1)}Z"
        )
        self.drawing.add("path", d=path, class_=class_, title=title)

    def _turn(self, start: float, end: float, y: float, height: float, class_: str, title: str) -> None:
        """Draw a band that leaves the line between two places and ends upright beside the river, from `y` down."""
        x1, x2, x3 = self.x(start), self.x(end), self.x(self.width + REACH)
        path = (
            f"M{number(x1)} {number(self.top)}Q{number(x1)} {number(y + height)} {number(x3)} {number(y + height)}"
            f"V{number(y)}Q{number(x2)} {number(y)} {number(x2)} {number(self.top)}Z"
        )
        self.drawing.add("path", d=path, class_=class_, title=title)


def _write_heads(drawing: Drawing, rivers: Sequence[_River]) -> float:
    """Write what came in above the rivers; return where the words of the first step begin."""
    for river in rivers:
        size = bytes_text(river.total) if river.mirrored else count_text(river.total)
        words = [(size, "value strong"), (tr("read") if river.mirrored else tr("records read"), "small muted")]
        drawing.phrase(river.x(0.0), 16.0, words, "", "end" if river.mirrored else "start")
        river.draw_line(26.0)
    return 26.0 + SPACE


def _draw_stage(drawing: Drawing, rivers: Sequence[_River], stage: Stage, y: float) -> float:
    """Draw one step from `y` down, and the bands into their new places; return where the next begins."""
    left = rivers[0].width + REACH + 16
    heights = []
    for river in rivers:
        if river.mirrored and stage.edited:
            shifted, height = river.leave(stage.edited, y, "edited")
            if stage.dropped:
                river.fall_to(y + height + 4, shifted)
                shifted, more = river.leave(stage.dropped, y + height + 12, "lost")
                height += more + 12
        else:
            shifted, height = river.leave(stage.dropped if river.mirrored else stage.documents, y, "lost")
        heights.append((river, shifted, height))
    bottom = _write_stage(drawing, stage, rivers[0].total, left, y)
    end = max([bottom, *(y + height + 8 for _, _, height in heights)])
    for river, shifted, _ in heights:
        river.fall_to(end, shifted)
    return end + SPACE


def _write_stage(drawing: Drawing, stage: Stage, read: float, left: float, y: float) -> float:
    """Write a step's name, what left there and why; return where the words end."""
    dropped = int(sum(stage.documents.values()))
    drawing.text(left, y + 6, tr("reading") if stage.name == "read" else stage.name, "label strong")
    y += 6
    if dropped:
        words = tr("{count} documents dropped, {share}", count=count_text(dropped), share=share_text(dropped / read))
        gone = sum(stage.dropped.values())
        words += f"; {bytes_text(gone)}" if gone else ""
        y += LINE + 2
        drawing.text(left, y, words, "small")
    if stage.edited_documents:
        removed = sum(stage.edited.values())
        text = tr("{count} documents edited, {size} taken away") if removed >= 0 else tr(
            "{count} documents edited, {size} added"
        )  # fmt: skip
        y += LINE + 2
        size = bytes_text(abs(removed))
        drawing.text(left, y, text.format(count=count_text(stage.edited_documents), size=size), "small")
    largest = sorted(stage.reasons.items(), key=lambda item: (-item[1], item[0]))
    shown = largest if len(largest) == SHOWN_REASONS + 1 else largest[:SHOWN_REASONS]
    for reason, documents in shown:
        y += LINE
        words = reason_words(f"{stage.name}: {reason}").removeprefix(f"{stage.name}: ")
        drawing.phrase(left, y, [(count_text(documents), "small"), (words, "small muted")])
    if len(largest) > len(shown):
        y += LINE
        rest = sum(documents for _, documents in largest[len(shown) :])
        words = tr("{count} by {rules} other rules", count=count_text(rest), rules=len(largest) - len(shown))
        drawing.text(left, y, words, "small muted")
    return y + 8


def _write_ends(drawing: Drawing, rivers: Sequence[_River], manifest: Mapping[str, Any], y: float) -> None:
    """Write what is left below the rivers, and how it is split between them."""
    for river in rivers:
        amount = sum(river.amounts.values())
        size = bytes_text(amount) if river.mirrored else count_text(amount)
        words = [(size, "value strong"), (tr("kept, {share}", share=share_text(amount / river.total)), "small muted")]
        drawing.phrase(river.x(0.0), y + 22, words, "", "end" if river.mirrored else "start")
    splits = manifest.get("splits", {})
    shown = [(name, entry["documents"]) for name, entry in splits.items() if entry["documents"]]
    if len(rivers) > 1 and shown:
        words = [(f"{tr(name)} {count_text(documents)}", "small muted") for name, documents in shown]
        drawing.phrase(rivers[0].width + REACH + 16, y + 22, words)
