"""Writing with an encoder-decoder: the source is read once, then the decoding engine drives the decoder.

Legend: B rows, T tokens, D features, V vocabulary.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from massivetext.errors import ConfigError
from massivetext.generation.engine import continued
from massivetext.generation.settings import generation_settings
from massivetext.layers.attention import KeysValues, causal_mask
from massivetext.layers.cache import StaticCache
from massivetext.models.encoder_decoder import UNLIMITED, Memory, Reading


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


class Limits(NamedTuple):
    """What the engine asks of a configuration."""

    max_position_embeddings: int
    vocab_size: int
    eos_token_id: int | list[int] | None
    pad_token_id: int | None
    attention_window: int | None = None


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
