"""What a corpus step is, and the table of those that a recipe may name.

A step measures (adds columns), edits (gives new text) or decides (keeps, or drops with a reason). Each is a pure
function of one Arrow RecordBatch with a `text` column, and what it gives for a document does not depend on the others,
so batches may be cut anywhere. A barrier needs all documents at once; the corpus builder carries it out.

The caller puts a measure's columns on the batch before it goes on to the next step; a step that needs the columns of
another says so in `needs`, and `make_steps` sees to it that they are there and fresh.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, Literal, Self

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from massivetext.corpus.barrier.banding import Banding, banding_for
from massivetext.errors import ConfigError, unknown_name
from massivetext.settings import Settings, shown
from massivetext.translations import tr

STEPS = {
    "normalise": "massivetext.corpus.steps.normalise:Normalise",
    "statistics": "massivetext.corpus.steps.gopher:Statistics",
    "ngrams": "massivetext.corpus.steps.gopher:NGrams",
    "page": "massivetext.corpus.steps.web:Page",
    "character_grams": "massivetext.corpus.steps.web:CharacterGrams",
    "jieba": "massivetext.corpus.steps.chinese:Jieba",
    "gopher_quality": "massivetext.corpus.steps.gopher:GopherQuality",
    "gopher_repetition": "massivetext.corpus.steps.gopher:GopherRepetition",
    "length": "massivetext.corpus.steps.gopher:Length",
    "html_to_text": "massivetext.corpus.steps.html_to_text:HtmlToText",
    "language": "massivetext.corpus.steps.language:Language",
    "in_language": "massivetext.corpus.steps.language:InLanguage",
    "pii_counts": "massivetext.corpus.steps.pii:PiiCounts",
    "pii": "massivetext.corpus.steps.pii:Pii",
    "c4_lines": "massivetext.corpus.steps.web:C4Lines",
    "c4_pages": "massivetext.corpus.steps.web:C4Pages",
    "fineweb_quality": "massivetext.corpus.steps.web:FineWebQuality",
    "word_list": "massivetext.corpus.steps.web:WordList",
    "map_neo_quality": "massivetext.corpus.steps.chinese:MapNeoQuality",
    "chinesewebtext_quality": "massivetext.corpus.steps.chinese:ChineseWebTextQuality",
    "code_quality": "massivetext.corpus.steps.web:CodeQuality",
    "classifier": "massivetext.corpus.steps.classifier:ClassifierScore",
    "classifier_score": "massivetext.corpus.steps.classifier:ClassifierLimit",
    "perplexity": "massivetext.tokens.perplexity:Perplexity",
    "max_perplexity": "massivetext.tokens.perplexity:MaxPerplexity",
    "decontaminate": "massivetext.corpus.barrier.decontamination:Decontaminate",
    "deduplicate": "massivetext.corpus.steps:Deduplicate",
}
"""Every step's name in a recipe, and where its class is; the module is imported when a recipe names the step."""

