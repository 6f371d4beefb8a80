"""The barrier `deduplicate`: which duplicates are dropped, and what is taken out of the documents that stay."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from massivetext.corpus.barrier.banding import Banding, banding_for
from massivetext.corpus.steps import Barrier
from massivetext.settings import Settings
from massivetext.translations import tr


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
    """Number of words in a shingle."""
    han_ngram: int = Field(8, ge=1, le=1000)
    """Number of words (Han characters) in a shingle that begins with a Han character."""
    verify: bool = True
    """Compare the shingles of documents that share a band; false drops them unseen."""
    split_threshold: float | None = Field(0.6, gt=0, le=1)
    """Similarity from which documents belong in one split, a fraction; a document that links two splits is
    dropped. Null: splits are drawn regardless of similarity."""

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
    """Shorter ones are left unchanged; a Han character counts as a word."""


class DeduplicateSettings(Settings):
    """Which duplicates are dropped, and what is taken out of the documents that stay."""

    exact: bool | Literal["normalised"] = True
    """Drop a document whose text equals that of an earlier one in canonical order; normalised: also where they differ
    only in case, width, white space and punctuation."""
    paragraphs: RepeatSettings | None = None
    """Remove paragraphs (between empty lines) that occurred before in a document that is kept; {} uses the defaults."""
    lines: RepeatSettings | None = None
    """The same for lines, after paragraphs."""
    near: NearSettings | None = None
    """Drop near-duplicates too; {} uses the defaults. Unset: do not search for them."""
    memory_bytes: int = Field(2**30, ge=2**16, le=2**50)
    """Memory for sorting, in bytes; a larger corpus is sorted in more rounds."""


class Deduplicate(Barrier):
    """First seen wins: a document that duplicates any earlier one, kept or not, is dropped; then lines and paragraphs
    that stood before are taken out of those that stay."""

    name = "deduplicate"
    version = 3  # grows with MINHASH_VERSION: keys and shingles of earlier builds lie in the index
    settings_type = DeduplicateSettings
