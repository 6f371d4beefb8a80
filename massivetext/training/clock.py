"""Measure the speed of a run for timing.jsonl and the progress bar."""

import time

from torch import nn

from massivetext.training.machine import precision_for, training_device
from massivetext.training.metrics import RunLog
from massivetext.training.settings import TrainSettings
from massivetext.training.utilisation import MatmulPeak, flops_per_token, synchronise
from massivetext.translations import tr

TIMING_EVERY_SECONDS = 2.0


class Clock:
    """Times steps. Evaluations, checkpoints and peak measurements count only in elapsed_seconds."""

    def __init__(self, model: nn.Module, settings: TrainSettings, files: RunLog, counted: int) -> None:
        self._device, self._files, self._counted = training_device(model), files, counted
        self._flops = flops_per_token(model, settings.context_tokens)
        self._peak = MatmulPeak(self._device, precision_for(settings, self._device))
        self._seconds, self._speed, self._used = 0.0, 0.0, 0.0
        self._elapsed_before = files.elapsed_seconds
        self._began = self._mark = self.checkpoint_at = time.monotonic()

    def tick(self, step: int, counted: int, final: bool) -> None:
        """Count a step as done; every few seconds write a row of timing.jsonl. counted: predictions so far."""
        due = final or self._seconds + time.monotonic() - self._mark >= TIMING_EVERY_SECONDS
        if due:
            synchronise(self._device)
        now = time.monotonic()
        self._seconds += now - self._mark
        if due:
            self._speed = (counted - self._counted) / max(self._seconds, 1e-9)
            self._used = self._speed * self._flops / self._peak.value()
            row = {
                "step": step,
                "tokens_per_second": self._speed,
                "utilisation_fraction": self._used,
                "elapsed_seconds": self._elapsed_before + now - self._began,
            }
            self._files.write("timing", row)
            self._seconds, self._counted = 0.0, counted
        self._mark = now

    def resume(self) -> None:
        """Start timing the next step; the time since `tick` does not count as training."""
        self._mark = time.monotonic()

    def words(self, loss: float) -> str:
        """Return loss, tokens per second and utilisation for the progress bar."""
        if not self._speed:
            return tr("loss {loss}", loss=f"{loss:.3f}")
        return tr(
            "loss {loss}, {speed} tokens/s, {used} % of the matmul peak",
            loss=f"{loss:.3f}",
            speed=f"{self._speed:,.0f}",
            used=f"{100 * self._used:.0f}",
        )
