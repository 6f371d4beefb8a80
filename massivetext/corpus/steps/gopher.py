"""Gopher's rules: measures `statistics` and `ngrams`, decisions `gopher_quality`, `gopher_repetition` and `length`.

The rules are those that made MassiveWeb, the web part of MassiveText (Rae et al. 2021, arXiv:2112.11446, appendix A1
and table A1). Quality is read as datatrove reads it, repetition as the paper says it; `massivetext.text.statistics` and
`massivetext.text.repetition` say what is counted and where the paper's usual code differs. The limits were fitted on
English prose: code and poetry break those of quality. Rules on words apply to text that is written in words: a document
of which most words are single Han characters is not asked for the length of its words or for English stop words. With
`words: jieba` words are those of a Chinese segmenter, and the preset `fineweb2-zh` has limits fitted on such words.
"""

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from massivetext.corpus.steps import Measure
from massivetext.corpus.steps.limits import LimitDecide, LimitSettings, Values, as_values, statistic
from massivetext.text.repetition import REPETITION_VERSION, REPETITIONS, repetition_statistics
from massivetext.text.statistics import STATISTICS, STATISTICS_VERSION, text_statistics
from massivetext.text.words import WORDS_VERSION, hash_words

HAN_TEXT_FRACTION = 0.5
"""Part of the words from which single Han characters make a text one that is not written in words."""


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


