"""`run`: performs the unfinished stages of a recipe (stages.py). An interrupted stage resumes where it stopped."""

import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from massivetext import __version__
from massivetext.errors import ConfigError, StoreError
from massivetext.evaluation.results import read_scores
from massivetext.metrics.score import Score
from massivetext.metrics.tables import scores_text
from massivetext.progress import log
from massivetext.recipe import load_corpus_recipe, load_recipe
from massivetext.runs.checks import check_recipe
from massivetext.runs.contents import corpus_digest
from massivetext.runs.folder import RUN, RecipeRun
from massivetext.runs.graph import Graph, Stage
from massivetext.runs.stages import GRAPH, NO_TRAINING, PRETRAINING, STAGES, make_report
from massivetext.state import read_state, write_state
from massivetext.storage import clear_temporary, full_disk_named, locked_folder
from massivetext.training.metrics import read_rows
from massivetext.translations import language as language_in_use
from massivetext.translations import set_language, tr

REPORTED_PACKAGES = ("torch", "numpy", "pyarrow", "tokenizers", "numba")
"""Packages whose versions are recorded in run.json and in the report."""
RUN_KEYS = ("elapsed_seconds", "peak_memory_bytes", "corpus_digest")


def run(
    recipe: str | Path | Mapping[str, Any],
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    *,
    until: str | None = None,
    language: str | None = None,
    overwrite: bool = False,
    quiet: bool = False,
    stages: Sequence[Stage] = (),
) -> dict[str, Any]:
    """Run a recipe and return its scores, paths, digests and times; everything else is in the run folder.

    recipe: a built-in name ("quickstart"), a YAML file, or the recipe itself as a mapping. out: the run folder
    (default: runs/NAME). overrides: "train.steps=200", as with `--set`. until: the last stage to run; None: all.
    language: "en" or "zh" for messages and report; unset: the recipe's, else the locale's. overwrite: start over if
    the folder holds a training with other settings. stages: your custom stages, each run as soon as its inputs
    exist. Raises ConfigError, DataError, BusyError and the errors of the stages.
    """
    if isinstance(stages, Stage):
        raise ConfigError(f"stages is one stage, {stages.name!r}; pass a list: stages=[stage]")
    graph = Graph([*stages, *STAGES]) if stages else GRAPH
    names = {stage.name for stage in graph.up_to(until)}
    trains = bool(names & {stage.name for stage in STAGES} - NO_TRAINING)
    resolved = (load_recipe if trains else load_corpus_recipe)(recipe, overrides)
    set_language(language or resolved.language)
    name = "recipe" if isinstance(recipe, Mapping) else Path(recipe).stem
    folder = Path(out) if out is not None else Path("runs") / name
    current = RecipeRun(folder, resolved, overwrite, quiet)
    execute(current, graph, until)
    return result(current)


def execute(current: RecipeRun, graph: Graph = GRAPH, until: str | None = None) -> None:
    """Perform the unfinished stages up to `until`. Raises the same errors as `run`."""
    folder, started_at = current.folder, time.monotonic()
    wanted = [stage.name for stage in graph.up_to(until)]
    is_new = not folder.is_dir()
    check_recipe(current.recipe, folder, wanted if is_new else ())  # a recipe that will fail creates no folder
    with full_disk_named(folder), locked_folder(folder, nested=True):
        clear_temporary(folder)
        finish_takedown(current)
        left = graph.unfinished(current, until)
        if not is_new:
            check_recipe(current.recipe, folder, [stage.name for stage in left])
        for stage in left:
            graph.perform(current, stage)
        if current.performed:
            note_run(current, graph, time.monotonic() - started_at)
            if "report" in wanted:  # again, because the time and memory of the report itself are only known now
                make_report(current)
        else:
            current.say(tr("Nothing was left to do."))


def finish_takedown(current: RecipeRun) -> None:
    """Finish an interrupted takedown in the run's corpus; the samples and the report are then rewritten."""
    from massivetext.corpus.takedowns import REMOVED

    if not (current.folder / "corpus" / REMOVED).is_dir():
        return
    from massivetext.corpus.removing import finish_interrupted
    from massivetext.report.page import write_report

    name = finish_interrupted(current.folder / "corpus")
    if name is not None:
        write_report(current.folder / "corpus", language_in_use())
        current.say(tr("An interrupted takedown was finished: {name}", name=name))


