"""`load_corpus`: open a finished corpus."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from massivetext.corpus.checking import check_parts, refuse_faults
from massivetext.corpus.takedowns import check_finished
from massivetext.errors import DataError, StoreError, unknown_name
from massivetext.parquet import OwnParquet
from massivetext.state import read_object, read_state

FORMAT = "massivetext-corpus/1"
PAGE = "report.html"
"""A corpus's page, written by `massivetext.report`."""
BATCH_ROWS = 1024
KEYS = ("build", "seed", "digest", "fingerprint", "settings", "versions", "sources", "splits", "set_aside", "builds",
        "parts")  # fmt: skip
"""Keys of a manifest, in addition to its format."""


class Corpus:
    """A corpus on disk. Its manifest is in memory; its documents are read when they are requested."""

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self.manifest = manifest

    @property
    def digest(self) -> str:
        """SHA-256 over (split, id, text digest) of all documents in canonical order, in hexadecimal."""
        return str(self.manifest["digest"])

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, train first."""
        return tuple(self.manifest["splits"])

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources, ascending."""
        return tuple(self.manifest["sources"])

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {entry['documents']:,}" for name, entry in self.manifest["splits"].items())
        return f"Corpus({str(self.folder)!r}: {sizes} documents of {', '.join(self.sources)})"

    def files(self, split: str) -> list[Path]:
        """Return the Parquet files of a split, in canonical order."""
        if split not in self.splits:
            raise DataError(f"{self.folder}: {unknown_name('split', split, self.splits)}")
        return self._of_builds(self.folder / "documents" / split)

    def dropped_files(self) -> list[Path]:
        """Return the Parquet files of dropped and skipped documents, in canonical order."""
        return self._of_builds(self.folder / "dropped")

    def _of_builds(self, folder: Path) -> list[Path]:
        """Return the files of the finished builds; an unfinished append may have written more."""
        newest = self.manifest["build"]
        return [path for path in sorted(folder.glob("*.parquet")) if int(path.name.split("-")[1]) <= newest]

    def documents(
        self, split: str, source: str | None = None, columns: Sequence[str] = ("id", "text")
    ) -> Iterator[pa.RecordBatch]:
        """Yield the documents of a split, or of one source in it, as batches of some columns, in canonical order.

        At most one row group (about 64 MB) is in memory at a time.
        """
        if source is not None and source not in self.sources:
            raise DataError(f"{self.folder}: {unknown_name('source', source, self.sources)}")
        for path in self.files(split):
            yield from _batches(path, columns, source)

    def dropped(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows of dropped and skipped documents, with step and reason. columns: all unless given."""
        for path in self.dropped_files():
            yield from _batches(path, columns, None)

    def find(self, document: str) -> dict[str, Any]:
        """Return a document or dropped row by its id, or by a prefix of the id that matches only one.

        `kept` says whether it is a document, `split` which split it is in, and the other columns its origin and all
        changes.
        """
        if not re.fullmatch(r"[0-9a-f]{4,32}", document):
            raise DataError(f"found id {document!r}; an id is 32 hexadecimal digits, or the first 4 or more of them")
        places = [(split, path) for split in self.splits for path in self.files(split)]
        places += [("", path) for path in self.dropped_files()]
        found: list[dict[str, Any]] = []
        for split, path in places:
            with OwnParquet(path) as opened:
                for group in range(opened.num_row_groups):
                    ids = opened.read_row_group(group, ["id"])["id"]
                    hits = pc.starts_with(ids, document)
                    if pc.any(hits).as_py():
                        rows = opened.read_row_group(group).filter(hits).to_pylist()
                        found += [{"kept": bool(split), **({"split": split} if split else {}), **row} for row in rows]
        if not found:
            raise DataError(f"{self.folder} has no document, kept or dropped, with id {document!r}; check the digits")
        if len({row["id"] for row in found}) > 1:
            ids_shown = ", ".join(row["id"] for row in found[:5])
            raise DataError(f"{len(found)} documents begin with {document!r} ({ids_shown}, ...); give more digits")
        row = found[0]
        row["meta"] = json.loads(row["meta"]) if row["meta"] else None
        return row


def _batches(path: Path, columns: Sequence[str] | None, source: str | None) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file, row group by row group; only those of one source if it is named."""
    wanted = None if columns is None else list(columns)
    with OwnParquet(path) as opened:
        names = opened.schema_arrow.names
        for name in wanted or ():
            if name not in names:
                raise DataError(f"{path}: {unknown_name('column', name, names)}")
        column = names.index("source")
        for group in range(opened.num_row_groups):
            if source is not None:
                statistics = opened.metadata.row_group(group).column(column).statistics
                # A row group holds one source, see finishing.py.
                if statistics is not None and statistics.has_min_max and statistics.min != source:
                    continue
            for batch in opened.iter_batches(BATCH_ROWS, [group], wanted):
                yield batch if wanted is None else batch.select(wanted)


def load_corpus(folder: str | Path, *, unfinished: bool = False) -> Corpus:
    """Return the corpus in a folder; raise StoreError if there is none, or it is unfinished, unknown or damaged.

    Every file must have the name, size and footer recorded in the manifest; contents are checked when they are read.
    unfinished: also open a corpus with an unfinished takedown; its files are not compared with the manifest.
    """
    folder = Path(folder)
    if not unfinished:
        check_finished(folder)
    manifest = open_manifest(folder)
    if not unfinished:
        refuse_faults(folder, check_parts(folder, manifest))
    return Corpus(folder, manifest)


def open_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a finished corpus; raise StoreError if there is none, or it is damaged or unknown."""
    path = folder / "manifest.json"
    if not path.is_file():
        unfinished = (folder / ".work").is_dir()
        what = "a corpus whose building was not finished: build it again, it goes on where it stopped"
        raise StoreError(f"{folder} holds {what if unfinished else 'no corpus (no manifest.json): check the path'}")
    remedy = f"Restore it from a copy, or delete {folder} and build the corpus again"
    found = read_object(path, ["format"], remedy)["format"]
    if found != FORMAT:
        raise StoreError(f"{path} has format {found!r}; this version reads {FORMAT!r}")
    return read_state(path, KEYS, remedy)
