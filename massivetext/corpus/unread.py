"""Count and name the files that are not read because no reader supports their format; they are always reported."""

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import PurePath
from typing import Any

from massivetext.translations import tr

SHOWN_NAMES = 5
"""Number of files of each suffix that are named: the first ones."""
SHOWN_SUFFIXES = 8
COMPRESSED = (".gz", ".zst", ".bz2", ".xz")
SUFFIX = re.compile(r"\.[\w+-]{1,12}")
DOCUMENT_PACKAGES = {".docx": "docx", ".pdf": "pypdfium2", ".rtf": "striprtf"}
"""The module of the extra `documents` that reads a suffix."""
Counts = dict[str, dict[str, Any]]
"""Suffix (empty: none) -> number of files, bytes, names."""


def count_unread(counts: Counts, name: str, size: int) -> None:
    """Count one file that is not read."""
    suffixes = [suffix.lower() for suffix in PurePath(name).suffixes]
    while suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    # Text after a full stop in a long name, as in "1. The River", is no suffix.
    suffix = suffixes[-1] if suffixes and SUFFIX.fullmatch(suffixes[-1]) else ""
    add_unread(counts, {suffix: {"files": 1, "bytes": size, "names": [name]}})


def add_unread(counts: Counts, others: Mapping[str, Mapping[str, Any]]) -> None:
    """Add some counts to others."""
    for suffix, other in others.items():
        entry = counts.setdefault(suffix, {"files": 0, "bytes": 0, "names": []})
        entry["files"] += other["files"]
        entry["bytes"] += other["bytes"]
        entry["names"] = [*entry["names"], *other["names"]][:SHOWN_NAMES]


def unread_by_source(manifest: Mapping[str, Any]) -> dict[str, Counts]:
    """Return the counts of each source that has any; files in folders and members of archives are added up."""
    found: dict[str, Counts] = {}
    for name, parts in manifest.get("unread", {}).items():
        counts: Counts = {}
        for part in ("files", "members"):
            add_unread(counts, parts[part])
        if counts:
            found[name] = dict(sorted(counts.items(), key=lambda entry: (-entry[1]["files"], entry[0])))
    return found


def unread_words(counts: Mapping[str, Mapping[str, Any]]) -> str:
    """Return counts in words, such as "3 .pdf, 1 without a suffix"."""
    shown = sorted(counts.items(), key=lambda entry: (-entry[1]["files"], entry[0]))
    words = [f"{entry['files']:,} {suffix or tr('without a suffix')}" for suffix, entry in shown[:SHOWN_SUFFIXES]]
    return ", ".join([*words, "..."] if len(shown) > SHOWN_SUFFIXES else words)


def unread_remedy(suffixes: Mapping[str, Any]) -> str:
    """Return what makes some of these suffixes readable; empty if nothing does."""
    lacking = sorted(suffix for suffix in suffixes if suffix in DOCUMENT_PACKAGES and not can_read(suffix))
    if not lacking:
        return ""
    return tr("pip install massivetext[documents] reads {suffixes}", suffixes=", ".join(lacking))


def can_read(suffix: str) -> bool:
    """Return whether the package that a suffix needs is installed."""
    package = DOCUMENT_PACKAGES.get(suffix)
    return package is None or find_spec(package) is not None
