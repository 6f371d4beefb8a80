"""T5 (arXiv:1910.10683), v1.1, Flan-T5 and mT5 (arXiv:2010.11934): relative positions, root-mean-square norms first.

Legend: B rows, T tokens, S tokens that are read, D features, H heads.
"""

import math
from typing import Any, ClassVar, Self, cast

import torch
from pydantic import model_validator
from torch import Tensor, nn

from massivetext.errors import ModelError
from massivetext.layers.attention import HeadShape, MultiHeadAttention, RMSNorm, Weights, additive
from massivetext.layers.feedforward import activation
from massivetext.models.config import EncoderDecoderConfig
from massivetext.models.encoder_decoder import EncoderDecoder, Reading
from massivetext.models.outputs import HiddenStates

SHARED, HEAD = "shared.weight", "lm_head.weight"


class T5Config(EncoderDecoderConfig):
    """The shape of a T5 model; field names are Hugging Face's."""

    model_type: ClassVar[str] = "t5"
    harmless: ClassVar[frozenset[str]] = frozenset(
        {"dense_act_fn", "is_encoder_decoder", "is_gated_act", "n_positions"}
    )

    vocab_size: int = 32128
    """Rows of the embedding: at least the tokenizer's ids."""
    d_model: int = 512
    """Features of a token between blocks."""
    d_kv: int = 64
    """Features of one head."""
    d_ff: int = 2048
    """Features inside the feed-forward part."""
    num_layers: int = 6
    """Blocks of the encoder."""
    num_decoder_layers: int | None = None
    """Blocks of the decoder; None: as many as the encoder has."""
    num_heads: int = 8
    """Heads of each block."""
    relative_attention_num_buckets: int = 32
    """Classes of distances, each with a learned bias on the scores of every head."""
    relative_attention_max_distance: int = 128
    """Distance in tokens from which on all share one class."""
    dropout_rate: float = 0.1
    """Share of features and attention weights that training drops."""
    layer_norm_epsilon: float = 1e-6
    """Added to the mean square before its root is taken."""
    initializer_factor: float = 1.0
    """What the published standard deviations of fresh weights are multiplied by."""
    feed_forward_proj: str = "relu"
    """Feed-forward part: an activation (v1.0: relu), or gated-ACTIVATION (v1.1, mT5: gated-gelu)."""
    scale_decoder_outputs: bool | None = None
    """Whether the head reads hidden states divided by sqrt(d_model); None: where it is tied to the embedding (v1.0)."""
    eos_token_id: int | list[int] | None = 1
    """Id after which a text ends."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in ("vocab_size", "d_model", "d_kv", "d_ff", "num_layers", "num_heads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        activation(self.act)
        return self

    @property
    def gated(self) -> bool:
        """Whether the feed-forward part is gated."""
        return self.feed_forward_proj.startswith("gated-")

    @property
    def act(self) -> str:
        """The activation's name; "gated-gelu" means the tanh approximation."""
        name = self.feed_forward_proj.removeprefix("gated-")
        return "gelu_new" if self.feed_forward_proj == "gated-gelu" else name

    @property
    def scaled(self) -> bool:
        """Whether the head reads hidden states divided by sqrt(d_model)."""
        return self.tie_word_embeddings if self.scale_decoder_outputs is None else self.scale_decoder_outputs

    def to_hugging_face(self) -> dict[str, Any]:
        """Return the content of config.json, which transformers 4 and 5 read alike."""
        layers = self.num_decoder_layers or self.num_layers
        return {**super().to_hugging_face(), "num_decoder_layers": layers, "scale_decoder_outputs": self.scaled}


class MT5Config(T5Config):
    """The shape of an mT5 model: T5 v1.1 with a vocabulary of 101 languages."""

    model_type: ClassVar[str] = "mt5"

    vocab_size: int = 250112
    """Rows of the embedding: at least the tokenizer's ids."""
    d_ff: int = 1024
    """Features inside the feed-forward part."""
    num_layers: int = 8
    """Blocks of the encoder."""
    num_heads: int = 6
    """Heads of each block."""
    feed_forward_proj: str = "gated-gelu"
    """Feed-forward part."""

    @property
    def scaled(self) -> bool:
        """Whether the head reads hidden states divided by sqrt(d_model): never."""
        return False


