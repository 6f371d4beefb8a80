"""The losses of the heads that label. Legend: B rows, T tokens, L labels."""

import torch
from torch import Tensor
from torch.nn import functional

from massivetext.errors import ModelError
from massivetext.layers.loss import mean_loss, precise
from massivetext.models.config import ModelConfig
from massivetext.tokens.labels import IGNORED_LABEL


def sequence_loss(logits: Tensor, labels: Tensor, config: ModelConfig) -> Tensor:
    """Return the mean loss of labelled texts, by `problem_type`, or as Hugging Face tells it where that is not set.

    logits: (B, L). Regression (L = 1): mean squared error; whole-number labels (B,): cross entropy; else (B, L) of 0
    and 1: each label's own binary cross entropy.
    """
    kind: str | None = config.problem_type
    if kind is None:
        whole = labels.dtype in (torch.int64, torch.int32)
        several = "single_label_classification" if whole else "multi_label_classification"
        kind = "regression" if config.num_labels == 1 else several
    if kind == "single_label_classification":
        check_labels(labels, config.num_labels)
        return functional.cross_entropy(precise(logits), labels.reshape(-1).long())
    if labels.numel() != logits.numel():
        raise ModelError(
            f"labels is {tuple(labels.shape)} and a {kind} with num_labels = {config.num_labels} needs "
            f"{tuple(logits.shape)}; give one number for each, or set problem_type"
        )
    if kind == "regression":
        return functional.mse_loss(precise(logits), labels.reshape(logits.shape).to(logits.dtype))
    return functional.binary_cross_entropy_with_logits(precise(logits), labels.reshape(logits.shape).to(logits.dtype))


def token_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross entropy of labels (B, T) over those that are not -100, for logits (B, T, L)."""
    check_labels(labels, logits.shape[-1])
    return mean_loss(logits, labels)


def read_spans(
    scores: Tensor, start_positions: Tensor | None, end_positions: Tensor | None
) -> tuple[Tensor | None, Tensor, Tensor]:
    """Return start and end logits (B, T) of scores (B, T, 2), before them the mean of their losses or None.

    A position (B,) at or behind T, where truncation cut the answer off, is not counted.
    """
    start, end = scores.unbind(dim=-1)
    if start_positions is None or end_positions is None:
        return None, start, end
    parts = []
    for logits, positions in ((start, start_positions), (end, end_positions)):
        places = positions.reshape(-1).clamp(0, logits.shape[1])
        parts.append(functional.cross_entropy(precise(logits), places, ignore_index=logits.shape[1]))
    return (parts[0] + parts[1]) / 2, start, end


def check_labels(labels: Tensor, count: int) -> None:
    """Raise ModelError for a label outside 0 ... count - 1 that is not IGNORED_LABEL."""
    if torch.compiler.is_compiling():
        return
    wrong = labels[(labels != IGNORED_LABEL) & ((labels < 0) | (labels >= count))]
    if wrong.numel():
        raise ModelError(
            f"labels has the value {int(wrong[0])}; allowed: 0 to {count - 1}, and {IGNORED_LABEL} for none. Load the "
            f"model with num_labels=... if there are more"
        )
