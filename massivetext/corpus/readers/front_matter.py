"""Front matter: what a Markdown file says of itself before its text, in YAML between `---` or TOML between `+++`.

It becomes `meta` and the columns of the same names. A first line `---` that opens no mapping is a line of the text.
"""

import re
import tomllib
from datetime import date
from typing import Any, NamedTuple

from massivetext.corpus.readers.columns import SCALARS, fields_of
from massivetext.corpus.readers.records import Fields
from massivetext.corpus.readers.streams import SourceFile, open_stream
from massivetext.errors import BadDocument

SUFFIXES = {".md", ".markdown", ".mdown", ".mdx", ".qmd", ".rmd"}
MAX_CHARACTERS = 2**16
OPENING = re.compile(r"\ufeff?(---|\+\+\+)[ \t]*\r?\n")
CLOSINGS = {
    "---": re.compile(r"^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.M),
    "+++": re.compile(r"^\+\+\+[ \t]*(?:\r?\n|\Z)", re.M),
}
COLUMNS = {"date": "created_at", "lang": "language", "permalink": "url"}
"""Names that generators of web sites use for what has a column."""


class FrontMatter(NamedTuple):
    """What was found at the beginning of a text."""

    size: int
    """Number of its characters; 0 if there is none."""
    fields: Fields | None


NONE = FrontMatter(0, None)


def find_front_matter(text: str) -> FrontMatter:
    """Return the front matter of a text."""
    opening = OPENING.match(text)
    closing = opening and CLOSINGS[opening[1]].search(text, opening.end(), MAX_CHARACTERS)
    if not opening or not closing:
        return NONE
    block = text[opening.end() : closing.start()]
    values = _yaml(block) if opening[1] == "---" else _toml(block)
    if values is None:
        return NONE
    return FrontMatter(closing.end(), _fields(values))


def front_matter_of(file: SourceFile) -> FrontMatter:
    """Return the front matter of a file in UTF-8, its size in bytes; nothing if it cannot be read."""
    try:
        with open_stream(file) as stream:
            head = stream.peek(MAX_CHARACTERS)[:MAX_CHARACTERS]  # type: ignore[attr-defined]
    except BadDocument:
        return NONE
    text = head.decode("utf-8", "ignore")
    found = find_front_matter(text)
    return found._replace(size=len(text[: found.size].encode()))


def _yaml(block: str) -> dict[str, Any] | None:
    """Return the mapping in some YAML; None if it is none."""
    import yaml  # type: ignore[import-untyped, unused-ignore]

    # Aliases, which can multiply, are not for such blocks.
    if re.search(r"(?:^|[\s,\[{:-])[&*][\w-]", block):
        return None
    try:
        values = yaml.safe_load(block)
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError, AttributeError, TypeError):
        return None
    if values is None and not block.strip():
        return {}
    return values if isinstance(values, dict) else None


def _toml(block: str) -> dict[str, Any] | None:
    """Return the table in some TOML; None if it is none."""
    try:
        return tomllib.loads(block.replace("\r\n", "\n"))
    except (ValueError, RecursionError):
        return None


def _fields(values: dict[str, Any]) -> Fields | None:
    """Return what the values say: known names as columns, lists as text with commas."""
    plain = {str(key): _plain(value) for key, value in values.items()}
    for name, column in COLUMNS.items():
        if name in plain and isinstance(plain[name], str) and column not in plain:
            plain[column] = plain.pop(name)
    # One key more than the text column, which is not among them.
    return fields_of({"": None, **plain}, "")


def _plain(value: Any) -> Any:
    """Return a value as scalars: dates as ISO 8601, lists of scalars joined."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        entries = [_plain(entry) for entry in value]
        return ", ".join(str(entry) for entry in entries if isinstance(entry, SCALARS)) or None
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    return value
