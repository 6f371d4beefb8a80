"""`manifest.json`: what a corpus holds, what became of every record, and under which settings and versions."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

from massivetext.corpus.barrier.deduplication import Deduplicate
from massivetext.corpus.barrier.totals import Totals
from massivetext.corpus.counts import SourceCounts
from massivetext.corpus.gathering import SHOWN_RECORDS
from massivetext.corpus.lanes import Course
from massivetext.corpus.planning import Plan
from massivetext.corpus.reading import FORMAT
from massivetext.corpus.settings import CorpusSettings
from massivetext.corpus.unread import add_unread, unread_by_source, unread_remedy, unread_words
from massivetext.errors import ConfigError, DataError
from massivetext.progress import log
from massivetext.state import read_state
from massivetext.translations import tr


def first_fingerprint(path: Path) -> str | None:
    """Return the fingerprint of the build that a finished corpus began with; None without a manifest."""
    if not path.is_file():
        return None
    remedy = f"Delete {path} and give the same command again: the corpus is built anew from its inputs"
    return str(read_state(path, ["fingerprint"], remedy)["fingerprint"])


def merged_counts(courses: Mapping[str, Course], markers: list[dict[str, Any]]) -> dict[str, SourceCounts]:
    """Return the counts of each source over all parts."""
    counts = {name: SourceCounts() for name in courses}
    for marker in markers:
        for name, values in marker["sources"].items():
            counts[name].add(SourceCounts(**values))
    return counts


def warn_of_nothing(courses: Mapping[str, Course], counts: Mapping[str, SourceCounts]) -> None:
    """Warn of sources whose files are not empty and gave no text: their format is likely another one."""
    for name, entry in counts.items():
        files = courses[name].files
        size = sum(file.size for file in files)
        if not entry.text_bytes and size:
            log(
                tr(
                    "Warning: source {name} gave no text: {files} files ({bytes} bytes), read as {formats}, hold "
                    "{records} records and none can be used; check its format, text_column, where and encoding",
                    name=name,
                    files=len(files),
                    bytes=f"{size:,}",
                    formats=", ".join(sorted({file.format for file in files})),
                    records=f"{entry.records:,}",
                )
            )


def count_drops(counts: dict[str, SourceCounts], totals: Totals) -> None:
    """Count what the barrier drops as dropped, and what it takes out as edited."""
    for name, reasons in totals.dropped.items():
        for reason, entry in reasons.items():
            counts[name].drop(reason, entry["documents"], entry["bytes"])
            counts[name].documents -= entry["documents"]
            counts[name].document_bytes -= entry["bytes"]
    for name, (documents, removed) in totals.edited.items():
        counts[name].edit(Deduplicate.name, documents, removed)
        counts[name].document_bytes -= removed


def check_splits(settings: CorpusSettings, manifest: Mapping[str, Any]) -> None:
    """Raise DataError if no document is left, ConfigError if a split is empty."""
    sources = manifest["sources"]
    documents = sum(entry["kept"]["documents"] for entry in sources.values())
    if not documents:
        reasons = [
            f"{name}, {reason}: {size['documents']}"
            for name, entry in sources.items()
            for reason, size in entry["dropped"].items()
        ]
        raise DataError(
            f"no document is left of {sum(entry['read']['records'] for entry in sources.values())} records read "
            f"({'; '.join(reasons) or 'the files hold no record'}); check the sources, or loosen the steps that drop"
        )
    empty = [name for name, entry in manifest["splits"].items() if not entry["documents"]]
    if empty:
        shares = {"validation": settings.split.validation, "test": settings.split.test}
        asked = ", ".join(f"{name} (asked for: {shares.get(name, 1 - sum(shares.values())):g})" for name in empty)
        raise ConfigError(
            f"the split came out empty: {asked}, of {documents} documents. Set corpus.split to larger shares (or to 0 "
            "for no such split), or make more documents of the same text with the source's unit: block, paragraph, line"
        )


def make_manifest(
    plan: Plan,
    counts: dict[str, SourceCounts],
    totals: Totals,
    markers: list[dict[str, Any]],
    base: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the value of `manifest.json`: of this build, added to what the corpus held before (`base`)."""
    set_aside = [entry for marker in markers for entry in marker["set_aside"]]
    sources = {name: _source_counts(plan.courses[name], entry) for name, entry in counts.items()}
    settings = plan.settings.model_dump(mode="json", by_alias=True, exclude_none=True)
    build = {"build": plan.build, "fingerprint": plan.fingerprint, "settings": settings, "sources": sources}
    if base is None:
        base = {
            "fingerprint": plan.fingerprint,
            "settings": settings,
            "versions": plan.versions,
            "sources": {},
            "splits": {},
            "set_aside": [],
            "unread": {},
            "builds": [],
        }
    steps = {**base["versions"]["steps"], **plan.versions["steps"]}
    return {
        "format": FORMAT,
        "build": plan.build,
        "seed": plan.seed,
        "digest": totals.digest,
        "fingerprint": base["fingerprint"],
        "settings": base["settings"],
        "versions": {**plan.versions, "steps": steps},
        "sources": dict(sorted(_added(base["sources"], sources).items())),
        "splits": _added(base["splits"], totals.splits),
        "set_aside": [*base["set_aside"], *set_aside][:SHOWN_RECORDS],
        "unread": _unread(plan, counts, base.get("unread", {})),
        "builds": [*base["builds"], build],
    }


