"""Help as people look for it: -h, completion, examples, Chinese under a Chinese locale, colour on a terminal alone."""

import inspect
import os
import pty
import subprocess
import sys

import pytest
import typer.main

from massivetext.cli import app
from massivetext.cli.help import chinese_help, commands_below, dress
from massivetext.recipe import load_corpus_recipe
from massivetext.translations import set_language

COMMANDS = list(commands_below(typer.main.get_command(app)))


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "massivetext", *arguments],
        capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8", **environment}, timeout=120,
    )  # fmt: skip


def paragraphs(text):
    return [" ".join(part.split("\n")) for part in inspect.cleandoc(text).split("\n\n")]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_help_text_has_its_chinese(command):
    texts = [command.help, *(getattr(parameter, "help", None) for parameter in command.params)]
    own = {"Install completion for the current shell.", "Show this message and exit."}
    own.add("Show completion for the current shell, to copy it or customize the installation.")
    wanted = {part for text in texts if text for part in paragraphs(text) if not part.startswith("Example:")} - own
    assert not {part for part in wanted if part not in chinese_help()}


def test_the_table_holds_nothing_that_no_help_says():
    said = {part for command in COMMANDS for part in paragraphs(command.help or "")}
    said |= {part for c in COMMANDS for p in c.params for part in paragraphs(getattr(p, "help", None) or "")}
    assert set(chinese_help()) <= said


@pytest.mark.parametrize("command", [c for c in COMMANDS if not hasattr(c, "commands")], ids=lambda c: c.name)
def test_every_verb_shows_an_example(command):
    assert "Example: massivetext " in inspect.cleandoc(command.help)


@pytest.mark.parametrize("arguments", [["-h"], ["--help"], ["corpus", "-h"], ["corpus", "build", "-h"]])
def test_short_and_long_help(arguments):
    done = run(*arguments)
    assert done.returncode == 0 and done.stdout.startswith("Usage:") and "\x1b" not in done.stdout


def test_completion_can_be_installed():
    done = run("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert done.returncode == 0 and "complete" in done.stdout
    code = "import sys; sys.argv[0] = 'massivetext'; from massivetext.cli import main; main()"
    asked = {"_MASSIVETEXT_COMPLETE": "complete_bash", "COMP_WORDS": "massivetext cor", "COMP_CWORD": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **asked})
    assert done.stdout.split() == ["corpus"]


@pytest.mark.parametrize("locale", ["zh_CN.UTF-8", "zh_TW", "zh"])
def test_help_is_chinese_under_a_chinese_locale(locale):
    done = run("generate", "--help", LC_ALL=locale, PYTHONUTF8="1")
    assert done.stdout.startswith("用法: ")
    for word in ("续写", "示例: massivetext generate", "选项:", "[默认：", "[必填]", "显示本帮助并退出"):
        assert word in done.stdout
    assert "Show this message" not in done.stdout and "Example" not in done.stdout


def test_errors_are_chinese_under_a_chinese_locale():
    done = run("report", "nowhere", LC_ALL="zh_CN.UTF-8", PYTHONUTF8="1")
    assert done.returncode == 1 and done.stderr.startswith("错误：")


@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colour_is_for_terminals(environment, coloured):
    ours, theirs = pty.openpty()
    base = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm"}
    base.pop("NO_COLOR", None)
    subprocess.run([sys.executable, "-m", "massivetext", "-h"], stdout=theirs, env=base | environment, timeout=120)
    os.close(theirs)
    written = os.read(ours, 65536).decode()
    os.close(ours)
    assert ("\x1b[1mUsage:" in written and "\x1b[36m--version" in written) == coloured
    assert ("\x1b" in written) == coloured


@pytest.mark.parametrize("tag", ["zh", "zh-CN", "zh_CN", "zh-Hans", "ZH-tw", "zh_CN.UTF-8"])
def test_tags_of_chinese_are_chinese(tag):
    assert set_language(tag) == "zh"
    assert set_language("en-GB") == "en"
    assert load_corpus_recipe({"language": tag, "corpus": {"sources": [{"name": "a", "path": "b"}]}}).language == "zh"


def test_help_stays_english_in_english():
    command = dress(typer.main.get_command(app))
    assert command.help.startswith("Turn raw English")
