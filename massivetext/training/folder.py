"""What a training writes, and where. No other module spells these paths."""

from pathlib import Path

CHECKPOINTS, METRICS, TIMING, TENSORBOARD = "checkpoints", "metrics.jsonl", "timing.jsonl", "tensorboard"
OUTPUTS = (CHECKPOINTS, METRICS, TIMING, TENSORBOARD)


class TrainingFolder:
    """The folder of one training: `checkpoints/`, `metrics.jsonl`, `timing.jsonl`, `tensorboard/`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / CHECKPOINTS
        """A folder for each checkpoint."""
        self.metrics = path / METRICS
        """Reproducible rows: step, tokens, losses, learning rate, gradient norm."""
        self.timing = path / TIMING
        """Speeds."""
        self.tensorboard = path / TENSORBOARD
        """TensorBoard's events."""

    @classmethod
    def holding(cls, checkpoints: Path) -> "TrainingFolder":
        """Return the training folder of a path that is one, or that is its folder of checkpoints."""
        return cls(checkpoints.parent if checkpoints.name == CHECKPOINTS else checkpoints)

    def has_checkpoints(self) -> bool:
        """Return whether any step was saved, complete or not."""
        return any(self.checkpoints.glob("step-*"))
