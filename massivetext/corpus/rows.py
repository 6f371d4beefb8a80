"""The columns of a corpus: those of documents and of dropped rows, and how an edit is noted in them."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from massivetext.corpus.steps import Step
from massivetext.text.arrays import conformed, replaced

EXCERPT_CHARACTERS = 500
EXCERPT_MARGIN = 192
"""How many characters an excerpt goes on until it is redacted, so that what begins at its end is seen whole."""
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


def kept_schema(measures: Mapping[str, pa.DataType]) -> pa.Schema:
    """Return the schema of documents."""
    return pa.schema({**COLUMNS, **measures})


def work_schema(measures: Mapping[str, pa.DataType]) -> pa.Schema:
    """Return the schema of a part's kept rows: also the split, the hash of what falls on one side of it, and the digest
    that exact deduplication compares."""
    return pa.schema([*kept_schema(measures), *WORK_COLUMNS.items()])


READ_SCHEMA = work_schema({})
"""What records look like as they were read, before any measure."""


def dropped_schema(measures: Mapping[str, pa.DataType]) -> pa.Schema:
    """Return the schema of dropped rows: an excerpt in the text's place, and the reason at the end."""
    columns = {("excerpt" if name == "text" else name): kind for name, kind in COLUMNS.items()}
    return pa.schema({**columns, **measures, **DROP_COLUMNS})


class Schemas(NamedTuple):
    """What the rows of a part's work files look like."""

    kept: pa.Schema
    dropped: pa.Schema


def schemas_of(measures: Mapping[str, pa.DataType]) -> Schemas:
    """Return the schemas of the kept and the dropped rows of a part."""
    return Schemas(work_schema(measures), dropped_schema(measures))


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
    seen whole before it is redacted.
    """
    texts = batch.column("text").filter(gone)
    wanted = set(schema.names)
    rows = batch.select([name for name in batch.schema.names if name in wanted]).filter(gone)
    excerpts = pc.utf8_slice_codeunits(texts, 0, EXCERPT_CHARACTERS + EXCERPT_MARGIN)
    return conformed(rows, schema, {**notes, "excerpt": excerpts})
