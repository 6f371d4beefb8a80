"""Check that a corpus's files match its manifest: names, sizes and footers always, all bytes on request.

The pages of a Parquet file have their own checksums, which are verified whenever they are read. So the check when a
corpus is opened needs only two small reads per file, and still no damaged data is used.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from massivetext.errors import StoreError
from massivetext.parquet import footer_digest
from massivetext.storage import file_digest

FOLDERS = ("documents", "dropped", "index", "clusters", "contamination", "removed")
"""Folders whose files the manifest lists under `parts`."""
TAKEDOWNS = "removed"

Parts = dict[str, dict[str, Any]]


def listed_parts(folder: Path, build: int, known: Mapping[str, Mapping[str, Any]] | None = None) -> Parts:
    """Return the manifest entry of each file of the builds up to `build`: bytes, footer, SHA-256.

    known: the entries so far. An entry whose size and footer still match is kept, so that the digest of a file that was
    damaged since is not taken for the right one.
    """
    found: Parts = {}
    for name, path in _files(folder, build).items():
        entry, before = _seen(path), (known or {}).get(name)
        fits = before is not None and all(before[key] == value for key, value in entry.items())
        found[name] = dict(before) if before is not None and fits else {**entry, "sha256": file_digest(path)}
    return found


def check_parts(folder: Path, manifest: Mapping[str, Any], *, whole: bool = False) -> list[str]:
    """Return what is wrong with a corpus's files, one sentence each; an empty list if nothing is wrong.

    whole: also compare the digest of all bytes. During a takedown, or after an interrupted one, parts differ from the
    manifest. Then only `whole` reports a fault: the unfinished takedown.
    """
    listed = manifest["parts"]
    there = _files(folder, manifest["build"])
    if any(name.startswith(f"{TAKEDOWNS}/") and name not in listed for name in there):
        return [f"{folder}: a takedown was not finished; give the same `massivetext corpus remove` again"] * whole
    faults = [f"{folder / name} is missing" for name in listed if name not in there]
    faults += [f"{folder / name} is not a part of this corpus (manifest.json does not list it)" for name in there
               if name not in listed]  # fmt: skip
    for name in sorted(listed.keys() & there.keys()):
        entry = listed[name]
        changed = [key for key, value in _seen(there[name]).items() if entry[key] != value]
        if changed or (whole and file_digest(there[name]) != entry["sha256"]):
            what = "size" if "bytes" in changed else "footer" if changed else "content"
            faults.append(f"{folder / name} is damaged: its {what} is not what manifest.json says")
    return faults


def refuse_faults(folder: Path, faults: list[str]) -> None:
    """Raise StoreError with the first faults of a corpus and the remedy, if there are any."""
    if not faults:
        return
    more = f" (and {len(faults) - 1} more; `massivetext doctor {folder}` lists them)" if len(faults) > 1 else ""
    foreign = "; move foreign files away" if any("is not a part" in fault for fault in faults) else ""
    raise StoreError(
        f"{faults[0]}{more}. Restore the file from a copy{foreign}, or delete {folder} and build the corpus again"
    )


def _files(folder: Path, build: int) -> dict[str, Path]:
    """Return the corpus's files by relative path, except those of an unfinished build."""
    found = {}
    for name in FOLDERS:
        for path in sorted((folder / name).rglob("*")):
            # In removed/ only the lists count: a takedown adds and deletes its notes there.
            listed = name != TAKEDOWNS or path.suffix == ".parquet"
            if path.is_file() and listed and not path.name.startswith(".") and _build_of(path, build) <= build:
                found[path.relative_to(folder).as_posix()] = path
    return found


def _build_of(path: Path, otherwise: int) -> int:
    number = path.name.removeprefix("build-")[:4]
    return int(number) if path.name.startswith("build-") and number.isdigit() else otherwise


def _seen(path: Path) -> dict[str, Any]:
    """Return the facts that are checked whenever a corpus is opened."""
    found: dict[str, Any] = {"bytes": path.stat().st_size}
    return found | ({"footer": footer_digest(path)} if path.suffix == ".parquet" else {})
