"""Records gathered into batches with the columns of a corpus."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from massivetext.corpus.readers.records import Fields, Record
from massivetext.corpus.rows import READ, READ_VERSION, Lane, with_edit, work_schema

FRESH_BYTES = 2**16
"""Text that waits as Python's strings, at most."""
NO_FIELDS = Fields()


def identify(source: str, uri: str, place: str) -> str:
    """Return a document's id: the xxh3-128 of source, uri and record, 32 hexadecimal digits."""
    return xxhash.xxh3_128_hexdigest(f"{source}\0{uri}\0{place}".encode())


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
        "split": [lane.side(group) for group in groups],
        "group": [xxhash.xxh3_64_intdigest(group.encode()) for group in groups],
    }
    kinds = work_schema({})
    arrays = [
        value if isinstance(value := values.get(entry.name), pa.Array)
        else pa.nulls(count, entry.type) if value is None
        else pa.array(value, entry.type)
        for entry in kinds
    ]  # fmt: skip
    batch = pa.RecordBatch.from_arrays(arrays, kinds.names)
    invalid = np.array(columns["invalid"], np.bool_)
    return with_edit(batch, invalid, READ, READ_VERSION, batch.column("record_bytes"), sizes) if any(invalid) else batch
