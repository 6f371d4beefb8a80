"""The plan of a build: files found and looked at, steps made, parts cut. Nothing is written."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa

from massivetext import __version__
from massivetext.corpus.barrier.deduplication import Deduplicate
from massivetext.corpus.barrier.requirements import Requirements, requirements_of
from massivetext.corpus.barrier.verdicts import Judge
from massivetext.corpus.gathering import READ_VERSION
from massivetext.corpus.inputs import Facts, file_facts, files_read
from massivetext.corpus.lanes import Course, Lane
from massivetext.corpus.parts import Part, make_parts
from massivetext.corpus.readers.finding import find_files
from massivetext.corpus.readers.records import make_reader
from massivetext.corpus.readers.streams import SourceFile
from massivetext.corpus.settings import CorpusSettings, SourceSettings
from massivetext.corpus.steps import Barrier, Measure, Step
from massivetext.corpus.steps.table import make_steps
from massivetext.errors import ConfigError, DataError, MassiveTextError
from massivetext.storage import value_digest

PART_BYTES = 32 * 2**20


@dataclass(frozen=True)
class Plan:
    """All that is settled before the first record is read."""

    settings: CorpusSettings
    seed: int
    courses: dict[str, Course]
    """Sources by name, in ascending order of their names, which is the first key of the canonical order."""
    required: Requirements
    """What the sources require of the barrier."""
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
            if isinstance(step, Measure | Barrier):
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
    required = requirements_of({name: course.lane.steps for name, course in courses.items()})
    return Plan(settings, seed, courses, required, measures, parts, value_digest(facts), versions, files, build)


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
    requirements_of({source.name: source_steps(settings, source) for source in settings.sources})


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
    """Return the steps; raise ConfigError if one that needs all documents comes before one that does not."""
    for step in steps:
        if isinstance(step, Barrier) and not isinstance(step, Deduplicate | Judge):
            raise ConfigError(
                f"{where}: the barrier {step.name!r} yields no verdicts; make it also a subclass of "
                "massivetext.corpus.barrier.verdicts.Judge"
            )
    for step, after in pairwise(steps):
        if isinstance(step, Barrier) and (isinstance(step, Deduplicate) or not isinstance(after, Barrier)):
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


def check_appendable(base: Mapping[str, Any], settings: CorpusSettings, seed: int, versions: Mapping[str, Any]) -> None:
    """Raise ConfigError if what is to be appended would not be treated as the corpus was."""
    asked = settings.model_dump(mode="json", by_alias=True, exclude_none=True)
    found = {"seed": seed, **{name: asked[name] for name in ("steps", "split")}}
    expected = {"seed": base["seed"], **{name: base["settings"][name] for name in ("steps", "split")}}
    steps = {name: steps for name, steps in versions["steps"].items() if name in base["versions"]["steps"]}
    found["steps and versions"], expected["steps and versions"] = (
        steps,
        {name: base["versions"]["steps"][name] for name in steps},
    )
    from massivetext.corpus.comparing import differences

    differing = differences("", expected, found)
    if differing:
        key, built, wanted = differing[0]
        more = f" (and {len(differing) - 1} more differences)" if len(differing) > 1 else ""
        raise ConfigError(
            f"the corpus was built with {key} {built!r}, and the text to append asks for {wanted!r}{more}; ask for the "
            f"same, or build the corpus anew in another folder"
        )