def note_run(current: RecipeRun, graph: Graph, elapsed_seconds: float) -> None:
    """Add this process's time to run.json, and record stage times, peak memory, machine and digests."""
    path = current.folder / RUN
    before = _times_so_far(path)
    # ru_maxrss counts KiB on Linux, bytes on macOS
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    stages = {name: current.marker(name).get("elapsed_seconds") for name in (stage.name for stage in graph.order)}
    write_state(
        path,
        {
            "elapsed_seconds": round(before.get("elapsed_seconds", 0.0) + elapsed_seconds, 3),
            "stages": {name: seconds for name, seconds in stages.items() if seconds is not None},
            "peak_memory_bytes": max(peak, before.get("peak_memory_bytes", 0)),
            "corpus_digest": corpus_digest(current),
            "machine": machine(),
            "version": __version__,
            "packages": {name: version(name) for name in REPORTED_PACKAGES},
            "commit": commit(),
        },
    )


def commit() -> str | None:
    """Return the commit of the Git repository that contains the current folder, with `+` if files differ from it."""
    commands = (["git", "rev-parse", "HEAD"], ["git", "status", "--porcelain", "--untracked-files=no"])
    try:
        done = [subprocess.run(words, capture_output=True, text=True, timeout=10) for words in commands]
    except (OSError, subprocess.TimeoutExpired):  # Git is missing, or too slow in this repository
        return None
    if any(one.returncode for one in done):
        return None
    return done[0].stdout.strip() + ("+" if done[1].stdout.strip() else "")


def _times_so_far(path: Path) -> dict[str, Any]:
    """Return the content of run.json. A damaged one is logged and replaced, because it holds times and no results."""
    if not path.is_file():
        return {}
    try:
        return read_state(path, RUN_KEYS, tr("The times of earlier calls are lost; it is written again"))
    except StoreError as error:
        log(str(error))
        return {}


def machine() -> dict[str, Any]:
    """Return a description of this machine: processor, cores, memory, system, Python."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    """Return the processor's name as the system reports it."""
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def result(current: RecipeRun) -> dict[str, Any]:
    """Return a run's results so far: scores, tokens, times, paths, digests, and the stages that this call performed."""
    folder = current.folder
    found: dict[str, Any] = {}
    if (folder / "evaluation.json").is_file():
        again = "Delete it and give the same command again: the stage 'evaluate' is done again"
        found["scores"] = [score.row() for score in read_scores(folder / "evaluation.json", again)]
    metrics = PRETRAINING.folder(folder).metrics
    if current.marker(PRETRAINING.name).get("finished") and metrics.is_file():
        found["tokens"] = _trained_tokens(metrics)
    if noted := _times_so_far(folder / RUN):
        # A takedown or an append after the last stage may have changed the corpus.
        found |= {name: noted[name] for name in RUN_KEYS} | {"corpus_digest": corpus_digest(current)}
    for name, path in (("model", folder / "model"), ("report", folder / "report.html")):
        if path.exists():
            found[name] = str(path)
    return {**found, "folder": str(folder), "stages_done": current.performed}


def _trained_tokens(metrics: Path) -> int:
    """Return the tokens trained on, from the last row of metrics.jsonl."""
    return max((int(row["tokens"]) for row in read_rows(metrics)), default=0)


def result_text(found: Mapping[str, Any]) -> str:
    """Return a run's result as lines for a terminal: tables of scores, then paths."""
    lines = scores_text(Score(**row) for row in found.get("scores", ()))
    if found.get("corpus_digest"):
        lines.append(tr("corpus {digest}", digest=found["corpus_digest"][:16]))
    if "elapsed_seconds" in found:
        gigabytes = f"{found['peak_memory_bytes'] / 1e9:.2f}"
        seconds = f"{found['elapsed_seconds']:.0f}"
        lines.append(tr("{seconds} s, peak memory {gigabytes} GB", seconds=seconds, gigabytes=gigabytes))
    for name in ("model", "report"):
        if name in found:
            lines.append(f"{tr(name)}: {found[name]}")
    if "model" in found:
        lines.append(tr("Talk to it: massivetext chat {folder}", folder=found["folder"]))
    return "\n".join(lines)
