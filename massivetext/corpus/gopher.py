"""The measure `statistics` and the rules on it: `gopher`, `repetition`, `length`.

The rules are those that made MassiveWeb, the web part of MassiveText (Rae et al. 2021, arXiv:2112.11446, appendix A1),
read as datatrove reads them. `gopher` was fitted on English prose: code, poetry and Chinese break it, so give it only
to sources of English prose. `repetition` and `length` count characters and lines, and hold for any language.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from massivetext.corpus.steps import Decide, Decision, Measure
from massivetext.errors import DataError
from massivetext.settings import Settings
from massivetext.text.statistics import STATISTICS, STATISTICS_VERSION, text_statistics

Values = npt.NDArray[np.float64]


class Statistics(Measure):
    """Counts characters, words, lines and their repetitions; `massivetext.text.statistics` defines them."""

    name = "statistics"
    version = STATISTICS_VERSION

    @property
    def columns(self) -> dict[str, pa.DataType]:
        """The columns `statistics__NAME`, one for each name in STATISTICS."""
        return {f"{self.name}__{name}": kind for name, kind in STATISTICS.items()}

    def measure(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """Return one array per column, as long as the batch."""
        return {f"{self.name}__{name}": values for name, values in text_statistics(batch.column("text")).items()}


class GopherSettings(Settings):
    """The limits of Gopher's quality rules; a document is kept when it lies on a limit."""

    min_words: int = 50
    """Fewest words."""
    max_words: int = 100_000
    """Most words."""
    min_mean_word_characters: float = 3.0
    """Shortest mean word length, in characters."""
    max_mean_word_characters: float = 10.0
    """Longest mean word length, in characters."""
    max_hashes_per_word: float = 0.1
    """Most "#" signs, per word or symbol."""
    max_ellipses_per_word: float = 0.1
    """Most ellipses, per word or symbol."""
    max_bullet_line_fraction: float = 0.9
    """Largest part of the lines that begins with a bullet."""
    max_ellipsis_line_fraction: float = 0.3
    """Largest part of the lines that ends with an ellipsis."""
    min_alphabetic_word_fraction: float = 0.8
    """Smallest part of the words and symbols that holds a letter."""
    min_stop_words: int = 2
    """Fewest different words of: the, be, to, of, and, that, have, with."""


class Gopher(Decide):
    """Keeps English prose that looks written for people."""

    name = "gopher"
    version = 1
    needs = ("statistics",)
    settings_type = GopherSettings

    def decide(self, batch: pa.RecordBatch) -> Decision:
        """Return the first limit that each document breaks, in the order of the settings."""
        words = statistic(batch, "words")
        per_word = np.maximum(words + statistic(batch, "symbols"), 1)
        mean = statistic(batch, "mean_word_characters")
        measured = {
            "min_words": words,
            "max_words": words,
            "min_mean_word_characters": mean,
            "max_mean_word_characters": mean,
            "max_hashes_per_word": statistic(batch, "hashes") / per_word,
            "max_ellipses_per_word": statistic(batch, "ellipses") / per_word,
            "max_bullet_line_fraction": statistic(batch, "bullet_line_fraction"),
            "max_ellipsis_line_fraction": statistic(batch, "ellipsis_line_fraction"),
            "min_alphabetic_word_fraction": statistic(batch, "alphabetic_word_fraction"),
            "min_stop_words": statistic(batch, "stop_words"),
        }
        return decide_by_limits(self.settings, measured, batch.num_rows)


class RepetitionSettings(Settings):
    """The limits of Gopher's repetition rules for lines and paragraphs; on the limit a document is kept."""

    max_duplicate_line_fraction: float = 0.30
    """Largest part of the lines that repeats an earlier one."""
    max_duplicate_paragraph_fraction: float = 0.30
    """Largest part of the paragraphs that repeats an earlier one."""
    max_duplicate_line_character_fraction: float = 0.20
    """Largest part of the characters that stands in repeated lines."""
    max_duplicate_paragraph_character_fraction: float = 0.20
    """Largest part of the characters that stands in repeated paragraphs."""


class Repetition(Decide):
    """Drops documents that say the same line or paragraph again and again."""

    name = "repetition"
    version = 1
    needs = ("statistics",)
    settings_type = RepetitionSettings

    def decide(self, batch: pa.RecordBatch) -> Decision:
        """Return the first limit that each document breaks, in the order of the settings."""
        limits = RepetitionSettings.model_fields
        measured = {limit: statistic(batch, limit.removeprefix("max_")) for limit in limits}
        return decide_by_limits(self.settings, measured, batch.num_rows)


class LengthSettings(Settings):
    """How long a document may be."""

    min_characters: int = 1
    """Fewest characters."""
    max_characters: int | None = None
    """Most characters; null for no limit."""


class Length(Decide):
    """Keeps documents of a length in characters."""

    name = "length"
    version = 1
    settings_type = LengthSettings

    def decide(self, batch: pa.RecordBatch) -> Decision:
        """Return which documents are too short or too long."""
        characters = as_values(pc.utf8_length(batch.column("text")))
        return decide_by_limits(
            self.settings, {"min_characters": characters, "max_characters": characters}, batch.num_rows
        )


def statistic(batch: pa.RecordBatch, name: str) -> Values:
    """Return the column `statistics__NAME` as float64, nan where it is null; raise DataError if it is not there."""
    column = f"statistics__{name}"
    if column not in batch.schema.names:
        raise DataError(
            f"the batch has no column {column}; found {', '.join(batch.schema.names)}; "
            "take the measure 'statistics' before this step, as make_steps does"
        )
    return as_values(batch.column(column))


def as_values(array: pa.Array) -> Values:
    """Return a column of numbers as float64, nan where it is null."""
    values: Values = array.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values


def decide_by_limits(settings: Settings, measured: dict[str, Values], documents: int) -> Decision:
    """Return the first limit that each document breaks, with the value and the limit.

    measured: for each setting, named `min_...` (rejects below) or `max_...` (rejects above), the documents' values; nan
    breaks nothing. The reason is the setting's name. A limit of None is no limit.
    """
    names = list(measured)
    broken = np.full(documents, -1)
    value, threshold = np.zeros(documents), np.zeros(documents)
    for index, (name, values) in enumerate(measured.items()):
        limit = getattr(settings, name)
        if limit is None:
            continue
        breaks = (broken < 0) & (values < limit if name.startswith("min_") else values > limit)
        broken[breaks], value[breaks], threshold[breaks] = index, values[breaks], limit
    kept = broken < 0
    return Decision(
        reason=pa.array(np.array(names, dtype=object)[broken], type=pa.string(), mask=kept),
        value=pa.array(value, mask=kept),
        threshold=pa.array(threshold, mask=kept),
    )
