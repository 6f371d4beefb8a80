"""The edit step `html_to_text`: web pages become the text that their authors wrote."""

from importlib.metadata import version
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from massivetext.corpus import working
from massivetext.corpus.steps import Edit, Edited
from massivetext.corpus.steps.main_text import main_text
from massivetext.errors import BadDocument
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
    """A page that takes longer is dropped, in seconds of processor time: a busy machine drops no more pages."""


class HtmlToText(Edit):
    """Takes the main text out of HTML; pages without one become empty, and so are dropped."""

    name = "html_to_text"
    version = 3
    settings_type = HtmlToTextSettings
    settings: HtmlToTextSettings

    def describe(self) -> dict[str, Any]:
        """Return name, version, settings, and the version of the library that decides what comes out."""
        library = "trafilatura" if self.settings.extractor == "trafilatura" else "resiliparse"
        return {**super().describe(), "library": f"{library} {version(library)}"}

    def edit(self, batch: pa.RecordBatch) -> Edited:
        """Return the texts, with those of pages in place of their HTML, and why pages could not be read."""
        texts = batch.column("text")
        if self.settings.only_marked and "meta" not in batch.schema.names:
            return Edited(texts)
        marked = pc.is_valid(texts)
        if self.settings.only_marked:
            marked = pc.and_(marked, pc.fill_null(pc.match_substring(batch.column("meta"), MARK), False))
        if not pc.any(marked).as_py():
            return Edited(texts)
        found = [self._text(page) for page in texts.filter(marked).to_pylist()]
        new = pa.array([text for text, _ in found], texts.type)
        reasons = pa.array([reason for _, reason in found], pa.string())
        nothing = pa.nulls(len(batch), pa.string())
        return Edited(pc.replace_with_mask(texts, marked, new), pc.replace_with_mask(nothing, marked, reasons))

    def _text(self, page: str) -> tuple[str | None, str | None]:
        """Return one page's text, or None and the reason."""
        settings = self.settings
        try:
            if settings.extractor == "trafilatura":
                task = "massivetext.corpus.steps.main_text:main_text"
                return working.run(task, settings.extractor, page, settings.seconds_per_page), None
            return main_text(settings.extractor, page), None
        except BadDocument as error:
            return None, str(error)
        except (ValueError, RuntimeError):
            return None, working.UNPARSABLE
