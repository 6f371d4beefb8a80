"""`Trainer`: Hugging Face's way to train, on the same loop as everything else."""

import inspect
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from massivetext.errors import ConfigError, DataError, ModelError
from massivetext.hugging_face import ATTRIBUTES_INSTEAD, TRAINER_NOT_CALLED, checked_options, unknown_attribute
from massivetext.progress import log
from massivetext.storage import clear_temporary, locked_folder
from massivetext.tokens.labels import IGNORED_LABEL
from massivetext.training import rows
from massivetext.training.arguments import TrainingArguments
from massivetext.training.checking import check_rows
from massivetext.training.checkpoints import checkpoint_folders, newest_checkpoint
from massivetext.training.collators import DataCollatorForLanguageModeling
from massivetext.training.folder import OUTPUTS, TrainingFolder
from massivetext.training.loop import Evaluate, Parts, train
from massivetext.training.machine import training_device
from massivetext.training.metrics import read_rows
from massivetext.training.objectives.causal import CausalObjective
from massivetext.training.objectives.module import ModuleObjective, loss_in
from massivetext.training.objectives.protocol import Objective
from massivetext.training.settings import TrainSettings
from massivetext.training.validation import mean_losses
from massivetext.translations import tr

if TYPE_CHECKING:
    from massivetext.tokens.tokenizer import Tokenizer

ARGUMENTS = (
    "model", "args", "data_collator", "train_dataset", "eval_dataset", "processing_class", "compute_loss_func",
    "compute_metrics", "optimizers",
)  # fmt: skip


class TrainOutput(NamedTuple):
    """What `Trainer.train` returns: steps done, mean loss of the logged rows, and further numbers by name."""

    global_step: int
    training_loss: float
    metrics: dict[str, float]


class PredictionOutput(NamedTuple):
    """What `Trainer.predict` returns: logits and label ids (rows, ...) as NumPy arrays, and numbers by name."""

    predictions: np.ndarray
    label_ids: np.ndarray
    metrics: dict[str, float]


class EvalPrediction(NamedTuple):
    """What `compute_metrics` is given: logits (rows, ...) and label ids (rows, ...), as NumPy arrays."""

    predictions: np.ndarray
    label_ids: np.ndarray


@dataclass
class TrainerState:
    """How far a Trainer is: steps done, and the rows of metrics.jsonl."""

    global_step: int = 0
    log_history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class _Data:
    """One dataset as the loop wants it."""

    batches: Any
    steps_per_pass: int
    row_tokens: int
    packed: bool
    causal: bool  # whether the rows are in the form of `CausalObjective`
    even: bool  # whether all rows have one length
    digest: str


