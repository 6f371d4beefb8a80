"""The training loop: from a model, batches and settings to a trained model, checkpoints and metrics, resumable exactly.

Follow one step: `train` calls `go_on`, which calls `one_step` until the run is done. The objective (objectives/)
decides what is learned from a batch, optimisers.py updates the weights, checkpoints.py and metrics.py write the files.
"""

import math
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from xxhash import xxh3_64_intdigest

from massivetext.errors import ConfigError, MassiveTextError
from massivetext.progress import log, progress
from massivetext.training.checkpoints import model_tensors, remove_old, restore_model, save_checkpoint
from massivetext.training.clock import Clock
from massivetext.training.folder import TrainingFolder
from massivetext.training.machine import environment, run_with_threads, training_device
from massivetext.training.metrics import RunLog, Sums
from massivetext.training.objectives.protocol import Batches, Objective
from massivetext.training.objectives.table import make_objective
from massivetext.training.optimisers import (
    build_optimisers,
    clip_gradients,
    learning_rate_factor,
    optimiser_tensors,
    restore_optimisers,
    set_learning_rates,
)
from massivetext.training.resuming import StartPoint, find_start_point
from massivetext.training.settings import TrainSettings
from massivetext.translations import tr

Evaluate = Callable[[Objective, int], Mapping[str, Any]]
EVALUATIONS = 8


class DivergenceError(MassiveTextError):
    """The loss or the gradient is no longer a finite number."""


@dataclass(frozen=True)
class Parts:
    """What a user may bring instead of what the settings would make: the objective and the optimisers."""

    objective: Objective | None = None
    optimisers: list[Optimizer] | None = None


@dataclass(frozen=True)
class TrainResult:
    """What a finished run came to."""

    step: int
    """Optimiser steps done, over all phases."""
    tokens: int
    """Predictions trained on."""
    loss: float
    """Mean loss in nats over the last tenth of the logged rows of this call; NaN if there was nothing left to do."""
    last_row: Mapping[str, Any]
    """The last row of metrics.jsonl that holds a loss; empty if there was nothing left to do."""


@dataclass
class Run:
    """One call of `train` under way: what it works on, and how far it is."""

    model: nn.Module
    batches: Batches
    settings: TrainSettings
    folder: TrainingFolder
    objective: Objective
    optimisers: list[Optimizer]
    identity: Mapping[str, str]
    start_point: StartPoint
    sums: Sums
    done: int
    """Optimiser steps done."""
    counted: int
    """Predictions trained on."""
    device: torch.device = field(init=False)
    """Where the model is."""
    pending: list[tuple[int, Tensor, np.ndarray, np.ndarray, Tensor]] = field(default_factory=list)
    """Steps whose numbers may still be on the device: step, nats, tokens and sources of the rows, gradient norm."""

    def __post_init__(self) -> None:
        self.device = training_device(self.model)

    @property
    def steps(self) -> int:
        """Steps of this phase."""
        return self.settings.steps or 0

    @property
    def last(self) -> int:
        """The step at which this run is done."""
        return self.start_point.first + self.steps


def train(
    model: nn.Module,
    batches: Batches,
    settings: TrainSettings,
    folder: Path,
    *,
    evaluate: Evaluate | None = None,
    identity: Mapping[str, str] | None = None,
    parts: Parts | None = None,
    quiet: bool = False,
) -> TrainResult:
    """Train `model` in place and return what it came to; go on from the newest checkpoint in `folder`, if there is one.

    settings.steps must be given (`calibration.resolve_steps` makes it from minutes, tokens or epochs). evaluate:
    called with the objective and the step; what it returns becomes a row of metrics.jsonl. identity: digests of what
    the run is made from (store, tokenizer, recipe); a checkpoint of another identity is refused. The caller holds the
    folder's lock. Writes checkpoints/, metrics.jsonl, timing.jsonl, tensorboard/ below `folder`. Raises
    CheckpointError, ConfigError, DivergenceError (naming the step), ModelError (the leak probe).
    """
    if settings.steps is None:
        raise ConfigError("train.steps is not known yet; call massivetext.training.calibration.resolve_steps first")

    def work(stop: threading.Event) -> TrainResult:
        run = start(model, batches, settings, folder, identity or {}, parts or Parts())
        return go_on(run, evaluate, quiet, stop)

    return run_with_threads(work, settings.threads)


