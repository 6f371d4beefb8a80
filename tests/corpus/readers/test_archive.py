"""Archives: members named in the uri, nested, within limits; what cannot be read is listed and the rest goes on."""

import gzip
import io
import json
import lzma
import tarfile
import zipfile

import pytest
from corpus.readers.reading import read

from massivetext.corpus.readers.archive import MAX_DEPTH
from massivetext.corpus.readers.records import UNREAD


def tar_of(members, mode="w"):
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode=mode) as archive:
        for name, data in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return held.getvalue()


def zip_of(members, method=zipfile.ZIP_DEFLATED):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return held.getvalue()


MEMBERS = [("a.txt", b"first"), ("d/b.txt", "第二".encode()), ("c.jsonl", b'{"text": "x", "n": 1}\n{"text": "y"}\n')]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.zip", zip_of(MEMBERS)),
        ("a.zip", zip_of(MEMBERS, zipfile.ZIP_LZMA)),
        ("a.tar", tar_of(MEMBERS)),
        ("a.tar.gz", tar_of(MEMBERS, "w:gz")),
        ("a.tgz", tar_of(MEMBERS, "w:gz")),
        ("a.tar.bz2", tar_of(MEMBERS, "w:bz2")),
        ("a.tar.xz", tar_of(MEMBERS, "w:xz")),
        ("a.zip.gz", gzip.compress(zip_of(MEMBERS))),
    ],
)
def test_members_are_read_by_the_reader_of_their_format(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    found = [(record.member, record.place, record.text) for record in read(tmp_path)]
    assert found == [("a.txt", "0", "first"), ("d/b.txt", "0", "第二"), ("c.jsonl", "0", "x"), ("c.jsonl", "22", "y")]


def test_openwebtext_is_tars_in_xz_files_in_a_tar_in_an_xz_file(tmp_path):
    inner = lzma.compress(tar_of([("0000001-ab.txt", b"page")]))
    outer = tar_of([("openwebtext/urlsf_subset00-1_data.xz", inner)], "w:xz")
    (tmp_path / "openwebtext.tar.xz").write_bytes(outer)
    (record,) = read(tmp_path)
    assert (record.member, record.text) == ("openwebtext/urlsf_subset00-1_data.xz!0000001-ab.txt", "page")


def test_a_format_that_is_named_is_that_of_the_members(tmp_path):
    (tmp_path / "src.zip").write_bytes(zip_of([("p/a.py", b"x = 1\n"), ("p/readme.txt", b"no code")]))
    (record,) = read(tmp_path / "src.zip", format="code")
    assert (record.member, json.loads(record.fields.meta)) == ("p/a.py", {"programming_language": "Python"})


@pytest.mark.parametrize("name", ["../../etc/a.txt", "/etc/a.txt", "a/../../b.txt"])
@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_a_member_that_points_out_of_the_archive_is_listed_and_not_written(tmp_path, name, pack):
    suffix = "tar" if pack is tar_of else "zip"
    (tmp_path / f"a.{suffix}").write_bytes(pack([(name, b"bad"), ("good.txt", b"good")]))
    bad, good = read(tmp_path)
    assert (bad.bad, bad.member, good.text) == ("unsafe member name", name, "good")
    assert [path.name for path in tmp_path.rglob("*")] == [f"a.{suffix}"]


def test_two_members_of_one_name_are_told_apart(tmp_path):
    (tmp_path / "a.tar").write_bytes(tar_of([("a.txt", b"one"), ("a.txt", b"two")]))
    assert [(record.member, record.text) for record in read(tmp_path)] == [("a.txt", "one"), ("a.txt#2", "two")]


@pytest.mark.parametrize(("depth", "read_well"), [(MAX_DEPTH, True), (MAX_DEPTH + 1, False)])
def test_archives_are_opened_to_a_depth(tmp_path, depth, read_well):
    data = b"deep"
    name = "a.txt"
    for level in range(depth):
        data, name = zip_of([(name, data)]), f"{level}.zip"
    (tmp_path / "outer.zip").write_bytes(data)
    (record,) = read(tmp_path)
    assert (record.text == "deep") == read_well
    assert read_well or "nested more than" in record.bad


def test_a_zip_bomb_is_left_where_its_allowance_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("massivetext.corpus.readers.streams.ALWAYS_ALLOWED_BYTES", 2**20)
    layer = zip_of([(f"{number}.txt", b"\0" * 2**19) for number in range(16)])
    bomb = zip_of([("good.txt", b"good"), *((f"{number}.zip", layer) for number in range(16))])
    (tmp_path / "bomb.zip").write_bytes(bomb)
    records = read(tmp_path, max_expansion=1)
    assert records[0].text == "good"
    assert "expands to more than" in records[-1].bad
    assert len(records) < 6


def test_an_encrypted_and_a_damaged_member_are_listed_and_the_others_read(tmp_path):
    data = bytearray(zip_of([("a.txt", b"secret" * 50), ("b.txt", b"damaged" * 50), ("c.txt", b"good")]))
    first, second = data.index(b"PK\x01\x02"), data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    data[first + 8] |= 1
    data[data.index(b"b.txt") + 7] ^= 0xFF
    assert second
    (tmp_path / "a.zip").write_bytes(data)
    records = read(tmp_path)
    assert [record.text for record in records if not record.bad] == ["good"]
    assert {record.member for record in records if record.bad} == {"a.txt", "b.txt"}


def test_a_truncated_tar_keeps_the_members_before_the_cut(tmp_path):
    data = tar_of([(f"{number}.txt", b"text %d" % number * 200) for number in range(20)])
    (tmp_path / "a.tar").write_bytes(data[: len(data) // 2])
    records = read(tmp_path)
    assert len(records) > 8
    assert all(not record.bad for record in records[:-2])
    assert records[-1].bad


def test_a_large_member_is_laid_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("massivetext.corpus.readers.archive.HELD_BYTES", 1000)
    lines = "".join(f'{{"text": "{number}"}}\n' for number in range(1000)).encode()
    (tmp_path / "a.zip").write_bytes(zip_of([("a.jsonl", lines)]))
    assert [record.text for record in read(tmp_path)] == [str(number) for number in range(1000)]


def test_hidden_members_are_left_out_and_those_that_nothing_reads_are_named(tmp_path):
    (tmp_path / "a.zip").write_bytes(zip_of([(".git/a.txt", b"x"), ("__MACOSX/a.txt", b"x"), ("a.png", b"xyz")]))
    (record,) = read(tmp_path)
    assert (record.member, record.bad, record.raw_bytes) == ("a.png", UNREAD, 3)


class NamedAs(zipfile.ZipInfo):
    """A name stored as given bytes, without the flag that says UTF-8."""

    def __init__(self, name, raw):
        super().__init__(name)
        self.raw = raw

    def _encodeFilenameFlags(self):
        return self.raw, self.flag_bits & ~0x800


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("gbk", ["红楼梦/第一回.txt", "书.txt"]),
        ("gbk", ["书.txt"]),
        ("big5", ["紅樓夢第一回目錄.txt", "三國演義.txt"]),
        ("utf-8", ["红楼梦.txt", "café.txt"]),
        ("cp437", ["café.txt"]),
        ("ascii", ["a.txt"]),
    ],
)
def test_names_that_a_zip_file_does_not_mark_as_utf_8_are_decoded(tmp_path, encoding, names):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in names:
            archive.writestr(NamedAs(name, name.encode(encoding)), f"the text of {name}")
    assert [(record.member, record.text) for record in read(tmp_path)] == [
        (name, f"the text of {name}") for name in names
    ]
