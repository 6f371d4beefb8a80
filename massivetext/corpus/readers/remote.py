"""Find the files of remote sources: `s3://bucket/key`, `hf://datasets/owner/name`, and any other fsspec URL.

Files are read in place, block by block, without a copy. As on disk, a file is identified by name, size and modification
time, or by the store's tag (such as an ETag).
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
"""Names that stores use for a value that changes with the file, most reliable first."""


def is_remote(path: str) -> bool:
    """Return whether a path is an fsspec URL."""
    return "://" in path


def remote_files(written: str, source: SourceSettings) -> list[tuple[SourceFile, bool]]:
    """Return (file, whether the path or its pattern named it directly) for each file of a remote path.

    A path is a file, a folder (hidden files and folders are skipped) or a pattern. Raises ConfigError if the protocol
    is unknown or its package is missing, DataError if nothing is found or the store does not answer.
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
    """Return a remote file as a `SourceFile`."""
    tag = next((str(facts[key]) for key in CHANGED if facts.get(key) is not None), "")

    def content() -> BinaryIO:
        return cast(BinaryIO, io.BufferedReader(system.open(name, "rb", block_size=BLOCK_BYTES), BUFFER_BYTES))

    changed = xxhash.xxh3_64_intdigest(tag.encode()) if tag else 0
    size = int(facts["size"] or 0)
    return SourceFile(Path(name), uri, size, changed, "", source.max_expansion, content)
