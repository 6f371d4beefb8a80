"""The format of `--help`: in colour on a terminal, and in Chinese if messages are Chinese."""

import inspect
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from massivetext.translations import language, tr

BOLD, CYAN, RED, PLAIN = "\x1b[1m", "\x1b[36m", "\x1b[31m", "\x1b[0m"
HEADINGS = {
    "Usage": "用法",
    "Options": "选项",
    "Arguments": "参数",
    "Commands": "命令",
    "Example": "示例",
    "[required]": "[必填]",
    "[default: ": "[默认：",
    "Show this message and exit.": "显示本帮助并退出。",
    "Install completion for the current shell.": "为当前 shell 安装命令补全。",
    "Show completion for the current shell, to copy it or customize the installation.": "显示当前 shell 的补全脚本。",
}
OPTION = re.compile(r"(?<![\w-])--?[A-Za-z][\w-]*")


def dress(command: Any) -> Any:
    """Give a Typer command and all commands below it help in the current language and in colour; return the command."""
    for one in commands_below(command):
        one.help = translated(one.help)
        for parameter in one.params:
            if getattr(parameter, "help", None):
                parameter.help = translated(parameter.help)
        one.get_help = _dressed(one.get_help)
    return command


def commands_below(command: Any) -> Iterator[Any]:
    """Yield a command and all commands below it."""
    yield command
    for below in getattr(command, "commands", {}).values():
        yield from commands_below(below)


def translated(text: str | None) -> str | None:
    """Return a help text in the current language, translated by paragraph; example commands stay unchanged."""
    if text is None or language() != "zh":
        return text
    paragraphs = [" ".join(part.split("\n")) for part in inspect.cleandoc(text).split("\n\n")]
    return "\n\n".join(chinese_help().get(part, part) for part in paragraphs)


@cache
def chinese_help() -> dict[str, str]:
    """Return the Chinese help paragraph for each English one."""
    table: dict[str, str] = json.loads(files("massivetext.cli").joinpath("help_zh.json").read_text(encoding="utf-8"))
    return table


def _dressed(get_help: Callable[..., str]) -> Callable[..., str]:
    """Return a method that gives help with headings in the current language, in colour on a terminal."""

    def dressed(context: Any) -> str:
        text = get_help(context)
        if language() == "zh":
            for english, chinese in HEADINGS.items():
                text = re.sub(rf"(?m)(^\s*|\s){re.escape(english)}(?=:|$|\S|\s)", rf"\g<1>{chinese}", text)
        if not in_colour(sys.stdout):
            return text
        lines = []
        for line in text.splitlines():
            is_heading = bool(re.match(r"\S[^:：]*[:：]$", line)) or line.startswith(("Usage", "用法"))
            lines.append(f"{BOLD}{line}{PLAIN}" if is_heading else OPTION.sub(rf"{CYAN}\g<0>{PLAIN}", line))
        return "\n".join(lines)

    return dressed


def in_colour(stream: Any) -> bool:
    """Return whether a stream is a terminal with colour; NO_COLOR (no-color.org) switches it off."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def error_line(message: str) -> str:
    """Return an error as printed, with a first word that is red on a terminal."""
    word = tr("error:")
    return f"{RED}{word}{PLAIN} {message}" if in_colour(sys.stderr) else f"{word} {message}"
