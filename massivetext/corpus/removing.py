"""Takedowns: remove documents from a finished corpus on request; only the files that contain them are rewritten.

A takedown has several steps, each of which can be repeated. `removed/unfinished.json` announces it,
`takedown-0001.parquet` lists the documents, the documents are removed from the files, the manifest is corrected, old
pages are removed and new ones written. An interrupted takedown is finished by the next command that writes the corpus;
until then nobody can read the corpus. Removed documents stay out: later builds refuse them by id, text and raw record.

Ids, digests and hashes of word sequences remain in `removed/`, `index/` and `clusters/`; no text remains.
"""

import datetime
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from fnmatch import translate
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from massivetext.corpus.barrier.index import documents_digest
from massivetext.corpus.checking import listed_parts
from massivetext.corpus.finishing import Output, discard_builds
from massivetext.corpus.reading import PAGE, Corpus, load_corpus
from massivetext.corpus.steps.pii import redacted_url
from massivetext.corpus.takedowns import (
    BEFORE,
    COLUMNS,
    REMOVED,
    SCHEMA,
    TAKEN,
    UNFINISHED,
    locked_corpus,
    run_of,
    takedown_digests,
    takedown_files,
    taken_down,
)
from massivetext.errors import ConfigError, DataError
from massivetext.parquet import OwnParquet, read_own, write_own
from massivetext.state import read_object, write_state
from massivetext.storage import clear_temporary, sync_folder, value_digest, write_json

END = r"\Z"
UNRENEWED = "unrenewed.json"
"""The name of `unfinished.json` once the corpus is consistent again and only pages remain to be written."""
READ_BYTES = 2**24


