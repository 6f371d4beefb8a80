"""Answers of servers: unpacked as declared, and kept as they are where the declaration is wrong."""

import gzip
import zlib

import brotli
import pytest
import zstandard
from corpus.readers.reading import read
from corpus.readers.web_archives import record, response

from massivetext.corpus.readers.http_message import read_message
from massivetext.corpus.readers.records import TOO_LONG
from massivetext.errors import BadDocument

PAGE = "<html><body><p>The old man went to the river. 老人去了河边。</p></body></html>".encode()
LIMIT = 10**6


def chunked(data):
    return b"".join(b"%x\r\n%s\r\n" % (len(data[at : at + 40]), data[at : at + 40]) for at in range(0, len(data), 40))


def bare_deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKED = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": bare_deflate,
    "br": brotli.compress,
    "zstd": zstandard.compress,
    "identity": bytes,
    "": bytes,
}


def message(body, newline=b"\r\n", **headers):
    lines = [b"HTTP/1.1 200 OK", b"Content-Type: text/html"]
    lines += [f"{name.replace('_', '-')}: {value}".encode() for name, value in headers.items()]
    return newline.join(lines) + newline * 2 + body


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("in_chunks", [False, True])
def test_a_body_is_unpacked_as_its_header_declares(name, in_chunks):
    body = PACKED[name](PAGE)
    headers = {"Content_Encoding": name}
    if in_chunks:
        body, headers = chunked(body) + b"0\r\n\r\n", {**headers, "Transfer_Encoding": "chunked"}
    found = read_message(message(body, **headers), LIMIT)
    assert (found.status, found.body, found.is_cut) == (200, PAGE, False)


@pytest.mark.parametrize("page", [PAGE, "今天天气很好".encode("gb18030"), "hello".encode("utf-16"), b"12\nlines"])
@pytest.mark.parametrize("name", [*PACKED, "br, gzip"])
@pytest.mark.parametrize("transfer", ["identity", "chunked"])
def test_a_plain_body_is_kept_whatever_its_header_declares(page, name, transfer):
    found = read_message(message(page, Content_Encoding=name, Transfer_Encoding=transfer), LIMIT)
    assert (found.body, found.is_cut) == (page, False)


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_a_packed_body_whose_header_says_chunked_wrongly_is_unpacked(name):
    found = read_message(message(PACKED[name](PAGE), Content_Encoding=name, Transfer_Encoding="chunked"), LIMIT)
    assert found.body == PAGE


def test_two_packings_are_taken_off_in_turn():
    body = gzip.compress(brotli.compress(PAGE))
    assert read_message(message(body, Content_Encoding="br, gzip"), LIMIT).body == PAGE


def test_a_packed_body_without_a_declaration_is_unpacked():
    assert read_message(message(gzip.compress(PAGE)), LIMIT).body == PAGE


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_what_is_readable_of_a_body_that_is_cut_is_kept_and_noted(name):
    body = PACKED[name](bytes(range(256)) * 20 + PAGE * 3000)
    found = read_message(message(body[: len(body) - 3], Content_Encoding=name), LIMIT)
    assert found.is_cut or name == "br"
    assert found.body.startswith(bytes(range(256)))


def test_binary_that_is_not_what_is_declared_is_refused():
    with pytest.raises(BadDocument, match="not the gzip that its header declares"):
        read_message(message(bytes(range(256)), Content_Encoding="gzip"), LIMIT)


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_a_body_that_expands_beyond_the_limit_is_refused(name):
    with pytest.raises(BadDocument, match=TOO_LONG):
        read_message(message(PACKED[name](b"a" * 10**7), Content_Encoding=name), LIMIT)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_header_lines_may_end_in_line_feeds_only(newline):
    found = read_message(message(PAGE, newline), LIMIT)
    assert (found.status, found.body, found.head.get("content-type")) == (200, PAGE, "text/html")


def test_interim_answers_are_passed_over():
    found = read_message(b"HTTP/1.1 100 Continue\r\n\r\n" + message(PAGE), LIMIT)
    assert (found.status, found.body) == (200, PAGE)


def test_a_page_under_header_lines_of_line_feeds_is_read_from_an_archive(tmp_path):
    (tmp_path / "a.warc").write_bytes(response(PAGE, newline="\n") + response(PAGE))
    assert [entry.text for entry in read(tmp_path)] == [PAGE.decode()] * 2


def test_what_a_crawler_says_about_the_crawl_is_no_document(tmp_path):
    log = record(b"wget -r", "resource", "text/plain", "<metadata://gnu.org/software/wget/warc/wget_arguments.txt>")
    (tmp_path / "a.warc").write_bytes(log + response(PAGE))
    assert [entry.text for entry in read(tmp_path)] == [PAGE.decode()]