class NGrams(Measure):
    """Measures how much of a text stands in n-grams that repeat; `massivetext.text.repetition` defines it."""

    name = "ngrams"
    version = 100 * REPETITION_VERSION + WORDS_VERSION

    @property
    def columns(self) -> dict[str, pa.DataType]:
        """The columns `ngrams__NAME`, one for each name in REPETITIONS."""
        return {f"{self.name}__{name}": kind for name, kind in REPETITIONS.items()}

    def measure(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """Return one array per column, as long as the batch."""
        texts = batch.column("text")
        found = repetition_statistics(hash_words(texts), texts)
        return {f"{self.name}__{name}": values for name, values in found.items()}


class QualitySettings(LimitSettings):
    """The limits of Gopher's quality rules; a document is kept when it lies on a limit, null is no limit."""

    min_words: int | None = 50
    """Minimum number of words."""
    max_words: int | None = 100_000
    """Maximum number of words."""
    min_mean_word_characters: float | None = 3.0
    """Minimum mean word length in characters; not applied to texts in Han characters, unless words is jieba."""
    max_mean_word_characters: float | None = 10.0
    """Maximum mean word length in characters; not applied to texts in Han characters, unless words is jieba."""
    max_hashes_per_word: float | None = 0.1
    """Maximum number of "#" signs per word or symbol."""
    max_ellipses_per_word: float | None = 0.1
    """Maximum number of ellipses per word or symbol."""
    max_bullet_line_fraction: float | None = 0.9
    """Maximum fraction of lines that begin with a bullet."""
    max_ellipsis_line_fraction: float | None = 0.3
    """Maximum fraction of lines that end with an ellipsis."""
    min_alphabetic_word_fraction: float | None = 0.8
    """Minimum fraction of words and symbols that contain a letter."""
    min_stop_words: int | None = 2
    """Minimum number of different words of: the, be, to, of, and, that, have, with (not for texts of Han characters);
    under jieba of 23 frequent Chinese ones."""
    words: Literal["text", "jieba"] = "text"
    """What counts as a word: runs of letters and single Han characters, or the words of a Chinese segmenter."""


class GopherQuality(LimitDecide):
    """Keeps prose that looks written for people."""

    name = "gopher_quality"
    version = 2
    settings_type = QualitySettings

    @property
    def needs(self) -> tuple[str, ...]:
        """The measures it looks at."""
        return ("statistics", "jieba") if self.settings.words == "jieba" else ("statistics",)

    def measured(self, batch: pa.RecordBatch) -> dict[str, Values]:
        """Return what each limit is compared with."""
        counted = self.needs[-1]
        words = statistic(batch, "words", counted)
        per_word = np.maximum(words + statistic(batch, "symbols", counted), 1)
        mean = statistic(batch, "mean_word_characters", counted)
        stop_words = statistic(batch, "stop_words", counted)
        if self.settings.words == "text":
            # One Han character is one word here, so these rules would only tell that the text is Chinese.
            han = statistic(batch, "han_fraction") * statistic(batch, "characters")
            in_words = han < HAN_TEXT_FRACTION * words
            mean, stop_words = (np.where(in_words | (words == 0), values, np.nan) for values in (mean, stop_words))
        return {
            "min_words": words,
            "max_words": words,
            "min_mean_word_characters": mean,
            "max_mean_word_characters": mean,
            "max_hashes_per_word": statistic(batch, "hashes") / per_word,
            "max_ellipses_per_word": statistic(batch, "ellipses") / per_word,
            "max_bullet_line_fraction": statistic(batch, "bullet_line_fraction"),
            "max_ellipsis_line_fraction": statistic(batch, "ellipsis_line_fraction"),
            "min_alphabetic_word_fraction": statistic(batch, "alphabetic_word_fraction", counted),
            "min_stop_words": stop_words,
        }


class RepetitionSettings(LimitSettings):
    """The limits of Gopher's repetition rules; on the limit a document is kept, null is no limit."""

    max_duplicate_line_fraction: float | None = 0.30
    """Maximum fraction of lines that repeat an earlier one."""
    max_duplicate_paragraph_fraction: float | None = 0.30
    """Maximum fraction of paragraphs that repeat an earlier one."""
    max_duplicate_line_character_fraction: float | None = 0.20
    """Maximum fraction of characters in repeated lines."""
    max_duplicate_paragraph_character_fraction: float | None = 0.20
    """Maximum fraction of characters in repeated paragraphs."""
    max_top_2_gram_character_fraction: float | None = 0.20
    """Maximum fraction of characters in the most frequent pair of words."""
    max_top_3_gram_character_fraction: float | None = 0.18
    """The same for three words."""
    max_top_4_gram_character_fraction: float | None = 0.16
    """The same for four."""
    max_duplicate_5_gram_character_fraction: float | None = 0.15
    """Maximum fraction of characters in sequences of five words that occurred before."""
    max_duplicate_6_gram_character_fraction: float | None = 0.14
    """The same for six."""
    max_duplicate_7_gram_character_fraction: float | None = 0.13
    """The same for seven."""
    max_duplicate_8_gram_character_fraction: float | None = 0.12
    """The same for eight."""
    max_duplicate_9_gram_character_fraction: float | None = 0.11
    """The same for nine."""
    max_duplicate_10_gram_character_fraction: float | None = 0.10
    """The same for ten."""
    words: Literal["text", "jieba"] = "text"
    """What n-grams consist of: runs of letters and single Han characters, or the words of a Chinese segmenter."""


class GopherRepetition(LimitDecide):
    """Drops documents that say the same line, paragraph or words again and again."""

    name = "gopher_repetition"
    version = 1
    settings_type = RepetitionSettings

    @property
    def needs(self) -> tuple[str, ...]:
        """The measures it looks at."""
        return ("statistics", "jieba" if self.settings.words == "jieba" else "ngrams")

    def measured(self, batch: pa.RecordBatch) -> dict[str, Values]:
        """Return what each limit is compared with."""
        measured = {}
        for limit in RepetitionSettings.model_fields:
            name = limit.removeprefix("max_")
            if limit != "words":
                measured[limit] = statistic(batch, name, self.needs[1] if name in REPETITIONS else "statistics")
        return measured


class LengthSettings(LimitSettings):
    """How long a document may be."""

    min_characters: int = 1
    """Minimum number of characters."""
    max_characters: int | None = None
    """Maximum number of characters; null for no limit."""


class Length(LimitDecide):
    """Keeps documents of a length in characters."""

    name = "length"
    version = 1
    settings_type = LengthSettings

    def measured(self, batch: pa.RecordBatch) -> dict[str, Values]:
        """Return what each limit is compared with."""
        characters = as_values(pc.utf8_length(batch.column("text")))
        return {"min_characters": characters, "max_characters": characters}
