"""Which field of a record is the text, and what the others say about it."""

import json
from collections.abc import Mapping
from typing import Any

from massivetext.corpus.readers.records import Fields
from massivetext.errors import DataError

NAMED = ("language", "license", "url", "created_at")
"""Fields that have a column of their own in a corpus, where they hold a string."""
SCALARS = (str, int, float, bool)
ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True)


def choose_text_column(wanted: str | None, columns: Mapping[str, bool], where: str) -> str:
    """Return the name of the text column: the one wanted, else `text`, else the only one that holds strings.

    columns: name -> whether it holds strings. where: the file, for the message. Raises DataError that names those that
    are there.
    """
    names = ", ".join(repr(name) for name in columns) or "none"
    if wanted is not None:
        if wanted in columns:
            return wanted
        raise DataError(f"{where} has no column {wanted!r}; there are: {names}. Set text_column to one of them")
    if "text" in columns:
        return "text"
    strings = [name for name, holds_strings in columns.items() if holds_strings]
    if len(strings) == 1:
        return strings[0]
    raise DataError(
        f"{where} has no column 'text' and {len(strings)} others that hold strings; "
        f"there are: {names}. Set text_column to one of them"
    )


def fields_of(record: Mapping[str, Any], text_column: str) -> Fields | None:
    """Return what the fields beside the text say; None where they say nothing."""
    if len(record) < 2:
        return None
    named = {key: record[key] for key in NAMED if isinstance(record.get(key), str)}
    others = {
        key: value
        for key, value in record.items()
        if key != text_column and key not in named and isinstance(value, SCALARS)
    }
    return Fields(**named, meta=ENCODER.encode(others) if others else None)
