"""A corpus is built whole, in the same bytes however often it is stopped, and keeps account of every record."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from forking import Fork, run_python

from massivetext import parquet
from massivetext.corpus import building, finishing, gathering, planning
from massivetext.corpus.building import build_corpus
from massivetext.corpus.inputs import inputs_digests
from massivetext.corpus.inspecting import document_text, summary, summary_text
from massivetext.corpus.reading import load_corpus
from massivetext.corpus.rows import COLUMNS, DROP_COLUMNS
from massivetext.corpus.settings import CorpusSettings
from massivetext.errors import ConfigError, DataError, MassiveTextError, StoreError
from massivetext.storage import write_json

STEPS = ["normalise", {"length": {"min_characters": 3}}, {"deduplicate": {"exact": True}}]


def write_inputs(folder, lines=400):
    (folder / "in").mkdir(parents=True)
    rows = [{"text": f"Line {n % (lines - 20)} of some text, 第{n % (lines - 20)}行。", "n": n} for n in range(lines)]
    rows += [{"text": "ab"}, {"text": " \n "}, {"text": "cre\u0301me\r\nbru\u0302le\u0301e"}]
    text = "".join(json.dumps(row) + "\n" for row in rows) + "{broken\n"
    (folder / "in" / "a.jsonl").write_text(text)
    for number in range(12):
        (folder / "in" / f"{number}.txt").write_bytes(f"File {number}\r\nof text, 文件。\n".encode())
    return {
        "sources": [
            {"name": "lines", "path": str(folder / "in" / "*.jsonl")},
            {"name": "files", "path": str(folder / "in" / "*.txt")},
        ],
        "steps": STEPS,
        "split": {"validation": 0.1, "test": 0.1},
    }


@pytest.fixture
def recipe(tmp_path):
    return write_inputs(tmp_path)


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(planning, "PART_BYTES", 2000)


def build(recipe, folder, **values):
    return build_corpus(recipe, folder, quiet=True, **values)


def rows(batches):
    return [row for batch in batches for row in batch.to_pylist()]


def all_documents(corpus, columns=("id", "text", "source", "uri", "record")):
    return [row for split in corpus.splits for row in rows(corpus.documents(split, columns=columns))]


def file_bytes(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_every_record_is_a_document_or_a_dropped_row(recipe, tmp_path):
    corpus = build(recipe, tmp_path / "out")
    documents = all_documents(corpus)
    dropped = rows(corpus.dropped())
    assert len(documents) + len(dropped) == 404 + 12
    assert Counter(f"{row['step']}: {row['reason']}" for row in dropped) == {
        "deduplicate: exact duplicate": 20,
        "length: min_characters": 1,
        "read: empty": 1,
        "read: broken JSON": 1,
    }
    assert len({row["id"] for row in documents + dropped}) == 416
    assert not (tmp_path / "out" / ".work").exists()


def test_the_manifest_accounts_for_all_bytes(recipe, tmp_path):
    manifest = build(recipe, tmp_path / "out").manifest
    for name, entry in manifest["sources"].items():
        removed = sum(edit["removed_bytes"] for edit in entry["edited"].values())
        dropped = sum(reason["bytes"] for reason in entry["dropped"].values())
        assert entry["read"]["bytes"] == entry["kept"]["bytes"] + dropped + removed
        assert entry["read"]["records"] == entry["kept"]["documents"] + sum(
            reason["documents"] for reason in entry["dropped"].values()
        )
        sizes = [split["sources"].get(name, {"bytes": 0})["bytes"] for split in manifest["splits"].values()]
        assert sum(sizes) == entry["kept"]["bytes"]
    assert manifest["sources"]["files"]["edited"]["normalise"] == {"documents": 12, "removed_bytes": 12}
    assert [entry["reason"] for entry in manifest["set_aside"]] == ["broken JSON"]


def test_the_columns_are_those_of_the_format(recipe, tmp_path):
    build(recipe, tmp_path / "out")
    documents = pq.read_schema(next((tmp_path / "out" / "documents" / "train").glob("*.parquet")))
    dropped = pq.read_schema(next((tmp_path / "out" / "dropped").glob("*.parquet")))
    assert documents.names[: len(COLUMNS)] == list(COLUMNS)
    assert [name for name in documents.names if "__" in name] == documents.names[len(COLUMNS) :]
    assert dropped.names[-5:] == list(DROP_COLUMNS)
    assert "excerpt" in dropped.names and "text" not in dropped.names


def test_documents_come_in_canonical_order(recipe, tmp_path, small_parts):
    corpus = build(recipe, tmp_path / "out")
    for split in corpus.splits:
        keys = [
            (r["source"], r["uri"], int(r["record"]))
            for r in rows(corpus.documents(split, columns=("source", "uri", "record")))
        ]
        assert keys == sorted(keys)


def test_the_first_of_equal_texts_is_kept_and_the_others_name_it(recipe, tmp_path, small_parts):
    corpus = build(recipe, tmp_path / "out")
    for row in rows(corpus.dropped(("id", "cluster", "reason", "record", "text_digest"))):
        if row["reason"] == "exact duplicate":
            first = corpus.find(row["cluster"])
            assert first["kept"] and first["text_digest"] == row["text_digest"]
            assert int(first["record"]) < int(row["record"])


def test_texts_are_compared_in_nfc_whatever_the_steps(tmp_path):
    rows_ = [{"text": "cafe\u0301 noir"}, {"text": "caf\u00e9 noir"}, {"text": "other"}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows_)))
    recipe = {"sources": [{"name": "s", "path": str(tmp_path / "a.jsonl")}], "steps": ["deduplicate"],
              "split": {"validation": 0, "test": 0}}  # fmt: skip
    assert [row["text"] for row in all_documents(build(recipe, tmp_path / "out"))] == ["cafe\u0301 noir", "other"]


def test_no_deduplication_happens_unless_asked_for(tmp_path):
    (tmp_path / "a.txt").write_text("same\nsame\nother\n")
    recipe = {"sources": [{"name": "s", "path": str(tmp_path / "a.txt"), "unit": "line"}], "steps": ["normalise"],
              "split": {"validation": 0, "test": 0}}  # fmt: skip
    assert len(all_documents(build(recipe, tmp_path / "out"))) == 3


def test_a_sources_own_steps_replace_the_list(recipe, tmp_path):
    recipe["sources"][1]["steps"] = []
    corpus = build(recipe, tmp_path / "out")
    texts = [row["text"] for row in all_documents(corpus) if row["source"] == "files"]
    assert all("\r\n" in text for text in texts)


def test_what_comes_from_one_file_falls_on_one_side(tmp_path):
    (tmp_path / "in").mkdir()
    body = "Return the wanted value of this very function, or raise ValueError if there is none at all."
    for number in range(60):
        text = f'"""{body} {number}"""\n\n\ndef function_{number}(x):\n    return x + {number}\n'
        (tmp_path / "in" / f"m{number}.py").write_text(text)
    sources = [{"name": name, "path": str(tmp_path / "in"), "format": f"python_{name}"} for name in ("code", "docs")]
    corpus = build({"sources": sources, "steps": [], "split": {"validation": 0.2, "test": 0.2}}, tmp_path / "out")
    sides = {}
    for split in corpus.splits:
        for row in rows(corpus.documents(split, columns=("uri", "source"))):
            sides.setdefault(row["uri"], []).append(split)
    assert len(sides) == 60
    assert all(len(found) == 2 and len(set(found)) == 1 for found in sides.values())


def test_the_split_depends_on_the_seed_alone(recipe, tmp_path):
    first = build(recipe, tmp_path / "a", seed=1)
    assert build(recipe, tmp_path / "b", seed=1).digest == first.digest
    assert build(recipe, tmp_path / "c", seed=2).digest != first.digest


def test_a_corpus_does_not_change_when_its_folder_moves(recipe, tmp_path):
    first = build(recipe, tmp_path / "a")
    (tmp_path / "in").rename(tmp_path / "moved")
    for source in recipe["sources"]:
        source["path"] = source["path"].replace("/in/", "/moved/")
    assert build(recipe, tmp_path / "b").digest == first.digest


def test_the_bytes_are_the_same_with_any_number_of_threads(recipe, tmp_path, small_parts):
    for threads in (1, 3):
        build(recipe, tmp_path / f"out{threads}", threads=threads)
    assert file_bytes(tmp_path / "out1") == file_bytes(tmp_path / "out3")
    assert len(list((tmp_path / "out1").rglob("*.parquet"))) > 10


def test_the_documents_are_the_same_however_the_input_is_cut(recipe, tmp_path, monkeypatch):
    whole = build(recipe, tmp_path / "whole")
    monkeypatch.setattr(planning, "PART_BYTES", 2000)
    monkeypatch.setattr(gathering, "BATCH_RECORDS", 7)
    assert build(recipe, tmp_path / "cut").digest == whole.digest


def test_a_finished_corpus_is_not_built_again(recipe, tmp_path, monkeypatch):
    build(recipe, tmp_path / "out")
    monkeypatch.setattr(building, "ProcessPart", None)
    assert build(recipe, tmp_path / "out").manifest["format"] == "massivetext-corpus/1"


def test_changed_settings_or_inputs_build_it_anew(recipe, tmp_path):
    first = build(recipe, tmp_path / "out")
    digest = inputs_digests(CorpusSettings.parse(recipe), tmp_path / "out")
    (tmp_path / "in" / "new.txt").write_text("A new file.\n")
    assert inputs_digests(CorpusSettings.parse(recipe), tmp_path / "out") != digest
    second = build(recipe, tmp_path / "out")
    assert second.digest != first.digest
    recipe["steps"] = []
    assert build(recipe, tmp_path / "out").digest != second.digest


def test_an_interrupted_build_goes_on_with_the_parts_that_are_missing(recipe, tmp_path, small_parts, monkeypatch):
    build(recipe, tmp_path / "whole")
    done = []

    class Stops(gathering.ProcessPart):
        def __call__(self, part, advance):
            if part.number == 9:
                raise KeyboardInterrupt
            done.append(part.number)
            return super().__call__(part, advance)

    monkeypatch.setattr(building, "ProcessPart", Stops)
    with pytest.raises(KeyboardInterrupt):
        build(recipe, tmp_path / "out", threads=1)
    assert done and not (tmp_path / "out" / "manifest.json").exists()
    with pytest.raises(StoreError, match="goes on where it stopped"):
        load_corpus(tmp_path / "out")
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out" / ".work").glob("part-*.json")}
    monkeypatch.setattr(building, "write_files", _stop)
    monkeypatch.setattr(building, "ProcessPart", gathering.ProcessPart)
    with pytest.raises(KeyboardInterrupt):
        build(recipe, tmp_path / "out")
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out" / ".work").glob("part-*.json")}
    assert before and before.items() <= after.items()
    monkeypatch.setattr(building, "write_files", finishing.write_files)
    build(recipe, tmp_path / "out")
    assert file_bytes(tmp_path / "out") == file_bytes(tmp_path / "whole")


def _stop(*arguments):
    raise KeyboardInterrupt


PROGRAM = """
import sys, time
from massivetext.corpus import building, gathering, planning
planning.PART_BYTES = 2000
plain = gathering.temporary_path
def slow(path):
    time.sleep(0.01)
    return plain(path)
