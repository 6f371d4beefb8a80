"""Stages and their graph. The inputs of each stage decide the order of a run and what must be redone after a change.

A stage has a fingerprint: the digest of the settings and inputs that its `reads` returns. `stages/NAME.json` holds
both, first with `finished: false`, then with a digest of each file that the stage wrote. A finished stage is skipped
if its fingerprint is unchanged. Otherwise, the stage and all stages that depend on it are cleared and run again.
"""

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from massivetext import __version__
from massivetext.errors import ConfigError, MassiveTextError, unknown_name
from massivetext.progress import log
from massivetext.runs.folder import OWN, RecipeRun
from massivetext.state import digests_of
from massivetext.storage import value_digest
from massivetext.translations import tr

SHOWN_CHANGES = 5
DIGEST_CHARACTERS = 64 + 2


def remove_output(path: Path) -> None:
    """Remove a file or a folder if it exists."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@dataclass(frozen=True, eq=False)
class Stage:
    """One part of a run: its inputs, its outputs in the run folder, and the work that makes them."""

    name: str
    """Name used in messages, in `until` and for the marker `stages/NAME.json`."""
    inputs: tuple[str, ...]
    """Outputs of other stages that the work reads."""
    outputs: tuple[str, ...]
    """Files and folders that the work writes, relative to the run folder."""
    reads: Callable[[RecipeRun], Mapping[str, Any]]
    """Returns settings and digests of inputs by name, as JSON values. It is called once all inputs exist, and
    changes nothing."""
    work: Callable[[RecipeRun], object]
    """Makes the outputs. After an interruption it is called again and finds its earlier outputs."""
    needed: str | None = ""
    """The file, relative to the first output, whose absence makes a finished stage run again; None: nothing does."""
    sealed: bool = False
    """Whether the outputs contain their own digests, so that the marker records none."""
    guard: Callable[[RecipeRun, str, str], None] | None = None
    """Raises ConfigError if the outputs must not be deleted without the user's consent. It is called with the run, the
    name of the changed stage, and what changed."""
    clear: Callable[[Path], None] = remove_output
    """Removes one output."""

    def reads_now(self, run: RecipeRun) -> dict[str, Any]:
        """Return the values behind the fingerprint: those of `reads`, and the version of MassiveText."""
        return {**self.reads(run), "massivetext": __version__}

    def fingerprint(self, reads: Mapping[str, Any]) -> str:
        """Return the digest of the values that `reads_now` returned."""
        return value_digest([self.name, reads])

    def missing(self, run: RecipeRun) -> Path | None:
        """Return the path of the needed file if it is missing, else None."""
        path = None if self.needed is None else run.path(self.outputs[0]) / self.needed
        return None if path is None or path.exists() else path

    def is_done(self, run: RecipeRun) -> bool:
        """Return whether the stage is finished, its inputs and settings are unchanged and its output exists."""
        known = run.marker(self.name)
        if not known.get("finished"):
            return False
        try:
            return known["fingerprint"] == self.fingerprint(self.reads_now(run)) and self.missing(run) is None
        except (MassiveTextError, OSError):  # the stage itself reports the error
            return False

    def do(self, run: RecipeRun, reads: Mapping[str, Any]) -> None:
        """Do the work and record it in the marker."""
        started_at = time.monotonic()
        known = {"fingerprint": self.fingerprint(reads), "finished": False, "reads": reads}
        run.note(self.name, run.marker(self.name) | known)
        run.write_recipe()
        self.work(run)
        run.performed.append(self.name)
        elapsed_seconds = round(time.monotonic() - started_at, 3)
        files = digests_of(run.folder, () if self.sealed else self.outputs)
        done = {"finished": True, "elapsed_seconds": elapsed_seconds, "files": files}
        run.note(self.name, run.marker(self.name) | done)
        run.say(tr("{stage}: done in {seconds} s", stage=tr(self.name), seconds=f"{elapsed_seconds:.1f}"))


class Graph:
    """Stages in order: each comes after the stages whose outputs it reads.

    If several stages could come next, the order given decides. Raises ConfigError for two stages with the same name,
    an output with two writers or outside the run folder, an input that no stage writes, and a cycle.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._writers = _writers(stages)
        self.order = self._ordered(stages)
        self._named = {stage.name: stage for stage in self.order}

    def __getitem__(self, name: str) -> Stage:
        """Return the stage with that name; raise ConfigError that suggests the nearest name if it is unknown."""
        if name not in self._named:
            raise ConfigError(unknown_name("stage", name, self._named))
        return self._named[name]

    def up_to(self, until: str | None) -> tuple[Stage, ...]:
        """Return the stages in order, up to the one named `until`; None: all."""
        return self.order if until is None else self.order[: self.order.index(self[until]) + 1]

    def with_dependents(self, stage: Stage) -> list[Stage]:
        """Return a stage and all stages that read its outputs, directly or through others, in order."""
        found = [stage]
        for one in self.order:
            if one is not stage and any(writer in found for writer in self._read_by(one)):
                found.append(one)
        return found

    def unfinished(self, run: RecipeRun, until: str | None = None) -> list[Stage]:
        """Return the stages up to `until` that are unfinished or depend on an unfinished one. Changes nothing."""
        found: list[Stage] = []
        for stage in self.up_to(until):
            if any(writer in found for writer in self._read_by(stage)) or not stage.is_done(run):
                found.append(stage)
        return found

    def perform(self, run: RecipeRun, stage: Stage) -> None:
        """Run a stage unless it is finished. If its fingerprint changed, first clear it and its dependents."""
        run.drop_damaged_marker(stage.name)
        reads = stage.reads_now(run)
        known = run.marker(stage.name)
        if known and known["fingerprint"] != stage.fingerprint(reads):
            self._clear(run, stage, changes(known["reads"], reads))
            known = {}
        if known.get("finished"):
            missing = stage.missing(run)
            if missing is None:
                return
            log(tr("{path} is missing: the stage '{stage}' is done again", path=missing, stage=tr(stage.name)))
        stage.do(run, reads)

    def _clear(self, run: RecipeRun, stage: Stage, changed: str) -> None:
        """Remove the outputs of a stage and of its dependents, so that they run again."""
        later = self.with_dependents(stage)
        for one in later:
            if one.guard is not None and not run.overwrite:
                one.guard(run, stage.name, changed)
        for one in later:
            run.forget(one.name)
            for output in one.outputs:
                one.clear(run.folder / output)

    def _read_by(self, stage: Stage) -> list[Stage]:
        """Return the stages whose outputs a stage reads."""
        return [self._writers[name] for name in stage.inputs]

    def _ordered(self, stages: Sequence[Stage]) -> tuple[Stage, ...]:
        """Return the stages, each after those whose outputs it reads."""
        for stage in stages:
            for name in stage.inputs:
                if name not in self._writers:
                    raise ConfigError(unknown_name(f"input of the stage {stage.name!r}:", name, self._writers))
        waiting, order = list(stages), list[Stage]()
        while waiting:
            ready = [stage for stage in waiting if all(writer in order for writer in self._read_by(stage))]
            if not ready:
                names = ", ".join(repr(stage.name) for stage in waiting)
                raise ConfigError(f"the stages {names} wait for each other's outputs; remove an input from one of them")
            order.append(ready[0])
            waiting.remove(ready[0])
        return tuple(order)


