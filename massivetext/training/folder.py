"""Define what a training run writes, and where. No other module spells these paths."""

from pathlib import Path

CHECKPOINTS, METRICS, TIMING, TENSORBOARD = "checkpoints", "metrics.jsonl", "timing.jsonl", "tensorboard"
OUTPUTS = (CHECKPOINTS, METRICS, TIMING, TENSORBOARD)


class TrainingFolder:
    """The folder of one training: `checkpoints/`, `metrics.jsonl`, `timing.jsonl`, `tensorboard/`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / CHECKPOINTS
        """Folder with one subfolder per checkpoint."""
        self.metrics = path / METRICS
        """Reproducible rows: step, tokens, losses, learning rate, gradient norm."""
        self.timing = path / TIMING
        """Speeds."""
        self.tensorboard = path / TENSORBOARD
        """TensorBoard's events."""

    @classmethod
    def holding(cls, checkpoints: Path) -> "TrainingFolder":
        """Return the training folder for a path: the path of the folder itself, or of its folder of checkpoints."""
        return cls(checkpoints.parent if checkpoints.name == CHECKPOINTS else checkpoints)

    def has_checkpoints(self) -> bool:
        """Return whether there is any checkpoint, complete or not."""
        return any(self.checkpoints.glob("step-*"))
