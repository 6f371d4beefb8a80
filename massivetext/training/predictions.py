"""The return values of `Trainer`: metrics, and the logits and labels of rows."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from massivetext.errors import DataError
from massivetext.tokens.labels import IGNORED_LABEL
from massivetext.training.machine import training_device
from massivetext.training.rows import RowBatches


class TrainOutput(NamedTuple):
    """What `Trainer.train` returns: steps done, mean loss of the logged rows, and other metrics by name."""

    global_step: int
    training_loss: float
    metrics: dict[str, float]


class PredictionOutput(NamedTuple):
    """What `Trainer.predict` returns: logits and label ids (rows, ...) as NumPy arrays, and metrics by name."""

    predictions: np.ndarray
    label_ids: np.ndarray
    metrics: dict[str, float]


class EvalPrediction(NamedTuple):
    """The argument of `compute_metrics`: logits (rows, ...) and label ids (rows, ...) as NumPy arrays."""

    predictions: np.ndarray
    label_ids: np.ndarray


def predict_rows(model: nn.Module, batches: RowBatches) -> EvalPrediction:
    """Return the logits and labels of all rows; rows of different lengths are padded with -100."""
    logits, labels = [], []
    device, training = training_device(model), model.training
    model.eval()
    try:
        for step in range(batches.steps_per_pass):
            for part in batches.batch(step):
                inputs = {name: torch.as_tensor(value).to(device) for name, value in part.items()}
                if "labels" not in inputs:
                    raise DataError("compute_metrics needs rows with labels; add a column 'labels', or leave it out")
                labels.append(inputs.pop("labels").cpu().numpy())
                outputs = model(**inputs)
                found = outputs if isinstance(outputs, Tensor) else outputs["logits"]
                logits.append(found.float().cpu().numpy())
    finally:
        model.train(training)
    return EvalPrediction(join_rows(logits), join_rows(labels))


def join_rows(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Concatenate arrays (rows, tokens, ...) along the rows; pad shorter ones with -100."""
    if arrays[0].ndim < 2:
        return np.concatenate(arrays)
    longest = max(array.shape[1] for array in arrays)
    widths = [[(0, 0), (0, longest - array.shape[1])] + [(0, 0)] * (array.ndim - 2) for array in arrays]
    return np.concatenate([np.pad(a, width, constant_values=IGNORED_LABEL) for a, width in zip(arrays, widths)])
