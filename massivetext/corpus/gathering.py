"""From a record to a row: records are gathered into batches, which go through a source's steps into the rows of a part.

`ProcessPart` is where it begins: a reader gives records, `gather` puts them together, `Passage` takes the batches
through the steps. A part's rows and counts are work files, which appear whole or not at all: `.work/part-00000.json`
comes last, and a part that has one is not done again. What the steps drop is in `dropping.py`.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import reduce
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from massivetext.corpus.barrier.deduplication import Deduplicate
from massivetext.corpus.counts import SourceCounts
from massivetext.corpus.dropping import Dropped, Dropper
from massivetext.corpus.lanes import Course, Lane
from massivetext.corpus.parts import Part
from massivetext.corpus.readers.records import EMPTY, EXPECTED, UNREAD, Fields, Record, bad_record
from massivetext.corpus.readers.streams import Piece
from massivetext.corpus.rows import READ_SCHEMA, Schemas, noted, with_edit
from massivetext.corpus.steps import Decide, Edit, Edited, Measure, Step
from massivetext.corpus.unread import Counts, count_unread
from massivetext.engines import Advance, say_nothing
from massivetext.errors import BadDocument, DataError
from massivetext.state import read_state, write_state
from massivetext.storage import temporary_path
from massivetext.text.arrays import conformed, replaced
from massivetext.text.digests import digests, word_digests
from massivetext.text.legible import find_blank, find_undecodable, hold_replacements
from massivetext.text.normalising import compose_text

BATCH_BYTES = 4 * 2**20
BATCH_RECORDS = 8192
FRESH_BYTES = 2**16
"""Text that waits as Python's strings, at most."""
SHOWN_RECORDS = 100
"""How many of the records that were set aside are listed in the manifest."""
NO_FIELDS = Fields()
READ_VERSION = 2
READ = ("read", READ_VERSION)
"""Name and version under which records are set aside before any step sees them, and under which decoding is an edit."""
FAILED = "failed"
"""Why a document is dropped that an edit could not take, unless the edit says it."""
NOTHING_LEFT = "nothing left"
"""Why a document is dropped that an edit made empty."""
UNREADABLE = "mostly U+FFFD"
"""Why a document is dropped of which most characters, without white space, replace bytes that were not decoded."""


class Gathered:
    """Records in their order, column by column: no object stays for each that Python's garbage collector looks at."""

    def __init__(self, records: Iterable[tuple[str, bool, Record]] = ()) -> None:
        self.uris: list[str] = []
        """Of the record's file."""
        self.whole: list[bool] = []
        """Whether the file is one record."""
        self.columns: dict[str, list[Any]] = {name: [] for name in Record._fields if name != "text"}
        """What `Record` holds, but for the texts."""
        self.text_bytes = 0
        """About how much the texts are in UTF-8."""
        self._fresh: list[str] = []
        """Texts that are not in Arrow's memory yet: few, so that strings are freed while the processor's cache has
        them, and the next ones come to stand in the same place."""
        self._texts: list[pa.Array] = []
        self._full_at = FRESH_BYTES
        self._appends = [self.columns.get(name, self._fresh).append for name in Record._fields]
        for uri, whole, record in records:
            self.add(uri, whole, record, about_bytes(record))

    def __len__(self) -> int:
        return len(self.uris)

    def add(self, uri: str, whole: bool, record: Record, text_bytes: int) -> None:
        """Add a record with so many bytes of text, as `about_bytes` tells."""
        self.uris.append(uri)
        self.whole.append(whole)
        for append, value in zip(self._appends, record):
            append(value)
        self.text_bytes += text_bytes
        if self.text_bytes >= self._full_at:
            self._store()

    def _store(self) -> None:
        """Put fresh texts into Arrow's memory."""
        self._texts.append(pa.array(self._fresh, pa.string()))
        self._fresh.clear()
        self._full_at = self.text_bytes + FRESH_BYTES

    def texts(self) -> pa.Array:
        """Return the texts; null where a record was set aside."""
        self._store()
        self._texts = [pa.concat_arrays(self._texts)]
        bad = self.columns["bad"]
        return pc.if_else(pa.array(list(map(bool, bad))), None, self._texts[0]) if any(bad) else self._texts[0]

    def members(self) -> list[str]:
        """Return the uri of each record, that of the file with its member's name."""
        members = self.columns["member"]
        if not any(members):
            return self.uris
        return [f"{uri}!{member}" if member else uri for uri, member in zip(self.uris, members)]


