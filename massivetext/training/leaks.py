"""The leak probe: check that no packed document sees another one, and no token a later one.

Legend: B rows, T tokens, D features.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from massivetext.errors import ModelError


@contextmanager
def awake(model: nn.Module) -> Iterator[None]:
    """Replace the values of all-zero matrices while the block runs.

    In a fresh model the output projections are zero, so no token affects any other and the probe could find no leak.
    """
    asleep = [parameter for parameter in model.parameters() if parameter.ndim == 2 and not parameter.any()]
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for matrix in asleep:
            matrix.copy_(torch.empty(matrix.shape).normal_(0, matrix.shape[1] ** -0.5, generator=generator))
    try:
        yield
    finally:
        with torch.no_grad():
            for matrix in asleep:
                matrix.zero_()


def check_no_leak(
    model: nn.Module, hidden_states: Callable[..., Tensor], batch: Any, rows: slice, vocabulary: int
) -> None:
    """Change the first document of some rows, and the last token; raise ModelError if another hidden state changes.

    hidden_states: the forward pass of training (compiled, same shapes, same attention back-end), from ids, positions
    and segments, each (B, T), to hidden states (B, T, D). Each row is split into two documents of half a row.
    """
    ids, tokens = batch.input_ids[rows], batch.input_ids.shape[1]
    half = tokens // 2
    here = np.broadcast_to(np.arange(tokens), ids.shape)
    positions = np.ascontiguousarray(np.where(here < half, here, here - half))
    segments = np.ascontiguousarray((here >= half).astype(batch.segments.dtype))
    changed = (ids + 1) % vocabulary
    first = np.ascontiguousarray(np.where(here < half, changed, ids))
    last = np.ascontiguousarray(np.where(here == tokens - 1, changed, ids))
    with awake(model):  # keep gradients on: without them the model would be compiled again
        states = []
        for inputs in (ids, first, last):
            torch.manual_seed(0)  # the same dropout in every pass
            states.append(hidden_states(inputs, positions, segments).detach())
    plain, other, later = states
    across = (other - plain)[:, half:].abs().max()
    ahead = (later - plain)[:, :-1].abs().max()
    limit = 1e-4 * float(plain.abs().max())
    for found, what in ((across, "a document before it in the same row"), (ahead, "a later token")):
        if not float(found) <= limit:
            raise ModelError(
                f"the leak probe found that a prediction depends on {what} (its hidden state moved by "
                f"{float(found):.2g}, allowed {limit:.2g}): the attention back-end in use ignores the mask; set "
                f"train.compile=off, or report this with the output of `massivetext doctor`"
            )
