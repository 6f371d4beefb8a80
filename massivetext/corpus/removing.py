"""Takedowns: documents leave a finished corpus, and only the files that hold them are written anew.

`removed/takedown-0001.parquet` says what left, when and why. It is written first, whole; then the documents leave the
files, and the manifest is corrected. All of that can be done again, so a takedown that was killed is finished by any
later one. What was taken down stays out: a later build refuses it by id and by text.

Ids, digests and hashes of word sequences stay behind, in `removed/`, `index/` and `clusters/`; no text does. Reports
show samples of texts, so they are removed, too: write them anew with `massivetext report`.
"""

import datetime
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fnmatch import translate
from functools import reduce
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from massivetext.corpus.checking import listed_parts
from massivetext.corpus.finishing import Output
from massivetext.corpus.index import documents_digest, taken_down
from massivetext.corpus.reading import PAGE, Corpus, load_corpus
from massivetext.errors import ConfigError, DataError
from massivetext.parquet import OwnParquet, read_own, write_own
from massivetext.state import write_state
from massivetext.storage import clear_temporary
from massivetext.translations import tr

END = r"\Z"
COLUMNS = ("id", "text_digest", "source", "uri", "record", "url", "license", "text_bytes")
SCHEMA = pa.schema(
    {
        **{name: pa.string() for name in COLUMNS[:-1]},
        "text_bytes": pa.int64(),
        "split": pa.string(),
        "reason": pa.string(),
        "matched": pa.string(),
        "date": pa.string(),
    }
)
"""Columns of a takedown; split is null for what had been dropped already, matched says what was asked for."""


def remove_documents(
    folder: str | Path,
    reason: str,
    *,
    ids: Sequence[str] = (),
    url: str | None = None,
    license: str | None = None,
    pattern: str | None = None,
    date: str | None = None,
) -> dict[str, Any]:
    """Return what a takedown did: how many documents left, from which splits, and how many files were written anew.

    Exactly one of: ids (whole, 32 hexadecimal digits); url and license, with `*` and `?` as in file names; pattern, a
    regular expression searched in the text (of dropped rows in their excerpt). Rows with the same text leave too.
    reason, date (unset: today): noted with each document. Raises ConfigError for another number of criteria or an
    invalid one, DataError where nothing matches.
    """
    corpus = load_corpus(folder)
    matched, wanted = _criterion(ids, url, license, pattern)
    for name in ("documents", "dropped"):
        clear_temporary(corpus.folder / name)
    found = [_matching(path, split, wanted) for split, path in _files(corpus)]
    texts = pa.array({text for table in found for text in table["text_digest"].to_pylist() if text}, pa.string())
    found = [_matching(path, split, [*wanted, ("text_digest", texts)]) for split, path in _files(corpus)]
    rows = pa.concat_tables(found)
    if not rows.num_rows and _unfinished(corpus) == 0:
        raise DataError(f"{corpus.folder}: no document, kept or dropped, matches {matched}; nothing was taken down")
    if rows.num_rows:
        notes = {"reason": reason, "matched": matched, "date": date or datetime.date.today().isoformat()}
        for name, value in notes.items():
            rows = rows.append_column(name, pa.repeat(value, rows.num_rows))
        number = 1 + len(list((corpus.folder / "removed").glob("takedown-*.parquet")))
        path = corpus.folder / "removed" / f"takedown-{number:04d}.parquet"
        write_own(path, rows.select(SCHEMA.names).cast(SCHEMA))
    written = _apply(corpus)
    _forget_pages(corpus.folder)
    splits = rows["split"].to_pylist()
    return {
        "folder": str(corpus.folder),
        "matched": matched,
        "documents": {split: splits.count(split) for split in corpus.splits},
        "dropped_rows": splits.count(None),
        "files_written": written,
        "digest": load_corpus(folder).digest,
    }


Wanted = Sequence[tuple[str, pa.Array | str]]
"""What a row must have in any of some columns: one of the values of an array, or a match of a regular expression."""


def _criterion(ids: Sequence[str], url: str | None, license: str | None, pattern: str | None) -> tuple[str, Wanted]:
    """Return the criterion in words, and what a row must have."""
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
        return f"ids {', '.join(ids)}", [("id", pa.array(list(ids), pa.string()))]
    if name == "pattern":
        try:
            pc.match_substring_regex(pa.array([""]), str(value))
        except pa.ArrowInvalid as error:
            raise ConfigError(f"pattern {value!r} is no regular expression: {error}") from None
        return f"pattern {value!r}", [("text", str(value))]
    # Python's end of text is \Z, that of Arrow's expressions \z.
    return f"{name} {value!r}", [(name, f"^{translate(str(value)).removesuffix(END)}$")]


def _files(corpus: Corpus) -> Iterator[tuple[str | None, Path]]:
    """Yield (split, path) of all files with documents, and (None, path) of those with dropped rows."""
    for split in corpus.splits:
        for path in corpus.files(split):
            yield split, path
    for path in corpus.dropped_files():
        yield None, path


def _matching(path: Path, split: str | None, wanted: Wanted) -> pa.Table:
    """Return the rows of a file that match, with the columns of a takedown but for its notes."""
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
    """Return which values are among those of an array, or match an expression."""
    if isinstance(value, pa.Array):
        return pc.is_in(column, value)
    return pc.match_substring_regex(column, value).fill_null(False)


def _unfinished(corpus: Corpus) -> int:
    """Return how many files still hold documents that were taken down."""
    gone = taken_down(corpus.folder, ["id"])["id"].combine_chunks()
    return sum(_holds(path, gone) for _, path in _files(corpus))


def _holds(path: Path, gone: pa.Array) -> bool:
    """Return whether a file holds a document that was taken down."""
    return bool(pc.any(pc.is_in(read_own(path, ["id"])["id"], gone)).as_py())


def _apply(corpus: Corpus) -> int:
    """Take all documents in `removed/` out of the files that hold them, correct the manifest; return how many files."""
    gone = taken_down(corpus.folder, ["id"])["id"].combine_chunks()
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
    manifest["parts"] = listed_parts(corpus.folder, manifest["build"], manifest["parts"])
    write_state(corpus.folder / "manifest.json", manifest)
    return written


def _forget_pages(folder: Path) -> None:
    """Remove the reports that may show what was taken down: the corpus's own and that of the run it belongs to."""
    (folder / PAGE).unlink(missing_ok=True)
    if (folder.parent / "recipe.yaml").is_file():
        (folder.parent / PAGE).unlink(missing_ok=True)


def _recount(corpus: Corpus, manifest: dict[str, Any]) -> None:
    """Set the sizes of splits and sources to what the files hold, and count what was taken down from each source."""
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
    gone = taken_down(corpus.folder, ["source", "split", "text_bytes"])
    for name, entry in manifest["sources"].items():
        own = gone.filter(pc.and_(pc.equal(gone["source"], name), gone["split"].is_valid()))
        if own.num_rows:
            entry["taken_down"] = {"documents": own.num_rows, "bytes": pc.sum(own["text_bytes"]).as_py()}


def removal_text(values: dict[str, Any]) -> str:
    """Return what `remove_documents` gave as text for a terminal."""
    gone = ", ".join(f"{split} {count:,}" for split, count in values["documents"].items())
    return "\n".join(
        [
            tr("Taken down by {matched}: {gone}; dropped rows: {rows}", matched=values["matched"], gone=gone,
               rows=f"{values['dropped_rows']:,}"),
            tr("files written anew: {count}", count=values["files_written"]),
            f"{tr('corpus digest')} {values['digest']}",
        ]
    )  # fmt: skip