def about_bytes(record: Record) -> int:
    """Return about how many bytes a record's text and `meta` are in UTF-8: a quarter of them to four times as many."""
    characters = len(record.text)
    size = characters if record.text.isascii() else min(4 * characters, max(characters, record.raw_bytes))
    return size + len(record.fields.meta) if record.fields is not None and record.fields.meta else size


def gather(
    course: Course,
    pieces: list[Piece],
    advance: Advance = say_nothing,
    unread: Counts | None = None,
) -> Iterator[Gathered]:
    """Yield the records of some pieces, a bounded number of bytes at a time, or a single record.

    unread: told which members of archives nothing reads.
    """
    batch = Gathered()
    unread = {} if unread is None else unread
    for piece in pieces:
        whole, uri = course.readers[piece.file.format].is_whole_file(), piece.file.uri
        for record in _records(course, piece):
            if record.bad == UNREAD:
                count_unread(unread, f"{uri}!{record.member}", record.raw_bytes)
                continue
            size = about_bytes(record)
            if batch.uris and (batch.text_bytes + size > BATCH_BYTES or len(batch.uris) >= BATCH_RECORDS):
                yield batch
                batch = Gathered()
            batch.add(uri, whole, record, size)
        advance(piece.disk_bytes, 0)
    if batch.uris:
        yield batch


def _records(course: Course, piece: Piece) -> Iterator[Record]:
    """Yield the records of a piece; where the rest of it cannot be read, that is the last one."""
    place = "0"
    try:
        for record in course.readers[piece.file.format].read(piece):
            place = record.place
            yield record
    except (BadDocument, DataError) as error:
        yield bad_record(f"after {place}", 0, str(error))


def identify(source: str, uri: str, place: str) -> str:
    """Return a document's id: the xxh3-128 of source, uri and record, 32 hexadecimal digits."""
    return xxhash.xxh3_128_hexdigest(f"{source}\0{uri}\0{place}".encode())


def _side(lane: Lane, group: str) -> str:
    """Return the split of a group of documents (a file, or a record of a container)."""
    if not lane.split.test and not lane.split.validation:
        return "train"
    hashed = xxhash.xxh3_64_intdigest(f"{lane.seed}\0split\0{group}".encode()) / 2.0**64
    if hashed < lane.split.test:
        return "test"
    return "validation" if hashed < lane.split.test + lane.split.validation else "train"


def batch_of(lane: Lane, records: Gathered) -> pa.RecordBatch:
    """Return records as a batch with the columns of `work_schema`, but for measures; those set aside have a null text.

    records: in canonical order. What comes from one file falls on one side of the split, but for files that hold many
    documents.
    """
    count, columns, whole = len(records), records.columns, records.whole
    uris, places = records.members(), columns["place"]
    ids = [identify(lane.name, uri, place) for uri, place in zip(uris, places)]
    groups = [uri if one else key for uri, one, key in zip(uris, whole, ids)] if any(whole) else ids
    texts = records.texts()
    said = zip(*(entry or NO_FIELDS for entry in columns["fields"])) if any(columns["fields"]) else ()
    sizes = pc.binary_length(texts).fill_null(0).cast(pa.int64())
    values = {
        "id": ids,
        "text": texts,
        "source": pa.repeat(lane.name, count),
        "uri": uris,
        "record": places,
        "record_bytes": columns["raw_bytes"],
        "raw_digest": [digest or None for digest in columns["raw_digest"]],
        "text_bytes": sizes,
        **dict(zip(Fields._fields, said)),
        "build": pa.repeat(pa.scalar(lane.build, pa.int32()), count),
        "split": [_side(lane, group) for group in groups],
        "group": [xxhash.xxh3_64_intdigest(group.encode()) for group in groups],
    }
    arrays = [
        value if isinstance(value := values.get(entry.name), pa.Array)
        else pa.nulls(count, entry.type) if value is None
        else pa.array(value, entry.type)
        for entry in READ_SCHEMA
    ]  # fmt: skip
    batch = pa.RecordBatch.from_arrays(arrays, READ_SCHEMA.names)
    invalid = np.array(columns["invalid"], np.bool_)
    return with_edit(batch, invalid, *READ, batch.column("record_bytes"), sizes) if any(invalid) else batch


