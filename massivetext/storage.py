"""Atomic writes, digests, folder locks, and the error for a full disk.

A file is written under a temporary name in the same folder, flushed to disk, and renamed. After a crash or on a full
disk, the old file or no file exists, never a partial one.
"""

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from glob import escape
from pathlib import Path
from typing import IO, Any

from massivetext.errors import BusyError, DiskFullError

TEMPORARY_PREFIX = ".tmp-"
LOCK = ".lock"
_NESTED: ContextVar[frozenset[Path]] = ContextVar("nested locks", default=frozenset())
"""Lock files that this thread holds and may acquire again."""
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
DISK_WORDS = re.compile(
    r"No space left on device|Disk quota exceeded|File too large|\(os error (28|122|27)\)|\d+ requested and \d+ written"
)
"""Messages for a full disk from safetensors, pyarrow and numpy, whose exceptions have no error number."""


def is_full_disk(error: BaseException) -> bool:
    """Return whether an exception from any library means that the disk (or the quota) is full."""
    number = getattr(error, "errno", None)
    return number in DISK_ERRORS or (isinstance(error, Exception) and bool(DISK_WORDS.search(str(error))))


@contextmanager
def full_disk_named(path: Path) -> Iterator[None]:
    """Raise DiskFullError that names `path`, the free space and the remedy if the disk becomes full in the block."""
    try:
        yield
    except Exception as error:
        if isinstance(error, DiskFullError) or not is_full_disk(error):
            raise
        there = next(folder for folder in path.absolute().parents if folder.is_dir())
        raise DiskFullError(
            f"{path} could not be written: the disk is full ({shutil.disk_usage(there).free / 1e6:.1f} MB free at "
            f"{there}, or your quota or the allowed file size is used up). No file is left half written. Make room, "
            f"then give the same command again: it resumes where it stopped"
        ) from error


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def temporary_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; it becomes `path` on success and is removed on any error.

    A missing folder is created. The writer must close the file before the block ends; it is then synced to disk.
    """
    temporary = path.parent / f"{TEMPORARY_PREFIX}{os.getpid()}-{path.name}"
    with full_disk_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
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
    """Yield an open stream; its content becomes `path` if the block ends without an error."""
    encoding = None if "b" in mode else "utf-8"
    newline = None if "b" in mode else ""
    with temporary_path(path) as temporary, open(temporary, mode, encoding=encoding, newline=newline) as stream:
        yield stream
        stream.flush()


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 atomically."""
    with write_whole(path, "w") as stream:
        stream.write(text)


def write_json(path: Path, value: object) -> None:
    """Write `value` atomically as indented JSON with a final newline."""
    text = json.dumps(value, ensure_ascii=False, indent=2) + "\n"
    # Python decodes file names that are not UTF-8 to lone surrogates, which JSON can escape.
    write_text(path, text.encode("utf-8", "backslashreplace").decode())


def clear_temporary(folder: Path) -> None:
    """Remove temporary files of killed processes below `folder`. Call it only while the folder is locked."""
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
def locked_folder(folder: Path, *, nested: bool = False, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the folder's lock (`.lock`, with flock) while the block runs; raise BusyError if it is already held.

    nested: functions called in the block may acquire the lock again, with nested=True. wait_seconds: how long to wait
    for another holder. The lock ends with its process: the lock file of a killed run locks nothing.
    """
    path = folder.resolve() / LOCK
    if nested and path in _NESTED.get():
        yield
        return
    with _lock(path, folder, wait_seconds):
        token = _NESTED.set(_NESTED.get() | ({path} if nested else set()))
        try:
            yield
        finally:
            _NESTED.reset(token)


@contextmanager
def locked_file(path: Path) -> Iterator[None]:
    """Hold the lock of a single output file while the block runs; first remove its temporary files of killed processes.

    The lock is `.lock-NAME` in the same folder. Raises BusyError as `locked_folder` does.
    """
    with _lock(path.parent / f"{LOCK}-{path.name}", path, 0.0):
        for leftover in path.parent.glob(f"{TEMPORARY_PREFIX}*-{escape(path.name)}"):
            leftover.unlink(missing_ok=True)
        yield


@contextmanager
def _lock(path: Path, what: Path, wait_seconds: float) -> Iterator[None]:
    """Hold a lock file while the block runs. what: the path it protects, for the message."""
    is_new = not path.parent.exists()
    with _locked_stream(path, what, time.monotonic() + wait_seconds) as stream:
        stream.seek(0)
        stream.truncate()
        stream.write(str(os.getpid()))
        stream.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            if is_new:  # nothing was written: remove the empty folder
                with suppress(OSError):
                    path.parent.rmdir()


def _locked_stream(path: Path, what: Path, deadline: float) -> IO[str]:
    """Return the open lock file once this process holds its lock."""
    while True:
        if not path.parent.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
        stream = open(path, "a+", encoding="utf-8")  # noqa: SIM115
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            holder = stream.read().strip() or "unknown"
            stream.close()
            if time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            raise BusyError(
                f"{what} is being written by another process (pid {holder}); wait for it to finish, stop it, or write "
                f"elsewhere with --out"
            ) from None
        if _is_at(stream, path):
            return stream
        stream.close()  # the file was removed, with its folder or by its last holder, so this lock protects nothing


def _is_at(stream: IO[str], path: Path) -> bool:
    """Return whether an open file is still the one at `path`."""
    try:
        return os.path.samestat(os.fstat(stream.fileno()), os.stat(path))
    except FileNotFoundError:
        return False
