"""The journey as one picture: text flows from the sources through cleaning and the splits into the model and its score.

The height of every band is its number of bytes, on one scale; only bands too thin to see are drawn one pixel high.
"""

from dataclasses import dataclass

from massivetext.report.gathering import RunFacts
from massivetext.report.quantities import bytes_text, count_text, reason_words, share_text
from massivetext.report.svg import Drawing, spread, text_width
from massivetext.translations import tr

WIDTH = 1000.0
COLUMNS = (0.0, 250.0, 492.0, 742.0, 900.0)  # left edges: sources, documents, tokens, model, score
NODE = 7.0
TOP = 14.0
RIVER = 190.0  # height of all bytes read
GAP = 7.0
MOST_LAYERS = 12


@dataclass
class Band:
    """Part of a column: one source's bytes at a place."""

    top: float
    height: float


def journey_picture(facts: RunFacts, colours: dict[str, str]) -> str:
    """Return the picture of a run's bytes; nothing while there is no corpus. colours: a style class per source."""
    flows = [flow for flow in facts.flows if flow.read.size_bytes]
    total = sum(max(flow.read.size_bytes, flow.kept.size_bytes) for flow in flows)
    if not total:
        return ""
    scale = RIVER / total
    drawing = Drawing(WIDTH, 0.0, tr("The journey of the text, from raw bytes to the score"))
    read: dict[str, Band] = {}
    y = TOP
    for flow in flows:
        read[flow.name] = Band(y, max(flow.read.size_bytes * scale, 1.0))
        y += read[flow.name].height + GAP
    kept: dict[str, Band] = {}
    y = TOP
    for flow in flows:
        kept[flow.name] = Band(y, flow.kept.size_bytes * scale)
        y += kept[flow.name].height + 1
    ends = _draw_splits(drawing, facts, colours, kept, scale)
    lowest = max([y, *(band.top + band.height for band in ends.values())])
    bottom = _draw_dropped(drawing, facts, read, lowest + 22, scale)
    _draw_sources(drawing, facts, colours, read, kept)
    _draw_model(drawing, facts, ends)
    drawing.height = bottom + 6
    return drawing.finish("river")


def _draw_sources(
    drawing: Drawing, facts: RunFacts, colours: dict[str, str], read: dict[str, Band], kept: dict[str, Band]
) -> None:
    """Draw what was read, what was kept, and the bands between them."""
    flows = {flow.name: flow for flow in facts.flows if flow.name in read}
    places = spread([band.top + band.height / 2 for band in read.values()], 17, TOP + 6, 1e9)
    for (name, band), label_y in zip(read.items(), places):
        flow, colour = flows[name], colours[name]
        size = bytes_text(flow.read.size_bytes)
        drawing.add("rect", x=COLUMNS[0], y=band.top, width=NODE, height=band.height, class_=f"node {colour}")
        drawing.ribbon(
            (COLUMNS[0] + NODE, band.top), (COLUMNS[1], kept[name].top), min(kept[name].height, band.height),
            kept[name].height, f"flow {colour}", f"{name}: {bytes_text(flow.kept.size_bytes)}",
        )  # fmt: skip
        drawing.add("rect", x=COLUMNS[1], y=kept[name].top, width=NODE, height=max(kept[name].height, 1.0),
                    class_=f"node {colour}")  # fmt: skip
        words = [(name, "label strong"), (size, "small muted")]
        drawing.phrase(COLUMNS[0] + NODE + 8, label_y + 4, words)


def _draw_dropped(drawing: Drawing, facts: RunFacts, read: dict[str, Band], top: float, scale: float) -> float:
    """Draw what was left out, with its largest reasons; return how far down the words reach."""
    reasons: dict[str, tuple[int, int]] = {}
    flows = [flow for flow in facts.flows if flow.name in read]
    total = sum(flow.dropped_bytes for flow in flows)
    y = top
    for flow in flows:
        height = flow.dropped_bytes * scale
        band = read[flow.name]
        if flow.dropped_bytes:
            drawing.ribbon(
                (COLUMNS[0] + NODE, band.top + band.height - height), (COLUMNS[1], y), height, height, "flow lost",
                f"{flow.name}: {tr('dropped')} {bytes_text(flow.dropped_bytes)}",
            )  # fmt: skip
        y += height
        for reason, drop in flow.dropped.items():
            documents, size = reasons.get(reason, (0, 0))
            reasons[reason] = (documents + drop.documents, size + drop.size_bytes)
    drawing.add("rect", x=COLUMNS[1], y=top, width=NODE, height=max(y - top, 1.0), class_="node lost")
    everything = sum(flow.read.size_bytes for flow in flows)
    words = tr("dropped {size}, {share}", size=bytes_text(total), share=share_text(total / everything))
    drawing.text(COLUMNS[1] + NODE + 8, top + 9, words, "small strong")
    largest = sorted(reasons.items(), key=lambda item: -item[1][1])
    for line, (reason, (documents, _)) in enumerate(largest[:3]):
        words = tr("{reason}: {documents} documents", reason=reason_words(reason), documents=count_text(documents))
        drawing.text(COLUMNS[1] + NODE + 8, top + 25 + 15 * line, words, "small muted")
    return max(y, top + 12 + 15 * min(len(largest), 3))


