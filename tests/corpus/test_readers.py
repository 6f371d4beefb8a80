"""Each format gives its records with place, size and digest, and sets aside what it cannot read."""

import bz2
import gzip
import json
import lzma

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext.corpus.readers.finding import input_files
from massivetext.corpus.readers.records import digest, make_reader
from massivetext.corpus.settings import SourceSettings
from massivetext.errors import ConfigError, DataError

ROWS = [{"text": "first", "label": 1}, {"text": "第二", "label": 2}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()


def read(path, piece_bytes=2**40, **values):
    source = SourceSettings(name="s", path=str(path), **values)
    files = input_files(source)
    records = []
    readers = {name: make_reader(name, source) for name in {file.format for file in files}}
    for name, reader in readers.items():
        reader.check([file for file in files if file.format == name])
    for file in files:
        for piece in readers[file.format].pieces(file, piece_bytes):
            records += readers[file.format].read(piece)
    return records


def texts(path, **values):
    return [record.text for record in read(path, **values)]


def test_a_text_file_is_one_document(tmp_path):
    (tmp_path / "a.txt").write_bytes("one\n\n二\n".encode())
    (record,) = read(tmp_path)
    assert (record.text, record.place, record.raw_bytes) == ("one\n\n二\n", "0", 9)
    assert record.raw_digest == digest("one\n\n二\n".encode())


def test_lines_are_documents_with_their_byte_offset(tmp_path):
    (tmp_path / "a.txt").write_bytes("一\ntwo\nlast".encode())
    assert [(record.place, record.text) for record in read(tmp_path, unit="line")] == [
        ("0", "一"),
        ("4", "two"),
        ("8", "last"),
    ]


def test_paragraphs_are_parted_by_blank_lines(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\n\na\nb\n \t\n\nc\n")
    assert texts(tmp_path, unit="paragraph") == ["a\nb", "c"]


def test_blocks_join_paragraphs_up_to_their_size(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"aa\n\nbb\n\ncccc\n")
    assert texts(tmp_path, unit="block", block_bytes=8) == ["aa\n\nbb", "cccc"]
    assert texts(tmp_path, unit="block", block_bytes=7) == ["aa", "bb", "cccc"]


def test_a_paragraph_larger_than_a_block_is_cut_at_its_lines(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"aaaa\nbbbb\ncccc\n")
    assert texts(tmp_path, unit="block", block_bytes=10) == ["aaaa\nbbbb", "cccc"]
    assert texts(tmp_path, unit="block", block_bytes=9) == ["aaaa", "bbbb", "cccc"]


def test_a_line_larger_than_a_block_is_a_block(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"aaaaaaaaaaaa\nb\n")
    assert texts(tmp_path, unit="block", block_bytes=4) == ["aaaaaaaaaaaa", "b"]


def filled_lines(records):
    return [line for record in records for line in record.text.split("\n") if line.strip()]


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(st.text(alphabet="ab 汉\t", max_size=12), max_size=40),
    unit=st.sampled_from(["line", "paragraph", "block"]),
)
def test_no_filled_line_is_lost_wherever_a_file_is_cut(tmp_path_factory, lines, unit):
    path = tmp_path_factory.mktemp("cut") / "a.txt"
    path.write_bytes("\n".join(lines).encode())
    whole = read(path, unit=unit, block_bytes=16)
    for piece_bytes in (1, 7, 30):
        pieces = read(path, piece_bytes, unit=unit, block_bytes=16)
        assert filled_lines(pieces) == filled_lines(whole) == [line for line in lines if line.strip()]
        if unit != "block":
            assert pieces == whole
        data = path.read_bytes()
        for record in pieces:
            start = int(record.place)
            assert record.raw_digest == digest(data[start : start + record.raw_bytes])


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [
        ("", bytes),
        (".gz", gzip.compress),
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
        (".zst", zstandard.ZstdCompressor().compress),
    ],
)
def test_json_lines_are_read_plain_and_compressed(tmp_path, suffix, pack):
    (tmp_path / f"a.jsonl{suffix}").write_bytes(pack(LINES))
    records = read(tmp_path)
    assert [(record.text, record.place) for record in records] == [
        ("first", "0"),
        ("第二", str(len(json.dumps(ROWS[0])) + 1)),
    ]
    assert json.loads(records[0].fields.meta) == {"label": 1}