def _unread(plan: Plan, counts: Mapping[str, SourceCounts], base: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of each source is not read: files as its folders hold them now, members of all builds' archives."""
    found = dict(base)
    for name, course in plan.courses.items():
        members = deepcopy(base[name]["members"]) if name in base else {}
        add_unread(members, counts[name].unread)
        found[name] = {"files": course.unread, "members": members}
    return dict(sorted(found.items()))


def _added(left: Any, right: Any) -> Any:
    """Return two values of JSON added: mappings key by key, numbers as numbers."""
    if isinstance(left, Mapping):
        return {key: _added(left[key], right[key]) if key in left and key in right else (left | right)[key]
                for key in left | right}  # fmt: skip
    return left + right


def _source_counts(course: Course, counts: SourceCounts) -> dict[str, Any]:
    """Return a source's counts as the manifest holds them.

    text bytes read = bytes kept + bytes dropped, whatever the reason, + bytes removed by edits.
    """
    values = asdict(counts)
    tables = [choice for reader in course.readers.values() for choice in reader.choices()]
    return {
        **({"tables": tables} if tables else {}),
        "files": len(course.files),
        "file_bytes": sum(file.size for file in course.files),
        "read": {"records": values["records"], "bytes": values["text_bytes"], "record_bytes": values["record_bytes"]},
        "kept": {"documents": values["documents"], "bytes": values["document_bytes"]},
        "dropped": dict(sorted(values["dropped"].items())),
        "edited": dict(sorted(values["edited"].items())),
        "invalid_records": values["invalid_records"],
    }


def say_counts(counts: dict[str, SourceCounts], courses: Mapping[str, Course], manifest: Mapping[str, Any]) -> None:
    """Tell the user what was kept, what was dropped, and what may need a second look."""
    for name, entry in counts.items():
        gone = sum(reason["documents"] for reason in entry.dropped.values())
        log(
            tr(
                "  {name}: {kept} of {read} documents kept, {megabytes} MB; {dropped} dropped",
                name=name,
                kept=f"{entry.documents:,}",
                read=f"{entry.records:,}",
                megabytes=f"{entry.document_bytes / 1e6:.2f}",
                dropped=f"{gone:,}",
            )
        )
        for table in (table for reader in courses[name].readers.values() for table in reader.choices()):
            log(
                tr(
                    "      {files} tables of {name}: delimiter {delimiter}, quotation mark {quote}",
                    files=f"{table['files']:,}",
                    name=name,
                    delimiter=repr(table["delimiter"]),
                    quote=table["quote"] or tr("none"),
                )
            )
        for reason, dropped in sorted(entry.dropped.items()):
            log(f"      {reason}: {dropped['documents']:,}")
        if entry.invalid_records:
            log(
                tr(
                    "      {count} records of {name} have bytes that do not fit their encoding, now U+FFFD; if the "
                    "text is not UTF-8, set the source's encoding (e.g. gb18030)",
                    count=f"{entry.invalid_records:,}",
                    name=name,
                )
            )
    for name, unread in unread_by_source(manifest).items():
        remedy = unread_remedy(unread)
        files = sum(entry["files"] for entry in unread.values())
        log(
            tr(
                "  {name}: {count} files are of formats that are not read: {suffixes}",
                name=name,
                count=f"{files:,}",
                suffixes=unread_words(unread) + (f"; {remedy}" if remedy else ""),
            )
        )
    log(tr("  corpus digest {digest}", digest=manifest["digest"]))
