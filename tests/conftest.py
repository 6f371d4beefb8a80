"""What all tests share: the real inputs, where they are, and the name of this machine's scratch folder for Numba."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def shared() -> Path:
    """The folder of real inputs; the test is skipped where it is absent. Mark such tests `shared` as well."""
    if not SHARED.is_dir():
        pytest.skip("the folder ../shared/data is not here")
    return SHARED
