"""The frequencies of rotary positions (RoPE, arXiv:2104.09864) and their scalings."""

import math
from typing import Any, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from massivetext.settings import Settings

# What each kind of scaling reads besides its own name.
USED = {
    "linear": ("factor",),
    "dynamic": ("factor",),
    "llama3": ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"),
    "yarn": (
        "factor", "original_max_position_embeddings", "attention_factor", "beta_fast", "beta_slow", "mscale",
        "mscale_all_dim", "truncate",
    ),
    "longrope": ("factor", "original_max_position_embeddings", "attention_factor", "short_factor", "long_factor"),
}  # fmt: skip


class RopeScaling(Settings):
    """How the rotary frequencies are changed so that a model reads more tokens than it was first trained on."""

    rope_type: Literal["linear", "dynamic", "llama3", "yarn", "longrope"]
    """linear: every frequency is divided by `factor`; dynamic: the base grows with texts longer than the context;
    llama3 and yarn (arXiv:2309.00071): only the slow frequencies are divided, with a smooth passage; longrope
    (arXiv:2402.13753): each frequency has its own divisor."""
    factor: float | None = Field(None, gt=0)
    """How many times longer the context becomes; yarn and longrope without it: the ratio of both contexts."""
    low_freq_factor: float = 1.0
    """llama3 only: waves longer than original_max_position_embeddings / low_freq_factor are divided by `factor`."""
    high_freq_factor: float = 4.0
    """llama3 only: waves shorter than original_max_position_embeddings / high_freq_factor are left as they are."""
    original_max_position_embeddings: int | None = None
    """Tokens of context in the first training; None: the model's max_position_embeddings."""
    attention_factor: float | None = None
    """yarn and longrope only: what sines and cosines are multiplied by; None: follows from `factor`."""
    beta_fast: float = 32.0
    """yarn only: frequencies that turn at least so often in the first context are left as they are."""
    beta_slow: float = 1.0
    """yarn only: frequencies that turn at most so often in the first context are divided by `factor`."""
    mscale: float | None = None
    """yarn only: with `mscale_all_dim`, changes what sines and cosines are multiplied by (DeepSeek)."""
    mscale_all_dim: float | None = None
    """yarn only: see `mscale`."""
    truncate: bool = True
    """yarn only: whether the bounds of the passage are whole features."""
    short_factor: list[float] | None = None
    """longrope only: divisor of each frequency for texts within the first context."""
    long_factor: list[float] | None = None
    """longrope only: divisor of each frequency for longer texts."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        kind, fields = self.rope_type, type(self).model_fields
        for name in fields:
            if name not in (*USED[kind], "rope_type") and getattr(self, name) != fields[name].default:
                raise ValueError(f"{name} is {getattr(self, name)}, and rope_type {kind!r} does not use it; remove it")
        if self.factor is None and kind in ("linear", "dynamic", "llama3"):
            raise ValueError(f"rope_type {kind!r} needs a factor, and there is none; write one, 1.0 changes nothing")
        if kind == "longrope" and (self.short_factor is None or self.long_factor is None):
            raise ValueError("rope_type 'longrope' needs short_factor and long_factor, a list of divisors each")
        for name in ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings", "beta_slow"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} is {value}; it must be above 0 and finite")
        if not all(0 < value < math.inf for value in (*(self.short_factor or ()), *(self.long_factor or ()))):
            raise ValueError("short_factor and long_factor must be numbers above 0")
        if self.high_freq_factor <= self.low_freq_factor or self.beta_fast <= self.beta_slow:
            raise ValueError(
                "the bounds of the passage are crossed: high_freq_factor must be above low_freq_factor, and beta_fast "
                "above beta_slow"
            )
        return self

    @property
    def by_length(self) -> bool:
        """Whether the frequencies depend on how long a text is."""
        return self.rope_type == "dynamic" or self.short_factor != self.long_factor

    def check_divisors(self, pairs: int) -> None:
        """Raise ValueError where longrope's lists have not one divisor for each of the turned pairs of features."""
        for name in ("short_factor", "long_factor"):
            divisors = getattr(self, name)
            if divisors is not None and len(divisors) != pairs:
                raise ValueError(f"{name} has {len(divisors)} divisors; allowed: {pairs}, one for each turned pair")

    def written(self) -> dict[str, Any]:
        """Return the fields of config.json: those that this kind uses."""
        return self.model_dump(include={"rope_type", *USED[self.rope_type]}, exclude_none=True)

    def magnitude(self, context_tokens: int) -> float:
        """Return what sines and cosines are multiplied by; context_tokens: the model's max_position_embeddings."""
        if self.rope_type not in ("yarn", "longrope") or self.attention_factor is not None:
            return 1.0 if self.attention_factor is None else self.attention_factor
        original = self.original_max_position_embeddings or context_tokens
        factor = self.factor or context_tokens / original
        if factor <= 1:
            return 1.0
        if self.rope_type == "longrope":
            return math.sqrt(1 + math.log(factor) / math.log(original))
        if self.mscale and self.mscale_all_dim:
            return (0.1 * self.mscale * math.log(factor) + 1) / (0.1 * self.mscale_all_dim * math.log(factor) + 1)
        return 0.1 * math.log(factor) + 1


def inverse_frequencies(
    head_dim: int, theta: float, scaling: RopeScaling | None = None, context_tokens: int = 2048, tokens: int = 0
) -> Tensor:
    """Return the angle in radians that each feature pair turns per position, (head_dim // 2,) float32.

    Pair i turns by theta^(-2i / head_dim), then changed by `scaling`. context_tokens: the model's
    max_position_embeddings. tokens: length of the text, where the scaling depends on it. The llama3 rule is the one
    published with Llama 3.1; the others are those of Hugging Face.
    """
    exponents = torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim
    frequencies = 1.0 / theta**exponents
    if scaling is None:
        return frequencies
    original = scaling.original_max_position_embeddings or context_tokens
    factor = scaling.factor or context_tokens / original
    if scaling.rope_type == "linear":
        return frequencies / factor
    if scaling.rope_type == "dynamic":
        stretch = factor * max(tokens, context_tokens) / context_tokens - (factor - 1)
        return 1.0 / (theta * stretch ** (head_dim / (head_dim - 2))) ** exponents
    if scaling.rope_type == "longrope":
        divisors = scaling.long_factor if tokens > original else scaling.short_factor
        assert divisors is not None
        return 1.0 / (torch.tensor(divisors) * theta**exponents)
    kept = _kept_by_yarn(head_dim, theta, scaling, original)
    if scaling.rope_type == "llama3":
        wavelengths = 2 * math.pi / frequencies
        span = scaling.high_freq_factor - scaling.low_freq_factor
        kept = ((original / wavelengths - scaling.low_freq_factor) / span).clamp(0.0, 1.0)
    return (1 - kept) * frequencies / factor + kept * frequencies


def _kept_by_yarn(head_dim: int, theta: float, scaling: RopeScaling, original: int) -> Tensor:
    """Return how much of each frequency yarn leaves as it is, (head_dim // 2,): 1 all, 0 it is divided by `factor`."""

    def pair_of(turns: float) -> float:
        """Return the pair (a fraction) that turns so often in the first context."""
        return head_dim * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(theta))

    low, high = pair_of(scaling.beta_fast), pair_of(scaling.beta_slow)
    if scaling.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, head_dim - 1)
    if low == high:
        high += 0.001
    return 1 - ((torch.arange(head_dim // 2, dtype=torch.float32) - low) / (high - low)).clamp(0, 1)
