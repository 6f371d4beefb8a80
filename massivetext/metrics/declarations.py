"""Declarations of every metric and scored system: names, units, directions and captions, defined only here.

A metric or system that is not declared here is shown under the name in its scores. Captions are in English and are
translated with `tr`. The code that shows a caption fills its `{name}` fields; in notes they come from the facts of a
signature.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from massivetext.metrics.score import MODEL, Score, describe
from massivetext.translations import tr

BYTES = "{count} bytes"


@dataclass(frozen=True)
class Captions:
    """Hold the sentences about a metric's values; the defaults suit any metric."""

    value: str = "{metric} {value}"
    """A value with its name, for a line that lists several values."""
    headline: str = "is the result of {task}, over {items}."
    """The sentence after the main number of a report."""
    introduction: str = ""
    """The sentences before the chart; if empty, the report names metric, unit and direction."""
    ahead: str = "It does better than {others}."
    """Which peers the model beats."""
    behind: str = "It does worse than {others}."
    """Which peers beat the model."""
    lower: str = "{name} ({percent} lower)"
    """How much lower the model's value is than a peer's."""
    higher: str = "{name} ({percent} higher)"
    """How much higher the model's value is than a peer's."""
    best: str = "best"
    """Heading of the column that names the best system."""
    note: str = ""
    """How the number was computed; empty for no note."""


@dataclass(frozen=True)
class Metric:
    """Declare one metric: its name in scores, its label, its scale, and whether lower values are better."""

    name: str
    label: str
    unit: str = ""
    lower_is_better: bool | None = None
    """None if the direction is unknown; then no value is marked as the best."""
    version: int = 1
    """Incremented when the same input would give different values."""
    digits: int = 3
    """Number of decimals in a displayed value."""
    items: str = "{count} items"
    """What a score's `items` counts."""
    captions: Captions = Captions()

    def write(self, value: float) -> str:
        """Return a value as text with `digits` decimals."""
        return f"{value:,.{self.digits}f}"

    def named(self, value: float) -> str:
        """Return a value with one more decimal and the metric's name, in the current language."""
        return tr(self.captions.value, metric=tr(self.label), value=f"{value:,.{self.digits + 1}f}")

    def counted(self, count: str) -> str:
        """Return a formatted number of items with their noun, in the current language."""
        return tr(self.items, count=count)

    def better(self, one: float, other: float) -> bool:
        """Return whether the value `one` is better than `other`; False if the direction is unknown."""
        if self.lower_is_better is None:
            return False
        return one < other if self.lower_is_better else one > other

    def best(self, values: Mapping[str, float]) -> list[str]:
        """Return the names of values, best first; in the given order if the direction is unknown."""
        if self.lower_is_better is None:
            return list(values)
        return sorted(values, key=lambda name: values[name], reverse=not self.lower_is_better)

    @property
    def arrow(self) -> str:
        """Return an arrow in the direction of better values, ↓ or ↑; empty if the direction is unknown."""
        return "" if self.lower_is_better is None else "↓" if self.lower_is_better else "↑"

    def score(
        self,
        task: str,
        value: float,
        items: int,
        *,
        system: str = MODEL,
        interval: Sequence[float] | None = None,
        facts: Mapping[str, object] = {},
    ) -> Score:
        """Return a score of this metric.

        task: the task, with an optional part after a slash; see `Score`. interval: (low, high) at 95 %. facts: how the
        value was measured, for the signature.
        """
        low, high = interval or (None, None)
        return Score(task, self.name, value, self.unit, low, high, items, describe(system, self.version, facts))


@dataclass(frozen=True)
class System:
    """Declare one scored system: the model, or a peer that it is compared with."""

    name: str
    label: str
    """Short name for tables and charts."""
    title: str = ""
    """Longer name for the terminal; if empty, the label is used."""
    phrase: str = ""
    """Name inside a sentence; if empty, the label is used."""
    trained: bool = True
    """Whether the system has read the training text."""
    note: str = ""
    """How the system was built, in one sentence; empty for no note."""

    def named(self, score: Score, caption: str = "") -> str:
        """Return the label or the given caption, with the facts of a score filled in."""
        return tr(caption or self.label, **score.facts)


BITS_PER_BYTE = Metric(
    "bits_per_byte",
    "bits per byte",
    unit="bits/byte",
    lower_is_better=True,
    items=BYTES,
    captions=Captions(
        value="{value} bits per byte",
        headline="on {items} of text the model has never seen. Each byte of it costs {rounded} bits; stored plainly, "
        "8.",
        introduction="Bits per byte of the test text; less is better. A good predictor is a good compressor, so the "
        "model stands beside compressors and a statistical model on the same bytes. Beside each number: how many bits "
        "this model needs fewer (−) or more (+).",
        ahead="It needs fewer bits than {others}.",
        behind="It needs more bits than {others}.",
        lower="{name} ({percent} fewer)",
        higher="{name} ({percent} more)",
        best="fewest bits",
        note="Every token of every test document is scored once, the first one included, in windows of "
        "{context_tokens} tokens that move on by {stride_tokens}; the sum is divided by the UTF-8 bytes of the text.",
    ),
)
PERPLEXITY = Metric(
    "perplexity",
    "perplexity",
    unit="per token",
    lower_is_better=True,
    digits=1,
    items="{count} tokens",
    captions=Captions(value="perplexity {value}"),
)

METRICS = {metric.name: metric for metric in (BITS_PER_BYTE, PERPLEXITY)}
"""Every declared metric by its name in scores."""

SYSTEMS = {
    system.name: system
    for system in (
        System(MODEL, "this model"),
        System(
            "ngram",
            "{order}-gram model",
            title="n-gram model (Kneser-Ney)",
            phrase="the {order}-gram model",
            note="The {order}-gram model (interpolated Kneser-Ney) was fitted on all of the training tokens.",
        ),
        System(
            "xz_primed",
            "xz -9e, primed",
            title="xz -9e, having seen the training text",
            phrase="xz -9e that has seen the training text",
            note="Primed xz has seen {seen_bytes} of the {training_bytes} of training text before the test text; "
            "only what the test text adds is counted.",
        ),
        System("xz", "xz -9e", trained=False),
        System("gzip", "gzip -9", trained=False),
    )
}
"""Every declared system by its name in signatures."""


def metric_of(score: Score) -> Metric:
    """Return the declaration of a score's metric; if there is none, build one from its name and unit."""
    name = score.metric
    return METRICS.get(name) or Metric(name, name.replace("_", " "), unit=score.unit)


def system_of(score: Score) -> System:
    """Return the declaration of a score's system; if there is none, build one from its name."""
    name = score.system
    return SYSTEMS.get(name) or System(name, name.replace("{", "{{").replace("}", "}}"))
