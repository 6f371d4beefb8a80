"""Records as Arrow batches: the columns of a corpus, and what happens to a batch on its way through the steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from massivetext.corpus import pii
from massivetext.corpus.readers.records import EMPTY, Fields, Record
from massivetext.corpus.settings import SplitSettings
from massivetext.corpus.steps import Barrier, Decide, Deduplicate, DeduplicateSettings, Edit, Measure, Step
from massivetext.text.normalising import compose_text
from massivetext.text.words import hash_words

EXCERPT_CHARACTERS = 500
EDIT = pa.struct(
    [("step", pa.string()), ("version", pa.int32()), ("bytes_before", pa.int64()), ("bytes_after", pa.int64())]
)
COLUMNS = {
    "id": pa.string(),
    "text": pa.string(),
    "source": pa.string(),
    "uri": pa.string(),
    "record": pa.string(),
    "record_bytes": pa.int64(),
    "raw_digest": pa.string(),
    "text_bytes": pa.int64(),
    "text_digest": pa.string(),
    "language": pa.string(),
    "license": pa.string(),
    "url": pa.string(),
    "created_at": pa.string(),
    "cluster": pa.string(),
    "edits": pa.list_(EDIT),
    "meta": pa.string(),
    "build": pa.int32(),
}
"""The columns of every corpus; measures follow them as `step__value`."""
WORK_COLUMNS = {"split": pa.string(), "group": pa.uint64(), "compared": pa.string()}
DROP_COLUMNS = {
    "step": pa.string(),
    "version": pa.int32(),
    "reason": pa.string(),
    "value": pa.float64(),
    "threshold": pa.float64(),
}
"""What a dropped row has more: which step dropped it and why."""
READ = "read"
READ_VERSION = 1
NOTHING_LEFT = "nothing left"
"""Why a document is dropped that an edit made empty."""
"""Name and version under which records are set aside before any step sees them, and under which decoding is an edit."""
NO_FIELDS = Fields()


def kept_schema(measures: Mapping[str, pa.DataType]) -> pa.Schema:
    """Return the schema of documents."""
    return pa.schema({**COLUMNS, **measures})


def work_schema(measures: Mapping[str, pa.DataType]) -> pa.Schema:
    """Return the schema of a part's kept rows: also the split, the hash of what falls on one side of it, and the digest
    that exact deduplication compares."""
    return pa.schema([*kept_schema(measures), *WORK_COLUMNS.items()])


def dropped_schema(measures: Mapping[str, pa.DataType]) -> pa.Schema:
    """Return the schema of dropped rows: an excerpt in the text's place, and the reason at the end."""
    columns = {("excerpt" if name == "text" else name): kind for name, kind in COLUMNS.items()}
    return pa.schema({**columns, **measures, **DROP_COLUMNS})


