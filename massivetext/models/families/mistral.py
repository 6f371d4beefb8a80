"""Mistral (arXiv:2310.06825): Llama with grouped keys; the first release's tokens read a sliding window of the past."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import model_validator

from massivetext.models.families.llama import RotaryConfig


class MistralConfig(RotaryConfig):
    """The shape of a Mistral model."""

    model_type: ClassVar[str] = "mistral"
    architecture: ClassVar[str] = "MistralForCausalLM"
    neutral: ClassVar[Mapping[str, Any]] = {**RotaryConfig.neutral, "attention_bias": False}

    sliding_window: int | None = None
    """How many tokens, itself included, a token reads at most in each block; None: all before it."""

    @model_validator(mode="after")
    def _check_window(self) -> Self:
        if self.sliding_window is not None and self.sliding_window < 1:
            raise ValueError(f"sliding_window is {self.sliding_window}; it must be at least 1, or null for no window")
        if self.attention_bias:
            raise ValueError("attention_bias is true; Mistral's projections have no biases: use family llama")
        return self

    @property
    def attention_window(self) -> int | None:
        """How many tokens, itself included, a token reads at most."""
        return self.sliding_window

    @classmethod
    def published_defaults(cls) -> dict[str, Any]:
        """Return what transformers assumes for fields missing in a config.json."""
        return {"num_key_value_heads": 8, "sliding_window": 4096}
