"""The folder of a run: which stages are done, on what, and what each left there.

A stage has a fingerprint: the digest of its settings and of what it reads. `stages/NAME.json` holds both, first with
`finished: false`, then with a digest of each file that the stage left. A stage whose finished fingerprint is unchanged
is not done again, one whose fingerprint changed is done anew together with all that follow it.
"""

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massivetext import __version__
from massivetext.errors import ConfigError, StoreError
from massivetext.progress import log
from massivetext.recipe import CorpusRecipe, Recipe, recipe_yaml
from massivetext.state import STAGES, digests_of, read_state, write_sealed, write_state
from massivetext.storage import value_digest
from massivetext.translations import tr

if TYPE_CHECKING:
    from massivetext.training.settings import TrainSettings

OUTPUTS = {
    "corpus": ("corpus",),
    "tokenizer": ("tokenizer",),
    "tokens": ("tokens",),
    "train": ("checkpoints", "metrics.jsonl", "timing.jsonl", "tensorboard"),
    "model": ("model",),
    "evaluate": ("evaluation.json",),
    "samples": ("samples.json",),
    "report": ("report.html", "report.md"),
}
"""The stages in order, and what each leaves in the run folder."""
NEEDED = {
    "corpus": "corpus/manifest.json",
    "tokenizer": "tokenizer/tokenizer.json",
    "tokens": "tokens/manifest.json",
    "model": "model/massivetext.json",
    "evaluate": "evaluation.json",
    "samples": "samples.json",
    "report": "report.html",
}
"""The file without which a finished stage is done again. A training is never done again because something is gone."""
VOUCHED = {"corpus": (), "tokens": (), "report": ()}
"""Of stages whose outputs carry digests of their own: what is left for the marker to vouch for."""
SHOWN_CHANGES = 5
DIGEST_CHARACTERS = 64 + 2


@dataclass
class Journey:
    """One run: its folder, its recipe, and which stages this process did."""

    folder: Path
    recipe: CorpusRecipe
    overwrite: bool
    quiet: bool
    performed: list[str] = field(default_factory=list)
    verified: set[str] = field(default_factory=set)
    """What this process has compared with its digests."""

    @property
    def whole(self) -> Recipe:
        """The recipe with its model and its training, which all stages after the tokenizer have."""
        assert isinstance(self.recipe, Recipe)
        return self.recipe

    def say(self, text: str) -> None:
        """Print one line for the user unless they asked for quiet."""
        if not self.quiet:
            log(text)

    def marker(self, name: str) -> dict[str, Any]:
        """Return what is known of a stage: fingerprint, finished, and what it noted; empty if it never started.

        A damaged marker is removed, and said to be: the stage is looked at again, and finds most of its work done.
        """
        path = self.folder / STAGES / f"{name}.json"
        if not path.is_file():
            return {}
        try:
            return read_state(path, ("fingerprint", "finished", "reads"), "")
        except StoreError as error:
            log(tr("{what} The stage '{stage}' is checked again; finished work is kept", what=str(error).rstrip(),
                   stage=tr(name)))  # fmt: skip
            path.unlink()
            return {}

    def stage(self, name: str, reads: Mapping[str, Any], work: Callable[[], object]) -> None:
        """Do the stage `name` unless it is done with the same `reads` (settings and digests of its inputs)."""
        reads = {**reads, "massivetext": __version__}
        fingerprint = value_digest([name, reads])
        known = self.marker(name)
        if known and known["fingerprint"] != fingerprint:
            self.clear_from(name, changes(known["reads"], reads))
            known = {}
        if known.get("finished"):
            needed = self.folder / NEEDED.get(name, "")
            if needed.exists() or (name == "corpus" and self.recipe.corpus.from_ is not None):
                return
            log(tr("{path} is missing: the stage '{stage}' is done again", path=needed, stage=tr(name)))
        started_at = time.monotonic()
        self.note(name, known | {"fingerprint": fingerprint, "finished": False, "reads": reads})
        self.write_recipe()
        work()
        self.performed.append(name)
        elapsed_seconds = round(time.monotonic() - started_at, 3)
        files = digests_of(self.folder, VOUCHED.get(name, OUTPUTS[name]))
        done = {"finished": True, "elapsed_seconds": elapsed_seconds, "files": files}
        self.note(name, self.marker(name) | done)
        self.say(tr("{stage}: done in {seconds} s", stage=tr(name), seconds=f"{elapsed_seconds:.1f}"))

    def note(self, name: str, values: dict[str, Any]) -> None:
        """Store what is known of a stage."""
        write_state(self.folder / STAGES / f"{name}.json", values)

    def write_recipe(self) -> None:
        """Write the resolved recipe into the run folder."""
        write_sealed(self.folder / "recipe.yaml", recipe_yaml(with_known_steps(self)))

    def clear_from(self, name: str, changed: str) -> None:
        """Remove what this stage and the later ones left, so that they are done anew; never a training unasked."""
        later = list(OUTPUTS)[list(OUTPUTS).index(name) :]
        if "train" in later and not self.overwrite and any((self.folder / "checkpoints").glob("step-*")):
            if name != "corpus":
                from massivetext.corpus.takedowns import check_trained

                check_trained(self.folder, Path(self.recipe.corpus.from_ or self.folder / "corpus"))
            raise ConfigError(
                f"{self.folder} holds a model trained with other settings or inputs: {changed} (read by the stage "
                f"{name!r}). Keep it and write elsewhere with --out FOLDER, or start over here with --overwrite"
            )
        for stage in later:
            (self.folder / STAGES / f"{stage}.json").unlink(missing_ok=True)
            for output in OUTPUTS[stage]:
                path = self.folder / output
                if stage == "corpus":
                    from massivetext.corpus.takedowns import clear_corpus

                    clear_corpus(path)
                elif path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return in words which values that a stage reads are others than before: key, old value, new value."""
    from massivetext.corpus.comparing import differences

    found = differences("", json.loads(json.dumps(before)), json.loads(json.dumps(now)))
    words = [f"{key} was {_shown(was)}, is {_shown(value)}" for key, was, value in found[:SHOWN_CHANGES]]
    return "; ".join([*words, f"and {len(found) - SHOWN_CHANGES} more"] if len(found) > SHOWN_CHANGES else words)


def _shown(value: Any) -> str:
    """Return a value for a message: digests and long texts cut."""
    text = json.dumps(value, ensure_ascii=False)
    return f"{text[:13]}..." if len(text) == DIGEST_CHARACTERS else text if len(text) <= 80 else f"{text[:80]}..."


def with_known_steps(journey: Journey) -> CorpusRecipe:
    """Return the recipe with the steps that an earlier calibration fixed in place of minutes, tokens or epochs."""
    if not isinstance(journey.recipe, Recipe):
        return journey.recipe
    return journey.recipe.model_copy(update={"train": known_training(journey)})


def known_training(journey: Journey) -> "TrainSettings":
    """Return the training's settings with the steps that an earlier calibration fixed."""
    fixed, settings = journey.marker("train").get("fixed"), journey.whole.train
    if fixed is None:
        return settings
    return settings.model_copy(update={"minutes": None, "tokens": None, "epochs": None, **fixed})
