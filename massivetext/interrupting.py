"""Handles Ctrl-C and SIGTERM on the command line. The first one stops the work in order, the second one at once.

Python runs signal handlers between two instructions of the main thread, which may be busy in a library for a long
time. So a thread reads the wake-up descriptor, to which the low-level handler writes, and prints what will happen.
"""

import os
import signal
import sys
import threading
from types import FrameType

from massivetext.translations import tr

_received: list[int] = []
"""The signals received so far, in order."""
_watching = False
_training = False


def watch_signals() -> None:
    """Handle SIGINT and SIGTERM from now on. Signals that the process ignored from its start remain ignored."""
    global _watching
    chosen = [
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGTERM, signal.SIG_DFL),
    ]
    if threading.current_thread() is not threading.main_thread() or _watching:
        return
    _watching = True
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    for number, usual in chosen:
        if signal.getsignal(number) == usual:
            signal.signal(number, _interrupt)
    threading.Thread(target=_answer, args=(read_end,), name="signals", daemon=True).start()


def is_watching() -> bool:
    """Return whether this module handles signals, so that no other code needs to."""
    return _watching


def set_training(running: bool) -> None:
    """Record whether a training is running; a training stops at the end of its step."""
    global _training
    _training = running


def exit_status() -> int | None:
    """Return the exit status for the signal that stopped the process (130, 143), or None if there was none."""
    return 128 + _received[0] if _received else None


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _answer(descriptor: int) -> None:
    """Print what happens after a signal, and end the process on the second one."""
    while numbers := os.read(descriptor, 1):
        if numbers[0] not in (signal.SIGINT, signal.SIGTERM):
            continue
        _received.append(numbers[0])
        if len(_received) > 1:
            os._exit(128 + _received[0])
        if _training:
            words = tr("Interrupted: finishing the step and saving a checkpoint (once more to stop at once)")
        else:
            words = tr("Interrupted: stopping (once more to stop at once)")
        print(f"\n{words}", file=sys.stderr, flush=True)
