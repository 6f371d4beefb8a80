"""CSV and TSV: delimiters are inferred, a stray quotation mark costs one record, and costs no time."""

import gzip
import json
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus.readers.reading import read
from corpus_rows import kept

from massivetext.corpus.building import build_corpus
from massivetext.corpus.readers import csv_file
from massivetext.corpus.readers.csv_file import MISQUOTED, OTHER_COUNT, UNCLOSED, CsvReader
from massivetext.corpus.readers.records import TOO_LONG
from massivetext.corpus.settings import SourceSettings
from massivetext.errors import ConfigError, DataError

ENGLISH = "The old man, who was tired, went to the river; the boy did not."
CHINESE = "老人每天去河边；孩子替他拿着渔网，他们谈论天气｜天气很好。"


def texts(path, **values):
    return [record.text for record in read(path, **values)]


def write(path, rows, delimiter, quote='"', encoding="utf-8"):
    cells = [[f"{quote}{cell}{quote}" if set(cell) & set(',;|"\t') else cell for cell in row] for row in rows]
    path.write_bytes("".join(delimiter.join(row) + "\r\n" for row in cells).encode(encoding))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("suffix", ["csv", "tsv"])
@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t"])
def test_the_delimiter_is_inferred(tmp_path, delimiter, suffix, encoding):
    quote = "" if delimiter == "\t" and suffix == "tsv" else '"'
    write(tmp_path / f"a.{suffix}", [("编号", "正文"), ("1", ENGLISH), ("2", CHINESE)], delimiter, quote, encoding)
    assert texts(tmp_path) == [ENGLISH, CHINESE]


def test_the_wanted_column_decides_between_delimiters(tmp_path):
    (tmp_path / "a.csv").write_text("id,x;name,y;text,z\n1,2;3,4;5,6\n")
    assert texts(tmp_path, text_column="text,z") == ["5,6"]


def test_a_table_of_one_column_keeps_its_quoted_commas(tmp_path):
    (tmp_path / "a.csv").write_text(f'text\n"{ENGLISH}"\n')
    assert texts(tmp_path) == [ENGLISH]


def test_delimiter_and_quote_can_be_given(tmp_path):
    (tmp_path / "a.csv").write_text("id~text\n1~'a~b, c'\n")
    assert texts(tmp_path, delimiter="~", quote="'") == ["a~b, c"]


def test_an_empty_quote_makes_quotation_marks_text(tmp_path):
    (tmp_path / "a.csv").write_text('id,text\n1,"a"\n')
    assert texts(tmp_path, quote="") == ['"a"']


@pytest.mark.parametrize("values", [{"delimiter": ",", "quote": ","}, {"delimiter": "\n"}, {"delimiter": ""}])
def test_impossible_marks_are_refused(values):
    with pytest.raises(ConfigError, match="delimiter"):
        SourceSettings.parse({"name": "a", "path": "b", **values}, "corpus.sources")


def test_quotation_marks_in_tsv_are_text(tmp_path):
    rows = [f"{number}\tsentence {number}" for number in range(100)]
    rows[10], rows[50] = '10\t"unbalanced', '50\the said "fine" and left'
    (tmp_path / "a.tsv").write_text("\n".join(["id\ttext", *rows]))
    assert texts(tmp_path) == [row.split("\t")[1] for row in rows]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("stray", "reason"),
    [
        ('50,"never closed', UNCLOSED),
        ('50,"one "word" in it"', MISQUOTED),
        ('50,"closed" and more', MISQUOTED),
        ("50,a,b", OTHER_COUNT),
        ('50,"a","b', UNCLOSED),
    ],
)
def test_a_stray_quotation_mark_costs_one_record(tmp_path, stray, reason, packed):
    rows = [
        f'{number},"句子 {number}, sentence"' if number % 2 else f"{number},plain {number}" for number in range(100)
    ]
    rows[50] = stray
    data = "\n".join(["id,text", *(row for row in rows)]).encode()
    if reason == UNCLOSED:
        data = data.replace(b'"', b"").replace(stray.replace('"', "").encode(), stray.encode())
        data = data.replace(b", sentence", b"")
    (tmp_path / ("a.csv.gz" if packed else "a.csv")).write_bytes(gzip.compress(data) if packed else data)
    records = read(tmp_path)
    assert [record.bad for record in records if record.bad] == [reason]
    assert len(records) == 100 and records[50].bad == reason
    assert records[49].text and records[51].text.startswith("句子 51")


def test_a_stray_quotation_mark_in_a_fully_quoted_table_costs_one_record(tmp_path):
    rows = [f'"{number}","text {number}"' for number in range(50)]
    rows[20] = '"20","text 20'
    (tmp_path / "a.csv").write_text("\n".join(['"id","text"', *rows]))
    records = read(tmp_path)
    assert [record.bad for record in records if record.bad] == [MISQUOTED]
    assert [record.text for record in records if not record.bad] == [f"text {n}" for n in range(50) if n != 20]


def test_a_cell_of_many_lines_is_one_text(tmp_path):
    text = '第一行，\n\n第二行, "引用"\n' * 500
    (tmp_path / "a.csv").write_text('id,text\n1,"{}"\n2,b\n'.format(text.replace('"', '""')))
    assert texts(tmp_path) == [text, "b"]


