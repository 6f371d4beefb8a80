"""Checkpoints: written atomically, with a digest per file. The newest intact one is found; damaged ones are reported.

checkpoints/step-00001000/
    model.safetensors        parameters and buffers by full name, tied ones stored once
    optimizer.safetensors    "PARAMETER.KEY"
    chunks.json              global shape, and offsets of each stored piece
    state.json               step, settings, digests of its inputs, environment, sums not yet logged
    COMPLETE                 written last: the SHA-256 of every other file
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from massivetext.errors import CheckpointError
from massivetext.progress import log
from massivetext.state import read_object, read_state, write_state
from massivetext.storage import TEMPORARY_PREFIX, file_digest, full_disk_named, sync_folder, write_json
from massivetext.training.folder import TrainingFolder
from massivetext.translations import tr

FORMAT = "massivetext-checkpoint/1"
CHUNKS_FORMAT = "massivetext-chunks/1"
COMPLETE = "COMPLETE"
FILES = ("chunks.json", "model.safetensors", "optimizer.safetensors", "state.json")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that is known to be complete and intact."""

    folder: Path
    state: dict[str, Any]

    @property
    def step(self) -> int:
        """Return the number of optimiser steps done."""
        return int(self.state["step"])

    def tensors(self, part: str) -> dict[str, Tensor]:
        """Return the tensors of "model" or "optimizer" by full name."""
        return load_file(self.folder / f"{part}.safetensors")


def model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and persistent buffers of a model by full name, a tied one only under its first name."""
    kept = model.state_dict(keep_vars=True)
    named = [*model.named_parameters(), *model.named_buffers()]
    return {name: tensor.detach() for name, tensor in named if name in kept}


def restore_model(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load what `model_tensors` returned into a model; raise CheckpointError that names what does not fit."""
    own = model_tensors(model)
    missing, foreign = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    shapes = [f"{n} {tuple(tensors[n].shape)} for {tuple(own[n].shape)}" for n in own if n in tensors]
    wrong = [
        text for text, name in zip(shapes, [n for n in own if n in tensors]) if tensors[name].shape != own[name].shape
    ]
    if missing or foreign or wrong:
        raise CheckpointError(
            f"the checkpoint's model is another one: missing {missing[:3]}, unknown {foreign[:3]}, of other shape "
            f"{wrong[:3]}; use the model settings that it was made with"
        )
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name])


def save_checkpoint(
    folder: Path, model: Mapping[str, Tensor], optimizer: Mapping[str, Tensor], state: Mapping[str, Any]
) -> Path:
    """Write one checkpoint below `folder` (a run's `checkpoints`) and return its own folder, `step-00001000`."""
    target = folder / step_name(int(state["step"]))
    partial = folder / f"{TEMPORARY_PREFIX}{os.getpid()}-{target.name}"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with full_disk_named(target):
            _write_files(partial, model, optimizer, state)
            shutil.rmtree(target, ignore_errors=True)  # left from another phase, or damaged
            partial.rename(target)
            sync_folder(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _write_files(
    partial: Path, model: Mapping[str, Tensor], optimizer: Mapping[str, Tensor], state: Mapping[str, Any]
) -> None:
    """Write the files of a checkpoint, last the one with the digests of the others."""
    partial.mkdir(parents=True)
    chunks = {}
    for part, tensors in (("model", model), ("optimizer", optimizer)):
        file = f"{part}.safetensors"
        ready = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(tensors.items())}
        save_file(ready, partial / file, metadata={"format": "pt"})
        for name, tensor in ready.items():
            shape = list(tensor.shape)
            piece = {"file": file, "offsets": [0] * len(shape), "shape": shape}
            chunks[f"{part}/{name}"] = {"shape": shape, "dtype": str(tensor.dtype)[6:], "chunks": [piece]}
    write_json(partial / "chunks.json", {"format": CHUNKS_FORMAT, "tensors": chunks})
    write_json(partial / "state.json", {"format": FORMAT, **state})
    files = sorted(path.name for path in partial.iterdir())
    for name in files:
        with open(partial / name, "rb") as stream:
            os.fsync(stream.fileno())
    write_state(partial / COMPLETE, {name: file_digest(partial / name) for name in files})


def step_name(step: int) -> str:
    """Return the folder name of a checkpoint: "step-00001000"."""
    return f"step-{step:08d}"


def checkpoint_folders(folder: Path) -> list[Path]:
    """Return the checkpoints below `folder`, newest first, complete or not."""
    return sorted((path for path in folder.glob("step-*") if path.is_dir()), reverse=True)


def find_damage(folder: Path) -> str | None:
    """Return what is wrong with a checkpoint, or None if every file has the digest that COMPLETE records."""
    try:
        recorded = read_state(folder / COMPLETE, FILES, "", CheckpointError)
    except CheckpointError:
        return f"{COMPLETE} is missing or damaged"
    for name, digest in recorded.items():
        if not (folder / name).is_file():
            return f"{name} is missing"
        if file_digest(folder / name) != digest:
            return f"{name} does not have the digest that {COMPLETE} records"
    return None


def open_checkpoint(folder: Path) -> Checkpoint:
    """Return the checkpoint in `folder`; raise CheckpointError if it is damaged or of an unknown format."""
    damage = find_damage(folder)
    if damage:
        raise CheckpointError(f"the checkpoint {folder} is damaged: {damage}; use the one before it")
    state = read_object(folder / "state.json", ["format"], "Use the checkpoint before it", CheckpointError)
    if state["format"] != FORMAT:
        raise CheckpointError(f"{folder} has format {state['format']!r}; this version reads {FORMAT!r}")
    return Checkpoint(folder, state)


def newest_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the newest intact checkpoint of a training folder, or None if it has none; log damaged ones by name.

    Raises CheckpointError if all are damaged: training never restarts from the beginning without being asked to.
    """
    held = TrainingFolder(folder).checkpoints
    candidates = checkpoint_folders(held)
    for candidate in candidates:
        damage = find_damage(candidate)
        if damage is None:
            return open_checkpoint(candidate)
        log(tr("{folder} is damaged and is not used: {what}", folder=candidate, what=damage))
    if candidates:
        raise CheckpointError(
            f"{held} holds no intact checkpoint ({len(candidates)} damaged). Restore one from a "
            f"copy, or delete that folder and give the same command again to train from the first step"
        )
    return None


def locate_checkpoint(path: Path) -> Checkpoint:
    """Return the checkpoint that a user means by `path`: that checkpoint, or the newest of a run folder."""
    if path.name.startswith("step-") and path.is_dir():
        return open_checkpoint(path)
    found = newest_checkpoint(TrainingFolder.holding(path).path)
    if found is not None:
        return found
    raise CheckpointError(
        f"no complete checkpoint at {path}; give a folder such as RUN/checkpoints/step-00001000, or a run's folder"
    )


def remove_old(folder: Path, keep: int | None) -> None:
    """Remove all but the newest `keep` checkpoints; None keeps all. A partly removed one has no COMPLETE file."""
    for old in checkpoint_folders(folder)[keep:] if keep is not None else []:
        (old / COMPLETE).unlink(missing_ok=True)
        shutil.rmtree(old)
