"""The code of docs/extending.md runs as written: files under the names in their first line, programs in order."""

import re
import sys
from pathlib import Path

import pytest
from newcomer import english, overrides
from typer.testing import CliRunner

from massivetext.cli import app
from massivetext.corpus.settings import FORMATS

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
SECTIONS = {text.splitlines()[0]: text for text in re.split(r"(?m)^## ", PAGE)[1:]}


def blocks(section):
    return re.findall(r"```python\n(.*?)```", SECTIONS[section], re.DOTALL)


@pytest.mark.parametrize("section", ["A reader", "A step", "A model family"])
def test_the_part_is_used(section, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    known = dict(FORMATS)
    file, program = blocks(section)
    name = re.match(r"# (\w+)\.py\n", file)[1]
    Path(f"{name}.py").write_text(file, encoding="utf-8")
    try:
        exec(compile(program, section, "exec"), {})
    finally:
        FORMATS.clear()
        FORMATS.update(known)
        sys.modules.pop(name, None)


def test_the_objective_trains(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    english(tmp_path / "mydata")
    recipe = str(Path(__file__).resolve().parents[1] / "recipes" / "english.yaml")
    done = CliRunner().invoke(app, ["run", recipe, *overrides("english"), "--out", "runs/quickstart", "--quiet"])
    assert done.exit_code == 0, done.output
    exec(compile("\n".join(blocks("An objective")), "An objective", "exec"), {})


def test_no_section_is_left_out():
    assert set(SECTIONS) == {"A reader", "A step", "A model family", "An objective"}