class Dependents:
    """Files made from a corpus that may show its texts; the pages of the corpus and of its run are removed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.run = folder, run_of(folder)

    def note(self, texts: Iterable[str]) -> dict[str, Any]:
        """Return what `renew` needs to know, as JSON; called before any change. texts: those that will be removed."""
        return {}

    def forget(self) -> None:
        """Remove files that may show a removed text; the stages of the run that made them count as not done."""
        (self.folder / PAGE).unlink(missing_ok=True)
        if self.run is not None:
            clear_temporary(self.run)  # an interrupted evaluation leaves texts
            for name in ("stages/report.json", "stages/samples.json", PAGE, "samples.json"):
                (self.run / name).unlink(missing_ok=True)

    def renew(self, noted: dict[str, Any]) -> dict[str, Any]:
        """Make the removed files again, if possible; return what there is to report."""
        return {}


def remove_documents(
    folder: str | Path,
    reason: str,
    *,
    ids: Sequence[str] = (),
    url: str | None = None,
    license: str | None = None,
    pattern: str | None = None,
    date: str | None = None,
    dependents: Dependents | None = None,
) -> dict[str, Any]:
    """Remove documents from a corpus on request; return how many left which splits, and how many files were rewritten.

    Give exactly one of: ids (complete, 32 hexadecimal digits); url or license, with `*` and `?` as in file names;
    pattern, a regular expression searched in the text (for dropped rows, in their excerpt). Rows with the same text or
    the same raw record are removed too. reason, date (unset: today): noted with each document. dependents: what to do
    about pages made from the corpus; unset, they are removed. An interrupted takedown is finished first; if it is the
    same one, its result is returned, with `finished` true. If the same takedown was done before, its result has
    `already` true. Raises ConfigError for another number of criteria or an invalid one, DataError if nothing matches,
    BusyError while another process is writing the corpus or its run.
    """
    folder = Path(folder)
    criterion = _criterion(ids, url, license, pattern)
    load_corpus(folder, unfinished=True)  # do not create a lock in an empty folder
    with locked_corpus(folder):
        around = dependents or Dependents(folder)
        finished = finish_takedown(folder, around)
        corpus = load_corpus(folder)
        discard_builds(folder, corpus.manifest["build"] + 1)
        rows = _leaving(corpus, criterion.wanted)
        if rows.num_rows:
            _announce(corpus, rows, criterion, reason, date, around)
            done = finish_takedown(folder, around)
            assert done is not None
            return {**done, "matched": criterion.shown, "finished": False}
        for path in takedown_files(folder):
            if read_own(path, ["matched"])["matched"][0].as_py() == criterion.stored:
                done = finished if finished and finished["takedown"] == path.stem else None
                done = done or {**_result(folder, path), **around.renew({}), "finished": False, "already": True}
                return {**done, "matched": criterion.shown}
        other = "" if finished is None else f" (an interrupted takedown, {finished['takedown']}, was finished)"
        raise DataError(
            f"{folder}: no document, kept or dropped, matches {criterion.shown}; nothing was taken down{other}"
        )


def _result(folder: Path, takedown: Path) -> dict[str, Any]:
    """Return the result of a takedown, from its file."""
    rows, corpus = read_own(takedown), load_corpus(folder)
    splits = rows["split"].to_pylist()
    return {
        "folder": str(folder),
        "takedown": takedown.stem,
        "date": rows["date"][0].as_py(),
        "matched": rows["matched"][0].as_py(),
        "finished": True,
        "already": False,
        "documents": {split: splits.count(split) for split in corpus.splits},
        "dropped_rows": splits.count(None),
        "files_written": 0,
        "digest": corpus.digest,
    }


def finish_takedown(folder: Path, dependents: Dependents | None = None) -> dict[str, Any] | None:
    """Finish an interrupted takedown of a locked corpus; return its result, or None if there is none.

    dependents: as in `remove_documents`.
    """
    removed = folder / REMOVED
    unfinished, unrenewed = removed / UNFINISHED, removed / UNRENEWED
    if not unfinished.is_file() and not unrenewed.is_file():
        return None
    around = dependents or Dependents(folder)
    again = "Give the same `massivetext corpus remove` again after deleting it"
    begun = read_object(unfinished if unfinished.is_file() else unrenewed, ("takedown", "noted"), again)
    path, written = removed / begun["takedown"], 0
    for name in ("documents", "dropped", REMOVED):
        clear_temporary(folder / name)
    if not path.is_file():  # it was only announced
        unfinished.unlink()
        return None
    if unfinished.is_file():
        written = _apply(load_corpus(folder, unfinished=True))
        around.forget()
        unfinished.replace(unrenewed)
        sync_folder(removed)
    more = around.renew(begun["noted"])
    unrenewed.unlink()
    sync_folder(removed)
    return {**_result(folder, path), "files_written": written, **more}


def finish_interrupted(folder: Path) -> str | None:
    """Finish an interrupted takedown of a corpus; return its name, or None if there is none."""
    if not any((folder / REMOVED / name).is_file() for name in (UNFINISHED, UNRENEWED)):
        return None
    with locked_corpus(folder):
        found = finish_takedown(folder)
    return None if found is None else str(found["takedown"])


Wanted = Sequence[tuple[str, pa.Array | str]]
"""Columns and what one of them must hold: a value of an array, or a match of a regular expression."""


class Criterion(NamedTuple):
    """The criterion of a takedown."""

    shown: str
    """Description for the user who requested it."""
    stored: str
    """Description without text or personal data that still distinguishes the criterion from others."""
    wanted: Wanted


def _criterion(ids: Sequence[str], url: str | None, license: str | None, pattern: str | None) -> Criterion:
    """Return the criterion that was given."""
    criteria = {"ids": ids, "url": url, "license": license, "pattern": pattern}
    given = {name: value for name, value in criteria.items() if value}
    if len(given) != 1:
        found = ", ".join(given) or "none"
        raise ConfigError(f"found {len(given)} criteria ({found}); give exactly one of {', '.join(criteria)}")
    ((name, value),) = given.items()
    if name == "ids":
        bad = [entry for entry in ids if not re.fullmatch("[0-9a-f]{32}", entry)]
        if bad:
            raise ConfigError(f"found id {bad[0]!r}; a takedown takes whole ids, 32 hexadecimal digits each")
        shown = f"ids {', '.join(ids)}"
        return Criterion(shown, shown, [("id", pa.array(list(ids), pa.string()))])
    value = str(value)
    shown = f"{name} {value!r}"
    if name == "pattern":
        try:
            pc.match_substring_regex(pa.array([""]), value)
        except pa.ArrowInvalid as error:
            raise ConfigError(f"pattern {value!r} is no regular expression: {error}") from None
        # A pattern often contains the very words that must be removed.
        return Criterion(shown, f"pattern with SHA-256 {value_digest(value)[:16]}", [("text", value)])
    # The end of the text is \Z in Python's expressions, \z in Arrow's.
    redacted = redacted_url(value)
    stored = shown if redacted == value else f"{name} {redacted!r} with SHA-256 {value_digest(value)[:16]}"
    return Criterion(shown, stored, [(name, f"^{translate(value).removesuffix(END)}$")])


def _leaving(corpus: Corpus, wanted: Wanted) -> pa.Table:
    """Return the rows that match, and those with the text or the raw record of a matching row."""
    found = [_matching(path, split, wanted) for split, path in _files(corpus)]
    if not any(table.num_rows for table in found):
        return SCHEMA.empty_table()  # an emptied corpus has no files, hence no table
    same = [
        (name, pa.array({value for table in found for value in table[name].to_pylist() if value}, pa.string()))
        for name in ("text_digest", "raw_digest")
    ]
    return pa.concat_tables([_matching(path, split, [*wanted, *same]) for split, path in _files(corpus)])


def _announce(
    corpus: Corpus, rows: pa.Table, criterion: Criterion, reason: str, date: str | None, dependents: Dependents
) -> None:
    """Write down what will be removed. From here on the takedown will be finished, even after an interruption."""
    redacted = {name: pa.array([value and redacted_url(value) for value in rows[name].to_pylist()], pa.string())
                for name in ("url", "uri", "record")}  # fmt: skip
    notes = {
        "reason": reason,
        "matched": criterion.stored,
        "date": date or datetime.date.today().isoformat(),
    }
    columns = {name: rows[name] for name in (*COLUMNS, "split")} | redacted
    columns |= {name: pa.repeat(value, rows.num_rows) for name, value in notes.items()}
    path = corpus.folder / REMOVED / f"takedown-{1 + len(takedown_files(corpus.folder)):04d}.parquet"
    noted = dependents.note(_texts(corpus, rows["id"].combine_chunks()))
    write_json(corpus.folder / REMOVED / UNFINISHED, {"takedown": path.name, "noted": noted})
    write_own(path, pa.table(columns).select(SCHEMA.names).cast(SCHEMA))


def _texts(corpus: Corpus, ids: pa.Array) -> Iterator[str]:
    """Yield the texts of some documents, and the excerpts of some dropped rows."""
    for _, path in _files(corpus):
        if _holds(path, ids):
            with OwnParquet(path) as opened:
                text = "text" if "text" in opened.schema_arrow.names else "excerpt"
                for group in range(opened.num_row_groups):
                    rows = opened.read_row_group(group, ["id", text])
                    yield from rows.filter(pc.is_in(rows["id"], ids))[text].drop_null().to_pylist()


def _files(corpus: Corpus) -> Iterator[tuple[str | None, Path]]:
    """Yield (split, path) of all files with documents, and (None, path) of those with dropped rows."""
    for split in corpus.splits:
        for path in corpus.files(split):
            yield split, path
    for path in corpus.dropped_files():
        yield None, path


def _matching(path: Path, split: str | None, wanted: Wanted) -> pa.Table:
    """Return the rows of a file that match, with the columns of a takedown except its notes."""
    tables = []
    with OwnParquet(path) as opened:
        text = "text" if "text" in opened.schema_arrow.names else "excerpt"
        tests = [(text if column == "text" else column, value) for column, value in wanted]
        for group in range(opened.num_row_groups):
            rows = opened.read_row_group(group, list({*COLUMNS, *dict(tests)}))
            hits = reduce(pc.or_, [_hits(rows[column], value) for column, value in tests])
            tables.append(rows.filter(hits).select(COLUMNS))
    found = pa.concat_tables(tables)
    return found.append_column("split", pa.array([split] * found.num_rows, pa.string()))


def _hits(column: pa.ChunkedArray, value: pa.Array | str) -> pa.ChunkedArray:
    """Return which values are in an array, or match an expression."""
    if isinstance(value, pa.Array):
        return pc.is_in(column, value)
    return pc.match_substring_regex(column, value).fill_null(False)


def _holds(path: Path, gone: pa.Array) -> bool:
    """Return whether a file contains a document that must be removed."""
    return bool(pc.any(pc.is_in(read_own(path, ["id"])["id"], gone)).as_py())


def _apply(corpus: Corpus) -> int:
    """Remove the documents of the last takedown from their files, correct the manifest; return the number of files."""
    gone = read_own(takedown_files(corpus.folder)[-1], ["id"])["id"].combine_chunks()
    written = 0
    for _, path in list(_files(corpus)):
        if not _holds(path, gone):
            continue
        written += 1
        with OwnParquet(path) as opened, ExitStack() as stack:
            output = Output(path, opened.schema_arrow.remove_metadata(), stack)
            for group in range(opened.num_row_groups):
                rows = opened.read_row_group(group)
                for batch in rows.filter(pc.invert(pc.is_in(rows["id"], gone))).combine_chunks().to_batches():
                    output.add(batch)
            output.flush()
            emptied = output.writer is None
        if emptied:
            path.unlink()
    manifest = dict(corpus.manifest)
    _recount(corpus, manifest)
    manifest["digest"] = documents_digest(corpus.folder, manifest["build"])
    manifest[TAKEN] = takedown_digests(corpus.folder)
    manifest["parts"] = listed_parts(corpus.folder, manifest["build"], manifest["parts"])
    write_state(corpus.folder / "manifest.json", manifest)
    return written


def _recount(corpus: Corpus, manifest: dict[str, Any]) -> None:
    """Set the sizes of splits and sources to what the files hold, and count what was removed from each source."""
    manifest["splits"] = {split: {"documents": 0, "bytes": 0, "sources": {}} for split in corpus.splits}
    manifest["sources"] = {
        name: {**entry, "kept": {"documents": 0, "bytes": 0}} for name, entry in manifest["sources"].items()
    }
    for split in corpus.splits:
        total = manifest["splits"][split]
        for path in corpus.files(split):
            grouped = read_own(path, ["source", "text_bytes"]).group_by("source", use_threads=False)
            for row in grouped.aggregate([("text_bytes", "count"), ("text_bytes", "sum")]).to_pylist():
                held = total["sources"].setdefault(row["source"], {"documents": 0, "bytes": 0})
                for entry in (total, held, manifest["sources"][row["source"]]["kept"]):
                    entry["documents"] += row["text_bytes_count"]
                    entry["bytes"] += row["text_bytes_sum"]
        total["sources"] = dict(sorted(total["sources"].items()))
    # Documents removed before the corpus was built were never in it.
    gone = taken_down(corpus.folder, ["source", "split", "text_bytes"], manifest.get(BEFORE, 0))
    for name, entry in manifest["sources"].items():
        own = gone.filter(pc.and_(pc.equal(gone["source"], name), gone["split"].is_valid()))
        if own.num_rows:
            entry["taken_down"] = {"documents": own.num_rows, "bytes": pc.sum(own["text_bytes"]).as_py()}
