"""`build_corpus`: sources and steps in, a folder of clean Parquet out.

The input is cut into parts (`parts.py`), which threads take through reader and steps; then comes the barrier
(`barrier/census.py`, `barrier/near.py`): duplicates are found over all parts, and the documents are written by split
(`finishing.py`). `manifest.json` comes last, so a folder with one is a finished corpus. A build that was killed goes on
with the parts that were not finished. Text that is appended to a finished corpus is a further build in the same folder:
files of earlier builds are not touched, and until the new manifest is there the corpus is what it was.
"""

import errno
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from massivetext import __version__
from massivetext.corpus.barrier.census import (
    EXACT_ASKED,
    NEAR_ASKED,
    Census,
    drop_exact,
    name_clusters,
    open_census,
    totals_of,
)
from massivetext.corpus.barrier.decontamination import Decontaminate, drop_contaminated
from massivetext.corpus.barrier.deduplication import (
    REPEATS,
    Deduplicate,
    DeduplicateSettings,
    NearSettings,
    RepeatSettings,
)
from massivetext.corpus.barrier.index import Lists, index_path, write_index
from massivetext.corpus.barrier.repeats import Repeats, take_repeats
from massivetext.corpus.checking import listed_parts
from massivetext.corpus.finishing import WORK, WRITTEN, discard_builds, write_clusters, write_files
from massivetext.corpus.inputs import Facts, file_facts, files_read, with_digests
from massivetext.corpus.manifests import (
    check_appendable,
    check_splits,
    count_drops,
    first_fingerprint,
    make_manifest,
    merged_counts,
    say_counts,
    warn_of_nothing,
)
from massivetext.corpus.parts import Course, Part, make_parts, process_part
from massivetext.corpus.readers.finding import find_files, input_files, unreadable
from massivetext.corpus.readers.records import make_reader
from massivetext.corpus.readers.streams import SourceFile
from massivetext.corpus.removing import finish_takedown
from massivetext.corpus.rows import READ_VERSION, Lane
from massivetext.corpus.settings import CorpusSettings, SourceSettings, read_settings
from massivetext.corpus.steps import Barrier, Measure, Step
from massivetext.corpus.steps.table import make_steps
from massivetext.corpus.takedowns import BEFORE, TAKEN, check_takedowns, locked_corpus, takedown_digests
from massivetext.errors import ConfigError, DataError, MassiveTextError
from massivetext.progress import log, progress
from massivetext.state import read_object, write_state
from massivetext.storage import clear_temporary, full_disk_named, value_digest, write_json
from massivetext.translations import tr

if TYPE_CHECKING:
    from massivetext.corpus.reading import Corpus

__all__ = ["build_corpus", "input_files", "inputs_digests"]

PART_BYTES = 32 * 2**20
FOLDER_ERRORS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)


@dataclass(frozen=True)
class Plan:
    """All that is settled before the first record is read."""

    settings: CorpusSettings
    seed: int
    courses: dict[str, Course]
    """Sources by name, in ascending order of their names, which is the first key of the canonical order."""
    measures: dict[str, pa.DataType]
    parts: tuple[Part, ...]
    fingerprint: str
    """Digest of settings, seed, versions and the input files' names, sizes and times of change."""
    versions: dict[str, Any]
    """What a corpus's bytes depend on: of the package, its readers and steps."""
    files: list[Facts]
    """Source, uri, size and time of change of each input file."""

    build: int = 1
    """Number of the build, counted from 1."""

    def checked(self) -> Self:
        """Return the plan; raise ConfigError where sources disagree in what is done to all documents."""
        _ = self.near, self.decontaminate
        return self

    @property
    def asked(self) -> dict[str, int]:
        """What each source's steps ask for: EXACT_ASKED, NEAR_ASKED, both or 0."""
        return {
            name: EXACT_ASKED * bool(found.exact) + NEAR_ASKED * (found.near is not None) if found else 0
            for name, found in self._deduplicate.items()
        }

    @property
    def near(self) -> NearSettings | None:
        """The settings under which near-duplicates are dropped; raise ConfigError if sources differ in them."""
        given = {name: found.near for name, found in self._deduplicate.items() if found and found.near}
        for name, near in given.items():
            other = next(iter(given))
            if near != given[other]:
                raise ConfigError(
                    f"sources {other!r} and {name!r} ask for near-duplicates in different ways ({given[other]!r}; "
                    f"{near!r}); their documents could not be compared: give both the same deduplicate.near"
                )
        return next(iter(given.values()), None)

    @property
    def decontaminate(self) -> Decontaminate | None:
        """The step that looks for benchmarks; raise ConfigError if sources differ in it."""
        given = {name: found for name in self.courses if (found := self._barrier(name, Decontaminate))}
        if len({value_digest(step.describe()) for step in given.values()}) > 1:
            raise ConfigError(
                f"sources {', '.join(given)} ask for decontaminate in different ways; give all the same settings"
            )
        return next(iter(given.values()), None)

    @property
    def repeats(self) -> dict[str, dict[str, RepeatSettings]]:
        """What is taken out where it stood before -> which sources ask for it, and how."""
        return {
            kind: {
                name: asked for name, found in self._deduplicate.items() if found and (asked := getattr(found, kind))
            }
            for kind in REPEATS
        }

    @property
    def memory_bytes(self) -> int:
        """What sorting may take: the least that a source's steps allow."""
        return min((found.memory_bytes for found in self._deduplicate.values() if found), default=2**30)

    @property
    def _deduplicate(self) -> dict[str, DeduplicateSettings | None]:
        """The settings of each source's deduplication."""
        return {name: course.lane.deduplicate for name, course in self.courses.items()}

    def _barrier(self, source: str, kind: type[Barrier]) -> Any:
        """Return the barrier of that kind among a source's steps, or None."""
        return next((step for step in self.courses[source].lane.steps if isinstance(step, kind)), None)

    def asks(self, kind: type[Barrier]) -> frozenset[str]:
        """Return the sources whose steps hold a barrier of that kind."""
        return frozenset(name for name in self.courses if self._barrier(name, kind))


