"""nanochat: squared ReLU, bounded logits, norms without weights (also on embeddings, rotated queries and keys)."""

from typing import Any, ClassVar, cast

from torch import Tensor, nn

from massivetext.layers.attention import AttentionShape
from massivetext.layers.feedforward import PlainFeedForward
from massivetext.layers.norms import RMSNorm
from massivetext.models.blocks import DecoderBlock
from massivetext.models.config import DecoderConfig, RotaryConfig
from massivetext.models.decoder import CausalDecoder


class NanoChatConfig(RotaryConfig):
    """The shape of a nanochat model."""

    model_type: ClassVar[str] = "nanochat"
    architecture: ClassVar[str] = "NanoChatForCausalLM"

    hidden_act: str = "relu2"
    """Activation of the feed-forward part, by Hugging Face's name."""
    final_logit_softcapping: float | None = 15.0
    """Logits are bent smoothly into plus or minus this bound; None: not at all."""

    @property
    def gated(self) -> bool:
        """Whether the feed-forward part is gated: it is not."""
        return False

    @property
    def softcap(self) -> float | None:
        """The bound that logits are bent into, or None."""
        return self.final_logit_softcapping

    def attention_shape(self) -> AttentionShape:
        """Return the sizes of one attention layer: norms after the rotary turn, which goes the other way round."""
        return (
            super().attention_shape()._replace(norm="after_rotary", norm_epsilon=self.rms_norm_eps, reverse_rotary=True)
        )


class NanoChatBlock(DecoderBlock):
    """One block, with the plain feed-forward part and norms without weights."""

    def make_feedforward(self, config: DecoderConfig) -> nn.Module:
        """Return fc2(act(fc1(x)))."""
        sizes = (config.hidden_size, config.feedforward_features)
        return PlainFeedForward(sizes, config.hidden_act, False, ("fc1", "fc2"))

    @staticmethod
    def make_norm(config: Any) -> RMSNorm:
        """Return a norm without weights."""
        return RMSNorm(config.hidden_size, config.rms_norm_eps, scaled=False)


class NanoChatForCausalLM(CausalDecoder):
    """A nanochat causal language model; weights under Hugging Face's names."""

    config_class = NanoChatConfig
    block_class = NanoChatBlock

    def enter(self, embeddings: Tensor) -> Tensor:
        """Return the embeddings at root mean square one."""
        return cast(Tensor, self.model.norm(embeddings))

    def first_deviation(self, name: str, parameter: Tensor) -> float:
        """Return the deviation of a fresh parameter: one for embeddings (they are normed), little for the head."""
        if name.endswith("embed_tokens.weight"):
            return 1.0
        return 0.001 if name.endswith("lm_head.weight") else super().first_deviation(name, parameter)
