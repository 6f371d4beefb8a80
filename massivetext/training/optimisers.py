"""The optimisers (Muon for the hidden matrices, fused AdamW for all else), their learning rates and their state.

Legend: n matrices of a batch, r rows, c columns, r <= c.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from massivetext.errors import CheckpointError
from massivetext.training.settings import TrainSettings

# The coefficients of each iteration: Polar Express (arXiv:2505.16932), the best for singular values from 1e-3 up, with
# the authors' safety factor; further iterations repeat the last.
NEWTON_SCHULZ = [
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
]
SAFETY = 1.02


def orthogonalise(matrices: Tensor, iterations: int) -> Tensor:
    """Return `matrices` (n, r, c), r <= c, with all singular values near 1: Newton-Schulz, the whole batch at once.

    In the precision of the input; bfloat16 is as good on a GPU, and slower on CPUs that only emulate it. Matrices at
    least twice as wide as high are multiplied once in all: the polynomials are collected on the gram matrix (r, r).
    """
    x: Tensor = matrices / (matrices.norm(dim=(1, 2), keepdim=True) * SAFETY).clamp(min=1e-7)
    if x.shape[2] >= 2 * x.shape[1]:
        return torch.bmm(_collected(torch.bmm(x, x.mT), coefficients(iterations)), x)
    for a, b, c in coefficients(iterations):
        gram = torch.bmm(x, x.mT)  # (n, r, r)
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return x


def _collected(gram: Tensor, steps: list[tuple[float, float, float]]) -> Tensor:
    """Return the product q of all steps' polynomials, (n, r, r), so that q x is x after the last step; gram: x x'."""
    product: Tensor | None = None
    for number, (a, b, c) in enumerate(steps):
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        polynomial.diagonal(dim1=1, dim2=2).add_(a)
        product = polynomial if product is None else torch.bmm(polynomial, product)
        if number + 1 < len(steps):
            gram = torch.bmm(torch.bmm(polynomial, gram), polynomial)
    assert product is not None
    return product


def coefficients(iterations: int) -> list[tuple[float, float, float]]:
    """Return (a, b, c) of x -> a x + b x x'x + c x (x'x)^2 for each iteration."""
    return [NEWTON_SCHULZ[min(number, len(NEWTON_SCHULZ) - 1)] for number in range(iterations)]


class Muon(Optimizer):
    """Momentum, orthogonalised: each update of a matrix has singular values near 1 (Jordan et al. 2024).

    Matrices of one shape, or of that shape transposed, are stacked and updated by the same few batched operations;
    their momentum lives in the stack, (n, r, c) with r <= c, and `state` holds views of it. The numbers are those of
    `torch.optim.Muon` with Nesterov momentum and its "original" scale sqrt(max(1, rows / columns)), but for the better
    coefficients.
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
            update = orthogonalise(gradients.lerp_(momenta, momentum), iterations)  # (n, r, c)
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

    With "muon" a model says by `parameter_groups()` which parameters are hidden matrices;
    a model without that method is trained by AdamW alone.
    """
    named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    matrices = kinds(model).get("matrices", ()) if settings.optimiser == "muon" else ()
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
        optimisers.append(_adamw(named, _own_rates(model, settings), settings))
    return optimisers


def kinds(model: nn.Module) -> Mapping[str, Sequence[str]]:
    """Return parameter names by kind (matrices, embedding, head, vectors), as the model gives them; {} if not."""
    groups: Any = getattr(model, "parameter_groups", None)
    found: Mapping[str, Sequence[str]] = groups() if groups is not None else {}
    return found


def _own_rates(model: nn.Module, settings: TrainSettings) -> dict[str, float]:
    """Return the peak learning rates of parameters that have one of their own, by name."""
    named = kinds(model)
    tied = not named.get("head")  # the embedding is the head as well
    embedding = settings.head_learning_rate if tied else settings.embedding_learning_rate
    chosen = {"embedding": embedding, "head": settings.head_learning_rate}
    return {name: rate for kind, rate in chosen.items() if rate for name in named.get(kind, ())}


def _adamw(named: Mapping[str, nn.Parameter], rates: Mapping[str, float], settings: TrainSettings) -> Optimizer:
    """Return fused AdamW, one group per learning rate and decay; vectors (norms, biases) are never decayed."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in named.items():
        decay = settings.weight_decay if parameter.ndim >= 2 else 0.0
        groups.setdefault((rates.get(name, settings.learning_rate), decay), []).append(parameter)
    return torch.optim.AdamW(
        [{"params": members, "lr": rate, "weight_decay": decay} for (rate, decay), members in groups.items()],
        lr=settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        eps=settings.epsilon,
        fused=True,
    )


def warmup_length(settings: TrainSettings, steps: int) -> int:
    """Return the number of warm-up steps in a run of `steps`."""
    if settings.warmup_steps is not None:
        return min(settings.warmup_steps, steps)
    return math.ceil(settings.warmup_fraction * steps)


def learning_rate_factor(step: int, steps: int, settings: TrainSettings) -> float:
    """Return what the peak learning rate is multiplied by at `step` (from 0) of `steps`.

    Warm-up step k of W has (k + 1) / (W + 1), so that neither the first step is lost at zero nor the peak met twice.
    The fall takes the last `decay_fraction` of the steps, never part of the warm-up; it starts at 1 and would reach
    `final_fraction` one step after the last.
    """
    if not 0 <= step < steps:
        raise ValueError(f"step {step} is outside a run of {steps} steps")
    warmup = warmup_length(settings, steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    falling = min(math.ceil(settings.decay_fraction * steps), steps - warmup)
    if settings.decay == "none" or step < steps - falling:
        return 1.0
    left = (steps - step) / falling  # 1 at the first falling step, 1 / falling at the last step of the run
    if settings.decay == "cosine":
        left = 0.5 * (1.0 - math.cos(math.pi * left))
    return settings.final_fraction + (1.0 - settings.final_fraction) * left


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
