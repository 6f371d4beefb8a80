"""Work that a process of its own does: for libraries that hold the interpreter's lock, and that hostile input may hang
or bring down.

`run(task, argument, text)` gives what the function `task` ("module:name", from two strings to one) makes of a text. It
runs in a fresh interpreter (not forked, and without the caller's `__main__`), one for each thread that asks at the same
time; they end when this process does. Texts go through pipes, length first.
"""

import atexit
import os
import select
import struct
import subprocess
import sys
import time
from importlib import import_module
from queue import Empty, LifoQueue
from threading import Lock
from typing import IO, BinaryIO, cast

LENGTH = struct.Struct("<q")
FAILED = -1
MEMORY_BYTES = 4 * 2**30
"""A worker that asks for more fails at that text."""

_idle: dict[tuple[str, str], "LifoQueue[subprocess.Popen[bytes]]"] = {}
_lock = Lock()


def run(task: str, argument: str, text: str, seconds: float) -> str | None:
    """Return what the task makes of a text; None if it fails, brings its process down, or takes longer than allowed.

    task: "module:function"; argument: its first argument, `text` its second.
    """
    with _lock:
        idle = _idle.setdefault((task, argument), LifoQueue())
    try:
        worker = idle.get_nowait()
    except Empty:
        worker = _started(task, argument)
    try:
        answer = _asked(worker, text.encode(errors="replace"), time.monotonic() + seconds)
    except (OSError, EOFError, TimeoutError):
        _end(worker)
        return None
    idle.put(worker)
    return None if answer is None else answer.decode(errors="replace")


def _end(worker: "subprocess.Popen[bytes]") -> None:
    """Stop a worker and close what leads to it."""
    worker.kill()
    worker.wait()
    for pipe in (worker.stdin, worker.stdout):
        cast(IO[bytes], pipe).close()


@atexit.register
def _end_all() -> None:
    """Stop the idle workers (they would end by themselves when the pipes to them break)."""
    for idle in _idle.values():
        while not idle.empty():
            _end(idle.get_nowait())


def _started(task: str, argument: str) -> "subprocess.Popen[bytes]":
    """Return a new worker process."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "massivetext.corpus.working", task, argument]
    worker = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, bufsize=0
    )
    os.set_blocking(cast(IO[bytes], worker.stdin).fileno(), False)
    os.set_blocking(cast(IO[bytes], worker.stdout).fileno(), False)
    return worker


def _asked(worker: "subprocess.Popen[bytes]", text: bytes, deadline: float) -> bytes | None:
    """Return a worker's answer; raise TimeoutError when the deadline has passed, EOFError if the worker ended."""
    asking = cast(IO[bytes], worker.stdin).fileno()
    answering = cast(IO[bytes], worker.stdout).fileno()
    left = memoryview(LENGTH.pack(len(text)) + text)
    answer = bytearray()
    wanted = LENGTH.size
    while True:
        # poll, not select: it takes file numbers of any size.
        poll = select.poll()
        poll.register(answering, select.POLLIN)
        if left:
            poll.register(asking, select.POLLOUT)
        ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
        if not ready:
            raise TimeoutError
        for number, _ in ready:
            if number == asking:
                left = left[os.write(asking, left[: 2**16]) :]
                continue
            data = os.read(answering, 2**16)
            if not data:
                raise EOFError
            answer += data
        if len(answer) >= LENGTH.size:
            (size,) = LENGTH.unpack_from(answer)
            if size == FAILED:
                return None
            wanted = LENGTH.size + size
            if len(answer) == wanted:
                return bytes(answer[LENGTH.size :])


def serve(task: str, argument: str, asking: BinaryIO, answering: BinaryIO) -> None:
    """Answer texts until there are no more."""
    module, _, name = task.partition(":")
    work = getattr(import_module(module), name)
    while len(head := asking.read(LENGTH.size)) == LENGTH.size:
        text = asking.read(LENGTH.unpack(head)[0]).decode()
        try:
            answer = str(work(argument, text)).encode(errors="replace")
        except Exception:  # Whatever a library raises on one text must not cost the next.
            answering.write(LENGTH.pack(FAILED))
        else:
            answering.write(LENGTH.pack(len(answer)) + answer)
        answering.flush()


if __name__ == "__main__":
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    # What a library prints must not get among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.argv[1], sys.argv[2], sys.stdin.buffer, answers)
