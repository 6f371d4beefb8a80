"""Sources that lie elsewhere: `s3://bucket/key`, `hf://datasets/owner/name`, whatever fsspec opens.

Files are read where they lie, block by block; nothing is copied first. They are told apart by name, size and time of
change as files on disk are, or by the tag that the store gives them where it has no time.
"""

import glob
import io
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

import xxhash

from massivetext.corpus.readers.streams import BUFFER_BYTES, SourceFile
from massivetext.corpus.settings import SourceSettings
from massivetext.errors import ConfigError, DataError

BLOCK_BYTES = 2**23
CHANGED = ("ETag", "etag", "mtime", "LastModified", "last_modified", "updated", "created", "last_commit", "md5")
"""What stores call that which changes with a file, the surest first."""


def is_remote(path: str) -> bool:
    """Return whether a path as written names a place of fsspec."""
    return "://" in path


def remote_files(written: str, source: SourceSettings) -> list[tuple[SourceFile, bool]]:
    """Return the files that a remote path names, each with whether it was named itself or by a pattern.

    A path is a file, a folder (hidden files and folders left out) or a pattern. Errors: ConfigError for a protocol that
    is not known or whose package is missing, DataError where nothing is found or nothing answers.
    """
    from fsspec.core import url_to_fs

    try:
        system, root = url_to_fs(written)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"source {source.name!r}: {written} cannot be opened: {error}") from None
    try:
        given = not system.isdir(root)
        if not given:
            found = system.find(root, detail=True)
        elif glob.has_magic(root):
            found = system.glob(root, detail=True)
        else:
            found = {root: system.info(root)}
    except OSError as error:
        raise DataError(f"source {source.name!r}: nothing at {written} ({error}); check the path") from None
    above = PurePosixPath(root)
    while glob.has_magic(str(above)) or (given and above == PurePosixPath(root)):
        above = above.parent
    files = []
    for name, facts in sorted(found.items()):
        inside = PurePosixPath(name).relative_to(above)
        hidden = any(part.startswith(".") for part in inside.parts)
        if facts["type"] == "file" and (given or not hidden):
            files.append((_remote_file(system, name, str(inside), facts, source), given))
    if not files:
        raise DataError(f"source {source.name!r}: no file at {written}; check the path")
    return files


def _remote_file(system: Any, name: str, uri: str, facts: dict[str, Any], source: SourceSettings) -> SourceFile:
    """Return a remote file as readers know files."""
    tag = next((str(facts[key]) for key in CHANGED if facts.get(key) is not None), "")

    def content() -> BinaryIO:
        return cast(BinaryIO, io.BufferedReader(system.open(name, "rb", block_size=BLOCK_BYTES), BUFFER_BYTES))

    changed = xxhash.xxh3_64_intdigest(tag.encode()) if tag else 0
    size = int(facts["size"] or 0)
    return SourceFile(Path(name), uri, size, changed, "", source.max_expansion, content)