def distance_buckets(distances: Tensor, both_ways: bool, buckets: int, furthest: int) -> Tensor:
    """Return the class of each distance (place read minus place of the reader), same shape, int64.

    Half of the classes are single distances, the others grow by logarithm up to `furthest`; both_ways: half of all are
    for what stands behind the reader, else that shares class 0.
    """
    first = torch.zeros_like(distances)
    if both_ways:
        buckets //= 2
        first = (distances > 0) * buckets
        distances = distances.abs()
    else:
        distances = (-distances).clamp(min=0)
    single = buckets // 2
    ratio = torch.log(distances.float().clamp(min=1) / single) / math.log(furthest / single)
    far = (single + (ratio * (buckets - single)).long()).clamp(max=buckets - 1)
    return first + torch.where(distances < single, distances, far)


class FeedForward(nn.Module):
    """wo(act(wi(x))), or wo(act(wi_0(x)) * wi_1(x)), without biases."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.gated = config.gated
        if config.gated:
            self.wi_0 = nn.Linear(config.d_model, config.d_ff, bias=False)
            self.wi_1 = nn.Linear(config.d_model, config.d_ff, bias=False)
        else:
            self.wi = nn.Linear(config.d_model, config.d_ff, bias=False)
        self.wo = nn.Linear(config.d_ff, config.d_model, bias=False)
        self.dropout, self.act = nn.Dropout(config.dropout_rate), activation(config.act)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the block's output, shape of `hidden` (..., D)."""
        inner = self.act(self.wi_0(hidden)) * self.wi_1(hidden) if self.gated else self.act(self.wi(hidden))
        return cast(Tensor, self.wo(self.dropout(inner)))


class Part(nn.Module):
    """One part of a block behind its norm: attention to oneself, to the source, or the feed-forward part."""

    def __init__(self, config: T5Config, name: str, module: nn.Module) -> None:
        super().__init__()
        self.name = name
        self.add_module(name, module)
        self.layer_norm = RMSNorm(config.d_model, config.layer_norm_epsilon)
        self.dropout = nn.Dropout(config.dropout_rate)

    def forward(self, hidden: Tensor, *inputs: Any) -> Tensor:
        """Return hidden + part(norm(hidden))."""
        return cast(Tensor, hidden + self.dropout(getattr(self, self.name)(self.layer_norm(hidden), *inputs)))


class Block(nn.Module):
    """One block, its parts in the list `layer`, as the weights are named."""

    def __init__(self, config: T5Config, decoder: bool, first: bool) -> None:
        super().__init__()
        sizes, names = (config.d_model, config.num_heads, config.d_kv), ("q", "k", "v", "o")
        shape = HeadShape(*sizes, bias=False, scale=1.0, dropout=config.dropout_rate)
        own = MultiHeadAttention(shape, names)
        if first:  # only the first block has the biases, which all blocks use
            own.relative_attention_bias = nn.Embedding(config.relative_attention_num_buckets, config.num_heads)
        parts = [Part(config, "SelfAttention", own)]
        if decoder:
            parts.append(Part(config, "EncDecAttention", MultiHeadAttention(shape, names)))
        parts.append(Part(config, "DenseReluDense", FeedForward(config)))
        self.layer = nn.ModuleList(parts)


class Stack(nn.Module):
    """The blocks of one side and the final norm."""

    def __init__(self, config: T5Config, decoder: bool) -> None:
        super().__init__()
        self.decoder = decoder
        self.classes = (config.relative_attention_num_buckets, config.relative_attention_max_distance)
        layers = (config.num_decoder_layers or config.num_layers) if decoder else config.num_layers
        self.block = nn.ModuleList(Block(config, decoder, number == 0) for number in range(layers))
        self.final_layer_norm = RMSNorm(config.d_model, config.layer_norm_epsilon)
        self.dropout = nn.Dropout(config.dropout_rate)

    def biases(self, slots: Tensor, total: int) -> Tensor:
        """Return what is added to the scores, (1, H, T, S), of readers at `slots` (T,) for places 0 to total - 1."""
        distances = torch.arange(total, device=slots.device)[None] - slots[:, None]
        buckets = distance_buckets(distances, not self.decoder, *self.classes)
        table = cast(Any, self.block[0]).layer[0].SelfAttention.relative_attention_bias
        return cast(Tensor, table(buckets)).permute(2, 0, 1)[None]

    def close(self, hidden: Tensor) -> Tensor:
        """Return the normed hidden states."""
        return cast(Tensor, self.dropout(self.final_layer_norm(hidden)))


