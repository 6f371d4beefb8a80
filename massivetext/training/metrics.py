"""Record the progress of a run in metrics.jsonl (reproducible), timing.jsonl (speeds) and TensorBoard events."""

import hashlib
import json
import math
import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from massivetext.errors import StoreError
from massivetext.progress import log
from massivetext.storage import full_disk_named
from massivetext.training.folder import TrainingFolder
from massivetext.translations import tr

ROW_KEYS = ({"tokens"}, {"tokens_per_second", "utilisation_fraction", "elapsed_seconds"})
"""Keys of rows of metrics.jsonl and of timing.jsonl, besides the step."""


@dataclass
class Sums:
    """Sums since the last row of metrics.jsonl: nats (float64) and tokens per source; part of a checkpoint."""

    sources: Sequence[str]
    nats: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    gradient_norms: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.nats = self.nats or [0.0] * len(self.sources)
        self.tokens = self.tokens or [0] * len(self.sources)

    def add(self, row_nats: np.ndarray, row_tokens: np.ndarray, row_sources: np.ndarray) -> None:
        """Add the rows of a batch: nats (float64), counted tokens and source number of each row; all (rows,)."""
        for number in range(len(self.sources)):
            mine = row_sources == number
            self.nats[number] += math.fsum(row_nats[mine])
            self.tokens[number] += int(row_tokens[mine].sum())

    def row(self) -> dict[str, Any]:
        """Return the loss (nats per token), the loss of each source seen, and the mean gradient norm."""
        seen = [i for i, tokens in enumerate(self.tokens) if tokens]
        norms = self.gradient_norms
        return {
            "loss": math.fsum(self.nats) / max(sum(self.tokens), 1),
            "losses": {self.sources[i]: self.nats[i] / self.tokens[i] for i in seen},
            "gradient_norm": math.fsum(norms) / max(len(norms), 1),
        }

    def state(self) -> dict[str, Any]:
        """Return the sums as JSON values. They are exact: Python writes a float64 so that it reads back unchanged."""
        return {"nats": self.nats, "tokens": self.tokens, "gradient_norms": self.gradient_norms}


class RunLog:
    """The files of a run that grow row by row. Opening them at a step first removes the rows of later steps."""

    def __init__(
        self,
        folder: TrainingFolder,
        step: int,
        tensorboard: bool | Path = True,
        recorded: Mapping[str, Any] | None = None,
    ) -> None:
        folder.path.mkdir(parents=True, exist_ok=True)
        path = folder.metrics
        self._written = _kept_rows(path, recorded) if recorded else hashlib.sha256()
        if not recorded:
            path.write_bytes(b"")
        self._bytes = path.stat().st_size
        cut_back(folder.timing, step)
        self._paths = {"metrics": folder.metrics, "timing": folder.timing}
        self._streams = {name: path.open("a", encoding="utf-8") for name, path in self._paths.items()}
        timed = read_rows(folder.timing)
        self.elapsed_seconds: float = timed[-1]["elapsed_seconds"] if timed else 0.0
        """Wall time of the run so far, including the time before it was resumed."""
        events = folder.tensorboard if tensorboard is True else tensorboard
        self._events = _EventFile(events) if events else None

    def write(self, name: str, row: Mapping[str, Any]) -> None:
        """Append a row to "metrics" or "timing" so that readers see it at once, and its numbers to TensorBoard."""
        line = json.dumps(row, ensure_ascii=False) + "\n"
        with full_disk_named(self._paths[name]):
            self._streams[name].write(line)
            self._streams[name].flush()
        if name == "metrics":
            self._written.update(line.encode())
            self._bytes += len(line.encode())
        if self._events is not None:
            self._events.add(row)

    def sync(self) -> dict[str, Any]:
        """Sync all rows to disk, since no checkpoint may be newer than its rows; return size and digest of metrics."""
        with full_disk_named(self._paths["metrics"]):
            for stream in self._streams.values():
                stream.flush()
                os.fsync(stream.fileno())
        return {"bytes": self._bytes, "sha256": self._written.hexdigest()}

    def close(self) -> None:
        """Close the files."""
        for stream in self._streams.values():
            stream.close()
        if self._events is not None:
            self._events.close()


