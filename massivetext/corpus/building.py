"""`build_corpus`: sources and steps in, a folder of clean Parquet out.

The input is cut into parts (`parts.py`), which threads take through reader and steps; then comes the barrier
(`finishing.py`): exact duplicates are found over all parts, and the documents are written by split. `manifest.json`
comes last, so a folder with one is a finished corpus. A build that was killed goes on with the parts that were not
finished.
"""

import errno
import os
import platform
import shutil
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from massivetext import __version__
from massivetext.corpus.finishing import DEDUPLICATE, DUPLICATE, Census, take_census, write_files
from massivetext.corpus.parts import SHOWN_RECORDS, Course, Part, make_parts, process_part
from massivetext.corpus.readers.finding import input_files
from massivetext.corpus.readers.records import make_reader
from massivetext.corpus.readers.streams import SourceFile
from massivetext.corpus.rows import BUILD, Lane, SourceCounts
from massivetext.corpus.settings import CorpusSettings
from massivetext.corpus.steps import Barrier, Measure, Step, make_steps
from massivetext.errors import ConfigError, DataError, MassiveTextError
from massivetext.progress import log, progress
from massivetext.storage import clear_temporary, read_json, value_digest, write_json
from massivetext.translations import tr

if TYPE_CHECKING:
    from massivetext.corpus.reading import Corpus

__all__ = ["build_corpus", "input_files", "inputs_digest"]

FORMAT = "massivetext-corpus/1"
PART_BYTES = 32 * 2**20
WORK = ".work"
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


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

    @property
    def deduplicated(self) -> frozenset[str]:
        """The sources whose steps ask for exact deduplication."""
        return frozenset(
            name
            for name, course in self.courses.items()
            if any(isinstance(step, Barrier) and getattr(step.settings, "exact", False) for step in course.lane.steps)
        )


def build_corpus(
    recipe: CorpusSettings | Mapping[str, Any] | str | Path,
    folder: str | Path,
    *,
    seed: int | None = None,
    quiet: bool = False,
    threads: int | None = None,
) -> "Corpus":
    """Return the corpus that a recipe describes, built in `folder`; one that is there already is not built again.

    recipe: the `corpus:` section as settings or as a mapping, a whole recipe as a mapping, a recipe file, or a built-in
    recipe's name. seed: decides the split; unset it is the recipe's, else 0. threads: unset, one for each core; the
    files are the same however many. Raises ConfigError (a recipe that cannot be used, an empty split), DataError (a
    path without files, no text column, no document left), and MassiveTextError where the disk is full.
    """
    settings, found_seed = _settings(recipe)
    from massivetext.corpus.reading import load_corpus

    if settings.from_ is not None:
        return load_corpus(settings.from_)
    plan = make_plan(settings, found_seed if seed is None else seed)
    folder = Path(folder)
    work = folder / WORK
    manifest = folder / "manifest.json"
    if manifest.is_file() and read_json(manifest).get("fingerprint") == plan.fingerprint:
        shutil.rmtree(work, ignore_errors=True)
        return load_corpus(folder)
    threads = threads or len(os.sched_getaffinity(0))
    with _full_disk_said(folder):
        _prepare(folder, plan.fingerprint)
        markers = _process(plan, work, threads, quiet)
        counts = _merged(plan, markers)
        census = take_census(work, len(plan.parts), plan.deduplicated, settings.split.names)
        _check(settings, counts, census)
        with progress(tr("Writing the corpus"), float(census.starts[-1]), tr("documents"), quiet) as task:
            write_files(folder, work, census, plan.measures, threads, task.advance)
        write_json(manifest, _manifest(plan, counts, census, markers))
        shutil.rmtree(work)
    if not quiet:
        _say(counts, census)
    return load_corpus(folder)


def _settings(recipe: CorpusSettings | Mapping[str, Any] | str | Path) -> tuple[CorpusSettings, int]:
    """Return the corpus section of a recipe and the recipe's seed."""
    if isinstance(recipe, CorpusSettings):
        return recipe, 0
    if isinstance(recipe, str | Path):
        import yaml

        path: Any = Path(recipe)
        if not path.is_file():
            built_in = files("massivetext").joinpath("recipes", f"{recipe}.yaml")
            if not built_in.is_file():
                raise ConfigError(f"no recipe file at {path} and no built-in recipe of that name; check the path")
            path = built_in
        recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(recipe, Mapping):
            raise ConfigError(f"{path} holds no mapping; a recipe has a section corpus: with sources")
    if "corpus" in recipe:
        return CorpusSettings.parse(recipe["corpus"], "corpus"), int(recipe.get("seed", 0))
    return CorpusSettings.parse(recipe, "corpus"), 0


