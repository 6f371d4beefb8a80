"""Arcee (AFM-4.5B): Llama with a plain feed-forward part of two matrices and squared ReLU (arXiv:2109.08668)."""

from typing import Any, ClassVar

from massivetext.models.families.llama import RotaryConfig


class ArceeConfig(RotaryConfig):
    """The shape of an Arcee model."""

    model_type: ClassVar[str] = "arcee"
    architecture: ClassVar[str] = "ArceeForCausalLM"
    gated: ClassVar[bool] = False

    hidden_act: str = "relu2"
    """Activation of the feed-forward part, by Hugging Face's name."""
    mlp_bias: bool = False
    """Whether the feed-forward projections have biases."""

    @classmethod
    def published_defaults(cls) -> dict[str, Any]:
        """Return what transformers assumes for fields missing in a config.json."""
        return {"rms_norm_eps": 1e-5}
