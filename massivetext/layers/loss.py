"""Cross entropy over a vocabulary without ever holding all logits. Legend: N tokens, D features, V vocabulary."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from massivetext.errors import ModelError
from massivetext.tokens.labels import IGNORED_LABEL

ChunkKernel = Callable[[Tensor, Tensor, Tensor, float, float | None], tuple[Tensor, Tensor, Tensor]]


def soft_capped(logits: Tensor, softcap: float | None) -> Tensor:
    """Return logits bent smoothly into (-softcap, softcap) (arXiv:2408.00118), or unchanged when `softcap` is None."""
    return logits if softcap is None else softcap * torch.tanh(logits / softcap)


def token_losses(hidden: Tensor, weight: Tensor, labels: Tensor, softcap: float | None = None) -> Tensor:
    """Return the loss of each token in nats, (N,) float32, from all logits at once: the plain twin of the chunked one.

    hidden: (N, D); weight: (V, D); labels: (N,), IGNORED_LABEL gives 0.
    """
    logits = soft_capped((hidden @ weight.t()).float(), softcap)  # (N, V)
    return functional.cross_entropy(logits, labels, ignore_index=IGNORED_LABEL, reduction="none")


def precise(logits: Tensor) -> Tensor:
    """Return logits in float32 at least, in which losses are taken."""
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def next_token_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean loss in nats over labelled tokens, of logits (B, T, V) that are there already.

    labels: (B, T), not shifted: a token's label is compared with the logits of the token before it; IGNORED_LABEL is
    left out.
    """
    return mean_loss(logits, functional.pad(labels[:, 1:], (0, 1), value=IGNORED_LABEL))


def mean_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross entropy in nats of logits (..., V) over those labels (...) that are not IGNORED_LABEL.

    0 where none is. To differentiate it twice is refused with a ModelError.
    """
    rows, labels = precise(logits).flatten(0, -2), labels.flatten()
    transformed = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
    if torch.is_grad_enabled() and rows.requires_grad and not transformed:
        mean: Tensor = _MeanOfLogits.apply(rows, labels)  # type: ignore[no-untyped-call]
        return mean
    # What the compiler makes of this reads the logits as seldom; torch.func needs plain operations.
    total = functional.cross_entropy(rows, labels, ignore_index=IGNORED_LABEL, reduction="sum")
    return total / (labels != IGNORED_LABEL).sum().clamp(min=1)


class _MeanOfLogits(torch.autograd.Function):
    """The gradient is made in the forward pass, in the memory of the probabilities: no more is taken for it."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        kept = labels != IGNORED_LABEL
        targets = torch.where(kept, labels, 0)[:, None]
        scale = kept.to(logits.dtype) / kept.sum().clamp(min=1)
        logs = functional.log_softmax(logits, dim=-1)
        losses = torch.where(kept, -logs.gather(1, targets)[:, 0], 0.0)
        gradient = logs.exp_()
        gradient.scatter_add_(1, targets, gradient.new_full((), -1.0).expand(targets.shape))
        ctx.save_for_backward(gradient, scale)
        return (losses * scale).sum()

    @staticmethod
    def backward(ctx: Any, loss_gradient: Tensor) -> tuple[Tensor, None]:
        if torch.is_grad_enabled():
            raise ModelError(
                "the loss of a model cannot be differentiated twice (create_graph=True); take "
                "torch.nn.functional.cross_entropy of its logits instead"
            )
        gradient, scale = ctx.saved_tensors
        return gradient * (scale * loss_gradient)[:, None], None


def chunked_cross_entropy(
    hidden: Tensor, weight: Tensor, labels: Tensor, chunk_tokens: int = 1024, softcap: float | None = None
) -> Tensor:
    """Return the loss of each token in nats, (N,) float32, with at most `chunk_tokens` rows of logits in memory.

    hidden: (N, D); weight: (V, D); labels: (N,) integers, IGNORED_LABEL gives 0. The backward pass computes each
    chunk's logits again: one more matrix product of the head for a peak of chunk_tokens * V instead of N * V floats.
    """
    losses = []
    for start in range(0, hidden.shape[0], chunk_tokens):
        part = slice(start, start + chunk_tokens)
        arguments = (hidden[part], weight, labels[part], softcap)
        if torch.is_grad_enabled():
            losses.append(checkpoint(token_losses, *arguments, use_reentrant=False, preserve_rng_state=False))
        else:
            losses.append(token_losses(*arguments))
    return torch.cat(losses)


