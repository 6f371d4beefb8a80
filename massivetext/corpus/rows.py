"""Records as Arrow batches: the columns of a corpus, and what happens to a batch on its way through the steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from massivetext.corpus.barrier.deduplication import Deduplicate, DeduplicateSettings
from massivetext.corpus.readers.records import EMPTY
from massivetext.corpus.settings import SplitSettings
from massivetext.corpus.steps import Decide, Edit, Measure, Step, pii
from massivetext.corpus.unread import Counts, add_unread
from massivetext.text.arrays import first_bytes, string_buffers
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
READ_VERSION = 2
"""Name and version under which records are set aside before any step sees them, and under which decoding is an edit."""
NOTHING_LEFT = "nothing left"
"""Why a document is dropped that an edit made empty."""
UNREADABLE = "mostly U+FFFD"
"""Why a document is dropped of which most characters, without white space, replace bytes that were not decoded."""
REPLACEMENT = "\ufffd"
IS_VISIBLE = np.zeros(256, np.bool_)
IS_VISIBLE[ord("!") : 0x7F] = IS_VISIBLE[0xE4:] = True
"""First bytes of texts that are not blank for certain: no white space begins with them."""
NO_COLUMNS: Mapping[str, pa.Array] = {}


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
    unread: Counts = field(default_factory=dict)
    """Members of archives that nothing reads."""

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
        add_unread(self.unread, other.unread)


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
        if not self.split.test and not self.split.validation:
            return "train"
        hashed = xxhash.xxh3_64_intdigest(f"{self.seed}\0split\0{group}".encode()) / 2.0**64
        if hashed < self.split.test:
            return "test"
        return "validation" if hashed < self.split.test + self.split.validation else "train"


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
        self.replaces = next((step for step in lane.steps if isinstance(step, pii.Pii)), None)
        """Dropped rows show no personal data either, whichever step dropped the document."""
        self.dropped: list[pa.RecordBatch] = []
        self._gone: list[pa.RecordBatch] = []
        self._has_replacements = False
        """Whether any text of the batch had U+FFFD when it was read."""

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
        self._has_replacements = REPLACEMENT.encode() in string_buffers(batch.column("text"))[0].tobytes()
        batch = self._drop_unreadable(batch, READ, READ_VERSION)
        for _, alike in groupby(self.lane.steps, lambda step: isinstance(step, Decide)):
            steps = list(alike)
            decides = [step for step in steps if isinstance(step, Decide)]
            batch = self._decide(decides, batch) if decides else reduce(self._apply, steps, batch)
        if self._gone:
            self.dropped.append(self._excerpts())
        text = batch.column("text")
        compared = text if self.lane.is_normalised else compose_text(text)
        batch = replaced(batch, "text_digest", digests(compared))
        exact = self.lane.deduplicate.exact if self.lane.deduplicate else False
        same = word_digests(text) if exact == "normalised" else batch.column("text_digest")
        batch = replaced(batch, "compared", same)
        counts.documents += len(batch)
        counts.document_bytes += pc.sum(batch.column("text_bytes"), min_count=0).as_py()
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
            self._gather(batch, gone, step.name, step.version, *notes)
        return batch if kept.all() else batch.filter(pa.array(kept))

    def _edit(self, step: Edit, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch with edited texts, and the edit noted where a text changed."""
        after, failed = step.attempt(batch)
        if after.null_count:
            batch, after = self._drop(batch, failed, step.name, step.version), after.drop_null()
        changed = pc.not_equal(batch.column("text"), after)
        for name, values in step.edit_fields(batch).items():
            changed = pc.or_(changed, pc.fill_null(pc.not_equal(batch.column(name), values), False))
            batch = replaced(batch, name, values)
        if not changed.true_count:
            return batch
        edited = noted(batch, after, changed, step)
        removed = pc.sum(batch.column("text_bytes")).as_py() - pc.sum(edited.column("text_bytes")).as_py()
        self.counts.edit(step.name, changed.true_count, removed)
        edited = self._drop_blank(edited, NOTHING_LEFT, step.name, step.version, batch.column("text"))
        return self._drop_unreadable(edited, step.name, step.version)

    def _drop_blank(
        self, batch: pa.RecordBatch, reason: str, step: str, version: int, before: pa.Array | None = None
    ) -> pa.RecordBatch:
        """Return the batch without texts that are nothing but white space.

        before: the texts before they were edited, of which the dropped rows show an excerpt.
        """
        perhaps = ~IS_VISIBLE[first_bytes(batch.column("text"))]
        if not perhaps.any():
            return batch
        trimmed = pc.utf8_trim_whitespace(batch.column("text").filter(pa.array(perhaps)))
        perhaps[perhaps] = pc.equal(pc.binary_length(trimmed), 0)
        reasons = pc.if_else(pa.array(perhaps), pa.scalar(reason), pa.scalar(None, pa.string()))
        return self._drop(batch, reasons, step, version, before)

    def _drop_unreadable(self, batch: pa.RecordBatch, step: str, version: int) -> pa.RecordBatch:
        """Return the batch without texts that are mostly U+FFFD."""
        if not self._has_replacements:
            return batch
        text = batch.column("text")
        visible = pc.utf8_length(pc.replace_substring_regex(text, r"\s+", ""))
        unreadable = pc.greater(pc.multiply(pc.count_substring(text, REPLACEMENT), 2), visible)
        reasons = pc.if_else(unreadable, pa.scalar(UNREADABLE), pa.scalar(None, pa.string()))
        return self._drop(batch, reasons, step, version)

    def _drop(
        self, batch: pa.RecordBatch, reasons: pa.Array, step: str, version: int, shown: pa.Array | None = None
    ) -> pa.RecordBatch:
        """Return the rows without a reason; the others are gathered as dropped under the step's name.

        shown: the texts of which the dropped rows show an excerpt, if not those of the batch.
        """
        if reasons.null_count == len(reasons):
            return batch
        gone = reasons.is_valid()
        nothing = pa.nulls(gone.true_count, pa.float64())
        rows = batch if shown is None else replaced(batch, "text", shown)
        self._gather(rows, gone, step, version, reasons.drop_null(), nothing, nothing)
        return batch.filter(reasons.is_null())

    def _gather(
        self,
        batch: pa.RecordBatch,
        gone: pa.Array,
        step: str,
        version: int,
        reasons: pa.Array,
        values: pa.Array,
        thresholds: pa.Array,
    ) -> None:
        """Count some rows of a batch as dropped and keep what is shown of them; of these alone, what each broke."""
        if not len(reasons):
            return
        notes = {
            "step": pa.repeat(step, len(reasons)),
            "version": pa.repeat(pa.scalar(version, pa.int32()), len(reasons)),
            "reason": reasons,
            "value": values,
            "threshold": thresholds,
        }
        rows = as_dropped(batch, gone, notes, self.dropped_schema)
        for entry in pc.value_counts(reasons).to_pylist():
            same = pc.equal(reasons, entry["values"])
            size = pc.sum(rows.column("text_bytes").filter(same), min_count=0).as_py()
            self.counts.drop(f"{step}: {entry['values']}", entry["counts"], size)
        self._gone.append(rows)

    def _excerpts(self) -> pa.RecordBatch:
        """Return the rows that were gathered, with excerpts as they may be shown."""
        rows = pa.Table.from_batches(self._gone).combine_chunks().to_batches()[0]
        self._gone.clear()
        texts = rows.column("excerpt")
        if self.replaces is not None:
            seen = pa.RecordBatch.from_arrays([texts], ["text"])
            for name, counts in pii.PiiCounts().measure(seen).items():
                seen = seen.append_column(name, counts)
            texts = self.replaces.edit(seen)
            for name, values in self.replaces.edit_fields(rows).items():
                rows = replaced(rows, name, values)
        return replaced(rows, "excerpt", pc.utf8_slice_codeunits(texts, 0, EXCERPT_CHARACTERS))


