"""Muon for the hidden matrices, fused AdamW for all else, and their state under full parameter names.

Legend: n matrices of a batch, r rows, c columns, r <= c.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from massivetext.errors import CheckpointError
from massivetext.training.settings import TrainSettings

# Keller Jordan's quintic (https://kellerjordan.github.io/posts/muon): maximal slope at zero, values end in [0.7, 1.2].
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalised(matrices: Tensor, iterations: int) -> Tensor:
    """Return `matrices` (n, r, c), r <= c, with all singular values near 1: Newton-Schulz, the whole batch at once.

    In the precision of the input; bfloat16 is as good on a GPU, and slower on CPUs that only emulate it.
    """
    a, b, c = NEWTON_SCHULZ
    x: Tensor = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(iterations):
        gram = torch.bmm(x, x.mT)  # (n, r, r)
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return x


class Muon(Optimizer):
    """Momentum, orthogonalised: each update of a matrix has singular values near 1 (Jordan et al. 2024).

    Matrices of one shape, or of that shape transposed, are stacked and updated by the same few batched operations;
    their momentum lives in the stack, (n, r, c) with r <= c, and `state` holds views of it. The numbers are those of
    `torch.optim.Muon` with Nesterov momentum and its "original" scale sqrt(max(1, rows / columns)).
    """

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float, momentum: float, weight_decay: float, iterations: int
    ) -> None:
        parameters = list(params)
        wrong = [tuple(parameter.shape) for parameter in parameters if parameter.ndim != 2]
        if wrong:
            raise ValueError(f"Muon is for matrices; found shapes {wrong}: give these to AdamW")
        defaults = dict(lr=lr, momentum=momentum, weight_decay=weight_decay, iterations=iterations)
        super().__init__(parameters, defaults)
        shapes: dict[tuple[int, int], list[Tensor]] = {}
        for parameter in parameters:
            shapes.setdefault((min(parameter.shape), max(parameter.shape)), []).append(parameter)
        self._stacks: list[tuple[list[Tensor], Tensor]] = []
        for (rows, columns), members in shapes.items():
            momenta = torch.zeros(len(members), rows, columns, dtype=members[0].dtype, device=members[0].device)
            self._stacks.append((members, momenta))
            for member, one in zip(members, momenta.unbind(), strict=True):
                self.state[member]["momentum_buffer"] = _upright(one, member)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every matrix from its gradient."""
        group = self.param_groups[0]
        rate, momentum, iterations = group["lr"], group["momentum"], group["iterations"]
        for members, momenta in self._stacks:
            gradients = torch.stack([_upright(_gradient(parameter), parameter) for parameter in members])
            momenta.lerp_(gradients, 1 - momentum)
            update = orthogonalised(gradients.lerp_(momenta, momentum), iterations)  # (n, r, c)
            tall = [max(1.0, parameter.shape[0] / parameter.shape[1]) ** 0.5 for parameter in members]
            if group["weight_decay"]:
                torch._foreach_mul_(members, 1 - rate * group["weight_decay"])
            for scale in sorted(set(tall)):
                chosen = [i for i, value in enumerate(tall) if value == scale]
                updates = [_upright(update[i], members[i]) for i in chosen]
                torch._foreach_add_([members[i] for i in chosen], updates, alpha=-rate * scale)


def _wide(parameter: Tensor) -> bool:
    return parameter.shape[0] <= parameter.shape[1]


def _upright(matrix: Tensor, parameter: Tensor) -> Tensor:
    """Return the view of `matrix` that turns between the stack's and the parameter's orientation (its own inverse)."""
    return matrix if _wide(parameter) else matrix.t()


def _gradient(parameter: Tensor) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def build_optimisers(model: nn.Module, settings: TrainSettings) -> list[Optimizer]:
    """Return the optimisers that the settings ask for, over all trainable parameters of `model`.

    With "muon" a model says by `parameter_groups()` which parameters are hidden matrices (DESIGN: names, not guesses);
    a model without that method is trained by AdamW alone.
    """
    named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    matrices = matrix_names(model) if settings.optimiser == "muon" else []
    chosen = [named.pop(name) for name in matrices if name in named]
    optimisers: list[Optimizer] = []
    if chosen:
        optimisers.append(
            Muon(
                chosen,
                lr=settings.muon_learning_rate,
                momentum=settings.muon_momentum,
                weight_decay=settings.weight_decay,
                iterations=settings.muon_iterations,
            )
        )
    if named:
        optimisers.append(_adamw(list(named.values()), settings))
    return optimisers


def matrix_names(model: nn.Module) -> list[str]:
    """Return the names of the hidden matrices, which Muon may train, as the model gives them; [] if it does not."""
    groups: Any = getattr(model, "parameter_groups", None)
    return list(groups()["matrices"]) if groups is not None else []


def _adamw(parameters: Sequence[nn.Parameter], settings: TrainSettings) -> Optimizer:
    """Return fused AdamW; matrices and embeddings are decayed, vectors (norms, biases) are not."""
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        eps=settings.epsilon,
        fused=True,
    )


def set_learning_rates(optimisers: Sequence[Optimizer], factor: float) -> None:
    """Set every group's learning rate to `factor` times its peak: the rate that it had when first seen here."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = group.setdefault("peak_learning_rate", group["lr"]) * factor


def clip_gradients(parameters: Sequence[nn.Parameter], clip_norm: float | None) -> Tensor:
    """Return the global norm that all gradients had, a scalar; scale them down to `clip_norm` where it is larger."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    if clip_norm is not None:
        torch.nn.utils.clip_grads_with_norm_(parameters, clip_norm, norm)
    return norm


def optimiser_tensors(model: nn.Module, optimisers: Sequence[Optimizer]) -> dict[str, Tensor]:
    """Return all state of the optimisers by "PARAMETER.KEY", the full name first, e.g. "norm.weight.exp_avg"."""
    found = {}
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    for optimiser in optimisers:
        for parameter, state in optimiser.state.items():
            for key, value in state.items():
                if not isinstance(value, Tensor):
                    raise CheckpointError(
                        f"{type(optimiser).__name__} keeps {key!r} as {type(value).__name__}, which a checkpoint "
                        f"cannot hold; keep it as a tensor"
                    )
                found[f"{names[parameter]}.{key}"] = value
    return found


def restore_optimisers(model: nn.Module, optimisers: Sequence[Optimizer], tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimiser_tensors` returned; raise CheckpointError for a name that does not belong here.

    Existing state is filled in place (Muon's views stay views); AdamW's is made anew, as its first step would.
    """
    by_parameter: dict[str, dict[str, Tensor]] = {}
    for full, value in tensors.items():
        name, _, key = full.rpartition(".")
        by_parameter.setdefault(name, {})[key] = value
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    for optimiser in optimisers:
        for parameter in _parameters(optimiser):
            state = optimiser.state[parameter]
            for key, value in by_parameter.pop(names[parameter], {}).items():
                if key not in state:  # an allocation of our own: results may depend on how memory is aligned
                    state[key] = torch.empty_like(value, device=parameter.device)
                state[key].copy_(value)
    if by_parameter:
        raise CheckpointError(
            f"the optimiser state of {', '.join(sorted(by_parameter)[:3])} ({len(by_parameter)} parameters) fits "
            f"nothing that this run trains; start from the model folder instead, or with the optimiser it was made with"
        )


def _parameters(optimiser: Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]
