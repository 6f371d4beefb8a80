"""Files that appear whole or not at all, digests, and the lock of a folder.

A write goes to a temporary name in the same folder, is flushed to the disk, and is renamed: after a kill or on a full
disk the old file, or none, is there, never half of one.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from massivetext.errors import BusyError

TEMPORARY_PREFIX = ".tmp-"


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def temporary_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` to write to; on success it becomes `path`, on any error it is removed.

    The folder is made if it is missing. The writer must have closed the file when the block ends; it is synced here.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f"{TEMPORARY_PREFIX}{os.getpid()}-{path.name}"
    try:
        yield temporary
        with open(temporary, "rb") as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def write_whole(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Yield an open stream whose content becomes `path` when the block ends without an error."""
    encoding = None if "b" in mode else "utf-8"
    newline = None if "b" in mode else ""
    with temporary_path(path) as temporary, open(temporary, mode, encoding=encoding, newline=newline) as stream:
        yield stream
        stream.flush()


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with write_whole(path, "w") as stream:
        stream.write(text)


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON with a final newline, whole or not at all."""
    text = json.dumps(value, ensure_ascii=False, indent=2) + "\n"
    # Of names that are not UTF-8 Python makes lone surrogates, which JSON can spell.
    write_text(path, text.encode("utf-8", "backslashreplace").decode())


def read_json(path: Path) -> Any:
    """Return the JSON value stored at `path`."""
    return json.loads(path.read_text(encoding="utf-8"))


def clear_temporary(folder: Path) -> None:
    """Remove what killed writers left below `folder`. Call it only while the folder is locked."""
    for leftover in sorted(folder.rglob(f"{TEMPORARY_PREFIX}*")):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink(missing_ok=True)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    return stream_digest(open(path, "rb"))


def stream_digest(stream: Any) -> str:
    """Return the SHA-256 of the bytes of a stream, in hexadecimal, and close it."""
    with stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def value_digest(value: object) -> str:
    """Return the SHA-256 of a JSON value in canonical form (sorted keys, no spaces), in hexadecimal."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "backslashreplace")).hexdigest()


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Hold the folder's lock (`.lock`, by flock) while the block runs; raise BusyError if another process holds it.

    The lock dies with its process, so a killed run leaves none behind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a+", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            holder = stream.read().strip() or "unknown"
            raise BusyError(
                f"{folder} is being written by another process (pid {holder}); "
                f"wait for it to finish, stop it, or choose another folder with --out"
            ) from None
        stream.seek(0)
        stream.truncate()
        stream.write(str(os.getpid()))
        stream.flush()
        yield
