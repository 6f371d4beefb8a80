"""The learning rate as a pure function of the step: warm up, hold, fall. Nothing is remembered between steps."""

import math

from massivetext.training.settings import TrainSettings


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
