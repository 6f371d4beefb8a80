"""The process that renders chat templates: a loop over requests on standard input, one JSON object a line.

A chat template is somebody else's program. It runs in Jinja's sandbox, in this process, under limits of processor time
and memory that the system enforces: whatever takes too much, the process ends and the caller says so. This file is run
as a script and imports nothing of the package.

Request: template, variables, optional (names that are refused unless the template uses them), seconds, memory_bytes,
characters. Answer: text, spans (what `{% generation %}` blocks wrote) and unused; or error and message.
"""

import json
import resource
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

from jinja2 import meta, nodes
from jinja2.exceptions import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Marks(NamedTuple):
    """Put around what `{% generation %}` blocks write: two noncharacters that the conversation does not hold."""

    start: str
    end: str


class Refusal(Exception):
    """What a template says with `raise_exception`."""


class Generation(Extension):
    """`{% generation %}` ... `{% endgeneration %}`: what the assistant writes, put between two marks."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> nodes.Node:
        """Return the block as a call that receives what the block writes."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("marked"), [], [], body).set_lineno(line)

    def marked(self, caller: Callable[[], str]) -> str:
        """Return what the block writes, between the marks."""
        marks: Marks = self.environment.marks  # type: ignore[attr-defined]
        return marks.start + caller() + marks.end


@lru_cache
def environment() -> ImmutableSandboxedEnvironment:
    """Return Jinja's sandbox with what Hugging Face's templates rely on."""

    def refuse(message: str) -> NoReturn:
        raise Refusal(message)

    def to_json(value: Any, ensure_ascii: bool = False, indent: int | None = None, **options: Any) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **options)

    made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    made.filters["tojson"] = to_json
    made.globals["raise_exception"] = refuse
    made.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return made


@lru_cache(maxsize=64)
def compile_template(template: str) -> tuple[Any, frozenset[str]]:
    """Return a template ready to be rendered, and the names of the variables that it uses."""
    made = environment()
    return made.from_string(template), frozenset(meta.find_undeclared_variables(made.parse(template)))


def free_marks(line: bytes) -> Marks:
    """Return the first noncharacters (the last two of a plane) that a request, JSON in ASCII, does not hold."""
    for plane in range(16, 0, -1):
        marks = Marks(chr(plane * 65536 + 65534), chr(plane * 65536 + 65535))
        if not any(json.dumps(mark)[1:-1].encode() in line for mark in marks):
            return marks
    raise ValueError("the conversation holds a noncharacter of every plane")


def without_spans(marked: str, marks: Marks) -> tuple[str, list[tuple[int, int]]]:
    """Return a text without the marks, and where what stood between them begins and ends."""
    pieces: list[str] = []
    spans: list[tuple[int, int]] = []
    begins: list[int] = []
    length = 0
    for piece in marked.replace(marks.end, marks.start + marks.end).split(marks.start):
        if piece.startswith(marks.end):
            spans.append((begins.pop() if begins else length, length))
            piece = piece[1:]
        elif pieces:
            begins.append(length)
        pieces.append(piece)
        length += len(piece)
    return "".join(pieces), sorted(spans)


def render_request(request: dict[str, Any], marks: Marks) -> dict[str, Any]:
    """Return the answer to a request."""
    environment().marks = marks  # type: ignore[attr-defined]
    template, used = compile_template(request["template"])
    unused = sorted(set(request["optional"]) - used)
    if unused:
        return {"error": "unused", "message": "", "names": unused, "used": sorted(used)}
    text, spans = without_spans(template.render(**request["variables"]), marks)
    if len(text) > request["characters"]:
        return {"error": "long", "message": f"{len(text):,}"}
    variables = request["variables"]
    ignored = [name for name in ("tools", "documents") if variables.get(name) is not None and name not in used]
    return {"text": text, "spans": spans, "unused": ignored}


def answer(request: dict[str, Any], line: bytes) -> dict[str, Any]:
    """Return the answer to a request, errors included; a MemoryError is not caught."""
    try:
        return render_request(request, free_marks(line))
    except Refusal as error:
        return {"error": "refusal", "message": str(error)}
    except RecursionError:
        return {"error": "recursion", "message": ""}
    except MemoryError:
        raise
    except TemplateError as error:
        return {"error": "template", "message": f"{type(error).__name__}: {str(error)[:500]}"}
    except Exception as error:  # a template may do anything: wrong types, ranges that are too long, no loader
        return {"error": "template", "message": f"{type(error).__name__}: {str(error)[:500]}"}


def main() -> None:
    """Answer requests until standard input ends. Over its time the system ends the process; over its memory it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller decides what Ctrl-C means
    write = sys.stdout.buffer
    for line in sys.stdin.buffer:
        request = json.loads(line)
        resource.setrlimit(resource.RLIMIT_AS, (request["memory_bytes"], resource.RLIM_INFINITY))
        signal.setitimer(signal.ITIMER_PROF, request["seconds"])
        try:
            found = json.dumps(answer(request, line)).encode()
        except MemoryError:
            write.write(b'{"error": "memory", "message": ""}\n')
            write.flush()
            return
        signal.setitimer(signal.ITIMER_PROF, 0)
        write.write(found + b"\n")
        write.flush()


if __name__ == "__main__":
    main()
