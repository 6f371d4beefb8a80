"""nanochat: squared ReLU, bounded logits, norms without weights (also on embeddings, rotated queries and keys)."""

from typing import Any, ClassVar, cast

from torch import Tensor, nn

from massivetext.layers.attention import AttentionShape, Context, RMSNorm, SelfAttention
from massivetext.layers.feedforward import PlainFeedForward
from massivetext.models.families.llama import Llama, RotaryConfig


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


class NanoChatBlock(nn.Module):
    """Norm, attention, add; norm, feed-forward, add, with the plain feed-forward part and norms without weights."""

    order = "norm first"

    def __init__(self, config: NanoChatConfig, number: int) -> None:
        super().__init__()
        sizes = (config.hidden_size, config.feedforward_features)
        self.self_attn = SelfAttention(config.attention_shape())
        self.mlp = PlainFeedForward(sizes, config.hidden_act, False, ("fc1", "fc2"))
        self.input_layernorm, self.post_attention_layernorm = self.make_norm(config), self.make_norm(config)

    @staticmethod
    def make_norm(config: Any) -> nn.Module:
        """Return a norm without weights."""
        return RMSNorm(config.hidden_size, config.rms_norm_eps, scaled=False)

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """Return the hidden state after this block, (B, T, D)."""
        hidden = hidden + self.self_attn(self.input_layernorm(hidden), context)
        return cast(Tensor, hidden + self.mlp(self.post_attention_layernorm(hidden)))


class NanoChat(Llama):
    """nanochat's body; files name its parts as it does."""

    prefixes = ("model.",)
    block_class = NanoChatBlock

    def enter(self, embeddings: Tensor) -> Tensor:
        """Return the embeddings at root mean square one."""
        return cast(Tensor, self.norm(embeddings))

    def first_deviation(self, name: str, parameter: Tensor) -> float:
        """Return the deviation of a fresh parameter: one for embeddings (they are normed), little for the head."""
        if name.endswith("embed_tokens.weight"):
            return 1.0
        return 0.001 if name.endswith("lm_head.weight") else super().first_deviation(name, parameter)
