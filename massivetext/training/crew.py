"""Parts of a batch computed at the same time, each by one thread on one core.

A small model's operations are too short to share between cores: the threads of each operation spend their time waiting
for each other. Whole parts of a batch need no waiting until their gradients are added up.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Result = TypeVar("Result")


class Crew:
    """Threads that keep to one core each; `size` of them."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="training-part", initializer=_keep_to_one_core)
        self._done: set[str] = set()

    def map(self, kind: str, function: Callable[[slice], Result], parts: Sequence[slice]) -> list[Result]:
        """Return `function(part)` of every part, in their order.

        kind: names the work; the first call of a kind does one part after the other, because the work may be compiled
        then, and the compiler is not made for two threads at once.
        """
        if kind in self._done:
            return list(self._pool.map(function, parts))
        results = [self._pool.submit(function, part).result() for part in parts]
        self._done.add(kind)
        return results


def _keep_to_one_core() -> None:
    """Make this thread's operations serial, with denormal numbers as zero (see machine.run_with_threads)."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def equal_parts(rows: int, count: int) -> list[slice]:
    """Return `count` slices that cover `rows`, equal where that is possible, the last one shorter elsewhere."""
    step = -(-rows // count)
    return [slice(begin, min(begin + step, rows)) for begin in range(0, rows, step)]
