"""Render pages: all share `frame.html` and its style."""

from importlib.resources import files
from typing import Any

from massivetext.translations import language, tr
from massivetext.visible import visible

ROOM = "massivetext.report"


def render(template: str, *rooms: str, **values: Any) -> str:
    """Return a page: a template filled in with `values`, in the current language.

    template: name of a file that extends `frame.html`, in this package or in one of `rooms`. rooms: names of packages
    whose style.css is added to the frame's.
    """
    from jinja2 import DictLoader, Environment, StrictUndefined
    from markupsafe import Markup, escape

    packaged = [files(room) for room in (ROOM, *rooms)]
    pages = {
        entry.name: entry.read_text(encoding="utf-8")
        for folder in packaged
        for entry in folder.iterdir()
        if entry.name.endswith(".html")
    }
    environment = Environment(
        loader=DictLoader(pages), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        finalize=printable,
    )  # fmt: skip
    environment.filters["breakable"] = lambda words: escape(words).replace("_", Markup("_<wbr>"))
    environment.filters["picture"] = Markup  # pictures are made by this package, which escapes all text in them
    style = "\n".join(folder.joinpath("style.css").read_text(encoding="utf-8") for folder in packaged)
    return environment.get_template(template).render(tr=tr, language=language(), style=Markup(style), **values)


def printable(value: Any) -> Any:
    """Return a value that a template writes, with control characters in texts and names made visible."""
    return type(value)(visible(value)) if isinstance(value, str) else value
