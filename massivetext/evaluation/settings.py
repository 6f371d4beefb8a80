"""Settings of evaluation: the `evaluate:` section of a recipe."""

from typing import Literal

from pydantic import Field

from massivetext.settings import Settings


class EvaluateSettings(Settings):
    """How the trained model is scored on the test split."""

    tasks: tuple[Literal["bits_per_byte"], ...] = Field(("bits_per_byte",), min_length=1)
    """What to score."""
    stride_tokens: int | None = Field(None, ge=1)
    """Tokens that each scoring window moves on; less than the model's context gives every token more left context and
    costs as much more; unset: half the context."""
    ngram_order: int = Field(5, ge=0, le=6)
    """Order of the Kneser-Ney model that stands beside the network in every table; 0 leaves it out."""
    xz_primed_bytes: int = Field(32_000_000, ge=0, le=48_000_000)
    """Most bytes of training text that the primed `xz` row may see first (its dictionary holds 64 MiB); 0 leaves the
    row out."""
