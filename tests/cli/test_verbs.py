"""The command line: help, exit status, one JSON object, errors as one message."""

import json
import re
import subprocess
import sys

import pytest
from forking import run_python
from typer.testing import CliRunner

from massivetext import __version__
from massivetext.cli import app
from massivetext.translations import set_language

VERBS = [
    ["run"], ["train"], ["corpus", "build"], ["corpus", "inspect"], ["corpus", "append"],
    ["corpus", "remove"], ["corpus", "diff"], ["corpus", "mixture"], ["corpus", "classifier"],
    ["tokenizer", "train"], ["tokenizer", "inspect"],
    ["evaluate"], ["generate"], ["chat"], ["explain"], ["report"], ["doctor"], ["models"], ["export"], ["schema"],
]  # fmt: skip
runner = CliRunner()


@pytest.fixture(autouse=True)
def english():
    yield
    set_language("en")


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "massivetext", *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_has_help_with_an_example(verb):
    found = runner.invoke(app, [*verb, "--help"])
    assert found.exit_code == 0
    assert "Example: massivetext" in " ".join(found.output.split())


def test_help_lists_every_verb():
    output = runner.invoke(app, ["--help"]).output
    assert all(verb[0] in output for verb in VERBS)


def test_the_version_is_shown():
    assert runner.invoke(app, ["--version"]).output.strip() == __version__


def test_wrong_use_ends_with_2_and_one_message():
    done = command("run", "quikstart")
    assert done.returncode == 2
    assert "did you mean 'quickstart'?" in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""


def test_wrong_use_is_one_json_object_where_that_was_asked_for():
    done = command("run", "quikstart", "--json")
    found = json.loads(done.stdout)
    assert found["error"] == "ConfigError" and "quickstart" in found["message"]


def test_an_unknown_option_ends_with_2():
    assert command("run", "quickstart", "--nonsense").returncode == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["corpus", "inspect", "nowhere"],
        ["corpus", "remove", "nowhere", "--reason", "x", "--pattern", "y"],
        ["corpus", "diff", "nowhere", "nowhere"],
        ["tokenizer", "inspect", "nowhere"],
        ["evaluate", "nowhere", "nothing.txt"],
        ["generate", "nowhere"],
        ["chat", "nowhere"],
        ["explain", "nowhere", "text"],
        ["report", "nowhere"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_a_folder_that_is_not_there_is_one_message(arguments):
    done = run_python("-m", "massivetext", *arguments)
    assert done.returncode in (1, 2)
    assert done.stderr.startswith("error: ") and re.search("nowhere|nothing", done.stderr)
    assert "Traceback" not in done.stderr


def test_the_schema_names_every_section():
    sections = json.loads(runner.invoke(app, ["schema"]).output)["properties"]
    assert {"corpus", "tokenizer", "mixture", "model", "train", "evaluate", "generate"} <= set(sections)


def test_doctor_finds_a_source_that_is_not_there(tmp_path):
    (tmp_path / "r.yaml").write_text(
        "corpus: {sources: [{name: a, path: not/there}]}\nmodel: {family: llama, hidden_size: 32}\ntrain: {steps: 1}\n",
        encoding="utf-8",
    )
    found = runner.invoke(app, ["doctor", str(tmp_path / "r.yaml"), "--json"])
    assert found.exit_code == 1
    findings = json.loads(found.output)["findings"]
    assert any(finding["level"] == "error" and "not/there" in finding["found"] for finding in findings)
    assert all(finding["remedy"] for finding in findings if finding["level"] != "ok")
