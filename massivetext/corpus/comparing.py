"""The output of `corpus diff`: which documents two corpora treat differently, why, and which settings differ."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from massivetext.corpus.inspecting import table
from massivetext.corpus.reading import Corpus
from massivetext.corpus.takedowns import taken_down
from massivetext.parquet import read_own
from massivetext.translations import tr

EXAMPLES = 3
ABSENT = "not read"
UNSET = "(not set)"


def compare(left: Corpus, right: Corpus) -> dict[str, Any]:
    """Return how `right` differs from `left`, as JSON values.

    changes: for each source and each change of state (kept in a split, dropped by a step for a reason, removed on
    request, not read; or kept with another text), the number of documents and the ids of some. settings: each key of
    the resolved settings, steps and versions that differs. The states of all documents are held in memory, about 200
    bytes each.
    """
    before, after = _states(left), _states(right)
    changes: dict[tuple[str, str, str], list[str]] = {}
    same = 0
    for document in sorted(before.keys() | after.keys()):
        source, old, old_text = before.get(document, ("", ABSENT, None))
        other, new, new_text = after.get(document, ("", ABSENT, None))
        if old == new and (old_text == new_text or None in (old_text, new_text)):
            same += 1
            continue
        if old == new:
            old, new = f"{old}, one text", f"{new}, another text"
        changes.setdefault((source or other, old, new), []).append(document)
    return {
        "before": {"folder": str(left.folder), "digest": left.digest},
        "after": {"folder": str(right.folder), "digest": right.digest},
        "same": same,
        "changes": [
            {"source": source, "before": old, "after": new, "documents": len(ids), "examples": ids[:EXAMPLES]}
            for (source, old, new), ids in sorted(changes.items())
        ],
        "settings": [
            {"key": key, "before": old, "after": new}
            for key, old, new in differences("", _settings(left), _settings(right))
        ],
    }


def _states(corpus: Corpus) -> dict[str, tuple[str, str, str | None]]:
    """Return (source, state, digest of the text if it is kept) of every document, kept or not."""
    found: dict[str, tuple[str, str, str | None]] = {}
    for row in taken_down(corpus.folder, ["id", "source"]).to_pylist():
        found[row["id"]] = (row["source"], "taken down", None)
    for path in corpus.dropped_files():
        for row in _rows(path, ["id", "source", "step", "reason"]):
            found.setdefault(row["id"], (row["source"], f"{row['step']}: {row['reason']}", None))
    for split in corpus.splits:
        for path in corpus.files(split):
            for row in _rows(path, ["id", "source", "text_digest"]):
                found[row["id"]] = (row["source"], f"kept in {split}", row["text_digest"])
    return found


def _rows(path: Any, columns: list[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pa.Table.to_pylist(read_own(path, columns))
    return rows


def _settings(corpus: Corpus) -> dict[str, Any]:
    """Return everything that determines a corpus: settings, seed, versions, steps by source and name."""
    manifest = corpus.manifest
    versions = dict(manifest["versions"])
    steps = {source: {step["name"]: step for step in listed} for source, listed in versions.pop("steps", {}).items()}
    return {"seed": manifest["seed"], "corpus": manifest["settings"], "versions": versions, "steps": steps}


def differences(key: str, left: Any, right: Any) -> list[tuple[str, Any, Any]]:
    """Return (key, left, right) for every difference between two JSON values; items of a list are named by number."""
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        left, right = ({str(place): item for place, item in enumerate(items)} for items in (left, right))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        names = sorted(left.keys() | right.keys())
        return [
            entry for name in names
            for entry in differences(f"{key}.{name}" if key else name, left.get(name, UNSET), right.get(name, UNSET))
        ]  # fmt: skip
    return [] if left == right else [(key, left, right)]


def comparison_text(values: dict[str, Any]) -> str:
    """Return the result of `compare` as text for a terminal."""
    lines = [f"{name}: {values[name]['folder']}  {values[name]['digest']}" for name in ("before", "after")]
    lines += ["", tr("{count} documents are treated alike", count=f"{values['same']:,}"), ""]
    if values["changes"]:
        rows = [[tr("source"), tr("before"), tr("after"), tr("documents")]]
        rows += [[entry["source"], entry["before"], entry["after"], f"{entry['documents']:,}"]
                 for entry in values["changes"]]  # fmt: skip
        lines += [*table(rows, left=3), ""]
        for entry in values["changes"]:
            lines.append(f"  {entry['before']} -> {entry['after']}: {', '.join(entry['examples'])}")
        lines.append("")
    for entry in values["settings"]:
        lines.append(f"{entry['key']}: {entry['before']!r} -> {entry['after']!r}")
    return "\n".join(lines).rstrip()