gathering.temporary_path = slow
from massivetext.state import read_json
building.build_corpus(read_json(__import__("pathlib").Path(sys.argv[1])), sys.argv[2], quiet=True, threads=2)
"""


def test_killed_after_some_parts_it_ends_with_the_same_bytes(recipe, tmp_path):
    write_json(tmp_path / "recipe.json", recipe)
    command = ["-c", PROGRAM, str(tmp_path / "recipe.json")]
    assert run_python(*command, tmp_path / "whole").returncode == 0
    killed = 0
    for finished in (1, 4):
        process = Fork([*command, tmp_path / "out"])
        while process.poll() is None and len(list((tmp_path / "out" / ".work").glob("part-*.json"))) < finished:
            time.sleep(0.002)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
    assert run_python(*command, tmp_path / "out").returncode == 0
    assert killed == 2
    assert file_bytes(tmp_path / "out") == file_bytes(tmp_path / "whole")


def test_a_full_disk_is_said_and_leaves_nothing_half_written(recipe, tmp_path, small_parts, monkeypatch):
    class Full:
        def __init__(self, *arguments, **values):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(parquet.pq, "ParquetWriter", Full)
    with pytest.raises(MassiveTextError, match=r"the disk is full \(.* MB free at .*Make room, then give the same"):
        build(recipe, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.parquet")) and not list((tmp_path / "out").rglob(".tmp-*"))
    monkeypatch.undo()
    monkeypatch.setattr(planning, "PART_BYTES", 2000)
    assert all_documents(build(recipe, tmp_path / "out"))


def test_a_folder_that_cannot_be_written_to_is_said(recipe, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(MassiveTextError, match=r"cannot be written to .*file .*Not a directory\); name a folder"):
        build(recipe, tmp_path / "file")

    def refuse(*arguments, **values):
        raise OSError(errno.EROFS, "Read-only file system", "x")

    monkeypatch.setattr(building, "write_json", refuse)
    with pytest.raises(MassiveTextError, match="Read-only file system"):
        build(recipe, tmp_path / "out")


def test_a_parquet_file_with_another_schema_is_listed_and_the_others_read(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    tables = {"a": {"text": ["one", "two"]}, "b": {"body": ["another"]}, "c": {"text": [1, 2]}}
    for name, columns in tables.items():
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    (folder / "d.parquet").write_bytes(b"PAR1 and nothing else")
    source = {"name": "s", "path": str(folder)}
    recipe = {"sources": [source], "steps": ["normalise"], "split": {"validation": 0, "test": 0}}
    corpus = build(recipe, tmp_path / "out")
    assert sorted(row["text"] for row in all_documents(corpus)) == ["one", "two"]
    listed = {entry["uri"]: entry["reason"] for entry in corpus.manifest["set_aside"]}
    assert sorted(listed) == ["b.parquet", "c.parquet", "d.parquet"]
    assert listed["b.parquet"].startswith("b.parquet has no column 'text'") and "holds int64" in listed["c.parquet"]


LIMITED = """
import resource, sys, json, pathlib
from massivetext.corpus.building import build_corpus
from massivetext.errors import MassiveTextError
recipe = json.loads(pathlib.Path(sys.argv[1]).read_text())
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, resource.RLIM_INFINITY))
try:
    build_corpus(recipe, sys.argv[2], quiet=True)
