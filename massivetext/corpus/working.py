"""Run tasks in a separate process, for libraries that hold the interpreter lock and may hang or crash on bad input.

`run(task, argument, text, seconds)` applies the function `task` ("module:name", from two strings to one) to a text and
returns the result. It runs in a fresh interpreter (not forked, and without the caller's `__main__`), one for each
thread that calls `run` at the same time. The workers end with this process. Texts go through pipes, length first.

The result depends on the text alone, not on the machine's load. The limit counts the worker's processor time. A worker
that was killed or stopped from outside is replaced, and its text is read again. Only a text that also crashes a fresh
worker is refused.
"""

import atexit
import contextlib
import os
import select
import signal
import struct
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from queue import Empty, LifoQueue
from threading import Lock
from typing import IO, BinaryIO, cast

from massivetext.errors import BadDocument, MassiveTextError

QUESTION = struct.Struct("<dq")
"""Seconds of processor time, bytes of text."""
ANSWER = struct.Struct("<bq")
"""How it ended, bytes of the text or of the reason."""
DONE, REFUSED, NO_MEMORY = 0, 1, 2
MEMORY_BYTES = 4 * 2**30
"""A worker that needs more memory fails at that text."""
STALLED_SECONDS = 60.0
"""A worker that uses no processor time for this long is replaced."""
MAX_CRASHES, MAX_KILLS = 2, 5
"""How often a worker may crash, or be killed from outside, while it reads one text."""
UNPARSABLE, TOO_SLOW = "could not be parsed", "took longer than seconds_per_page"
CRASHES, TOO_LARGE = "crashes the parser", "needs too much memory to parse"
OWN_SIGNALS = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP}
"""Signals that end a process through its own fault; other signals mean that someone else ended it."""

_idle: dict[tuple[str, str], "LifoQueue[subprocess.Popen[bytes]]"] = {}
_lock = Lock()


class _Stalled(Exception):
    """Raised if a worker has used no processor time for STALLED_SECONDS."""


def run(task: str, argument: str, text: str, seconds: float) -> str:
    """Return the result of the task for a text.

    task: "module:function"; argument: its first argument; `text` is its second. seconds: maximum processor time for the
    text. Raises BadDocument with the reason if the text cannot be used, MassiveTextError if workers are killed from
    outside repeatedly or cannot be started.
    """
    with _lock:
        idle = _idle.setdefault((task, argument), LifoQueue())
    question, crashes, kills = text.encode(errors="replace"), 0, 0
    try:
        worker = idle.get_nowait()
    except Empty:
        worker = _started(task, argument)
    while True:
        try:
            status, answer = _asked(worker, question, seconds)
        except (OSError, EOFError, _Stalled):
            ended_by = -_end(worker, patience=1.0)
            if ended_by == signal.SIGPROF:
                raise BadDocument(TOO_SLOW) from None
            if ended_by in OWN_SIGNALS:
                crashes += 1
            else:
                kills += 1
            if kills == MAX_KILLS:
                raise MassiveTextError(_ended(task, ended_by)) from None
            reason = CRASHES
        except BaseException:
            _end(worker)
            raise
        else:
            if status != NO_MEMORY:
                break
            # Memory still in use from earlier texts must not decide the result.
            _end(worker)
            crashes += 1
            reason = TOO_LARGE
        if crashes == MAX_CRASHES:
            raise BadDocument(reason)
        worker = _started(task, argument)
    idle.put(worker)
    if status == REFUSED:
        raise BadDocument(answer.decode(errors="replace"))
    return answer.decode(errors="replace")


def _ended(task: str, ended_by: int) -> str:
    """Return the message for workers that ended through no fault of the text. ended_by: the signal, else negative."""
    if ended_by <= 0:
        return (
            f"the process for {task} ended with status {-ended_by} {MAX_KILLS} times; run "
            f"`python -m massivetext.corpus.working {task} x </dev/null` to see why"
        )
    return (
        f"the process for {task} was killed or stopped from outside {MAX_KILLS} times while it read one text (last by "
        f"{signal.Signals(ended_by).name}); the machine may be out of memory. Free memory or use fewer threads, then "
        "start the build again: it resumes with the unfinished parts"
    )


def _end(worker: "subprocess.Popen[bytes]", patience: float = 0.0) -> int:
    """Stop a worker, close its pipes, and return its exit status: the negative signal number if a signal ended it.

    patience: seconds to wait for a worker that is about to end by itself.
    """
    try:
        status = worker.wait(patience)
    except subprocess.TimeoutExpired:
        worker.kill()
        status = worker.wait()
    for pipe in (worker.stdin, worker.stdout):
        cast(IO[bytes], pipe).close()
    return status


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


def _asked(worker: "subprocess.Popen[bytes]", text: bytes, seconds: float) -> tuple[int, bytes]:
    """Return how the worker ended and its answer; raise EOFError if the worker is gone, _Stalled if it is stuck."""
    asking = cast(IO[bytes], worker.stdin).fileno()
    answering = cast(IO[bytes], worker.stdout).fileno()
    left = memoryview(QUESTION.pack(seconds, len(text)) + text)
    answer = bytearray()
    used = -1
    while True:
        # poll instead of select, because it accepts file descriptors of any size.
        poll = select.poll()
        poll.register(answering, select.POLLIN)
        if left:
            poll.register(asking, select.POLLOUT)
        ready = poll.poll(STALLED_SECONDS * 1000)
        if not ready:
            before, used = used, _processor_ticks(worker.pid)
            if used == before:
                raise _Stalled
        for number, _ in ready:
            if number == asking:
                left = left[os.write(asking, left[: 2**16]) :]
                continue
            data = os.read(answering, 2**16)
            if not data:
                raise EOFError
            answer += data
        if len(answer) >= ANSWER.size:
            status, size = ANSWER.unpack_from(answer)
            if len(answer) == ANSWER.size + size:
                return status, bytes(answer[ANSWER.size :])


def _processor_ticks(process: int) -> int:
    """Return the processor time of a process, in kernel ticks."""
    # The name, in brackets, may contain spaces.
    fields = Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def serve(task: str, argument: str, asking: BinaryIO, answering: BinaryIO) -> None:
    """Answer texts until the input ends."""
    module, _, name = task.partition(":")
    work = getattr(import_module(module), name)
    with contextlib.suppress(Exception):
        # Import what the task needs without charging it to a text.
        work(argument, "")
    while len(head := asking.read(QUESTION.size)) == QUESTION.size:
        seconds, size = QUESTION.unpack(head)
        text = asking.read(size).decode()
        status = REFUSED
        # The default action of the timer's signal ends the process, whatever the library is doing.
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            answer = str(work(argument, text)).encode(errors="replace")
            status = DONE
        except BadDocument as error:
            answer = str(error).encode(errors="replace")
        except MemoryError:
            answer, status = b"", NO_MEMORY
        except (Exception, SystemExit):  # an error of the library in one text must not affect the next
            answer = UNPARSABLE.encode()
        signal.setitimer(signal.ITIMER_PROF, 0)
        answering.write(ANSWER.pack(status, len(answer)) + answer)
        answering.flush()


if __name__ == "__main__":
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    # Ctrl-C reaches all processes of a terminal; workers end when their pipes break.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Anything that a library prints must not mix with the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.argv[1], sys.argv[2], sys.stdin.buffer, answers)
