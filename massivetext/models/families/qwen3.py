"""Qwen3 (arXiv:2505.09388), dense: Llama with queries and keys normalised per head before the rotary turn."""

from typing import Any, ClassVar

from massivetext.layers.attention import AttentionShape
from massivetext.models.families.llama import RotaryConfig


class Qwen3Config(RotaryConfig):
    """The shape of a dense Qwen3 model."""

    model_type: ClassVar[str] = "qwen3"
    architecture: ClassVar[str] = "Qwen3ForCausalLM"

    def attention_shape(self) -> AttentionShape:
        """Return the sizes of one attention layer, with its query and key norms."""
        return super().attention_shape()._replace(norm="before_rotary", norm_epsilon=self.rms_norm_eps)

    @classmethod
    def published_defaults(cls) -> dict[str, Any]:
        """Return what transformers assumes for fields missing in a config.json: heads of 128 features."""
        return {"head_dim": 128}
