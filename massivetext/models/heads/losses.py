"""Losses of the classification and question-answering heads. Legend: B rows, T tokens, L labels."""

import torch
from torch import Tensor
from torch.nn import functional

from massivetext.errors import ModelError
from massivetext.layers.loss import mean_loss, precise
from massivetext.models.config import ModelConfig
from massivetext.tokens.labels import IGNORED_LABEL


def sequence_loss(logits: Tensor, labels: Tensor, config: ModelConfig) -> Tensor:
    """Return the mean loss of a sequence classifier, as its `problem_type` says.

    If `problem_type` is not set, it is inferred as in Hugging Face. L = 1 is a regression with mean squared error.
    Integer labels (B,) mean cross entropy. Other labels are (B, L), 0 or 1, with binary cross entropy for each label.
    logits: (B, L). Raises ModelError for labels out of range or of the wrong shape.
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
    """Return the mean cross entropy of logits (B, T, L) against labels (B, T), ignoring labels of -100."""
    check_labels(labels, logits.shape[-1])
    return mean_loss(logits, labels)


def read_spans(
    scores: Tensor, start_positions: Tensor | None, end_positions: Tensor | None
) -> tuple[Tensor | None, Tensor, Tensor]:
    """Return the mean loss, the start logits (B, T) and the end logits (B, T) from scores (B, T, 2).

    The loss is None unless both positions (B,) are given. It ignores positions of T or more, where truncation removed
    the answer.
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
    """Raise ModelError for a label that is neither in 0 ... count - 1 nor IGNORED_LABEL."""
    if torch.compiler.is_compiling():
        return
    wrong = labels[(labels != IGNORED_LABEL) & ((labels < 0) | (labels >= count))]
    if wrong.numel():
        raise ModelError(
            f"labels has the value {int(wrong[0])}; allowed: 0 to {count - 1}, and {IGNORED_LABEL} for none. Load the "
            f"model with num_labels=... if there are more"
        )
