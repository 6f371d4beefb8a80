"""Messages and report captions in English and Chinese: English is the key, `translations_zh.json` holds the Chinese.

A caption that has no Chinese yet is shown in English; a test lists those that the package uses.
"""

import json
import locale
import os
from functools import cache
from importlib.resources import files

from massivetext.errors import ConfigError, unknown_name

LANGUAGES = ("en", "zh")
_chosen = "en"


def set_language(language: str | None) -> str:
    """Choose the language of messages and return it: "en", "zh", or None for the locale's."""
    global _chosen
    if language is None:
        named = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
        named = named or (locale.getlocale()[0] or "")
        language = "zh" if named.lower().startswith("zh") else "en"
    if language not in LANGUAGES:
        raise ConfigError(unknown_name("language", language, LANGUAGES))
    _chosen = language
    return language


def language() -> str:
    """Return the language in use, "en" or "zh"."""
    return _chosen


@cache
def chinese() -> dict[str, str]:
    """Return the table from English captions to Chinese ones."""
    text = files("massivetext").joinpath("translations_zh.json").read_text(encoding="utf-8")
    table: dict[str, str] = json.loads(text)
    return table


def tr(text: str, **values: object) -> str:
    """Return `text` in the chosen language with `{name}` fields filled from `values`."""
    chosen = chinese().get(text, text) if _chosen == "zh" else text
    return chosen.format(**values) if values else chosen
