"""`where` takes one source's records out of files that several share, as the Pile's."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from corpus.readers.reading import read

from massivetext.corpus.settings import SourceSettings
from massivetext.errors import ConfigError

ROWS = [
    {"text": "page", "meta": {"pile_set_name": "Pile-CC"}},
    {"text": "paper", "meta": {"pile_set_name": "ArXiv"}},
    {"text": "code", "meta": {"pile_set_name": "Github"}},
]


@pytest.mark.parametrize(("wanted", "found"), [("ArXiv", ["paper"]), (["ArXiv", "Github"], ["paper", "code"])])
def test_a_component_of_the_pile_is_a_source(tmp_path, wanted, found):
    lines = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    (tmp_path / "00.jsonl.zst").write_bytes(zstandard.ZstdCompressor().compress(lines))
    records = read(tmp_path, where={"meta.pile_set_name": wanted})
    assert [record.text for record in records] == found
    assert json.loads(records[0].fields.meta) == {"meta.pile_set_name": "ArXiv"}


def test_rows_of_tables_are_told_apart_too(tmp_path):
    (tmp_path / "a.csv").write_text("text,kind\none,x\ntwo,y\n")
    pq.write_table(pa.table({"text": ["three", "four"], "kind": ["x", "y"]}), tmp_path / "b.parquet")
    assert [record.text for record in read(tmp_path, where={"kind": "y"})] == ["two", "four"]


def test_true_is_not_one(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a", "n": 1}\n{"text": "b", "n": true}\n')
    assert [record.text for record in read(tmp_path, where={"n": 1})] == ["a"]


def test_a_value_that_is_no_scalar_is_refused():
    with pytest.raises(ConfigError, match="where"):
        SourceSettings.parse({"name": "a", "path": "x", "where": {"a": {"b": 1}}}, "source")
