"""Compilation of the package's Numba kernels: they release the GIL and are cached on disk where possible."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])

SHARED_FOLDERS = ("text", "generation")
"""Folders of the package whose kernels are called by kernels in other files."""


def kernel(function: Function, **options: Any) -> Function:
    """Return `function`, compiled on first use and running without the GIL.

    options: further arguments of Numba's `njit`, such as fastmath. The machine code is cached in `$NUMBA_CACHE_DIR`, or
    else beside the source, or else in the user's cache folder. If none of these is writable (a read-only installation
    without a home folder), each process compiles again: it starts more slowly and gives the same results.
    """
    try:
        compiled = njit(nogil=True, cache=True, **options)(function)
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        return cast(Function, njit(nogil=True, **options)(function))
    # Numba only checks whether the kernel's own file has changed, so it would reuse old code of the kernels it calls.
    index = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if index is not None:
        index._source_stamp = (index._source_stamp, shared_stamp())
    return cast(Function, compiled)


@cache
def shared_stamp() -> tuple[tuple[str, int, int], ...]:
    """Return name, size and modification time of each file whose kernels are called from other files."""
    package = Path(__file__).parents[1]
    files = sorted(path for folder in SHARED_FOLDERS for path in (package / folder).glob("*.py"))
    return tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files)
