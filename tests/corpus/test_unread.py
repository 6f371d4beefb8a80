"""Files that nothing reads are counted and named: in manifest, log, `corpus inspect` and the corpus's page."""

import io
import json
import zipfile

import pytest
from typer.testing import CliRunner

from massivetext.cli import app
from massivetext.corpus.building import build_corpus
from massivetext.corpus.unread import SHOWN_NAMES, unread_by_source, unread_words
from massivetext.report.page import write_report
from massivetext.translations import language, set_language

STORY = "The old man went to the river every day. 老人每天去河边，孩子替他拿着渔网。\n"


def zipped(members):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return held.getvalue()


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text(STORY)
    for number in range(SHOWN_NAMES + 2):
        (folder / f"{number}.png").write_bytes(b"\x89PNG")
    (folder / "图片.7z").write_bytes(b"7z")
    (folder / "README").write_text("no suffix")
    (folder / "1. A river").write_text("no suffix either")
    (folder / "b.zip").write_bytes(zipped({"b.txt": STORY * 2, "c/d.png": "PNG", "e.rar": "Rar!", ".hidden.png": "x"}))
    return folder


def recipe(folder):
    return {"sources": [{"name": "mine", "path": str(folder)}], "steps": [], "split": {"validation": 0, "test": 0}}


def test_files_and_members_are_counted_by_suffix_with_the_first_names(folder, tmp_path):
    corpus = build_corpus(recipe(folder), tmp_path / "out", quiet=True)
    counts = unread_by_source(corpus.manifest)["mine"]
    assert {suffix: (entry["files"], entry["bytes"]) for suffix, entry in counts.items()} == {
        ".png": (SHOWN_NAMES + 3, 4 * (SHOWN_NAMES + 2) + 3),
        "": (2, 25),
        ".7z": (1, 2),
        ".rar": (1, 4),
    }
    assert counts[".7z"]["names"] == ["图片.7z"]
    assert counts[".rar"]["names"] == ["b.zip!e.rar"]
    assert counts[".png"]["names"] == [f"{number}.png" for number in range(SHOWN_NAMES)]
    assert corpus.manifest["splits"]["train"]["documents"] == 2
    assert corpus.manifest["sources"]["mine"]["read"]["records"] == 2


@pytest.mark.parametrize(("tongue", "words"), [("en", "without a suffix"), ("zh", "无后缀")])
def test_the_log_names_the_suffixes(folder, tmp_path, capsys, tongue, words):
    before = language()
    set_language(tongue)
    build_corpus(recipe(folder), tmp_path / "out")
    set_language(before)
    assert f"12 {'files' if tongue == 'en' else ''}".strip() in (err := capsys.readouterr().err)
    assert f"8 .png, 2 {words}, 1 .7z, 1 .rar" in err


def test_inspect_shows_suffixes_and_names(folder, tmp_path):
    build_corpus(recipe(folder), tmp_path / "out", quiet=True)
    shown = CliRunner().invoke(app, ["corpus", "inspect", str(tmp_path / "out")]).stdout
    assert "files of formats that are not read:" in shown
    assert "图片.7z" in shown and "0.png, 1.png" in shown
    told = json.loads(CliRunner().invoke(app, ["corpus", "inspect", str(tmp_path / "out"), "--json"]).stdout)
    assert told["unread"]["mine"][".7z"]["files"] == 1


def test_the_page_of_a_corpus_shows_them(folder, tmp_path):
    build_corpus(recipe(folder), tmp_path / "out", quiet=True)
    page = write_report(tmp_path / "out").read_text(encoding="utf-8")
    assert "Files of formats that are not read" in page and "图片.7z" in page


def test_appending_counts_no_file_twice_and_adds_members_of_new_archives(folder, tmp_path):
    build_corpus(recipe(folder), tmp_path / "out", quiet=True)
    (folder / "new.txt").write_text("Another text about boats.")
    (folder / "new.zip").write_bytes(zipped({"f.txt": "More text.", "g.rar": "Rar!"}))
    corpus = build_corpus(recipe(folder), tmp_path / "out", append=True, quiet=True)
    assert unread_words(unread_by_source(corpus.manifest)["mine"]) == "8 .png, 2 without a suffix, 2 .rar, 1 .7z"


def test_a_format_that_was_chosen_leaves_other_files_out_without_counting_them(folder, tmp_path):
    values = recipe(folder)
    values["sources"][0]["format"] = "html"
    (folder / "a.html").write_text("<p>page</p>")
    corpus = build_corpus(values, tmp_path / "out", quiet=True)
    assert unread_by_source(corpus.manifest) == {}