class Trainer:
    """Trains and evaluates a model on texts, ids or rows with labels.

    model: one of this package's, or any `nn.Module` that is called with a batch's columns by name and returns a loss
    (or `compute_loss_func(outputs, labels)` makes it). train_dataset: a `datasets.Dataset` or DatasetDict of texts or
    of columns, a tokenizer's output, a list of texts or of rows. Causal models get texts packed, so that nothing is
    padded; masked language models get them as rows with tokens hidden. `data_collator`, where given, makes a batch of a
    list of rows instead. processing_class: the tokenizer; unset: that in the model's folder. compute_loss_func: makes
    the loss of (outputs, labels); a subclass may override `compute_loss` instead. compute_metrics: called with an
    `EvalPrediction`, in evaluation mode; for rows with labels. optimizers: your own optimiser and None (the schedule is
    that of the arguments). Rows without text or labels are skipped and counted; ids and labels that the model does not
    know stop the training before it begins.
    """

    def __init_subclass__(cls) -> None:
        """Refuse overridden methods that this Trainer does not call."""
        for name, instead in TRAINER_NOT_CALLED.items():
            if name in vars(cls):
                raise ConfigError(f"{cls.__name__}.{name} would never be called by this Trainer; instead, {instead}")

    def __init__(
        self,
        model: nn.Module,
        args: TrainingArguments | None = None,
        data_collator: rows.Collator | None = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: "Tokenizer | None" = None,
        compute_loss_func: Callable[..., Tensor] | None = None,
        compute_metrics: Callable[[EvalPrediction], Mapping[str, float]] | None = None,
        optimizers: tuple[Optimizer | None, None] = (None, None),
        **unsupported: Any,
    ) -> None:
        tokenizer = unsupported.pop("tokenizer", None)  # what processing_class was called before
        checked_options("Trainer", unsupported, ARGUMENTS)
        if optimizers[1] is not None:
            raise ConfigError(
                "a learning rate scheduler object is not supported, because its state is history; pass (optimizer, "
                "None) and set lr_scheduler_type and warmup_steps in TrainingArguments"
            )
        self.model, self.args = model, args or TrainingArguments()
        self.train_dataset = rows.chosen_split(train_dataset, ["train"])
        self.eval_dataset = rows.chosen_split(eval_dataset, ["validation", "test"])
        self.data_collator, self.processing_class = data_collator, processing_class or tokenizer
        self.compute_loss_func, self.compute_metrics, self.optimizer = compute_loss_func, compute_metrics, optimizers[0]
        self.state = TrainerState()
        if self.args.eval_strategy != "no" and eval_dataset is None:
            raise ConfigError(
                f"eval_strategy is {self.args.eval_strategy!r} and there is no eval_dataset; pass one to the Trainer, "
                f"or set eval_strategy='no'"
            )
        if torch.cuda.is_available() and not self.args.use_cpu:
            self.model.to("cuda")

    def train(self, resume_from_checkpoint: bool | str | Path | None = None) -> TrainOutput:
        """Train as the arguments say and return what it came to.

        resume_from_checkpoint: True goes on from the newest checkpoint in output_dir (a path must name that one).
        Without it a training that output_dir already holds is an error, unless overwrite_output_dir is set.
        """
        if self.train_dataset is None:
            raise ConfigError("train() needs train_dataset; pass it to the Trainer")
        folder = Path(self.args.output_dir)
        rows_per_step = self.args.per_device_train_batch_size * self.args.gradient_accumulation_steps
        with locked_folder(folder):
            clear_temporary(folder)
            self._check_output(folder, resume_from_checkpoint)
            seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
            data = self._prepare(self.train_dataset, rows_per_step, seed, self.args.gradient_accumulation_steps)
            settings = self.args.to_settings(data.steps_per_pass, data.row_tokens, data.even)
            parts = Parts(self._objective(data, settings), [self.optimizer] if self.optimizer else None)
            evaluate = self._evaluating(data.steps_per_pass) if self.args.eval_strategy != "no" else None
            identity = {"data": data.digest, "order of the data": str(seed), **named_optimiser(self.optimizer)}
            result = train(
                self.model, data.batches, settings, folder, evaluate=evaluate, identity=identity, parts=parts
            )
            if self.args.save_strategy == "no":
                shutil.rmtree(TrainingFolder(folder).checkpoints, ignore_errors=True)
        history = [
            {**row, "epoch": row["step"] / data.steps_per_pass} for row in read_rows(TrainingFolder(folder).metrics)
        ]
        self.state = TrainerState(result.step, history)
        logged = [row["loss"] for row in self.state.log_history if "loss" in row]
        epochs = result.step / data.steps_per_pass
        metrics = {
            "train_loss": math.fsum(logged) / max(len(logged), 1),
            "epoch": epochs,
            "tokens": float(result.tokens),
        }
        return TrainOutput(result.step, metrics["train_loss"], metrics)

    def evaluate(self, eval_dataset: Any = None, metric_key_prefix: str = "eval") -> dict[str, float]:
        """Return the loss on all of the evaluation data, and what compute_metrics makes of its predictions.

        The numbers are logged, and become a row of `state.log_history`.
        """
        found = self._evaluated(self._evaluation_data(eval_dataset), metric_key_prefix)
        self.state.log_history.append({"step": self.state.global_step, **found})
        return found

    def predict(self, test_dataset: Any, metric_key_prefix: str = "test") -> PredictionOutput:
        """Return the logits and labels of rows with labels, the loss, and what compute_metrics makes of them."""
        data = self._evaluation_data(test_dataset)
        if data.packed:
            raise ConfigError("predict works on rows with labels, and these texts are packed; pass tokenised rows")
        with torch.no_grad():
            found = self._predictions(data)
        return PredictionOutput(found.predictions, found.label_ids, self._evaluated(data, metric_key_prefix))

    def __getattr__(self, name: str) -> Any:
        """Say what does the work of a method that Hugging Face's Trainer has and this one does not."""
        if name in ATTRIBUTES_INSTEAD["Trainer"]:
            raise AttributeError(unknown_attribute("Trainer", name, ()))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _evaluation_data(self, dataset: Any = None) -> _Data:
        """Return the evaluation data in batches."""
        chosen = self.eval_dataset if dataset is None else rows.chosen_split(dataset, ["validation", "test"])
        if chosen is None:
            raise ConfigError("evaluate() needs eval_dataset; pass it here or to the Trainer")
        data = self._prepare(chosen, self.args.per_device_eval_batch_size, None, 1)
        if self.compute_metrics is not None and data.packed:
            raise ConfigError(
                "compute_metrics works on rows with labels, and these texts are packed; pass "
                "tokenised rows with labels, or leave it out"
            )
        return data

    def _evaluated(self, data: _Data, prefix: str) -> dict[str, float]:
        """Return and log what `evaluate` does, for data that is in batches already."""
        objective = self._objective(data, self.args.to_settings(data.steps_per_pass, data.row_tokens, False))
        with torch.no_grad():
            rows_in_pass = getattr(data.batches, "rows_per_pass", None)
            found = {"loss": mean_losses(objective, data.batches, data.steps_per_pass, rows_in_pass)["loss"]}
            if self.compute_metrics is not None:
                found |= self.compute_metrics(self._predictions(data))
        named = {name if name.startswith(f"{prefix}_") else f"{prefix}_{name}": value for name, value in found.items()}
        numbers = ", ".join(f"{name} {value:.4g}" for name, value in named.items() if isinstance(value, (int, float)))
        log(tr("Evaluation: {numbers}", numbers=numbers))
        return named

    def _evaluating(self, steps_per_epoch: int) -> Evaluate:
        """Return what the loop calls to evaluate; the data is made ready once."""
        data = self._evaluation_data()

        def evaluate(objective: Objective, step: int) -> Mapping[str, Any]:
            return {"epoch": step / steps_per_epoch, **self._evaluated(data, "eval")}

        return evaluate

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: int | None = None
    ) -> Any:
        """Return the mean loss of a part of a batch, and the outputs where they are asked for; subclasses override it.

        model: called with the columns `inputs` by name. num_items_in_batch: how many labels the part counts.
        """
        if self.compute_loss_func is None:
            outputs = model(**inputs)
            loss = loss_in(outputs, self.model)
        else:
            labels = inputs.pop("labels", None)
            outputs = model(**inputs)
            loss = self.compute_loss_func(outputs, labels, **_counted(self.compute_loss_func, num_items_in_batch))
        return (loss, outputs) if return_outputs else loss

    def _loss(self, model: Any, inputs: dict[str, Any], count: int) -> Tensor:
        """Return what `compute_loss` makes of a part of a batch; raise ModelError unless it is one number."""
        loss = self.compute_loss(model, inputs, **_counted(self.compute_loss, count))
        if not isinstance(loss, Tensor) or loss.ndim:
            what = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
            raise ModelError(f"the loss that was computed is {what}; return one number, the mean over the labels")
        return loss

    @property
    def _own_loss(self) -> bool:
        """Whether the user computes the loss."""
        return self.compute_loss_func is not None or type(self).compute_loss is not Trainer.compute_loss

    def save_model(self, output_dir: str | Path | None = None) -> None:
        """Write the model folder, with the tokenizer where there is one; output_dir unset: the arguments'."""
        folder, model = Path(output_dir or self.args.output_dir), cast(Any, self.model)
        tokenizer = self._tokenizer(needed=False)
        if hasattr(self.model, "stored_weights"):
            from massivetext.models.files.folder import save_model_folder

            save_model_folder(model, tokenizer, folder)
        elif hasattr(self.model, "save_pretrained"):
            model.save_pretrained(folder)
            if tokenizer is not None:
                tokenizer.save_pretrained(folder)
        else:
            from safetensors.torch import save_model

            folder.mkdir(parents=True, exist_ok=True)
            save_model(self.model, str(folder / "model.safetensors"))

    def _check_output(self, folder: Path, resume: bool | str | Path | None) -> None:
        """See that output_dir holds what `resume` and overwrite_output_dir say."""
        held = checkpoint_folders(TrainingFolder(folder).checkpoints)
        if resume:
            newest = newest_checkpoint(folder)
            wanted = None if resume is True else Path(resume)
            if newest is None or (wanted is not None and wanted.resolve() != newest.folder.resolve()):
                raise ConfigError(
                    f"resume_from_checkpoint is {str(resume)!r}, and the newest checkpoint in {folder} is "
                    f"{newest.folder if newest else None}; a run goes on from its newest one (remove later ones to go "
                    f"back)"
                )
        elif self.args.overwrite_output_dir:
            for name in OUTPUTS:
                path = folder / name
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        elif held:
            raise ConfigError(
                f"{folder} holds a training up to {held[0].name}; pass resume_from_checkpoint=True to train() to go "
                f"on, or set overwrite_output_dir=True to start over, or choose another output_dir"
            )

    def _tokenizer(self, needed: bool = True) -> Any:
        """Return the tokenizer that was given, else that of the model's folder."""
        if self.processing_class is None:
            folder = getattr(self.model, "tokenizer_folder", None)
            if folder is not None:
                from massivetext.tokens.tokenizer import AutoTokenizer

                self.processing_class = AutoTokenizer.from_pretrained(folder)
            elif needed:
                raise ConfigError(
                    "the dataset holds texts and the model's folder no tokenizer; pass processing_class=tokenizer"
                )
        return self.processing_class

    def _prepare(self, dataset: Any, batch_rows: int, seed: int | None, parts: int) -> _Data:
        """Return a dataset in batches: packed for a causal model and texts or bare ids, else its own rows."""
        dataset = rows.as_rows(dataset)
        first = next((row for row in rows.first_rows(dataset) if row is not None), None)
        column, native = rows.text_column(rows.first_rows(dataset)), CausalObjective.suits(self.model)
        collator = self.data_collator
        ours = isinstance(collator, DataCollatorForLanguageModeling) and not collator.mlm
        labelled = isinstance(first, Mapping) and "labels" in first
        tokenised = isinstance(first, Mapping) and "input_ids" in first
        packs = native and not self._own_loss and (collator is None or ours) and not labelled
        if packs and (column is not None or tokenised):
            if ours and self.processing_class is None:
                self.processing_class = collator.tokenizer  # type: ignore[union-attr]
            if column is None:
                dataset = check_rows(dataset, self.model, True, False).rows
            return self._packed(dataset, column, batch_rows, seed or 0)
        if collator is None and not labelled and self._is_masked():
            tokenizer = self._tokenizer()
            dataset = dataset if column is None else self._masked_rows(dataset, column, tokenizer)
            column, collator = None, DataCollatorForLanguageModeling(tokenizer)
        if column is not None and collator is None:
            raise DataError(
                f"texts are packed for this package's causal models (where the loss is theirs), and tokens of them "
                f"hidden for its masked ones; for a {type(self.model).__name__}"
                f"{' with your own loss' if native else ''}, tokenise the rows and pass a data_collator"
            )
        checked = check_rows(dataset, self.model, self.args.remove_unused_columns, collator is None)
        shifted = native and not self._own_loss
        own = rows.RowBatches(checked.rows, collator or rows.stack_rows, batch_rows, seed, 1 if shifted else parts)
        batches = rows.CausalRowBatches(own) if shifted else own
        lengths = checked.lengths if native and checked.lengths else {2}
        even = shifted and len(lengths) == 1 and len(checked.rows) % batch_rows == 0
        return _Data(batches, own.steps_per_pass, max(*lengths, 2), False, shifted, even, checked.digest)

    def _is_masked(self) -> bool:
        """Whether the model is one of this package's that predict masked tokens."""
        return getattr(self.model, "task", None) == "masked-lm"

    def _masked_rows(self, dataset: Any, column: str, tokenizer: Any) -> list[dict[str, Any]]:
        """Return texts as rows of ids; a text longer than the model's context becomes several."""
        texts = rows.texts_of(dataset, column)
        most = cast(Any, self.model).config.most_tokens
        found = tokenizer(texts, truncation=True, max_length=most, return_overflowing_tokens=True)
        names = [name for name in found if name != "overflow_to_sample_mapping"]
        return [dict(zip(names, row, strict=True)) for row in zip(*(found[name] for name in names), strict=True)]

    def _packed(self, dataset: Any, column: str | None, batch_rows: int, seed: int) -> _Data:
        config, tokenizer = getattr(self.model, "config", None), self._tokenizer(needed=column is not None)
        named = tokenizer if tokenizer is not None else config
        start = getattr(named, "bos_token_id", None)
        start = getattr(named, "eos_token_id", None) if start is None else start
        if start is None:
            raise ConfigError(
                "packing needs a token that starts a document, and neither tokenizer nor model has a bos or eos token; "
                "pass processing_class=tokenizer with one"
            )
        documents = rows.encode_rows(dataset, column, tokenizer, int(start))
        order = rows.packed_batches(documents, getattr(config, "max_position_embeddings", 1024), batch_rows, seed)
        steps = math.ceil(order.rows_per_pass / batch_rows)
        return _Data(order, steps, order.context_tokens, True, True, True, documents.digest)

    def _objective(self, data: _Data, settings: TrainSettings) -> Objective:
        """Return what is learned from the data: next tokens, or whatever loss the module or the user computes."""
        if data.causal:
            return CausalObjective(self.model, settings)
        return ModuleObjective(self.model, settings, self._loss if self._own_loss else None)

    def _predictions(self, data: _Data) -> EvalPrediction:
        """Return the logits and labels of all rows; rows of different lengths are filled up with -100."""
        logits, labels = [], []
        own = data.batches.inner if isinstance(data.batches, rows.CausalRowBatches) else data.batches
        device, training = training_device(self.model), self.model.training
        self.model.eval()
        try:
            for step in range(own.steps_per_pass):
                for part in own.batch(step):
                    inputs = {name: torch.as_tensor(value).to(device) for name, value in part.items()}
                    if "labels" not in inputs:
                        raise DataError(
                            "compute_metrics needs rows with labels; add a column 'labels', or leave it out"
                        )
                    labels.append(inputs.pop("labels").cpu().numpy())
                    outputs = self.model(**inputs)
                    found = outputs if isinstance(outputs, Tensor) else outputs["logits"]
                    logits.append(found.float().cpu().numpy())
        finally:
            self.model.train(training)
        return EvalPrediction(joined(logits), joined(labels))


def joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return arrays (rows, tokens, ...) below each other, shorter ones filled up with -100."""
    if arrays[0].ndim < 2:
        return np.concatenate(arrays)
    longest = max(array.shape[1] for array in arrays)
    widths = [[(0, 0), (0, longest - array.shape[1])] + [(0, 0)] * (array.ndim - 2) for array in arrays]
    return np.concatenate([np.pad(a, width, constant_values=IGNORED_LABEL) for a, width in zip(arrays, widths)])


def named_optimiser(optimiser: Optimizer | None) -> dict[str, str]:
    """Return what a checkpoint notes of the user's own optimiser; nothing of the arguments' AdamW."""
    if optimiser is None:
        return {"optimizer": "AdamW of the arguments"}
    values = ", ".join(f"{name}={value}" for name, value in sorted(optimiser.defaults.items()))
    return {"optimizer": type(optimiser).__name__, "values of the optimizer": values}


def _counted(function: Callable[..., Any], count: int | None) -> dict[str, Any]:
    """Return num_items_in_batch as an argument where a function takes it."""
    parameters = inspect.signature(function).parameters
    takes = "num_items_in_batch" in parameters or any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    return {"num_items_in_batch": count} if takes else {}
