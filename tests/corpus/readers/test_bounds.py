"""Files that ask for more than they hold: headers that lie, bombs, names that are not UTF-8."""

import gzip
import io
import os
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from massivetext.corpus.building import build_corpus
from massivetext.corpus.readers import parquet_bounds
from massivetext.corpus.readers.finding import input_files
from massivetext.corpus.readers.records import make_reader
from massivetext.corpus.readers.streams import portable_name
from massivetext.corpus.settings import SourceSettings
from massivetext.errors import BadDocument, DataError


def read(path, **values):
    """Return the records of a file, and why it could not be read to its end."""
    source = SourceSettings(name="s", path=str(path), **values)
    (file,) = input_files(source)
    reader = make_reader(file.format, source)
    reader.check([file])
    records, reason = [], ""
    try:
        for piece in reader.pieces(file, 2**40):
            for record in reader.read(piece):
                records.append(record)
    except BadDocument as error:
        reason = str(error)
    return records, reason


def member(name, data):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as opened:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        opened.addfile(entry, io.BytesIO(data))
    return archive.getvalue()[: 512 + -(-len(data) // 512) * 512]


def header(size, kind=tarfile.REGTYPE):
    """Return a member's header that claims a size, in base 256 as GNU tar writes large ones."""
    entry = tarfile.TarInfo("lies.txt")
    entry.type = kind
    block = bytearray(entry.tobuf(tarfile.GNU_FORMAT)[:512])
    block[124:136] = bytes([0x80]) + size.to_bytes(11, "big")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def note(text):
    return header(len(text), tarfile.XHDTYPE) + text.ljust(512, b"\0")


GOOD = member("good.txt", "一篇短文\n".encode())
LIES = {
    "a size beyond the file": header(2**80) + bytes(4096),
    "a little more than there is": header(10**6) + b"x" * 512,
    "less than there is": header(100) + b"x" * 4096,
    "a long name without end": header(2**60, tarfile.GNUTYPE_LONGNAME) + bytes(4096),
    "a note with a size beyond the file": note(b"25 size=9999999999999999\n") + header(3) + b"abc".ljust(512, b"\0"),
    "a note with a size below 0": note(b"12 size=-99\n") + header(3) + b"abc".ljust(512, b"\0"),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("lie", LIES)
def test_a_tar_file_whose_header_lies_gives_what_stands_before_and_says_that_it_is_damaged(tmp_path, lie, packed):
    path = tmp_path / ("a.tar.gz" if packed else "a.tar")
    raw = GOOD + LIES[lie] + GOOD + bytes(1024)
    path.write_bytes(gzip.compress(raw) if packed else raw)
    records, reason = read(path)
    assert records[0].text == "一篇短文\n"
    assert "damaged" in reason or any("damaged" in record.bad for record in records)


def test_members_of_one_name_are_told_apart_in_linear_time(tmp_path):
    (tmp_path / "a.tar").write_bytes(member("a.txt", b"a") * 3000 + bytes(1024))
    records, reason = read(tmp_path / "a.tar")
    assert reason == "" and len({record.member for record in records}) == len(records) == 3000
    assert [record.member for record in records[:3]] == ["a.txt", "a.txt#2", "a.txt#3"]


def bomb(characters, rows):
    """Return a column in which one long string stands in every row: a few hundred bytes of Parquet."""
    return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["长" * (characters // 3)]))


@pytest.mark.parametrize("column", ["text", "note"])
def test_a_parquet_file_of_a_few_kilobytes_expands_to_no_more_than_allowed(tmp_path, column, monkeypatch):
    most = []
    original = pq.ParquetFile.iter_batches

    def watched(self, *arguments, **options):
        for batch in original(self, *arguments, **options):
            most.append(batch.nbytes)
            yield batch

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", watched)
    columns = {"text": pa.array([f"text {row}" for row in range(1000)]), column: bomb(9_000_000, 1000)}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet", compression="zstd")
    assert (tmp_path / "a.parquet").stat().st_size < 20_000
    records, reason = read(tmp_path / "a.parquet")
    assert 0 < len(records) < 100 and "max_expansion" in reason
    assert max(most) <= parquet_bounds.BATCH_BYTES + 10_000_000


def test_a_parquet_column_of_nulls_without_end_is_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr("massivetext.corpus.readers.streams.ALWAYS_ALLOWED_BYTES", 2**16)
    pq.write_table(pa.table({"text": pa.nulls(1_000_000, pa.string())}), tmp_path / "a.parquet")
    records, reason = read(tmp_path / "a.parquet", max_expansion=1)
    assert len(records) <= 2**16 / 8 and "max_expansion" in reason


def test_a_parquet_file_of_ordinary_texts_is_read_in_full_batches(tmp_path):
    pq.write_table(pa.table({"text": ["一篇短文", "a short text"] * 2000}), tmp_path / "a.parquet")
    records, reason = read(tmp_path / "a.parquet")
    assert (len(records), reason) == (4000, "")
    with open(tmp_path / "a.parquet", "rb") as stream:
        (file,) = input_files(SourceSettings(name="s", path=str(tmp_path / "a.parquet")))
        rows = parquet_bounds.rows_at_once(stream, pq.read_metadata(stream), 0, ["text"], file.new_budget())
    assert rows == parquet_bounds.BATCH_ROWS


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("plain.txt", "plain.txt"),
        ("咖啡.txt", "咖啡.txt"),
        ("a\\b.txt", "a\\b.txt"),
        ("caf\udce9.txt", "caf\\xe9.txt"),
        ("caf\\xe9.txt", "caf\\x5cxe9.txt"),
    ],
)
def test_a_name_that_is_not_utf8_has_a_stored_form_of_its_own(name, stored):
    assert portable_name(name) == stored


def test_files_and_members_whose_names_are_not_utf8_are_read_and_named(tmp_path):
    folder = os.fsencode(tmp_path) + b"/d\xe9"
    os.mkdir(folder)
    for name, text in (
        (b"caf\xe9.txt", "one text"),
        (b"caf\xe8.txt", "another text"),
        ("咖啡.txt".encode(), "一篇短文"),
    ):
        with open(folder + b"/" + name, "w") as stream:
            stream.write(f"{text}\n")
    with open(folder + b"/a\xe9.tar", "wb") as stream:
        stream.write(member("m\udce9.txt", b"a member\n") + bytes(1024))
    recipe = {
        "sources": [{"name": "s", "path": os.fsdecode(folder)}],
        "split": {"validation": 0, "test": 0},
    }
    corpus = build_corpus(recipe, tmp_path / "out", quiet=True)
    uris = [row["uri"] for batch in corpus.documents("train", columns=["uri"]) for row in batch.to_pylist()]
    assert sorted(uris) == ["a\\xe9.tar!m\\xe9.txt", "caf\\xe8.txt", "caf\\xe9.txt", "咖啡.txt"]


def test_messages_about_names_that_are_not_utf8_can_be_printed(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.parquet")
    with open(path, "wb") as stream:
        stream.write(b"no Parquet file")
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value).isascii() and "caf\\udce9.parquet is no readable Parquet file" in str(caught.value)
