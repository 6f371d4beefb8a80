"""The folder of a run: its resolved recipe, and markers that record the finished stages and their inputs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from massivetext.errors import StoreError
from massivetext.progress import log
from massivetext.recipe import CorpusRecipe, Recipe, recipe_yaml
from massivetext.state import STAGES, read_state, write_sealed, write_state
from massivetext.training.settings import LENGTHS, TrainSettings
from massivetext.translations import tr

RECIPE = "recipe.yaml"
RUN = "run.json"
OWN = (STAGES, RECIPE, RUN)
"""Entries of the run folder that are not outputs of stages."""


@dataclass
class RecipeRun:
    """One run of a recipe: its folder, and the stages that this process performed."""

    folder: Path
    recipe: CorpusRecipe
    overwrite: bool = False
    """Whether a training with other settings or inputs may be deleted."""
    quiet: bool = False
    performed: list[str] = field(default_factory=list)
    verified: set[str] = field(default_factory=set)
    """Outputs that this process has already compared with their digests."""

    @property
    def whole(self) -> Recipe:
        """The recipe, including its model and training; every stage after the tokenizer needs both."""
        assert isinstance(self.recipe, Recipe)
        return self.recipe

    def path(self, output: str) -> Path:
        """Return the path of a stage's output: in the run folder, or the existing corpus that the recipe names."""
        built = self.recipe.corpus.from_ if output == "corpus" else None
        return built or self.folder / output

    def say(self, text: str) -> None:
        """Print one line for the user, unless the run is quiet."""
        if not self.quiet:
            log(text)

    def marker(self, name: str) -> dict[str, Any]:
        """Return a stage's marker: fingerprint, `finished` and its notes; empty if it is missing or damaged."""
        try:
            return self._read_marker(name)
        except StoreError:
            return {}

    def drop_damaged_marker(self, name: str) -> None:
        """Remove a stage's marker if it is damaged. The stage then runs again and reuses most of its earlier work."""
        try:
            self._read_marker(name)
        except StoreError as error:
            log(tr("{what} The stage '{stage}' is checked again; finished work is kept", what=str(error).rstrip(),
                   stage=tr(name)))  # fmt: skip
            self.forget(name)

    def note(self, name: str, values: Mapping[str, Any]) -> None:
        """Write the marker of a stage."""
        write_state(self.marker_path(name), values)

    def forget(self, name: str) -> None:
        """Remove the marker of a stage."""
        self.marker_path(name).unlink(missing_ok=True)

    def train_settings(self, name: str) -> TrainSettings:
        """Return the settings of the training `name`, with the steps that an earlier calibration fixed."""
        settings = getattr(self.recipe, name)
        assert isinstance(settings, TrainSettings)
        fixed = self.marker(name).get("fixed")
        return settings if fixed is None else settings.model_copy(update={**dict.fromkeys(LENGTHS), **fixed})

    def resolved(self) -> CorpusRecipe:
        """Return the recipe, with the steps of each training that a calibration fixed."""
        trainings = [name for name, section in self.recipe if isinstance(section, TrainSettings)]
        return self.recipe.model_copy(update={name: self.train_settings(name) for name in trainings})

    def write_recipe(self) -> None:
        """Write the resolved recipe into the run folder."""
        write_sealed(self.folder / RECIPE, recipe_yaml(self.resolved()))

    def marker_path(self, name: str) -> Path:
        """Return the path of a stage's marker."""
        return self.folder / STAGES / f"{name}.json"

    def _read_marker(self, name: str) -> dict[str, Any]:
        path = self.marker_path(name)
        return read_state(path, ("fingerprint", "finished", "reads"), "") if path.is_file() else {}
