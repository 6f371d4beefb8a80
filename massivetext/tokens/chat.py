"""Chat templates: conversations become ids, and what people wrote stays text.

The template is rendered once; then only the special tokens that the template itself wrote become control ids. Those
inside messages are broken up by a mark before rendering, and the mark is taken out again before encoding.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from types import FrameType
from typing import Any, NoReturn

from massivetext.errors import ConfigError

# Characters that are never text (Unicode noncharacters); the first that does not occur serves as the mark.
MARKS = [chr(code) for code in range(0xFDD0, 0xFDF0)]
# A template is somebody else's program. Those of published models run a few hundred lines for a conversation.
MAX_LINES = 2_000_000
MAX_CHARACTERS = 10_000_000


@cache
def compiled(template: str) -> Any:
    """Return a template compiled in Jinja's sandbox, with what Hugging Face's templates rely on."""
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> NoReturn:
        raise ConfigError(f"the chat template refuses the conversation: {message}")

    def to_json(value: Any, ensure_ascii: bool = False, indent: int | None = None, **options: Any) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **options)

    class Sandbox(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset({"*", "**"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            """Refuse powers, and repetitions of a text or list beyond MAX_CHARACTERS."""
            if operator == "**":
                refuse("it raises to a power")
            for thing, times in ((left, right), (right, left)):
                if hasattr(thing, "__len__") and isinstance(times, int) and len(thing) * times > MAX_CHARACTERS:
                    refuse(f"it makes a text or list longer than {MAX_CHARACTERS:,}")
            return super().call_binop(context, operator, left, right)

    environment = Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.filters["tojson"] = to_json
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment.from_string(template)


def render(template: str, variables: Mapping[str, Any]) -> str:
    """Return the conversation as text; raise ConfigError that names the template's complaint."""
    from jinja2.exceptions import TemplateError

    try:
        with at_most_lines(MAX_LINES):
            return str(compiled(template).render(**variables))
    except RecursionError:
        raise ConfigError("the chat template calls itself without end; mend it or pass another chat_template") from None
    except TemplateError as error:
        raise ConfigError(
            f"the chat template cannot be rendered ({type(error).__name__}: {error}); check that each message has "
            f"'role' and 'content', or pass another chat_template"
        ) from None


@contextmanager
def at_most_lines(limit: int) -> Iterator[None]:
    """Raise ConfigError where templates rendered inside run more than `limit` lines: one may loop for ever."""
    left = limit

    def count(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal left
        if frame.f_code.co_filename != "<template>":
            return None
        left -= event == "line"
        if left < 0:
            raise ConfigError(
                f"the chat template was stopped after {limit:,} lines: it loops; mend it or pass another chat_template"
            )
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        yield
    finally:
        sys.settrace(before)


def chosen_mark(value: Any) -> str:
    """Return a character that occurs nowhere in a structure of strings."""
    used = set("".join(_strings(value)))
    for mark in MARKS:
        if mark not in used:
            return mark
    raise ConfigError("the conversation uses all 32 noncharacters from U+FDD0 to U+FDEF; remove one of them")


def _strings(value: Any) -> Iterable[str]:
    """Yield every string in nested dicts and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _strings(key)
            yield from _strings(entry)
    elif isinstance(value, Sequence):
        for entry in value:
            yield from _strings(entry)


def protected(value: Any, specials: Sequence[str], mark: str) -> Any:
    """Return the structure with a mark inside every special token, and at ends that could complete one outside."""
    if isinstance(value, str):
        return _protected_text(value, specials, mark)
    if isinstance(value, Mapping):
        return {key: protected(entry, specials, mark) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [protected(entry, specials, mark) for entry in value]
    return value


def _protected_text(text: str, specials: Sequence[str], mark: str) -> str:
    """Return the text with marks; whitespace at its ends stays there, so that templates still trim it."""
    for special in specials:
        if special in text:
            text = text.replace(special, special[0] + mark + special[1:])
    core = text.strip()
    if not core:
        return text
    before, after = text[: text.index(core)], text[text.index(core) + len(core) :]
    cuts = [(special[:cut], special[cut:]) for special in specials for cut in range(1, len(special))]
    ends = any(core.endswith(head) for head, _ in cuts)
    begins = any(core.startswith(tail) for _, tail in cuts)
    return f"{before}{mark if begins else ''}{core}{mark if ends else ''}{after}"


def encode_rendered(
    text: str, mark: str, added: Sequence[Any], token_id: Callable[[str], int], encode: Callable[[str], list[int]]
) -> list[int]:
    """Return the ids of a rendered conversation: special tokens as control ids, all else as ordinary text.

    added: the special `AddedToken`s, whose `lstrip` and `rstrip` take the whitespace beside them.
    """
    longest_first = sorted(added, key=lambda token: -len(token.content))
    forms = [
        (r"\s*" if t.lstrip else "") + f"({re.escape(t.content)})" + (r"\s*" if t.rstrip else "") for t in longest_first
    ]
    ids: list[int] = []
    position = 0
    for found in re.finditer("|".join(forms), text) if forms else ():
        ids += encode(text[position : found.start()].replace(mark, ""))
        ids.append(token_id(next(group for group in found.groups() if group is not None)))
        position = found.end()
    return ids + encode(text[position:].replace(mark, ""))
