"""Totals of the rows of a build, for the manifest."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from massivetext.corpus.barrier.census import NOWHERE, Census, PartRows
from massivetext.corpus.barrier.fates import Fate
from massivetext.corpus.barrier.index import add_lines
from massivetext.corpus.barrier.keys import as_hexadecimal


@dataclass
class Totals:
    """Totals of the rows of this build."""

    splits: dict[str, dict[str, Any]] = field(default_factory=dict)
    """split -> documents, bytes, and the same for each source."""
    dropped: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    """source -> reason -> documents and bytes that the barrier drops."""
    edited: dict[str, tuple[int, int]] = field(default_factory=dict)
    """source -> number of documents that lost lines, and the bytes removed."""
    digest: str = ""
    """SHA-256 over (split, id, text digest) of the documents, in canonical order."""


def totals_of(census: Census) -> Totals:
    """Return the totals of the rows of this build, by split and by source."""
    totals = Totals({split: {"documents": 0, "bytes": 0, "sources": {}} for split in census.splits})
    digest, splits = hashlib.sha256(), pa.array(census.splits, pa.string())
    for place in census.scratch.stretches(0, census.earlier):
        rows = place.start + np.flatnonzero(census.fate[place] == Fate.KEPT)
        names = splits.take(pa.array(census.side[rows]))
        add_lines(digest, names, as_hexadecimal(census.ids[rows]), as_hexadecimal(census.digests[rows]))
    for part in census.parts:
        table = _with_final_texts(census.table(part, ["id", "source", "text_bytes"]), census, part, totals)
        table = table.append_column("split", splits.take(pa.array(census.side[part.place])))
        table = table.append_column("reason", pa.array(census.reason[part.place]))
        kept = table.filter(pc.equal(table["reason"], 0)).combine_chunks()
        for batch in kept.to_batches():
            add_lines(digest, *(batch.column(name) for name in ("split", "id", "text_digest")))
        for row in _sums(kept, ["split", "source"]):
            entry = totals.splits[row["split"]]
            size = {"documents": row["text_bytes_count"], "bytes": row["text_bytes_sum"]}
            held = entry["sources"].setdefault(row["source"], {"documents": 0, "bytes": 0})
            for name, amount in size.items():
                entry[name] += amount
                held[name] += amount
        for row in _sums(table.filter(pc.not_equal(table["reason"], 0)), ["source", "reason"]):
            reason = census.reasons[row["reason"] - 1]
            reasons = totals.dropped.setdefault(row["source"], {})
            held = reasons.setdefault(f"{reason.step}: {reason.text}", {"documents": 0, "bytes": 0})
            held["documents"] += row["text_bytes_count"]
            held["bytes"] += row["text_bytes_sum"]
        census.scratch.release()
    for entry in totals.splits.values():
        entry["sources"] = dict(sorted(entry["sources"].items()))
    totals.digest = digest.hexdigest()
    return totals


def _with_final_texts(table: pa.Table, census: Census, part: PartRows, totals: Totals) -> pa.Table:
    """Return rows with the digests and sizes of their final texts, after counting what was removed from them."""
    place, before = part.place, table["text_bytes"].to_numpy()
    sizes = census.sizes[place]
    changed = (sizes != NOWHERE) & (census.fate[place] == Fate.KEPT)
    edits = pa.table({"source": table["source"], "text_bytes": pa.array(before - sizes)}).filter(pa.array(changed))
    for row in _sums(edits, ["source"]):
        documents, removed = totals.edited.get(row["source"], (0, 0))
        totals.edited[row["source"]] = documents + row["text_bytes_count"], removed + row["text_bytes_sum"]
    after = pa.array(np.where(changed, sizes, before))
    table = table.set_column(table.schema.get_field_index("text_bytes"), "text_bytes", after)
    return table.append_column("text_digest", as_hexadecimal(census.digests[place]))


def _sums(table: pa.Table, keys: list[str]) -> list[dict[str, Any]]:
    """Return the count and the sum of text bytes for each combination of values of some columns."""
    rows: list[dict[str, Any]] = (
        table.group_by(keys).aggregate([("text_bytes", "count"), ("text_bytes", "sum")]).to_pylist()
    )
    return rows
