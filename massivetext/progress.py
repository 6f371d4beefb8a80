"""Progress of long work, on stderr: a bar with rate and time left on a terminal, a line now and then elsewhere."""

import sys
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
    """One piece of long work: call `advance` as it goes; `note` shows a few words beside the bar."""

    def __init__(self, title: str, total: float | None, unit: str, quiet: bool) -> None:
        self.title, self.total, self.unit, self.quiet = title, total, unit, quiet
        self.done = 0.0
        self.words = ""
        self.started_at = time.monotonic()
        self._shown_at = self.started_at
        self._bar = None
        if not quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("[bold]{task.description}"),
                BarColumn(bar_width=24),
                TaskProgressColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[words]}"),
                console=Console(stderr=True),
                refresh_per_second=4,
            )
            self._bar.start()
            self._bar_id = self._bar.add_task(title, total=total, rate="", words="")

    def advance(self, amount: float = 1.0, note: str | None = None) -> None:
        """Count `amount` more units as done; `note` replaces the words shown beside the bar."""
        self.done += amount
        if note is not None:
            self.words = note
        if self._bar is not None:
            self._bar.update(self._bar_id, completed=self.done, rate=self.rate(), words=self.words)
        elif not self.quiet and time.monotonic() - self._shown_at >= LINE_INTERVAL_SECONDS:
            self._shown_at = time.monotonic()
            print(self.line(), file=sys.stderr, flush=True)

    def rate(self) -> str:
        """Return the mean rate so far in the task's unit, e.g. "12.3 MB/s"."""
        per_second = self.done / max(time.monotonic() - self.started_at, 1e-9)
        if self.unit == "B":
            return f"{per_second / 1e6:.1f} MB/s"
        return f"{per_second:,.1f} {self.unit}/s" if per_second < 100 else f"{per_second:,.0f} {self.unit}/s"

    def line(self) -> str:
        """Return the state in one line: share done, rate, time left, words."""
        parts = [self.title]
        if self.total:
            elapsed = time.monotonic() - self.started_at
            parts.append(f"{100 * min(self.done / self.total, 1.0):.0f} %")
            if self.done:  # before the first unit nothing is known of the rest
                left = elapsed / self.done * max(self.total - self.done, 0.0)
                parts.append(tr("{time} left", time=duration_text(left)))
        return "  ".join([*parts, self.rate(), self.words]).rstrip()

    def close(self) -> None:
        """Stop drawing."""
        if self._bar is not None:
            self._bar.stop()


@contextmanager
def progress(title: str, total: float | None = None, unit: str = "it", quiet: bool = False) -> Iterator[Task]:
    """Yield a Task for one piece of long work. unit: "B" counts bytes; any other word is shown as it is."""
    task = Task(title, total, unit, quiet)
    try:
        yield task
    finally:
        task.close()


def log(message: str) -> None:
    """Print one line for the user on stderr (stdout belongs to results)."""
    print(visible(message), file=sys.stderr, flush=True)
