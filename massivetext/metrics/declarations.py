"""What is known of each metric and of each system that is scored: the one place that holds names, units and directions.

A metric or system that is not declared here is shown under the name that its scores carry. Captions are English and go
through `tr`; `{name}` fields are filled by the code that shows them, notes from the facts of a signature.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from massivetext.metrics.score import MODEL, Score, describe
from massivetext.translations import tr

BYTES = "{count} bytes"


@dataclass(frozen=True)
class Captions:
    """Sentences about a metric's values; the defaults fit every metric."""

    value: str = "{metric} {value}"
    """A value with its name, in a line of several."""
    headline: str = "is the result of {task}, over {items}."
    """The sentence after the main number of a report."""
    introduction: str = ""
    """The sentences before the picture; empty: metric, unit and direction are named."""
    ahead: str = "It does better than {others}."
    """Which peers the model beats."""
    behind: str = "It does worse than {others}."
    """Which peers beat the model."""
    lower: str = "{name} ({percent} lower)"
    """By how much the model's value is lower than a peer's."""
    higher: str = "{name} ({percent} higher)"
    """By how much it is higher."""
    best: str = "best"
    """Head of the column that names the best system."""
    note: str = ""
    """How the number was made; empty: nothing is said."""


@dataclass(frozen=True)
class Metric:
    """One metric: its name in scores, what it is called, its scale, and which end of it is the good one."""

    name: str
    label: str
    unit: str = ""
    lower_is_better: bool | None = None
    """None: no direction is known, and no value is marked as the best."""
    version: int = 1
    """Raised when the same input gives other values."""
    digits: int = 3
    """Digits after the point where a value is shown."""
    items: str = "{count} items"
    """What a score's `items` counts."""
    captions: Captions = Captions()

    def write(self, value: float) -> str:
        """Return a value as it is shown."""
        return f"{value:,.{self.digits}f}"

    def named(self, value: float) -> str:
        """Return a value, one digit more of it, with the metric's name in the language in use."""
        return tr(self.captions.value, metric=tr(self.label), value=f"{value:,.{self.digits + 1}f}")

    def counted(self, count: str) -> str:
        """Return a written number of items with their noun, in the language in use."""
        return tr(self.items, count=count)

    def better(self, one: float, other: float) -> bool:
        """Return whether the value `one` is better than `other`; False where no direction is known."""
        if self.lower_is_better is None:
            return False
        return one < other if self.lower_is_better else one > other

    def best(self, values: Mapping[str, float]) -> list[str]:
        """Return the names of values, the best first; as given where no direction is known."""
        if self.lower_is_better is None:
            return list(values)
        return sorted(values, key=lambda name: values[name], reverse=not self.lower_is_better)

    @property
    def arrow(self) -> str:
        """A sign for the good direction: ↓ or ↑; empty where none is known."""
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
        """Return a score of this metric. interval: (low, high) at 95 %. facts: how it was measured, for its signature.

        task: the task, and after a slash its part; see `Score`.
        """
        low, high = interval or (None, None)
        return Score(task, self.name, value, self.unit, low, high, items, describe(system, self.version, facts))


@dataclass(frozen=True)
class System:
    """One system that is scored: the model, or a peer that stands beside it."""

    name: str
    label: str
    """Short name for tables and pictures."""
    title: str = ""
    """Longer name for a terminal; empty: the label."""
    phrase: str = ""
    """Name inside a sentence; empty: the label."""
    trained: bool = True
    """Whether it has read the training text; if not, it starts from nothing."""
    note: str = ""
    """How it was made, in a sentence; empty: nothing is said."""

    def named(self, score: Score, caption: str = "") -> str:
        """Return the label, or another caption of this system, with the facts of a score filled in."""
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
    """Return the declaration of a score's metric; one made of its name and unit where there is none."""
    name = score.metric
    return METRICS.get(name) or Metric(name, name.replace("_", " "), unit=score.unit)


def system_of(score: Score) -> System:
    """Return the declaration of a score's system; one made of its name where there is none."""
    name = score.system
    return SYSTEMS.get(name) or System(name, name.replace("{", "{{").replace("}", "}}"))