def build_corpus(
    recipe: CorpusSettings | Mapping[str, Any] | str | Path,
    folder: str | Path,
    *,
    seed: int | None = None,
    append: bool = False,
    quiet: bool = False,
    threads: int | None = None,
) -> "Corpus":
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
    from massivetext.corpus.reading import load_corpus

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
                _carry_out(plan, folder, base, quiet, threads or len(os.sched_getaffinity(0)))
        return load_corpus(folder)


def _carry_out(plan: Plan, folder: Path, base: dict[str, Any] | None, quiet: bool, threads: int) -> None:
    """Build what was planned; base: the manifest of the corpus that is appended to."""
    from massivetext.corpus.reading import PAGE

    work = folder / WORK
    _prepare(folder, plan)
    markers = _process(plan, work, threads, quiet)
    counts = merged_counts(plan.courses, markers)
    warn_of_nothing(plan.courses, counts)
    census = open_census(folder, work, len(plan.parts), plan.asked, plan.settings.split.names, plan.build)
    with progress(tr("Looking for duplicates"), quiet=quiet):
        repeats = _decide(folder, work, plan, census, threads)
    totals = totals_of(census, work)
    count_drops(counts, totals)
    values = make_manifest(plan, counts, totals, markers, base) | _obeyed(folder, base)
    check_splits(plan.settings, values)
    with progress(tr("Writing the corpus"), float(census.rows), tr("documents"), quiet) as task:
        write_files(folder, work, repeats, plan, threads, task.advance)
    read = {(name, file.uri): file for name, course in plan.courses.items() for file in course.files}
    read_facts = {"files": with_digests(plan.files, read, threads)}
    write_state(index_path(folder, plan.build).with_suffix(".json"), read_facts)
    write_clusters(folder, work, census, plan.build)
    (folder / PAGE).unlink(missing_ok=True)  # it tells of what the corpus was before
    parts = listed_parts(folder, plan.build, base["parts"] if base else None)
    write_state(folder / "manifest.json", {**values, "parts": parts})
    del census, repeats
    shutil.rmtree(work)
    if not quiet:
        say_counts(counts, plan.courses, values)
        if plan.near is not None:
            log(plan.near.recall_text())


def _decide(folder: Path, work: Path, plan: Plan, census: Census, threads: int) -> Repeats:
    """Carry out the barrier: decide which rows are duplicates, where the rest falls and which lines it repeats.

    Writes the build's index; returns what is to be taken out of the rows that stay.
    """
    near, decontaminate = plan.near, plan.decontaminate
    if decontaminate is not None:
        drop_contaminated(folder, work, census, decontaminate, plan.asks(Decontaminate), plan.build, threads)
    drop_exact(census, plan.memory_bytes)
    found = None
    if near is not None:
        from massivetext.corpus.barrier.near import drop_near

        found = drop_near(folder, work, census, near, plan.memory_bytes, plan.build, threads)
    name_clusters(census)
    repeats = take_repeats(folder, work, census, plan.repeats, plan.memory_bytes, plan.build, threads)
    lists: dict[str, Lists] = {} if found is None else {"shingles": found.kept_shingles(work)}
    lists |= {kind: repeats.first_keys(kind) for kind in repeats.found}
    write_index(folder, census, plan.build, found.keys if found else None, lists)
    return repeats


def inputs_digests(settings: CorpusSettings, folder: Path) -> dict[str, str | None]:
    """Return a digest of each source's files, or that of the built corpus that is named; None: there are none any more.

    It is made of names, sizes and times of change; a file of which the corpus in `folder` has read the same content
    under another time counts as the one that was read.
    """
    if settings.from_ is not None:
        from massivetext.corpus.reading import load_corpus

        return {"corpus.from": load_corpus(settings.from_).digest}
    known, found = files_read(folder), dict[str, str | None]()
    for source in settings.sources:
        try:
            files = input_files(source)
        except DataError:
            if not known:
                raise
            found[source.name] = None
        else:
            found[source.name] = value_digest(file_facts(source.name, files, known))
    return found