def _writers(stages: Sequence[Stage]) -> dict[str, Stage]:
    """Return the stage that writes each output, by output."""
    found: dict[str, Stage] = {}
    names: set[str] = set()
    for stage in stages:
        if not isinstance(stage, Stage):
            raise ConfigError(f"stages has {stage!r}; each entry is a massivetext.runs.graph.Stage: make one of it")
        if stage.name in names or not stage.name or "/" in stage.name:
            raise ConfigError(f"a stage is named {stage.name!r}; each needs a name of its own, without a slash")
        names.add(stage.name)
        if not stage.outputs:
            raise ConfigError(f"the stage {stage.name!r} has no outputs; name the files or folders that it writes")
        for output in stage.outputs:
            parts = PurePosixPath(output).parts
            if not parts or parts[0] in ("/", *OWN) or ".." in parts:
                raise ConfigError(
                    f"the stage {stage.name!r} writes {output!r}; an output is a path inside the run folder, and not "
                    f"one of {', '.join(OWN)}"
                )
            for other, writer in found.items():
                if (
                    output == other
                    or PurePosixPath(output).is_relative_to(other)
                    or PurePosixPath(other).is_relative_to(output)
                ):
                    raise ConfigError(
                        f"the stages {writer.name!r} and {stage.name!r} both write {output!r}; give each output to one "
                        "stage"
                    )
            found[output] = stage
    return found


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Describe which values that a stage reads have changed: key, old value, new value."""
    from massivetext.corpus.comparing import differences

    found = differences("", json.loads(json.dumps(before)), json.loads(json.dumps(now)))
    words = [f"{key} was {_shown(was)}, is {_shown(value)}" for key, was, value in found[:SHOWN_CHANGES]]
    return "; ".join([*words, f"and {len(found) - SHOWN_CHANGES} more"] if len(found) > SHOWN_CHANGES else words)


def _shown(value: Any) -> str:
    """Return a value as text for a message, with digests and long texts shortened."""
    text = json.dumps(value, ensure_ascii=False)
    return f"{text[:13]}..." if len(text) == DIGEST_CHARACTERS else text if len(text) <= 80 else f"{text[:80]}..."
