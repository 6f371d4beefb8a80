"""A training as a part of a run: its stage, its own folder, and the stage that writes its model folder.

The pretraining of a recipe has the run folder itself (`checkpoints/`, `metrics.jsonl`, ...). A training that follows it
has a folder of its own below the run folder, with the same files.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massivetext.errors import CheckpointError, ConfigError
from massivetext.progress import log
from massivetext.recipe import recipe_values
from massivetext.runs.contents import open_store, open_tokenizer
from massivetext.runs.folder import RecipeRun
from massivetext.runs.graph import Stage
from massivetext.storage import value_digest
from massivetext.training.folder import CHECKPOINTS, OUTPUTS, TrainingFolder
from massivetext.training.settings import TrainSettings
from massivetext.translations import tr

if TYPE_CHECKING:
    from massivetext.models.decoder import CausalLM
    from massivetext.training.checkpoints import Checkpoint
    from massivetext.training.loop import Evaluate
    from massivetext.training.objectives.protocol import Batches, Objective

MODEL = "model"
"""The model folder of a training, beside its checkpoints."""
FIXED = ("steps", "checkpoint_every_steps")
"""What a calibration fixes."""


@dataclass(frozen=True)
class Material:
    """What a training learns from."""

    batches: "Batches"
    objective: "Objective"
    evaluate: "Evaluate | None"
    """Called between steps; see `massivetext.training.loop.train`."""
    identity: Mapping[str, str]
    """Digests of the data and of the tokenizer; a checkpoint made from others is refused."""


@dataclass(frozen=True)
class Training:
    """One training of a run."""

    name: str
    """Name of the stage, and of the recipe's section that holds its settings."""
    place: str
    """Its folder below the run folder; empty: the run folder itself."""
    inputs: tuple[str, ...]
    """Outputs of other stages that it reads."""
    reads: Callable[[RecipeRun], Mapping[str, Any]]
    """As `Stage.reads`."""
    model: Callable[[RecipeRun], "CausalLM"]
    """Returns the model with the weights that the training starts from."""
    material: Callable[[RecipeRun, "CausalLM", TrainSettings], Material]
    """Returns what is learned from. The settings may lack `steps`, which a calibration fixes afterwards."""

    def output(self, name: str) -> str:
        """Return the path of a file or folder of this training, relative to the run folder."""
        return f"{self.place}/{name}" if self.place else name

    def folder(self, run: Path) -> TrainingFolder:
        """Return this training's folder in a run folder."""
        return TrainingFolder(run / self.place)

    @property
    def stage(self) -> Stage:
        """The stage that trains. What it left is never cleared unasked, and never missed."""
        outputs = tuple(self.output(name) for name in OUTPUTS)
        return Stage(self.name, self.inputs, outputs, self.reads, self._train, needed=None, guard=self._guard)

    def model_stage(self, name: str) -> Stage:
        """Return the stage that writes the model folder, `model/` beside the checkpoints, from the last of them."""
        output = self.output(MODEL)

        def reads(run: RecipeRun) -> dict[str, Any]:
            return {"training": run.marker(self.name)["fingerprint"]}

        def work(run: RecipeRun) -> None:
            from massivetext.models.files.folder import save_model_folder

            store, checkpoint = open_store(run), self.last_checkpoint(run)
            model = self.model(run)
            model.load_weights(checkpoint.tensors("model"))
            provenance = {
                "recipe": recipe_values(run.resolved()),
                "corpus": store.manifest["corpus"],
                "store": store.digest,
                "step": checkpoint.step,
            }
            save_model_folder(model, open_tokenizer(run), run.path(output), provenance)

        inputs = (self.output(CHECKPOINTS), "tokenizer", "tokens")
        return Stage(name, inputs, (output,), reads, work, needed="massivetext.json")

    def last_checkpoint(self, run: RecipeRun) -> "Checkpoint":
        """Return the checkpoint that the training ended with; where it is damaged, train the missing steps again."""
        from massivetext.training.checkpoints import newest_checkpoint

        folder = self.folder(run.folder)
        last, found = run.marker(self.name).get("step"), newest_checkpoint(folder.path)
        if found is None:
            marker = run.marker_path(self.name)
            raise CheckpointError(
                f"{folder.checkpoints} holds no checkpoint, though the training is finished. Restore it from a "
                f"copy; to train again, delete {marker} and give the same command again"
            )
        if last is None or found.step == last:
            return found
        log(tr("The checkpoint of step {last} is damaged or gone: training resumes from step {step}", last=last,
               step=found.step))  # fmt: skip
        self.stage.do(run, self.stage.reads_now(run))
        return self.last_checkpoint(run)

    def _train(self, run: RecipeRun) -> None:
        """Train; minutes, tokens or epochs first become steps, which recipe.yaml then holds."""
        from massivetext.training.calibration import resolve_steps
        from massivetext.training.loop import Parts, train

        self._recover_steps(run)
        settings, model = run.train_settings(self.name), self.model(run)
        made = self.material(run, model, settings)
        evaluate, objective, quiet = made.evaluate, made.objective, run.quiet
        if settings.steps is None:
            settings = resolve_steps(model, made.batches, settings, evaluate=evaluate, objective=objective, quiet=quiet)
            run.note(self.name, run.marker(self.name) | {"fixed": {name: getattr(settings, name) for name in FIXED}})
        run.write_recipe()
        identity = {**made.identity, "recipe": value_digest(self.reads(run))}
        folder, parts = self.folder(run.folder).path, Parts(objective)
        done = train(
            model, made.batches, settings, folder, evaluate=evaluate, identity=identity, parts=parts, quiet=quiet
        )
        run.note(self.name, run.marker(self.name) | {"step": done.step})

    def _recover_steps(self, run: RecipeRun) -> None:
        """Note the steps of a calibration again where the marker that held them is lost: every checkpoint has them."""
        from massivetext.training.checkpoints import newest_checkpoint

        marker = run.marker(self.name)
        if getattr(run.recipe, self.name).steps is not None or "fixed" in marker:
            return
        if (newest := newest_checkpoint(self.folder(run.folder).path)) is not None:
            run.note(self.name, marker | {"fixed": {name: newest.state["settings"][name] for name in FIXED}})

    def _guard(self, run: RecipeRun, stage: str, changed: str) -> None:
        """Raise ConfigError if there are checkpoints: a training is never thrown away unasked."""
        if not self.folder(run.folder).has_checkpoints():
            return
        if stage != "corpus":
            from massivetext.corpus.takedowns import check_trained

            check_trained(run.folder, run.path("corpus"))
        raise ConfigError(
            f"{run.folder} holds a model trained with other settings or inputs: {changed} (read by the stage "
            f"{stage!r}). Keep it and write elsewhere with --out FOLDER, or start over here with --overwrite"
        )