PRESETS: dict[str, tuple[tuple[str, Mapping[str, Any]], ...]] = {
    "gopher": (("gopher_quality", {}), ("gopher_repetition", {})),
    "c4": (("c4_lines", {}), ("c4_pages", {})),
    "fineweb": (
        ("gopher_repetition", {}),
        ("gopher_quality", {}),
        ("c4_lines", {"ended": False}),
        ("c4_pages", {}),
        ("fineweb_quality", {}),
    ),
    "fineweb2-zh": (
        (
            "gopher_repetition",
            {
                "words": "jieba",
                "max_duplicate_line_fraction": 0.287,
                "max_duplicate_paragraph_fraction": None,
                "max_duplicate_line_character_fraction": None,
                "max_duplicate_paragraph_character_fraction": None,
                "max_top_2_gram_character_fraction": 0.256,
                "max_top_3_gram_character_fraction": 0.201,
                "max_top_4_gram_character_fraction": 0.171,
                "max_duplicate_5_gram_character_fraction": 0.198,
                "max_duplicate_6_gram_character_fraction": 0.182,
                "max_duplicate_7_gram_character_fraction": 0.167,
                "max_duplicate_8_gram_character_fraction": 0.154,
                "max_duplicate_9_gram_character_fraction": 0.140,
                "max_duplicate_10_gram_character_fraction": 0.127,
            },
        ),
        (
            "gopher_quality",
            {
                "words": "jieba",
                "min_mean_word_characters": 1,
                "max_mean_word_characters": 5,
                "min_alphabetic_word_fraction": 0.735,
            },
        ),
        (
            "fineweb_quality",
            {
                "words": "jieba",
                "min_ended_line_fraction": 0.106,
                "max_short_line_fraction": None,
                "max_duplicate_line_character_fraction": 0.1,
                "max_line_feeds_per_word": 0.178,
            },
        ),
    ),
    "map-neo-zh": (("map_neo_quality", {}),),
    "chinesewebtext": (("chinesewebtext_quality", {}),),
    "code": (("code_quality", {}),),
}
"""Lists of steps under one name. In a recipe `fineweb`, or with other limits for some of its steps
`{fineweb: {gopher_quality: {min_words: 20}}}`. The steps' modules say what is counted and where the rules are from.

fineweb: the order of FineWeb's published pipeline after language identification; C4 without the rule that lines end as
sentences. fineweb2-zh: the limits of FineWeb-2 for Chinese in Han script (cmn_Hani), fitted on the words of jieba.
"""


class NoSettings(Settings):
    """The settings of a step that has none."""


class LimitSettings(Settings):
    """The settings of a step that drops by limits, each named `min_...` or `max_...`."""

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        """Return the settings if a document can lie within every limit."""
        for name, value in self:
            if not isinstance(value, int | float) or not name.startswith(("min_", "max_")):
                continue
            if value < 0:
                raise ValueError(f"{name} is {value}; it must be at least 0, or null for no limit")
            most = getattr(self, f"max_{name.removeprefix('min_')}", None)
            if most is not None and value > most:
                raise ValueError(
                    f"{name} is {value} and max_{name[4:]} is {most}, so nothing is kept; raise the latter"
                )
        return self


