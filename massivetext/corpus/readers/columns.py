"""Choose which field of a record is the text, and turn the other fields into columns and `meta`."""

import json
from collections.abc import Container, Iterable, Mapping
from typing import Any

import orjson

from massivetext.corpus.readers.decoding import clean_surrogates
from massivetext.corpus.readers.records import EMPTY, Fields
from massivetext.errors import BadDocument, DataError

NAMED = ("language", "license", "url", "created_at")
"""Fields that have their own column in a corpus if they hold a string."""
SCALARS = (str, int, float, bool)
SHOWN_NAMES = 30


def choose_text_column(wanted: str | None, columns: Mapping[str, bool], where: str, nested: Iterable[str] = ()) -> str:
    """Return the name of the text column: the requested one, else `text`, else the only one that holds strings.

    columns: name -> whether it holds strings. where: the file, for the message. nested: dotted paths that lead to
    strings and may be requested too. Raises DataError that lists the available columns.
    """
    paths = sorted(path for path in nested if path not in columns)
    if wanted in paths:
        return str(wanted)
    names = ", ".join(repr(name) for name in [*columns, *paths][:SHOWN_NAMES]) or "none"
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


def path_of(column: str, columns: Container[str]) -> tuple[str, ...]:
    """Return the keys that lead to a text column: split at dots, unless a column has exactly that name."""
    return (column,) if column in columns else tuple(column.split("."))


def reach(value: Any, path: tuple[str, ...]) -> Any:
    """Return the value at the end of a path of keys; a list on the way gives the list of its items' values.

    Raises KeyError if nothing has the path. Below null, the value is None.
    """
    if not path or value is None:
        return value
    if isinstance(value, list):
        found: list[Any] = []
        missing = 0
        for part in value:
            try:
                reached = reach(part, path)
            except KeyError:
                missing += 1
                continue
            found.extend(reached) if isinstance(reached, list) else found.append(reached)
        if missing and missing == len(value):
            raise KeyError(path[0])
        return found
    if not isinstance(value, dict):
        raise KeyError(path[0])
    return reach(value[path[0]], path[1:])


def text_of(value: Any) -> str:
    """Return the text of a value, a list of strings as lines; raise BadDocument with the reason if it holds no text."""
    if isinstance(value, list) and all(isinstance(part, str | None) for part in value):
        value = "\n".join(part for part in value if part is not None) if any(value) else None
    if value is None:
        raise BadDocument(EMPTY)
    if not isinstance(value, str):
        raise BadDocument(f"the text is {type(value).__name__}, not a string")
    return value


def string_paths(value: Any, prefix: str = "", depth: int = 6) -> set[str]:
    """Return the dotted paths that lead to strings in a JSON value, looking only at the first items of lists."""
    if isinstance(value, list):
        return set().union(*(string_paths(part, prefix, depth) for part in value[:3])) if value else set()
    if isinstance(value, dict) and depth:
        return set().union(
            *(string_paths(held, f"{prefix}.{key}" if prefix else key, depth - 1)
              for key, held in list(value.items())[:50])
        )  # fmt: skip
    return {prefix} if isinstance(value, str) and prefix else set()


def fields_of(record: Mapping[str, Any], text_column: str) -> Fields | None:
    """Return the fields other than the text as `Fields`; None if they hold no values.

    Fields of a nested object get dotted names, such as `meta.pile_set_name`. Lists are left out.
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
            others.update(
                (f"{key}.{name}", held)
                for name, held in value.items()
                if isinstance(held, SCALARS) and f"{key}.{name}" != text_column
            )
    meta = meta_json(others) if others else None
    # Positional, because keyword arguments take twice as long.
    return Fields(named.get("language"), named.get("license"), named.get("url"), named.get("created_at"), meta)


def meta_json(values: Mapping[str, Any]) -> str | None:
    """Return values as the JSON of a `meta` column, without None values; None if nothing is left."""
    kept = {key: value for key, value in values.items() if value is not None} if None in values.values() else values
    if not kept:
        return None
    try:
        return orjson.dumps(kept, option=orjson.OPT_SORT_KEYS).decode()
    except (TypeError, ValueError):
        # orjson rejects lone surrogates and numbers beyond 64 bits.
        text = json.dumps(kept, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return clean_surrogates(text)


def noting(fields: Fields | None, **values: Any) -> Fields:
    """Return fields with more values in `meta`."""
    held = json.loads(fields.meta) if fields is not None and fields.meta else {}
    return (fields or Fields())._replace(meta=meta_json({**held, **values}))


def matches(record: Mapping[str, Any], where: Mapping[str, tuple[str | int | float | bool, ...]]) -> bool:
    """Return whether each field named in `where` (dotted if nested) has one of its allowed values."""
    for name, allowed in where.items():
        value: Any = record
        for key in (name,) if name in record else name.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if not any(value == entry and type(value) is type(entry) for entry in allowed):
            return False
    return True
