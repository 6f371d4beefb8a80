"""Arrays in files, so that memory does not grow with the corpus, and the search for equal keys in them."""

import mmap
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakSet

import numpy as np
import numpy.typing as npt

from massivetext.corpus.barrier.keys import Keys, Numbers

STRETCH_ROWS = 2**16
"""Rows that are worked on at once."""


class Scratch:
    """Arrays in files of one folder, mapped: what is touched of them is in memory until `release`, or until the
    operating system needs the room. A pickled one opens the same files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._maps: WeakSet[mmap.mmap] = WeakSet()
        self._lock = Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def __reduce__(self) -> tuple[type["Scratch"], tuple[Path]]:
        """Return what another process opens the folder with; arrays are mapped there anew."""
        return Scratch, (self.folder,)

    def array(self, name: str, shape: tuple[int, ...], kind: Any, fill: float = 0) -> npt.NDArray[Any]:
        """Return a new array; what the file of that name held is gone."""
        path, count = self.folder / name, int(np.prod(shape))
        path.unlink(missing_ok=True)
        with open(path, "wb") as stream:
            if fill:
                # Written, not touched in memory.
                filled = np.full(min(count, STRETCH_ROWS), fill, kind)
                for start in range(0, count, STRETCH_ROWS):
                    stream.write(filled[: count - start].tobytes())
            # Room on the disk now: a full one would end the process where a mapped page is written.
            if count:
                os.posix_fallocate(stream.fileno(), 0, count * np.dtype(kind).itemsize)
        return self.mapped(name, kind).reshape(shape)

    def mapped(self, name: str, kind: Any) -> npt.NDArray[Any]:
        """Return what a file of the folder holds, as an array that may be written to."""
        with open(self.folder / name, "r+b") as stream:
            if not stream.seek(0, 2):
                return np.zeros(0, kind)  # a file cannot be mapped while it is empty
            found = mmap.mmap(stream.fileno(), 0)
        with self._lock:
            self._maps.add(found)
        return np.frombuffer(found, kind)

    def release(self) -> None:
        """Take the arrays out of this process's memory; what is needed of them again is read again."""
        with self._lock:
            maps = list(self._maps)
        for found in maps:
            found.madvise(mmap.MADV_DONTNEED)

    def stretches(self, start: int, end: int, rows: int = STRETCH_ROWS) -> Iterator[slice]:
        """Yield slices of so many rows each, from `start` to `end`; what was touched of the arrays is released after
        each."""
        for begin in range(start, end, rows):
            yield slice(begin, min(begin + rows, end))
            self.release()


def equal_rows(
    keys: Sequence[Keys], eligible: npt.NDArray[np.bool_], memory_bytes: int
) -> Iterator[tuple[Numbers, Numbers]]:
    """Yield (rows, begins): rows that share all keys with another, the rows of one such group in ascending order and
    beside each other, `begins` the place in `rows` where each one's group begins.

    keys: arrays (rows,), the first well mixed. About `memory_bytes` are used: the keys are gone through in as many
    ranges of the first as that needs.
    """
    passes = max(1, -(-len(eligible) * 64 // memory_bytes))
    for number in range(passes):
        low, high = (number << 64) // passes, ((number + 1) << 64) // passes - 1
        rows = np.concatenate(
            [
                start + np.flatnonzero(eligible[place] & (keys[0][place] >= low) & (keys[0][place] <= high))
                for start in range(0, len(eligible), STRETCH_ROWS)
                for place in (slice(start, start + STRETCH_ROWS),)
            ]
            or [np.zeros(0, np.int64)]
        )
        # Most keys stand alone: a quick sort by the first leaves few rows to be put in order.
        first = keys[0][rows]
        order = np.argsort(first)
        same = np.diff(first[order]) == 0
        rows = np.sort(rows[order[np.append(same, False) | np.append(False, same)]]) if same.any() else rows[:0]
        chosen = [part[rows] for part in keys]
        # The sort is stable, so equal keys keep the order of their rows.
        order = np.lexsort(chosen[::-1])
        begins = np.zeros(len(order), dtype=bool)
        begins[:1] = True
        for part in chosen:
            sorted_part = part[order]
            begins[1:] |= sorted_part[1:] != sorted_part[:-1]
        place = np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))
        shared = ~begins | np.append(~begins[1:], False)
        place_of = np.cumsum(shared) - 1
        yield rows[order[shared]], place_of[place[shared]]
