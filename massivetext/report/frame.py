"""The frame that all pages share: `frame.html`, its style, and how templates are filled in."""

from importlib.resources import files
from typing import Any

from massivetext.translations import language, tr
from massivetext.visible import visible

ROOM = "massivetext.report"


def render(template: str, *rooms: str, **values: Any) -> str:
    """Return a page with what it shows, in the language in use.

    template: the name of a file that extends `frame.html`, from this room or from `rooms`, packages whose style.css is
    added to the frame's.
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
    environment.filters["picture"] = Markup  # pictures are made here, with every word in them escaped
    style = "\n".join(folder.joinpath("style.css").read_text(encoding="utf-8") for folder in packaged)
    return environment.get_template(template).render(tr=tr, language=language(), style=Markup(style), **values)


def printable(value: Any) -> Any:
    """Return what a template is about to write, with the control characters of texts and names made visible."""
    return type(value)(visible(value)) if isinstance(value, str) else value
