"""One decoding step on the CPU: BLAS for the matrix products, compiled kernels between them, nothing allocated.

Legend: B rows, D features, V vocabulary. The slow twin is the body's own `run`; a test holds them together.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from massivetext.generation import kernels
from massivetext.layers.cache import StaticCache

# One row times a small model's matrices: the compiled loop reads memory faster than BLAS does (2.0 against 3.3 ms for
# 23 MB, measured on one EPYC core); large models gain from BLAS's threads.
KERNEL_BYTES = 64 * 2**20


class Affine(NamedTuple):
    """A matrix (outputs, inputs) and a bias (outputs,), of zeros where the layer has none."""

    weight: Tensor
    bias: Tensor


class Norm(NamedTuple):
    """What a norm multiplies by and adds, (D,) each: ones and zeros where it has no weights."""

    scale: Tensor
    shift: Tensor


class LayerPlan(NamedTuple):
    """The weights of one block. head_scales: (2, head_dim), of the query and the key norm.

    parallel: attention and feed-forward part read the same hidden state and are added together.
    """

    projections: list[Affine]
    output: Affine
    inner: list[Affine]
    down: Affine
    attention_norm: Norm
    feedforward_norm: Norm
    head_scales: Tensor
    parallel: bool


class StepPlan(NamedTuple):
    """All that a step needs to know of a model.

    frequencies: of rotary positions; positions: the vectors (places, D) of learned ones; None: not of that kind.
    centred: norms take the mean off.
    """

    layers: list[LayerPlan]
    final_norm: Norm
    head: Tensor
    frequencies: Tensor | None
    positions: Tensor | None
    activation: int
    norm: int
    centred: bool
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
            "normed": features, "added": features, "projected": sum(len(part.bias) for part in layer.projections),
            "mixed": layer.output.weight.shape[1], "inner": sum(len(part.bias) for part in layer.inner),
            "active": layer.down.weight.shape[1], "logits": plan.head.shape[0], "thought": features,
        }  # fmt: skip
        self.tensors = {name: torch.zeros(batch, width) for name, width in widths.items()}
        self.arrays = {name: tensor.numpy() for name, tensor in self.tensors.items()}
        self.nothing = np.zeros((batch, features), dtype=np.float32)
        self.caches = [(keys.numpy(), values.numpy()) for keys, values in zip(cache.keys, cache.values, strict=True)]
        self.head = Affine(plan.head, torch.zeros(plan.head.shape[0]))
        self.scores = np.zeros(cache.slots, dtype=np.float32)
        matrices = [part.weight for one in plan.layers for part in (*one.projections, *one.inner, one.down)]
        self.by_kernel = batch == 1 and sum(matrix.nbytes for matrix in matrices) <= KERNEL_BYTES

    @torch.no_grad()
    def __call__(self, embeddings: Tensor, slot: int) -> Tensor:
        """Return logits (B, V) after reading one token per row, given as embeddings (B, D), at `slot`.

        The result is overwritten by the next call.
        """
        plan, arrays = self.plan, self.arrays
        hidden, places = embeddings.contiguous().numpy().copy(), (slot - self.first).clip(0)
        if plan.positions is not None:
            hidden += plan.positions.numpy()[places]
        tables = self._tables(places)
        arrays["added"][:] = 0.0
        for layer, (keys, values) in zip(plan.layers, self.caches, strict=True):
            self._norm(hidden, arrays["added"], layer.attention_norm)
            self._multiply("normed", layer.projections, "projected")
            projected, head_scales = arrays["projected"], layer.head_scales.numpy()
            kernels.turn_and_store(projected, tables, head_scales, plan.norm, plan.epsilon, (keys, values), slot)
            kernels.attend_slots(projected, keys, values, self.first, slot, self.scores, arrays["mixed"])
            self._multiply("mixed", [layer.output], "added")
            self._norm(hidden, self.nothing if layer.parallel else arrays["added"], layer.feedforward_norm)
            self._multiply("normed", layer.inner, "inner")
            kernels.activate(arrays["inner"], plan.activation, arrays["active"])
            self._multiply("active", [layer.down], "thought" if layer.parallel else "added")
            if layer.parallel:
                arrays["added"] += arrays["thought"]
        self._norm(hidden, arrays["added"], plan.final_norm)
        self._multiply("normed", [self.head], "logits")
        logits = self.tensors["logits"]
        return logits if plan.softcap is None else plan.softcap * torch.tanh(logits / plan.softcap)

    def _norm(self, hidden: kernels.Floats, added: kernels.Floats, norm: Norm) -> None:
        """Add `added` to `hidden` and fill `normed` with its norm."""
        scale, shift = norm.scale.numpy(), norm.shift.numpy()
        kernels.add_norm(hidden, added, scale, shift, self.plan.centred, self.plan.epsilon, self.arrays["normed"])

    def _multiply(self, source: str, parts: list[Affine], target: str) -> None:
        """Fill the columns of `target` with source @ weight^T + bias of each part, side by side."""
        start = 0
        for weight, bias in parts:
            columns = slice(start, start + len(bias))
            if self.by_kernel:
                row = self.arrays[target][:, columns]
                kernels.times_vector(weight.numpy(), bias.numpy(), self.arrays[source], row)
            else:
                torch.addmm(bias, self.tensors[source], weight.t(), out=self.tensors[target][:, columns])
            start = columns.stop

    def _tables(self, places: NDArray[np.int64]) -> kernels.Floats:
        """Return cosine and sine of every row's position, (2, B, turned features / 2) float32."""
        if self.plan.frequencies is None:
            return np.zeros((2, len(places), 0), dtype=np.float32)
        angles = places[:, None].astype(np.float32) * self.plan.frequencies.numpy()
        sine = np.sin(angles)
        return np.stack([np.cos(angles), -sine if self.plan.reverse_rotary else sine])
