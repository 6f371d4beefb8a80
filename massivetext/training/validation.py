"""Compute the loss on held-out rows during training, with the forward pass of training: nothing is compiled again."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from massivetext.tokens.order import TrainingOrder
from massivetext.tokens.store import TokenStore
from massivetext.training.metrics import Sums
from massivetext.training.objectives.causal import equal_parts
from massivetext.training.objectives.protocol import Batches, Objective

VALIDATION_BATCHES = 16


def store_validation(
    store: TokenStore, context_tokens: int, rows: int, seed: int
) -> Callable[[Objective, int], Mapping[str, Any]] | None:
    """Return the function that the loop calls for the loss on a store's validation split.

    rows: rows per batch. Returns None if the store has no such split, or an empty one.
    """
    if "validation" not in store.manifest["splits"] or not store.sources("validation"):
        return None
    order = TrainingOrder(store, "validation", None, context_tokens, rows, seed)
    return lambda objective, step: validation_losses(objective, order)


def validation_losses(objective: Objective, batches: Batches, most: int = VALIDATION_BATCHES) -> Mapping[str, Any]:
    """Return {"validation_loss": nats per token, "validation_losses": {source: ...}} over the first batches of a split.

    batches: for example a `TrainingOrder` of the validation split. most: the maximum number of batches. If a pass over
    the split is shorter, there are fewer, and the last batch may repeat some rows. The rows are the same each time.
    """
    a_pass = getattr(batches, "rows_per_pass", None)
    rows = len(objective.row_sources(batches.batch(0)))
    count = most if a_pass is None else max(1, min(most, math.ceil(a_pass / rows)))
    row = mean_losses(objective, batches, count)
    return {"validation_loss": row["loss"], "validation_losses": row["losses"]}


def mean_losses(objective: Objective, batches: Batches, count: int, rows: int | None = None) -> Mapping[str, Any]:
    """Return "loss" and "losses" per source, nats per token, over the first `count` batches, with dropout off.

    rows: the maximum number of rows; the last batch is cut to it (a batch at the end of a pass runs into the next).
    """
    sums = Sums(list(batches.sources))
    model, training = objective.model, objective.model.training
    if objective.has_modes:  # without modes, eval mode would only trigger another compilation
        model.eval()
    try:
        for step in range(count):
            batch = batches.batch(step)
            row_tokens = objective.tokens(batch)
            taken = len(row_tokens) if rows is None else min(len(row_tokens), rows - step * len(row_tokens))
            nats = _row_nats(objective, batch, taken)
            sums.add(nats.double().cpu().numpy(), row_tokens[:taken], objective.row_sources(batch)[:taken])
    finally:
        model.train(training)
    return sums.row()


def _row_nats(objective: Objective, batch: Any, rows: int) -> Tensor:
    """Return the nats of the first `rows` rows of a batch, computed by the worker threads if there are any."""
    if objective.crew is None or rows % objective.crew.size:
        return objective.loss(batch, slice(0, rows))[1]
    parts = equal_parts(rows, objective.crew.size)
    return torch.cat(objective.crew.map("validation", lambda part: objective.loss(batch, part)[1], parts))
