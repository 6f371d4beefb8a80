"""The next token from the logits: penalty, temperature, the two cuts, and the draw. Legend: B rows, V vocabulary."""

import torch
import xxhash
from torch import Tensor

from massivetext.generation.settings import GenerationSettings


def penalised(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
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


class Chooser:
    """Picks the next id of each row from its logits, step after step, as the settings say."""

    def __init__(self, settings: GenerationSettings, prompts: Tensor, readable: Tensor, vocabulary: int) -> None:
        """prompts: (B, T) ids, readable: (B, T) boolean, False where a prompt is padding."""
        self.settings, self.step = settings, 0
        self.begins = prompts.shape[1] == 1
        self.banned = [word[0] for word in settings.bad_words_ids or []]
        self.seed = settings.seed
        if self.seed is None and settings.do_sample:
            self.seed = int(torch.randint(2**62, ()))
        self.seen: Tensor | None = None
        if settings.repetition_penalty != 1.0:
            counts = torch.zeros(prompts.shape[0], vocabulary, device=prompts.device)
            self.seen = counts.scatter_add_(1, prompts, readable.to(counts.dtype)) > 0

    def __call__(self, logits: Tensor, last: bool = False) -> Tensor:
        """Return the next id of each row, (B,) int64, for logits (B, V). last: whether the length limit is reached."""
        forced = self.settings.forced_bos_token_id if self.begins and self.step == 0 else None
        if last and self.settings.forced_eos_token_id is not None:
            forced = self.settings.forced_eos_token_id
        if self.banned:
            logits = logits.index_fill(1, torch.tensor(self.banned, device=logits.device), float("-inf"))
        if self.seen is not None:
            logits = penalised(logits, self.seen, self.settings.repetition_penalty)
        if forced is not None:
            chosen = torch.full(logits.shape[:1], forced, device=logits.device)
        elif self.settings.do_sample:
            assert self.seed is not None
            numbers = [uniform(self.seed, row, self.step) for row in range(logits.shape[0])]
            chosen = draw(logits, self.settings, torch.tensor(numbers, dtype=torch.float64, device=logits.device))
        else:
            chosen = logits.argmax(dim=-1)
        if self.seen is not None:
            self.seen.scatter_(1, chosen[:, None], True)
        self.step += 1
        return chosen
