"""Front matter of Markdown goes to columns and `meta`; text that only looks like it stays text."""

import json

import pytest
from corpus.readers.reading import read

YAML = "---\ntitle: 河流 Rivers\ndate: 2024-05-18\ntags: [a, 乙]\ndraft: false\nlicense: MIT\n---\n\n"
TOML = '+++\ntitle = "河流 Rivers"\ndate = 2024-05-18\ntags = ["a", "乙"]\ndraft = false\nlicense = "MIT"\n+++\n\n'
BODY = "# 河流\n\nThe old man went to the river.\n\n---\n\nThen he came back.\n"


@pytest.mark.parametrize("head", [YAML, TOML, YAML.replace("\n", "\r\n"), "\ufeff" + YAML])
@pytest.mark.parametrize("name", ["a.md", "b.markdown", "c.MD"])
def test_front_matter_is_meta_and_no_text(tmp_path, head, name):
    (tmp_path / name).write_bytes((head + BODY).encode())
    (record,) = read(tmp_path)
    assert record.text == BODY
    assert (record.fields.license, record.fields.created_at) == ("MIT", "2024-05-18")
    assert json.loads(record.fields.meta) == {"title": "河流 Rivers", "tags": "a, 乙", "draft": False}


@pytest.mark.parametrize("unit", ["block", "paragraph", "line"])
def test_front_matter_is_no_paragraph_either(tmp_path, unit):
    (tmp_path / "a.md").write_text(YAML + BODY)
    records = read(tmp_path, unit=unit)
    assert records[0].text.startswith("# 河流")
    assert int(records[0].place) >= len(YAML.encode()) - 1
    assert all(json.loads(record.fields.meta)["title"] == "河流 Rivers" for record in records)


@pytest.mark.parametrize(
    "text",
    [
        "---\n\nA line above this text, and one below.\n\n---\n\nMore.\n",
        "---\ntitle: never closed\n",
        "--- not: front\n---\n",
        "---\n- a\n- list\n---\ntext\n",
        "---\na: &a [x]\nb: *a\n---\ntext\n",
        "---\n{broken\n---\ntext\n",
        "+++\nbroken toml\n+++\ntext\n",
        "Text. \n---\na: 1\n---\n",
    ],
)
def test_what_is_no_front_matter_stays_text(tmp_path, text):
    (tmp_path / "a.md").write_text(text)
    assert read(tmp_path)[0].text.strip("\n") == text.strip("\n")


def test_plain_text_has_no_front_matter(tmp_path):
    (tmp_path / "a.txt").write_text(YAML + BODY)
    assert read(tmp_path)[0].text == YAML + BODY
