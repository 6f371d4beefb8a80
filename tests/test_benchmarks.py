"""Benchmarks say at once what they lack, and read a newcomer's folder or this machine's text. Nothing is measured."""

import json
import runpy
import sys
from pathlib import Path

import pytest
from newcomer import prose, write

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
PARTS = {"inputs", "machine"}
PROGRAMS = sorted(path.stem for path in BENCHMARKS.glob("*.py") if path.stem not in PARTS)
WITHOUT_INPUT = {"generation", "models", "startup"}
NEEDS_SETS = {
    "decontamination": "eval/gsm8k/test.jsonl",
    "extraction": "article-extraction/ground-truth.json",
    "language": "translation/tatoeba-cmn-en.txt",
    "pii": "pii/synth_dataset_v2.json",
}


@pytest.fixture(scope="module", autouse=True)
def parts_of_the_benchmarks():
    """Let the programs import what lies beside them, and no other module of that name afterwards."""
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))
    for name in PARTS:
        sys.modules.pop(name, None)


@pytest.fixture
def inputs():
    import inputs

    return inputs


def end_of(program, arguments, monkeypatch, capsys):
    """Run a program that cannot begin; return its exit status and what it wrote to stderr."""
    monkeypatch.setattr(sys, "argv", [program, *arguments])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(BENCHMARKS / f"{program}.py"), run_name="__main__")
    return end.value.code, capsys.readouterr().err


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_folder_that_does_not_exist_ends_the_program_at_once(program, monkeypatch, capsys):
    status, words = end_of(program, ["--data", "/nonexistent"], monkeypatch, capsys)
    assert status == 2
    if program in WITHOUT_INPUT:
        assert "unrecognized arguments: --data" in words
    else:
        assert words == "error: --data: no folder /nonexistent; give a folder with the data, or leave --data out\n"


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_names_the_options(program, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [program, "--help"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(BENCHMARKS / f"{program}.py"), run_name="__main__")
    assert not end.value.code and ("--data" in capsys.readouterr().out) == (program not in WITHOUT_INPUT)


@pytest.mark.parametrize(("program", "file"), NEEDS_SETS.items())
def test_a_folder_without_the_marked_data_is_named_with_the_file(program, file, tmp_path, monkeypatch, capsys):
    status, words = end_of(program, ["--data", str(tmp_path)], monkeypatch, capsys)
    assert status == 2 and words.startswith(f"error: this program needs {file} (")
    assert words.count("\n") == 1 and f"{tmp_path} lacks it: name the folder that holds it with --data FOLDER" in words


@pytest.mark.parametrize(("program", "file"), NEEDS_SETS.items())
def test_without_any_folder_the_marked_data_is_asked_for(program, file, inputs, monkeypatch, capsys):
    monkeypatch.setattr(inputs, "REAL_DATA", Path("/nonexistent"))
    status, words = end_of(program, [], monkeypatch, capsys)
    assert status == 2 and file in words and "no folder was given" in words and "--data FOLDER" in words


@pytest.mark.parametrize("program", ["corpus", "deduplication", "tokenising", "training"])
def test_a_folder_without_text_ends_the_program_at_once(program, tmp_path, monkeypatch, capsys):
    status, words = end_of(program, ["--data", str(tmp_path)], monkeypatch, capsys)
    assert status == 2 and words.startswith("error: there is no ") and "--data FOLDER" in words


def test_a_peer_that_is_not_installed_is_named(inputs, capsys):
    with pytest.raises(SystemExit):
        inputs.require_packages("numpy", "no_such_peer")
    assert "compares with no_such_peer; install what is missing: pip install '.[bench]'" in capsys.readouterr().err


@pytest.mark.parametrize("program", ["generation", "models", "startup", "training"])
def test_transformers_is_asked_for_where_it_is_not_installed(program, inputs, monkeypatch, capsys):
    monkeypatch.setattr(inputs.importlib.util, "find_spec", lambda name: None)
    status, words = end_of(program, [], monkeypatch, capsys)
    assert status == 2 and words.startswith("error: this program compares with transformers; install what is missing")


def test_a_folder_of_ones_own_is_read_by_language(inputs, tmp_path):
    write(tmp_path / "a.txt", prose("en", 1))
    write(tmp_path / "b.jsonl", json.dumps({"text": prose("zh", 2)}, ensure_ascii=False))
    assert inputs.english_texts(tmp_path) == inputs.real_texts(tmp_path, 0) == [prose("en", 1)]
    assert inputs.chinese_texts(tmp_path) == [prose("zh", 2)]


def test_texts_beside_the_marked_data_are_not_read_as_prose(inputs, tmp_path, monkeypatch):
    write(tmp_path / "questions.txt", prose("en", 1))
    monkeypatch.setattr(inputs, "ON_EVERY_MACHINE", {"english": (("{stdlib}/json", "python_docs"),)})
    assert prose("en", 1) not in inputs.english_texts(tmp_path, sets_only=True)


def test_this_machine_has_english_text(inputs, monkeypatch):
    monkeypatch.setattr(inputs, "ON_EVERY_MACHINE", {"english": (("{stdlib}/json", "python_docs"),)})
    assert any("JSON" in text for text in inputs.english_texts(None))


def test_a_machine_without_chinese_text_is_told_what_to_install(inputs, monkeypatch, capsys):
    monkeypatch.setattr(inputs, "ON_EVERY_MACHINE", {"chinese": (("/nonexistent", "man_pages"),)})
    with pytest.raises(SystemExit):
        inputs.chinese_texts(None)
    assert "no Chinese text on this machine" in (words := capsys.readouterr().err) and "manpages-zh" in words
