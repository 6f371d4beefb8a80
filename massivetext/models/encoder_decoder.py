"""What the encoder-decoders share: labels shifted right, the loss, memory for cross-attention, generation.

Legend: B rows, S source tokens, T target tokens, D features, V vocabulary, H heads.

A family (t5.py, bart.py, marian.py) gives the two stacks; this file is the way through them.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from massivetext.errors import ConfigError, ModelError
from massivetext.generation.engine import continued
from massivetext.generation.settings import generation_settings
from massivetext.generation.stepping import StepPlan
from massivetext.layers.attention import Weights, causal_mask
from massivetext.layers.cache import StaticCache
from massivetext.layers.loss import mean_loss
from massivetext.layers.multihead import KeysValues, MultiHeadAttention, readable_mask
from massivetext.models.heads.labelling import check_labels
from massivetext.models.model import PretrainedModel, check_ids
from massivetext.models.outputs import Attentions, HiddenStates, SequenceOutput
from massivetext.models.published import PublishedConfig
from massivetext.tokens.labels import IGNORED_LABEL

UNLIMITED = 2**30  # the context of a model whose positions are relative


class SequenceConfig(PublishedConfig):
    """Fields of every encoder-decoder."""

    neutral: ClassVar[dict[str, Any]] = {"is_encoder_decoder": True}

    decoder_start_token_id: int | None = 0
    """Id that starts the decoder's text."""
    forced_bos_token_id: int | None = None
    """Id that `generate` puts first, behind the start id; None: the model chooses."""
    forced_eos_token_id: int | None = None
    """Id that `generate` puts last when the length limit is reached; None: the model chooses."""
    classifier_dropout: float | None = 0.0
    """Share of features that training drops before a classifier; None: nothing."""

    @property
    def most_tokens(self) -> int | None:
        """The most tokens that either side reads at once; None: no limit."""
        return None

    def to_hugging_face(self) -> dict[str, Any]:
        """Return the content of config.json without `architectures`, which the model class adds."""
        return {**super().to_hugging_face(), "is_encoder_decoder": True}


class Memory(NamedTuple):
    """What the encoder read: hidden (B, S, D), mask (B, 1, 1, S) or None, hidden states of every layer."""

    hidden: Tensor
    mask: Tensor | None
    states: HiddenStates


class Reading(NamedTuple):
    """What all decoder layers of one pass share.

    slots: (T,) places of the tokens in the decoder's text. mask: boolean (B or 1, 1, T, places read), None: all may be
    read. memory: keys and values of the source, by layer. cache: where the text read before is kept, or None. weights,
    memory_weights: where each layer puts its attention weights, see `attend`; None: they are not kept.
    """

    slots: Tensor
    mask: Tensor | None
    memory: list[KeysValues]
    memory_mask: Tensor | None
    cache: StaticCache | None = None
    weights: Weights = None
    memory_weights: Weights = None

    def text(self, attention: MultiHeadAttention, hidden: Tensor, layer: int) -> KeysValues:
        """Return the keys and values of the decoder's own text, with what the cache holds of it."""
        keys, values = attention.keys_values(hidden)
        return (keys, values) if self.cache is None else self.cache.update(layer, keys, values, self.slots)


class MemoryCache(StaticCache):
    """A cache that also holds the keys and values of the source, which do not change while text is generated."""

    def __init__(self, shape: tuple[int, int, int, int, int], memory: list[KeysValues], mask: Tensor | None) -> None:
        """shape: layers, rows, heads, slots, features of a head."""
        super().__init__(*shape, like=memory[0][0])
        self.memory, self.mask = memory, mask

    def select_rows(self, rows: Tensor) -> None:
        """Keep the given batch rows (int64), in that order; a row may appear several times."""
        super().select_rows(rows)
        self.memory = [(keys.index_select(0, rows), values.index_select(0, rows)) for keys, values in self.memory]
        self.mask = None if self.mask is None else self.mask.index_select(0, rows)


KeptWeights = tuple[Weights, Weights, Weights]


def kept_weights(wanted: bool) -> KeptWeights:
    """Return lists for the attention weights of encoder, decoder and the decoder's reading of the source, or Nones."""
    return ([], [], []) if wanted else (None, None, None)


def attentions_of(kept: KeptWeights) -> list[Attentions | None]:
    """Return the three fields of an output that hold the attention weights."""
    return [None if weights is None else tuple(weights) for weights in kept]


