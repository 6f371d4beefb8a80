"""What `corpus inspect` shows: how much of each source was kept, why the rest was dropped, and single documents."""

import json
from typing import Any

from massivetext.corpus.reading import Corpus
from massivetext.corpus.unread import unread_by_source, unread_remedy
from massivetext.translations import tr

SHOWN_SET_ASIDE = 10


def summary(corpus: Corpus) -> dict[str, Any]:
    """Return a corpus in numbers, as JSON values: digest, sources, splits, records that were set aside."""
    manifest = corpus.manifest
    return {
        "folder": str(corpus.folder),
        **{name: manifest[name] for name in ("format", "digest", "seed", "sources", "splits", "set_aside")},
        "unread": unread_by_source(manifest),
    }


def summary_text(values: dict[str, Any]) -> str:
    """Return what `summary` gave as text for a terminal: a table of sources, one of splits, the reasons of drops."""
    lines = [f"{values['folder']}  {tr('corpus digest')} {values['digest']}", ""]
    rows = [[tr("source"), tr("records read"), tr("MB read"), tr("documents kept"), tr("MB kept"), tr("dropped")]]
    for name, entry in values["sources"].items():
        dropped = sum(reason["documents"] for reason in entry["dropped"].values())
        read, kept = entry["read"], entry["kept"]
        rows.append([name, _count(read["records"]), _megabytes(read["bytes"]), _count(kept["documents"]),
                     _megabytes(kept["bytes"]), _count(dropped)])  # fmt: skip
    lines += [*table(rows), ""]
    rows = [[tr("split"), *values["sources"], tr("documents"), "MB"]]
    for name, entry in values["splits"].items():
        sizes = [_count(entry["sources"].get(source, {"documents": 0})["documents"]) for source in values["sources"]]
        rows.append([name, *sizes, _count(entry["documents"]), _megabytes(entry["bytes"])])
    lines += [*table(rows), ""]
    rows = [[tr("source"), tr("step: reason"), tr("documents"), "MB"]]
    for name, entry in values["sources"].items():
        for reason, size in entry["dropped"].items():
            rows.append([name, reason, _count(size["documents"]), _megabytes(size["bytes"])])
        for step, size in entry["edited"].items():
            changed = tr("{step}: edited, bytes removed", step=step)
            rows.append([name, changed, _count(size["documents"]), _megabytes(size["removed_bytes"])])
        if entry["invalid_records"]:
            rows.append(
                [name, tr("bytes that do not fit the encoding, now U+FFFD"), _count(entry["invalid_records"]), ""]
            )
    if len(rows) > 1:
        lines += [*table(rows, left=2), ""]
    rows = [[tr("source"), tr("not read"), tr("files"), "MB", tr("among them")]]
    for name, counts in values["unread"].items():
        for suffix, entry in counts.items():
            names = ", ".join(entry["names"]) + (", ..." if entry["files"] > len(entry["names"]) else "")
            suffix = suffix or tr("without a suffix")
            rows.append([name, suffix, _count(entry["files"]), _megabytes(entry["bytes"]), names])
    if len(rows) > 1:
        remedy = unread_remedy(
            {suffix: entry for counts in values["unread"].values() for suffix, entry in counts.items()}
        )
        lines += [
            tr("files of formats that are not read:"),
            *table(rows, left=2, last_left=True),
            *filter(None, [remedy]),
            "",
        ]
    if values["set_aside"]:
        lines.append(tr("skipped while reading:"))
        for entry in values["set_aside"][:SHOWN_SET_ASIDE]:
            lines.append(f"  {entry['source']}  {entry['uri']}  @{entry['record']}  {entry['reason']}")
        if len(values["set_aside"]) > SHOWN_SET_ASIDE:
            lines.append(tr("  ... the others are in manifest.json and dropped/"))
    return "\n".join(lines).rstrip()


def document_text(row: dict[str, Any]) -> str:
    """Return a row that `Corpus.find` gave as text: where it is from, what was done to it, and the text or excerpt."""
    place = f"{row['source']}  {row['uri']}  @{row['record']}"
    lines = [f"{row['id']}", f"{tr('from')}: {place}  ({_count(row['record_bytes'])} {tr('bytes')})"]
    if row["kept"]:
        lines.append(f"{tr('split')}: {row['split']}")
    else:
        values = [_measure(row["value"])] if row["value"] is not None else []
        values += [f"{tr('limit')} {_measure(row['threshold'])}"] if row["threshold"] is not None else []
        limit = f"  ({'; '.join(values)})" if values else ""
        lines.append(f"{tr('dropped by')}: {row['step']} ({tr('version')} {row['version']}): {row['reason']}{limit}")
        if row["cluster"]:
            lines.append(f"{tr('first of its cluster')}: {row['cluster']}")
    for edit in row["edits"] or ():
        lines.append(f"{tr('edited by')}: {edit['step']} ({tr('version')} {edit['version']}): "
                     f"{_count(edit['bytes_before'])} -> {_count(edit['bytes_after'])} {tr('bytes')}")  # fmt: skip
    for name in ("language", "license", "url", "created_at"):
        if row[name]:
            lines.append(f"{name}: {row[name]}")
    if row["meta"]:
        lines.append(f"meta: {json.dumps(row['meta'], ensure_ascii=False)}")
    if row.get("limits"):
        lines.append(f"{tr('limits')}:")
        rows = [[f"  {entry['step']}", entry["rule"], _measure(entry["value"]), _measure(entry["limit"]),
                 tr("kept") if entry["kept"] else tr("broken")] for entry in row["limits"]]  # fmt: skip
        lines += table([["", tr("rule"), tr("value"), tr("limit"), ""], *rows], left=2)
    if row.get("replay"):
        lines += _replay_lines(row["replay"])
    measures = [f"{name} {_measure(value)}" for name, value in row.items() if "__" in name and value is not None]
    if measures:
        lines.append(f"{tr('measures')}: {', '.join(measures)}")
    return "\n".join([*lines, "", row["text"] if row["kept"] else row["excerpt"] or ""])


def _replay_lines(found: dict[str, Any]) -> list[str]:
    """Return what `replaying.replay` found as lines."""
    lines = [f"{tr('raw record')}: {found['file']}"]
    lines.append(tr("  its bytes are the same") if found["raw_equal"] else tr("  its bytes are NOT the same any more"))
    if found["equal"]:
        lines.append(tr("  derived again, it is what the corpus holds"))
    else:
        lines.append(tr("  derived again, it is NOT what the corpus holds: {found} instead of {expected}",
                        found=found["found"], expected=found["expected"]))  # fmt: skip
    return lines


def table(rows: list[list[str]], left: int = 1, last_left: bool = False) -> list[str]:
    """Return rows as lines with aligned columns; Han characters count as two wide.

    The first `left` columns are aligned to the left, and the last if `last_left`.
    """
    widths = [max(_width(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = []
        for column, cell in enumerate(row):
            space = " " * (widths[column] - _width(cell))
            to_left = column < left or (last_left and column == len(row) - 1)
            cells.append(cell + space if to_left else space + cell)
        lines.append("  ".join(cells).rstrip())
    return lines


def _width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    from unicodedata import east_asian_width

    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def _measure(value: object) -> str:
    """Return the value of a measure, whatever its type: floats with six digits, the rest as it is."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _count(number: int) -> str:
    """Return a number with thousands set apart."""
    return f"{number:,}"


def _megabytes(size: int) -> str:
    """Return a size in millions of bytes."""
    return f"{size / 1e6:.2f}"
