"""State files: small files that describe a folder's content. They contain their own digest and are only read here.

A JSON object written by `write_state` ends with `sha256`, the digest of the rest. A text written by `write_sealed` ends
with a line that holds the digest. A truncated, empty or modified file raises an error that says how to restore it.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from massivetext.errors import MassiveTextError, StoreError
from massivetext.storage import file_digest, value_digest, write_json, write_text

SEAL = "sha256"
STAGES = "stages"

Error = type[MassiveTextError]


def write_state(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON object atomically, with its own digest as the last key."""
    plain = json.loads(json.dumps(values))  # as JSON reads them back: string keys, lists instead of tuples
    write_json(path, {**plain, SEAL: value_digest(plain)})


def read_state(path: Path, keys: Iterable[str], remedy: str, error: Error = StoreError) -> dict[str, Any]:
    """Return an object written by `write_state`, without its digest.

    keys: the required keys. Raises `error`, which names the damage and ends with `remedy`, if the file is not valid.
    """
    values = dict(read_object(path, [*keys, SEAL], remedy, error))
    expected = values.pop(SEAL)
    if value_digest(values) != expected:
        raise error(f"{path} is damaged: its content does not have the digest recorded in it. {remedy}")
    return values


def read_object(path: Path, keys: Iterable[str], remedy: str, error: Error = StoreError) -> dict[str, Any]:
    """Return the JSON object in a file; raise `error` with the remedy unless it has at least these keys."""
    value = read_json(path, remedy, error)
    if not isinstance(value, dict):
        raise error(f"{path} is damaged: it holds a JSON {_kind(value)}, and an object is expected. {remedy}")
    missing = [key for key in keys if key not in value]
    if missing:
        raise error(f"{path} is damaged: it has no {missing[0]!r}. {remedy}")
    return value


def read_json(path: Path, remedy: str = "Restore it from a copy", error: Error = StoreError) -> Any:
    """Return the JSON value in a file; raise `error` with the remedy if it is missing, truncated or not JSON."""
    try:
        return json.loads(_read_text(path, remedy, error))
    except (ValueError, RecursionError) as found:
        raise error(f"{path} is damaged or cut short: it is no valid JSON ({str(found)[:200]}). {remedy}") from None


def _read_text(path: Path, remedy: str, error: Error) -> str:
    """Return the text of a file; raise `error` if it is missing, empty or not text."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise error(f"{path} is missing. {remedy}") from None
    except IsADirectoryError:
        raise error(f"{path} is a folder, and a file is expected. {remedy}") from None
    if not data.strip():
        raise error(f"{path} is damaged: it is empty. {remedy}")
    if b"\0" in data:
        raise error(f"{path} is damaged: it holds NUL bytes from byte {data.index(0):,} on. {remedy}")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as found:
        raise error(f"{path} is damaged: byte {found.start:,} is not UTF-8. {remedy}") from None


def write_sealed(path: Path, text: str, comment: tuple[str, str] = ("#", "")) -> None:
    """Write a text atomically, with its own digest in a comment at the end."""
    write_text(path, _sealed(text, comment))


def read_sealed(path: Path, remedy: str, comment: tuple[str, str] = ("#", ""), error: Error = StoreError) -> str:
    """Return a text written by `write_sealed`, including its last line; raise `error` if it was modified."""
    text = _read_text(path, remedy, error)
    body = text[: text.rfind("\n", 0, len(text) - 1) + 1]
    if _sealed(body, comment) != text:
        raise error(f"{path} is damaged or was edited: it does not have the digest in its last line. {remedy}")
    return text


def _sealed(text: str, comment: tuple[str, str]) -> str:
    text = text if text.endswith("\n") or not text else text + "\n"
    return f"{text}{comment[0]} {SEAL} {hashlib.sha256(text.encode()).hexdigest()} {comment[1]}".rstrip() + "\n"


def digests_of(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of the named files, and of all files in the named folders except locks, by relative path."""
    found = {}
    for name in names:
        path = folder / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and not file.name.startswith("."):
                found[file.relative_to(folder).as_posix()] = file_digest(file)
    return found


def recorded_faults(run: Path, stage: str, names: Iterable[str] = ()) -> list[str]:
    """Return one sentence for each file of a run that differs from what its stage recorded.

    names: files or folders to check, relative to the run; empty: all. Raises StoreError for a damaged marker.
    """
    marker = run / STAGES / f"{stage}.json"
    if not marker.is_file():
        return []
    again = "Delete it and give the same `massivetext run` again: the stage is looked at again, nothing is lost"
    recorded = read_state(marker, ("finished",), again).get("files", {})
    faults = []
    for name, digest in recorded.items():
        if names and not any(name == one or name.startswith(f"{one}/") for one in names):
            continue
        if not (run / name).is_file():
            faults.append(f"{run / name} is missing")
        elif file_digest(run / name) != digest:
            faults.append(f"{run / name} is damaged, or was changed after the stage {stage!r} wrote it")
    return faults


def check_recorded(run: Path, stage: str, names: Iterable[str], remedy: str) -> None:
    """Raise StoreError with the remedy and the first of `recorded_faults`, if there are any."""
    if faults := recorded_faults(run, stage, names):
        raise StoreError(f"{faults[0]}. {remedy}")


def _kind(value: object) -> str:
    names: dict[type, str] = {list: "list", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")