class EncoderDecoder(PretrainedModel):
    """An encoder-decoder with a language model's head. Base of the families, not used by itself."""

    def embed(self, input_ids: Tensor) -> Tensor:
        """Return the embeddings (B, T, D) of ids (B, T)."""
        raise NotImplementedError

    def run_encoder(self, embeddings: Tensor, mask: Tensor | None, weights: Weights = None) -> HiddenStates:
        """Return the hidden states before, between and after the layers, (B, S, D) each; the last is the result."""
        raise NotImplementedError

    def run_decoder(self, embeddings: Tensor, reading: Reading) -> HiddenStates:
        """Return the decoder's hidden states before, between and after the layers, (B, T, D) each."""
        raise NotImplementedError

    def cross_attentions(self) -> list[MultiHeadAttention]:
        """Return the decoder's attentions to the source, by layer."""
        raise NotImplementedError

    def leave(self, hidden: Tensor) -> Tensor:
        """Return what the head reads, (B, T, D), of what a layer of the decoder gave."""
        return hidden

    def head(self, hidden: Tensor) -> Tensor:
        """Return the logits (..., V) of hidden states (..., D)."""
        raise NotImplementedError

    def encode(self, input_ids: Tensor, attention_mask: Tensor | None = None, weights: Weights = None) -> Memory:
        """Return what the decoder needs of a source: ids (B, S), padded on either side where the mask is 0."""
        check_ids(input_ids, self.config.vocab_size, self.config.most_tokens)
        mask = readable_mask(attention_mask)
        states = self.run_encoder(self.embed(input_ids), mask, weights)
        return Memory(states[-1], mask, states)

    def remember(self, memory: Memory) -> list[KeysValues]:
        """Return the keys and values of the source, by decoder layer."""
        return [attention.keys_values(memory.hidden) for attention in self.cross_attentions()]

    def shifted(self, labels: Tensor) -> Tensor:
        """Return the decoder's input for ids (B, T): one place to the right behind the start id; -100 is padding."""
        start, padding = self.config.decoder_start_token_id, self.config.pad_token_id
        if start is None or padding is None:
            raise ModelError("the decoder needs decoder_start_token_id and pad_token_id; set them in the configuration")
        moved = torch.cat([torch.full_like(labels[:, :1], start), labels[:, :-1]], dim=1)
        return moved.masked_fill(moved == IGNORED_LABEL, padding)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> SequenceOutput:
        """Return logits (B, T, V) and, with labels (B, T), the mean loss over those that are not -100.

        input_ids: (B, S). decoder_input_ids: (B, T); None: made from `labels`. The masks are 0 where there is padding.
        output_hidden_states, output_attentions: also what each layer did, see `outputs`.
        """
        if decoder_input_ids is None:
            if labels is None:
                raise ModelError(
                    "an encoder-decoder needs decoder_input_ids or labels; to write text, call generate(input_ids)"
                )
            check_labels(labels, self.config.vocab_size)
            decoder_input_ids = self.shifted(labels)
        kept = kept_weights(output_attentions)
        memory, states = self.read(input_ids, attention_mask, decoder_input_ids, decoder_attention_mask, kept)
        logits, loss = self.head(states[-1]), None
        if labels is not None:
            loss = mean_loss(logits, labels)
        shown = (memory.states, states) if output_hidden_states else (None, None)
        return SequenceOutput(loss, logits, memory.hidden, *shown, *attentions_of(kept))

    def read(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        decoder_input_ids: Tensor,
        decoder_attention_mask: Tensor | None,
        kept: KeptWeights,
    ) -> tuple[Memory, HiddenStates]:
        """Return what the encoder made of its ids and the decoder's hidden states; arguments as for `forward`.

        kept: lists that get the attention weights, see `kept_weights`.
        """
        check_ids(decoder_input_ids, self.config.vocab_size, self.config.most_tokens, "decoder_input_ids")
        memory = self.encode(input_ids, attention_mask, kept[0])
        tokens, device = decoder_input_ids.shape[1], decoder_input_ids.device
        mask, readable = causal_mask(tokens, device)[None, None], readable_mask(decoder_attention_mask)
        if readable is not None:  # a padding token may read itself, so that no row is empty
            mask = (mask & readable) | torch.eye(tokens, dtype=torch.bool, device=device)
        slots, remembered = torch.arange(tokens, device=device), self.remember(memory)
        reading = Reading(slots, mask, remembered, memory.mask, weights=kept[1], memory_weights=kept[2])
        return memory, self.run_decoder(self.embed(decoder_input_ids), reading)

    @torch.no_grad()
    def generate(
        self,
        input_ids: Tensor | Mapping[str, Tensor],
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        **options: Any,
    ) -> Tensor:
        """Return the decoder's ids, (B * num_return_sequences, 1 + new tokens) int64, the start id first.

        input_ids: the source (B, S), or a tokenizer's output. decoder_input_ids: how the text begins; None: with the
        start id. options: the fields of `GenerationSettings`, over those of the folder; max_length counts the decoder's
        ids. Greedy by default, or as many beams as the folder says.
        """
        if isinstance(input_ids, Mapping):
            given = {name: value for name, value in input_ids.items() if name != "token_type_ids"}
            return self.generate(
                **{"attention_mask": attention_mask, "decoder_input_ids": decoder_input_ids, **given, **options}
            )
        names = ("decoder_start_token_id", "forced_bos_token_id", "forced_eos_token_id")
        own = {name: getattr(self.config, name) for name in names}
        settings = generation_settings({**own, **self.generation_defaults}, options)
        source = input_ids.to(self.device)
        memory = self.encode(source, None if attention_mask is None else attention_mask.to(self.device))
        if decoder_input_ids is None:
            if settings.decoder_start_token_id is None:
                raise ConfigError("generate needs decoder_start_token_id; pass it, or set it in the configuration")
            decoder_input_ids = torch.full((len(source), 1), settings.decoder_start_token_id, device=self.device)
        most, wanted = self.config.most_tokens, settings.new_tokens(decoder_input_ids.shape[1])
        if most is not None and decoder_input_ids.shape[1] + wanted > most:
            raise ConfigError(
                f"{wanted} new tokens are asked for and the decoder reads at most {most} (max_position_embeddings); "
                f"set max_new_tokens to at most {most - decoder_input_ids.shape[1]}"
            )
        return continued(Writer(self, memory), decoder_input_ids, None, settings)

    def generation_record(self) -> dict[str, Any]:
        """Return the content of generation_config.json: what the folder had, and the configuration's own ids."""
        names = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
        ids = {name: getattr(self.config, name) for name in (*names, "forced_bos_token_id", "forced_eos_token_id")}
        return {**self.generation_defaults, **{name: value for name, value in ids.items() if value is not None}}

    def probe_inputs(self, input_ids: Tensor) -> dict[str, Tensor]:
        """Return the probe as source, and the start id."""
        start = torch.full((1, 1), self.config.decoder_start_token_id or 0, device=input_ids.device)
        return {"input_ids": input_ids, "decoder_input_ids": start}


