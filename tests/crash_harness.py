"""Run a command, kill it with SIGKILL, run it again, and compare what it leaves on disk with an undisturbed run.

As a library (the crash tests of every stage use it) and as a program:

    python tests/crash_harness.py --kills 12 --seed 0 -- massivetext run small.yaml --out {folder}

`{folder}` in the command becomes a fresh folder for each trial. One trial is: start the command, kill its whole process
group after a while, run it again to its end, compare the SHA-256 of the files. The moments are spread over the whole
length of the undisturbed run, one at random in each equal share of it, so that every stage meets some.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forking import Fork

COMPARED = (
    "corpus/**/*.parquet", "corpus/manifest.json", "tokenizer/*.json", "tokens/**/*", "checkpoints/**/*.safetensors",
    "model/**/*", "metrics.jsonl", "recipe.yaml",
)  # fmt: skip
"""What must be equal in two run folders: all that is not a time, a speed or a log."""


@dataclass(frozen=True)
class Trial:
    """One kill: when it fell (seconds after the start), and what differed afterwards (empty: nothing)."""

    killed_after_seconds: float
    finished_before_the_kill: bool
    different: tuple[str, ...]


def folder_digests(folder: Path, patterns: Iterable[str] = COMPARED) -> dict[str, str]:
    """Return the SHA-256 of each file below `folder` that matches a pattern, by relative path; no temporary files."""
    paths = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(paths)
        if not any(part.startswith(".lock") for part in path.relative_to(folder).parts)
    }


def differences(expected: dict[str, str], found: dict[str, str]) -> tuple[str, ...]:
    """Return a line for each file that is missing, extra or different."""
    lines = [f"missing: {path}" for path in expected.keys() - found.keys()]
    lines += [f"extra: {path}" for path in found.keys() - expected.keys()]
    lines += [f"different: {path}" for path in expected.keys() & found.keys() if expected[path] != found[path]]
    return tuple(sorted(lines))


def start(command: Sequence[str]) -> "subprocess.Popen[str] | Fork":
    """Start a command in a process group of its own; a program of Python as a fork, which takes no time."""
    if command[0] == sys.executable:
        return Fork(command[1:])
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, **streams, text=True, start_new_session=True)


def run_to_the_end(command: Sequence[str], timeout_seconds: float = 600.0) -> float:
    """Run `command`, fail loudly if it fails, and return its length in seconds."""
    started_at = time.monotonic()
    process = start(command)
    _, complained = process.communicate(timeout=timeout_seconds)
    if process.returncode != 0:
        raise AssertionError(f"{' '.join(command)} ended with {process.returncode}:\n{complained[-4000:]}")
    return time.monotonic() - started_at


def run_and_kill(command: Sequence[str], after_seconds: float) -> bool:
    """Run `command` and SIGKILL its process group after a while; return whether it had ended before."""
    process = start(command)
    try:
        process.communicate(timeout=after_seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return False
    return True


def watch(command: Sequence[str], folder: Path, kill_at: int = sys.maxsize) -> int:
    """Run `command`, SIGKILL its process group once so many different files were seen in `folder`; return how many."""
    process = start(command)
    seen: set[str] = set()
    while process.poll() is None and len(seen) < kill_at:
        for path, _, names in os.walk(folder):
            seen.update(f"{path}/{name}" for name in names)
        time.sleep(0.001)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return len(seen)


def trials(
    command: Sequence[str],
    scratch: Path,
    kills: int,
    seed: int = 0,
    patterns: Iterable[str] = COMPARED,
    by_files: bool = False,
) -> list[Trial]:
    """Run `command` undisturbed once, then `kills` trials; `{folder}` in it is replaced by each trial's own folder.

    by_files: the moments are told by how many files have been seen in the folder, not by the clock: on a busy machine,
    or where the first run compiles kernels, no run is as long as the one before.
    """

    def filled(folder: Path) -> list[str]:
        return [part.replace("{folder}", str(folder)) for part in command]

    whole = scratch / "undisturbed"
    length_seconds = run_to_the_end(filled(whole))
    length_files = watch(filled(scratch / "watched"), scratch / "watched") if by_files else 0
    expected = folder_digests(whole, patterns)
    if not expected:
        raise AssertionError(f"{' '.join(command)} left no file to compare in {whole}")
    chance = random.Random(seed)
    results = []
    for number in range(kills):
        share = (number + chance.random()) / kills
        folder = scratch / f"killed-{number:02d}"
        started_at = time.monotonic()
        if by_files:
            wanted = 1 + int(share * length_files)
            finished = watch(filled(folder), folder, wanted) < wanted
            moment = time.monotonic() - started_at
        else:
            moment = length_seconds * share
            finished = run_and_kill(filled(folder), moment)
        run_to_the_end(filled(folder))
        results.append(Trial(moment, finished, differences(expected, folder_digests(folder, patterns))))
    return results


class Commands:
    """Runs commands of MassiveText in forks of one process (kill_program.py) that has imported everything."""

    def __init__(self, temporary: Path) -> None:
        paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        variables = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "TMPDIR": str(temporary), "LC_ALL": "C.UTF-8"}
        program = str(Path(__file__).with_name("kill_program.py"))
        self.process = subprocess.Popen(
            [sys.executable, program], env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, folder: Path, *commands: Sequence[str], kill_at: int = 0) -> dict[str, Any]:
        """Run commands in a folder, all at once; kill the first at the N-th call that changes the disk.

        Returns `status` (negative: killed) and `said` of each, and `calls`, how many calls the longest made.
        """
        assert self.process.stdin is not None and self.process.stdout is not None
        request = {"commands": commands, "cwd": str(folder), "kill_at": kill_at}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return dict(json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        """End the process."""
        self.process.communicate()


def kill_at_calls(
    commands: Commands,
    template: Path,
    scratch: Path,
    command: Sequence[str],
    kills: int,
    patterns: Iterable[str] = ("**/*",),
    after_the_kill: Callable[[Path], None] = lambda folder: None,
) -> None:
    """Run a command in copies of a folder, undisturbed and killed at `kills` of its calls; assert that it ends alike.

    The calls are spread over all that the undisturbed command made, the first and the last among them. after_the_kill:
    called with the folder before the command is run again. A killed command that is run again must succeed.
    """
    whole = scratch / "whole" / "folder"
    shutil.copytree(template, whole)
    done = commands.run(whole, command)
    assert done["status"] == [0], done["said"]
    expected, calls = folder_digests(whole, patterns), done["calls"]
    shares = [number / max(1, kills - 1) for number in range(kills)]
    for kill_at in sorted({1 + round(share * (calls - 1)) for share in shares}):
        folder = scratch / f"killed-{kill_at:04d}" / "folder"
        shutil.copytree(template, folder)
        killed = commands.run(folder, command, kill_at=kill_at)
        assert killed["status"] in ([-signal.SIGKILL], [0]), killed["said"]
        after_the_kill(folder)
        again = commands.run(folder, command)
        assert again["status"] == [0], f"after a kill at call {kill_at} of {calls}: {again['said'][0]}"
        different = differences(expected, folder_digests(folder, patterns))
        assert not different, f"after a kill at call {kill_at} of {calls}: {different}"
        shutil.rmtree(folder.parent)


def main() -> int:
    """Run the harness from the command line; exit status 1 if anything differed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        results = trials(options.command, Path(scratch), options.kills, options.seed)
    for trial in results:
        verdict = "the same bytes" if not trial.different else "; ".join(trial.different)
        ended = " (it had ended)" if trial.finished_before_the_kill else ""
        print(f"killed after {trial.killed_after_seconds:6.2f} s{ended}: {verdict}")
    return 1 if any(trial.different for trial in results) else 0


if __name__ == "__main__":
    sys.exit(main())