class T5(EncoderDecoder):
    """T5's body."""

    prefixes = ("transformer.",)
    heads: ClassVar[tuple[str, ...]] = ("lm_head.", "classifier.", "classification_head.", "qa_outputs.")
    derived = rf"EncDecAttention\.relative_attention_bias\.weight$|{EncoderDecoder.derived}"  # of old files, never used
    tied: ClassVar[dict[str, str]] = {"encoder.embed_tokens.weight": SHARED, "decoder.embed_tokens.weight": SHARED}
    config: T5Config

    def build(self, config: T5Config) -> None:
        """Make the embedding and both stacks."""
        super().build(config)
        self.shared = nn.Embedding(config.vocab_size, config.d_model)
        self.encoder, self.decoder = Stack(config, decoder=False), Stack(config, decoder=True)

    @classmethod
    def told_by_weights(cls, config: Any, weights: dict[str, Tensor], task: str | None, where: str) -> Any:
        """Return the configuration with `tie_word_embeddings` as the weights have it.

        transformers 5 writes true for every T5, also where the file has a head of its own (v1.1, Flan, mT5).
        """
        if task != "seq2seq-lm" or not config.tie_word_embeddings or HEAD not in weights:
            return config
        if torch.equal(weights[HEAD], weights[SHARED]):
            del weights[HEAD]
            return config
        if config.scaled:
            raise ModelError(
                f"{HEAD} is not {SHARED}, but config.json says that the head is tied and scaled (T5 v1.0); set "
                f"tie_word_embeddings to false if the head was trained apart"
            )
        return config.changed(tie_word_embeddings=False)

    def first_deviation(self, name: str, parameter: Tensor) -> float:
        """Return the standard deviation of a fresh matrix: by its inputs, since scores are not scaled."""
        config = self.config
        if name in (SHARED, HEAD):
            return config.initializer_factor
        features = {"o.weight": config.num_heads * config.d_kv, "q.weight": config.d_model * config.d_kv}
        inputs = config.d_ff if name.endswith("wo.weight") else features.get(name[-8:], config.d_model)
        return float(config.initializer_factor * inputs**-0.5)

    @property
    def words(self) -> Tensor:
        """The word embedding, (V, D)."""
        return self.shared.weight

    def embed(self, input_ids: Tensor) -> Tensor:
        """Return the embeddings (B, T, D) of ids (B, T)."""
        return cast(Tensor, self.shared(input_ids))

    def run_encoder(self, embeddings: Tensor, mask: Tensor | None, weights: Weights = None) -> HiddenStates:
        """Return the hidden states before, between and after the layers, (B, S, D) each; the last is normed."""
        tokens = embeddings.shape[1]
        scores = additive(mask, self.encoder.biases(torch.arange(tokens, device=embeddings.device), tokens))
        states = [self.encoder.dropout(embeddings)]
        for block in self.encoder.block:
            attention, feedforward = cast(Any, block).layer
            states.append(feedforward(attention(states[-1], scores, None, weights)))
        return (*states[:-1], self.encoder.close(states[-1]))

    def run_decoder(self, embeddings: Tensor, reading: Reading) -> HiddenStates:
        """Return the decoder's hidden states before, between and after the layers, (B, T, D) each."""
        total = embeddings.shape[1] if reading.cache is None else reading.cache.used
        scores = additive(reading.mask, self.decoder.biases(reading.slots, total))
        states = [self.decoder.dropout(embeddings)]
        for number, block in enumerate(self.decoder.block):
            attention, cross, feedforward = cast(Any, block).layer
            normed = attention.layer_norm(states[-1])
            read = reading.text(attention.SelfAttention, normed, number)
            hidden = states[-1] + attention.dropout(attention.SelfAttention(normed, scores, read, reading.weights))
            hidden = cross(hidden, reading.memory_mask, reading.memory[number], reading.memory_weights)
            states.append(feedforward(hidden))
        return (*states[:-1], self.leave(states[-1]))

    def leave(self, hidden: Tensor) -> Tensor:
        """Return what the head reads, (B, T, D), of what a layer of the decoder gave."""
        return self.decoder.close(hidden)

    def scale(self, hidden: Tensor) -> Tensor:
        """Return the hidden states as the language model's matrix reads them."""
        return hidden * self.config.d_model**-0.5 if self.config.scaled else hidden

    def cross_attentions(self) -> list[MultiHeadAttention]:
        """Return the decoder's attentions to the source, by layer."""
        return [cast(Any, block).layer[1].EncDecAttention for block in self.decoder.block]


class T5Encoder(T5):
    """T5's encoder alone, which labels tokens."""

    heads = (*T5.heads, "decoder.")  # which files of the other classes have, and this one leaves out

    def build(self, config: T5Config) -> None:
        """Make the embedding and the encoder."""
        EncoderDecoder.build(self, config)
        self.shared, self.encoder = nn.Embedding(config.vocab_size, config.d_model), Stack(config, decoder=False)
