"""The decoding engine: one pass over the prompts, then one token of every row per step. Legend: B rows, T tokens.

Keys and values are kept in a cache of fixed size. Where prompt and continuation together pass the model's context, the
older half of what the model reads is let go and the newer half is read again; a longer prompt is refused.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol, cast

import torch
from torch import Tensor

from massivetext.errors import ConfigError
from massivetext.generation.beams import beam_search
from massivetext.generation.choosing import Chooser, Rules
from massivetext.generation.planning import step_plan
from massivetext.generation.settings import GenerationSettings, generation_settings
from massivetext.generation.stepping import FastStep, StepPlan
from massivetext.layers.cache import StaticCache, slot_mask
from massivetext.progress import log
from massivetext.translations import tr


class Decoder(Protocol):
    """What the engine asks of a model: of a causal one, or of an encoder-decoder that has read a source.

    body: what runs the blocks, with `run`, `new_cache`, and for the fast step `enter` (see `models.decoder.Decoder`).
    """

    config: Any
    generation_defaults: dict[str, Any]

    @property
    def device(self) -> torch.device: ...  # noqa: D102
    @property
    def body(self) -> Any: ...  # noqa: D102
    def embed(self, input_ids: Tensor) -> Tensor: ...  # noqa: D102
    def project(self, hidden: Tensor) -> Tensor: ...  # noqa: D102


class Reader:
    """Reads tokens into a cache and gives the logits after the last one.

    first: (B,) the first column of each row that is not padding. A column of the window is a slot of the cache.
    """

    def __init__(self, model: Decoder, plan: StepPlan | None, first: Tensor, slots: int) -> None:
        self.plan = plan
        self.model, self.first, self.slots = model, first, slots
        self.padded = bool((first > 0).any())
        self.cache: StaticCache = model.body.new_cache(first.shape[0], slots)
        self.length = 0
        self.step: FastStep | None = None

    @torch.no_grad()
    def read(self, ids: Tensor) -> Tensor:
        """Return the logits (B, V) float32 after reading ids (B, T) behind what was read before."""
        tokens = ids.shape[1]
        if tokens == 1 and self.length and self.plan is not None:
            return self._read_one(ids[:, 0])
        slots = torch.arange(self.length, self.length + tokens, device=ids.device)
        self.length += tokens
        self.cache.used = self.length
        # Without padding neither a first pass nor a single token needs a mask.
        window = self.model.config.attention_window
        needs_mask = self.padded or (tokens > 1 and self.length > tokens) or self.length > (window or self.length)
        mask = slot_mask(slots, self.first, self.length, window) if needs_mask else None
        positions = (slots[None] - self.first[:, None]).clamp(min=0) if self.padded else slots[None]
        hidden = self.model.body.run(self.model.embed(ids), positions, mask, self.cache, slots)
        return self.model.project(hidden[:, -1]).float()

    def _read_one(self, ids: Tensor) -> Tensor:
        """Return the logits (B, V) float32 after reading one more id per row, (B,), by the fast step."""
        assert self.plan is not None
        if self.step is None:
            self.step = FastStep(self.plan, self.cache, self.first)
        self.length += 1
        return self.step(self.model.body.enter(self.model.embed(ids)), self.length - 1)

    def repeat(self, times: int) -> None:
        """Turn each row into `times` equal rows."""
        rows = torch.arange(self.first.shape[0], device=self.first.device).repeat_interleave(times)
        self.first = self.first[rows]
        self.cache.select_rows(rows)

    def reorder(self, rows: Tensor) -> None:
        """Put what the cache holds of row rows[i] into row i, (B,) int64; all padding must agree."""
        self.cache.reorder_rows(rows, self.length)


class Start(NamedTuple):
    """Prompts that were read, each `copies` times: ids (B, T), the logits behind them (B, V), and how to go on.

    stops: ids that end a text. filler: the id behind an ended text. new_tokens: the most to be added.
    """

    ids: Tensor
    reader: Reader
    logits: Tensor
    rules: Rules
    stops: Tensor
    filler: int
    new_tokens: int


def _begin(
    model: Decoder, input_ids: Tensor, attention_mask: Tensor | None, settings: GenerationSettings, copies: int
) -> Start:
    """Check the prompts (B, T), read them, and return where their continuations start."""
    ids = input_ids.to(model.device)
    first = _first_columns(ids, attention_mask)
    new_tokens, context = settings.new_tokens(ids.shape[1]), int(model.config.max_position_embeddings)
    _check_prompt(ids, first, context, int(model.config.vocab_size))
    if ids.shape[1] + new_tokens > context:
        log(
            tr(
                "{prompt} tokens of prompt and {new} new ones are more than the {context} that the model reads: "
                "past these it reads the newer half only",
                prompt=ids.shape[1],
                new=new_tokens,
                context=context,
            )
        )
    stops = torch.tensor(_stop_ids(model, settings), device=ids.device, dtype=torch.long)
    reader = Reader(model, step_plan(model), first, min(ids.shape[1] + new_tokens, max(context, ids.shape[1])))
    logits = reader.read(ids)
    if copies > 1:
        reader.repeat(copies)
        ids, logits = ids.repeat_interleave(copies, 0), logits.repeat_interleave(copies, 0)
    readable = torch.arange(ids.shape[1], device=ids.device) >= reader.first[:, None]
    rules = Rules(settings, ids, readable, stops, logits.shape[-1])
    return Start(ids, reader, logits, rules, stops, _filler(model, settings), new_tokens)


def decode_steps(
    model: Decoder, input_ids: Tensor, attention_mask: Tensor | None, settings: GenerationSettings
) -> Iterator[Tensor]:
    """Yield the next id of every row, (B * num_return_sequences,) int64, step by step, until all ended or the limit.

    input_ids: (B, T), padded on the left where attention_mask is 0. A row that ended gives the padding id.
    """
    start = _begin(model, input_ids, attention_mask, settings, settings.num_return_sequences)
    choose = Chooser(settings, start.rules)
    reader, logits, stops = start.reader, start.logits, start.stops
    ended = torch.zeros(len(logits), dtype=torch.bool, device=logits.device)
    columns = [start.ids]  # everything read so far, for the moment when the cache is full
    for step in range(start.new_tokens):
        chosen = choose(logits, last=step + 1 == start.new_tokens)
        if len(stops):
            chosen = torch.where(ended, start.filler, chosen)
            ended |= torch.isin(chosen, stops)
        yield chosen
        if step + 1 == start.new_tokens or (len(stops) and bool(ended.all())):
            return
        columns.append(chosen[:, None])
        if reader.length < reader.slots:
            logits = reader.read(chosen[:, None])
        else:
            reader, logits = _slide(model, torch.cat(columns, 1), reader)


def continued(model: Decoder, input_ids: Tensor, attention_mask: Tensor | None, settings: GenerationSettings) -> Tensor:
    """Return prompts (B, T) with their continuations, (B * num_return_sequences, T + new tokens) int64."""
    if settings.num_beams == 1:
        new = torch.stack(list(decode_steps(model, input_ids, attention_mask, settings)), 1)
    else:
        context, wanted = int(model.config.max_position_embeddings), settings.new_tokens(input_ids.shape[1])
        if input_ids.shape[1] + wanted > context:
            raise ConfigError(
                f"a beam search keeps the whole text: {input_ids.shape[1]} tokens of prompt and {wanted} new ones are "
                f"more than the {context} that the model reads; set max_new_tokens lower, or num_beams=1"
            )
        with torch.no_grad():
            new = beam_search(_begin(model, input_ids, attention_mask, settings, settings.num_beams), settings)
    prompts = input_ids.to(model.device).repeat_interleave(settings.num_return_sequences, 0)
    return torch.cat([prompts, new], 1)


def _slide(model: Decoder, ids: Tensor, full: Reader) -> tuple[Reader, Tensor]:
    """Return a reader of the newer half of the context, and the logits behind it."""
    kept = max(full.slots // 2, 1)
    first = (full.first - (full.length + 1 - kept)).clamp(min=0)
    reader = Reader(model, full.plan, first, full.slots)
    return reader, reader.read(ids[:, -kept:])


class WithKind:
    """A model whose every token has one kind more: GPT-2 adds the embedding of the id that token_type_ids holds."""

    def __init__(self, model: Decoder, kind: int) -> None:
        self._model, self._kind = model, kind

    def embed(self, input_ids: Tensor) -> Tensor:
        """Return the embeddings (B, T, D) of ids (B, T), that of the kind added."""
        return self._model.embed(input_ids) + self._model.embed(torch.full_like(input_ids[:1, :1], self._kind))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def kinds_added(model: Decoder, token_type_ids: Tensor | None) -> Decoder:
    """Return the model as it reads tokens of one kind; raise ConfigError where there are several."""
    if token_type_ids is None:
        return model
    kinds = sorted(set(token_type_ids.flatten().tolist()))
    if len(kinds) > 1:
        raise ConfigError(
            f"token_type_ids holds the kinds {kinds}, and a text is continued with one; leave token_type_ids out, or "
            f"tokenize one text instead of a pair"
        )
    if getattr(model.body, "adds_kinds", False):
        return cast(Decoder, WithKind(model, kinds[0]))
    if kinds[0]:
        raise ConfigError("token_type_ids is not 0, and this model has one kind of token; leave token_type_ids out")
    return model


def generate(
    model: Decoder, input_ids: Tensor | None = None, attention_mask: Tensor | None = None, **options: Any
) -> Tensor:
    """Return prompts with their continuations, (B * num_return_sequences, T + new tokens) int64.

    input_ids: (B, T) int64, padded on the left. attention_mask: (B, T), 0 = padding; None: no padding. options: the
    fields of `GenerationSettings`, over those of the model's generation_config.json. Greedy by default; rows
    i * num_return_sequences and following continue prompt i. A tokenizer's output as input_ids is taken apart.
    """
    if input_ids is None:
        input_ids = options.pop("inputs", None)
    if isinstance(input_ids, Mapping):
        return generate(model, **{"attention_mask": attention_mask, **input_ids, **options})
    if input_ids is None:
        raise ConfigError("generate needs input_ids, (rows, tokens); to start from nothing, give the start id alone")
    model = kinds_added(model, options.pop("token_type_ids", None))
    settings = generation_settings(model.generation_defaults, options)
    return continued(model, input_ids, attention_mask, settings)


def _first_columns(ids: Tensor, attention_mask: Tensor | None) -> Tensor:
    """Return the first column of each row that is not padding, (B,) int64; refuse padding anywhere but on the left."""
    if ids.ndim != 2 or ids.shape[0] == 0 or ids.dtype not in (torch.int64, torch.int32):
        raise ConfigError(f"input_ids is {tuple(ids.shape)} of {ids.dtype}; it must be (rows, tokens), integers")
    if attention_mask is None:
        return torch.zeros(ids.shape[0], dtype=torch.long, device=ids.device)
    mask = attention_mask.to(ids.device).long()
    if mask.shape != ids.shape:
        raise ConfigError(f"attention_mask is {tuple(mask.shape)} and input_ids {tuple(ids.shape)}; they must agree")
    if bool((mask[:, 1:] < mask[:, :-1]).any()):
        raise ConfigError("the prompts are padded on the right; generation needs tokenizer.padding_side = 'left'")
    return ids.shape[1] - mask.sum(1)


def _check_prompt(ids: Tensor, first: Tensor, context: int, vocabulary: int) -> None:
    """Raise ConfigError for a prompt that is empty, longer than the context, or has ids outside the vocabulary."""
    longest, shortest = ids.shape[1] - int(first.min()), ids.shape[1] - int(first.max())
    if shortest < 1:
        raise ConfigError("a prompt is empty; give at least one token (the start id, if there is no text)")
    if longest > context:
        raise ConfigError(
            f"a prompt has {longest} tokens and the model reads at most {context} (max_position_embeddings); "
            f"shorten it, for example input_ids[:, -{context}:]"
        )
    if int(ids.min()) < 0 or int(ids.max()) >= vocabulary:
        raise ConfigError(
            f"a prompt has ids from {int(ids.min())} to {int(ids.max())} and the model's vocab_size is {vocabulary}; "
            f"use the tokenizer that was saved with the model"
        )


def _stop_ids(model: Decoder, settings: GenerationSettings) -> list[int]:
    """Return the ids after which a text ends."""
    ids = settings.eos_token_id if settings.eos_token_id is not None else model.config.eos_token_id
    return [] if ids is None else [ids] if isinstance(ids, int) else list(ids)


def _filler(model: Decoder, settings: GenerationSettings) -> int:
    """Return the id that fills up rows that have ended."""
    for candidate in (settings.pad_token_id, model.config.pad_token_id, *_stop_ids(model, settings)):
        if candidate is not None:
            return int(candidate)
    return 0  # never used: without an end id no row ends early
