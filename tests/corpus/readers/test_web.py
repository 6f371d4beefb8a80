"""HTML, WARC, WET: pages with their address, date, content type; damage costs no more than the record it is in."""

import gzip
import json

import pytest
from corpus.readers.reading import read
from corpus.readers.web_archives import page, pages, response

from massivetext.corpus.readers.records import NO_PAGE, NO_TEXT, TOO_LONG

ZH = "<html lang=zh-CN><meta charset=gb2312><p>今天天气很好，我们去公园。</p></html>"


def test_an_html_file_is_kept_as_it_is_and_says_what_it_is(tmp_path):
    (tmp_path / "a.html").write_bytes(ZH.encode("gb2312"))
    (record,) = read(tmp_path)
    assert record.text == ZH
    meta = {"content_type": "text/html", "declared_language": "zh", "encoding": "gb18030"}
    assert json.loads(record.fields.meta) == meta


@pytest.mark.parametrize("packed", [False, True])
def test_a_response_has_its_address_and_its_offset_in_the_file(tmp_path, packed):
    parts = [gzip.compress(part) if packed else part for part in pages(3)]
    (tmp_path / ("a.warc.gz" if packed else "a.warc")).write_bytes(b"".join(parts))
    records = read(tmp_path)
    assert [record.place for record in records] == ["0", str(len(parts[0])), str(len(parts[0]) + len(parts[1]))]
    assert [record.fields.url for record in records] == [f"http://a.example/{number}" for number in range(3)]
    assert records[1].text == page(1)
    assert records[1].fields.created_at == "2024-05-18T01:58:10Z"


def test_what_is_no_page_is_set_aside_with_the_reason(tmp_path):
    parts = [response(b"gone", "404 Not Found"), response(b"\x89PNG", kind="image/png"), response(b"x" * 200)]
    (tmp_path / "a.warc").write_bytes(b"".join(parts))
    assert [record.bad for record in read(tmp_path, max_record_bytes=150)] == [NO_PAGE, NO_TEXT, TOO_LONG]


def test_the_charset_of_the_header_the_page_or_the_bytes_is_found(tmp_path):
    told = ZH.replace("<meta charset=gb2312>", "")
    parts = [
        response(told.encode("gb18030"), kind="text/html; charset=gb18030"),
        response(ZH.encode("gb2312")),
        response(told.encode("gb18030")),
        response(told.encode(), kind="text/html; charset=iso-8859-1"),
    ]
    (tmp_path / "a.warc").write_bytes(b"".join(parts))
    assert [record.text for record in read(tmp_path)] == [told, ZH, told, told]


def test_a_body_that_was_sent_packed_is_unpacked(tmp_path):
    body = gzip.compress(b"<p>hello</p>")
    (tmp_path / "a.warc").write_bytes(response(body, extra="Content-Encoding: gzip\r\n"))
    assert [record.text for record in read(tmp_path)] == ["<p>hello</p>"]


@pytest.mark.parametrize("packed", [False, True])
def test_a_truncated_archive_keeps_the_records_before_and_lists_the_last(tmp_path, packed):
    data = b"".join(gzip.compress(part) if packed else part for part in pages(5))
    (tmp_path / ("a.warc.gz" if packed else "a.warc")).write_bytes(data[:-40])
    records = read(tmp_path)
    assert [record.fields.url[-1] for record in records if not record.bad] == ["0", "1", "2", "3"]
    assert records[-1].bad


@pytest.mark.parametrize("packed", [False, True])
def test_reading_goes_on_after_a_damaged_record(tmp_path, packed):
    parts = [gzip.compress(part) if packed else part for part in pages(5)]
    parts[2] = parts[2][:20] + b"\xff" * 30 + parts[2][50:]
    if not packed:
        parts[2] = b"WARC/1.0\r\nWARC-Type response\r\n" + parts[2][100:]
    (tmp_path / ("a.warc.gz" if packed else "a.warc")).write_bytes(b"".join(parts))
    records = read(tmp_path)
    assert {"0", "1", "3", "4"} <= {record.fields.url[-1] for record in records if not record.bad}
    assert any(record.bad for record in records)


def test_wet_texts_carry_the_languages_that_were_identified(tmp_path):
    body = "今天天气很好".encode()
    head = (
        "WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: http://a.example/\r\nWARC-Record-ID: <urn:uuid:1>\r\n"
        f"WARC-Identified-Content-Language: zho\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    (tmp_path / "a.wet").write_bytes(head.encode() + body + b"\r\n\r\n")
    (record,) = read(tmp_path)
    assert record.text == "今天天气很好"
    assert json.loads(record.fields.meta) == {"content_type": "text/plain", "identified_languages": "zho"}


@pytest.mark.shared
def test_all_pages_of_the_real_archives_are_read(shared):
    records = read(shared / "warc")
    assert len(records) == 16 + 15 + 1 + 1
    assert not any(record.bad for record in records)
