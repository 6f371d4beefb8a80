"""How the package's Numba kernels are compiled: free of the interpreter's lock, and kept on disk where possible."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])

SHARED_FOLDERS = ("text", "generation")
"""Folders of the package with kernels that kernels in other files call."""


def kernel(function: Function, **options: Any) -> Function:
    """Return `function` compiled on first use, running without the interpreter's lock.

    options: further arguments of Numba's `njit`, such as fastmath. The machine code is kept in `$NUMBA_CACHE_DIR`, else
    beside the source, else in the user's cache folder. Where none of these can be written (a read-only installation
    without a home) each process compiles anew: slower to start, the same results.
    """
    try:
        compiled = njit(nogil=True, cache=True, **options)(function)
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        return cast(Function, njit(nogil=True, **options)(function))
    # Numba asks whether the kernel's own file has changed, and would go on with old code of the kernels it calls.
    index = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if index is not None:
        index._source_stamp = (index._source_stamp, shared_stamp())
    return cast(Function, compiled)


@cache
def shared_stamp() -> tuple[tuple[str, int, int], ...]:
    """Return name, size and time of change of each file whose kernels others call."""
    package = Path(__file__).parents[1]
    files = sorted(path for folder in SHARED_FOLDERS for path in (package / folder).glob("*.py"))
    return tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files)
