"""scripts/reading_budget.py counts what a newcomer opens, and three of the paths hold their limits."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "reading_budget.py"


@pytest.mark.slow
@pytest.mark.parametrize("path", ["training_step", "document", "token"])
def test_the_paths_stay_within_their_limits(path):
    done = subprocess.run(
        [sys.executable, SCRIPT, "--only", path, "--json"], capture_output=True, text=True, check=True
    )
    (count,) = json.loads(done.stdout)
    assert count["files"] and not count["over"], f"{count['lines']} lines in {', '.join(count['files'])}"
