"""How the package's Numba kernels are compiled: free of the interpreter's lock, and kept on disk where possible."""

from collections.abc import Callable
from typing import Any

from numba import njit


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` compiled on first use, running without the interpreter's lock.

    The machine code is kept in `$NUMBA_CACHE_DIR`, else beside the source, else in the user's cache folder. Where none
    of these can be written (a read-only installation without a home) each process compiles anew: slower to start, the
    same results.
    """
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        return njit(nogil=True)(function)
