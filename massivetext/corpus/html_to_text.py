"""The edit step `html_to_text`: web pages become the text that their authors wrote."""

from importlib.metadata import version
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from massivetext.corpus import working
from massivetext.corpus.steps import Edit
from massivetext.settings import Settings

MARK = '"content_type":"text/html"'
"""How readers write into `meta` that a text is HTML."""


class HtmlToTextSettings(Settings):
    """How the text is taken out of a page."""

    extractor: Literal["trafilatura", "resiliparse", "all"] = "trafilatura"
    """trafilatura finds the main text best; resiliparse is about ten times as fast; all takes everything visible."""
    only_marked: bool = True
    """Leave alone what its reader did not mark as HTML (`content_type` in `meta`), so that one list of steps can serve
    all sources; false takes every text for HTML."""
    seconds_per_page: float = Field(30.0, gt=0, le=3600)
    """A page that takes longer is given up, in seconds."""


class HtmlToText(Edit):
    """Takes the main text out of HTML; pages without one become empty, and so are dropped."""

    name = "html_to_text"
    version = 2
    failure = "could not be parsed"
    settings_type = HtmlToTextSettings
    settings: HtmlToTextSettings

    def describe(self) -> dict[str, Any]:
        """Return name, version, settings, and the version of the library that decides what comes out."""
        library = "trafilatura" if self.settings.extractor == "trafilatura" else "resiliparse"
        return {**super().describe(), "library": f"{library} {version(library)}"}

    def edit(self, batch: pa.RecordBatch) -> pa.Array:
        """Return the texts, with those of pages in place of their HTML."""
        texts = batch.column("text")
        if self.settings.only_marked and "meta" not in batch.schema.names:
            return texts
        marked = pc.is_valid(texts)
        if self.settings.only_marked:
            marked = pc.and_(marked, pc.fill_null(pc.match_substring(batch.column("meta"), MARK), False))
        if not pc.any(marked).as_py():
            return texts
        taken = texts.filter(marked).to_pylist()
        found = pa.array([self._text(page) for page in taken], texts.type)
        return pc.replace_with_mask(texts, marked, found)

    def _text(self, page: str) -> str | None:
        """Return one page's text, None where the library fails on it."""
        settings = self.settings
        if settings.extractor != "trafilatura":
            from massivetext.corpus.main_text import main_text

            try:
                return main_text(settings.extractor, page)
            except (ValueError, RuntimeError):
                return None
        return working.run(
            "massivetext.corpus.main_text:main_text", settings.extractor, page, settings.seconds_per_page
        )
