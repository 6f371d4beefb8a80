"""Progress of long work, on stderr: a bar with rate and time left on a terminal, a line every ten seconds elsewhere.

Work that cannot count its steps shows how long it has taken, so that nothing is silent for long.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from massivetext.translations import tr
from massivetext.visible import visible

LINE_INTERVAL_SECONDS = 10.0


def duration_text(seconds: float) -> str:
    """Return a duration: 0.8 s, 42 s, 3 min 05 s, 2 h 10 min, 12 days."""
    if seconds < 9.95:
        return tr("{seconds} s", seconds=f"{seconds:.1f}")
    whole = round(seconds)
    if whole < 60:
        return tr("{seconds} s", seconds=whole)
    if whole < 3600:
        return tr("{minutes} min {seconds} s", minutes=whole // 60, seconds=f"{whole % 60:02d}")
    if whole < 100 * 3600:
        return tr("{hours} h {minutes} min", hours=whole // 3600, minutes=f"{whole % 3600 // 60:02d}")
    return tr("{days} days", days=f"{whole / 86400:,.0f}")


class Task:
    """One piece of long work: call `advance` as it goes; `note` shows a few words beside the bar.

    total: units of work, None where it is not known. unit: what is counted; empty where nothing is counted.
    """

    def __init__(self, title: str, total: float | None, unit: str, quiet: bool) -> None:
        self.title, self.total, self.unit, self.quiet = title, total, unit, quiet
        self.done = 0.0
        self.documents = 0
        self.words = ""
        self.started_at = time.monotonic()
        self._bar = None
        if not quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                Progress,
                TaskProgressColumn,
                TextColumn,
                TimeElapsedColumn,
                TimeRemainingColumn,
            )

            counts = (TaskProgressColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
            self._bar = Progress(
                TextColumn("[bold]{task.description}"),
                BarColumn(bar_width=24),
                *(counts if total else (TextColumn("{task.fields[rate]}"), TimeElapsedColumn())),
                TextColumn("{task.fields[words]}"),
                console=Console(stderr=True),
                refresh_per_second=4,
            )
            self._bar.start()
            self._bar_id = self._bar.add_task(title, total=total, rate="", words="")
        self._ended = threading.Event()
        if not quiet and self._bar is None:
            threading.Thread(target=self._print_lines, daemon=True).start()

    def advance(self, amount: float = 1.0, note: str | None = None) -> None:
        """Count `amount` more units as done; `note` replaces the words shown beside the bar."""
        self.done += amount
        if note is not None:
            self.words = note
        if self._bar is not None:
            self._bar.update(self._bar_id, completed=self.done, rate=self.rate(), words=self.words)

    def report(self, amount: float, documents: int) -> None:
        """Count `amount` more units as done, and documents among them; from the first one on they are shown."""
        self.documents += documents
        note = tr("{count} documents", count=f"{self.documents:,}") if self.documents else None
        self.advance(amount, note)

    def _print_lines(self) -> None:
        """Print the state now and then, whether or not the work has advanced."""
        while not self._ended.wait(LINE_INTERVAL_SECONDS):
            print(self.line(), file=sys.stderr, flush=True)

    def rate(self) -> str:
        """Return the mean rate so far in the task's unit, e.g. "12.3 MB/s"; nothing where nothing is counted."""
        if not self.unit or (self.total is None and not self.done):
            return ""
        per_second = self.done / max(time.monotonic() - self.started_at, 1e-9)
        if self.unit == "B":
            return f"{per_second / 1e6:.1f} MB/s"
        return f"{per_second:,.1f} {self.unit}/s" if per_second < 100 else f"{per_second:,.0f} {self.unit}/s"

    def line(self) -> str:
        """Return the state in one line: share done and time left, or time taken; rate; words."""
        parts = [self.title]
        elapsed = time.monotonic() - self.started_at
        if self.total is None:
            parts.append(duration_text(elapsed))
        elif self.total:
            parts.append(f"{100 * min(self.done / self.total, 1.0):.0f} %")
            if self.done:  # before the first unit nothing is known of the rest
                left = elapsed / self.done * max(self.total - self.done, 0.0)
                parts.append(tr("{time} left", time=duration_text(left)))
        return visible("  ".join(part for part in [*parts, self.rate(), self.words] if part))

    def close(self) -> None:
        """Stop drawing."""
        self._ended.set()
        if self._bar is not None:
            self._bar.stop()


@contextmanager
def progress(title: str, total: float | None = None, unit: str = "", quiet: bool = False) -> Iterator[Task]:
    """Yield a Task for one piece of long work.

    unit: "B" counts bytes; any other word is shown as it is; empty where nothing is counted.
    """
    task = Task(title, total, unit, quiet)
    try:
        yield task
    finally:
        task.close()


def log(message: str) -> None:
    """Print one line for the user on stderr (stdout belongs to results)."""
    print(visible(message), file=sys.stderr, flush=True)
