"""The settings of a training run: the `train` section of a recipe. This is the only home of their defaults."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from massivetext.settings import GivenPath, Settings

LENGTHS = ("minutes", "steps", "tokens", "epochs")
# A run may resume with other values of these. Its numbers stay the same, but for the last bits where threads or compile
# change; the log then says so.
MAY_CHANGE = (
    *("checkpoint_every_steps", "checkpoint_every_seconds", "keep_checkpoints"),
    *("tensorboard", "threads", "compile", "from_"),
)

# More than any training takes: beyond these bounds a number is a slip, and the run would never end.
MOST_MINUTES = 10 * 366 * 24 * 60
MOST_STEPS = 10**9
MOST_TOKENS = 10**15
MOST_EPOCHS = 10**6


class TrainSettings(Settings):
    """How a model is trained. Exactly one of minutes, steps, tokens and epochs says for how long."""

    objective: Literal["causal"] = "causal"
    """What is learned: causal predicts each next token."""
    context_tokens: int = Field(256, ge=2, le=2**24)
    """Length of a training row in tokens."""
    batch_tokens: int = Field(4096, ge=2, le=2**32)
    """Tokens of one optimiser step; a whole number of rows."""
    micro_batches: int = Field(1, ge=1)
    """Equal parts of a batch that are computed in turn, to save memory; the gradient is that of the whole."""
    minutes: float | None = Field(None, gt=0, le=MOST_MINUTES)
    """Wall time to train for; a calibration on this machine turns it into steps before the first one."""
    steps: int | None = Field(None, ge=1, le=MOST_STEPS)
    """Optimiser steps; with `from`, steps after the checkpoint's."""
    tokens: int | None = Field(None, ge=1, le=MOST_TOKENS)
    """Tokens to train on, rounded up to whole steps."""
    epochs: float | None = Field(None, gt=0, le=MOST_EPOCHS)
    """Passes over the training split, rounded up to whole steps."""
    from_: GivenPath | None = Field(None, alias="from")
    """Checkpoint to start from, or a run folder for its newest one: weights, optimizer state and position in the data
    are taken from it, and warm-up and decay span the steps that follow."""

    optimiser: Literal["muon", "adamw"] = "muon"
    """muon: Muon for the hidden matrices and AdamW for all else; adamw: AdamW for everything."""
    learning_rate: float = Field(0.004, gt=0)
    """Peak learning rate of AdamW."""
    embedding_learning_rate: float | None = Field(None, gt=0)
    """Peak learning rate of an embedding that is not tied to the head; unset: learning_rate."""
    head_learning_rate: float | None = Field(None, gt=0)
    """Peak learning rate of the head, tied or not; unset: learning_rate."""
    muon_learning_rate: float = Field(0.02, gt=0)
    """Peak learning rate of Muon (arXiv:2502.16982 explains its scale: each update has unit spectral norm)."""
    muon_momentum: float = Field(0.95, ge=0, lt=1)
    """Momentum of Muon, in Nesterov's form."""
    muon_iterations: int = Field(5, ge=1, le=10)
    """Newton-Schulz iterations of Muon."""
    beta1: float = Field(0.9, ge=0, lt=1)
    """Decay of AdamW's mean of gradients, per step."""
    beta2: float = Field(0.95, ge=0, lt=1)
    """Decay of AdamW's mean of squared gradients, per step."""
    epsilon: float = Field(1e-8, gt=0)
    """Added to AdamW's denominator."""
    weight_decay: float = Field(0.0, ge=0)
    """Decoupled weight decay of matrices, times the learning rate each step; vectors are never decayed."""
    clip_norm: float | None = Field(1.0, gt=0)
    """Gradients are scaled down to this global norm; null leaves them."""

    warmup_fraction: float = Field(0.02, ge=0, le=1)
    """Share of the steps over which the learning rate rises from zero."""
    warmup_steps: int | None = Field(None, ge=0)
    """Steps of warm-up, in place of warmup_fraction."""
    decay: Literal["linear", "cosine", "none"] = "linear"
    """Shape of the decay of the learning rate."""
    decay_fraction: float = Field(0.5, ge=0, le=1)
    """Share of the steps, at the end, over which it decays; 1: from the end of the warm-up."""
    final_fraction: float = Field(0.0, ge=0, le=1)
    """Share of the peak learning rate at which the decay ends, one step after the last."""

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Number format of the forward and backward pass; auto: bfloat16 on a GPU that has it, float32 elsewhere."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Whether the model is compiled; auto: where a C++ compiler (a GPU: Triton) is found; the log says so."""
    threads: int | None = Field(None, ge=1, le=2**12)
    """CPU threads; unset: all that this process may use."""
    seed: int = Field(0, ge=0, lt=2**63)
    """Seed of dropout; the order of the data has its own."""

    log_every_steps: int = Field(1, ge=1)
    """Steps between rows of metrics.jsonl; a row is the mean over the steps since the one before."""
    evaluate_every_steps: int | None = Field(None, ge=1, le=MOST_STEPS)
    """Steps between evaluations; unset: an eighth of the run. The last step is always evaluated."""
    checkpoint_every_steps: int | None = Field(None, ge=1, le=MOST_STEPS)
    """Steps between checkpoints; unset: by checkpoint_every_seconds. The last step always has one."""
    checkpoint_every_seconds: float = Field(60.0, gt=0)
    """Time between checkpoints."""
    tensorboard: bool | GivenPath = True
    """Whether TensorBoard's events are written to tensorboard/ in the run's folder, or the folder for them."""
    keep_checkpoints: int | None = Field(2, ge=1)
    """How many of the newest checkpoints are kept; null keeps all."""

    @field_validator("compile", mode="before")
    @classmethod
    def _yaml_words(cls, value: object) -> object:
        """Return on and off for true and false: YAML reads the bare words so."""
        return {True: "on", False: "off"}[value] if isinstance(value, bool) else value

    @property
    def rows(self) -> int:
        """Rows of one batch."""
        return self.batch_tokens // self.context_tokens

    @model_validator(mode="after")
    def _one_length(self) -> "TrainSettings":
        given = [name for name in LENGTHS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(LENGTHS)}; found {', '.join(given) or 'none'}")
        return self

    @model_validator(mode="after")
    def _whole_rows(self) -> "TrainSettings":
        if self.batch_tokens % self.context_tokens:
            near = max(1, round(self.batch_tokens / self.context_tokens)) * self.context_tokens
            raise ValueError(
                f"batch_tokens {self.batch_tokens} is not a whole number of rows of context_tokens "
                f"{self.context_tokens}; the nearest that is: {near}"
            )
        if self.rows % self.micro_batches:
            raise ValueError(
                f"{self.rows} rows (batch_tokens / context_tokens) do not split into micro_batches "
                f"{self.micro_batches} equal parts; choose a divisor of {self.rows}"
            )
        return self
