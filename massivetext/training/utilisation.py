"""Define utilisation: the fraction of the machine's matmul speed that a run uses.

Utilisation is the matmul FLOPs of the parameters (forward and backward, 6 per parameter and token) plus those of
attention (halved for the causal mask), divided by a matmul peak that is measured between steps. The optimiser's work
is not counted, nor is anything recomputed to save memory.
"""

import time

import torch
from torch import Tensor, nn

PEAK_SIZE = 1536
PEAK_EVERY_SECONDS = 30.0


def matmul_parameters(model: nn.Module) -> int:
    """Return the number of parameters that a token is multiplied by: all matrices except lookup tables.

    The head counts, also where it is the embedding. Of experts only those count that a token is sent to.
    """
    head: Tensor | None = getattr(model, "head_weight", None)
    tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    used = [p for p in model.parameters() if p.ndim == 2 and (id(p) not in tables or p is head)]
    return sum(parameter.numel() for parameter in used) - getattr(getattr(model, "config", None), "idle_parameters", 0)


def flops_per_token(model: nn.Module, context_tokens: int) -> float:
    """Return the training FLOPs per token, forward and backward, for rows of `context_tokens` tokens.

    Attention has two products of context_tokens * heads * head_dim in each layer, halved for the causal mask.
    """
    config = getattr(model, "config", None)
    layers = getattr(config, "num_hidden_layers", 0)
    heads = getattr(config, "num_attention_heads", 0)
    head_dim = getattr(config, "head_features", None) or getattr(config, "hidden_size", 0) // max(heads, 1)
    attention = layers * 2 * 2 * context_tokens * heads * head_dim / 2
    return 3.0 * (2.0 * matmul_parameters(model) + attention)


class MatmulPeak:
    """The matmul speed of this machine in FLOP/s, in the run's precision; measured again when it is out of date."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        size = 8192 if device.type == "cuda" else PEAK_SIZE
        self._a = torch.full((size, size), 0.5, device=device, dtype=dtype)
        self._out = torch.empty_like(self._a)
        self._measured_at = float("-inf")
        self._value = 0.0

    def value(self) -> float:
        """Return the speed of the fastest of a few products, at most PEAK_EVERY_SECONDS old."""
        if time.monotonic() - self._measured_at > PEAK_EVERY_SECONDS:
            with torch.no_grad():
                fastest = min(self._once() for _ in range(4))
            self._value = 2.0 * self._a.shape[0] ** 3 / fastest
            self._measured_at = time.monotonic()
        return self._value

    def _once(self) -> float:
        synchronise(self._a.device)
        started = time.perf_counter()
        torch.mm(self._a, self._a, out=self._out)
        synchronise(self._a.device)
        return time.perf_counter() - started


def synchronise(device: torch.device) -> None:
    """Wait for a GPU to finish its queued work, so that a time read afterwards includes it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
