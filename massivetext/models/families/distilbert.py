"""DistilBERT (arXiv:1910.01108): BERT's encoder with half the blocks, without kinds of tokens and without a pooler."""

from typing import Any, ClassVar, Self, cast

from pydantic import model_validator
from torch import Tensor, nn

from massivetext.layers.attention import HeadShape, MultiHeadAttention, Weights
from massivetext.layers.feedforward import activation
from massivetext.models.config import PublishedConfig
from massivetext.models.encoder import Encoder

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
    def hidden_act(self) -> str:
        """Activation of the feed-forward part, as other families call it."""
        return self.activation

    @property
    def layer_norm_eps(self) -> float:
        """Added to the variance before its root is taken."""
        return EPSILON

    def dropout_before(self, task: str) -> float:
        """Return the share of features that training drops before the head for a task."""
        shares = {"question-answering": self.qa_dropout}
        shares |= dict.fromkeys(("sequence-classification", "multiple-choice"), self.seq_classif_dropout)
        return shares.get(task, self.dropout if self.classifier_dropout is None else self.classifier_dropout)

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


class Blocks(nn.Module):
    """The blocks, under the name `layer`."""

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Block(config) for _ in range(config.n_layers))


class DistilBert(Encoder):
    """DistilBERT's body."""

    prefixes = ("distilbert.",)
    heads = (
        "vocab_transform.", "vocab_layer_norm.", "vocab_projector.", "pre_classifier.", "classifier.", "qa_outputs.",
    )  # fmt: skip
    inner_heads = ()

    def build(self, config: DistilBertConfig) -> None:
        """Make embeddings and blocks."""
        super().build(config)
        self.embeddings = Embeddings(config)
        self.transformer = Blocks(config)
        self.pooler = None

    @property
    def blocks(self) -> nn.ModuleList:
        """The blocks, first to last."""
        return self.transformer.layer

    def check_kinds(self, token_type_ids: Tensor) -> None:
        """Accept any kinds of tokens: as in Hugging Face they are not used."""


class FirstTokenScorer:
    """Scores of a text or a choice: a projection with ReLU, dropout and a matrix."""

    def build(self, model: Any, features: int, outputs: int, dropout: float) -> None:
        """Make projection, dropout and matrix on the model."""
        model.pre_classifier = nn.Linear(features, features)
        model.dropout = nn.Dropout(dropout)
        model.classifier = nn.Linear(features, outputs)

    def scores(self, model: Any, summary: Tensor) -> Tensor:
        """Return the scores (..., outputs) of features (..., D)."""
        return cast(Tensor, model.classifier(model.dropout(model.pre_classifier(summary).relu())))