def _draw_splits(
    drawing: Drawing, facts: RunFacts, colours: dict[str, str], kept: dict[str, Band], scale: float
) -> dict[str, Band]:
    """Draw how the kept documents fall into the splits; return where each split stands."""
    ends: dict[str, Band] = {}
    leaving = {name: band.top for name, band in kept.items()}
    y = TOP
    for split, sizes in facts.split_bytes().items():
        start = y
        for name in [name for name in kept if name in sizes]:
            height = sizes[name] * scale
            drawing.ribbon(
                (COLUMNS[1] + NODE, leaving[name]), (COLUMNS[2], y), height, max(height, 0.6), f"flow {colours[name]}",
                f"{name}, {tr(split)}: {bytes_text(sizes[name])}",
            )  # fmt: skip
            drawing.add("rect", x=COLUMNS[2], y=y, width=NODE, height=max(height, 1.0), class_=f"node {colours[name]}")
            leaving[name] += height
            y += max(height, 1.0)
        ends[split] = Band(start, y - start)
        tokens = tr("{count} tokens", count=count_text(facts.split_count(split, "tokens")))
        middle = start + (y - start) / 2
        if split == "train":
            drawing.text(COLUMNS[2] + NODE + 8, middle - 4, tr(split), "label strong")
            drawing.text(COLUMNS[2] + NODE + 8, middle + 13, tokens, "small muted")
        else:
            words = [(tr(split), "label strong"), (tokens, "small muted")]
            drawing.phrase(COLUMNS[2] + NODE + 8, middle + 4, words)
        y = max(y, start + 14) + 24
    return ends


def _draw_model(drawing: Drawing, facts: RunFacts, ends: dict[str, Band]) -> None:
    """Draw the model as its layers, what flows into it, and its score."""
    if "train" not in ends:
        return
    train = ends["train"]
    layers = min(int(facts.model.get("num_hidden_layers") or 0), MOST_LAYERS)
    side, middle = 58.0, train.top + train.height / 2
    known = "" if layers else " waiting"
    drawing.ribbon(
        (COLUMNS[2] + NODE, train.top), (COLUMNS[3], middle - side / 2), train.height, side, f"flow learning{known}",
        tr("the training text is read by the model"),
    )  # fmt: skip
    count = layers or 4
    thick = (side - 2.0 * (count - 1)) / count
    for layer in range(count):
        y = middle - side / 2 + layer * (thick + 2)
        drawing.add("rect", x=COLUMNS[3], y=y, width=side, height=thick, rx=1.5, class_=f"layer{known}")
    bits = facts.evaluation.get("bits_per_byte", {}).get("total")
    score_y = middle
    drawing.line(COLUMNS[3] + side + 6, middle, COLUMNS[4] - 10, middle, "arrow")
    drawing.curve([(COLUMNS[4] - 17, middle - 5), (COLUMNS[4] - 10, middle), (COLUMNS[4] - 17, middle + 5)], "arrow")
    drawing.text(COLUMNS[4], score_y + 8, f"{bits:.3f}" if bits else "—", "figure")
    drawing.text(COLUMNS[4], score_y + 27, tr("bits per byte"), "small")
    if "test" in ends and bits:
        test = ends["test"]
        y = test.top + test.height / 2
        end = COLUMNS[4] + 42
        start = COLUMNS[2] + NODE + 26 + text_width(tr("test"), 14) + 8 + text_width(
            tr("{count} tokens", count=count_text(facts.split_count("test", "tokens"))), 12.5
        )  # fmt: skip
        path = f"M{start:.1f} {y:.1f}H{end - 14:.1f}Q{end:.1f} {y:.1f} {end:.1f} {y - 14:.1f}V{score_y + 38:.1f}"
        drawing.add("path", d=path, class_="arrow thin", title=tr("the test text is only scored, never trained on"))
        drawing.curve([(end - 4, score_y + 44), (end, score_y + 37), (end + 4, score_y + 44)], "arrow thin")
