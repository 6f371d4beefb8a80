"""Engines run work on many parts. The local engine uses threads, because kernels and Arrow release the GIL.

Work is a callable that takes a part and a function that reports progress. It writes large outputs to the part's files
and returns a small result. Work, parts and results can be pickled, so an engine may send them to other processes.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from threading import Event, Lock
from typing import Protocol, TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")

Advance = Callable[[float, int], None]
"""Takes the additional work done, in the unit of the progress bar, and the number of additional documents."""
Work = Callable[[Part, Advance], Result]


def say_nothing(amount: float, documents: int) -> None:
    """Report no progress."""


class Engine(Protocol):
    """Runs work on parts."""

    def map_parts(
        self, work: Work[Part, Result], parts: Sequence[Part], advance: Advance = say_nothing
    ) -> list[Result]:
        """Return what the work returns for each part, in the order of the parts.

        advance: called with the progress of all parts, by one thread at a time. The first error ends the work: waiting
        parts are not started, and running parts stop when they next report progress.
        """
        ...


@dataclass(frozen=True)
class Threads:
    """Runs work in threads of this process."""

    count: int

    def map_parts(
        self, work: Work[Part, Result], parts: Sequence[Part], advance: Advance = say_nothing
    ) -> list[Result]:
        """Return what the work returns for each part, in the order of the parts."""
        lock, stopped = Lock(), Event()

        def tell(amount: float, documents: int) -> None:
            if stopped.is_set():
                raise InterruptedError("the work is being stopped")
            with lock:
                advance(amount, documents)

        with ThreadPoolExecutor(self.count) as pool:
            waiting = [pool.submit(work, part, tell) for part in parts]
            try:
                for done in as_completed(waiting):
                    done.result()
            except BaseException:
                stopped.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return [done.result() for done in waiting]
