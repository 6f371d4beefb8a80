"""The blocks of the decoder families, and what stands before and behind them. Legend: B batch, T tokens, D features."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from massivetext.generation.kernels import ACTIVATION_CODES, NO_NORM, NORM_AFTER, NORM_BEFORE
from massivetext.generation.stepping import LayerPlan, Norm, StepPlan, affine_of
from massivetext.layers.attention import Context, SelfAttention
from massivetext.layers.feedforward import GatedFeedForward
from massivetext.layers.norms import RMSNorm
from massivetext.layers.positions import LearnedPositions
from massivetext.models.config import DecoderConfig

# The matrices that write into the residual stream; they start at zero, so that a fresh block passes its input through.
OUTPUT_PROJECTIONS = ("o_proj.weight", "down_proj.weight", "fc2.weight")


def norm_of(norm: nn.Module) -> Norm:
    """Return what a norm multiplies by and adds, (D,) each."""
    assert isinstance(norm, RMSNorm | nn.LayerNorm)
    features = norm.features if isinstance(norm, RMSNorm) else norm.normalized_shape[0]
    shift = getattr(norm, "bias", None)
    return Norm(
        torch.ones(features) if norm.weight is None else norm.weight.detach(),
        torch.zeros(features) if shift is None else shift.detach(),
    )


class DecoderBlock(nn.Module):
    """Norm, attention, add; norm, feed-forward, add (arXiv:2002.04745), under Hugging Face's names."""

    parallel = False  # whether both parts read what the block reads, and are added together

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

    def step_plan(self) -> LayerPlan | None:
        """Return this block's weights for the fast decoding step; None: it does not know such blocks."""
        attention = self.self_attn
        layers = [affine_of(layer) for layer in self.mlp.children() if isinstance(layer, nn.Linear)]
        head_scales = torch.ones(2, attention.shape.head_dim)
        if attention.shape.norm == "before_rotary":
            head_scales = torch.stack([norm_of(attention.q_norm).scale, norm_of(attention.k_norm).scale])
        return LayerPlan(
            [affine_of(projection) for projection in (attention.q_proj, attention.k_proj, attention.v_proj)],
            affine_of(attention.o_proj),
            layers[:-1],  # gate and up, or up alone: the feed-forward parts declare them first, the way back last
            layers[-1],
            norm_of(self.input_layernorm),
            norm_of(self.post_attention_layernorm),
            head_scales,
            self.parallel,
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

    def step_plan(self) -> None:
        """Return None: the fast step norms before a part, not behind it."""

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

    def step_plan(self, config: Any, head: Tensor, frequencies: Tensor | None) -> StepPlan | None:
        """Return what the fast decoding step needs; None where it does not know the blocks."""
        layers = [cast(DecoderBlock, block).step_plan() for block in self.layers]
        known = [layer for layer in layers if layer is not None]
        if len(known) < len(layers) or config.hidden_act not in ACTIVATION_CODES:
            return None
        norm: Any = self.norm
        table, shape = getattr(self, "embed_positions", None), config.attention_shape()
        return StepPlan(
            known,
            norm_of(norm),
            head,
            frequencies,
            None if table is None else table.weight.detach()[table.offset :],
            ACTIVATION_CODES[config.hidden_act],
            {"none": NO_NORM, "before_rotary": NORM_BEFORE, "after_rotary": NORM_AFTER}[shape.norm],
            isinstance(norm, nn.LayerNorm),
            norm.eps if isinstance(norm, nn.LayerNorm) else norm.epsilon,
            shape.reverse_rotary,
            config.softcap,
        )
