"""Bits per byte: how many bits a model needs for each UTF-8 byte of a text it has not seen.

The protocol, so that numbers can be compared: each document is scored on its own after the start id; the first token
counts; every token is scored exactly once; windows of `context_tokens` move on by `stride` tokens and score only what
no window before has; the sum of -log2 p is divided by the bytes of the original text. A tokenizer whose decode does not
give the text back would make the number meaningless and is refused. Legend: B rows, T tokens, D features.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from massivetext.errors import ConfigError, ModelError
from massivetext.layers.loss import chunked_cross_entropy

BLOCK_TOKENS = 1 << 20  # documents are packed in blocks of about so many tokens: memory stays bounded


class CausalModel(Protocol):
    """What scoring needs of a model; every causal model of `models/` has it."""

    training: bool

    def train(self, mode: bool = True) -> object: ...  # noqa: D102
    def embed(self, input_ids: Tensor) -> Tensor: ...  # noqa: D102
    def hidden(self, embeddings: Tensor, positions: Tensor, segments: Tensor | None) -> Tensor: ...  # noqa: D102
    @property
    def head_weight(self) -> Tensor: ...  # noqa: D102


class Encoder(Protocol):
    """What the check of a tokenizer needs of it."""

    def encode_ordinary(self, text: str) -> list[int]: ...  # noqa: D102
    def decode(self, ids: list[int], /) -> str: ...  # noqa: D102


class Window(NamedTuple):
    """Part of a document: inputs [start, end) of [start id, tokens...]; the tokens scored are [scored_from, end)."""

    document: int
    start: int
    scored_from: int
    end: int


def bits_per_byte(nats: float, size_bytes: int) -> float:
    """Return the bits per byte of a text of `size_bytes` UTF-8 bytes whose negative log-likelihood is `nats`."""
    return nats / (math.log(2) * size_bytes)


def perplexity(nats: float, tokens: int) -> float:
    """Return e^(nats per token). It can only be compared between models with the same tokenizer."""
    mean = nats / tokens
    return math.exp(mean) if mean < 700 else math.inf


def check_reversible(tokenizer: Encoder, text: str, where: str) -> list[int]:
    """Return the ids of `text`; raise ModelError where their decoding is not `text`. where: names it in the message."""
    ids = tokenizer.encode_ordinary(text)
    decoded = tokenizer.decode(ids)
    if decoded != text:
        place = next(
            (i for i, pair in enumerate(zip(text, decoded)) if pair[0] != pair[1]), min(len(text), len(decoded))
        )
        raise ModelError(
            f"the tokenizer does not give {where} back: at character {place} it holds {text[place : place + 20]!r}, "
            f"decoded {decoded[place : place + 20]!r}. Bits per byte needs a tokenizer whose decode(encode(text)) is "
            f"the text, e.g. byte-level BPE; with this one compare perplexities of the same tokenizer only"
        )
    return ids


def default_stride(context_tokens: int) -> int:
    """Return the tokens that each window moves on unless a setting says otherwise: half the context."""
    return max(1, context_tokens // 2)


def score_documents(
    model: CausalModel,
    documents: Iterable[Sequence[int] | np.ndarray],
    *,
    start_id: int,
    context_tokens: int,
    stride: int | None = None,
    rows: int = 16,
    advance: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Return the negative log-likelihood of each document in nats, (documents,) float64.

    documents: token ids without the start id. stride: tokens that each window moves on, at most context_tokens (windows
    then do not overlap); None: half of it. rows: windows computed at once, which changes speed only. advance: called
    with the number of tokens scored, as it goes. An empty document gives 0.
    """
    step = default_stride(context_tokens) if stride is None else stride
    if not 1 <= step <= context_tokens:
        raise ConfigError(
            f"stride is {step} tokens; allowed: 1 to the context of {context_tokens}; set evaluate.stride_tokens"
        )
    was_training = model.training
    model.train(False)
    scores: list[np.ndarray] = []
    block: list[np.ndarray] = []
    held = 0
    try:
        with torch.no_grad():
            for document in documents:
                block.append(np.asarray(document, dtype=np.int64))
                held += len(block[-1])
                if held >= BLOCK_TOKENS:
                    scores.append(_score_block(model, block, start_id, context_tokens, step, rows, advance))
                    block, held = [], 0
            scores.append(_score_block(model, block, start_id, context_tokens, step, rows, advance))
    finally:
        model.train(was_training)
    return np.concatenate(scores)