except MassiveTextError as error:
    print(error)
"""


def test_a_file_system_that_really_refuses_bytes_is_said(recipe, tmp_path):
    write_json(tmp_path / "recipe.json", recipe)
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "recipe.json"), str(tmp_path / "out")]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert "could not be written: the disk is full" in done.stdout, done.stderr
    assert not list((tmp_path / "out").rglob("*.parquet")) and not list((tmp_path / "out").rglob(".tmp-*"))


def test_a_line_above_the_limit_is_set_aside_and_never_held_whole(tmp_path):
    with open(tmp_path / "a.jsonl", "wb") as stream:
        stream.write(b'{"text": "before"}\n{"text": "')
        for _ in range(200):
            stream.write(b"x" * 2**20)
        stream.write(b'"}\n{"text": "after"}\n')
    recipe = {"sources": [{"name": "s", "path": str(tmp_path / "a.jsonl"), "max_record_bytes": 2**20}], "steps": [],
              "split": {"validation": 0, "test": 0}}  # fmt: skip
    write_json(tmp_path / "recipe.json", recipe)
    program = (
        "import json, pathlib, resource, sys\nfrom massivetext.corpus.building import build_corpus\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "build_corpus(json.loads(pathlib.Path(sys.argv[1]).read_text()), sys.argv[2], quiet=True)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "recipe.json"), str(tmp_path / "out")]
    grown_kilobytes = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert grown_kilobytes < 100_000
    corpus = load_corpus(tmp_path / "out")
    assert [row["text"] for row in all_documents(corpus)] == ["before", "after"]
    (row,) = rows(corpus.dropped(("reason", "record_bytes", "record")))
    assert row == {"reason": "longer than max_record_bytes", "record_bytes": 200 * 2**20 + 13, "record": "19"}


def test_a_file_above_the_limit_is_set_aside_whole(tmp_path):
    (tmp_path / "a.txt").write_text("x" * 101)
    (tmp_path / "b.txt").write_text("y" * 100)
    recipe = {"sources": [{"name": "s", "path": str(tmp_path), "max_record_bytes": 100}], "steps": [],
              "split": {"validation": 0, "test": 0}}  # fmt: skip
    corpus = build(recipe, tmp_path / "out")
    assert [row["uri"] for row in all_documents(corpus)] == ["b.txt"]


@pytest.mark.parametrize("unit", ["line", "paragraph", "block"])
def test_over_long_lines_of_text_are_set_aside_in_every_unit(tmp_path, unit):
    (tmp_path / "a.txt").write_text("short\n" + "x" * 5000 + "\nshort too\n")
    source = {"name": "s", "path": str(tmp_path / "a.txt"), "unit": unit, "max_record_bytes": 100, "block_bytes": 50}
    corpus = build({"sources": [source], "steps": [], "split": {"validation": 0, "test": 0}}, tmp_path / "out")
    assert [row["text"] for row in all_documents(corpus)] == ["short", "short too"]


def test_a_damaged_compressed_file_keeps_what_was_readable(tmp_path):
    import gzip

    packed = gzip.compress("".join(json.dumps({"text": f"line {n} " * 20}) + "\n" for n in range(3000)).encode(), 1)
    (tmp_path / "a.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    recipe = {"sources": [{"name": "s", "path": str(tmp_path)}], "steps": [], "split": {"validation": 0, "test": 0}}
    corpus = build(recipe, tmp_path / "out")
    assert all_documents(corpus)
    assert [row["reason"] for row in rows(corpus.dropped(("reason",)))] == [
        "cut short: the file ends before its content does"
    ]


def test_invalid_bytes_are_counted_and_noted_as_an_edit(tmp_path):
    (tmp_path / "a.txt").write_bytes("好\n今天天气".encode() + b"\xff\n")
    recipe = {"sources": [{"name": "s", "path": str(tmp_path / "a.txt"), "unit": "line"}], "steps": [],
              "split": {"validation": 0, "test": 0}}  # fmt: skip
    corpus = build(recipe, tmp_path / "out")
    assert corpus.manifest["sources"]["s"]["invalid_records"] == 1
    edits = [row["edits"] for row in all_documents(corpus, ("edits",))]
    assert edits == [None, [{"step": "read", "version": 2, "bytes_before": 14, "bytes_after": 15}]]


def test_nothing_left_is_an_error_that_says_why(tmp_path):
    (tmp_path / "a.txt").write_text(" \n ")
    with pytest.raises(DataError, match=r"no document is left of 1 records read .*empty: 1"):
        build({"sources": [{"name": "s", "path": str(tmp_path / "a.txt")}]}, tmp_path / "out")


def test_an_empty_split_is_an_error_that_says_what_to_do(tmp_path):
    (tmp_path / "a.txt").write_text("one document")
    with pytest.raises(ConfigError, match=r"validation \(asked for: 0\.01\).*unit: block"):
        build({"sources": [{"name": "s", "path": str(tmp_path / "a.txt")}]}, tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_deduplication_comes_last_or_is_refused(recipe, tmp_path):
    recipe["steps"] = ["deduplicate", "normalise"]
    with pytest.raises(ConfigError, match="'deduplicate' needs all documents and must be the last step"):
        build(recipe, tmp_path / "out")


def test_a_whole_recipe_gives_its_corpus_section_and_seed(recipe, tmp_path):
    whole = {"format": "massivetext-recipe/1", "seed": 5, "corpus": recipe, "train": {"steps": 1}}
    assert build(whole, tmp_path / "a").digest == build(recipe, tmp_path / "b", seed=5).digest


def test_a_built_corpus_can_be_named_instead_of_sources(recipe, tmp_path):
    first = build(recipe, tmp_path / "out")
    assert build({"from": str(tmp_path / "out")}, tmp_path / "other").digest == first.digest


def test_a_document_is_found_by_its_id_and_shown_with_its_place(recipe, tmp_path):
    corpus = build(recipe, tmp_path / "out")
    row = next(row for row in all_documents(corpus) if row["source"] == "files")
    found = corpus.find(row["id"][:12])
    assert found["kept"] and found["text"] == row["text"]
    shown = document_text(found)
    assert row["uri"] in shown and "normalise" in shown and row["text"] in shown
    dropped = rows(corpus.dropped())[0]
    assert dropped["reason"] in document_text(corpus.find(dropped["id"]))
    with pytest.raises(DataError, match="no document"):
        corpus.find("0" * 32)
    with pytest.raises(DataError, match="32 hexadecimal digits"):
        corpus.find("not an id")


def test_the_summary_shows_why_records_were_dropped(recipe, tmp_path):
    text = summary_text(summary(build(recipe, tmp_path / "out")))
    assert "deduplicate: exact duplicate" in text and "broken JSON" in text and "validation" in text


def test_one_source_of_a_split_can_be_read_alone(recipe, tmp_path, small_parts):
    corpus = build(recipe, tmp_path / "out")
    for source in corpus.sources:
        found = [row["source"] for row in rows(corpus.documents("train", source, ("source",)))]
        assert set(found) == {source}
        assert len(found) == corpus.manifest["splits"]["train"]["sources"][source]["documents"]


def test_unknown_names_are_errors_that_list_the_known(recipe, tmp_path):
    corpus = build(recipe, tmp_path / "out")
    with pytest.raises(DataError, match="unknown split 'dev'"):
        next(corpus.documents("dev"))
    with pytest.raises(DataError, match="did you mean 'lines'"):
        next(corpus.documents("train", "line"))
    with pytest.raises(DataError, match="did you mean 'text'"):
        next(corpus.documents("train", columns=("txt",)))


def test_a_folder_without_a_corpus_is_an_error(tmp_path):
    with pytest.raises(StoreError, match="no corpus"):
        load_corpus(tmp_path)
    write_json(tmp_path / "manifest.json", {"format": "massivetext-corpus/9"})
    with pytest.raises(StoreError, match="massivetext-corpus/9"):
        load_corpus(tmp_path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sources": [{"name": "a", "path": "x", "fromat": "text"}]}, "did you mean 'format'"),
        ({"sources": [{"name": "a", "path": "x", "format": "jsonll"}]}, "did you mean 'jsonl'"),
        ({"sources": [{"name": "a", "path": "x", "encoding": "utf8x"}]}, "unknown encoding"),
        ({"sources": [{"name": "a b", "path": "x"}]}, "name"),
        ({"sources": [{"name": "a", "path": "x"}] * 2}, "source names must differ; found twice: a"),
        ({}, "found neither sources nor from"),
        ({"from": "x", "sources": [{"name": "a", "path": "x"}]}, "not both"),
        (
            {"sources": [{"name": "a", "path": "x"}], "split": {"test": 0.6, "validation": 0.4}},
            "leave nothing to train",
        ),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        CorpusSettings.parse(values, "corpus")


@pytest.mark.shared
def test_real_english_and_chinese_inputs_go_through(shared, tmp_path):
    sources = [
        {"name": "wiki", "path": str(shared / "wikitext-2" / "valid.txt"), "unit": "block"},
        {"name": "zh", "path": str(shared / "zh" / "cmrc2018_trial.json"), "text_column": "data.paragraphs.context"},
        {"name": "poems", "path": str(shared / "zh" / "tang300.json"), "text_column": "paragraphs"},
        {"name": "web", "path": str(shared / "c4-sample")},
        {"name": "cold", "path": str(shared / "classify" / "coldataset" / "dev.csv"), "text_column": "TEXT"},
    ]
    corpus = build({"sources": sources, "split": {"validation": 0.05, "test": 0.05}}, tmp_path / "out")
    documents = {name: entry["kept"]["documents"] for name, entry in corpus.manifest["sources"].items()}
    assert documents["web"] == 30 and documents["zh"] == 256 and documents["poems"] > 300 and documents["cold"] > 6000
    assert Path(corpus.folder) == tmp_path / "out"


def test_a_source_whose_format_gives_no_text_is_warned_of(tmp_path, capsys):
    (tmp_path / "prose.txt").write_text("Plain words.\n\nMore of them.\n" * 40, encoding="utf-8")
    sources = [
        {"name": "right", "path": str(tmp_path / "prose.txt"), "unit": "line"},
        {"name": "wrong", "path": str(tmp_path / "prose.txt"), "format": "jsonl", "text_column": "text"},
    ]
    steps = ["normalise"]
    build_corpus(
        {"sources": sources, "steps": steps, "split": {"validation": 0, "test": 0}}, tmp_path / "corpus", quiet=True
    )
    said = capsys.readouterr().err
    assert "Warning: source wrong gave no text: 1 file (1,120 bytes), read as jsonl" in said
    assert "source right" not in said


def test_an_input_that_cannot_be_read_is_not_called_an_output(tmp_path, monkeypatch):
    (tmp_path / "prose.txt").write_text("Plain words.\n" * 40, encoding="utf-8")

    def refused(file):
        raise PermissionError(errno.EACCES, "Permission denied", str(file.path))

    monkeypatch.setattr("massivetext.corpus.readers.streams.SourceFile.open", refused)
    recipe = {"sources": [{"name": "s", "path": str(tmp_path / "prose.txt")}], "split": {"validation": 0, "test": 0}}
    with pytest.raises(DataError, match=r"the input .*prose\.txt cannot be read \(Permission denied\)"):
        build_corpus(recipe, tmp_path / "corpus", quiet=True)


def test_an_append_that_was_stopped_before_its_manifest_is_done_by_the_next_one(tmp_path, monkeypatch):
    def texts(name, count):
        rows = [{"text": f"{name} number {n} of the harbour"} for n in range(count)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return {"name": name, "path": str(tmp_path / f"{name}.jsonl")}

    recipe = {"steps": ["normalise"], "split": {"validation": 0, "test": 0}}
    build_corpus({**recipe, "sources": [texts("first", 5)]}, tmp_path / "corpus", quiet=True)
    more = {**recipe, "sources": [texts("more", 4)]}
    real = building.write_state

    def stopped(path, values):
        if path.name == "manifest.json":
            raise KeyboardInterrupt
        real(path, values)

    monkeypatch.setattr(building, "write_state", stopped)
    with pytest.raises(KeyboardInterrupt):
        build_corpus(more, tmp_path / "corpus", quiet=True, append=True)
    monkeypatch.undo()
    corpus = build_corpus(more, tmp_path / "corpus", quiet=True, append=True)
    assert corpus.manifest["splits"]["train"]["documents"] == 9
    assert build_corpus(more, tmp_path / "corpus", quiet=True, append=True).digest == corpus.digest