def start(
    model: nn.Module, batches: Batches, settings: TrainSettings, folder: Path, identity: Mapping[str, str], parts: Parts
) -> Run:
    """Return the run ready for its next step: at the newest checkpoint in `folder`, at `settings.from_`, or at 0."""
    objective = parts.objective or make_objective(model, settings)
    optimisers = parts.optimisers or build_optimisers(model, settings)
    kind = environment(settings, training_device(model))
    point = find_start_point(folder, settings, identity, kind)
    if point.checkpoint is not None:
        restore_model(model, point.checkpoint.tensors("model"))
        restore_optimisers(model, optimisers, point.checkpoint.tensors("optimizer"))
    sums = Sums(list(batches.sources), **point.sums)
    files = TrainingFolder(folder)
    return Run(model, batches, settings, files, objective, optimisers, identity, point, sums, point.done, point.tokens)


def go_on(run: Run, evaluate: Evaluate | None, quiet: bool, stop: threading.Event) -> TrainResult:
    """Train from where the run is to its last step, writing rows, evaluations and checkpoints on the way."""
    if run.done >= run.last:
        remove_old(run.folder.checkpoints, run.settings.keep_checkpoints)  # a kill may have come before this
        log(tr("Training is done already: step {step}", step=run.done))
        return TrainResult(run.done, run.counted, math.nan, {})
    run.model.train()
    run.objective.check(run.batches.batch(run.done))
    rows: list[dict[str, Any]] = []
    work = progress(tr("Training"), run.last - run.done, tr("steps"), quiet)
    own = run.start_point.checkpoint if run.start_point.own else None
    recorded = own.state["metrics"] if own else None
    with closing(RunLog(run.folder, run.done, run.settings.tensorboard, recorded)) as files, work as task:
        clock = Clock(run.model, run.settings, files, run.counted)
        while run.done < run.last:
            one_step(run)
            final = run.done == run.last
            clock.tick(run.done, run.counted, final)
            if run.done % run.settings.log_every_steps == 0 or final:
                rows.append(write_row(run, files))
                task.advance(0, clock.words(rows[-1]["loss"]))
            task.advance()
            if evaluate is not None and (run.done % evaluation_interval(run.settings) == 0 or final):
                files.write("metrics", {"step": run.done, "tokens": run.counted, **evaluate(run.objective, run.done)})
                run.model.train()
            if checkpoint_due(run, clock) or final or stop.is_set():
                write_checkpoint(run, files)
                clock.checkpoint_at = time.monotonic()
            clock.resume()
            if stop.is_set() and not final:
                raise KeyboardInterrupt(
                    tr("stopped at step {step}; the same command continues from there", step=run.done)
                )
    tail = rows[-max(1, len(rows) // 10) :]
    return TrainResult(run.done, run.counted, math.fsum(row["loss"] for row in tail) / len(tail), rows[-1])


def one_step(run: Run) -> None:
    """Do the next optimiser step: batch, loss and gradient part by part, clip, update."""
    batch = run.batches.batch(run.done)
    row_tokens = run.objective.tokens(batch)  # (rows,)
    total = max(int(row_tokens.sum()), 1)
    trained = [parameter for parameter in run.model.parameters() if parameter.requires_grad]
    row_nats = gradients(run, batch, row_tokens / total, trained)
    norm = clip_gradients(trained, run.settings.clip_norm)
    set_learning_rates(run.optimisers, learning_rate_factor(run.done - run.start_point.first, run.steps, run.settings))
    for optimiser in run.optimisers:
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    run.done += 1
    run.counted += total
    run.pending.append((run.done, torch.cat(row_nats), row_tokens, run.objective.row_sources(batch), norm))
    if run.device.type == "cpu":  # a GPU is not made to wait at every step
        settle(run)


def gradients(run: Run, batch: Any, shares: np.ndarray, trained: list[nn.Parameter]) -> list[Tensor]:
    """Give every parameter its gradient and return the nats of the rows, part by part.

    shares: of each row in the batch's predictions, (rows,). With a crew the parts are computed at the same time and
    their gradients added up in the parts' order, so the sum does not depend on which was ready first.
    """
    objective, crew = run.objective, run.objective.crew
    parts = objective.parts(batch)

    def weighted(rows: slice) -> tuple[Tensor, Tensor]:
        mean, nats = objective.loss(batch, rows)
        return mean * float(shares[rows].sum()), nats

    if crew is None:
        row_nats = []
        for rows in parts:
            dropout = f"{run.settings.seed}/dropout/{run.done}/{rows.start}"
            torch.manual_seed(xxh3_64_intdigest(dropout.encode()) >> 1)
            loss, nats = weighted(rows)
            loss.backward()  # type: ignore[no-untyped-call]
            row_nats.append(nats)
        return row_nats

    def differentiate(rows: slice) -> tuple[tuple[Tensor, ...], Tensor]:
        loss, nats = weighted(rows)
        return torch.autograd.grad(loss, trained), nats

    results = crew.map("gradients", differentiate, parts)
    total = [gradient.contiguous() for gradient in results[0][0]]
    for part_gradients, _ in results[1:]:
        torch._foreach_add_(total, part_gradients)
    for parameter, gradient in zip(trained, total, strict=True):
        parameter.grad = gradient
    return [nats for _, nats in results]


def settle(run: Run) -> None:
    """Add the steps whose numbers are still on the device to the sums; raise DivergenceError for one not finite."""
    for step, row_nats, row_tokens, row_sources, gradient_norm in run.pending:
        nats, norm = row_nats.double().cpu().numpy(), float(gradient_norm)
        if not (np.isfinite(nats).all() and math.isfinite(norm)):
            names = sorted({run.sums.sources[i] for i in row_sources[~np.isfinite(nats)]})
            raise DivergenceError(
                f"step {step}: the loss is {nats.sum() / max(row_tokens.sum(), 1):.4g} and the gradient norm {norm:.4g}"
                + (f" (not finite in rows of {', '.join(names)})" if names else "")
                + ". Checkpoints of earlier steps are sound. Lower train.learning_rate and train.muon_learning_rate, "
                "lengthen train.warmup_fraction, or set train.clip_norm=1"
            )
        run.sums.add(nats, row_tokens, row_sources)
        run.sums.gradient_norms.append(norm)
    run.pending.clear()


def write_row(run: Run, files: RunLog) -> dict[str, Any]:
    """Append the mean over the steps since the last row to metrics.jsonl and return it; all of it is reproducible."""
    settle(run)
    rate = run.optimisers[-1].param_groups[0]["lr"]
    row = {"step": run.done, "tokens": run.counted, **run.sums.row(), "learning_rate": rate}
    run.sums = Sums(run.sums.sources)
    files.write("metrics", row)
    return row


def write_checkpoint(run: Run, files: RunLog) -> None:
    """Write the checkpoint of the step just done, after its rows are on disk; then remove the oldest."""
    settle(run)
    rows = files.sync()
    state = {
        "step": run.done,
        "tokens": run.counted,
        "first_step": run.start_point.first,
        "origin": run.start_point.origin,
        "sums": run.sums.state(),
        "metrics": rows,
        "settings": run.settings.model_dump(mode="json", by_alias=True),
        "identity": dict(run.identity),
        "environment": environment(run.settings, run.device),
    }
    folder = run.folder.checkpoints
    save_checkpoint(folder, model_tensors(run.model), optimiser_tensors(run.model, run.optimisers), state)
    remove_old(folder, run.settings.keep_checkpoints)


def checkpoint_due(run: Run, clock: Clock) -> bool:
    """Return whether the step just done is followed by a checkpoint."""
    if run.settings.checkpoint_every_steps is not None:
        return run.done % run.settings.checkpoint_every_steps == 0
    return time.monotonic() - clock.checkpoint_at >= run.settings.checkpoint_every_seconds


def evaluation_interval(settings: TrainSettings) -> int:
    """Return the steps between evaluations."""
    return settings.evaluate_every_steps or max(1, (settings.steps or 0) // EVALUATIONS)
