"""Messages and report captions in English and Chinese. English is the key; `translations_zh.json` has the Chinese.

A caption without a translation is shown in English; a test lists the captions that the package uses.
"""

import json
import locale
import os
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from massivetext.errors import ConfigError, unknown_name

LANGUAGES = ("en", "zh")
NOUNS = {
    "batches": "batch", "builds": "build", "bytes": "byte", "clusters": "cluster", "days": "day",
    "documents": "document", "examples": "example", "files": "file", "languages": "language", "layers": "layer",
    "licences": "licence", "passes": "pass", "reasons": "reason", "records": "record", "rows": "row",
    "rules": "rule", "sources": "source", "tables": "table", "steps": "step", "tokens": "token",
}  # fmt: skip
"""Plural nouns that follow a number in captions, and their singular."""
VERBS = {"are": "is", "have": "has", "repeat": "repeats", "were": "was", "form": "forms"}
COUNTED = re.compile(
    rf"\{{(?P<field>\w+)\}}(?P<other> other)? (?P<noun>{'|'.join(NOUNS)})\b(?P<verb> (?:{'|'.join(VERBS)})\b)?"
)
_chosen = "en"


def set_language(language: str | None) -> str:
    """Set the language of messages ("en", "zh", or None for the locale's) and return it.

    Tags with a region or a script, such as zh-CN, zh_Hans and en_GB.UTF-8, select their language.
    """
    global _chosen
    if language is None:
        named = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
        named = named or (locale.getlocale()[0] or "")
        language = "zh" if base_language(named) in ("zh", "chinese") else "en"
    base = base_language(language)
    if base not in LANGUAGES:
        raise ConfigError(unknown_name("language", language, LANGUAGES))
    _chosen = base
    return base


def base_language(tag: str) -> str:
    """Return the language of a tag such as zh-CN, zh_Hans or en_GB.UTF-8, in lowercase."""
    return re.split("[-_.@]", tag.strip().lower())[0]


def language() -> str:
    """Return the current language, "en" or "zh"."""
    return _chosen


@cache
def chinese() -> dict[str, str]:
    """Return the Chinese caption for each English one."""
    text = files("massivetext").joinpath("translations_zh.json").read_text(encoding="utf-8")
    table: dict[str, str] = json.loads(text)
    return table


def tr(text: str, **values: object) -> str:
    """Return `text` in the chosen language with `{name}` fields filled from `values`.

    In English, a noun of NOUNS after a field with the value 1 becomes singular: "1 document was dropped".
    """
    chosen = chinese().get(text, text) if _chosen == "zh" else text
    if _chosen == "en" and any(str(value) == "1" for value in values.values()):
        chosen = COUNTED.sub(lambda found: _singular(found, values), chosen)
    return chosen.format(**values) if values else chosen


def _singular(found: re.Match[str], values: Mapping[str, object]) -> str:
    """Return a field and its noun and verb, in the singular if the field's value is 1."""
    field, other, noun, verb = found["field"], found["other"] or "", found["noun"], found["verb"] or ""
    if str(values.get(field)) != "1":
        return found[0]
    return f"{{{field}}}{other} {NOUNS[noun]}{f' {VERBS[verb.strip()]}' if verb else ''}"
