"""Where a run goes on: at the newest sound checkpoint of its own, at the one it starts `from`, or at the beginning."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from massivetext.errors import CheckpointError
from massivetext.progress import log
from massivetext.training.checkpoints import Checkpoint, locate_checkpoint, newest_checkpoint
from massivetext.training.settings import MAY_CHANGE, TrainSettings
from massivetext.translations import tr


@dataclass(frozen=True)
class StartPoint:
    """Where a run starts or resumes. A run that started from a checkpoint begins its own schedule at that step."""

    first: int = 0
    """Step at which this run's schedule begins."""
    done: int = 0
    """Optimiser steps done."""
    tokens: int = 0
    """Predictions trained on."""
    sums: Mapping[str, Any] = field(default_factory=dict)
    """Sums since the last row of metrics.jsonl."""
    origin: str | None = None
    """What `from` named, as written."""
    checkpoint: Checkpoint | None = None
    """What holds weights and optimiser; None: start with the model as it is."""
    own: bool = False
    """Whether the checkpoint is in the run's own folder, so that it vouches for the rows of metrics.jsonl there."""


def find_start_point(
    folder: Path, settings: TrainSettings, identity: Mapping[str, str], environment: Mapping[str, str]
) -> StartPoint:
    """Return where the run in `folder` goes on; damaged checkpoints that are passed over are named in the log.

    Raises CheckpointError if the folder's checkpoints belong to another run, naming each difference. A difference in
    `environment` (versions, threads, CPU, compiled) is named in the log: the run goes on, but its last bits may differ.
    """
    origin = None if settings.from_ is None else str(settings.from_)
    newest = newest_checkpoint(folder)
    if newest is not None:
        found = differences(newest, settings, identity, origin)
        if not found:
            _say_resumed(newest, environment)
            state = newest.state
            return StartPoint(
                state["first_step"], newest.step, state["tokens"], state["sums"], origin, newest, own=True
            )
        if origin is None:
            raise CheckpointError(_another_run(newest, found))
    if settings.from_ is None:
        return StartPoint()
    start = locate_checkpoint(settings.from_)
    _check_tokenizer(start, identity)
    if newest is not None and newest.step > start.step:
        raise CheckpointError(_another_run(newest, [f"it is later than step {start.step} of {start.folder}"]))
    log(tr("Starting from step {step} of {folder}", step=start.step, folder=start.folder))
    own = start.folder.resolve().is_relative_to(folder.resolve())
    return StartPoint(start.step, start.step, start.state["tokens"], {}, origin, start, own)


def differences(
    checkpoint: Checkpoint, settings: TrainSettings, identity: Mapping[str, str], origin: str | None
) -> list[str]:
    """Return what makes a checkpoint another run's, one phrase each; empty if it is this run's."""
    state, found = checkpoint.state, []
    recorded, current = state["settings"], settings.model_dump(mode="json", by_alias=True)
    ignored = {*MAY_CHANGE, "from"}
    for name in sorted((recorded.keys() | current.keys()) - ignored):
        if recorded.get(name) != current.get(name):
            found.append(f"train.{name} was {recorded.get(name)}, is {current.get(name)}")
    for name in sorted(state["identity"].keys() | identity.keys()):
        was, now = state["identity"].get(name), identity.get(name)
        if was != now:
            found.append(f"{name} was {str(was)[:12]}, is {str(now)[:12]}")
    if state["origin"] != origin:
        found.append(f"train.from was {state['origin']}, is {origin}")
    return found


def _check_tokenizer(start: Checkpoint, identity: Mapping[str, str]) -> None:
    """Raise CheckpointError if a checkpoint to start from was trained on the ids of another tokenizer."""
    was, now = start.state["identity"].get("tokenizer"), identity.get("tokenizer")
    if was and now and was != now:
        raise CheckpointError(
            f"train.from: {start.folder} was trained with the tokenizer {was[:12]}, and this run's is {now[:12]}: the "
            f"same ids mean other text. Set tokenizer.from to the tokenizer folder of the run that the checkpoint is "
            f"from, or train without train.from"
        )


def _another_run(checkpoint: Checkpoint, found: list[str]) -> str:
    return (
        f"{checkpoint.folder} belongs to another run: {'; '.join(found)}. Choose another output folder, remove that "
        f"folder's checkpoints, or go on from them with train.from={checkpoint.folder}"
    )


def _say_resumed(checkpoint: Checkpoint, environment: Mapping[str, str]) -> None:
    log(tr("Continuing from {name}", name=checkpoint.folder.name))
    recorded = checkpoint.state["environment"]
    for name in sorted(recorded.keys() | environment.keys()):
        was, now = recorded.get(name), environment.get(name)
        if was != now:
            log(
                tr(
                    "{name} was {was} and is {now}: the result will not be that of an undisturbed run to the last bit",
                    name=name,
                    was=was,
                    now=now,
                )
            )