@dataclass
class SourceCounts:
    """What became of one source: its text bytes as read are those kept, dropped, and removed by edits."""

    records: int = 0
    record_bytes: int = 0
    text_bytes: int = 0
    invalid_records: int = 0
    documents: int = 0
    document_bytes: int = 0
    dropped: dict[str, dict[str, int]] = field(default_factory=dict)
    """`step: reason` -> documents, bytes."""
    edited: dict[str, dict[str, int]] = field(default_factory=dict)
    """step -> documents changed, bytes removed (negative where text grew)."""

    def drop(self, name: str, documents: int, text_bytes: int) -> None:
        """Count dropped documents under `step: reason`."""
        entry = self.dropped.setdefault(name, {"documents": 0, "bytes": 0})
        entry["documents"] += documents
        entry["bytes"] += text_bytes

    def edit(self, name: str, documents: int, removed_bytes: int) -> None:
        """Count edited documents under the step's name."""
        entry = self.edited.setdefault(name, {"documents": 0, "removed_bytes": 0})
        entry["documents"] += documents
        entry["removed_bytes"] += removed_bytes

    def add(self, other: "SourceCounts") -> None:
        """Add another part's counts to these."""
        for name in ("records", "record_bytes", "text_bytes", "invalid_records", "documents", "document_bytes"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for reason, entry in other.dropped.items():
            self.drop(reason, entry["documents"], entry["bytes"])
        for step, entry in other.edited.items():
            self.edit(step, entry["documents"], entry["removed_bytes"])


@dataclass(frozen=True)
class Lane:
    """How the records of one source become rows."""

    name: str
    steps: tuple[Step, ...]
    split: SplitSettings
    seed: int
    build: int = 1
    """Number of the build, counted from 1; appended text comes with the next."""

    @property
    def is_normalised(self) -> bool:
        """Whether the texts that leave the steps are NFC for certain."""
        edits = [step.name for step in self.steps if isinstance(step, Edit)]
        return bool(edits) and edits[-1] == "normalise"

    @property
    def deduplicate(self) -> DeduplicateSettings | None:
        """How duplicates are looked for, None where they are not."""
        return next((step.settings for step in self.steps if isinstance(step, Deduplicate)), None)

    def side(self, group: str) -> str:
        """Return the split of a group of documents (a file, or a record of a container)."""
        hashed = xxhash.xxh3_64_intdigest(f"{self.seed}\0split\0{group}".encode()) / 2.0**64
        if hashed < self.split.test:
            return "test"
        return "validation" if hashed < self.split.test + self.split.validation else "train"


def identify(source: str, uri: str, place: str) -> str:
    """Return a document's id: the xxh3-128 of source, uri and record, 32 hexadecimal digits."""
    return xxhash.xxh3_128_hexdigest(f"{source}\0{uri}\0{place}".encode(errors="surrogateescape"))


def batch_of(lane: Lane, records: Sequence[tuple[str, bool, Record]]) -> pa.RecordBatch:
    """Return records as a batch with the columns of `work_schema`, but for measures; those set aside have a null text.

    records: (uri of the file, whether the file is one record, record), in canonical order. What comes from one file
    falls on one side of the split, but for files that hold many documents.
    """
    count = len(records)
    uris = [f"{uri}!{record.member}" if record.member else uri for uri, _, record in records]
    ids = [identify(lane.name, uri, entry[2].place) for uri, entry in zip(uris, records)]
    groups = [uri if entry[1] else key for uri, entry, key in zip(uris, records, ids)]
    texts = pa.array([None if record.bad else record.text for _, _, record in records], pa.string())
    fields = [record.fields or NO_FIELDS for _, _, record in records]
    sizes = pc.binary_length(texts).fill_null(0).cast(pa.int64())
    edits = [
        [{"step": READ, "version": READ_VERSION, "bytes_before": entry[2].raw_bytes, "bytes_after": size}]
        if entry[2].invalid
        else None
        for entry, size in zip(records, sizes.to_pylist())
    ]
    values = {
        "id": ids,
        "text": texts,
        "source": pa.repeat(lane.name, count),
        "uri": [uri.encode(errors="surrogateescape").decode(errors="replace") for uri in uris],
        "record": [record.place for _, _, record in records],
        "record_bytes": [record.raw_bytes for _, _, record in records],
        "raw_digest": [record.raw_digest or None for _, _, record in records],
        "text_bytes": sizes,
        "text_digest": pa.nulls(count, pa.string()),
        **{name: [getattr(entry, name) for entry in fields] for name in ("language", "license", "url", "created_at")},
        "cluster": pa.nulls(count, pa.string()),
        "edits": edits,
        "meta": [entry.meta for entry in fields],
        "build": pa.repeat(pa.scalar(lane.build, pa.int32()), count),
        "split": [lane.side(group) for group in groups],
        "group": [xxhash.xxh3_64_intdigest(group.encode(errors="surrogateescape")) for group in groups],
        "compared": pa.nulls(count, pa.string()),
    }
    kinds = work_schema({})
    arrays = [
        value if isinstance(value, pa.Array) else pa.array(value, kinds.field(name).type)
        for name, value in values.items()
    ]
    return pa.RecordBatch.from_arrays(arrays, list(values))


def replaced(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    """Return the batch with one column replaced, or added at the end."""
    index = batch.schema.get_field_index(name)
    if index < 0:
        return batch.append_column(name, values)
    return batch.set_column(index, pa.field(name, values.type), values)


class Passage:
    """The way of a source's batches through its steps: `take` gives what is kept; `dropped` gathers the rest."""

    def __init__(self, lane: Lane, measures: Mapping[str, pa.DataType]) -> None:
        self.lane = lane
        self.kept_schema = work_schema(measures)
        self.dropped_schema = dropped_schema(measures)
        self.counts = SourceCounts()
        self.replaces: tuple[pii.PiiType, ...] = next(
            (step.settings.types for step in lane.steps if isinstance(step, pii.Pii)), ()
        )
        """Personal data that stands in no excerpt either, whichever step dropped its document."""
        self.dropped: list[pa.RecordBatch] = []

    def take(self, batch: pa.RecordBatch, bad: Sequence[str], invalid: int) -> pa.RecordBatch:
        """Return the documents of a batch that all steps keep.

        bad: why each record was set aside, empty where it was not. invalid: how many had bytes that did not fit.
        """
        counts = self.counts
        counts.records += len(batch)
        counts.record_bytes += pc.sum(batch.column("record_bytes"), min_count=0).as_py()
        counts.text_bytes += pc.sum(batch.column("text_bytes"), min_count=0).as_py()
        counts.invalid_records += invalid
        if any(bad):
            batch = self._drop(batch, pa.array([reason or None for reason in bad], pa.string()), READ, READ_VERSION)
        batch = self._drop_blank(batch, EMPTY, READ, READ_VERSION)
        for step in self.lane.steps:
            if isinstance(step, Barrier):
                continue
            batch = self._apply(step, batch)
        text = batch.column("text")
        compared = text if self.lane.is_normalised else compose_text(text)
        batch = replaced(batch, "text_digest", digests(compared))
        exact = self.lane.deduplicate.exact if self.lane.deduplicate else False
        same = word_digests(text) if exact == "normalised" else batch.column("text_digest")
        batch = replaced(batch, "compared", same)
        counts.documents += len(batch)
        counts.document_bytes += pc.sum(batch.column("text_bytes"), min_count=0).as_py()
        return conformed(batch, self.kept_schema)

    def _apply(self, step: Step, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch after one step."""
        if isinstance(step, Measure):
            for name, values in step.measure(batch).items():
                batch = replaced(batch, name, values)
        elif isinstance(step, Edit):
            batch = self._edit(step, batch)
        elif isinstance(step, Decide):
            decision = step.decide(batch)
            batch = self._drop(batch, decision.reason, step.name, step.version, decision.value, decision.threshold)
        return batch

    def _edit(self, step: Edit, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch with edited texts, and the edit noted where a text changed."""
        after = step.edit(batch)
        if after.null_count:
            failed = pc.if_else(after.is_null(), pa.scalar(step.failure), pa.scalar(None, pa.string()))
            batch, after = self._drop(batch, failed, step.name, step.version), after.drop_null()
        changed = pc.not_equal(batch.column("text"), after).true_count
        if not changed:
            return batch
        edited = noted(batch, after, step)
        removed = pc.sum(batch.column("text_bytes")).as_py() - pc.sum(edited.column("text_bytes")).as_py()
        self.counts.edit(step.name, changed, removed)
        return self._drop_blank(edited, NOTHING_LEFT, step.name, step.version)

    def _drop_blank(self, batch: pa.RecordBatch, reason: str, step: str, version: int) -> pa.RecordBatch:
        """Return the batch without texts that are nothing but white space."""
        text = batch.column("text")
        blank = pc.equal(pc.binary_length(pc.utf8_trim_whitespace(pc.utf8_slice_codeunits(text, 0, 64))), 0)
        if not pc.any(blank).as_py():
            return batch
        # Only texts that begin with much white space are looked at whole.
        blank = pc.and_(blank, pc.equal(pc.binary_length(pc.utf8_trim_whitespace(text)), 0))
        reasons = pc.if_else(blank, pa.scalar(reason), pa.scalar(None, pa.string()))
        return self._drop(batch, reasons, step, version)

    def _drop(
        self,
        batch: pa.RecordBatch,
        reasons: pa.Array,
        step: str,
        version: int,
        values: pa.Array | None = None,
        thresholds: pa.Array | None = None,
    ) -> pa.RecordBatch:
        """Return the rows without a reason; the others are gathered as dropped under the step's name."""
        if reasons.null_count == len(reasons):
            return batch
        gone = reasons.is_valid()
        rows = batch.filter(gone)
        nothing = pa.nulls(len(rows), pa.float64())
        notes = {
            "step": pa.repeat(step, len(rows)),
            "version": pa.repeat(pa.scalar(version, pa.int32()), len(rows)),
            "reason": reasons.filter(gone),
            "value": nothing if values is None else values.filter(gone),
            "threshold": nothing if thresholds is None else thresholds.filter(gone),
        }
        for entry in pc.value_counts(notes["reason"]).to_pylist():
            same = pc.equal(notes["reason"], entry["values"])
            size = pc.sum(rows.column("text_bytes").filter(same), min_count=0).as_py()
            self.counts.drop(f"{step}: {entry['values']}", entry["counts"], size)
        if self.replaces:
            rows = replaced(rows, "text", without_pii(rows.column("text"), self.replaces))
        self.dropped.append(as_dropped(rows, notes, self.dropped_schema))
        return batch.filter(reasons.is_null())


def noted(batch: pa.RecordBatch, texts: pa.Array, step: Step | type[Step]) -> pa.RecordBatch:
    """Return the batch with new texts and their sizes, the step noted where a text changed."""
    sizes = pc.binary_length(texts).cast(pa.int64())
    edits, old, new = (column.to_pylist() for column in (batch.column("edits"), batch.column("text_bytes"), sizes))
    for row in np.flatnonzero(pc.not_equal(batch.column("text"), texts).to_numpy(zero_copy_only=False)).tolist():
        note = {"step": step.name, "version": step.version, "bytes_before": old[row], "bytes_after": new[row]}
        edits[row] = [*(edits[row] or ()), note]
    batch = replaced(replaced(batch, "text", texts), "text_bytes", sizes)
    return replaced(batch, "edits", pa.array(edits, COLUMNS["edits"]))


def without_pii(texts: pa.Array, types: tuple[pii.PiiType, ...]) -> pa.Array:
    """Return the beginnings of texts, enough for excerpts, without personal data of some types."""
    # Read further than an excerpt goes, so that an address at its end is seen whole before it is replaced.
    cut = pc.utf8_slice_codeunits(texts, 0, EXCERPT_CHARACTERS + pii.MARGIN * 4)
    return pa.array([text and pii.replaced(text, types) for text in cut.to_pylist()], texts.type)


def as_dropped(rows: pa.RecordBatch, notes: Mapping[str, pa.Array], schema: pa.Schema) -> pa.RecordBatch:
    """Return rows as they stand in `dropped/`: an excerpt for the text, and the notes of who dropped them and why."""
    excerpt = pc.utf8_slice_codeunits(rows.column("text"), 0, EXCERPT_CHARACTERS)
    rows = replaced(rows, "excerpt", excerpt)
    for name, values in notes.items():
        rows = replaced(rows, name, values)
    return conformed(rows, schema)


def conformed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return the batch with exactly the schema's columns, null where it has none."""
    present = set(batch.schema.names)
    arrays = [
        batch.column(entry.name).cast(entry.type) if entry.name in present else pa.nulls(len(batch), entry.type)
        for entry in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def digests(texts: pa.Array) -> pa.Array:
    """Return the xxh3-128 of each text's UTF-8 bytes, as 32 hexadecimal digits."""
    blobs: list[Any] = texts.cast(pa.binary()).to_pylist()
    return pa.array([xxhash.xxh3_128_hexdigest(blob) for blob in blobs], pa.string())


def word_digests(texts: pa.Array) -> pa.Array:
    """Return a digest of each text's words, without regard to case, width, white space and punctuation.

    A text without words has the digest of its bytes: it equals no other but its copies.
    """
    words = hash_words(pc.utf8_normalize(texts, "NFKC"))
    return pa.array(
        [
            xxhash.xxh3_128_hexdigest(words.hashes[start:end].tobytes()) if end > start else plain
            for start, end, plain in zip(words.offsets, words.offsets[1:], digests(texts).to_pylist())
        ],
        pa.string(),
    )
