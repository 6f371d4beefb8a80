"""The next token from the logits: rules, temperature, the two cuts, and the draw. Legend: B rows, V vocabulary."""

import torch
import xxhash
from torch import Tensor

from massivetext.errors import ConfigError
from massivetext.generation.settings import GenerationSettings


def penalise(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Return logits (B, V) with those of ids in `seen` made less likely (arXiv:1909.05858).

    seen: (B, V) boolean. Positive logits are divided by `penalty`, negative ones multiplied.
    """
    if penalty == 1.0:
        return logits
    lowered = torch.where(logits > 0, logits / penalty, logits * penalty)
    return torch.where(seen, lowered, logits)


def uniform(seed: int, row: int, step: int) -> float:
    """Return a number in [0, 1) that is a function of (seed, row, step) alone."""
    return (xxhash.xxh3_64_intdigest(f"{seed}/generate/{row}/{step}".encode()) >> 11) * 2.0**-53


def draw(logits: Tensor, settings: GenerationSettings, numbers: Tensor) -> Tensor:
    """Return one id per row, (B,) int64, drawn by probability after temperature, top_k and top_p.

    logits: (B, V). numbers: (B,) in [0, 1), float64: where on the cumulative probability, likeliest token first, each
    row's draw falls.
    """
    count = min(settings.top_k or logits.shape[-1], logits.shape[-1])
    values, ids = (logits.float() / settings.temperature).topk(count, dim=-1)  # likeliest first
    probabilities = values.double().softmax(dim=-1)
    if settings.top_p < 1.0:
        before = probabilities.cumsum(dim=-1) - probabilities
        before[:, 0] = -1.0  # the likeliest token always stays
        probabilities = torch.where(before < settings.top_p, probabilities, 0.0)
    cumulative = probabilities.cumsum(dim=-1)
    place = torch.searchsorted(cumulative, (numbers[:, None] * cumulative[:, -1:]), right=True)
    return ids.gather(1, place.clamp(max=count - 1))[:, 0]


def find_repeating(texts: Tensor, size: int, vocabulary: int) -> Tensor:
    """Return the ids that would end a run of `size` ids which stands in the text already, (B, V) boolean.

    texts: (B, T) ids, -1 for padding (arXiv:1705.04304).
    """
    rows = texts.shape[0]
    if texts.shape[1] < size:
        return torch.zeros(rows, vocabulary, dtype=torch.bool, device=texts.device)
    runs = texts.unfold(1, size, 1)  # (B, T - size + 1, size)
    tail = texts[:, texts.shape[1] - size + 1 :]  # the last size - 1 ids
    found = (runs[:, :, :-1] == tail[:, None]).all(-1) & (runs >= 0).all(-1)
    counts = torch.zeros(rows, vocabulary, device=texts.device)
    return counts.scatter_add_(1, runs[:, :, -1].clamp(min=0), found.to(counts.dtype)) > 0


class Rules:
    """What the settings forbid, force or make less likely: of logits and, in a beam search, of log probabilities."""

    def __init__(
        self, settings: GenerationSettings, prompts: Tensor, readable: Tensor, stops: Tensor, vocabulary: int
    ) -> None:
        """prompts: (B, T) ids, readable: (B, T) boolean, False where there is padding. stops: ids that end a text."""
        self.settings, self.step, self.stops = settings, 0, stops
        self.prompt_tokens, self.vocabulary = prompts.shape[1], vocabulary
        self.banned = [word[0] for word in settings.bad_words_ids or []]
        forced = (settings.forced_bos_token_id, settings.forced_eos_token_id)
        for number in (*self.banned, *stops.tolist(), *forced):
            if number is not None and not 0 <= number < vocabulary:
                raise ConfigError(
                    f"generation is asked to end, force or ban the id {number}, and the model has the ids 0 to "
                    f"{vocabulary - 1}; correct generation_config.json or the argument"
                )
        self.texts = prompts.masked_fill(~readable, -1) if settings.no_repeat_ngram_size else None
        self.seen: Tensor | None = None
        if settings.repetition_penalty != 1.0:
            counts = torch.zeros(prompts.shape[0], vocabulary, device=prompts.device)
            self.seen = counts.scatter_add_(1, prompts, readable.to(counts.dtype)) > 0

    def __call__(self, scores: Tensor, last: bool = False) -> Tensor:
        """Return the scores (B, V) of the next id as the rules leave them. last: it reaches the length limit."""
        settings, never = self.settings, float("-inf")
        if self.seen is not None:
            scores = penalise(scores, self.seen, settings.repetition_penalty)
        if self.texts is not None:
            scores = scores.masked_fill(
                find_repeating(self.texts, settings.no_repeat_ngram_size, self.vocabulary), never
            )
        if self.banned:
            scores = scores.index_fill(1, torch.tensor(self.banned, device=scores.device), never)
        if len(self.stops) and (
            self.step < (settings.min_new_tokens or 0) or self.prompt_tokens + self.step < settings.min_length
        ):
            scores = scores.index_fill(1, self.stops, never)
        forced = settings.forced_bos_token_id if self.prompt_tokens == 1 and self.step == 0 else None
        if last and settings.forced_eos_token_id is not None:
            forced = settings.forced_eos_token_id
        if forced is not None:
            scores = torch.full_like(scores, never).index_fill_(1, torch.tensor([forced], device=scores.device), 0.0)
        return scores.log_softmax(-1) if settings.renormalize_logits else scores

    def note(self, chosen: Tensor, rows: Tensor | None = None) -> None:
        """Count `chosen` (B,) as the next id of each row. rows: which row each text goes on from; None: its own."""
        if self.seen is not None:
            self.seen = self.seen if rows is None else self.seen[rows]
            self.seen.scatter_(1, chosen[:, None], True)
        if self.texts is not None:
            self.texts = torch.cat([self.texts if rows is None else self.texts[rows], chosen[:, None]], 1)
        self.step += 1


class Chooser:
    """Picks the next id of each row from its logits, step after step: the likeliest, or one drawn."""

    def __init__(self, settings: GenerationSettings, rules: Rules) -> None:
        self.settings, self.rules = settings, rules
        self.seed = settings.seed
        if self.seed is None and settings.do_sample:
            self.seed = int(torch.randint(2**62, ()))

    def __call__(self, logits: Tensor, last: bool = False) -> Tensor:
        """Return the next id of each row, (B,) int64, for logits (B, V). last: whether the length limit is reached."""
        logits = self.rules(logits, last)
        if self.settings.do_sample:
            assert self.seed is not None
            numbers = [uniform(self.seed, row, self.rules.step) for row in range(logits.shape[0])]
            chosen = draw(logits, self.settings, torch.tensor(numbers, dtype=torch.float64, device=logits.device))
        else:
            chosen = logits.argmax(dim=-1)
        self.rules.note(chosen)
        return chosen
