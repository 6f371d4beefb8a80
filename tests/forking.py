"""Starts Python programs in forks of one process that has imported the package: in milliseconds, not in seconds.

A fork is a process like any other: tests that kill it, or look at what it prints and leaves, need no more. Tests of the
start itself, of the environment, of signals or of memory start programs of their own.
"""

import multiprocessing
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

IMPORTED = [
    "torch._dynamo", "torch._inductor.compile_fx", "jinja2", "pandas", "pyarrow.dataset", "scipy.optimize",
    "massivetext.cli", "massivetext.corpus.building", "massivetext.evaluation.splits", "massivetext.models.auto",
    "massivetext.report.page", "massivetext.tasks.pipelines", "massivetext.tokens.ngram", "massivetext.training.loop",
]  # fmt: skip
STREAMS = ("stdin", "stdout", "stderr")


class Fork:
    """A process that runs `python ARGUMENTS`: a file, `-c CODE` or `-m MODULE`, in a process group of its own.

    It has the methods of `subprocess.Popen` that tests need.
    """

    def __init__(self, arguments: Sequence[object]) -> None:
        _import_everything()
        self._start(_run_python, *map(str, arguments))

    def _start(self, function: object, *arguments: str) -> None:
        folder = tempfile.mkdtemp()
        weakref.finalize(self, shutil.rmtree, folder)
        self.streams = [Path(folder, name) for name in STREAMS]
        for path in self.streams:
            path.touch()
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(IMPORTED)
        self._process = context.Process(target=function, args=(self.streams, arguments))
        self._process.start()
        self.pid = self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        """The exit status, negative if a signal ended it, None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return `returncode`."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end, and return the exit status."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("a fork", timeout or 0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for the end, and return what it has printed."""
        self.wait(timeout)
        said, complained = (path.read_text(encoding="utf-8") for path in self.streams[1:])
        return said, complained


def seconds_of_forks() -> float:
    """Return the processor time of the process that forks and of all forks that have ended."""
    stat = Path(f"/proc/{_import_everything()}/stat") if _import_everything.cache_info().currsize else None
    if stat is None or not stat.is_file():
        return 0.0
    fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def run_python(*arguments: object, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run `python ARGUMENTS` in a fork to its end."""
    process = Fork(arguments)
    said, complained = process.communicate(timeout)
    return subprocess.CompletedProcess(arguments, process.wait(), said, complained)


@cache
def _import_everything() -> int:
    """Wait until the process that forks is ready, as it is for every later program; return its number."""
    gone = [name for name in IMPORTED if not find_spec(name)]
    assert not gone, f"{gone}: no such module, and multiprocessing ignores that in silence"
    first = Fork.__new__(Fork)
    first._start(_tell_parent)
    return int(first.communicate()[0])


def _tell_parent(streams: list[Path], arguments: Sequence[str]) -> None:
    streams[1].write_text(str(os.getppid()), encoding="utf-8")


def _run_python(streams: list[Path], arguments: Sequence[str]) -> None:
    os.setsid()
    for number, path in enumerate(streams):
        os.dup2(os.open(path, os.O_RDWR | os.O_APPEND), number)
    sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, encoding="utf-8") for number in (1, 2))  # noqa: SIM115
    kind, *others = arguments
    if kind == "-m":
        sys.argv = others
        runpy.run_module(others[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv = ["-c", *others[1:]]
        exec(compile(others[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = list(arguments)
        sys.path.insert(0, str(Path(kind).parent))
        runpy.run_path(kind, run_name="__main__")
