"""SIGKILL at random moments, restart, and the same bytes: model, optimiser, metrics.jsonl, the set of checkpoints."""

import hashlib
import os
import random
import signal
import time
from pathlib import Path

import pytest
from forking import Fork

PROGRAM = Path(__file__).with_name("train_program.py")
COMPARED = ("metrics.jsonl", "checkpoints/*/*")
TIMEOUT_SECONDS = 300


def run_to_the_end(folder, *arguments):
    process = Fork([PROGRAM, folder, *arguments])
    _, said = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 0, said
    return said


def kill_after_rows(folder, rows, more_seconds, *arguments):
    process = Fork([PROGRAM, folder, *arguments])
    metrics, deadline = folder / "metrics.jsonl", time.monotonic() + TIMEOUT_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if metrics.is_file() and metrics.read_bytes().count(b"\n") >= rows:
            break
        time.sleep(0.002)
    time.sleep(more_seconds)
    assert process.poll() is None, f"it ended before it could be killed: {process.communicate()}"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def digests(folder):
    paths = {path for pattern in COMPARED for path in folder.glob(pattern)}
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def kill_and_compare(scratch, kills, *arguments):
    run_to_the_end(scratch / "undisturbed", *arguments)
    expected, steps, chance = digests(scratch / "undisturbed"), arguments[-1], random.Random(0)
    assert len(expected) == 1 + 2 * 5
    for number in range(kills):
        folder = scratch / f"killed-{number}"
        rows = chance.randrange(steps * number // kills, steps * (number + 1) // kills - 3)
        kill_after_rows(folder, rows, chance.random() * 0.02, *arguments)
        said = run_to_the_end(folder, *arguments)
        assert rows < 5 or "Continuing from step-" in said
        assert digests(folder) == expected, f"killed after {rows} rows"


def test_killed_eager_runs_end_with_the_same_bytes(tmp_path):
    kill_and_compare(tmp_path, 2, "off", 2, 40)


def test_a_killed_compiled_run_ends_with_the_same_bytes(tmp_path):
    kill_and_compare(tmp_path, 1, "on", 2, 40)


@pytest.mark.slow
def test_runs_killed_again_and_again_end_with_the_same_bytes(tmp_path):
    arguments = ("off", 2, 60)
    run_to_the_end(tmp_path / "undisturbed", *arguments)
    for rows in (3, 9, 20, 21, 40, 55):  # the same folder each time: each life lasts a few steps
        kill_after_rows(tmp_path / "killed", rows, 0.01, *arguments)
    run_to_the_end(tmp_path / "killed", *arguments)
    assert digests(tmp_path / "killed") == digests(tmp_path / "undisturbed")


@pytest.mark.slow
def test_many_killed_runs_eager_and_compiled_end_with_the_same_bytes(tmp_path):
    kill_and_compare(tmp_path / "eager", 8, "off", 2, 80)
    kill_and_compare(tmp_path / "compiled", 8, "on", 2, 80)
