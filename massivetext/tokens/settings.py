"""Settings of the tokenizer and of the mixture."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from massivetext.errors import ConfigError, unknown_name
from massivetext.settings import GivenPath, Settings
from massivetext.tokens.pile import PILE, PILE_EPOCHS, plain

BYTES = 256 + 1  # and the start token
# Special tokens and bytes that every vocabulary of a kind holds, and room for at least one entry that is learned.
LEAST_ENTRIES = {"bpe": BYTES, "unigram": BYTES + 1, "wordpiece": 6, "word": BYTES, "character": BYTES, "byte": BYTES}


class TokenizerSettings(Settings):
    """How the vocabulary is made, or where it comes from."""

    kind: Literal["bpe", "unigram", "wordpiece", "word", "character", "byte"] = "bpe"
    """Kind of vocabulary: bpe (GPT-2's), unigram (SentencePiece's), word, character, byte, all from bytes, so that
    every text comes back; wordpiece (BERT's), which loses what it does not know."""

    vocab_size: int = Field(default=4096, le=2**24)
    """Entries of the vocabulary, special tokens included, and the 256 bytes except for wordpiece; kind byte has 257."""

    lowercase: bool = False
    """Whether capitals are read as small letters; wordpiece only."""

    sample_bytes_per_entry: int = Field(default=2048, gt=0, le=2**24)
    """Text the vocabulary is learned from, in UTF-8 bytes for each entry; more text than that is sampled by hash."""

    from_: GivenPath | None = Field(default=None, alias="from")
    """Folder or name of a tokenizer to use as it is, instead of training one."""

    @model_validator(mode="before")
    @classmethod
    def _bytes_alone(cls, values: Any) -> Any:
        """Return the values, with the one size that kind byte can have where none is given."""
        if isinstance(values, Mapping) and values.get("kind") == "byte":
            return {"vocab_size": LEAST_ENTRIES["byte"], **values}
        return values

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Return the settings if the vocabulary has room for what its kind always holds."""
        least = LEAST_ENTRIES[self.kind]
        if self.vocab_size < least:
            raise ValueError(
                f"vocab_size is {self.vocab_size}; at least {least} are needed for kind {self.kind} (bytes and special "
                f"tokens): set it to {least} or more, 4096 is usual for small models"
            )
        if self.kind == "byte" and self.vocab_size > least:
            raise ValueError(f"vocab_size is {self.vocab_size}; kind byte has {least} entries: leave vocab_size out")
        if self.lowercase and self.kind != "wordpiece":
            raise ValueError(f"lowercase is set, and kind {self.kind} keeps every text as it is; use wordpiece")
        return self


class MixtureSettings(Settings):
    """In which shares the sources are trained on; without any key in proportion to their size, each once a pass."""

    weights: dict[str, float] | None = None
    """Share of the training tokens of each source; normalised to a sum of 1. Sources left out are not trained on."""

    epochs: dict[str, float] | None = None
    """How often one pass goes through each source; 2 is twice, 0.5 is half. Sources left out are not trained on."""

    preset: Literal["pile"] | None = None
    """Published epochs; pile: those of the Pile's 22 components, for sources named like them (PubMed_Central)."""

    @field_validator("weights", "epochs")
    @classmethod
    def _positive(cls, value: dict[str, float] | None) -> dict[str, float] | None:
        """Return the table if it names at least one source and every number is above zero and finite."""
        if value is not None and not value:
            raise ValueError("names no source; give at least one, or leave the key out for shares by size")
        for name, number in (value or {}).items():
            if not 0 < number < float("inf"):
                raise ValueError(f"{name} is {number}; it must be above 0. Leave a source out to not train on it")
        return value

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        """Return the settings if at most one of the keys is given."""
        given = [name for name in ("weights", "epochs", "preset") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"both {' and '.join(given)} are given; they say the same thing twice: keep one of them")
        return self

    def for_sources(self, sources: Iterable[str]) -> "MixtureSettings":
        """Return the settings with the preset, if any, as epochs of these sources; ConfigError for an unknown one."""
        if self.preset is None:
            return self
        unknown = [name for name in sources if plain(name) not in PILE_EPOCHS]
        if unknown:
            allowed = [component.name for component in PILE]
            raise ConfigError(unknown_name("component of the Pile among the sources:", unknown[0], allowed))
        return MixtureSettings(epochs={name: PILE_EPOCHS[plain(name)] for name in sources})

    def exact(self) -> dict[str, Fraction]:
        """Return the numbers given as exact fractions of their decimal form (0.3 is 3/10), by source."""
        return {name: Fraction(repr(number)) for name, number in (self.weights or self.epochs or {}).items()}
