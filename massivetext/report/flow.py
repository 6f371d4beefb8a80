"""The journey as one picture: text flows from the sources through cleaning and the splits into the model and its score.

The height of every band is its number of bytes, on one scale; only bands too thin to see are drawn one pixel high.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from massivetext.report.gathering import RunFacts
from massivetext.report.quantities import bytes_text, count_text, reason_words, share_text
from massivetext.report.svg import Drawing, spread, text_width
from massivetext.translations import tr

WIDE = (0.0, 250.0, 492.0, 742.0, 900.0)  # left edges: sources, documents, tokens, model, score
NARROW = (0.0, 145.0, 290.0)  # without model and score, for small screens
ROOM = 100.0  # right of the last column, for words
NODE = 7.0
TOP = 14.0
RIVER = 190.0  # height of all bytes read
GAP = 7.0
LINE = 17.0  # height of a line of words
MODEL = 58.0
MOST_LAYERS = 12
SHOWN_REASONS = 3


@dataclass
class Band:
    """Part of a column: one source's bytes at a place, in pixels."""

    top: float
    height: float

    @property
    def middle(self) -> float:
        """Half way down."""
        return self.top + self.height / 2

    @property
    def bottom(self) -> float:
        """Lower edge."""
        return self.top + self.height


def journey_picture(facts: RunFacts, colours: dict[str, str], columns: Sequence[float] = WIDE) -> str:
    """Return the picture of a run's bytes; nothing while there is no corpus.

    colours: a style class for each source. columns: left edges, WIDE or NARROW.
    """
    return River(facts, colours, columns).picture() if any(flow.read.size_bytes for flow in facts.flows) else ""


