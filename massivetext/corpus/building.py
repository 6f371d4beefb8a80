"""`build_corpus`: sources and steps in, a folder of clean Parquet out.

The input is cut into parts (`planning.py`), which an engine takes through reader and steps (`parts.py`). Then comes the
barrier (`barrier/order.py`): duplicates are found over all parts. The documents are written by split (`finishing.py`).
`manifest.json` comes last, so a folder with one is a finished corpus. A build that was killed resumes with the parts
that were not finished. Text that is appended to a finished corpus is a further build in the same folder: files of
earlier builds are not touched, and until the new manifest is there the corpus is what it was.
"""

import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from massivetext.corpus.barrier.index import index_path
from massivetext.corpus.barrier.opening import open_census
from massivetext.corpus.barrier.order import decide, judges_for
from massivetext.corpus.barrier.totals import totals_of
from massivetext.corpus.checking import listed_parts
from massivetext.corpus.finishing import WORK, WRITTEN, discard_builds, write_clusters, write_files
from massivetext.corpus.gathering import ProcessPart
from massivetext.corpus.inputs import with_digests
from massivetext.corpus.manifests import (
    check_splits,
    count_drops,
    first_fingerprint,
    make_manifest,
    merged_counts,
    say_counts,
    warn_of_nothing,
)
from massivetext.corpus.planning import Plan, make_plan
from massivetext.corpus.readers.finding import input_files, unreadable
from massivetext.corpus.reading import PAGE, Corpus, load_corpus
from massivetext.corpus.removing import finish_takedown
from massivetext.corpus.rows import schemas_of
from massivetext.corpus.settings import CorpusSettings, read_settings
from massivetext.corpus.takedowns import BEFORE, TAKEN, check_takedowns, locked_corpus, takedown_digests
from massivetext.engines import Engine, Threads
from massivetext.errors import MassiveTextError
from massivetext.progress import log, progress
from massivetext.state import read_object, write_state
from massivetext.storage import clear_temporary, full_disk_named, write_json
from massivetext.translations import tr

__all__ = ["build_corpus", "input_files"]

FOLDER_ERRORS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)


def build_corpus(
    recipe: CorpusSettings | Mapping[str, Any] | str | Path,
    folder: str | Path,
    *,
    seed: int | None = None,
    append: bool = False,
    quiet: bool = False,
    threads: int | None = None,
) -> Corpus:
    """Return the corpus that a recipe describes, built in `folder`; one that is there already is not built again.

    recipe: the `corpus:` section as settings or as a mapping, a whole recipe as a mapping, a recipe file, or a built-in
    recipe's name. seed: decides the split; unset it is the recipe's, else 0. append: add the files that the corpus in
    `folder` has not read yet to it, as a further build; steps, split and seed must be its own. threads: unset, one for
    each core; the files are the same however many. What was taken down in `folder` stays out, whatever the recipe says.
    Raises ConfigError (a recipe that cannot be used, an empty split), DataError (a path without files, no text column,
    no document left), StoreError (a takedown would be lost), BusyError (another process writes the corpus), and
    MassiveTextError where the disk is full.
    """
    settings, found_seed = read_settings(recipe)
    if settings.from_ is not None:
        return load_corpus(settings.from_)
    folder = Path(folder)
    seed = found_seed if seed is None else seed
    if append:
        load_corpus(folder, unfinished=True)  # before a folder is made for the lock
    with ExitStack() as stack:
        with _folder_errors_named(folder):
            stack.enter_context(locked_corpus(folder))
        finish_takedown(folder)
        check_takedowns(folder)
        base = load_corpus(folder).manifest if append else None
        plan = make_plan(settings, seed, folder, base)
        done = not plan.parts if append else first_fingerprint(folder / "manifest.json") == plan.fingerprint
        if done:
            shutil.rmtree(folder / WORK, ignore_errors=True)
        else:
            with full_disk_named(folder), _folder_errors_named(folder):
                _carry_out(plan, folder, base, quiet, Threads(threads or len(os.sched_getaffinity(0))))
        return load_corpus(folder)


