"""How many steps a run has: minutes are measured into steps on this machine, tokens and epochs are counted."""

import math
import threading
import time
from collections.abc import Callable
from pathlib import Path

from torch import nn

from massivetext.errors import ConfigError
from massivetext.progress import log, progress
from massivetext.training.checkpoints import model_tensors, restore_model
from massivetext.training.folder import TrainingFolder
from massivetext.training.loop import EVALUATIONS, Evaluate, Run, one_step
from massivetext.training.machine import run_with_threads
from massivetext.training.metrics import Sums
from massivetext.training.objectives.protocol import Batches, Objective
from massivetext.training.objectives.table import make_objective
from massivetext.training.optimisers import build_optimisers
from massivetext.training.resuming import StartPoint
from massivetext.training.settings import TrainSettings
from massivetext.translations import tr

WARM_UP_STEPS = 3
MEASURED_SHARE = 0.02
LEAST_MEASURED_STEPS = 5


def resolve_steps(
    model: nn.Module,
    batches: Batches,
    settings: TrainSettings,
    *,
    evaluate: Evaluate | None = None,
    objective: Objective | None = None,
    quiet: bool = False,
) -> TrainSettings:
    """Return the settings with `steps` in place of minutes, tokens or epochs; the model is left as it was.

    objective: give the same one to `train`, so that what is compiled for timing is not compiled again.
    minutes: real steps are timed (compilation apart), and so is one call of `evaluate`; what this took is taken off the
    minutes. ConfigError where not a single step is left, a warning where less than half of the minutes is. The steps
    between checkpoints are fixed with them. Write the result down before the first step: measured
    again, it would be another number.
    """
    every = settings.checkpoint_every_steps
    if settings.minutes is not None:
        with progress(tr("Compiling and timing the first steps"), quiet=quiet):
            steps, step_seconds = _steps_in(settings.minutes, model, batches, settings, evaluate, objective)
        every = every or max(1, round(settings.checkpoint_every_seconds / step_seconds))
        if not quiet:
            log(tr("Calibration: {seconds} s a step, so {steps} steps", seconds=f"{step_seconds:.3f}", steps=steps))
    elif settings.tokens is not None:
        steps = math.ceil(settings.tokens / settings.batch_tokens)
    elif settings.epochs is not None:
        tokens_per_pass: int | None = getattr(batches, "tokens_per_pass", None)
        if tokens_per_pass is None:
            raise ConfigError("train.epochs needs data whose length is known; give steps or tokens")
        steps = math.ceil(settings.epochs * tokens_per_pass / settings.batch_tokens)
    else:
        return settings
    length = {"minutes": None, "tokens": None, "epochs": None, "steps": steps}
    return settings.model_copy(update={**length, "checkpoint_every_steps": every})


def _steps_in(
    minutes: float,
    model: nn.Module,
    batches: Batches,
    settings: TrainSettings,
    evaluate: Evaluate | None,
    objective: Objective | None,
) -> tuple[int, float]:
    """Return how many steps, evaluations among them, fit into `minutes` from now, and the seconds of one."""
    began, seconds = time.monotonic(), minutes * 60.0

    def measure(stop: threading.Event) -> tuple[float, float]:
        before = {name: tensor.clone() for name, tensor in model_tensors(model).items()}
        trial = settings.model_copy(update={"minutes": None, "steps": 2**40, "warmup_steps": 2**40})
        run = _trial_run(model, batches, trial, objective)
        try:
            times = _step_times(run, MEASURED_SHARE * seconds, stop)
            evaluated = 0.0 if evaluate is None else _timed(lambda: evaluate(run.objective, 0))
        finally:
            restore_model(model, before)
        return sorted(times)[len(times) // 2], evaluated

    step_seconds, evaluation_seconds = run_with_threads(measure, settings.threads)
    prepared = time.monotonic() - began
    left = seconds - prepared
    if settings.evaluate_every_steps is None:
        steps = int((left - EVALUATIONS * evaluation_seconds) / step_seconds)
    else:
        steps = int(left / (step_seconds + evaluation_seconds / settings.evaluate_every_steps))
    _check_time(minutes, prepared, evaluation_seconds, steps, step_seconds)
    return steps, step_seconds


def _check_time(minutes: float, prepared: float, evaluation: float, steps: int, step: float) -> None:
    """Raise ConfigError where no step fits into the minutes, and warn where most of them are not training.

    prepared, evaluation, step: seconds that compiling and timing took, and that one evaluation and one step take.
    """
    seconds = 60.0 * minutes
    enough = math.ceil((prepared + EVALUATIONS * evaluation + step) / 3.0) / 10.0  # half of it is then training
    if steps < 1:
        raise ConfigError(
            f"train.minutes is {minutes:g}, and no step fits: compiling and timing took {prepared:.1f} s, one of about "
            f"{EVALUATIONS} evaluations takes {evaluation:.1f} s and a step {step:.2f} s. Set train.minutes to "
            f"{enough:g} or more, evaluate less (train.evaluate_every_steps, corpus.split.validation), set "
            "train.compile to off, or give train.steps"
        )
    if steps * step < seconds / 2:
        log(
            tr(
                "Warning: of train.minutes ({minutes} min) only {seconds} s are left for training, {steps} steps: "
                "compiling and timing took {prepared} s, and one of about {count} evaluations takes {evaluation} s. "
                "Give more minutes, or train.steps",
                minutes=f"{minutes:g}", seconds=f"{steps * step:.1f}", steps=steps, prepared=f"{prepared:.1f}",
                count=EVALUATIONS, evaluation=f"{evaluation:.1f}",
            )
        )  # fmt: skip


def _trial_run(model: nn.Module, batches: Batches, settings: TrainSettings, objective: Objective | None) -> Run:
    objective, optimisers = objective or make_objective(model, settings), build_optimisers(model, settings)
    sums = Sums(list(batches.sources))
    return Run(model, batches, settings, TrainingFolder(Path()), objective, optimisers, {}, StartPoint(), sums, 0, 0)


def _step_times(run: Run, seconds: float, stop: threading.Event) -> list[float]:
    """Return the wall times of real steps, after a few unmeasured ones, over about `seconds`."""
    for _ in range(WARM_UP_STEPS):
        one_step(run)
    times: list[float] = []
    while (sum(times) < seconds or len(times) < LEAST_MEASURED_STEPS) and not stop.is_set():
        times.append(_timed(lambda: one_step(run)))
    if stop.is_set():
        raise KeyboardInterrupt
    return times


def _timed(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started
