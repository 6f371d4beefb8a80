"""Mutated inputs: whatever is done to a file's bytes, reading ends, raises nothing, and what it gives can be kept.

Hundreds of mutations of each format in the default run, thousands with `-m slow`; where ../shared/data is, the files
that are mutated are real ones.
"""

import bz2
import gzip
import io
import json
import lzma
import random
import time
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from corpus.readers.reading import read

from massivetext.corpus.gathering import Gathered, batch_of
from massivetext.corpus.lanes import Lane
from massivetext.corpus.settings import SplitSettings
from massivetext.errors import DataError

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
WORDS = ["The", "cat", "sat.", "今天天气很好，我们去公园。", "é", "ß", "<b>x</b>", "&amp;", "{{a|b}}", "[[c]]"]
HOSTILE = [
    b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\xe2\x80\xae", b"\\ud800", b"<", b">", b"]]>", b"<!ENTITY a 'b'>", b"&a;",
    b"..", b"\r\n\n", b"{" * 50, b"[" * 3000, b'"', b"<div>" * 500, b"\x1f\x8b\x08", b"WARC/1.0\r\n", b"PK\x03\x04",
    b"Content-Length: 99999999999999999999\r\n", b"9" * 400,
]  # fmt: skip
SECONDS_PER_FILE = 20.0
NAMES = {
    "jsonl": "a.jsonl", "jsonl.zst": "a.jsonl.zst", "json": "a.json", "csv": "a.csv", "text.gz": "a.txt.gz",
    "text.xz": "a.txt.xz", "parquet": "a.parquet", "zip": "a.zip", "tar.gz": "a.tar.gz", "html": "a.html",
    "warc": "a.warc", "warc.gz": "a.warc.gz", "mediawiki": "a.xml", "mediawiki.bz2": "a.xml.bz2",
    "stackexchange": "Posts.xml", "code": "a.py", "srt": "a.srt", "vtt": "a.vtt", "latex": "a.tex", "epub": "a.epub",
    "gutenberg": "a.txt", "mbox": "a.mbox", "chat": "a.log",
}  # fmt: skip
FORMATS = {"mediawiki": "mediawiki", "mediawiki.bz2": "mediawiki", "stackexchange": "stackexchange", "code": "code",
           "gutenberg": "gutenberg", "chat": "chat"}  # fmt: skip


def zip_of(members):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return held.getvalue()


def tar_of(members):
    import tarfile

    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return held.getvalue()


def parquet_of(rows):
    held = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), held, row_group_size=4)
    return held.getvalue()


def real(path, size, made):
    """Return the first bytes of a real file (unpacked), or what the test makes up where the folder is absent."""
    found = SHARED / path
    if not found.is_file():
        return made
    data = found.read_bytes()
    if path.endswith(".bz2"):
        data = bz2.BZ2Decompressor().decompress(data, size)
    elif path.endswith(".gz"):
        data = gzip.decompress(data)
    return data[:size]


