"""Rules for Chinese: words of a segmenter, and the published rules of MAP-NEO and ChineseWebText.

`jieba` gives the word counts that FineWeb-2's limits were fitted on (arXiv:2506.20920; huggingface/fineweb-2,
configs/cmn_Hani.yml); `rjieba` is the same segmenter in Rust.

`map_neo_quality`: the rules of the Matrix corpus (Zhang et al. 2024, arXiv:2405.19327; MAP-NEO's
chinese_data_clean_pipeline/filter/filter.py), on characters. Where the published code does not do what the paper means,
the paper is followed: its filter of duplicates never drops, and counts kinds of characters instead of characters. Not
done: the list of URLs, and language identification (a step of its own). Text is measured as stored.

`chinesewebtext_quality`: Chen et al. 2023, arXiv:2311.01149 (CASIA-LM/ChineseWebText, preprocess.py), on characters;
the paper then scores pages with a classifier. Not done: the check that every character is a simplified one, which needs
a table of conversion; for sensitive words give a list to the step `word_list`, with max_different_per_line 0.5.
"""

from typing import Any

import numpy as np
import pyarrow as pa

from massivetext.corpus.steps import Measure
from massivetext.corpus.steps.limits import LimitDecide, LimitSettings, Values, statistic
from massivetext.text.repetition import REPETITION_VERSION, REPETITIONS, repetition_statistics
from massivetext.text.segments import COUNTED, SEGMENTS_VERSION, segment

COUNTS = {"words": pa.int64(), "symbols": pa.int64(), "stop_words": pa.int64(), "mean_word_characters": pa.float64(),
          "alphabetic_word_fraction": pa.float64()}  # fmt: skip


class Jieba(Measure):
    """Counts the words of a segmenter (`massivetext.text.segments`), and measures their n-grams as `ngrams` does."""

    name = "jieba"
    version = 100 * REPETITION_VERSION + SEGMENTS_VERSION

    @property
    def columns(self) -> dict[str, pa.DataType]:
        """The columns `jieba__NAME`."""
        return {f"{self.name}__{name}": kind for name, kind in (COUNTS | REPETITIONS).items()}

    def measure(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """Return one array per column, as long as the batch."""
        texts = batch.column("text")
        words, counts = segment(texts)
        column = dict(zip(COUNTED, counts.T))
        values: dict[str, Any] = {
            **column,
            "mean_word_characters": column["word_characters"] / np.maximum(column["words"], 1),
            "alphabetic_word_fraction": column["alphabetic_words"] / np.maximum(column["words"] + column["symbols"], 1),
        }
        missing = texts.is_null().to_numpy(zero_copy_only=False)
        found = {name: pa.array(values[name], kind, mask=missing) for name, kind in COUNTS.items()}
        return {f"{self.name}__{name}": array for name, array in (found | repetition_statistics(words, texts)).items()}


class MapNeoSettings(LimitSettings):
    """The limits of MAP-NEO's rules for Chinese; on a limit a document is kept, null is no limit."""

    min_characters: int | None = 50
    """Minimum number of characters."""
    max_characters: int | None = 10_000
    """Maximum number of characters."""
    max_bracketed_fraction: float | None = 0.1
    """Maximum fraction of characters between 【 and 】."""
    min_sentences: int | None = 2
    """Minimum number of sentences."""
    min_mean_word_characters: float | None = 1.3
    """Minimum mean word length by the segmenter jieba, in characters."""
    max_mean_word_characters: float | None = 10.0
    """Maximum mean word length by the segmenter jieba, in characters."""
    max_hashes_per_character: float | None = 0.1
    """Maximum number of "#" signs per character."""
    max_ellipses_per_character: float | None = 0.1
    """Maximum number of ellipses per character."""
    max_digit_fraction: float | None = 0.3
    """Maximum fraction of characters, without punctuation, that are digits."""
    max_more_line_fraction: float | None = 0.3
    """Maximum fraction of lines that end in readmore, 展开, 更多 or 。。。."""
    max_bullet_line_fraction: float | None = 0.9
    """Maximum fraction of lines that begin with a bullet."""
    min_punctuation: int | None = 1
    """Minimum number of punctuation marks."""
    min_unique_character_fraction: float | None = 0.1
    """Minimum number of different characters as a fraction of all."""
    min_character_entropy_nats: float | None = 3.0
    """Minimum entropy of the characters, in nats."""
    max_top_2_gram_character_fraction: float | None = 0.20
    """Maximum fraction of characters in the most frequent pair of Han characters or words."""
    max_top_3_gram_character_fraction: float | None = 0.18
    """The same for three."""
    max_top_4_gram_character_fraction: float | None = 0.16
    """The same for four."""
    max_duplicate_5_gram_character_fraction: float | None = 0.60
    """Maximum fraction of characters in sequences of five Han characters or words that
    occurred before."""
    max_duplicate_6_gram_character_fraction: float | None = 0.60
    """The same for six."""
    max_duplicate_7_gram_character_fraction: float | None = 0.60
    """The same for seven."""
    max_duplicate_8_gram_character_fraction: float | None = 0.60
    """The same for eight."""
    max_duplicate_9_gram_character_fraction: float | None = 0.60
    """The same for nine."""
    max_duplicate_10_gram_character_fraction: float | None = 0.60
    """The same for ten."""


class MapNeoQuality(LimitDecide):
    """Keeps Chinese pages that look written for people, by characters."""

    name = "map_neo_quality"
    version = 1
    settings_type = MapNeoSettings

    @property
    def needs(self) -> tuple[str, ...]:
        """The measures it looks at; jieba only where the length of words is limited."""
        limits = (self.settings.min_mean_word_characters, self.settings.max_mean_word_characters)
        return ("statistics", "ngrams", "page", *(("jieba",) if limits != (None, None) else ()))

    def measured(self, batch: pa.RecordBatch) -> dict[str, Values]:
        """Return what each limit is compared with."""
        characters = np.maximum(statistic(batch, "characters"), 1)
        measured = {}
        for limit in MapNeoSettings.model_fields:
            name = limit[4:]
            if name in ("hashes_per_character", "ellipses_per_character"):
                measured[limit] = statistic(batch, name.removesuffix("_per_character")) / characters
            elif name == "mean_word_characters":
                if "jieba" in self.needs:
                    measured[limit] = statistic(batch, name, "jieba")
            elif name in REPETITIONS:
                measured[limit] = statistic(batch, name, "ngrams")
            else:
                measured[limit] = statistic(batch, name, "statistics" if name.startswith("bullet") else "page")
        return measured


class ChineseWebTextSettings(LimitSettings):
    """The limits of ChineseWebText's rules; on a limit a document is kept, null is no limit."""

    min_characters: int | None = 201
    """Minimum number of characters."""
    min_mean_line_characters: float | None = 10.0
    """Minimum mean line length in characters, without blank lines."""
    min_ideograph_fraction: float | None = 0.30
    """Minimum fraction of characters from U+4E00 to U+9FA5."""
    max_repeated_13_gram_fraction: float | None = 0.5
    """Maximum fraction of sequences of 13 characters that occur more than once."""


class ChineseWebTextQuality(LimitDecide):
    """Keeps long, Chinese, unrepetitive pages."""

    name = "chinesewebtext_quality"
    version = 1
    settings_type = ChineseWebTextSettings
    needs = ("page", "character_grams")

    def measured(self, batch: pa.RecordBatch) -> dict[str, Values]:
        """Return what each limit is compared with."""
        fields = ChineseWebTextSettings.model_fields
        return {limit: statistic(batch, limit[4:], self.needs["13_gram" in limit]) for limit in fields}
