"""Check whether the input files of a corpus have changed: by size and modification time, else by content.

`index/build-0001.json` holds source, uri, size, modification time and content digest of each file that a build read. A
file with the same size and time counts as unchanged and is not opened.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from xxhash import xxh3_128

from massivetext.corpus.readers.finding import input_files
from massivetext.corpus.readers.streams import SourceFile
from massivetext.corpus.reading import load_corpus
from massivetext.corpus.settings import CorpusSettings
from massivetext.engines import Advance, Engine
from massivetext.errors import DataError
from massivetext.state import read_state
from massivetext.storage import value_digest

BLOCK_BYTES = 2**20

Facts = list[Any]
"""Source, uri, size, modification time in nanoseconds; for a file that was read, also its digest."""
Known = Mapping[tuple[str, str], Facts]


def files_read(folder: Path, builds: int | None = None) -> dict[tuple[str, str], Facts]:
    """Return the noted facts of each file that the corpus in `folder` has read, by source and uri; empty without one.

    builds: only the first `builds` builds, because an interrupted build leaves its notes too; unset, all.
    """
    remedy = f"Restore it from a copy, or delete {folder} and build the corpus again"
    found = {}
    for path in sorted((folder / "index").glob("build-*.json"))[:builds]:
        for facts in read_state(path, ["files"], remedy)["files"]:
            found[(facts[0], facts[1])] = facts
    return found


def file_facts(source: str, files: Iterable[SourceFile], known: Known) -> list[Facts]:
    """Return source, uri, size and time of each file. If only the time has changed, return the noted time.

    known: the result of `files_read`. A file with the same size and another time is read, and its digest compared.
    """
    found = []
    for file in files:
        noted = known.get((source, file.uri))
        changed = file.changed_ns
        if noted and file.content is None and noted[2] == file.size and noted[3] != changed:
            changed = noted[3] if noted[4] == content_digest(file.path) else changed
        found.append([source, file.uri, file.size, changed])
    return found


def with_digests(facts: list[Facts], files: Mapping[tuple[str, str], SourceFile], engine: Engine) -> list[Facts]:
    """Return the facts of files that were just read, each with its content digest.

    The digest is None for a file that is stored elsewhere, and for one that has changed meanwhile.
    """
    found = engine.map_parts(_read_digest, [files[(entry[0], entry[1])] for entry in facts])
    return [[*entry[:4], digest] for entry, digest in zip(facts, found)]


def _read_digest(file: SourceFile, advance: Advance) -> str | None:
    """Return the digest of a file's content, or None if the content is not what was read."""
    if file.content is not None or not file.path.is_file():
        return None
    digest, now = content_digest(file.path), file.path.stat()
    return digest if (now.st_size, now.st_mtime_ns) == (file.size, file.changed_ns) else None


def content_digest(path: Path) -> str:
    """Return the xxh3-128 of a file's bytes, in hexadecimal."""
    digest = xxh3_128()
    with open(path, "rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def inputs_digests(settings: CorpusSettings, folder: Path) -> dict[str, str | None]:
    """Return a digest of each source's files, or of the built corpus that is named; None if a source has no files.

    It covers names, sizes and modification times. A file with another time counts as unchanged if the corpus in
    `folder` has read the same content.
    """
    if settings.from_ is not None:
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