def chunk_gradients(
    hidden: Tensor, weight: Tensor, labels: Tensor, scale: float, softcap: float | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the losses (N,) of one chunk, and the gradients of `scale` times their sum.

    The gradients are by hidden (N, D) and by weight (V, D). A pure function of tensors: a caller may hand a compiled
    copy of it to `mean_cross_entropy`.
    """
    raw = hidden @ weight.t()
    logits = soft_capped(raw.float(), softcap)  # (N, V)
    highest = logits.amax(dim=-1, keepdim=True)
    powers = (logits - highest).exp()  # (N, V); taken once, for the sum and for the gradient
    total = powers.sum(dim=-1, keepdim=True)
    kept = labels != IGNORED_LABEL
    targets = torch.where(kept, labels, 0)[:, None]
    losses = torch.where(kept, (total.log() + highest)[:, 0] - logits.gather(1, targets)[:, 0], 0.0)
    row_scale = kept[:, None] * scale
    vocabulary = torch.arange(weight.shape[0], device=weight.device, dtype=torch.int32)
    is_target = (vocabulary == targets.to(torch.int32)).to(logits.dtype)
    gradient = powers * (row_scale / total) - is_target * row_scale  # (N, V)
    if softcap is not None:
        gradient = gradient * (1 - (logits / softcap).square())
    gradient = gradient.to(raw.dtype)
    return losses, (gradient @ weight).to(hidden.dtype), gradient.t() @ hidden


class _MeanCrossEntropy(torch.autograd.Function):
    """Gradients are computed chunk by chunk in the forward pass, where the logits are, and scaled in the backward."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, labels: Tensor, settings: tuple[int, float | None, ChunkKernel]
    ) -> tuple[Tensor, Tensor]:
        chunk_tokens, softcap, kernel = settings
        scale = 1.0 / max(int((labels != IGNORED_LABEL).sum()), 1)
        losses = torch.empty(hidden.shape[0], dtype=torch.float32, device=hidden.device)
        hidden_gradient = torch.empty_like(hidden)
        weight_gradient = torch.zeros_like(weight, dtype=torch.float32)
        for start in range(0, hidden.shape[0], chunk_tokens):
            part = slice(start, start + chunk_tokens)
            losses[part], hidden_gradient[part], added = kernel(hidden[part], weight, labels[part], scale, softcap)
            weight_gradient += added
        ctx.save_for_backward(hidden_gradient, weight_gradient.to(weight.dtype))
        ctx.mark_non_differentiable(losses)
        return losses.sum() * scale, losses

    @staticmethod
    def backward(ctx: Any, loss_gradient: Tensor, _: Tensor) -> tuple[Tensor, Tensor, None, None]:
        hidden_gradient, weight_gradient = ctx.saved_tensors
        return hidden_gradient * loss_gradient, weight_gradient * loss_gradient, None, None


def mean_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    labels: Tensor,
    chunk_tokens: int = 1024,
    softcap: float | None = None,
    kernel: ChunkKernel = chunk_gradients,
) -> tuple[Tensor, Tensor]:
    """Return the mean loss over labelled tokens, a scalar to call `backward` on, and each token's loss (N,), detached.

    The same numbers as `chunked_cross_entropy`, with a quarter less work: the mean's gradient by each logit is known in
    the forward pass, so nothing is computed twice. hidden: (N, D); weight: (V, D); labels: (N,), IGNORED_LABEL gives 0
    and is not counted. kernel: `chunk_gradients` or a compiled copy. With gradients off only the losses are computed.
    """
    if not torch.is_grad_enabled():
        losses = chunked_cross_entropy(hidden, weight, labels, chunk_tokens, softcap)
        return losses.sum() / (labels != IGNORED_LABEL).sum().clamp(min=1), losses
    settings = (chunk_tokens, softcap, kernel)
    mean, losses = _MeanCrossEntropy.apply(hidden, weight, labels, settings)  # type: ignore[no-untyped-call]
    return mean, losses
