"""One decoding step on the CPU: BLAS for the matrix products, compiled kernels between them, nothing allocated.

Legend: B rows, D features, V vocabulary. The slow twin is the model's own `run_blocks`; a test holds them together.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from massivetext.generation import kernels
from massivetext.layers.cache import StaticCache

# One row times a small model's matrices: the compiled loop reads memory faster than BLAS does (2.0 against 3.3 ms for
# 23 MB, measured on one EPYC core); large models gain from BLAS's threads.
KERNEL_BYTES = 64 * 2**20


class LayerPlan(NamedTuple):
    """The weights of one block: matrices (outputs, inputs), norm scales (D,) or (head_dim,)."""

    projections: list[Tensor]
    output: Tensor
    inner: list[Tensor]
    down: Tensor
    attention_scale: Tensor
    feedforward_scale: Tensor
    head_scales: Tensor


class StepPlan(NamedTuple):
    """All that a step needs to know of a model."""

    layers: list[LayerPlan]
    final_scale: Tensor
    head: Tensor
    frequencies: Tensor
    activation: int
    norm: int
    epsilon: float
    reverse_rotary: bool
    softcap: float | None


class FastStep:
    """Reads one token per row into the cache and gives the logits behind it."""

    def __init__(self, plan: StepPlan, cache: StaticCache, first: Tensor) -> None:
        """first: (B,) the first slot of each row that is not padding."""
        self.plan, self.first = plan, first.numpy()
        batch, features = first.shape[0], plan.head.shape[1]
        layer = plan.layers[0]
        widths = {
            "normed": features, "added": features, "projected": sum(part.shape[0] for part in layer.projections),
            "mixed": layer.output.shape[1], "inner": sum(part.shape[0] for part in layer.inner),
            "active": layer.down.shape[1], "logits": plan.head.shape[0],
        }  # fmt: skip
        self.tensors = {name: torch.zeros(batch, width) for name, width in widths.items()}
        self.arrays = {name: tensor.numpy() for name, tensor in self.tensors.items()}
        self.caches = [(keys.numpy(), values.numpy()) for keys, values in zip(cache.keys, cache.values, strict=True)]
        self.scales = [
            [part.numpy() for part in (one.attention_scale, one.feedforward_scale, one.head_scales)]
            for one in plan.layers
        ]
        self.scores = np.zeros(cache.slots, dtype=np.float32)
        weights = sum(matrix.nbytes for one in plan.layers for matrix in (*one.projections, *one.inner, one.down))
        self.by_kernel = batch == 1 and weights <= KERNEL_BYTES

    @torch.no_grad()
    def __call__(self, embeddings: Tensor, slot: int) -> Tensor:
        """Return logits (B, V) after reading one token per row, given as embeddings (B, D), at `slot`.

        The result is overwritten by the next call.
        """
        plan, arrays = self.plan, self.arrays
        hidden = embeddings.contiguous().numpy().copy()
        tables = self._tables(slot)
        arrays["added"][:] = 0.0
        for number, layer in enumerate(plan.layers):
            keys, values = self.caches[number]
            attention_scale, feedforward_scale, head_scales = self.scales[number]
            kernels.add_norm(hidden, arrays["added"], attention_scale, plan.epsilon, arrays["normed"])
            self._multiply("normed", layer.projections, "projected")
            projected = arrays["projected"]
            kernels.turn_and_store(projected, tables, head_scales, plan.norm, plan.epsilon, (keys, values), slot)
            kernels.attend_slots(projected, keys, values, self.first, slot, self.scores, arrays["mixed"])
            self._multiply("mixed", [layer.output], "added")
            kernels.add_norm(hidden, arrays["added"], feedforward_scale, plan.epsilon, arrays["normed"])
            self._multiply("normed", layer.inner, "inner")
            kernels.activate(arrays["inner"], plan.activation, arrays["active"])
            self._multiply("active", [layer.down], "added")
        kernels.add_norm(hidden, arrays["added"], plan.final_scale.numpy(), plan.epsilon, arrays["normed"])
        self._multiply("normed", [plan.head], "logits")
        logits = self.tensors["logits"]
        return logits if plan.softcap is None else plan.softcap * torch.tanh(logits / plan.softcap)

    def _multiply(self, source: str, weights: list[Tensor], target: str) -> None:
        """Fill the columns of `target` with source @ weight^T of each weight, side by side."""
        start = 0
        for weight in weights:
            columns = slice(start, start + weight.shape[0])
            if self.by_kernel:
                kernels.times_vector(weight.numpy(), self.arrays[source], self.arrays[target][:, columns])
            else:
                torch.mm(self.tensors[source], weight.t(), out=self.tensors[target][:, columns])
            start = columns.stop

    def _tables(self, slot: int) -> kernels.Floats:
        """Return cosine and sine of every row's position, (2, B, head_dim / 2) float32."""
        frequencies = self.plan.frequencies.numpy()
        angles = (slot - self.first).clip(0)[:, None].astype(np.float32) * frequencies
        sine = np.sin(angles)
        return np.stack([np.cos(angles), -sine if self.plan.reverse_rotary else sine])
