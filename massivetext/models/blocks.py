"""The blocks of the decoder families, and what stands before and behind them. Legend: B batch, T tokens, D features."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from massivetext.generation.stepping import LayerPlan
from massivetext.layers.attention import Context, SelfAttention
from massivetext.layers.feedforward import GatedFeedForward
from massivetext.layers.norms import RMSNorm
from massivetext.layers.positions import LearnedPositions
from massivetext.models.configuration import DecoderConfig

# The matrices that write into the residual stream; they start at zero, so that a fresh block passes its input through.
OUTPUT_PROJECTIONS = ("o_proj.weight", "down_proj.weight", "fc2.weight")


def scale_of(norm: nn.Module) -> Tensor:
    """Return a norm's scale (D,); ones where it has none."""
    assert isinstance(norm, RMSNorm)
    return torch.ones(norm.features) if norm.weight is None else norm.weight.detach()


class DecoderBlock(nn.Module):
    """Norm, attention, add; norm, feed-forward, add (arXiv:2002.04745), under Hugging Face's names."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.self_attn = SelfAttention(config.attention_shape())
        self.mlp = self.make_feedforward(config)
        self.input_layernorm = self.make_norm(config)
        self.post_attention_layernorm = self.make_norm(config)
        self.dropout = nn.Dropout(config.dropouts.residual)

    def make_feedforward(self, config: DecoderConfig) -> nn.Module:
        """Return the family's feed-forward part."""
        return GatedFeedForward(
            config.hidden_size, config.feedforward_features, config.hidden_act, getattr(config, "mlp_bias", False)
        )

    @staticmethod
    def make_norm(config: Any) -> nn.Module:
        """Return one of the family's norms over the hidden features."""
        return RMSNorm(config.hidden_size, config.rms_norm_eps)

    def step_plan(self) -> LayerPlan:
        """Return this block's weights for the fast decoding step."""
        attention, matrices = self.self_attn, [matrix.detach() for matrix in self.mlp.parameters()]
        head_scales = torch.ones(2, attention.shape.head_dim)
        if attention.shape.norm == "before_rotary":
            head_scales = torch.stack([scale_of(attention.q_norm), scale_of(attention.k_norm)])
        projections = (attention.q_proj, attention.k_proj, attention.v_proj)
        return LayerPlan(
            [projection.weight.detach() for projection in projections],
            attention.o_proj.weight.detach(),
            matrices[:-1],  # gate and up, or up alone: the feed-forward parts declare them first, the way back last
            matrices[-1],
            scale_of(self.input_layernorm),
            scale_of(self.post_attention_layernorm),
            head_scales,
        )

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """Return the hidden state after this block, (B, T, D)."""
        hidden = hidden + self.dropout(self.self_attn(self.input_layernorm(hidden), context))
        return cast(Tensor, hidden + self.dropout(self.mlp(self.post_attention_layernorm(hidden))))


def run_block(block: DecoderBlock, hidden: Tensor, context: Context) -> Tensor:
    """Return the hidden state after `block`, (B, T, D): one function for all blocks of a model, to be compiled once."""
    return cast(Tensor, block(hidden, context))


RunBlock = Callable[[DecoderBlock, Tensor, Context], Tensor]


class PostNormBlock(DecoderBlock):
    """Attention, add, norm; feed-forward, add, norm: the order of the first Transformer (arXiv:1706.03762)."""

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """Return the hidden state after this block, (B, T, D)."""
        hidden = self.input_layernorm(hidden + self.dropout(self.self_attn(hidden, context)))
        return cast(Tensor, self.post_attention_layernorm(hidden + self.dropout(self.mlp(hidden))))


class DecoderStack(nn.Module):
    """Embeddings, blocks and final norm: what Hugging Face calls `model` inside a causal language model."""

    def __init__(self, config: DecoderConfig, block: type[DecoderBlock], positions: LearnedPositions | None) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        if positions is not None:
            self.embed_positions = positions
        self.dropout = nn.Dropout(config.dropouts.embedding)
        self.layers = nn.ModuleList(block(config) for _ in range(config.num_hidden_layers))
        self.norm = block.make_norm(config)
