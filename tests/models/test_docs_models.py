"""The examples of docs/models.md run as written, each in a fresh program, on tiny folders under the published names."""

import re
from pathlib import Path

import pytest
from stand_ins import write_stand_ins

import massivetext as mt

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    root = tmp_path_factory.mktemp("published")
    write_stand_ins(root)
    return root


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.splitlines()[0])
def test_the_example_runs(example, published, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MASSIVETEXT_MODELS", str(published))
    published_size = mt.AutoConfig.from_preset

    def smaller(name):
        """The preset must exist; a model of a published size would take gigabytes."""
        return type(published_size(name))(vocab_size=64, hidden_size=32, num_hidden_layers=1, num_attention_heads=2)

    monkeypatch.setattr(mt.AutoConfig, "from_preset", smaller)
    exec(compile(example, "docs/models.md", "exec"), {})


def test_there_are_examples():
    assert len(EXAMPLES) >= 4
