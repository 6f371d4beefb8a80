"""What a corpus step is, and the table of those that a recipe may name.

A step measures (adds columns), edits (gives new text) or decides (keeps, or drops with a reason). Each is a pure
function of one Arrow RecordBatch with a `text` column, and what it gives for a document does not depend on the others,
so batches may be cut anywhere. A barrier needs all documents at once; the corpus builder carries it out.

The caller puts a measure's columns on the batch before it goes on to the next step; a step that needs the columns of
another says so in `needs`, and `make_steps` sees to it that they are there and fresh.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field, model_validator

from massivetext.errors import ConfigError, unknown_name
from massivetext.settings import Settings

STEPS = {
    "normalise": "massivetext.corpus.normalise:Normalise",
    "statistics": "massivetext.corpus.gopher:Statistics",
    "gopher": "massivetext.corpus.gopher:Gopher",
    "length": "massivetext.corpus.gopher:Length",
    "repetition": "massivetext.corpus.gopher:Repetition",
    "deduplicate": "massivetext.corpus.steps:Deduplicate",
}
"""Every step's name in a recipe, and where its class is; the module is imported when a recipe names the step."""


class NoSettings(Settings):
    """The settings of a step that has none."""


class Step(ABC):
    """One named, versioned part of cleaning; the version grows whenever the same text could give another result."""

    name: ClassVar[str]
    version: ClassVar[int]
    needs: ClassVar[tuple[str, ...]] = ()
    """Names of the measures whose columns must be on the batch."""
    settings_type: ClassVar[type[Settings]] = NoSettings

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = self.settings_type() if settings is None else settings

    def describe(self) -> dict[str, Any]:
        """Return name, version and resolved settings as JSON values, for manifests and fingerprints."""
        return {"name": self.name, "version": self.version, "settings": self.settings.model_dump(mode="json")}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.settings!r})"


class Measure(Step):
    """A step that adds columns and leaves the text alone."""

    @property
    @abstractmethod
    def columns(self) -> dict[str, pa.DataType]:
        """The columns it adds, `step__value` -> type, in order; known before any document is seen."""

    @abstractmethod
    def measure(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """Return one array per name in `columns`, each as long as the batch; null where the text is null."""


class Edit(Step):
    """A step that gives new text."""

    @abstractmethod
    def edit(self, batch: pa.RecordBatch) -> pa.Array:
        """Return the new text, as long as the batch and of the type of its `text` column.

        When nothing had to change, the result shares the buffers of the batch's column: no copy was made.
        """


@dataclass(frozen=True)
class Decision:
    """What a deciding step found, one entry per document."""

    reason: pa.Array
    """string: why the document is dropped; null keeps it."""
    value: pa.Array
    """double: the measured value that broke the rule; null where the document is kept."""
    threshold: pa.Array
    """double: the limit it broke; null where the document is kept."""


class Decide(Step):
    """A step that keeps or drops."""

    @abstractmethod
    def decide(self, batch: pa.RecordBatch) -> Decision:
        """Return the decision for each document: the first rule, in the step's order, that it breaks."""


class Barrier(Step):
    """A mark in the list of steps: here the builder does what needs all documents at once."""


class NearSettings(Settings):
    """When two documents are near-duplicates, and how these are found; every source that asks must ask alike."""

    threshold: float = Field(0.8, gt=0, le=1)
    """Jaccard similarity of shingles from which a document near-duplicates an earlier one, a fraction."""
    bands: int = Field(16, ge=1)
    """MinHash bands; two documents of similarity s are compared with probability 1 - (1 - s**rows)**bands."""
    rows: int = Field(7, ge=1)
    """Hash values in a band; bands times rows make a signature."""
    ngram: int = Field(5, ge=1)
    """Words in a shingle."""
    han_ngram: int = Field(8, ge=1)
    """Words (Han characters) in a shingle that begins with a Han character."""
    verify: bool = True
    """Compare the shingles of documents that share a band; false drops them unseen."""
    split_threshold: float | None = Field(0.6, gt=0, le=1)
    """Similarity from which documents fall on one side of the split, a fraction; one that lies between two sides is
    dropped. Null: sides are drawn whatever the similarity."""

    @model_validator(mode="after")
    def _looser_split(self) -> "NearSettings":
        if self.split_threshold is not None and self.split_threshold > self.threshold:
            raise ValueError(
                f"split_threshold {self.split_threshold} is above threshold {self.threshold}: documents between them "
                "would be duplicates and yet fall on two sides; lower it, or set it to null"
            )
        return self


class DeduplicateSettings(Settings):
    """Which duplicates are dropped."""

    exact: bool = True
    """Drop a document whose text equals that of an earlier one in canonical order."""
    near: NearSettings | None = None
    """Drop near-duplicates too; {} takes the defaults. Unset: do not look for them."""
    memory_bytes: int = Field(2**30, ge=2**16)
    """Memory that sorting may take, in bytes; a larger corpus is sorted in more turns."""


class Deduplicate(Barrier):
    """First seen wins: a document that duplicates any earlier one, kept or not, is dropped."""

    name = "deduplicate"
    version = 2
    settings_type = DeduplicateSettings


def make_steps(listed: Sequence[str | Mapping[str, Any]], where: str = "corpus.steps") -> list[Step]:
    """Return the steps for a recipe's list, whose items are "name" or {name: settings}.

    A measure that a step needs and that was not taken since the last edit is put in before it.
    where: the dotted path of the list in the recipe, for messages. Errors: ConfigError that names the place, what was
    found, the nearest and the allowed.
    """
    steps: list[Step] = []
    fresh: set[str] = set()
    for position, item in enumerate(listed):
        step = _make_step(item, f"{where}[{position}]")
        for needed in step.needs:
            if needed not in fresh:
                steps.append(_make_step(needed, where))
                fresh.add(needed)
        if isinstance(step, Edit):
            fresh.clear()
        if isinstance(step, Measure):
            fresh.add(step.name)
        steps.append(step)
    return steps


def _make_step(item: str | Mapping[str, Any], where: str) -> Step:
    """Return the step that one item of the list names."""
    values: Any = {}
    if isinstance(item, str):
        name = item
    elif isinstance(item, Mapping) and len(item) == 1:
        name, values = next(iter(item.items()))
        values = {} if values is None else values
    else:
        raise ConfigError(
            f"{where}: found {item!r}; allowed is a step's name, or one name with its settings, "
            "such as 'normalise' or {length: {min_characters: 200}}"
        )
    if name not in STEPS:
        raise ConfigError(f"{where}: {unknown_name('step', name, STEPS)}")
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}.{name}: found {values!r}; allowed is a mapping of settings, or nothing")
    module, _, attribute = STEPS[name].partition(":")
    step_type: type[Step] = getattr(import_module(module), attribute)
    return step_type(step_type.settings_type.parse(values, f"{where}.{name}"))
