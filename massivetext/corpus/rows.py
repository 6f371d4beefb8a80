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
"""Number of characters by which an excerpt is longer before redaction, so that data cut off at its end is detected."""
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
"""The columns of every corpus; measures follow as `step__value`."""
WORK_COLUMNS = {"split": pa.string(), "group": pa.uint64(), "compared": pa.string()}
DROP_COLUMNS = {
    "step": pa.string(),
    "version": pa.int32(),
    "reason": pa.string(),
    "value": pa.float64(),
    "threshold": pa.float64(),
}
"""The additional columns of dropped rows: which step dropped the row and why."""


def kept_schema(measures: Mapping[str, pa.DataType]) -> pa.Schema:
    """Return the schema of documents."""
    return pa.schema({**COLUMNS, **measures})


def work_schema(measures: Mapping[str, pa.DataType]) -> pa.Schema:
    """Return the schema of a part's kept rows: also the split, the hash of the group that belongs in one split, and the
    digest that exact deduplication compares."""
    return pa.schema([*kept_schema(measures), *WORK_COLUMNS.items()])


READ_SCHEMA = work_schema({})
"""The schema of records as they were read, before any measure."""


def dropped_schema(measures: Mapping[str, pa.DataType]) -> pa.Schema:
    """Return the schema of dropped rows: an excerpt instead of the text, and the reason at the end."""
    columns = {("excerpt" if name == "text" else name): kind for name, kind in COLUMNS.items()}
    return pa.schema({**columns, **measures, **DROP_COLUMNS})


class Schemas(NamedTuple):
    """The schemas of the rows in a part's work files."""

    kept: pa.Schema
    dropped: pa.Schema


def schemas_of(measures: Mapping[str, pa.DataType]) -> Schemas:
    """Return the schemas of the kept and the dropped rows of a part."""
    return Schemas(work_schema(measures), dropped_schema(measures))


def noted(batch: pa.RecordBatch, texts: pa.Array, changed: pa.Array, step: Step | type[Step]) -> pa.RecordBatch:
    """Return the batch with new texts and their sizes; the step is noted for every text that changed."""
    sizes = pc.binary_length(texts).cast(pa.int64())
    rows = changed.to_numpy(zero_copy_only=False)
    batch = with_edit(batch, rows, step.name, step.version, batch.column("text_bytes"), sizes)
    return replaced(replaced(batch, "text", texts), "text_bytes", sizes)


def with_edit(
    batch: pa.RecordBatch, rows: npt.NDArray[np.bool_], step: str, version: int, before: pa.Array, after: pa.Array
) -> pa.RecordBatch:
    """Return the batch with one more edit of some rows. before, after: text sizes of all rows, in bytes."""
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
    """Return some rows of a batch in the form of `dropped/`, except that excerpts are a little longer.

    gone: which rows. notes: for these rows, who dropped them and why. Excerpts are longer so that an address at the end
    is complete when it is redacted.
    """
    texts = batch.column("text").filter(gone)
    wanted = set(schema.names)
    rows = batch.select([name for name in batch.schema.names if name in wanted]).filter(gone)
    excerpts = pc.utf8_slice_codeunits(texts, 0, EXCERPT_CHARACTERS + EXCERPT_MARGIN)
    return conformed(rows, schema, {**notes, "excerpt": excerpts})
