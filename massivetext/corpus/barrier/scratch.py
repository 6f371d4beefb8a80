"""Arrays in files, so that memory does not grow with the corpus, and the search for rows with equal keys."""

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
"""Number of rows that are processed at once."""


class Scratch:
    """Memory-mapped arrays in the files of one folder. Pages that were used stay in memory until `release`, or until
    the operating system needs the memory. An unpickled copy opens the same files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._maps: WeakSet[mmap.mmap] = WeakSet()
        self._lock = Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def __reduce__(self) -> tuple[type["Scratch"], tuple[Path]]:
        """Return what another process needs to open the folder; it maps the arrays anew."""
        return Scratch, (self.folder,)

    def array(self, name: str, shape: tuple[int, ...], kind: Any, fill: float = 0) -> npt.NDArray[Any]:
        """Return a new array; a file of the same name is overwritten."""
        path, count = self.folder / name, int(np.prod(shape))
        path.unlink(missing_ok=True)
        with open(path, "wb") as stream:
            if fill:
                # Write to the file instead of touching the array in memory.
                filled = np.full(min(count, STRETCH_ROWS), fill, kind)
                for start in range(0, count, STRETCH_ROWS):
                    stream.write(filled[: count - start].tobytes())
            # Allocate the disk space now: on a full disk, writing to a mapped page would end the process.
            if count:
                os.posix_fallocate(stream.fileno(), 0, count * np.dtype(kind).itemsize)
        return self.mapped(name, kind).reshape(shape)

    def mapped(self, name: str, kind: Any) -> npt.NDArray[Any]:
        """Return the contents of a file in the folder as a writable array."""
        with open(self.folder / name, "r+b") as stream:
            if not stream.seek(0, 2):
                return np.zeros(0, kind)  # an empty file cannot be mapped
            found = mmap.mmap(stream.fileno(), 0)
        with self._lock:
            self._maps.add(found)
        return np.frombuffer(found, kind)

    def release(self) -> None:
        """Remove the arrays from this process's memory; they are read again when needed."""
        with self._lock:
            maps = list(self._maps)
        for found in maps:
            found.madvise(mmap.MADV_DONTNEED)

    def stretches(self, start: int, end: int, rows: int = STRETCH_ROWS) -> Iterator[slice]:
        """Yield slices of `rows` rows each, from `start` to `end`; release the arrays after each slice."""
        for begin in range(start, end, rows):
            yield slice(begin, min(begin + rows, end))
            self.release()


def equal_rows(
    keys: Sequence[Keys], eligible: npt.NDArray[np.bool_], memory_bytes: int
) -> Iterator[tuple[Numbers, Numbers]]:
    """Yield (rows, begins): rows that share all keys with another row.

    The rows of a group are adjacent and in ascending order; `begins` is, for each row, the position in `rows` where its
    group begins. keys: arrays (rows,), the first well mixed. Uses about `memory_bytes`: the keys are processed in as
    many ranges of the first key as that requires.
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
        # Most keys are unique: a quick sort by the first key leaves few rows to sort fully.
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
