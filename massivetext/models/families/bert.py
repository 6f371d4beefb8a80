"""BERT (arXiv:1810.04805): learned positions, two kinds of tokens, norm after each half of a block, a pooler.

RoBERTa and XLM-R have the same body. Legend: B rows, T tokens, D features.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self, cast

import torch
from pydantic import model_validator
from torch import Tensor, nn

from massivetext.layers.attention import HeadShape, MultiHeadAttention, Weights
from massivetext.layers.feedforward import activation
from massivetext.models.config import PublishedConfig
from massivetext.models.encoder import Encoder


class BertConfig(PublishedConfig):
    """The shape of a BERT model; field names are Hugging Face's."""

    model_type: ClassVar[str] = "bert"
    neutral: ClassVar[Mapping[str, Any]] = {"is_encoder_decoder": False}

    vocab_size: int = 30522
    """Rows of the embedding: at least the tokenizer's ids."""
    hidden_size: int = 768
    """Features of a token between blocks."""
    intermediate_size: int = 3072
    """Features inside the feed-forward part."""
    num_hidden_layers: int = 12
    """Blocks."""
    num_attention_heads: int = 12
    """Heads of each block, a divisor of hidden_size."""
    hidden_act: str = "gelu"
    """Activation of the feed-forward part, by Hugging Face's name."""
    hidden_dropout_prob: float = 0.1
    """Share of features that training drops after embeddings, attention and feed-forward part."""
    attention_probs_dropout_prob: float = 0.1
    """Share of attention weights that training drops."""
    max_position_embeddings: int = 512
    """Rows of the position embedding."""
    type_vocab_size: int = 2
    """Kinds of tokens (first text, second text)."""
    initializer_range: float = 0.02
    """Standard deviation of fresh matrices and embeddings."""
    layer_norm_eps: float = 1e-12
    """Added to the variance before its root is taken."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in ("vocab_size", "hidden_size", "num_attention_heads", "max_position_embeddings", "num_labels"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}"
            )
        if not self.tie_word_embeddings:
            raise ValueError(
                "tie_word_embeddings is False, which is not supported: the masked language model's head uses the "
                "embedding's weights"
            )
        activation(self.hidden_act)
        return self

    @property
    def most_tokens(self) -> int:
        """The most tokens that the model reads at once."""
        return self.max_position_embeddings

    def dropout_before(self, task: str) -> float:
        """Return the share of features that training drops before the head for a task."""
        plain = self.classifier_dropout is None and task != "question-answering"
        return self.hidden_dropout_prob if plain else super().dropout_before(task)

    def attention_shape(self) -> HeadShape:
        """Return the sizes of one attention layer."""
        return HeadShape(
            self.hidden_size,
            self.num_attention_heads,
            self.hidden_size // self.num_attention_heads,
            dropout=self.attention_probs_dropout_prob,
        )


class Embeddings(nn.Module):
    """Words, positions and kinds of tokens, added and normed."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, input_ids: Tensor, kinds: Tensor, positions: Tensor) -> Tensor:
        """Return what the first block reads, (B, T, D)."""
        added = self.word_embeddings(input_ids) + self.token_type_embeddings(kinds)
        return cast(Tensor, self.dropout(self.LayerNorm(added + self.position_embeddings(positions))))


class AddNorm(nn.Module):
    """The way back into the residual stream: project, drop out, add, norm."""

    def __init__(self, config: BertConfig, features: int) -> None:
        super().__init__()
        self.dense = nn.Linear(features, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, values: Tensor, hidden: Tensor) -> Tensor:
        """Return norm(hidden + dense(values)), (B, T, D)."""
        return cast(Tensor, self.LayerNorm(self.dropout(self.dense(values)) + hidden))


class AttentionHalf(nn.Module):
    """Attention with its way back, under BERT's names."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.self = MultiHeadAttention(config.attention_shape(), ("query", "key", "value", None))
        self.output = AddNorm(config, config.hidden_size)


class Intermediate(nn.Module):
    """The wide matrix of the feed-forward part, under BERT's name."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.intermediate_size)


class BertBlock(nn.Module):
    """Attention, add, norm; feed-forward, add, norm (arXiv:1706.03762, the original order)."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention = AttentionHalf(config)
        self.intermediate = Intermediate(config)
        self.output = AddNorm(config, config.intermediate_size)
        self.act = activation(config.hidden_act)

    def forward(self, hidden: Tensor, mask: Tensor | None, weights: Weights = None) -> Tensor:
        """Return the hidden states after this block, (B, T, D). weights: see `layers.attention.attend`."""
        hidden = self.attention.output(self.attention.self(hidden, mask, weights=weights), hidden)
        return cast(Tensor, self.output(self.act(self.intermediate.dense(hidden)), hidden))


class Blocks(nn.Module):
    """The blocks, under the name `layer`."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(BertBlock(config) for _ in range(config.num_hidden_layers))


class Pooler(nn.Module):
    """tanh of a projection of the first token."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return (B, D) for hidden states (B, T, D)."""
        return torch.tanh(self.dense(hidden[:, 0]))


class Bert(Encoder):
    """BERT's body."""

    prefixes = ("bert.",)
    heads: ClassVar[tuple[str, ...]] = ("cls.predictions.", "cls.seq_relationship.", "classifier.", "qa_outputs.")

    def build(self, config: BertConfig) -> None:
        """Make embeddings, blocks and pooler."""
        super().build(config)
        self.embeddings = Embeddings(config)
        self.encoder = Blocks(config)
        self.pooler = Pooler(config)

    @property
    def blocks(self) -> nn.ModuleList:
        """The blocks, first to last."""
        return self.encoder.layer
