"""Rules for web pages: the steps of C4, and FineWeb's custom rules.

`c4_lines`, `c4_pages`: Raffel et al. 2020, arXiv:1910.10683, section 2.2, as implemented in datatrove's c4_filters.py
(`massivetext.text.web_lines` defines which lines are kept). A page with fewer than five sentences left is dropped. The
paper uses an English sentence splitter; this module counts ends of sentences (`massivetext.text.pages`), including
Chinese ones.

`fineweb_quality`: Penedo et al. 2024, arXiv:2406.17557, section 3.6; datatrove's fineweb_quality_filter.py. Lines are
stripped before they are measured; the full stop of a line may precede closing quotation marks or brackets.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from massivetext.corpus.steps import Edit, Measure
from massivetext.corpus.steps.limits import LimitDecide, LimitSettings, Values, as_values, statistic
from massivetext.settings import Settings
from massivetext.text.arrays import count_byte
from massivetext.text.grams import GRAMS_VERSION, repeated_grams
from massivetext.text.pages import PAGE_VERSION, PAGES, page_statistics
from massivetext.text.web_lines import LINES_VERSION, keep_lines


class Page(Measure):
    """Measures lines and characters of web pages and code; `massivetext.text.pages` defines the values."""

    name = "page"
    version = PAGE_VERSION

    @property
    def columns(self) -> dict[str, pa.DataType]:
        """The columns `page__NAME`, one for each name in PAGES."""
        return {f"{self.name}__{name}": kind for name, kind in PAGES.items()}

    def measure(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """Return one array per column, as long as the batch."""
        return {f"{self.name}__{name}": values for name, values in page_statistics(batch.column("text")).items()}


class CharacterGrams(Measure):
    """Measures the fraction of 13-character sequences that occur more than once; see `massivetext.text.grams`."""

    name = "character_grams"
    version = GRAMS_VERSION

    @property
    def columns(self) -> dict[str, pa.DataType]:
        """The one column."""
        return {f"{self.name}__repeated_13_gram_fraction": pa.float64()}

    def measure(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """Return the column."""
        return dict.fromkeys(self.columns, repeated_grams(batch.column("text")))


class C4LinesSettings(Settings):
    """Which lines are kept."""

    ended: bool = True
    """Keep only lines that end like a sentence."""
    min_words: int = Field(3, ge=0)
    """Minimum number of words in a line; a Han character counts as one."""
    max_word_characters: int = Field(1000, ge=1)
    """Maximum length of a word in a line, in characters."""
    policies: bool = True
    """Drop lines that mention javascript, cookies, terms of use or a privacy policy."""


class C4Lines(Edit):
    """Keeps the lines of a page that look like sentences, and removes citation marks from them."""

    name = "c4_lines"
    version = LINES_VERSION
    settings_type = C4LinesSettings

    def edit(self, batch: pa.RecordBatch) -> pa.Array:
        """Return the texts with only the lines that pass."""
        return keep_lines(batch.column("text"), **self.settings.model_dump())


class C4PagesSettings(LimitSettings):
    """Which pages are kept, after `c4_lines`."""

    min_sentences: int | None = 5
    """Minimum number of sentences."""
    lorem_ipsum: bool = True
    """Drop pages that contain "lorem ipsum"."""
    braces: bool = True
    """Drop pages that contain "{"."""


class C4Pages(LimitDecide):
    """Drops pages with few sentences, placeholder text or program code."""

    name = "c4_pages"
    version = 1
    settings_type = C4PagesSettings

    @property
    def limits(self) -> Mapping[str, Any]:
        """The limits; a rule against any occurrence has the limit 0."""
        flags = {name: 0 if getattr(self.settings, name) else None for name in ("lorem_ipsum", "braces")}
        return {"min_sentences": self.settings.min_sentences, **flags}

    needs = ("page",)

    def measured(self, batch: pa.RecordBatch) -> dict[str, Values]:
        """Return the values that are compared with the limits."""
        text = batch.column("text")
        return {
            "min_sentences": statistic(batch, "sentences", "page"),
            "lorem_ipsum": as_values(pc.count_substring(text, "lorem ipsum", ignore_case=True)),
            "braces": count_byte(text, ord("{")).astype(np.float64),
        }


class FineWebSettings(LimitSettings):
    """The limits of FineWeb's custom rules. A document exactly on a limit is kept; null means no limit."""

    min_ended_line_fraction: float | None = 0.12
    """Minimum fraction of lines that end like a sentence."""
    max_short_line_fraction: float | None = 0.67
    """Maximum fraction of lines with at most 30 characters."""
    max_duplicate_line_character_fraction: float | None = 0.01
    """Maximum fraction of characters, without line feeds, in repeated lines."""
    max_line_feeds_per_word: float | None = 0.3
    """Maximum number of line feeds per word or symbol."""
    words: Literal["text", "jieba"] = "text"
    """What counts as a word: runs of letters and single Han characters, or the words of a Chinese segmenter."""


class FineWebQuality(LimitDecide):
    """Drops pages that consist of lists, menus and repetitions."""

    name = "fineweb_quality"
    version = 2
    settings_type = FineWebSettings

    @property
    def needs(self) -> tuple[str, ...]:
        """The measures it needs."""
        return ("page", "jieba") if self.settings.words == "jieba" else ("page",)

    def measured(self, batch: pa.RecordBatch) -> dict[str, Values]:
        """Return the values that are compared with the limits."""
        names = ("ended_line_fraction", "short_line_fraction", "duplicate_line_character_fraction")
        measured = {
            f"{'min' if name.startswith('ended') else 'max'}_{name}": statistic(batch, name, "page") for name in names
        }
        if self.settings.words == "jieba":
            words = statistic(batch, "words", "jieba") + statistic(batch, "symbols", "jieba")
            measured["max_line_feeds_per_word"] = statistic(batch, "line_feeds", "page") / np.maximum(words, 1)
        else:
            measured["max_line_feeds_per_word"] = statistic(batch, "line_feeds_per_word", "page")
        return measured