class Passage:
    """The way of a source's batches through its steps: `take` gives what is kept; `dropped` gathers the rest."""

    def __init__(self, lane: Lane, schemas: Schemas) -> None:
        self.lane = lane
        self.kept_schema = schemas.kept
        self.counts = SourceCounts()
        self.dropped: list[pa.RecordBatch] = []
        self._gone = Dropped(lane.steps, schemas.dropped, self.counts)
        edits = [step for step in lane.steps if isinstance(step, Edit)]
        self._is_normalised = bool(edits) and edits[-1].normalises
        barriers = [step for step in lane.steps if isinstance(step, Deduplicate)]
        self._compares_words = bool(barriers) and barriers[0].settings.exact == "normalised"
        self._has_replacements = False
        """Whether any text of the batch had U+FFFD when it was read."""

    def take(self, records: Gathered) -> pa.RecordBatch:
        """Return the rows of the records that all steps keep."""
        batch, counts, bad = batch_of(self.lane, records), self.counts, records.columns["bad"]
        counts.records += len(batch)
        counts.record_bytes += _total(batch, "record_bytes")
        counts.text_bytes += _total(batch, "text_bytes")
        counts.invalid_records += sum(records.columns["invalid"])
        if any(bad):
            reasons = pa.array([reason or None for reason in bad], pa.string())
            batch = self._without(batch, reasons.is_valid(), READ, reasons.drop_null())
        self._has_replacements = hold_replacements(batch.column("text"))
        batch = self._legible(batch, EMPTY, READ)
        for _, alike in groupby(self.lane.steps, lambda step: isinstance(step, Decide)):
            steps = list(alike)
            decides = [step for step in steps if isinstance(step, Decide)]
            batch = self._decide(decides, batch) if decides else reduce(self._apply, steps, batch)
        if self._gone.rows:
            self.dropped.append(self._gone.release())
        text = batch.column("text")
        digest = digests(text if self._is_normalised else compose_text(text))
        batch = replaced(batch, "text_digest", digest)
        batch = replaced(batch, "compared", word_digests(text) if self._compares_words else digest)
        counts.documents += len(batch)
        counts.document_bytes += _total(batch, "text_bytes")
        return conformed(batch, self.kept_schema)

    def _apply(self, batch: pa.RecordBatch, step: Step) -> pa.RecordBatch:
        """Return the batch after one step that measures or edits."""
        if isinstance(step, Measure):
            for name, values in step.measure(batch).items():
                batch = replaced(batch, name, values)
        elif isinstance(step, Edit):
            batch = self._edit(step, batch)
        return batch

    def _decide(self, steps: Sequence[Decide], batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the documents that some steps keep, one after the other."""
        kept = np.ones(len(batch), np.bool_)
        for step in steps:
            found = step.decide(batch)
            broken = found.reason.is_valid().to_numpy(zero_copy_only=False)
            gone = pa.array(kept & broken)
            kept &= ~broken
            notes = (column.filter(gone) for column in (found.reason, found.value, found.threshold))
            if gone.true_count:
                self._gone.add(batch, gone, (step.name, step.version), *notes)
        return batch if kept.all() else batch.filter(pa.array(kept))

    def _edit(self, step: Edit, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch with edited texts, and the edit noted where a text changed."""
        found, by = step.edit(batch), (step.name, step.version)
        texts, reasons, columns = found if isinstance(found, Edited) else Edited(found)
        if texts.null_count:
            failed, edited = texts.is_null(), texts.is_valid()
            why = pa.repeat(FAILED, failed.true_count) if reasons is None else reasons.filter(failed).fill_null(FAILED)
            batch = self._without(batch, failed, by, why)
            texts, columns = texts.drop_null(), {name: values.filter(edited) for name, values in columns.items()}
        before = batch.column("text")
        changed = pc.not_equal(before, texts)
        for name, values in columns.items():
            changed = pc.or_(changed, pc.fill_null(pc.not_equal(batch.column(name), values), False))
            batch = replaced(batch, name, values)
        if not changed.true_count:
            return batch
        size = _total(batch, "text_bytes")
        batch = noted(batch, texts, changed, step)
        self.counts.edit(step.name, changed.true_count, size - _total(batch, "text_bytes"))
        return self._legible(batch, NOTHING_LEFT, by, before)

    def _legible(
        self, batch: pa.RecordBatch, reason: str, by: Dropper, before: pa.Array | None = None
    ) -> pa.RecordBatch:
        """Return the batch without texts that leave nothing to read: they are blank, or mostly U+FFFD.

        reason: why blank ones are dropped. before: the texts before they were edited, of which dropped blank rows show
        an excerpt.
        """
        blank = pa.array(find_blank(batch.column("text")))
        batch = self._without(batch, blank, by, pa.repeat(reason, blank.true_count), before)
        if not self._has_replacements:
            return batch
        undecodable = pa.array(find_undecodable(batch.column("text")))
        return self._without(batch, undecodable, by, pa.repeat(UNREADABLE, undecodable.true_count))

    def _without(
        self, batch: pa.RecordBatch, gone: pa.Array, by: Dropper, reasons: pa.Array, shown: pa.Array | None = None
    ) -> pa.RecordBatch:
        """Return the batch without some rows, each dropped for its reason.

        by: who drops them. shown: the texts of which the dropped rows show an excerpt, if not those of the batch.
        """
        if not gone.true_count:
            return batch
        self._gone.add(batch if shown is None else replaced(batch, "text", shown), gone, by, reasons)
        return batch.filter(pc.invert(gone))


def _total(batch: pa.RecordBatch, name: str) -> int:
    """Return the sum of a column."""
    total: int = pc.sum(batch.column(name), min_count=0).as_py()
    return total


class PartFiles(NamedTuple):
    """Where a part's rows and counts are."""

    kept: Path
    dropped: Path
    marker: Path
    """Says that the rows are there, and counts them."""
    written: Path
    """Says that the corpus's files of this part are there."""


def part_files(work: Path, number: int) -> PartFiles:
    """Return the work files of a part."""
    stem = f"part-{number:05d}"
    return PartFiles(*(work / f"{stem}.{suffix}" for suffix in ("kept.arrow", "dropped.arrow", "json", "written")))


@dataclass(frozen=True)
class ProcessPart:
    """Takes a part through reader and steps, and writes its work files; one that has them is not done again."""

    courses: dict[str, Course]
    schemas: Schemas
    work: Path

    def __call__(self, part: Part, advance: Advance) -> dict[str, Any]:
        """Return the part's counts. advance: told how many bytes of the input and how many records are done."""
        files = part_files(self.work, part.number)
        if files.marker.is_file():
            remedy = f"Delete {self.work} and give the same command again: the build starts anew"
            known = read_state(files.marker, ["sources", "set_aside"], remedy)
            advance(part.input_bytes, sum(counts["records"] for counts in known["sources"].values()))
            return known
        counts: dict[str, Any] = {}
        set_aside: list[dict[str, str]] = []
        options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
        with ExitStack() as stack:
            kept_path, dropped_path = (
                stack.enter_context(temporary_path(path)) for path in (files.kept, files.dropped)
            )
            kept = stack.enter_context(pa.ipc.new_file(str(kept_path), self.schemas.kept, options=options))
            dropped = stack.enter_context(pa.ipc.new_file(str(dropped_path), self.schemas.dropped, options=options))
            for source, group in groupby(part.pieces, key=lambda entry: entry[0]):
                passage = Passage(self.courses[source].lane, self.schemas)
                pieces = [piece for _, piece in group]
                for records in gather(self.courses[source], pieces, advance, passage.counts.unread):
                    set_aside += _listed(source, records)[: SHOWN_RECORDS - len(set_aside)]
                    rows = passage.take(records)
                    advance(0, len(records))
                    if len(rows):
                        kept.write_batch(rows)
                    for batch in passage.dropped:
                        dropped.write_batch(batch)
                    passage.dropped.clear()
                counts[source] = asdict(passage.counts)
        marker = {"sources": counts, "set_aside": set_aside}
        write_state(files.marker, marker)
        return marker


def _listed(source: str, records: Gathered) -> list[dict[str, str]]:
    """Return place and reason of the records that were set aside, but for those that sound files hold."""
    if not any(records.columns["bad"]):
        return []
    found = zip(records.members(), records.columns["place"], records.columns["bad"])
    return [
        {"source": source, "uri": uri, "record": place, "reason": bad}
        for uri, place, bad in found
        if bad and bad not in EXPECTED
    ]
