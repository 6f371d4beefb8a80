"""Where records of web archives begin and end: the same as warcio finds, and a damaged record costs itself only."""

import bz2
import gzip
import io
import itertools
import lzma
import random

import pytest
import zstandard
from corpus.readers.reading import read
from corpus.readers.web_archives import arc_pages, offsets, page, pages, record
from warcio.archiveiterator import ArchiveIterator

from massivetext.corpus.readers.records import TOO_LONG

ONE_BY_ONE = {
    "a.warc": bytes,
    "a.warc.gz": gzip.compress,
    "a.warc.zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}
"""How each record of an archive is packed by itself."""
WHOLE = {"a.warc.gz": gzip.compress, "a.warc.zst": zstandard.compress, "a.warc.bz2": bz2.compress,
         "a.warc.xz": lzma.compress}  # fmt: skip


def length_of(part):
    return int(part.partition(b"Content-Length: ")[2].split(b"\r\n")[0])


def with_length(part, length):
    return part.replace(b"Content-Length: %d" % length_of(part), b"Content-Length: %d" % length)


FLAWS = {
    "a length that is a little too large": lambda part: with_length(part, length_of(part) + 40),
    "a length that spans three records": lambda part: with_length(part, length_of(part) + 2 * len(part) + 100),
    "a length beyond all files": lambda part: with_length(part, 10**15),
    "a length that is too small": lambda part: with_length(part, length_of(part) - 90),
    "no number for a length": lambda part: part.replace(b"Content-Length: ", b"Content-Length: x"),
    "no length": lambda part: part.replace(b"Content-Length", b"Content-Lengtx"),
    "a cut inside the content": lambda part: part[: len(part) // 2],
    "a cut inside the header": lambda part: part[:100],
}


def check(path, parts, places, damaged):
    """All intact pages are there with their places and texts, and each damaged record has its row."""
    records = read(path)
    by_place = {entry.place: entry for entry in records}
    assert len(by_place) == len(records)
    for number, place in enumerate(places):
        if number in damaged:
            assert by_place[place].bad
        else:
            assert (by_place[place].bad, by_place[place].text) == ("", page(number))
            assert by_place[place].fields.url == f"http://a.example/{number}"
    assert len(records) == len(parts)


@pytest.mark.parametrize("flaw", FLAWS)
@pytest.mark.parametrize("name", ONE_BY_ONE)
@pytest.mark.parametrize("damaged", [(0,), (3,), (7,), (2, 3), (0, 1, 2), (1, 4, 6)])
def test_damaged_records_cost_themselves_only(tmp_path, name, flaw, damaged):
    parts = [FLAWS[flaw](part) if number in damaged else part for number, part in enumerate(pages(8))]
    parts = [ONE_BY_ONE[name](part) for part in parts]
    (tmp_path / name).write_bytes(b"".join(parts))
    check(tmp_path / name, parts, offsets(parts), damaged)


@pytest.mark.parametrize("flaw", FLAWS)
@pytest.mark.parametrize("name", WHOLE)
def test_in_a_file_compressed_as_a_whole_offsets_are_those_of_the_expanded_bytes(tmp_path, name, flaw):
    parts = [FLAWS[flaw](part) if number in (1, 3) else part for number, part in enumerate(pages(6))]
    (tmp_path / name).write_bytes(WHOLE[name](b"".join(parts)))
    check(tmp_path / name, parts, offsets(parts), (1, 3))


@pytest.mark.parametrize("name", ["a.warc.gz", "a.warc.zst"])
@pytest.mark.parametrize("damaged", [(0,), (3,), (7,), (2, 3), (1, 2, 3), (0, 4, 7)])
def test_a_flipped_byte_of_a_compressed_record_costs_that_record_only(tmp_path, name, damaged):
    parts = [bytearray(ONE_BY_ONE[name](part)) for part in pages(8)]
    for number in damaged:
        parts[number][len(parts[number]) // 2 + number] ^= 0x55
    (tmp_path / name).write_bytes(b"".join(parts))
    check(tmp_path / name, parts, offsets(parts), damaged)


def test_a_checksum_that_fits_no_more_makes_the_record_a_damaged_one(tmp_path):
    parts = [bytearray(gzip.compress(part)) for part in pages(3)]
    parts[1][-6] ^= 1
    (tmp_path / "a.warc.gz").write_bytes(b"".join(parts))
    check(tmp_path / "a.warc.gz", parts, offsets(parts), (1,))


@pytest.mark.parametrize("name", ONE_BY_ONE)
@pytest.mark.parametrize("garbage", [b"\xff" * 7, b"no record\r\n\r\n" * 4000])
def test_garbage_between_records_has_a_row_and_costs_none(tmp_path, name, garbage):
    parts = [ONE_BY_ONE[name](part) for part in pages(4)]
    start = len(parts[0] + parts[1])
    (tmp_path / name).write_bytes(parts[0] + parts[1] + garbage + parts[2] + parts[3])
    records = read(tmp_path)
    assert [entry.text for entry in records if not entry.bad] == [page(number) for number in range(4)]
    assert [entry.place for entry in records if entry.bad] == [str(start)]


def test_records_without_blank_lines_between_them_are_whole(tmp_path):
    parts = [part.removesuffix(b"\r\n\r\n") for part in pages(4)]
    (tmp_path / "a.warc").write_bytes(b"".join(parts))
    check(tmp_path / "a.warc", parts, offsets(parts), ())


@pytest.mark.parametrize("more", [0, 2, 4])
def test_a_length_that_is_too_large_by_whole_records_hides_none(tmp_path, more):
    parts = pages(6)
    parts[1] = with_length(parts[1], length_of(parts[1]) + len(parts[2]) + len(parts[3]) + more)
    (tmp_path / "a.warc").write_bytes(b"".join(parts))
    check(tmp_path / "a.warc", parts, offsets(parts), (1,))


def test_a_digest_shows_that_records_inside_a_page_are_of_the_page(tmp_path):
    import base64
    import hashlib

    content = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nAn archive:\r\n\r\n" + pages(1)[0]
    digest = base64.b32encode(hashlib.sha1(content).digest())
    outer = record(content).replace(b"WARC-Date", b"WARC-Block-Digest: sha1:" + digest + b"\r\nWARC-Date", 1)
    (tmp_path / "a.warc").write_bytes(outer + pages(1)[0])
    first, second = read(tmp_path)
    assert first.text.startswith("An archive:") and second.text == page(0)


def test_a_page_that_shows_a_record_is_one_page(tmp_path):
    shown = record(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<pre>" + pages(1)[0] + b"</pre>")
    (tmp_path / "a.warc").write_bytes(shown + pages(1)[0])
    first, second = read(tmp_path)
    assert first.text.startswith("<pre>WARC/1.0") and second.text == page(0)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("damaged", [(), (2,), (1, 2)])
def test_arc_files_are_read_and_resume_after_damage(tmp_path, version, damaged):
    about, *parts = arc_pages(5, version)
    for number in damaged:
        parts[number] = parts[number][:-200]
    for name, pack in (("a.arc", bytes), ("b.arc.gz", gzip.compress)):
        packed = [pack(part) for part in (about, *parts)]
        (tmp_path / name).write_bytes(b"".join(packed))
        check(tmp_path / name, parts, offsets(packed)[1:], damaged)
    assert read(tmp_path / "a.arc")[0].fields.created_at in (None, "2005-01-01T12:00:00Z")


@pytest.mark.parametrize("compressed", [False, True])
def test_a_dictionary_frame_serves_all_frames(tmp_path, compressed):
    parts = pages(40)
    dictionary = zstandard.train_dictionary(2000, parts)
    held = dictionary.as_bytes()
    held = zstandard.compress(held) if compressed else held
    frame = b"\x5d\x2a\x4d\x18" + len(held).to_bytes(4, "little") + held
    frames = [zstandard.ZstdCompressor(dict_data=dictionary).compress(part) for part in parts]
    (tmp_path / "a.warc.zst").write_bytes(b"".join((frame, *frames)))
    check(tmp_path / "a.warc.zst", parts, offsets([frame, *frames])[1:], ())


def test_several_records_in_one_member_of_many_are_told_apart(tmp_path):
    first, second, third = pages(3)
    members = [gzip.compress(first), gzip.compress(second + third)]
    (tmp_path / "a.warc.gz").write_bytes(b"".join(members))
    start = len(members[0])
    assert [entry.place for entry in read(tmp_path)] == ["0", str(start), f"{start}:{len(second)}"]


def test_members_cut_anywhere_hold_one_stream(tmp_path):
    data = b"".join(pages(6))
    (tmp_path / "a.warc.gz").write_bytes(
        b"".join(gzip.compress(data[start : start + 500]) for start in range(0, len(data), 500))
    )
    check(tmp_path / "a.warc.gz", pages(6), offsets(pages(6)), ())


@pytest.mark.parametrize("declared", [3000, 10**12])
def test_a_record_that_is_too_long_is_skipped_and_a_wrong_length_skips_no_other(tmp_path, declared):
    parts = pages(5)
    body = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + b"x" * 300_000
    parts[1] = record(body)
    if declared > len(body):
        parts[1] = with_length(parts[1], declared)
    (tmp_path / "a.warc").write_bytes(b"".join(parts))
    records = read(tmp_path, max_record_bytes=100_000)
    assert [entry.place for entry in records] == offsets(parts)
    assert [entry.text for entry in records if not entry.bad] == [page(number) for number in (0, 2, 3, 4)]
    assert records[1].bad == TOO_LONG or "does not fit" in records[1].bad


@pytest.mark.parametrize("name", ["a.warc", *WHOLE])
def test_a_file_cut_inside_a_record_keeps_those_before_and_reports_the_cut(tmp_path, name):
    pack = bytes if name == "a.warc" else WHOLE[name]
    rng = random.Random(1)
    noise = "".join(rng.choice("天地玄黄宇宙洪荒abcdefgh") for _ in range(600_000)).encode()
    parts = [*pages(3), record(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + noise)]
    data = pack(b"".join(parts))
    (tmp_path / name).write_bytes(data[: len(data) - len(data) // 10])
    records = read(tmp_path)
    assert [entry.bad for entry in records[:3]] == ["", "", ""]
    assert len(records) == 4 and records[3].bad.startswith("cut short")


def test_a_cut_of_a_record_that_was_sent_packed_does_not_pass_for_whole(tmp_path):
    body = gzip.compress(random.Random(1).randbytes(3000).hex().encode())
    part = record(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n\r\n" + body)
    for name, data in (("a.warc", part[:-500]), ("a.warc.gz", gzip.compress(part)[:-500])):
        (tmp_path / name).write_bytes(data)
        (found,) = read(tmp_path / name)
        assert found.bad.startswith("cut short")


@pytest.mark.parametrize("data", [b"", b"\r\n" * 10, b"\0" * 10])
def test_a_file_without_records_gives_none(tmp_path, data):
    (tmp_path / "a.warc").write_bytes(data)
    assert not [entry for entry in read(tmp_path) if not entry.bad]


def warcio_finds(data):
    archive = ArchiveIterator(io.BytesIO(data))
    return [
        (str(archive.get_record_offset()), entry.rec_headers.get_header("WARC-Target-URI"))
        for entry in archive
        if entry.rec_type in ("response", "resource", "conversion")
    ]


@pytest.mark.shared
def test_records_of_the_real_archives_are_those_that_warcio_finds(shared):
    for path in sorted((shared / "warc").glob("*.warc*.gz")):
        if ".wat." in path.name:
            continue
        wanted = [entry for entry in warcio_finds(path.read_bytes()) if not entry[1].startswith("metadata:")]
        for name, data in ((path.name, path.read_bytes()), (path.stem, gzip.decompress(path.read_bytes()))):
            if name == path.stem:
                wanted = [entry for entry in warcio_finds(data) if not entry[1].startswith("metadata:")]
            found = read_bytes(data, name)
            assert [(entry.place, entry.fields.url) for entry in found] == wanted


def read_bytes(data, name):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, name).write_bytes(data)
        return read(Path(folder, name))


@pytest.mark.slow
def test_any_flaws_at_any_places_cost_no_intact_record(tmp_path):
    for seed, name in itertools.product(range(300), ONE_BY_ONE):
        rng = random.Random(seed)
        parts = pages(10)
        damaged = rng.sample(range(10), rng.randrange(1, 5))
        for number in damaged:
            parts[number] = FLAWS[rng.choice(list(FLAWS))](parts[number])
        parts = [ONE_BY_ONE[name](part) for part in parts]
        (tmp_path / name).write_bytes(b"".join(parts))
        check(tmp_path / name, parts, offsets(parts), damaged)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("a.warc", b"WARC/1.0\r\nX:"),
        ("a.warc", b"WARC/1.0\r\nContent-Length: 9999999999\r\n\r\n"),
        ("a.warc", b"WARC/1.0\r\nContent-Length: 50000\r\n\r\n"),
        ("a.warc", b"\r\n"),
        ("a.warc", b"http:"),
        ("a.arc", b"http:// 1.1.1.1 20050101120000 a "),
        ("a.warc.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03"),
        ("a.warc.gz", gzip.compress(b"", mtime=0)),
        ("a.warc.zst", b"\x28\xb5\x2f\xfd\x20\x05"),
        ("a.warc.zst", b"\x50\x2a\x4d\x18\0\0\0\0"),
    ],
)
def test_hostile_archives_take_time_in_proportion_to_their_size(tmp_path, name, part):
    from time import process_time

    (tmp_path / name).write_bytes(part * (600_000 // len(part)))
    begun = process_time()
    read(tmp_path)
    assert process_time() - begun < 8
