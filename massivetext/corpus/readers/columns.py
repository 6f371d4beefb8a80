"""Which field of a record is the text, and what the others say about it."""

import json
from collections.abc import Mapping
from typing import Any

import orjson

from massivetext.corpus.readers.decoding import clean_surrogates
from massivetext.corpus.readers.records import Fields
from massivetext.errors import DataError

NAMED = ("language", "license", "url", "created_at")
"""Fields that have a column of their own in a corpus, where they hold a string."""
SCALARS = (str, int, float, bool)


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
    """Return what the fields beside the text say; None where they say nothing.

    The fields of an object among them count by dotted names, as `meta.pile_set_name`; lists are left out.
    """
    if len(record) < 2:
        return None
    named: dict[str, str] = {}
    others: dict[str, Any] = {}
    for key, value in record.items():
        if key == text_column or value is None:
            continue
        if isinstance(value, str) and key in NAMED:
            named[key] = clean_surrogates(value)
        elif isinstance(value, SCALARS):
            others[key] = value
        elif isinstance(value, dict):
            others.update((f"{key}.{name}", held) for name, held in value.items() if isinstance(held, SCALARS))
    meta = meta_json(others) if others else None
    # By place: keyword arguments take twice as long.
    return Fields(named.get("language"), named.get("license"), named.get("url"), named.get("created_at"), meta)


def meta_json(values: Mapping[str, Any]) -> str | None:
    """Return values as the JSON of a `meta` column, without those that are None; None where nothing is left."""
    kept = {key: value for key, value in values.items() if value is not None} if None in values.values() else values
    if not kept:
        return None
    try:
        return orjson.dumps(kept, option=orjson.OPT_SORT_KEYS).decode()
    except (TypeError, ValueError):
        # Lone surrogates, numbers beyond 64 bits.
        text = json.dumps(kept, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return clean_surrogates(text)


def noting(fields: Fields | None, **values: Any) -> Fields:
    """Return fields with more values in `meta`."""
    held = json.loads(fields.meta) if fields is not None and fields.meta else {}
    return (fields or Fields())._replace(meta=meta_json({**held, **values}))


def matches(record: Mapping[str, Any], where: Mapping[str, tuple[str | int | float | bool, ...]]) -> bool:
    """Return whether each field that `where` names, dotted where nested, has one of the values given for it."""
    for name, allowed in where.items():
        value: Any = record
        for key in (name,) if name in record else name.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if not any(value == entry and type(value) is type(entry) for entry in allowed):
            return False
    return True