def windows_of(document: int, tokens: int, context_tokens: int, stride: int) -> list[Window]:
    """Return the windows of a document of `tokens` tokens; their scored parts follow each other without gap."""
    windows: list[Window] = []
    scored = 0
    while scored < tokens:
        start = len(windows) * stride
        end = min(start + context_tokens, tokens)
        windows.append(Window(document, start, scored, end))
        scored = end
    return windows


def packed(windows: Sequence[Window], capacity: int) -> list[list[Window]]:
    """Return the windows in rows of at most `capacity` tokens: the longest first, then the longest that fit."""
    waiting = sorted(windows, key=lambda window: window.end - window.start)
    lengths = [window.end - window.start for window in waiting]
    rows: list[list[Window]] = []
    while waiting:
        space = capacity - lengths.pop()
        row = [waiting.pop()]
        while space and (place := bisect_right(lengths, space) - 1) >= 0:
            space -= lengths.pop(place)
            row.append(waiting.pop(place))
        rows.append(row)
    return rows


def _score_block(
    model: CausalModel,
    documents: Sequence[np.ndarray],
    start_id: int,
    context_tokens: int,
    stride: int,
    rows: int,
    advance: Callable[[int], None] | None,
) -> np.ndarray:
    """Return the nats of each document of a block that fits into memory."""
    windows = [w for i, ids in enumerate(documents) for w in windows_of(i, len(ids), context_tokens, stride)]
    grouped = packed(windows, context_tokens)
    # Rows of one whole window need no mask between documents, and attention is cheaper without one.
    single = [row for row in grouped if len(row) == 1]
    several = [row for row in grouped if len(row) > 1]
    total = np.zeros(len(documents))
    batches = [kind[first : first + rows] for kind in (single, several) for first in range(0, len(kind), rows)]

    def score(batch: Sequence[Sequence[Window]]) -> tuple[np.ndarray, np.ndarray]:
        with torch.inference_mode():  # a setting of the thread
            return _score_rows(model, batch, documents, start_id)

    # Whole batches side by side, each on one core: operations of a small model are too short to be shared.
    threads = torch.get_num_threads() if model.head_weight.device.type == "cpu" else 1
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for nats, owners in pool.map(score, batches) if threads > 1 else map(score, batches):
            total += np.bincount(owners, weights=nats, minlength=len(documents))
            if advance is not None:
                advance(len(nats))
    return total


def _score_rows(
    model: CausalModel, batch: Sequence[Sequence[Window]], documents: Sequence[np.ndarray], start_id: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (nats of each scored token, its document), both flat, for one batch of rows."""
    length = max(sum(w.end - w.start for w in row) for row in batch)
    input_ids = np.full((len(batch), length), start_id, dtype=np.int64)  # (B, T)
    positions = np.zeros((len(batch), length), dtype=np.int64)
    segments = np.full((len(batch), length), -1, dtype=np.int32)  # -1: the padding at the end of a row
    places: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    owners: list[np.ndarray] = []
    for row, members in enumerate(batch):
        at = 0
        for number, window in enumerate(members):
            ids = documents[window.document]
            size = window.end - window.start
            begins = window.start == 0  # the start id stands before the first token only
            input_ids[row, at + begins : at + size] = ids[window.start - 1 + begins : window.end - 1]
            positions[row, at : at + size] = np.arange(size)
            segments[row, at : at + size] = number
            skipped = window.scored_from - window.start
            places.append(row * length + np.arange(at + skipped, at + size))
            labels.append(ids[window.scored_from : window.end])
            owners.append(np.full(size - skipped, window.document))
            at += size
    device = model.head_weight.device
    separate = any(len(members) > 1 for members in batch)
    marks = torch.from_numpy(segments).to(device) if separate else None
    states = model.hidden(
        model.embed(torch.from_numpy(input_ids).to(device)), torch.from_numpy(positions).to(device), marks
    )  # (B, T, D)
    chosen = states.reshape(-1, states.shape[-1])[torch.from_numpy(np.concatenate(places)).to(device)]
    nats = chunked_cross_entropy(
        chosen, model.head_weight, torch.from_numpy(np.concatenate(labels)).to(device), softcap=softcap_of(model)
    )
    return nats.double().cpu().numpy(), np.concatenate(owners)


def softcap_of(model: CausalModel) -> float | None:
    """Return the bound that the model's configuration puts on its logits, or None."""
    value: float | None = getattr(getattr(model, "config", None), "softcap", None)
    return value
