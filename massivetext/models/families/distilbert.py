"""DistilBERT (arXiv:1910.01108): BERT's encoder with half the blocks, without kinds of tokens and without a pooler."""

from dataclasses import replace
from typing import Any, ClassVar, Self, cast

import torch
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn import functional

from massivetext.layers.attention import Weights
from massivetext.layers.feedforward import activation
from massivetext.layers.multihead import HeadShape, MultiHeadAttention
from massivetext.models.encoder import EncoderModel
from massivetext.models.heads import labelling as heads
from massivetext.models.model import PretrainedModel
from massivetext.models.outputs import EncoderOutput
from massivetext.models.published import PublishedConfig

HEADS = ("vocab_transform.", "vocab_layer_norm.", "vocab_projector.", "pre_classifier.", "classifier.", "qa_outputs.")
WORDS = "distilbert.embeddings.word_embeddings.weight"
EPSILON = 1e-12
NAMES = ("q_lin", "k_lin", "v_lin", "out_lin")


class DistilBertConfig(PublishedConfig):
    """The shape of a DistilBERT model; field names are Hugging Face's."""

    model_type: ClassVar[str] = "distilbert"
    harmless: ClassVar[frozenset[str]] = frozenset({"sinusoidal_pos_embds", "tie_weights_"})
    """Files hold the table of positions either way, and share the embedding with the head."""

    vocab_size: int = 30522
    """Rows of the embedding: at least the tokenizer's ids."""
    dim: int = 768
    """Features of a token between blocks."""
    hidden_dim: int = 3072
    """Features inside the feed-forward part."""
    n_layers: int = 6
    """Blocks."""
    n_heads: int = 12
    """Heads of each block, a divisor of dim."""
    activation: str = "gelu"
    """Activation of the feed-forward part, by Hugging Face's name."""
    dropout: float = 0.1
    """Share of features that training drops after embeddings and feed-forward part, and before token classifiers."""
    attention_dropout: float = 0.1
    """Share of attention weights that training drops."""
    seq_classif_dropout: float = 0.2
    """Share of features that training drops before a classifier of texts."""
    qa_dropout: float = 0.1
    """Share of features that training drops before the scores of answers."""
    max_position_embeddings: int = 512
    """Rows of the position embedding."""
    initializer_range: float = 0.02
    """Standard deviation of fresh matrices and embeddings."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in ("vocab_size", "dim", "hidden_dim", "n_heads", "max_position_embeddings", "num_labels"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.dim % self.n_heads:
            raise ValueError(f"dim {self.dim} is not a multiple of n_heads {self.n_heads}")
        if not self.tie_word_embeddings:
            raise ValueError(
                "tie_word_embeddings is False, which is not supported: the masked language model's head uses the "
                "embedding's weights"
            )
        activation(self.activation)
        return self

    @property
    def hidden_size(self) -> int:
        """Features of a token between blocks, as other families call it."""
        return self.dim

    @property
    def hidden_dropout_prob(self) -> float:
        """What training drops before a classifier of tokens."""
        return self.dropout

    @property
    def most_tokens(self) -> int:
        """The most tokens that the model reads at once."""
        return self.max_position_embeddings


class Embeddings(nn.Module):
    """Words and positions, added and normed."""

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.dim)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.dim)
        self.LayerNorm = nn.LayerNorm(config.dim, EPSILON)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, input_ids: Tensor, kinds: Tensor, positions: Tensor) -> Tensor:
        """Return what the first block reads, (B, T, D); kinds of tokens are not used."""
        added = self.word_embeddings(input_ids) + self.position_embeddings(positions)
        return cast(Tensor, self.dropout(self.LayerNorm(added)))


class FeedForward(nn.Module):
    """lin2(act(lin1(x)))."""

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__()
        self.lin1, self.lin2 = nn.Linear(config.dim, config.hidden_dim), nn.Linear(config.hidden_dim, config.dim)
        self.act, self.dropout = activation(config.activation), nn.Dropout(config.dropout)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the part's output, (B, T, D)."""
        return cast(Tensor, self.dropout(self.lin2(self.act(self.lin1(hidden)))))


class Block(nn.Module):
    """Attention, add, norm; feed-forward, add, norm."""

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__()
        shape = HeadShape(config.dim, config.n_heads, config.dim // config.n_heads, dropout=config.attention_dropout)
        self.attention = MultiHeadAttention(shape, NAMES)
        self.sa_layer_norm = nn.LayerNorm(config.dim, EPSILON)
        self.ffn = FeedForward(config)
        self.output_layer_norm = nn.LayerNorm(config.dim, EPSILON)

    def forward(self, hidden: Tensor, mask: Tensor | None, weights: Weights = None) -> Tensor:
        """Return the hidden states after this block, (B, T, D). weights: see `layers.attention.attend`."""
        hidden = self.sa_layer_norm(self.attention(hidden, mask, weights=weights) + hidden)
        return cast(Tensor, self.output_layer_norm(self.ffn(hidden) + hidden))


class Stack(nn.Module):
    """The blocks, under the name `layer`."""

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Block(config) for _ in range(config.n_layers))