def noted(batch: pa.RecordBatch, texts: pa.Array, changed: pa.Array, step: Step | type[Step]) -> pa.RecordBatch:
    """Return the batch with new texts and their sizes, the step noted where a text changed."""
    sizes = pc.binary_length(texts).cast(pa.int64())
    rows = changed.to_numpy(zero_copy_only=False)
    batch = with_edit(batch, rows, step.name, step.version, batch.column("text_bytes"), sizes)
    return replaced(replaced(batch, "text", texts), "text_bytes", sizes)


def with_edit(
    batch: pa.RecordBatch, rows: npt.NDArray[np.bool_], step: str, version: int, before: pa.Array, after: pa.Array
) -> pa.RecordBatch:
    """Return the batch with one more edit of some rows. before, after: all rows' bytes."""
    edits, chosen, count = batch.column("edits"), pa.array(rows), int(rows.sum())
    names = pa.repeat(step, count), pa.repeat(pa.scalar(version, pa.int32()), count)
    notes = pa.StructArray.from_arrays([*names, before.filter(chosen), after.filter(chosen)], fields=list(EDIT))
    known = edits.flatten()
    counts = edits.value_lengths().fill_null(0).to_numpy() + rows
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    is_new = np.zeros(offsets[-1], np.bool_)
    is_new[offsets[1:][rows] - 1] = True
    order = np.empty(offsets[-1], np.int64)
    order[~is_new], order[is_new] = np.arange(len(known)), len(known) + np.arange(count)
    values = pa.concat_arrays([known, notes]).take(pa.array(order))
    lists = pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), values, type=COLUMNS["edits"], mask=pa.array(counts == 0)
    )
    return replaced(batch, "edits", lists)


def as_dropped(
    batch: pa.RecordBatch, gone: pa.Array, notes: Mapping[str, pa.Array], schema: pa.Schema
) -> pa.RecordBatch:
    """Return some rows of a batch as they stand in `dropped/`, but for excerpts that go a little further.

    gone: which rows. notes: of these, who dropped them and why. An excerpt goes so far that an address at its end is
    seen whole before it is replaced.
    """
    texts = batch.column("text").filter(gone)
    wanted = set(schema.names)
    rows = batch.select([name for name in batch.schema.names if name in wanted]).filter(gone)
    excerpts = pc.utf8_slice_codeunits(texts, 0, EXCERPT_CHARACTERS + pii.MARGIN * 4)
    return conformed(rows, schema, {**notes, "excerpt": excerpts})


def conformed(batch: pa.RecordBatch, schema: pa.Schema, columns: Mapping[str, pa.Array] = NO_COLUMNS) -> pa.RecordBatch:
    """Return the batch with exactly the schema's columns, null where it has none; columns: those that are given."""
    present = {**dict(zip(batch.schema.names, batch.columns)), **columns}
    arrays = [
        pa.nulls(len(batch), entry.type) if (found := present.get(entry.name)) is None
        else found if found.type == entry.type
        else found.cast(entry.type)
        for entry in schema
    ]  # fmt: skip
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
