"""scripts/reading_budget.py counts what a newcomer opens, and the paths and most families hold their limits."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "reading_budget.py"


def counted(path):
    done = subprocess.run(
        [sys.executable, SCRIPT, "--only", path, "--json"], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["training_step", "document", "token"])
def test_the_paths_stay_within_their_limits(path):
    (count,) = counted(path)
    assert count["files"] and not count["over"], f"{count['lines']} lines in {', '.join(count['files'])}"


MORE_THAN_A_ROW = {"gemma3_text", "qwen3_moe"}  # layers and experts of their own: a fifth file, and over 700 lines
RELATIVES = {"marian", "roberta", "xlm-roberta"}  # a fifth file shows what differs from BART or BERT


@pytest.mark.slow
def test_the_forward_passes_stay_within_their_limits():
    counts = {count["name"].split()[-1]: count for count in counted("family")}
    assert counts.keys() > MORE_THAN_A_ROW | RELATIVES
    over = {name: (len(count["files"]), count["lines"]) for name, count in counts.items() if count["over"]}
    assert over.keys() <= MORE_THAN_A_ROW | RELATIVES, over
    assert all(len(counts[name]["files"]) <= 5 and counts[name]["lines"] <= 700 for name in RELATIVES), over
