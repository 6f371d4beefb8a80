"""Jupyter notebooks: their text and code in order, one document each; outputs are left out.

Text cells stay Markdown, and code cells become fenced blocks with the notebook's language. `meta` has the language.
"""

from typing import Any

import orjson

from massivetext.corpus.readers.columns import meta_json
from massivetext.corpus.readers.decoding import clean_surrogates
from massivetext.corpus.readers.records import EMPTY, Fields, Record, digest
from massivetext.corpus.readers.streams import SourceFile
from massivetext.corpus.readers.whole_file import WholeFileReader
from massivetext.errors import BadDocument

KINDS = {"markdown", "raw", "heading", "code"}


class NotebookReader(WholeFileReader):
    """Reads .ipynb of all versions."""

    suffixes = (".ipynb",)

    def document(self, file: SourceFile, raw: bytes) -> Record:
        """Return the notebook."""
        text, language = notebook_text(raw)
        meta = {"programming_language": language}
        text = clean_surrogates(text)
        fields = Fields(meta=meta_json(meta))
        return Record("0", len(raw), digest(raw), text, "" if text else EMPTY, fields=fields)


def notebook_text(raw: bytes) -> tuple[str, str | None]:
    """Return a notebook's text and the language of its code; raise BadDocument if it is no notebook."""
    try:
        notebook = orjson.loads(raw.removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        raise BadDocument("broken JSON") from None
    if not isinstance(notebook, dict):
        raise BadDocument("no notebook: the JSON is no object")
    # Until version 3 the cells were in worksheets.
    sheets = [notebook, *(sheet for sheet in _list(notebook.get("worksheets")) if isinstance(sheet, dict))]
    cells = [cell for sheet in sheets for cell in _list(sheet.get("cells")) if isinstance(cell, dict)]
    if "cells" not in notebook and "worksheets" not in notebook:
        raise BadDocument("no notebook: there are no cells")
    meta = _object(notebook.get("metadata"))
    language = _object(meta.get("language_info")).get("name") or _object(meta.get("kernelspec")).get("language")
    language = language if isinstance(language, str) else None
    return "\n\n".join(filter(None, (_cell_text(cell, language or "") for cell in cells))), language


def _cell_text(cell: dict[str, Any], language: str) -> str:
    """Return the text of a cell; empty where it has none."""
    kind = cell.get("cell_type")
    source = cell.get("source", cell.get("input", ""))
    text = "".join(part for part in source if isinstance(part, str)) if isinstance(source, list) else source
    if kind not in KINDS or not isinstance(text, str) or not text.strip():
        return ""
    text = text.strip("\n")
    if kind == "heading":
        level = cell.get("level")
        return f"{'#' * (level if isinstance(level, int) and 0 < level < 7 else 1)} {text}"
    if kind != "code":
        return text
    fence = "```" if "```" not in text else "~~~~"
    return f"{fence}{language}\n{text}\n{fence}"


def _list(value: Any) -> list[Any]:
    """Return a value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def _object(value: Any) -> dict[str, Any]:
    """Return a value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}