class River:
    """One picture in the making."""

    def __init__(self, facts: RunFacts, colours: dict[str, str], columns: Sequence[float]) -> None:
        self.facts, self.colours, self.columns = facts, colours, columns
        self.flows = [flow for flow in facts.flows if flow.read.size_bytes]
        self.scale = RIVER / sum(max(flow.read.size_bytes, flow.kept.size_bytes) for flow in self.flows)
        name = tr("The path of the text, from raw bytes to the score")
        self.drawing = Drawing(columns[-1] + ROOM, 0.0, name)
        self.read = self._stacked([flow.read.size_bytes for flow in self.flows], GAP, LINE)
        self.kept = self._stacked([flow.kept.size_bytes for flow in self.flows], 1.0, 0.0)
        self.splits: dict[str, Band] = {}

    def _stacked(self, sizes: Sequence[int], gap: float, line: float) -> dict[str, Band]:
        """Return a band for each source, one below the other: apart by `gap`, their middles by `line` at least."""
        bands: dict[str, Band] = {}
        top, middle = TOP, -line
        for flow, size in zip(self.flows, sizes):
            height = max(size * self.scale, 1.0)
            band = bands[flow.name] = Band(max(top, middle + line - height / 2), height)
            top, middle = band.bottom + gap, band.middle
        return bands

    def picture(self) -> str:
        """Draw everything, from what lies below to what lies above, and return the picture."""
        self.draw_splits()
        lowest = max(band.bottom for band in [*self.kept.values(), *self.splits.values()])
        end = self.draw_dropped(lowest + 22)
        self.draw_sources()
        if len(self.columns) == len(WIDE):
            self.draw_model()
        self.drawing.height = max(end, *(band.bottom for band in self.read.values())) + 6
        return self.drawing.finish("river")

    def draw_node(self, x: float, band: Band, colour: str) -> None:
        """Draw the upright bar at which bands begin and end."""
        self.drawing.add("rect", x=x, y=band.top, width=NODE, height=band.height, class_=f"node {colour}")

    def draw_sources(self) -> None:
        """Draw what was read, what was kept, the bands between them, and the names."""
        left, right = self.columns[:2]
        for flow in self.flows:
            read, kept, colour = self.read[flow.name], self.kept[flow.name], self.colours[flow.name]
            self.draw_node(left, read, colour)
            self.draw_node(right, kept, colour)
            title = f"{flow.name}: {bytes_text(flow.kept.size_bytes)}"
            start = min(kept.height, read.height)
            self.drawing.ribbon((left + NODE, read.top), (right, kept.top), start, kept.height, f"flow {colour}", title)
        places = spread([self.read[flow.name].middle for flow in self.flows], LINE, TOP + 6, 1e9)
        for flow, y in zip(self.flows, places):
            words = [(flow.name, "label strong")]
            size = bytes_text(flow.read.size_bytes)
            if text_width(f"{flow.name} {size}", 13) < right - left - 24:
                words.append((size, "small muted"))
            self.drawing.phrase(left + NODE + 8, y + 4, words)

    def draw_dropped(self, top: float) -> float:
        """Draw what was left out, with its largest reasons; return how far down the words reach."""
        left, right = self.columns[:2]
        reasons: dict[str, tuple[int, int]] = {}  # bytes and documents, by reason
        y = top
        for flow in self.flows:
            height, read = flow.dropped_bytes * self.scale, self.read[flow.name]
            if flow.dropped_bytes:
                title = f"{flow.name}: {tr('dropped')} {bytes_text(flow.dropped_bytes)}"
                self.drawing.ribbon((left + NODE, read.bottom - height), (right, y), height, height, "flow lost", title)
            y += height
            for reason, drop in flow.dropped.items():
                size, documents = reasons.get(reason, (0, 0))
                reasons[reason] = (size + drop.size_bytes, documents + drop.documents)
        self.draw_node(right, Band(top, max(y - top, 1.0)), "lost")
        total, read_bytes = (sum(sizes) for sizes in zip(*((f.dropped_bytes, f.read.size_bytes) for f in self.flows)))
        words = tr("dropped {size}, {share}", size=bytes_text(total), share=share_text(total / read_bytes))
        x = right + NODE + 8
        self.drawing.text(x, top + 9, words, "small strong")
        largest = sorted(reasons.items(), key=lambda item: item[1], reverse=True)[:SHOWN_REASONS]
        for line, (reason, (_, documents)) in enumerate(largest):
            words = tr("{reason}: {documents} documents", reason=reason_words(reason), documents=count_text(documents))
            self.drawing.text(x, top + 25 + 15 * line, words, "small muted")
        return max(y, top + 12 + 15 * len(largest))

    def draw_splits(self) -> None:
        """Draw how the kept documents fall into the splits."""
        left, right = self.columns[1:3]
        leaving = {name: band.top for name, band in self.kept.items()}
        y = TOP
        for split, sizes in self.facts.split_bytes().items():
            start = y
            for name in [name for name in self.kept if name in sizes]:
                height = sizes[name] * self.scale
                title, flow = f"{name}, {tr(split)}: {bytes_text(sizes[name])}", f"flow {self.colours[name]}"
                self.drawing.ribbon(
                    (left + NODE, leaving[name]),
                    (right, y),
                    height,
                    max(height, 0.6),
                    flow,
                    title,
                )
                self.draw_node(right, Band(y, max(height, 1.0)), self.colours[name])
                leaving[name] += height
                y += max(height, 1.0)
            self.splits[split] = Band(start, y - start)
            self.name_split(split)
            y = max(y, start + 14) + (24 if len(self.columns) == len(WIDE) else 30)

    def name_split(self, split: str) -> None:
        """Write a split's name and tokens beside it: on one line where there is room, else below each other."""
        x, middle = self.columns[2] + NODE + 8, self.splits[split].middle
        tokens = tr("{count} tokens", count=count_text(self.facts.split_count(split, "tokens")))
        if split == "train" or len(self.columns) < len(WIDE):
            self.drawing.text(x, middle - 2, tr(split), "label strong")
            self.drawing.text(x, middle + 14, tokens, "small muted")
        else:
            self.drawing.phrase(x, middle + 4, [(tr(split), "label strong"), (tokens, "small muted")])

    def draw_model(self) -> None:
        """Draw the model as its layers, what flows into it, and its score."""
        if "train" not in self.splits:
            return
        _, _, tokens, model, score = self.columns
        train, middle = self.splits["train"], self.splits["train"].middle
        layers = min(int(self.facts.model.get("num_hidden_layers") or 0), MOST_LAYERS)
        waiting = "" if layers else " waiting"
        read = self.facts.training[-1]["tokens"] if self.facts.training else 0
        passes = read / max(self.facts.split_count("train", "tokens"), 1)
        title = tr("the model has read {count} tokens: {passes} passes over the training text",
                   count=count_text(read), passes=f"{passes:.2f}")  # fmt: skip
        # Only what was read flows into the model; what was read again flows there once.
        share = min(passes, 1.0) if read else 1.0
        start, end = (tokens + NODE, train.middle - share * train.height / 2), (model, middle - MODEL / 2)
        self.drawing.ribbon(start, end, share * train.height, MODEL, f"flow learning{waiting}", title)
        if read:
            x, below = model + MODEL / 2, middle + MODEL / 2
            self.drawing.text(x, below + 16, tr("{count} tokens read", count=count_text(read)), "small muted", "middle")
            words = tr("{passes} passes", passes=f"{passes:.2f}")
            self.drawing.text(x, below + 31, words, "small muted", "middle")
        count = layers or 4
        thick = (MODEL - 2.0 * (count - 1)) / count
        for layer in range(count):
            y = middle - MODEL / 2 + layer * (thick + 2)
            self.drawing.add("rect", x=model, y=y, width=MODEL, height=thick, rx=1.5, class_=f"layer{waiting}")
        table = self.facts.main_table
        self.drawing.line(model + MODEL + 6, middle, score - 10, middle, f"arrow{waiting}")
        head = [(score - 17, middle - 5), (score - 10, middle), (score - 17, middle + 5)]
        self.drawing.curve(head, f"arrow{waiting}")
        self.drawing.text(score, middle + 8, table.metric.write(table.own[""].value) if table else "—", "figure")
        self.drawing.text(score, middle + 27, tr(table.metric.label) if table else tr("not yet"), "small")
        if table and "test" in self.splits:
            self.draw_test_path(middle + 38)

    def draw_test_path(self, end_y: float) -> None:
        """Draw the way of the test text, past the model, to the score."""
        words = f"{tr('test')} {tr('{count} tokens', count=count_text(self.facts.split_count('test', 'tokens')))}"
        start = self.columns[2] + NODE + 26 + text_width(words, 13)
        x, y = self.columns[4] + 42, self.splits["test"].middle
        path = f"M{start:.1f} {y:.1f}H{x - 14:.1f}Q{x:.1f} {y:.1f} {x:.1f} {y - 14:.1f}V{end_y:.1f}"
        title = tr("the test text is only scored, never trained on")
        self.drawing.add("path", d=path, class_="arrow thin", title=title)
        self.drawing.curve([(x - 4, end_y + 6), (x, end_y - 1), (x + 4, end_y + 6)], "arrow thin")
