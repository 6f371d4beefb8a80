"""A corpus whose files are not those of its manifest is refused, by every command that reads it."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from massivetext.cli import app
from massivetext.corpus.building import build_corpus
from massivetext.corpus.checking import check_parts
from massivetext.corpus.reading import load_corpus, open_manifest
from massivetext.corpus.removing import remove_documents
from massivetext.errors import StoreError

ENGLISH = "The harbour was quiet before dawn, and entry {} says so in its own words."
CHINESE = "清晨的港口很安静，第{}条记录是这样写的。"


def recipe_of(folder, count):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"en-{number}.txt").write_text(ENGLISH.format(number), encoding="utf-8")
        (folder / f"zh-{number}.txt").write_text(CHINESE.format(number), encoding="utf-8")
    steps = ["normalise", {"deduplicate": {"exact": True}}]
    return {"sources": [{"name": "a", "path": str(folder)}], "steps": steps, "split": {"validation": 0, "test": 0.2}}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    recipe = recipe_of(folder / "in", 20)
    build_corpus(recipe, folder / "corpus", quiet=True, threads=1)
    return folder / "corpus", recipe


@pytest.fixture
def corpus(made, tmp_path):
    return Path(shutil.copytree(made[0], tmp_path / "corpus"))


def flip(path, place):
    data = path.read_bytes()
    place %= len(data)
    path.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])


def test_an_intact_corpus_has_no_faults_before_and_after_append_and_takedown(corpus, made):
    assert check_parts(corpus, load_corpus(corpus).manifest, whole=True) == []
    recipe = recipe_of(Path(made[1]["sources"][0]["path"]).parent / "more", 24)
    build_corpus(recipe, corpus, append=True, quiet=True, threads=1)
    assert check_parts(corpus, load_corpus(corpus).manifest, whole=True) == []
    assert {name[:19] for name in load_corpus(corpus).manifest["parts"]} > {
        "index/build-0001.pa",
        "index/build-0002.pa",
    }
    document = next(load_corpus(corpus).documents("train", columns=("id",))).column("id")[0].as_py()
    remove_documents(corpus, "asked", ids=[document])
    assert check_parts(corpus, load_corpus(corpus).manifest, whole=True) == []


@pytest.mark.parametrize("place", [-5, -60])
@pytest.mark.parametrize("name", ["documents/train", "index"])
def test_a_damaged_footer_is_noticed_on_opening(corpus, name, place):
    path = next((corpus / name).glob("*.parquet"))
    flip(path, place)
    with pytest.raises(StoreError, match=rf"{path.name} is damaged: its footer is not what manifest.json says"):
        load_corpus(corpus)


def test_a_damaged_page_is_noticed_on_reading_removing_and_appending(corpus, made):
    part, index = (next((corpus / name).glob("*.parquet")) for name in ("documents/train", "index"))
    flip(part, 300)
    with pytest.raises(StoreError, match=rf"{part.name} is damaged \(.*massivetext doctor FOLDER"):
        list(load_corpus(corpus).documents("train"))
    with pytest.raises(StoreError, match=rf"{part.name} is damaged"):
        remove_documents(corpus, "asked", pattern="harbour")
    assert not (corpus / "removed").exists()
    flip(part, 300)
    flip(index, 40)
    more = recipe_of(Path(made[1]["sources"][0]["path"]).parent / "others", 25)
    before = (corpus / "manifest.json").read_bytes()
    with pytest.raises(StoreError, match=rf"{index.name} is damaged"):
        build_corpus(more, corpus, append=True, quiet=True, threads=1)
    assert (corpus / "manifest.json").read_bytes() == before


def test_inspect_verify_names_a_flip_that_opening_does_not_see(corpus):
    part = next((corpus / "documents/test").glob("*.parquet"))
    flip(part, 300)
    assert CliRunner().invoke(app, ["corpus", "inspect", str(corpus)]).exit_code == 0
    done = CliRunner().invoke(app, ["corpus", "inspect", str(corpus), "--verify"])
    assert isinstance(done.exception, StoreError) and f"{part.name} is damaged: its content" in str(done.exception)


def test_missing_and_foreign_files_are_refused_and_named(corpus):
    part = next((corpus / "documents/train").glob("*.parquet"))
    part.rename(part.with_name("build-0001-part-00009.parquet"))
    with pytest.raises(StoreError, match=r"part-00000.parquet is missing \(and 1 more; `massivetext doctor"):
        load_corpus(corpus)


def test_files_of_an_append_that_is_under_way_are_no_faults(corpus):
    part = next((corpus / "documents/train").glob("*.parquet"))
    shutil.copy(part, part.with_name("build-0002-part-00000.parquet"))
    assert load_corpus(corpus).digest


def test_a_takedown_that_was_stopped_is_named(corpus, monkeypatch):
    document = next(load_corpus(corpus).documents("train", columns=("id",))).column("id")[0].as_py()
    from massivetext.corpus import removing

    monkeypatch.setattr(removing, "write_state", None)
    with pytest.raises(TypeError):
        remove_documents(corpus, "asked", ids=[document])
    with pytest.raises(StoreError, match="was interrupted"):
        load_corpus(corpus)
    assert check_parts(corpus, open_manifest(corpus)) == []
    (fault,) = check_parts(corpus, open_manifest(corpus), whole=True)
    assert "a takedown was not finished; give the same `massivetext corpus remove` again" in fault