def test_concatenated_zst_and_gz_members_are_read_to_the_end(tmp_path):
    pack = zstandard.ZstdCompressor().compress
    (tmp_path / "a.jsonl.zst").write_bytes(pack(LINES) + pack(LINES))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(LINES) + gzip.compress(LINES))
    assert texts(tmp_path) == ["first", "第二"] * 4


def test_broken_json_lines_are_set_aside_and_the_rest_goes_on(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "a"}\n{"text": \n[1]\n{"x": 1}\n{"text": 3}\n\n{"text": "b"}')
    records = read(tmp_path)
    assert [record.bad for record in records] == [
        "",
        "broken JSON",
        "not a JSON object",
        "no key 'text'",
        "the text is int, not a string",
        "",
    ]
    assert records[-1].text == "b"


def test_a_dotted_key_leads_into_nested_objects(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"doc": {"body": ["a", "b"]}}\n')
    assert texts(tmp_path, text_column="doc.body") == ["a\nb"]


def test_lone_surrogates_in_json_become_replacement_characters(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "a\\ud800b \\ud83d\\ude00"}\n')
    assert texts(tmp_path) == ["a\ufffdb \U0001f600"]


def test_named_fields_get_their_own_columns(tmp_path):
    row = {"text": "a", "url": "http://x", "language": "zh", "license": "MIT", "created_at": "2020", "nested": [1]}
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    assert read(tmp_path)[0].fields == ("zh", "MIT", "http://x", "2020", None)


def test_a_json_array_gives_an_object_each(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(ROWS))
    assert [(record.text, record.place) for record in read(tmp_path)] == [("first", "0"), ("第二", "1")]


def test_a_path_goes_through_arrays_and_joins_strings_at_its_end(tmp_path):
    value = {"data": [{"paragraphs": [{"context": "a"}, {"context": "b"}]}, {"paragraphs": [{"context": ["c", "d"]}]}]}
    (tmp_path / "a.json").write_text(json.dumps(value))
    records = read(tmp_path, text_column="data.paragraphs.context")
    assert [(record.text, record.place) for record in records] == [("a", "0:0"), ("b", "0:1"), ("c\nd", "1:0")]


def test_json_lines_under_the_name_json_are_seen(tmp_path):
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(LINES))
    assert texts(tmp_path) == ["first", "第二"]


def test_csv_cells_may_hold_line_feeds_and_quotes(tmp_path):
    (tmp_path / "a.csv").write_bytes('\ufeffid,text\n1,"a\n""b"""\n2,汉\n'.encode())
    records = read(tmp_path)
    assert [(record.text, record.place) for record in records] == [('a\n"b"', "11"), ("汉", "23")]
    assert json.loads(records[0].fields.meta) == {"id": "1"}


def test_tsv_is_parted_by_tabs(tmp_path):
    (tmp_path / "a.tsv").write_text("text\tn\na, b\t1\n")
    assert texts(tmp_path) == ["a, b"]


def test_a_csv_row_of_another_length_is_set_aside(tmp_path):
    (tmp_path / "a.csv").write_text("text,n\na,1\nb\nc,3\n")
    assert [record.bad for record in read(tmp_path)] == ["", "another number of cells than the header", ""]


def test_the_only_column_of_strings_is_the_text(tmp_path):
    (tmp_path / "a.csv").write_text("n,review\n1,good\n2,bad\n")
    assert texts(tmp_path) == ["good", "bad"]


