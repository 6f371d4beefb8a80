"""The examples of docs/explaining.md run as they stand there, and its table is what they compute."""

import math
import re
from pathlib import Path

import pytest

from .conftest import tiny_model

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "explaining.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
PRINTED = ([0.12, 0.28, 0.43, 0.16, 0.12, 0.37], [0.2, 0.3, 0.5, 0.1, 0.1, 0.8])


@pytest.fixture(scope="module")
def example():
    names = {}
    exec(PYTHON[1], names)
    return names


def row(name):
    line = next(line for line in PAGE.splitlines() if line.startswith(f"| {name} |"))
    return [float(cell) for cell in line.split("|")[2:8]]


def test_the_program_runs(byte_tokenizer, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MASSIVETEXT_MODELS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    tiny_model("gpt2").save_pretrained(tmp_path / "gpt2", byte_tokenizer)
    names = {}
    exec(PYTHON[0], names)
    assert names["maps"].readers[-1].label == "鱼 3/3"
    assert len(capsys.readouterr().out.splitlines()) == len(names["maps"].readers)
    assert (tmp_path / "explanation.html").is_file()


def test_the_example_is_worked_right(example):
    vectors = example["vectors"].tolist()
    products = [sum(a * b for a, b in zip(vectors[2], key)) for key in vectors]
    powers = [math.exp(product / math.sqrt(3)) for product in products]
    weights = [power / sum(powers) for power in powers]
    result = [sum(w * value[i] for w, value in zip(weights, vectors)) for i in range(3)]
    assert example["products"].tolist() == pytest.approx(products, abs=1e-6) == row("q · k")
    assert row("q · k / √3") == pytest.approx([product / math.sqrt(3) for product in products], abs=5e-4)
    assert example["weights"].tolist() == pytest.approx(weights, abs=1e-6)
    assert row("softmax") == pytest.approx(weights, abs=5e-4) and sum(weights) == pytest.approx(1)
    assert example["result"].tolist() == pytest.approx(result, abs=1e-6)
    assert f"**[{', '.join(f'{value:.3f}' for value in result)}]**" in PAGE


def test_what_the_page_says_of_the_printed_numbers_is_true(example):
    assert [round(sum(weights), 2) for weights in PRINTED] == [1.48, 2.0]
    for weights in PRINTED:
        assert ", ".join(map(str, weights)) in PAGE
        got = [sum(w * value[i] for w, value in zip(weights, example["vectors"].tolist())) for i in range(3)]
        assert all(abs(one - other) > 0.1 for one, other in zip(got, [0.47, 0.58, 0.69]))
    printed = [0.21, 0.49, 0.77, 0.28, 0.21, 0.63]
    assert all(wrong < right / 2 for wrong, right in zip(printed, example["products"].tolist()))