def samples():
    """Return a sound file of each kind, small."""
    source = random.Random(0)
    lines = [" ".join(source.choices(WORDS, k=12)) for _ in range(20)]
    rows = [{"text": line, "n": number, "url": "http://a.example/"} for number, line in enumerate(lines)]
    jsonl = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    text = "\n".join(lines).encode()
    page = f"<html><body><p>{'</p><p>'.join(lines)}</p></body></html>".encode()
    head = b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:x>\r\nContent-Type: application/http\r\n"
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + page
    record = head + f"Content-Length: {len(http)}".encode() + b"\r\n\r\n" + http + b"\r\n\r\n"
    wiki = "".join(f"<page><title>T</title><ns>0</ns><revision><text>{n} {{{{a}}}} [[b|c]]</text></revision></page>\n"
                   for n in range(8)).encode()  # fmt: skip
    posts = "".join(f'<row Id="{n}" PostTypeId="2" Body="&lt;p&gt;x {n}" />\n' for n in range(20)).encode()
    mail = "".join(f"From a 2024\nSubject: =?utf-8?q?x{n}?=\nContent-Type: text/html\n\n<p>body\n\n" for n in range(8))
    container = '<container><rootfiles><rootfile full-path="p.opf"/></rootfiles></container>'
    package = ('<package><manifest><item id="a" href="a.html" media-type="text/html"/></manifest>'
               '<spine><itemref idref="a"/></spine></package>')  # fmt: skip
    wiki = real("wikipedia/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2", 20_000, wiki) + wiki
    warc = real("warc/whirlwind.warc.gz", 80_000, record * 3)
    members = {"META-INF/container.xml": container, "p.opf": package, "a.html": page}
    files = {"a.txt": text, "b.jsonl": jsonl, "c.html": page}
    return {
        "jsonl": jsonl, "jsonl.zst": zstandard.ZstdCompressor().compress(jsonl), "json": json.dumps(rows).encode(),
        "csv": ("text,n\n" + "".join(f'"{line}",{n}\n' for n, line in enumerate(lines))).encode(),
        "text.gz": gzip.compress(text), "text.xz": lzma.compress(text), "parquet": parquet_of(rows),
        "zip": zip_of(files | {"d.zip": zip_of(files)}), "tar.gz": gzip.compress(tar_of(files)), "html": page,
        "warc": warc, "warc.gz": gzip.compress(record) * 3, "mediawiki": wiki, "mediawiki.bz2": bz2.compress(wiki),
        "stackexchange": real("stackexchange/ai.stackexchange.com-Posts.xml", 20_000, posts), "code": text,
        "srt": "".join(f"{n}\n00:00:0{n},000 --> 00:00:0{n},900\n{lines[n]}\n\n" for n in range(9)).encode(),
        "vtt": b"WEBVTT\n\n00:01.000 --> 00:02.000\n<v A>hello</v>\n\n" * 4,
        "latex": b"\\newcommand{\\a}{b}\n\\begin{document}\n\\a text % comment\n\\end{document}\n" * 3,
        "epub": zip_of(members), "mbox": mail.encode(),
        "gutenberg": b"Title: T\n*** START OF THE PROJECT GUTENBERG EBOOK T ***\n" + text + b"\n*** END OF THE PROJECT",
        "chat": b"[10:00] <a> hi\n[2024/1/1 10:00] b: hello\n" * 5,
    }  # fmt: skip


SAMPLES = samples()


def mutated(data, source):
    """Return the bytes with a few things done to them: cut, flipped, repeated, moved, hostile pieces put in."""
    data = bytearray(data)
    for _ in range(source.choice([1, 1, 2, 5])):
        place = source.randrange(len(data) + 1)
        kind = source.randrange(6)
        if kind == 0:
            del data[place:]
        elif kind == 1:
            del data[place : place + source.randrange(1, 200)]
        elif kind == 2:
            for _ in range(source.choice([1, 3, 30])):
                if data:
                    data[source.randrange(len(data))] = source.randrange(256)
        elif kind == 3:
            data[place:place] = source.choice(HOSTILE)
        elif kind == 4:
            data[place:place] = data[max(place - 300, 0) : place] * source.choice([1, 3])
        else:
            other = source.randrange(len(data) + 1)
            data[place:place] = data[other : other + 300]
    return bytes(data)


def check(folder, kind, seeds):
    lane = Lane("s", (), SplitSettings(), 0)
    path = folder / NAMES[kind]
    for seed in seeds:
        path.write_bytes(mutated(SAMPLES[kind], random.Random(seed)))
        begun = time.monotonic()
        values = {"format": FORMATS[kind]} if kind in FORMATS else {}
        try:
            # A header or a schema that is gone is an error of the whole source, and says so.
            records = read(path, max_record_bytes=200_000, **values)
        except DataError as error:
            assert str(path) in str(error) or "source" in str(error), f"{kind}, seed {seed}"
            continue
        assert time.monotonic() - begun < SECONDS_PER_FILE, f"{kind}, seed {seed}"
        # Arrow refuses text that is no UTF-8.
        rows = batch_of(lane, Gathered((path.name, False, record) for record in records))
        rows.validate(full=True)
        for record in records:
            assert bool(record.bad) <= (record.text == "" or record.bad == "empty"), f"{kind}, seed {seed}"


@pytest.mark.parametrize("kind", NAMES)
def test_a_sound_file_gives_good_records(tmp_path, kind):
    (tmp_path / NAMES[kind]).write_bytes(SAMPLES[kind])
    values = {"format": FORMATS[kind]} if kind in FORMATS else {}
    records = read(tmp_path / NAMES[kind], **values)
    assert any(record.text and not record.bad for record in records)


@pytest.mark.parametrize("kind", NAMES)
def test_hundreds_of_mutations_crash_nothing(tmp_path, kind):
    check(tmp_path, kind, range(100))


@pytest.mark.slow
@pytest.mark.parametrize("kind", NAMES)
def test_thousands_of_mutations_crash_nothing(tmp_path, kind):
    check(tmp_path, kind, range(1000, 4000))