class DistilBert(PretrainedModel):
    """What all DistilBERT classes share."""

    config_class: ClassVar[Any] = DistilBertConfig
    body = "distilbert"
    bodies = ("distilbert",)
    heads = HEADS


class DistilBertModel(DistilBert, EncoderModel):
    """DistilBERT without a head."""

    body = ""

    def __init__(self, config: Any, seed: int | None = 0, add_pooling_layer: bool = False) -> None:
        """add_pooling_layer: as in the other encoders; there is none."""
        super().__init__(config, seed, False)

    def build(self, config: Any) -> None:
        """Make embeddings and blocks."""
        self.embeddings = Embeddings(config)
        self.transformer = Stack(config)
        self.pooler = None

    @property
    def blocks(self) -> nn.ModuleList:
        """The blocks, first to last."""
        return self.transformer.layer

    def check_kinds(self, token_type_ids: Tensor) -> None:
        """Accept any kinds of tokens: as in Hugging Face they are not used."""


class DistilBertForMaskedLM(DistilBert, heads.MaskedLM):
    """DistilBERT that predicts masked tokens."""

    model_class = DistilBertModel
    tied: ClassVar[dict[str, str]] = {"vocab_projector.weight": WORDS}

    def build_head(self, config: Any) -> None:
        """Make the head without its matrix, which is the word embedding."""
        self.vocab_transform = nn.Linear(config.dim, config.dim)
        self.vocab_layer_norm = nn.LayerNorm(config.dim, EPSILON)
        self.vocab_projector = nn.ParameterDict({"bias": nn.Parameter(torch.empty(config.vocab_size))})
        self.act = activation(config.activation)

    def predict(self, encoded: EncoderOutput) -> Tensor:
        """Return the logits (B, T, V)."""
        inner = self.vocab_layer_norm(self.act(self.vocab_transform(encoded.last_hidden_state)))
        return functional.linear(inner, self.words, self.vocab_projector["bias"])


class FirstToken(nn.Module):
    """A classifier of the first token's features behind a projection. Mixed into the two classes that have one."""

    def build_classifier(self, config: Any, outputs: int) -> None:
        """Make projection, dropout and classifier."""
        self.pre_classifier = nn.Linear(config.dim, config.dim)
        self.dropout = nn.Dropout(config.seq_classif_dropout)
        self.classifier = nn.Linear(config.dim, outputs)

    def classify(self, first: Tensor) -> Tensor:
        """Return the scores (..., outputs) of features (..., D)."""
        return cast(Tensor, self.classifier(self.dropout(self.pre_classifier(first).relu())))


class DistilBertForSequenceClassification(FirstToken, DistilBert, heads.SequenceClassification):
    """DistilBERT that labels texts, by the first token."""

    model_class = DistilBertModel

    def build_head(self, config: Any) -> None:
        """Make the classifier."""
        self.build_classifier(config, config.num_labels)

    def predict(self, encoded: EncoderOutput) -> Tensor:
        """Return the logits (B, L)."""
        return self.classify(encoded.last_hidden_state[:, 0])


class DistilBertForTokenClassification(DistilBert, heads.TokenClassification):
    """DistilBERT that labels tokens."""

    model_class = DistilBertModel


class DistilBertForQuestionAnswering(DistilBert, heads.QuestionAnswering):
    """DistilBERT that finds answers inside a text."""

    model_class = DistilBertModel

    def build_head(self, config: Any) -> None:
        """Make the dropout and the two scores."""
        super().build_head(config)
        self.dropout = nn.Dropout(config.qa_dropout)

    def encode(self, input_ids: Tensor, *inputs: Any, **wanted: Any) -> EncoderOutput:
        """Return the encoder's output with features dropped in training."""
        encoded = super().encode(input_ids, *inputs, **wanted)
        return replace(encoded, last_hidden_state=self.dropout(encoded.last_hidden_state))


class DistilBertForMultipleChoice(FirstToken, DistilBert, heads.MultipleChoice):
    """DistilBERT that chooses one of several continuations."""

    model_class = DistilBertModel
    pooled: ClassVar[bool] = False

    def build_head(self, config: Any) -> None:
        """Make the score."""
        self.build_classifier(config, 1)

    def summary(self, encoded: EncoderOutput) -> Tensor:
        """Return what a choice is scored by, (B * C, D): the first token's features."""
        return encoded.last_hidden_state[:, 0]

    def predict(self, encoded: EncoderOutput) -> Tensor:
        """Return the logits (B, C)."""
        assert encoded.pooler_output is not None
        return self.classify(encoded.pooler_output)[..., 0]
