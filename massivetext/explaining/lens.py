"""The logit lens: what each layer would predict if it were the last (nostalgebraist, 2020; arXiv:2303.08112).

Legend: L layers, T tokens, K likeliest tokens, V vocabulary, D features.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from massivetext.errors import ConfigError, ModelError
from massivetext.explaining.pieces import TextPiece, pieces_of, token_labels
from massivetext.explaining.reading import Given, evaluating, read_text
from massivetext.models.model import Model
from massivetext.tokens.tokenizer import Tokenizer

WITH_HEADS = "a causal or masked language model, or an encoder-decoder"


@dataclass(frozen=True)
class LogitLens:
    """What every layer predicts at every place. Row 0 is the embeddings, row L the model's own output.

    pieces: the tokens read, T of them. actual: the id to be predicted at each place (of a masked language model the one
    that stands there, of others the next one), -1 where it is not known: at the end of the text, under a mask;
    actual_labels: what to write for them, "" where not known. top_ids (L + 1, T, K) int64, top_probabilities
    (L + 1, T, K): the likeliest tokens, most likely first; labels: what to write for them, by id.
    actual_probabilities (L + 1, T), NaN where not known; actual_ranks (L + 1, T) int64: 1 for the likeliest of all, 0
    where not known.
    """

    pieces: list[TextPiece]
    actual: NDArray[np.int64]
    actual_labels: list[str]
    top_ids: NDArray[np.int64]
    top_probabilities: NDArray[np.float32]
    actual_probabilities: NDArray[np.float32]
    actual_ranks: NDArray[np.int64]
    labels: dict[int, str]


@torch.no_grad()
def logit_lens(
    model: Model, tokenizer: Tokenizer, text: str, target_text: str | None = None, top: int = 5
) -> LogitLens:
    """Return what each layer of `model` predicts, by its hidden state through the model's own final norm and head.

    top: how many of the likeliest tokens, 1 to the vocabulary. target_text: see `attention_maps`; of an encoder-decoder
    the decoder is shown. Raises ModelError for models without a language model's head.
    """
    vocabulary = model.config.vocab_size
    if not 1 <= top <= vocabulary:
        raise ConfigError(f"top is {top}; allowed: 1 to {vocabulary:,}, the vocabulary")
    given = read_text(model, tokenizer, text, target_text)
    with evaluating(model):
        return _looked_through(model, tokenizer, given, top)


def _looked_through(model: Model, tokenizer: Tokenizer, given: Given, top: int) -> LogitLens:
    """Return the lens of one text, in evaluation mode."""
    states, read_out, pieces, actual = _layers(model, tokenizer, given)
    wanted = torch.tensor(actual, device=model.device)
    known = wanted >= 0
    rows: list[list[Tensor]] = [[], [], [], []]
    for number, state in enumerate(states):
        probabilities = read_out(state[0], number == len(states) - 1).float().softmax(dim=-1)  # (T, V)
        likeliest = probabilities.topk(top, dim=-1)
        share = probabilities.gather(1, wanted.clamp(min=0)[:, None])
        rank = 1 + (probabilities > share).sum(dim=-1)
        shown = (likeliest.indices, likeliest.values, share[:, 0].masked_fill(~known, float("nan")), rank * known)
        for column, value in zip(rows, shown, strict=True):
            column.append(value)
    ids, values, shares, ranks = (torch.stack(column).cpu().numpy() for column in rows)
    whole = [pieces[0].id, *(number for number in actual if number >= 0)]  # a text from its first character on
    known_labels = iter([piece.label for piece in pieces_of(tokenizer, whole)][1:])
    actual_labels = [next(known_labels) if number >= 0 else "" for number in actual]
    labels = token_labels(tokenizer, ids.ravel().tolist())
    return LogitLens(pieces, np.array(actual), actual_labels, ids, values, shares, ranks, labels)


def _layers(
    model: Model, tokenizer: Tokenizer, given: Given
) -> tuple[tuple[Tensor, ...], Callable[[Tensor, bool], Tensor], list[TextPiece], list[int]]:
    """Return the hidden states, the way from one to logits (told whether it is the last), the tokens, what is right."""
    if not model.predicts_tokens:
        raise ModelError(f"a {type(model).__name__} predicts no tokens, which the logit lens shows; use {WITH_HEADS}")
    shown = model(**given.inputs(), output_hidden_states=True)
    states, pieces = shown.decoder_hidden_states if model.reads_source else shown.hidden_states, given.pieces
    if model.reads_source:
        pieces, actual = list(given.written), list(given.following)
    elif model.reads_ahead:
        masked = given.input_ids == (-1 if tokenizer.mask_token_id is None else tokenizer.mask_token_id)
        actual = given.input_ids.masked_fill(masked, -1)[0].tolist()
    else:
        actual = [*given.input_ids[0, 1:].tolist(), -1]
    body: Any = model.base_model  # the last hidden state has been through its final norm
    return states, lambda hidden, last: model.project(hidden if last else body.leave(hidden)), pieces, actual
