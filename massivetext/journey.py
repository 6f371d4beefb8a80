"""`run`: executes a recipe stage by stage, each stage once, and goes on after a kill where it stopped.

A stage has a fingerprint: the digest of its settings and of what it reads. `stages/NAME.json` holds it, first with
`finished: false`; a stage whose finished fingerprint is unchanged is not done again, one whose fingerprint changed is
done anew together with all that follow it.
"""

import platform
import resource
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massivetext import __version__
from massivetext.errors import ConfigError, unknown_name
from massivetext.progress import log
from massivetext.recipe import Recipe, load_recipe, recipe_values, recipe_yaml
from massivetext.storage import clear_temporary, locked_folder, read_json, value_digest, write_json, write_text
from massivetext.translations import language as language_in_use
from massivetext.translations import set_language, tr

if TYPE_CHECKING:
    from massivetext.corpus.reading import Corpus

OUTPUTS = {
    "corpus": ("corpus",),
    "tokenizer": ("tokenizer",),
    "tokens": ("tokens",),
    "train": ("checkpoints", "metrics.jsonl", "timing.jsonl", "tensorboard"),
    "model": ("model",),
    "evaluate": ("evaluation.json",),
    "samples": ("samples.json",),
    "report": ("report.html",),
}
"""The stages in order, and what each leaves in the run folder."""


@dataclass
class Journey:
    """One run: its folder, its recipe, and which stages this process did."""

    folder: Path
    recipe: Recipe
    overwrite: bool
    quiet: bool
    performed: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Print one line for the user unless they asked for quiet."""
        if not self.quiet:
            log(text)

    def marker(self, name: str) -> dict[str, Any]:
        """Return what is known of a stage: fingerprint, finished, and what it noted; empty if it never started."""
        path = self.folder / "stages" / f"{name}.json"
        return dict(read_json(path)) if path.is_file() else {}

    def stage(self, name: str, reads: object, work: Callable[[], None]) -> None:
        """Do the stage `name` unless it is done with the same `reads` (settings and digests of its inputs)."""
        fingerprint = value_digest([name, __version__, reads])
        known = self.marker(name)
        if known.get("fingerprint") == fingerprint and known.get("finished"):
            return
        if known and known["fingerprint"] != fingerprint:
            self.clear_from(name)
            known = {}
        started_at = time.monotonic()
        self.note(name, **known, fingerprint=fingerprint, finished=False)
        work()
        self.performed.append(name)
        elapsed_seconds = round(time.monotonic() - started_at, 3)
        self.note(name, **{**self.marker(name), "finished": True, "elapsed_seconds": elapsed_seconds})
        self.say(tr("{stage}: done in {seconds} s", stage=tr(name), seconds=f"{elapsed_seconds:.1f}"))

    def note(self, name: str, **values: object) -> None:
        """Store what is known of a stage."""
        write_json(self.folder / "stages" / f"{name}.json", values)

    def clear_from(self, name: str) -> None:
        """Remove what this stage and the later ones left, so that they are done anew; never a training unasked."""
        later = list(OUTPUTS)[list(OUTPUTS).index(name) :]
        if "train" in later and not self.overwrite and any((self.folder / "checkpoints").glob("step-*")):
            raise ConfigError(
                f"{self.folder} holds a model trained with other settings or inputs (what changed is read by the stage "
                f"{name!r}). Keep it and write elsewhere with --out FOLDER, or start over here with --overwrite"
            )
        for stage in later:
            (self.folder / "stages" / f"{stage}.json").unlink(missing_ok=True)
            for output in OUTPUTS[stage]:
                path = self.folder / output
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)


def run(
    recipe: str | Path | Mapping[str, Any],
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    *,
    until: str = "report",
    language: str | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> dict[str, Any]:
    """Return what a recipe's run gave: scores, paths, digests, times; the run folder holds the rest.

    recipe: a built-in name ("quickstart"), a YAML file, or the recipe itself as a mapping. out: the run folder
    (default: runs/NAME). overrides: "train.steps=200", as with `--set`. until: the last stage to do. language: "en" or
    "zh" for messages and report; unset: the recipe's, else the locale's. overwrite: start over where the folder holds a
    training with other settings. Raises ConfigError, DataError, BusyError and the stages' own errors.
    """
    if until not in OUTPUTS:
        raise ConfigError(unknown_name("stage", until, OUTPUTS))
    resolved = load_recipe(recipe, overrides)
    set_language(language or resolved.language)
    name = "recipe" if isinstance(recipe, Mapping) else Path(recipe).stem
    folder = Path(out) if out is not None else Path("runs") / name
    journey = Journey(folder, resolved, overwrite, quiet)
    started_at = time.monotonic()
    with locked_folder(folder):
        clear_temporary(folder)
        _travel(journey, until)
        if journey.performed:
            _note_run(journey, time.monotonic() - started_at)
            if "evaluate" in journey.performed or "report" in journey.performed:
                _report(journey)
    return result(journey)
