"""`removed/`: the list of documents removed on request, which every build into the folder reads first.

`takedown-0001.parquet` holds ids and digests, no text. `unfinished.json` exists while a takedown is being made: a
writer that finds it finishes the takedown; a reader refuses the corpus.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from massivetext.errors import ConfigError, StoreError
from massivetext.parquet import read_own
from massivetext.state import read_object
from massivetext.storage import LOCK, file_digest, locked_folder, write_json

REMOVED = "removed"
UNFINISHED = "unfinished.json"
PLAN = Path(".work", "plan.json")
"""What a build notes before it deletes the manifest of the previous corpus."""
TAKEN = "takedowns"
"""Key of manifest and plan: the files in `removed/` that the corpus obeys, with their SHA-256."""
BEFORE = "takedowns_before"
"""Key of the manifest: the number of takedowns when its first build began."""
COLUMNS = ("id", "text_digest", "raw_digest", "source", "uri", "record", "url", "license", "text_bytes")
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
"""Columns of a takedown. split is null for rows that were already dropped; matched is the criterion."""


def run_of(folder: Path) -> Path | None:
    """Return the run folder that a corpus folder belongs to, or None if it belongs to no run."""
    folder = folder if folder.name == "corpus" else folder.resolve()
    return folder.parent if folder.name == "corpus" and (folder.parent / "recipe.yaml").is_file() else None


@contextmanager
def locked_corpus(folder: Path) -> Iterator[None]:
    """Hold the locks of a corpus and, first, of its run; raise BusyError if either is held."""
    run = run_of(folder)
    with ExitStack() as stack:
        for part in (*([run] if run else ()), folder):
            stack.enter_context(locked_folder(part, nested=True))
        yield


def takedown_files(folder: Path) -> list[Path]:
    """Return the files of the takedowns, oldest first."""
    return sorted((folder / REMOVED).glob("takedown-*.parquet"))


def taken_down(folder: Path, columns: list[str], after: int = 0) -> pa.Table:
    """Return some columns of the takedowns, oldest first, without the first `after` takedowns."""
    tables = [read_own(path, columns) for path in takedown_files(folder)[after:]]
    schema = pa.schema([SCHEMA.field(name) for name in columns])
    return pa.concat_tables(tables) if tables else schema.empty_table()


def takedown_digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each takedown by its file name."""
    return {path.name: file_digest(path) for path in takedown_files(folder)}


def check_takedowns(folder: Path) -> None:
    """Raise StoreError if a takedown that the corpus in `folder` obeys is missing or was changed."""
    known: dict[str, str] = {}
    for path in (folder / "manifest.json", folder / PLAN):
        if path.is_file():
            remedy = f"Restore it from a copy, or delete it and keep {folder / REMOVED}: the corpus is built again"
            known |= read_object(path, (), remedy).get(TAKEN, {})
    found = takedown_digests(folder)
    lost = sorted(name for name, digest in known.items() if found.get(name) != digest)
    if lost:
        raise StoreError(
            f"{folder} obeys {len(known)} takedowns, and {', '.join(f'{REMOVED}/{name}' for name in lost)} is missing "
            "or altered; building now would bring back what was taken down. Bring the file back from a copy, or build "
            "into another folder and take the documents down there"
        )


def check_finished(folder: Path) -> None:
    """Raise StoreError if the corpus in `folder` has an unfinished takedown."""
    if (folder / REMOVED / UNFINISHED).is_file():
        raise StoreError(
            f"a takedown in {folder} is being carried out or was interrupted, so the corpus cannot be read; wait for "
            f"it, or finish it with `massivetext corpus remove {folder} --finish`"
        )


def clear_corpus(folder: Path) -> None:
    """Remove a corpus from its folder, except the list of documents removed on request."""
    if folder.is_dir():
        with locked_corpus(folder):
            _clear(folder)


def _clear(folder: Path) -> None:
    """Do the work of `clear_corpus` in a folder that is already locked."""
    check_takedowns(folder)
    if takedown_files(folder):
        write_json(folder / PLAN, {TAKEN: takedown_digests(folder)})
    kept = {LOCK, REMOVED, PLAN.parent.name, PLAN.name}
    work = folder / PLAN.parent
    paths = sorted(folder.iterdir(), key=lambda entry: entry.name != "manifest.json")
    for path in [*paths, *(work.iterdir() if work.is_dir() else ())]:
        if path.name in kept:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def check_trained(run: Path, folder: Path) -> None:
    """Raise ConfigError if a run's token store holds documents removed on request from its corpus, `folder`."""
    shards = sorted((run / "tokens").glob("*/*/shard-*.parquet"))
    held = pa.chunked_array([read_own(path, ["id"])["id"].combine_chunks() for path in shards], pa.string())
    named = []
    for path in takedown_files(folder):
        rows = read_own(path, ["id", "date", "reason"])
        count = pc.sum(pc.is_in(rows["id"], held)).as_py()
        if count:
            date, reason = (rows[name][0].as_py() for name in ("date", "reason"))
            named.append(f"{path.stem} of {date}, documents: {count}, reason: {reason}")
    if named:
        raise ConfigError(
            f"documents were taken down from {folder} after {run} was trained ({'; '.join(named)}); its tokenizer, "
            "token store, checkpoints and model were made from them. Start over without them with --overwrite"
        )


class TakenDown:
    """The documents that a build must leave out: their ids, and the digests of their texts and raw records."""

    def __init__(self, folder: Path) -> None:
        table = taken_down(folder, ["id", "text_digest", "raw_digest"])
        self.ids, self.texts, self.records = (table[name].drop_null().combine_chunks() for name in table.column_names)

    def __len__(self) -> int:
        return len(self.ids)

    def among(self, rows: pa.RecordBatch | pa.Table) -> Any:
        """Return which rows were removed on request, by id or by raw record, whatever the steps made of them."""
        named = pc.is_in(rows.column("id"), self.ids)
        return pc.or_(named, pc.fill_null(pc.is_in(rows.column("raw_digest"), self.records), False))

    def blanked(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Return dropped rows, without the content of those that were removed on request."""
        return blanked(rows, self.among(rows)) if len(self) else rows


def blanked(rows: pa.RecordBatch, gone: pa.Array) -> pa.RecordBatch:
    """Return dropped rows, some of them without excerpt, url and meta."""
    if not gone.true_count:
        return rows
    for name in ("excerpt", "url", "meta"):
        at = rows.schema.get_field_index(name)
        rows = rows.set_column(at, rows.schema.field(at), pc.if_else(gone, None, rows.column(name)))
    return rows
