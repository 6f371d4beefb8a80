"""Translate Hugging Face's training arguments into `TrainSettings`: the one table of names.

Defaults are Hugging Face's, so that a program means the same here. Unknown arguments and unsupported values are errors:
nothing is ignored.
"""

import math
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError, field_validator

from massivetext.errors import ConfigError
from massivetext.hugging_face import checked_options
from massivetext.settings import Settings, explain
from massivetext.training.settings import TrainSettings

WORTH_COMPILING_TOKENS = 1_000_000
Strategy = Literal["no", "steps", "epoch"]
DECAYS: dict[str, Literal["linear", "cosine", "none"]] = {
    "linear": "linear",
    "cosine": "cosine",
    "constant": "none",
    "constant_with_warmup": "none",
}


class TrainingArguments(Settings):
    """How a `Trainer` trains, in Hugging Face's names and with its defaults."""

    model_config = ConfigDict(frozen=False, validate_assignment=True)

    output_dir: Path = Path("trainer_output")
    """Folder of checkpoints, metrics.jsonl, timing.jsonl."""
    overwrite_output_dir: bool = False
    """Start over: what an earlier training left in output_dir is removed."""
    do_train: bool = False
    """Read by programs, not by the Trainer."""
    do_eval: bool = False
    """Read by programs, not by the Trainer."""
    run_name: str | None = None
    """Read by programs, not by the Trainer."""
    resume_from_checkpoint: bool | str | None = None
    """Read by programs, which pass it to `Trainer.train`."""

    num_train_epochs: float = Field(3.0, gt=0)
    """Passes over the training data."""
    max_steps: int = -1
    """Optimiser steps, in place of num_train_epochs where positive."""
    per_device_train_batch_size: int = Field(8, ge=1)
    """Rows of a batch: packed rows of the model's context, or the dataset's own."""
    per_device_eval_batch_size: int = Field(8, ge=1)
    """Rows of a batch in evaluation."""
    gradient_accumulation_steps: int = Field(1, ge=1)
    """Batches of one optimiser step."""

    learning_rate: float = Field(5e-5, gt=0)
    """Peak learning rate."""
    weight_decay: float = Field(0.0, ge=0)
    """Decoupled weight decay of matrices."""
    adam_beta1: float = Field(0.9, ge=0, lt=1)
    """Decay of AdamW's mean of gradients."""
    adam_beta2: float = Field(0.999, ge=0, lt=1)
    """Decay of AdamW's mean of squared gradients."""
    adam_epsilon: float = Field(1e-8, gt=0)
    """Added to AdamW's denominator."""
    max_grad_norm: float = Field(1.0, ge=0)
    """Gradients are scaled down to this norm; 0 leaves them."""
    optim: Literal["adamw_torch", "adamw_torch_fused"] = "adamw_torch_fused"
    """AdamW, fused in both cases."""
    lr_scheduler_type: str = "linear"
    """Fall of the learning rate after the warm-up."""
    warmup_steps: float = Field(0, ge=0)
    """Steps of warm-up; below 1, a share of all steps."""
    warmup_ratio: float = Field(0.0, ge=0, le=1)
    """Share of all steps for the warm-up, where warmup_steps is 0."""

    logging_dir: Path | None = None
    """Folder of TensorBoard's events; unset: tensorboard/ in output_dir."""
    logging_strategy: Strategy = "steps"
    """When a row of metrics.jsonl is written."""
    logging_steps: float = Field(500, gt=0)
    """Steps between rows; below 1, a share of all steps."""
    report_to: str | list[str] = "tensorboard"
    """tensorboard (or all), or none."""
    eval_strategy: Strategy = "no"
    """When the evaluation data is scored."""
    eval_steps: float | None = Field(None, gt=0)
    """Steps between evaluations; unset: logging_steps; below 1, a share of all steps."""
    save_strategy: Strategy = "steps"
    """When a checkpoint is written."""
    save_steps: float = Field(500, gt=0)
    """Steps between checkpoints; below 1, a share of all steps. The last step has one, too."""
    save_total_limit: int | None = Field(None, ge=1)
    """How many of the newest checkpoints are kept; unset: all."""

    seed: int = Field(42, ge=0)
    """Seed of dropout and of the order of the data."""
    data_seed: int | None = None
    """Seed of the order of the data; unset: seed."""
    remove_unused_columns: bool = True
    """Leave out the columns of rows that the model's forward does not take."""
    bf16: bool = False
    """bfloat16 in the forward and backward pass."""
    use_cpu: bool = False
    """Train on the CPU even where there is a GPU."""
    torch_compile: bool | None = None
    """Compile the model; unset: for runs of a million tokens or more, where a compiler is found and rows have one
    length (compiling takes longer than a shorter run gains)."""

    def __init__(self, output_dir: str | Path | None = None, **values: Any) -> None:
        values = checked_options("TrainingArguments", values, type(self).model_fields)
        if output_dir is not None:
            values["output_dir"] = output_dir
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(explain(error, type(self), values, "TrainingArguments")) from None

    @field_validator("lr_scheduler_type")
    @classmethod
    def _known_decay(cls, value: str) -> str:
        if value not in DECAYS:
            raise ValueError(f"allowed: {', '.join(DECAYS)}")
        return value

    @field_validator("report_to")
    @classmethod
    def _known_reports(cls, value: str | list[str]) -> str | list[str]:
        named = [value] if isinstance(value, str) else value
        if set(named) - {"tensorboard", "all", "none"}:
            raise ValueError("allowed: tensorboard, all, none")
        return value

    def total_steps(self, steps_per_epoch: int) -> int:
        """Return the optimiser steps of the whole run."""
        return self.max_steps if self.max_steps > 0 else max(1, math.ceil(self.num_train_epochs * steps_per_epoch))

    def to_settings(self, steps_per_epoch: int, row_tokens: int, compilable: bool) -> TrainSettings:
        """Return the training settings that these arguments mean.

        row_tokens: length of the longest row. compilable: whether all rows have one length.
        """
        steps = self.total_steps(steps_per_epoch)

        def every(strategy: Strategy, count: float) -> int:
            if strategy == "epoch":
                return min(steps_per_epoch, steps)
            return steps if strategy == "no" else max(1, math.ceil(count * steps) if count < 1 else int(count))

        warmup = self.warmup_steps or self.warmup_ratio
        tensorboard = "none" not in ([self.report_to] if isinstance(self.report_to, str) else self.report_to)
        rows = self.per_device_train_batch_size * self.gradient_accumulation_steps
        automatic = "auto" if compilable and steps * rows * row_tokens >= WORTH_COMPILING_TOKENS else "off"
        values = dict(
            steps=steps,
            context_tokens=row_tokens,
            batch_tokens=row_tokens * rows,
            micro_batches=self.gradient_accumulation_steps,
            optimiser="adamw",
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            beta1=self.adam_beta1,
            beta2=self.adam_beta2,
            epsilon=self.adam_epsilon,
            clip_norm=self.max_grad_norm or None,
            decay=DECAYS[self.lr_scheduler_type],
            decay_fraction=1.0,
            warmup_steps=math.ceil(warmup * steps) if warmup < 1 else int(warmup),
            precision="bfloat16" if self.bf16 else "float32",
            compile=automatic if self.torch_compile is None else "on" if self.torch_compile else "off",
            seed=self.seed,
            log_every_steps=every(self.logging_strategy, self.logging_steps),
            evaluate_every_steps=every(self.eval_strategy, self.eval_steps or self.logging_steps),
            checkpoint_every_steps=every(self.save_strategy, self.save_steps),
            keep_checkpoints=self.save_total_limit,
            tensorboard=self.logging_dir if tensorboard and self.logging_dir else tensorboard,
        )
        return TrainSettings.parse(values)
