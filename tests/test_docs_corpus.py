"""The examples of docs/corpus.md run as they stand there, one after the other; its table has every format."""

import re
from pathlib import Path

from massivetext.corpus.settings import FORMATS

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "corpus.md").read_text(encoding="utf-8")


def test_the_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MASSIVETEXT_DATA", "")
    names: dict[str, object] = {}
    for example in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(example, "docs/corpus.md", "exec"), names)


def test_every_format_is_in_the_table():
    assert not {name for name in FORMATS if f"`{name}`" not in PAGE}