def inputs_digest(settings: CorpusSettings) -> str:
    """Return a digest of the input files' names, sizes and times of change, or of the built corpus that is named."""
    if settings.from_ is not None:
        from massivetext.corpus.reading import load_corpus

        return load_corpus(settings.from_).digest
    return value_digest([_file_facts(source.name, input_files(source)) for source in settings.sources])


def _file_facts(name: str, found: Iterable[SourceFile]) -> list[list[Any]]:
    """Return what tells whether the files of a source have changed."""
    return [[name, file.uri, file.size, file.changed_ns] for file in found]


def make_plan(settings: CorpusSettings, seed: int) -> Plan:
    """Return the plan of a build: files found and looked at, steps made, parts cut."""
    courses = {}
    for source in sorted(settings.sources, key=lambda entry: entry.name):
        where = "corpus.steps" if source.steps is None else f"corpus.sources.{source.name}.steps"
        lane = Lane(source.name, _checked(make_steps(settings.steps_of(source), where), where), settings.split, seed)
        found = input_files(source)
        readers = {name: make_reader(name, source) for name in sorted({file.format for file in found})}
        for name, reader in readers.items():
            reader.check([file for file in found if file.format == name])
        courses[source.name] = Course(lane, tuple(found), readers)
    measures: dict[str, pa.DataType] = {}
    for course in courses.values():
        for step in course.lane.steps:
            if isinstance(step, Measure):
                measures.update(step.columns)
    facts = {
        "settings": settings.model_dump(mode="json", by_alias=True),
        "seed": seed,
        "versions": _versions(courses),
        "part_bytes": PART_BYTES,
        "files": [_file_facts(name, course.files) for name, course in courses.items()],
    }
    parts = tuple(make_parts(list(courses.values()), PART_BYTES))
    return Plan(settings, seed, courses, measures, parts, value_digest(facts))


def _checked(steps: list[Step], where: str) -> tuple[Step, ...]:
    """Return the steps; raise ConfigError if one that needs all documents is not the last."""
    for step in steps[:-1]:
        if isinstance(step, Barrier):
            raise ConfigError(
                f"{where}: {step.name!r} needs all documents and must be the last step; move it to the end"
            )
    return tuple(steps)


def _versions(courses: Mapping[str, Course]) -> dict[str, Any]:
    """Return the versions that a corpus's bytes depend on."""
    return {
        "massivetext": __version__,
        "python": platform.python_version(),
        "pyarrow": pa.__version__,
        "readers": {
            name: reader.version for course in courses.values() for name, reader in sorted(course.readers.items())
        },
        "steps": {name: [step.describe() for step in course.lane.steps] for name, course in courses.items()},
    }


