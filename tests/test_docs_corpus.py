"""The examples of docs/corpus.md run as they stand there, one after the other; its table has every format."""

import re
from pathlib import Path

from massivetext.corpus.readers.formats import FORMATS
from massivetext.corpus.readers.records import make_reader
from massivetext.corpus.settings import SourceSettings

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "corpus.md").read_text(encoding="utf-8")


def test_the_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MASSIVETEXT_DATA", "")
    names: dict[str, object] = {}
    for example in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(example, "docs/corpus.md", "exec"), names)


def test_every_format_and_its_suffixes_are_in_the_table():
    table = [line for line in PAGE.splitlines() if line.startswith("|")]
    for name in FORMATS:
        line = next((line for line in table if f"`{name}`" in line.split("|")[1]), "")
        assert line, f"docs/corpus.md does not list the format {name}"
        suffixes = make_reader(name, SourceSettings(name="s", path="x")).suffixes
        assert name == "archive" or all(f"`{suffix}`" in line for suffix in suffixes), (name, suffixes)