def _carry_out(plan: Plan, folder: Path, base: dict[str, Any] | None, quiet: bool, engine: Engine) -> None:
    """Build what was planned; base: the manifest of the corpus that is appended to."""
    work = folder / WORK
    _prepare(folder, plan)
    markers = _process(plan, work, engine, quiet)
    counts = merged_counts(plan.courses, markers)
    warn_of_nothing(plan.courses, counts)
    census = open_census(folder, work, len(plan.parts), plan.required, plan.settings.split.names, plan.build)
    with progress(tr("Looking for duplicates"), quiet=quiet):
        editors = decide(census, judges_for(plan.required, len(census.splits)), engine)
    totals = totals_of(census)
    count_drops(counts, totals)
    values = make_manifest(plan, counts, totals, markers, base) | _obeyed(folder, base)
    check_splits(plan.settings, values)
    with progress(tr("Writing the corpus"), float(census.rows), tr("documents"), quiet) as task:
        write_files(census, plan.measures, editors, engine, task.report)
    read = {(name, file.uri): file for name, course in plan.courses.items() for file in course.files}
    read_facts = {"files": with_digests(plan.files, read, engine)}
    write_state(index_path(folder, plan.build).with_suffix(".json"), read_facts)
    write_clusters(census)
    (folder / PAGE).unlink(missing_ok=True)  # it tells of what the corpus was before
    parts = listed_parts(folder, plan.build, base["parts"] if base else None)
    write_state(folder / "manifest.json", {**values, "parts": parts})
    del census, editors
    shutil.rmtree(work)
    if not quiet:
        say_counts(counts, plan.courses, values)
        if plan.required.near is not None:
            log(plan.required.near.recall_text())


@contextmanager
def _folder_errors_named(folder: Path) -> Iterator[None]:
    """Turn a folder that cannot be written to into a message that says what to do."""
    try:
        yield
    except OSError as error:
        inside = error.filename is None or Path(os.fsdecode(error.filename)).absolute().is_relative_to(
            folder.absolute()
        )
        if not inside:
            raise unreadable(error) from error
        if error.errno in FOLDER_ERRORS:
            raise MassiveTextError(
                f"the corpus cannot be written to {folder} ({error.filename}: {os.strerror(error.errno)}); "
                "name a folder that you may write to"
            ) from error
        raise


def _obeyed(folder: Path, base: dict[str, Any] | None) -> dict[str, Any]:
    """Return what a manifest says of takedowns: those that the corpus obeys, and how many came before it."""
    taken = takedown_digests(folder)
    return {BEFORE: len(taken) if base is None else base.get(BEFORE, 0), TAKEN: taken}


def _prepare(folder: Path, plan: Plan) -> None:
    """Make the folder ready: keep the work of a build with this fingerprint, remove that of any other."""
    plan_file = folder / WORK / "plan.json"
    if plan.build == 1:
        # The manifest goes first: without it the folder is no corpus, whatever else is still there.
        (folder / "manifest.json").unlink(missing_ok=True)
    facts = {"fingerprint": plan.fingerprint, TAKEN: takedown_digests(folder)}
    again = f"Delete {folder / WORK} and give the same command again: the build starts anew"
    if not plan_file.is_file() or read_object(plan_file, (), again) != facts:
        discard_builds(folder, plan.build)
        write_json(plan_file, facts)
    for name in (WORK, *WRITTEN):
        if (folder / name).is_dir():
            clear_temporary(folder / name)


def _process(plan: Plan, work: Path, engine: Engine, quiet: bool) -> list[dict[str, Any]]:
    """Return the counts of all parts, in order, once they have been taken through reader and steps."""
    total = sum(part.input_bytes for part in plan.parts)
    with progress(tr("Reading and cleaning"), float(total), "B", quiet) as task:
        process_part = ProcessPart(plan.courses, schemas_of(plan.measures), work)
        return engine.map_parts(process_part, plan.parts, task.report)
