"""Sources of fsspec are read where they lie, by every reader, as the same files on disk are."""

import gzip
import json

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from massivetext.corpus import planning
from massivetext.corpus.building import build_corpus
from massivetext.corpus.readers.finding import input_files
from massivetext.corpus.settings import SourceSettings
from massivetext.errors import ConfigError, DataError

LINES = [json.dumps({"text": f"line {number} 行"}).encode() + b"\n" for number in range(50)]
FILES = {
    "a.txt": "A file of text, 一个文本文件。".encode(),
    "deep/b.jsonl.gz": gzip.compress(
        b"".join(json.dumps({"text": f"line {n} 行"}).encode() + b"\n" for n in range(50))
    ),
    "deep/.hidden.txt": b"not read",
    "c.jsonl": b"".join(json.dumps({"text": f"other {n} 别的"}).encode() + b"\n" for n in range(400)),
    "notes.unknown": b"?",
}


@pytest.fixture
def bucket(tmp_path):
    system = fsspec.filesystem("memory")
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"text": ["of a table", "表格里的"]}), sink)
    for name, data in {**FILES, "d.parquet": sink.getvalue().to_pybytes()}.items():
        system.pipe(f"/bucket/{name}", data)
        (tmp_path / "disk" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "disk" / name).write_bytes(data)
    yield "memory://bucket"
    system.rm("/bucket", recursive=True)


def build(path, folder, threads):
    recipe = {
        "sources": [{"name": "s", "path": path}],
        "steps": ["normalise", {"deduplicate": {}}],
        "split": {"validation": 0, "test": 0},
    }
    return build_corpus(recipe, folder, quiet=True, threads=threads)


def test_a_folder_elsewhere_gives_the_corpus_of_the_same_folder_here(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "PART_BYTES", 4000)
    # Files in fsspec's memory are one stream for all who open them, so only one thread may read there.
    there, here = build(bucket, tmp_path / "there", 1), build(str(tmp_path / "disk"), tmp_path / "here", 2)
    by_url = build(f"file://{tmp_path}/disk", tmp_path / "by_url", 2)
    assert there.digest == here.digest == by_url.digest
    assert there.manifest["sources"] == here.manifest["sources"] == by_url.manifest["sources"]
    assert there.manifest["sources"]["s"]["kept"]["documents"] == 453


def test_a_pattern_and_a_file_elsewhere(bucket):
    def uris(path, **values):
        return [file.uri for file in input_files(SourceSettings(name="s", path=path, **values))]

    assert uris(f"{bucket}/*.jsonl") == ["c.jsonl"]
    assert uris(f"{bucket}/**/*.gz") == ["deep/b.jsonl.gz"]
    assert uris(f"{bucket}/a.txt") == ["a.txt"]
    assert uris(f"{bucket}/notes.unknown", format="text") == ["notes.unknown"]
    assert uris([f"{bucket}/a.txt", f"{bucket}/c.jsonl"]) == ["a.txt", "c.jsonl"]


def test_what_is_not_there_or_cannot_be_opened_is_said(bucket):
    with pytest.raises(DataError, match="nothing at memory://bucket/nothing"):
        input_files(SourceSettings(name="s", path=f"{bucket}/nothing"))
    with pytest.raises(ConfigError, match="cannot be opened"):
        input_files(SourceSettings(name="s", path="nosuch://bucket/x"))
    with pytest.raises(DataError, match="no file at"):
        input_files(SourceSettings(name="s", path=f"{bucket}/*.none"))


def test_a_changed_file_elsewhere_is_another_input(bucket):
    source = SourceSettings(name="s", path=f"{bucket}/a.txt")
    (before,) = input_files(source)
    fsspec.filesystem("memory").pipe("/bucket/a.txt", b"Another text.")
    (after,) = input_files(source)
    assert (before.size, before.changed_ns) != (after.size, after.changed_ns)