class Limits(NamedTuple):
    """What the engine asks of a configuration."""

    max_position_embeddings: int
    vocab_size: int
    eos_token_id: int | list[int] | None
    pad_token_id: int | None
    attention_window: int | None = None


class Writer:
    """The decoder with one source in mind, as the decoding engine sees a causal model."""

    def __init__(self, model: EncoderDecoder, memory: Memory) -> None:
        self.model, self.memory, config = model, memory, model.config
        context = config.most_tokens or UNLIMITED
        self.config = Limits(context, config.vocab_size, config.eos_token_id, config.pad_token_id)
        self.generation_defaults = model.generation_defaults

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.device

    def embed(self, input_ids: Tensor) -> Tensor:
        """Return the embeddings (B, T, D) of ids (B, T)."""
        return self.model.embed(input_ids)

    def enter(self, embeddings: Tensor) -> Tensor:
        """Return the embeddings as they are."""
        return embeddings

    def head(self, hidden: Tensor) -> Tensor:
        """Return the logits (..., V) of hidden states (..., D)."""
        return self.model.head(hidden)

    def step_plan(self) -> StepPlan | None:
        """Return None: the fast step knows no cross-attention."""
        return None

    def new_cache(self, batch: int, slots: int) -> MemoryCache:
        """Return an empty cache of the decoder's text beside the source's keys and values."""
        remembered = self.model.remember(self.memory)
        heads, features = remembered[0][0].shape[1], remembered[0][0].shape[3]
        return MemoryCache((len(remembered), batch, heads, slots, features), remembered, self.memory.mask)

    def run_blocks(
        self,
        embeddings: Tensor,
        positions: Tensor,
        mask: Tensor | None,
        cache: StaticCache | None,
        slots: Tensor | None,
    ) -> Tensor:
        """Return the final hidden states (B, T, D) of new tokens behind what the cache holds."""
        assert isinstance(cache, MemoryCache) and slots is not None
        if mask is None and len(slots) > 1:
            mask = causal_mask(len(slots), slots.device)[None, None]
        reading = Reading(slots, mask, cache.memory, cache.mask, cache)
        return self.model.run_decoder(embeddings, reading)[-1]