class Step(ABC):
    """One named, versioned part of cleaning; the version grows whenever the same text could give another result."""

    name: ClassVar[str]
    version: ClassVar[int]
    settings_type: ClassVar[type[Settings]] = NoSettings

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings: Any = self.settings_type() if settings is None else settings

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the measures whose columns must be on the batch."""
        return ()

    def check(self) -> None:
        """Raise ConfigError or DataError if what the settings name, such as a file, cannot be used; nothing is read."""
        return None

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
    """A step that gives new text. A document of which it leaves nothing is dropped under its name."""

    failure: ClassVar[str] = "failed"
    """The reason with which documents are dropped that it could not edit."""

    @abstractmethod
    def edit(self, batch: pa.RecordBatch) -> pa.Array:
        """Return the new text, as long as the batch and of the type of its `text` column; null where that failed.

        When nothing had to change, the result shares the buffers of the batch's column: no copy was made.
        """

    def edit_fields(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """Return new values of other columns by name, each as long as the batch; most edits change the text alone."""
        return {}

    def attempt(self, batch: pa.RecordBatch) -> tuple[pa.Array, pa.Array]:
        """Return what `edit` does and, where the new text is null, why; a step with several reasons overrides it."""
        texts = self.edit(batch)
        return texts, pc.if_else(texts.is_null(), pa.scalar(self.failure), pa.scalar(None, pa.string()))


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
    """A step that needs all documents at once; the builder carries it out after the other steps.

    One that is also a `Judge` (`corpus/barrier/verdicts.py`) yields verdicts about the documents.
    """

    @property
    def columns(self) -> dict[str, pa.DataType]:
        """The columns it adds to the documents, `step__value` -> double."""
        return {}


class NearSettings(Settings):
    """When two documents are near-duplicates, and how these are found; every source that asks must ask alike."""

    threshold: float = Field(0.8, gt=0, le=1)
    """Jaccard similarity of shingles from which a document near-duplicates an earlier one, a fraction."""
    bands: int = Field(16, ge=1, le=1024)
    """MinHash bands; two documents of similarity s are compared with probability 1 - (1 - s**rows)**bands. Unset: from
    the threshold, so that at least 95 % of the pairs on it are compared (16 bands of 7 from 0.8 upwards)."""
    rows: int = Field(7, ge=1, le=256)
    """Hash values in a band; bands times rows make a signature. Give both, or neither."""
    ngram: int = Field(5, ge=1, le=1000)
    """Words in a shingle."""
    han_ngram: int = Field(8, ge=1, le=1000)
    """Words (Han characters) in a shingle that begins with a Han character."""
    verify: bool = True
    """Compare the shingles of documents that share a band; false drops them unseen."""
    split_threshold: float | None = Field(0.6, gt=0, le=1)
    """Similarity from which documents fall on one side of the split, a fraction; one that lies between two sides is
    dropped. Null: sides are drawn whatever the similarity."""

    @model_validator(mode="before")
    @classmethod
    def _bands_of_threshold(cls, values: Any) -> Any:
        """Bands that nobody chose follow the threshold."""
        if not isinstance(values, Mapping):
            return values
        given = [name for name in ("bands", "rows") if name in values]
        if len(given) == 1:
            raise ValueError(f"found {given[0]} alone; give bands and rows, or neither: then they follow the threshold")
        threshold = values.get("threshold")
        if given or not isinstance(threshold, int | float) or not 0 < threshold <= 1:
            return values
        return {**values, **banding_for(float(threshold))._asdict()}

    @property
    def banding(self) -> Banding:
        """The bands in which near-duplicates meet."""
        return Banding(self.bands, self.rows)

    def recall_text(self) -> str:
        """Return how many of the pairs of documents on the threshold are compared, as a line for the user."""
        return tr(
            "  near-duplicates: {bands} bands of {rows} hash values find {recall} % of the pairs at {threshold}",
            bands=self.bands, rows=self.rows, recall=f"{100 * self.banding.recall(self.threshold):.1f}",
            threshold=self.threshold,
        )  # fmt: skip

    @model_validator(mode="after")
    def _looser_split(self) -> "NearSettings":
        if self.split_threshold is not None and self.split_threshold > self.threshold:
            raise ValueError(
                f"split_threshold {self.split_threshold} is above threshold {self.threshold}: documents between them "
                "would be duplicates and yet fall on two sides; lower it, or set it to null"
            )
        return self


REPEATS = {"paragraphs": "\n\n", "lines": "\n"}
"""What can be taken out of documents where it stood before -> what separates it, in the order in which it is done."""


class RepeatSettings(Settings):
    """Which lines or paragraphs are taken out where they stood before, in any document."""

    min_words: int = Field(8, ge=1)
    """Shorter ones are left alone; a Han character is a word."""


class DeduplicateSettings(Settings):
    """Which duplicates are dropped, and what is taken out of the documents that stay."""

    exact: bool | Literal["normalised"] = True
    """Drop a document whose text equals that of an earlier one in canonical order; normalised: also where they differ
    only in case, width, white space and punctuation."""
    paragraphs: RepeatSettings | None = None
    """Take out paragraphs (between empty lines) that stood before in a document that stays; {} takes the defaults."""
    lines: RepeatSettings | None = None
    """The same for lines, after paragraphs."""
    near: NearSettings | None = None
    """Drop near-duplicates too; {} takes the defaults. Unset: do not look for them."""
    memory_bytes: int = Field(2**30, ge=2**16, le=2**50)
    """Memory that sorting may take, in bytes; a larger corpus is sorted in more turns."""


class Deduplicate(Barrier):
    """First seen wins: a document that duplicates any earlier one, kept or not, is dropped; then lines and paragraphs
    that stood before are taken out of those that stay."""

    name = "deduplicate"
    version = 3  # grows with MINHASH_VERSION: keys and shingles of earlier builds lie in the index
    settings_type = DeduplicateSettings


def make_steps(listed: Sequence[str | Mapping[str, Any]], where: str = "corpus.steps") -> list[Step]:
    """Return the steps for a recipe's list, whose items are "name" or {name: settings}.

    A measure that a step needs and that was not taken since the last edit is put in before it, with the settings that
    it had where it stood before.
    where: the dotted path of the list in the recipe, for messages. Errors: ConfigError that names the place, what was
    found, the nearest and the allowed.
    """
    steps: list[Step] = []
    fresh: set[str] = set()
    measures: dict[str, Step] = {}
    for item, place in _expanded(listed, where):
        step = _make_step(item, place)
        for needed in step.needs:
            if needed not in fresh:
                steps.append(measures.get(needed) or _make_step(needed, where))
                fresh.add(needed)
        if isinstance(step, Edit):
            fresh.clear()
        if isinstance(step, Measure):
            fresh.add(step.name)
            measures[step.name] = step
        steps.append(step)
    return steps


def _expanded(listed: Sequence[str | Mapping[str, Any]], where: str) -> Iterator[tuple[str | Mapping[str, Any], str]]:
    """Yield (item, its place) of a recipe's list, presets replaced by their steps."""
    for position, item in enumerate(listed):
        place = f"{where}[{position}]"
        name: Any = item
        given: Any = {}
        if isinstance(item, Mapping) and len(item) == 1:
            name, given = next(iter(item.items()))
        if not isinstance(name, str) or name not in PRESETS:
            yield item, place
            continue
        steps = dict(PRESETS[name])
        given = {} if given is None else given
        if not isinstance(given, Mapping):
            raise ConfigError(f"{place}.{name}: found {shown(given)}; allowed is a mapping of its steps to settings")
        for step, values in given.items():
            if step not in steps:
                raise ConfigError(f"{place}.{name}: {unknown_name('step of the preset', step, steps)}")
            if not isinstance(values, Mapping):
                raise ConfigError(f"{place}.{name}.{step}: found {shown(values)}; allowed is a mapping of settings")
        for step, values in steps.items():
            yield {step: {**values, **given.get(step, {})}}, f"{place}.{name}"


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
            f"{where}: found {shown(item)}; allowed is a step's name, or one name with its settings, "
            "such as 'normalise' or {length: {min_characters: 200}}"
        )
    if not isinstance(name, str) or (name not in STEPS and ":" not in name):
        raise ConfigError(f"{where}: {unknown_name('step', name, [*STEPS, *PRESETS])}")
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}.{name}: found {shown(values)}; allowed is a mapping of settings, or nothing")
    step_type = _step_type(STEPS.get(name, name), where)
    return step_type(step_type.settings_type.parse(values, f"{where}.{name}"))


def _step_type(place: str, where: str) -> type[Step]:
    """Return the class at `module:Class`; raise ConfigError if there is none, or it is no step."""
    module, _, attribute = place.partition(":")
    try:
        if not all(part.isidentifier() for part in [*module.split("."), attribute]):
            raise ImportError("it is no module:Class")
        found = getattr(import_module(module), attribute)
    except (Exception, SystemExit) as error:  # a module may raise anything
        raise ConfigError(
            f"{where}: the step {shown(place)} cannot be imported ({shown(str(error))}); write module:Class, and run "
            "where Python finds the module, e.g. with PYTHONPATH=."
        ) from None
    if not (isinstance(found, type) and issubclass(found, Step) and not getattr(found, "__abstractmethods__", None)):
        raise ConfigError(f"{where}: {place!r} is {found!r}; a step is a subclass of Measure, Edit or Decide")
    return found
