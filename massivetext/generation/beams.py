"""Beam search: the texts of highest probability that a search of fixed width finds.

Legend: P prompts, K beams (num_beams), V vocabulary, N new tokens. Of equal length a beam is worth its log probability;
texts of different length compare by log probability / length ** length_penalty (arXiv:1609.08144 has the idea, and this
form is the one of Hugging Face's `generate`, whose ids these are).
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from massivetext.generation.choosing import Rules
from massivetext.generation.settings import GenerationSettings

OUT = 1e9  # taken off the log probability of what must not go on


class CacheReader(Protocol):
    """What a search asks of that which reads tokens into a cache."""

    def read(self, ids: Tensor) -> Tensor:
        """Return the logits (rows, V) after one more id per row, (rows, 1)."""

    def reorder(self, rows: Tensor) -> None:
        """Put what was read of row rows[i] into row i."""


class SearchStart(Protocol):
    """Prompts that were read, each K times side by side: where a search begins."""

    @property
    def reader(self) -> CacheReader: ...  # noqa: D102
    @property
    def logits(self) -> Tensor: ...  # noqa: D102
    @property
    def rules(self) -> Rules: ...  # noqa: D102
    @property
    def stops(self) -> Tensor: ...  # noqa: D102
    @property
    def filler(self) -> int: ...  # noqa: D102
    @property
    def new_tokens(self) -> int: ...  # noqa: D102


@dataclass
class Ended:
    """The best ended texts of each prompt, best first: ids (P, K, N), lengths and scores (P, K).

    A score of minus infinity means that there is none yet. `open`: (P,) whether a better one may still be found.
    """

    texts: Tensor
    lengths: Tensor
    scores: Tensor
    open: Tensor

    def add(self, texts: Tensor, length: int, scores: Tensor) -> None:
        """Take in texts (P, M, N) with scores (P, M), minus infinity for those that have not ended."""
        scores = torch.cat([self.scores, scores.masked_fill(~self.open[:, None], float("-inf"))], 1)
        lengths = torch.cat([self.lengths, self.lengths.new_full(texts.shape[:2], length)], 1)
        self.scores, order = scores.topk(self.scores.shape[1], dim=1)
        self.lengths = lengths.gather(1, order)
        self.texts = rows_of(torch.cat([self.texts, texts], 1), order)

    def close(self, settings: GenerationSettings, best: Tensor, length: int, most: int) -> None:
        """Close the prompts whose ended texts are enough, given the log probability of their best running text, (P,).

        length: tokens of the running texts. most: the most that they can reach.
        """
        full = torch.isfinite(self.scores).all(1)
        if settings.early_stopping is True:
            self.open &= ~full
            return
        reached = most if settings.early_stopping == "never" and settings.length_penalty > 0 else length
        self.open &= ~full | (best / reached**settings.length_penalty > self.scores[:, -1])


def rows_of(texts: Tensor, order: Tensor) -> Tensor:
    """Return the texts (P, M, N) of each prompt that `order` (P, K) names, (P, K, N)."""
    return texts.gather(1, order[:, :, None].expand(-1, -1, texts.shape[2]))


def beam_search(start: SearchStart, settings: GenerationSettings) -> Tensor:
    """Return the best continuations of each prompt, best first, (P * num_return_sequences, new tokens) int64.

    start: prompts read, each one K times side by side. A text that ends before the longest is filled up.
    """
    beams, most, vocabulary = settings.num_beams, start.new_tokens, start.logits.shape[-1]
    prompts, device = len(start.logits) // beams, start.logits.device
    texts = torch.full((prompts, beams, most), start.filler, device=device)
    scores = torch.zeros(prompts, beams, device=device)
    scores[:, 1:] = -OUT  # the K texts of a prompt are the same yet: only the first one branches
    nothing, some = torch.full_like(scores, float("-inf")), torch.ones(prompts, dtype=torch.bool, device=device)
    ended = Ended(texts, torch.zeros_like(scores, dtype=torch.long), nothing, some)
    kept = beams * max(2, 1 + len(start.stops))  # so that K can go on even if every beam's likeliest ids are ends
    logits = start.logits
    for length in range(1, most + 1):
        prices = start.rules(logits.log_softmax(-1), last=length == most)
        totals = (scores.flatten()[:, None] + prices).view(prompts, beams * vocabulary)
        best, places = totals.topk(min(kept, totals.shape[1]), dim=1)  # (P, kept), best first
        parents, chosen = places // vocabulary, places % vocabulary
        grown = rows_of(texts, parents)
        grown[:, :, length - 1] = chosen
        ends = torch.isin(chosen, start.stops) | (length == most)
        behind = torch.arange(best.shape[1], device=device) >= beams  # spares, only there to go on with
        final = best / length**settings.length_penalty
        ended.add(grown, length, final.masked_fill(~ends | behind, float("-inf")))
        if length == most:
            break
        scores, order = (best - OUT * ends).topk(beams, dim=1)
        ended.close(settings, scores[:, 0], length, most)
        if not bool(ended.open.any()):
            break
        texts, chosen, parents = rows_of(grown, order), chosen.gather(1, order), parents.gather(1, order)
        rows = (torch.arange(prompts, device=device)[:, None] * beams + parents).flatten()
        start.rules.note(chosen.flatten(), rows)
        start.reader.reorder(rows)
        logits = start.reader.read(chosen.view(-1, 1))
    returned = settings.num_return_sequences
    longest = int(ended.lengths[:, :returned].max())
    return ended.texts[:, :returned, :longest].flatten(0, 1)