def make_plan(settings: CorpusSettings, seed: int, folder: Path, base: dict[str, Any] | None = None) -> Plan:
    """Return the plan of a build: files found and looked at, steps made, parts cut.

    base: the manifest of the corpus in `folder` that is appended to; files that it has read are left out.
    """
    build = 1 if base is None else base["build"] + 1
    known = files_read(folder, None if base is None else base["build"])
    read = {} if base is None else {key: facts[2] for key, facts in known.items()}
    courses = {}
    for source in sorted(settings.sources, key=lambda entry: entry.name):
        lane = Lane(source.name, source_steps(settings, source), settings.split, seed, build)
        there, unread = find_files(source)
        found = tuple(file for file in there if _is_new(source.name, file, read))
        readers = {name: make_reader(name, source) for name in sorted({file.format for file in found})}
        for name, reader in readers.items():
            reader.check([file for file in found if file.format == name])
        courses[source.name] = Course(lane, found, readers, unread)
    measures: dict[str, pa.DataType] = {}
    for course in courses.values():
        for step in course.lane.steps:
            if isinstance(step, Measure | Decontaminate):
                measures.update(step.columns)
    versions = _versions(courses)
    files = [facts for name, course in courses.items() for facts in file_facts(name, course.files, known)]
    facts = {
        "settings": settings.model_dump(mode="json", by_alias=True),
        "seed": seed,
        "versions": versions,
        "part_bytes": PART_BYTES,
        "files": files,
        **({} if base is None else {"base": base["digest"]}),
    }
    parts = tuple(make_parts(list(courses.values()), PART_BYTES))
    if base is not None:
        check_appendable(base, settings, seed, versions)
    plan = Plan(settings, seed, courses, measures, parts, value_digest(facts), versions, files, build)
    return plan.checked()


def _is_new(name: str, file: SourceFile, read: Mapping[tuple[str, str], int]) -> bool:
    """Return whether a file was not read by an earlier build; raise DataError if it has changed since."""
    size = read.get((name, file.uri))
    if size is not None and size != file.size:
        raise DataError(
            f"{file.path} is in the corpus already, as {file.uri} of source {name!r}, but had {size:,} bytes then and "
            f"has {file.size:,} now; give the new text another name, or build the corpus anew"
        )
    return size is None


def check_steps(settings: CorpusSettings) -> None:
    """Raise ConfigError or DataError for steps that cannot be made, or that disagree; no input is read."""
    lanes = [Lane(source.name, source_steps(settings, source), settings.split, 0) for source in settings.sources]
    Plan(settings, 0, {lane.name: Course(lane, (), {}) for lane in lanes}, {}, (), "", {}, []).checked()


def source_steps(settings: CorpusSettings, source: SourceSettings) -> tuple[Step, ...]:
    """Return the steps of a source, made and checked."""
    where = "corpus.steps" if source.steps is None else f"corpus.sources.{source.name}.steps"
    steps = _checked(make_steps(settings.steps_of(source), where), where)
    for step in steps:
        try:
            step.check()
        except MassiveTextError as error:
            raise type(error)(f"{where}.{step.name}: {error}") from None
    return steps


def _checked(steps: list[Step], where: str) -> tuple[Step, ...]:
    """Return the steps; raise ConfigError if one that needs all documents is not the last."""
    for step, after in pairwise(steps):
        if isinstance(step, Barrier) and not (isinstance(step, Decontaminate) and isinstance(after, Deduplicate)):
            raise ConfigError(
                f"{where}: {step.name!r} needs all documents and must be the last step; move it to the end "
                "(deduplicate after decontaminate)"
            )
    return tuple(steps)


def _versions(courses: Mapping[str, Course]) -> dict[str, Any]:
    """Return the versions that a corpus's bytes depend on."""
    return {
        "massivetext": __version__,
        "python": platform.python_version(),
        "pyarrow": pa.__version__,
        "chardet": version("chardet"),
        "read": READ_VERSION,
        "readers": {
            name: reader.version for course in courses.values() for name, reader in sorted(course.readers.items())
        },
        "steps": {name: [step.describe() for step in course.lane.steps] for name, course in courses.items()},
    }


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


def _process(plan: Plan, work: Path, threads: int, quiet: bool) -> list[dict[str, Any]]:
    """Return the counts of all parts, in order, once threads have taken them through reader and steps."""
    lock, stopped, done_records = Lock(), Event(), 0
    total = sum(part.input_bytes for part in plan.parts)
    with progress(tr("Reading and cleaning"), float(total), "B", quiet) as task, ThreadPoolExecutor(threads) as pool:

        def advance(amount: int, records: int) -> None:
            nonlocal done_records
            if stopped.is_set():
                raise InterruptedError("the build is being stopped")
            with lock:
                done_records += records
                task.advance(amount, tr("{count} documents", count=f"{done_records:,}"))

        waiting = [pool.submit(process_part, part, plan.courses, plan.measures, work, advance) for part in plan.parts]
        try:
            for done in as_completed(waiting):
                done.result()
        except BaseException:
            stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [done.result() for done in waiting]
