"""`corpus inspect --id`: measures beside their limits, and the document derived again from its raw bytes."""

import gzip
import json

import pytest
from corpus.readers.web_archives import pages
from typer.testing import CliRunner

from massivetext.cli import app
from massivetext.corpus.building import build_corpus
from massivetext.corpus.inspecting import document_text
from massivetext.corpus.replaying import limits, replay
from massivetext.errors import DataError

PROSE = "The cat and the dog have seen that it is good to be here with us, and nobody knows why they came.\n"


@pytest.fixture
def corpus(tmp_path):
    texts = ["".join(PROSE.replace("cat", f"cat{n}{m}") for m in range(4)) for n in range(3)]
    texts += ["too short", "crème\r\nbrûlée " * 40, texts[0]]
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress("\n".join(json.dumps({"text": t}) for t in texts).encode()))
    (tmp_path / "b.txt").write_text(f"{PROSE}\n\n{'这是一个段落，' * 20}")
    recipe = {
        "sources": [
            {"name": "a", "path": str(tmp_path / "a.jsonl.gz")},
            {"name": "b", "path": str(tmp_path / "b.txt"), "unit": "paragraph", "steps": ["normalise"]},
        ],
        "steps": [
            "normalise",
            {"gopher_quality": {"min_words": 5, "min_stop_words": 0}},
            {"deduplicate": {"near": {}}},
        ],
        "split": {"validation": 0, "test": 0},
    }
    return build_corpus(recipe, tmp_path / "out", quiet=True)


def everything(corpus):
    ids = [i for b in corpus.documents("train", columns=("id",)) for i in b.column("id").to_pylist()]
    ids += [i for b in corpus.dropped(("id",)) for i in b.column("id").to_pylist()]
    return [corpus.find(document) for document in ids]


def test_every_document_and_dropped_row_is_derived_again(corpus):
    rows = everything(corpus)
    assert {row["step"] for row in rows if not row["kept"]} >= {"gopher_quality", "deduplicate"}
    for row in rows:
        found = replay(corpus, row)
        assert found["raw_equal"] and found["equal"], (row, found)
        assert not row["kept"] or found["text"] == row["text"]


def test_changed_raw_bytes_are_said(corpus, tmp_path):
    row = next(row for row in everything(corpus) if row["uri"] == "b.txt")
    text = (tmp_path / "b.txt").read_text()
    (tmp_path / "b.txt").write_text(text.replace("cat", "cow"))
    found = replay(corpus, row)
    assert not found["raw_equal"] and not found["equal"]
    assert "NOT" in document_text(row | {"replay": found})
    (tmp_path / "b.txt").write_text("")
    with pytest.raises(DataError, match=r"the raw record of .* is not there"):
        replay(corpus, row)


def test_limits_stand_beside_the_measures(corpus):
    rows = everything(corpus)
    kept = {entry["rule"]: entry for entry in limits(corpus, rows[0])}
    assert kept["min_words"]["limit"] == 5 and kept["min_words"]["kept"] and kept["min_words"]["value"] > 50
    gone = next(row for row in rows if not row["kept"] and row["step"] == "gopher_quality")
    broken = [entry for entry in limits(corpus, gone) if not entry["kept"]]
    assert (broken[0]["rule"], broken[0]["value"]) == (gone["reason"], gone["value"])
    assert gone["reason"] in document_text(gone | {"limits": limits(corpus, gone)})
    assert limits(corpus, next(row for row in rows if row["source"] == "b")) == []


def test_the_command_shows_both(corpus):
    row = everything(corpus)[0]
    found = CliRunner().invoke(app, ["corpus", "inspect", str(corpus.folder), "--id", row["id"], "--replay", "--json"])
    assert found.exit_code == 0
    assert json.loads(found.stdout)["replay"]["equal"] and json.loads(found.stdout)["limits"]
    found = CliRunner().invoke(app, ["corpus", "inspect", str(corpus.folder), "--id", row["id"], "--replay"])
    assert "derived again, it is what the corpus holds" in found.stdout and "min_words" in found.stdout


@pytest.mark.parametrize("packed", [False, True])
def test_the_pages_of_a_damaged_web_archive_are_found_again(tmp_path, packed):
    parts = pages(6)
    parts[1] = parts[1].replace(b"Content-Length: ", b"Content-Length: 9")
    parts[3] = parts[3][:-100]
    name = "a.warc.gz" if packed else "a.warc"
    (tmp_path / name).write_bytes(b"".join(gzip.compress(part) if packed else part for part in parts))
    recipe = {
        "sources": [{"name": "a", "path": str(tmp_path / name)}], "steps": ["html_to_text"],
        "split": {"validation": 0, "test": 0},
    }  # fmt: skip
    corpus = build_corpus(recipe, tmp_path / "out", quiet=True)
    rows = everything(corpus)
    assert len(rows) == 6
    for row in rows:
        found = replay(corpus, row)
        assert found["raw_equal"] and found["equal"]