def test_a_row_longer_than_allowed_costs_no_other(tmp_path):
    (tmp_path / "a.csv").write_text(f"id,text\n1,{'x' * 200}\n2,b\n")
    records = read(tmp_path, max_record_bytes=100)
    assert [(record.bad, record.text) for record in records] == [(TOO_LONG, ""), ("", "b")]


def test_rows_before_the_damage_of_a_packed_file_are_kept(tmp_path):
    data = gzip.compress(("id,text\n" + "".join(f"{n},sentence {n}\n" for n in range(5000))).encode())
    (tmp_path / "a.csv.gz").write_bytes(data[: len(data) // 2])
    records = read(tmp_path)
    assert records[100].text == "sentence 100" and "cut short" in records[-1].bad


@pytest.mark.parametrize(
    "line", ['1,"a\n', 'a","\n', '"\n', '""\n', '1,""a\n', '1,"a"b\n', "1,a\n", '1,"a,\n"",b\n', "\"'\n"]
)
def test_time_grows_linearly_with_rows_of_stray_quotation_marks(tmp_path, monkeypatch, line):
    monkeypatch.setattr(csv_file, "LINES_READ_TWICE", 2**10)
    assert growth(tmp_path, "", line, 1000) < 9


def test_one_stray_quotation_mark_before_many_rows_costs_linear_time(tmp_path):
    assert growth(tmp_path, '1,"stray\n', "2,plain\n", 2000) < 9


def growth(folder, head, line, count):
    """Return how many times longer four times as many rows take."""

    def cost(rows):
        path = folder / "a.csv"
        path.write_text(f"id,text\n{head}{line * rows}")
        began = time.process_time()
        assert len(read(path)) >= 1
        return time.process_time() - began

    cost(10)
    return min(cost(4 * count) for _ in range(3)) / max(min(cost(count) for _ in range(3)), 0.005)


def test_log_and_manifest_say_what_was_chosen(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    write(tmp_path / "in/a.csv", [("id", "text"), ("1", ENGLISH), ("2", CHINESE)], ";")
    write(tmp_path / "in/b.tsv", [("id", "text"), ("1", "另一篇"), ("2", "b")], "\t")
    source = {"name": "s", "path": str(tmp_path / "in")}
    recipe = {"sources": [source], "steps": [], "split": {"validation": 0, "test": 0}}
    corpus = build_corpus(recipe, tmp_path / "out")
    assert corpus.manifest["sources"]["s"]["tables"] == [
        {"delimiter": "\t", "quote": "", "files": 1},
        {"delimiter": ";", "quote": '"', "files": 1},
    ]
    assert "delimiter ';', quotation mark \"" in capsys.readouterr().err
    assert {row["text"] for row in kept(corpus)} == {ENGLISH, CHINESE, "另一篇", "b"}


def test_no_table_says_nothing():
    assert CsvReader(SourceSettings(name="a", path="b")).choices() == []


NESTED = [
    {"id": 1, "doc": {"text": "老人每天去河边。", "lang": "zh"}, "tags": ["a", "b"],
     "messages": [{"role": "user", "content": "你好吗？"}, {"role": "bot", "content": "我很好。"}]},
    {"id": 2, "doc": {"text": "The old man.", "lang": "en"}, "tags": [],
     "messages": [{"role": "user", "content": "Hi"}]},
]  # fmt: skip


@pytest.fixture(params=["jsonl", "parquet"])
def nested(tmp_path, request):
    if request.param == "jsonl":
        (tmp_path / "a.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in NESTED))
    else:
        pq.write_table(pa.Table.from_pylist(NESTED), tmp_path / "a.parquet")
    return tmp_path


def test_a_nested_column_is_the_text_and_the_fields_beside_it_are_kept(nested):
    records = read(nested, text_column="doc.text")
    assert [record.text for record in records] == ["老人每天去河边。", "The old man."]
    assert [json.loads(record.fields.meta) for record in records] == [
        {"id": 1, "doc.lang": "zh"},
        {"id": 2, "doc.lang": "en"},
    ]


def test_a_list_of_strings_is_a_text_of_lines_and_an_empty_one_is_empty(nested):
    records = read(nested, text_column="tags")
    assert [(record.text, record.bad) for record in records] == [("a\nb", ""), ("", "empty")]
    assert json.loads(records[0].fields.meta)["doc.lang"] == "zh"


def test_a_path_may_lead_through_lists(nested):
    assert texts(nested, text_column="messages.content") == ["你好吗？\n我很好。", "Hi"]


def test_a_nested_field_selects_records(nested):
    assert texts(nested, text_column="messages.content", where={"doc.lang": "zh"}) == ["你好吗？\n我很好。"]


@pytest.mark.parametrize("wanted", [None, "doc.body", "content"])
def test_the_error_names_the_nested_paths(nested, wanted):
    with pytest.raises(DataError, match=r"doc\.lang.*doc\.text.*messages\.content"):
        read(nested, text_column=wanted)


def test_a_parquet_column_text_of_lists_is_found(tmp_path):
    pq.write_table(pa.table({"text": [["第一行", "second"], ["c"], None]}), tmp_path / "a.parquet")
    assert [(record.text, record.bad) for record in read(tmp_path)] == [
        ("第一行\nsecond", ""),
        ("c", ""),
        ("", "empty"),
    ]
