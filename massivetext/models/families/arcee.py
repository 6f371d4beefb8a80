"""Arcee (AFM-4.5B): Llama with a plain feed-forward part of two matrices and squared ReLU (arXiv:2109.08668)."""

from typing import Any, ClassVar

from torch import nn

from massivetext.layers.feedforward import PlainFeedForward
from massivetext.models.families.llama import Llama, LlamaBlock, RotaryConfig


class ArceeConfig(RotaryConfig):
    """The shape of an Arcee model."""

    model_type: ClassVar[str] = "arcee"
    architecture: ClassVar[str] = "ArceeForCausalLM"

    hidden_act: str = "relu2"
    """Activation of the feed-forward part, by Hugging Face's name."""
    mlp_bias: bool = False
    """Whether the feed-forward projections have biases."""

    @property
    def gated(self) -> bool:
        """Whether the feed-forward part is gated: it is not."""
        return False

    @classmethod
    def published_defaults(cls) -> dict[str, Any]:
        """Return what transformers assumes for fields missing in a config.json."""
        return {"rms_norm_eps": 1e-5}


class ArceeBlock(LlamaBlock):
    """Llama's block with the plain feed-forward part."""

    @staticmethod
    def make_feedforward(config: Any) -> nn.Module:
        """Return down(act(up(x)))."""
        sizes = (config.hidden_size, config.feedforward_features)
        return PlainFeedForward(sizes, config.hidden_act, config.mlp_bias, ("up_proj", "down_proj"))


class Arcee(Llama):
    """Arcee's body."""

    block_class = ArceeBlock
