"""What an encoder-decoder does beside its forward pass, above all writing.

The source is read once, then the decoding engine drives the decoder.

Legend: B rows, T tokens, D features, V vocabulary.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from massivetext.errors import ConfigError, ModelError
from massivetext.generation.engine import continued
from massivetext.generation.settings import generation_settings
from massivetext.layers.attention import causal_mask
from massivetext.layers.cache import StaticCache
from massivetext.layers.multihead import KeysValues, Memory, Reading, readable_mask
from massivetext.models.ids import last_ends
from massivetext.models.model import Model
from massivetext.tokens.labels import IGNORED_LABEL


@torch.no_grad()
def write(
    model: Any,
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
        return write(
            model, **{"attention_mask": attention_mask, "decoder_input_ids": decoder_input_ids, **given, **options}
        )
    names = ("decoder_start_token_id", "forced_bos_token_id", "forced_eos_token_id")
    own = {name: getattr(model.config, name) for name in names}
    settings = generation_settings({**own, **model.generation_defaults}, options)
    source = input_ids.to(model.device)
    memory = model.encode(source, None if attention_mask is None else attention_mask.to(model.device))
    if decoder_input_ids is None:
        if settings.decoder_start_token_id is None:
            raise ConfigError("generate needs decoder_start_token_id; pass it, or set it in the configuration")
        decoder_input_ids = torch.full((len(source), 1), settings.decoder_start_token_id, device=model.device)
    most, wanted = model.config.most_tokens, settings.new_tokens(decoder_input_ids.shape[1])
    if most is not None and decoder_input_ids.shape[1] + wanted > most:
        raise ConfigError(
            f"{wanted} new tokens are asked for and the decoder reads at most {most} (max_position_embeddings); "
            f"set max_new_tokens to at most {most - decoder_input_ids.shape[1]}"
        )
    return continued(Writer(model, memory), decoder_input_ids, None, settings)


UNLIMITED = 2**30  # the context of a model whose positions are relative


class Limits(NamedTuple):
    """What the engine asks of a configuration."""

    max_position_embeddings: int
    vocab_size: int
    eos_token_id: int | list[int] | None
    pad_token_id: int | None
    attention_window: int | None = None


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


class Writer:
    """The decoder with one source in mind, as the decoding engine sees a causal model."""

    def __init__(self, model: Any, memory: Memory) -> None:
        self.model, self.memory, config = model, memory, model.config
        context = config.most_tokens or UNLIMITED
        self.config = Limits(context, config.vocab_size, config.eos_token_id, config.pad_token_id)
        self.generation_defaults = model.generation_defaults

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return cast(torch.device, self.model.device)

    def embed(self, input_ids: Tensor) -> Tensor:
        """Return the embeddings (B, T, D) of ids (B, T)."""
        return cast(Tensor, self.model.embed(input_ids))

    @property
    def body(self) -> "Writer":
        """What runs the blocks: this object."""
        return self

    def project(self, hidden: Tensor) -> Tensor:
        """Return the logits (..., V) of hidden states (..., D)."""
        return cast(Tensor, self.model.project(hidden))

    def new_cache(self, batch: int, slots: int) -> MemoryCache:
        """Return an empty cache of the decoder's text beside the source's keys and values."""
        remembered = self.model.body.remember(self.memory)
        heads, features = remembered[0][0].shape[1], remembered[0][0].shape[3]
        return MemoryCache((len(remembered), batch, heads, slots, features), remembered, self.memory.mask)

    def run(
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
        return cast(Tensor, self.model.body.run_decoder(embeddings, reading)[-1])


class SourceModel(Model):
    """What every model on an encoder-decoder's body has beside its forward pass."""

    @property
    def width(self) -> int:
        """Features of what a head reads."""
        return int(self.config.d_model)

    def first_deviation(self, name: str, parameter: Tensor) -> float:
        """Return the family's standard deviation of a fresh matrix."""
        body: Any = self.body
        return float(self.body_class.first_deviation(body, name, parameter))

    def hidden(
        self,
        embeddings: Tensor,
        written: Tensor,
        attention_mask: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
    ) -> Tensor:
        """Return the decoder's last hidden states (B, T, D) for both sides' embeddings, (B, S, D) and (B, T, D)."""
        mask = readable_mask(attention_mask)
        body: Any = self.body
        states = body.run_encoder(embeddings, mask)
        memory = Memory(states[-1], mask, states)
        last: Tensor = body.decode(written, memory, decoder_attention_mask, (None, None, None))[-1]
        return last

    def shifted(self, labels: Tensor) -> Tensor:
        """Return the decoder's input for ids (B, T): one place to the right behind the start id; -100 is padding."""
        start, padding = self.config.decoder_start_token_id, self.config.pad_token_id
        if start is None or padding is None:
            raise ModelError("the decoder needs decoder_start_token_id and pad_token_id; set them in the configuration")
        moved = torch.cat([torch.full_like(labels[:, :1], start), labels[:, :-1]], dim=1)
        return moved.masked_fill(moved == IGNORED_LABEL, padding)

    def check_source(self, input_ids: Tensor, what: str = "input_ids") -> None:
        """Raise ModelError for ids that the model cannot read."""
        raise NotImplementedError

    def written(self, input_ids: Tensor, decoder_input_ids: Tensor | None, labels: Tensor | None) -> Tensor:
        """Return what the decoder reads: the source once more, one place to the right, whose ends of text count."""
        if decoder_input_ids is not None and decoder_input_ids.shape != input_ids.shape:
            raise ModelError(
                f"decoder_input_ids is {tuple(decoder_input_ids.shape)} and input_ids {tuple(input_ids.shape)}; a text "
                f"is labelled where input_ids ends, so both need the same shape: leave decoder_input_ids out"
            )
        self.check_source(input_ids)  # under their own name first
        return self.shifted(input_ids) if decoder_input_ids is None else decoder_input_ids

    def summary(self, hidden: Tensor, input_ids: Tensor) -> Tensor:
        """Return the hidden states (B, D) of each row's last end of text."""
        rows = torch.arange(input_ids.shape[0], device=input_ids.device)
        return hidden[rows, last_ends(input_ids, self.config.eos_token_id)]

    def ended(self, input_ids: Tensor) -> Tensor:
        """Return ids (B, T) with an end behind them, which `summary` looks for."""
        end = torch.tensor(self.config.eos_token_id, device=input_ids.device).reshape(1, -1)[:, :1]
        return torch.cat([input_ids, end], dim=1)[:, -(self.config.most_tokens or UNLIMITED) :]

    def generation_record(self) -> dict[str, Any] | None:
        """Return the content of generation_config.json: what the folder had, and the configuration's own ids."""
        return {**self.generation_defaults, **self.config.ids_of_generation()}

    def probe_inputs(self, input_ids: Tensor) -> dict[str, Tensor]:
        """Return the probe as source, and the start id."""
        start = torch.full((1, 1), self.config.decoder_start_token_id or 0, device=input_ids.device)
        return {"input_ids": input_ids, "decoder_input_ids": start}

    def generate(self, *arguments: Any, **options: Any) -> Any:
        """Raise ModelError: without a language model's head no text is written."""
        raise ModelError(f"{type(self).__name__} has no head to write text with; load it with AutoModelForSeq2SeqLM")