@contextmanager
def _full_disk_said(folder: Path) -> Iterator[None]:
    """Turn a full disk into a message that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        free = shutil.disk_usage(folder).free if folder.is_dir() else 0
        raise MassiveTextError(
            f"the disk took no more while the corpus was written to {folder} ({os.strerror(error.errno)}; "
            f"{free / 1e6:.1f} MB free); nothing half written is left. Make room and start again: it goes on from there"
        ) from error


def _prepare(folder: Path, fingerprint: str) -> None:
    """Make the folder ready: keep the work of a build with this fingerprint, remove that of any other."""
    plan_file = folder / WORK / "plan.json"
    # The manifest goes first: without it the folder is no corpus, whatever else is still there.
    (folder / "manifest.json").unlink(missing_ok=True)
    same = plan_file.is_file() and read_json(plan_file).get("fingerprint") == fingerprint
    if not same:
        for name in (WORK, "documents", "dropped"):
            shutil.rmtree(folder / name, ignore_errors=True)
        write_json(plan_file, {"fingerprint": fingerprint})
    for name in (WORK, "documents", "dropped"):
        if (folder / name).is_dir():
            clear_temporary(folder / name)


def _process(plan: Plan, work: Path, threads: int, quiet: bool) -> list[dict[str, Any]]:
    """Return the counts of all parts, in order, once threads have taken them through reader and steps."""
    lock = Lock()
    total = sum(part.input_bytes for part in plan.parts)
    with progress(tr("Reading and cleaning"), float(total), "B", quiet) as task, ThreadPoolExecutor(threads) as pool:

        def advance(amount: int) -> None:
            with lock:
                task.advance(amount)

        waiting = [pool.submit(process_part, part, plan.courses, plan.measures, work, advance) for part in plan.parts]
        try:
            for done in as_completed(waiting):
                done.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [done.result() for done in waiting]


def _merged(plan: Plan, markers: list[dict[str, Any]]) -> dict[str, SourceCounts]:
    """Return the counts of each source over all parts."""
    counts = {name: SourceCounts() for name in plan.courses}
    for marker in markers:
        for name, values in marker["sources"].items():
            counts[name].add(SourceCounts(**values))
    return counts


def _check(settings: CorpusSettings, counts: dict[str, SourceCounts], census: Census) -> None:
    """Count the duplicates as dropped; raise DataError if nothing is left, ConfigError if a split is empty."""
    for name, entry in census.duplicates.items():
        counts[name].drop(f"{DEDUPLICATE}: {DUPLICATE}", entry["documents"], entry["bytes"])
        counts[name].documents -= entry["documents"]
        counts[name].document_bytes -= entry["bytes"]
    documents = sum(entry.documents for entry in counts.values())
    if not documents:
        reasons = {
            f"{name}, {reason}": entry["documents"] for name, c in counts.items() for reason, entry in c.dropped.items()
        }
        shown = "; ".join(f"{reason}: {count}" for reason, count in reasons.items()) or "the files hold no record"
        raise DataError(
            f"no document is left of {sum(c.records for c in counts.values())} records read ({shown}); "
            "check the sources, or loosen the steps that drop"
        )
    empty = [name for name, entry in census.splits.items() if not entry["documents"]]
    if empty:
        shares = {"validation": settings.split.validation, "test": settings.split.test}
        asked = ", ".join(f"{name} (asked for: {shares.get(name, 1 - sum(shares.values())):g})" for name in empty)
        raise ConfigError(
            f"the split came out empty: {asked}, of {documents} documents. Set corpus.split to larger shares (or to 0 "
            "for no such split), or make more documents of the same text with the source's unit: block, paragraph, line"
        )


def _manifest(
    plan: Plan, counts: dict[str, SourceCounts], census: Census, markers: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return the value of `manifest.json`."""
    set_aside = [entry for marker in markers for entry in marker["set_aside"]]
    return {
        "format": FORMAT,
        "build": BUILD,
        "seed": plan.seed,
        "digest": census.digest,
        "fingerprint": plan.fingerprint,
        "settings": plan.settings.model_dump(mode="json", by_alias=True, exclude_none=True),
        "versions": _versions(plan.courses),
        "sources": {name: _source_counts(plan.courses[name], entry) for name, entry in counts.items()},
        "splits": census.splits,
        "set_aside": set_aside[:SHOWN_RECORDS],
    }


def _source_counts(course: Course, counts: SourceCounts) -> dict[str, Any]:
    """Return a source's counts as the manifest holds them.

    text bytes read = bytes kept + bytes dropped, whatever the reason, + bytes removed by edits.
    """
    values = asdict(counts)
    return {
        "files": len(course.files),
        "file_bytes": sum(file.size for file in course.files),
        "read": {"records": values["records"], "bytes": values["text_bytes"], "record_bytes": values["record_bytes"]},
        "kept": {"documents": values["documents"], "bytes": values["document_bytes"]},
        "dropped": dict(sorted(values["dropped"].items())),
        "edited": dict(sorted(values["edited"].items())),
        "invalid_records": values["invalid_records"],
    }


def _say(counts: dict[str, SourceCounts], census: Census) -> None:
    """Tell the user what was kept, what was dropped, and what may need a second look."""
    for name, entry in counts.items():
        gone = sum(reason["documents"] for reason in entry.dropped.values())
        log(
            tr(
                "  {name}: {kept} of {read} documents kept, {megabytes} MB; {dropped} dropped",
                name=name,
                kept=f"{entry.documents:,}",
                read=f"{entry.records:,}",
                megabytes=f"{entry.document_bytes / 1e6:.2f}",
                dropped=f"{gone:,}",
            )
        )
        for reason, dropped in sorted(entry.dropped.items()):
            log(f"      {reason}: {dropped['documents']:,}")
        if entry.invalid_records:
            log(
                tr(
                    "      {count} records of {name} have bytes that do not fit their encoding, now U+FFFD; if the "
                    "text is not UTF-8, set the source's encoding (e.g. gb18030)",
                    count=f"{entry.invalid_records:,}",
                    name=name,
                )
            )
    log(tr("  corpus digest {digest}", digest=census.digest))
