"""Runs MassiveText's commands in forked processes and kills one at the N-th call that changes the disk.

A server: each line of stdin is a JSON request, each line of stdout its answer. Everything heavy is imported once, here,
and each command runs in a fork. Requests: {"commands": [[argument, ...], ...], "cwd": folder, "kill_at": N or 0}. All
commands start at once, the first one is killed. Answers: {"status": [...], "said": [...], "calls": N}.

Calls that count: opening for writing, rename, unlink, mkdir, rmdir, truncate and fsync, made by Python below `cwd`.
What libraries of C and Rust write goes to files with temporary names, which only Python's calls make visible.
"""

import json
import os
import signal
import sys
import tempfile
import threading
import traceback
from contextlib import suppress
from pathlib import Path

import gguf  # noqa: F401
import jinja2  # noqa: F401
import pandas as pd  # noqa: F401
import pyarrow.dataset  # noqa: F401
import scipy.optimize
import scipy.sparse
import scipy.stats  # noqa: F401
import torch._dynamo  # noqa: F401

import massivetext.cli
import massivetext.corpus.classifying
import massivetext.corpus.planning
import massivetext.evaluation.splits
import massivetext.models.auto
import massivetext.models.files.gguf_export
import massivetext.report.page
import massivetext.runs.execution
import massivetext.runs.takedowns
import massivetext.tasks.pipelines
import massivetext.tokens.ngram
import massivetext.tokens.store
import massivetext.training.loop

massivetext.corpus.planning.PART_BYTES = 1500  # several parts of little text
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class Counter:
    """Counts calls that change the disk below a folder; at the one with the number `kill_at` the process ends."""

    def __init__(self, root: str, kill_at: int) -> None:
        self.root, self.kill_at, self.calls, self.lock = root, kill_at, 0, threading.Lock()
        fsync = os.fsync

        def counted(descriptor: int) -> None:
            self.count()
            fsync(descriptor)

        os.fsync = counted
        sys.addaudithook(self.hook)

    def hook(self, event: str, arguments: tuple) -> None:
        if event in CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING):
            path = arguments[0]
            if isinstance(path, str | bytes | Path) and os.path.abspath(os.fsdecode(path)).startswith(self.root):
                self.count()

    def count(self) -> None:
        with self.lock:
            self.calls += 1
            if self.calls == self.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
                threading.Event().wait()


def save_pretrained(model: str, folder: str) -> None:
    """Open a model folder and write it elsewhere."""
    massivetext.models.auto.AutoModelForCausalLM.from_pretrained(model).save_pretrained(Path(folder))


def perform(command: list[str], cwd: str, kill_at: int, said: int, counted: int) -> None:
    """Run a command in this process, which is a fork, and end it."""
    os.setsid()
    os.chdir(cwd)
    os.dup2(said, 1)
    os.dup2(said, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    counter = Counter(os.path.abspath(cwd), kill_at)
    status = 0
    try:
        if command[0] == "save_pretrained":
            save_pretrained(*command[1:])
        else:
            sys.argv = command
            massivetext.cli.main()
    except SystemExit as error:
        status = int(error.code or 0)
    except BaseException:
        traceback.print_exc()
        status = 70
    sys.stdout.flush()
    sys.stderr.flush()
    os.pwrite(counted, str(counter.calls).encode(), 0)
    os._exit(status)


def answer(request: dict) -> dict:
    """Return what became of the commands of a request."""
    running = []
    for number, command in enumerate(request["commands"]):
        said, counted = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        child = os.fork()
        if child == 0:
            kill_at = request["kill_at"] if number == 0 else 0
            perform(command, request["cwd"], kill_at, said.fileno(), counted.fileno())
        running.append((child, said, counted))
    statuses, texts, calls = [], [], 0
    for child, said, counted in running:
        _, status = os.waitpid(child, 0)
        statuses.append(os.waitstatus_to_exitcode(status))
        with suppress(ProcessLookupError):  # what it started must not outlive it
            os.killpg(child, signal.SIGKILL)
        said.seek(0)
        counted.seek(0)
        texts.append(said.read().decode(errors="replace"))
        calls = max(calls, int(counted.read() or 0))
    return {"status": statuses, "said": texts, "calls": calls}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
