"""Chat templates are rendered in a process of their own, which the system stops when it takes too much."""

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from massivetext.errors import ConfigError, DataError, unknown_name

PROGRAM = Path(__file__).with_name("_template_process.py")
# What one conversation may take. Templates of published models take milliseconds and a few megabytes.
MOST_SECONDS = 5.0
MOST_MEMORY_BYTES = 2**30
MOST_CHARACTERS = 10_000_000


class Rendered(NamedTuple):
    """A conversation as text, where what `{% generation %}` blocks wrote begins and ends, and the names not used."""

    text: str
    spans: list[tuple[int, int]]
    unused: list[str]


class Renderer:
    """The process, started on first use and again after it was stopped; one request at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def ask(self, request: bytes) -> bytes:
        """Return the answer to a request, a line each; b"" where the process was stopped."""
        with self._lock:
            process = self._running()
            assert process.stdin is not None and process.stdout is not None
            try:
                process.stdin.write(request)
                process.stdin.flush()
                answer = process.stdout.readline()
            except BrokenPipeError:
                answer = b""
            except BaseException:  # Ctrl-C: an answer that comes later must not be taken for the next one's
                self._stop()
                raise
            if not answer or answer.startswith(b'{"error": "memory"'):
                self._stop()
            return answer

    def _running(self) -> subprocess.Popen[bytes]:
        """Return the process, this process's own: a fork must not share its parent's."""
        if self._process is None or self._owner != os.getpid() or self._process.poll() is not None:
            path = os.pathsep.join(entry for entry in sys.path if entry)
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": path},
            )
            self._owner = os.getpid()
        return self._process

    def close(self) -> None:
        """End the process."""
        if self._owner == os.getpid():
            with self._lock:
                self._stop()

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()


_renderer = Renderer()
_inherited: list[Renderer] = []  # a fork keeps what is its parent's, so that nothing here closes it
atexit.register(_renderer.close)


def _renew_after_fork() -> None:
    """Give a forked process a renderer with a free lock and without its parent's process."""
    global _renderer
    _inherited.append(_renderer)
    _renderer = Renderer()
    atexit.register(_renderer.close)


os.register_at_fork(after_in_child=_renew_after_fork)


def render(template: str, variables: Mapping[str, Any], optional: Collection[str] = ()) -> Rendered:
    """Return a conversation as text; raise ConfigError that names the template's complaint.

    optional: names among the variables that are refused unless the template uses them. Of tools and documents that are
    given, `Rendered.unused` names those that it does not use.
    """
    limits = {"seconds": MOST_SECONDS, "memory_bytes": MOST_MEMORY_BYTES, "characters": MOST_CHARACTERS}
    try:
        request = json.dumps({"template": template, "variables": dict(variables), "optional": list(optional), **limits})
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(
            f"a conversation is made of dicts, lists, texts, numbers, True, False and None ({error}); turn other "
            f"objects into these"
        ) from None
    answer = _renderer.ask(request.encode() + b"\n")
    if not answer:
        raise ConfigError(
            f"the chat template was stopped: it took more than {MOST_SECONDS:g} s of processor time, or broke its "
            f"process; mend it or pass another chat_template"
        )
    found = json.loads(answer)
    if "error" in found:
        raise ConfigError(_complaint(found))
    return Rendered(found["text"], [(start, end) for start, end in found["spans"]], found["unused"])


def _complaint(found: Mapping[str, Any]) -> str:
    """Return what is wrong, as a message."""
    remedy = "mend it or pass another chat_template"
    if found["error"] == "unused":
        name = found["names"][0]
        return (
            f"apply_chat_template({name}=...) is neither an argument nor a variable that the chat template uses: "
            f"{unknown_name('argument', name, [*ARGUMENTS, *found['used']])}"
        )
    return {
        "refusal": f"the chat template refuses the conversation: {found['message']}",
        "recursion": f"the chat template calls itself without end; {remedy}",
        "memory": f"the chat template was stopped: it took more than {MOST_MEMORY_BYTES:,} bytes of memory; {remedy}",
        "long": f"the chat template wrote {found['message']} characters (allowed: {MOST_CHARACTERS:,}); {remedy}",
        "template": (
            f"the chat template cannot be rendered ({found['message']}); check that each message has 'role' and "
            f"'content', or pass another chat_template"
        ),
    }[found["error"]]


ARGUMENTS = (
    "tools", "documents", "chat_template", "add_generation_prompt", "continue_final_message", "tokenize", "padding",
    "truncation", "max_length", "return_tensors", "return_dict", "return_assistant_tokens_mask", "tokenizer_kwargs",
)  # fmt: skip
