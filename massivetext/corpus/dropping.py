"""Dropped rows: who dropped them and why, with an excerpt that shows no more than may be shown."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from massivetext.corpus.counts import SourceCounts
from massivetext.corpus.rows import EXCERPT_CHARACTERS, as_dropped
from massivetext.corpus.steps import Edit, Edited, Measure, Step
from massivetext.text.arrays import replaced

Dropper = tuple[str, int]
"""Name and version of what drops a document."""


@dataclass
class Dropped:
    """The rows of a batch that the steps drop."""

    steps: Sequence[Step]
    schema: pa.Schema
    counts: SourceCounts
    rows: list[pa.RecordBatch] = field(default_factory=list)
    """With excerpts that are not redacted yet."""

    def add(
        self,
        batch: pa.RecordBatch,
        gone: pa.Array,
        by: Dropper,
        reasons: pa.Array,
        values: pa.Array | None = None,
        thresholds: pa.Array | None = None,
    ) -> None:
        """Take some rows of a batch; of these alone: why each is dropped, which value broke which limit."""
        step, version = by
        nothing = pa.nulls(len(reasons), pa.float64())
        notes = {
            "step": pa.repeat(step, len(reasons)),
            "version": pa.repeat(pa.scalar(version, pa.int32()), len(reasons)),
            "reason": reasons,
            "value": nothing if values is None else values,
            "threshold": nothing if thresholds is None else thresholds,
        }
        rows = as_dropped(batch, gone, notes, self.schema)
        for entry in pc.value_counts(reasons).to_pylist():
            same = pc.equal(reasons, entry["values"])
            size = pc.sum(rows.column("text_bytes").filter(same), min_count=0).as_py()
            self.counts.drop(f"{step}: {entry['values']}", entry["counts"], size)
        self.rows.append(rows)

    def release(self) -> pa.RecordBatch:
        """Return the rows and forget them. Every step that redacts goes over them, whichever dropped the document."""
        rows = pa.Table.from_batches(self.rows).combine_chunks().to_batches()[0]
        self.rows.clear()
        for step in self.steps:
            if isinstance(step, Edit) and step.redacts:
                rows = self._redacted(step, rows)
        return replaced(rows, "excerpt", pc.utf8_slice_codeunits(rows.column("excerpt"), 0, EXCERPT_CHARACTERS))

    def _redacted(self, step: Edit, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Return the rows as a step leaves them; an excerpt that it cannot edit is left out."""
        excerpts = rows.column("excerpt")
        seen = replaced(rows, "text", excerpts.fill_null(""))
        for measure in {known.name: known for known in self.steps if known.name in step.needs}.values():
            if isinstance(measure, Measure):
                for name, values in measure.measure(seen).items():
                    seen = replaced(seen, name, values)
        found = step.edit(seen)
        edited = found if isinstance(found, Edited) else Edited(found)
        for name, values in edited.columns.items():
            rows = replaced(rows, name, values)
        return replaced(rows, "excerpt", pc.if_else(excerpts.is_valid(), edited.texts, None))