class _EventFile:
    """TensorBoard scalars, one tag per number: loss, losses/SOURCE, learning_rate, ...

    Each row is one record, written by the calling thread. torch's SummaryWriter hands every number to a separate
    thread, which takes the interpreter away from the training threads.
    """

    def __init__(self, folder: Path) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time_ns()}.{socket.gethostname()}.{os.getpid()}"
        self._event, self._summary = Event, Summary
        self._records = RecordWriter(open(folder / name, "wb"))  # noqa: SIM115 - closed by the RecordWriter
        self._write(file_version="brain.Event:2")

    def add(self, row: Mapping[str, Any]) -> None:
        tags: dict[str, Any] = {}
        for name, value in row.items():
            parts = value.items() if isinstance(value, Mapping) else ()
            tags |= {f"{name}/{key}": one for key, one in parts} or {name: value}
        step = tags.pop("step")
        numbers = {tag: number for tag, number in tags.items() if isinstance(number, int | float)}
        values = [self._summary.Value(tag=tag, simple_value=number) for tag, number in numbers.items()]
        self._write(step=step, summary=self._summary(value=values))
        self._records.flush()

    def close(self) -> None:
        self._records.close()

    def _write(self, **fields: Any) -> None:
        self._records.write(self._event(wall_time=time.time(), **fields).SerializeToString())


def _kept_rows(path: Path, recorded: Mapping[str, Any]) -> "hashlib._Hash":
    """Truncate metrics.jsonl to the rows that a checkpoint recorded and return their running digest.

    Raises StoreError if these rows have changed: an interruption or a power cut can damage later rows only.
    """
    data = path.read_bytes()[: recorded["bytes"]] if path.is_file() else b""
    digest = hashlib.sha256(data)
    if digest.hexdigest() != recorded["sha256"]:
        what = "is damaged" if path.is_file() else "is missing"
        raise StoreError(
            f"{path} {what}: its first {recorded['bytes']:,} bytes are not the rows that the checkpoint was written "
            f"with. Restore it from a copy, or delete {TrainingFolder(path.parent).checkpoints} and give the same "
            f"command again to train from the first step"
        )
    os.truncate(path, len(data))
    return digest


def cut_back(path: Path, step: int) -> None:
    """Drop all rows after `step` from timing.jsonl, and everything from the first unreadable row on, with a warning."""
    if not path.is_file():
        return
    end = 0
    with open(path, "rb+") as stream:
        for line in stream:
            row = _row(line)
            if row is None and line.endswith(b"\n"):
                log(tr("{path} is damaged; the speeds from byte {place} on are dropped", path=path, place=end))
            if row is None or row["step"] > step:
                break
            end += len(line)
        stream.truncate(end)


def _row(line: bytes) -> dict[str, Any] | None:
    """Return a row of a JSON lines file, or None for a line that is incomplete or not a row."""
    try:
        row = json.loads(line.decode("utf-8")) if line.endswith(b"\n") else None
    except ValueError:
        return None
    whole = isinstance(row, dict) and isinstance(row.get("step"), int) and any(keys <= row.keys() for keys in ROW_KEYS)
    return row if whole else None


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a JSON lines file, without a last line that is still being written.

    Raises StoreError that names the first line that is not a row.
    """
    lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
    rows = [_row(line) for line in lines if line.endswith(b"\n")]
    if None in rows:
        raise StoreError(
            f"{path} is damaged: line {rows.index(None) + 1} is no row. Restore the file from a copy; once the "
            f"training is finished it can also be deleted, and reports then have no curve"
        )
    return [row for row in rows if row is not None]