def test_parquet_rows_are_named_by_row_group_and_row(tmp_path):
    table = pa.table({"text": ["a", None, "c"], "n": [1, 2, 3]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    records = read(tmp_path, piece_bytes=1)
    assert [(record.place, record.text, record.bad) for record in records] == [
        ("0:0", "a", ""),
        ("0:1", "", "empty"),
        ("1:0", "c", ""),
    ]


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "parquet"])
def test_a_text_column_that_is_not_there_is_an_error_that_names_those_that_are(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.table({"body": ["a"], "title": ["b"]}), path)
    elif suffix == "csv":
        path.write_text("body,title\na,b\n")
    else:
        rows = [{"body": "a", "title": "b"}, {"body": "a", "title": "b"}]
        path.write_text(json.dumps(rows) if suffix == "json" else "\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match=r"(?s)'?content'?.*body.*title"):
        read(path, text_column="content")
    with pytest.raises(DataError, match=r"(?s)no column 'text'.*body.*title"):
        read(path)


def test_fortunes_are_parted_by_percent_lines_and_lose_their_colours(tmp_path):
    (tmp_path / "tang").write_bytes("\x1b[32m《静夜思》\x1b[m\n床前明月光\n%\n二\n%\n".encode())
    (tmp_path / "tang.dat").write_bytes(b"\0\1")
    assert texts(tmp_path, format="fortunes") == ["《静夜思》\n床前明月光\n", "二\n"]


def test_a_missing_file_is_an_error_that_says_where_it_looked(tmp_path):
    with pytest.raises(DataError, match=r"nothing at .*nowhere\.txt.*check the path"):
        read(tmp_path / "nowhere.txt")


def test_a_folder_without_text_is_an_error_that_says_what_is_there(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    (tmp_path / "b.png").write_bytes(b"\x89PNG")
    with pytest.raises(DataError, match=r"2 with \.png.*set format"):
        read(tmp_path)


def test_a_file_whose_suffix_tells_nothing_needs_its_format(tmp_path):
    (tmp_path / "notes").write_text("a")
    with pytest.raises(ConfigError, match="set format to one of: text, jsonl"):
        read(tmp_path / "notes")
    assert texts(tmp_path / "notes", format="text") == ["a"]


def test_an_unknown_root_is_an_error_that_names_the_nearest():
    with pytest.raises(ConfigError, match=r"did you mean 'packages'\? Allowed: fortunes, man_zh, packages, stdlib"):
        read("{package}/numpy")


def test_files_come_in_ascending_order_without_hidden_ones(tmp_path):
    for name in ("b.txt", "a/z.txt", "a/b.txt", ".hidden/x.txt", ".x.txt", "a-b.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert texts(tmp_path) == ["a-b.txt", "a/b.txt", "a/z.txt", "b.txt"]


def test_a_glob_and_a_list_keep_uris_relative_to_their_common_root(tmp_path):
    for name in ("x/1.txt", "y/1.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(name)
    listed = SourceSettings(name="s", path=(str(tmp_path / "x"), str(tmp_path / "y" / "*.txt")))
    assert [file.uri for file in input_files(listed)] == ["x/1.txt", "y/1.txt"]
    assert [file.uri for file in input_files(SourceSettings(name="s", path=str(tmp_path / "*/1.txt")))] == [
        "x/1.txt",
        "y/1.txt",
    ]


def test_invalid_utf8_becomes_replacement_characters(tmp_path):
    (tmp_path / "a.txt").write_bytes("汉字和英文".encode() + b"\xff\xe4\xb8b")
    (record,) = read(tmp_path)
    assert (record.text, record.invalid) == ("汉字和英文\ufffd\ufffdb", True)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("unit", ["file", "line"])
def test_a_byte_order_mark_decides_the_encoding(tmp_path, encoding, unit):
    (tmp_path / "a.txt").write_bytes("汉字\n第二行\n".encode(encoding))
    assert "\n".join(texts(tmp_path, unit=unit)).strip() == "汉字\n第二行"


def test_another_encoding_can_be_named(tmp_path):
    (tmp_path / "a.txt").write_bytes("汉字".encode("gb18030"))
    assert texts(tmp_path, encoding="gb18030") == ["汉字"]
    assert texts(tmp_path, encoding="cp1252") == ["ºº×Ö"]
