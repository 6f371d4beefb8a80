"""EPUB, Gutenberg, LaTeX, subtitles, mail, chats: the text without its frame, and what the frame says of it."""

import io
import json
import zipfile

import pytest
from corpus.readers.reading import read

from massivetext.corpus.readers.records import EMPTY

CONTAINER = '<container xmlns="urn:x"><rootfiles><rootfile full-path="OPS/p.opf"/></rootfiles></container>'
PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">
<metadata><dc:title>书 Book</dc:title><dc:creator>A. Writer</dc:creator><dc:language>zh-CN</dc:language></metadata>
<manifest><item id="b" href="two.xhtml" media-type="application/xhtml+xml"/>
<item id="a" href="ch%20one.xhtml" media-type="application/xhtml+xml"/>
<item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/></manifest>
<spine><itemref idref="n"/><itemref idref="a"/><itemref idref="b"/><itemref idref="gone"/></spine></package>"""


def epub(container=CONTAINER, package=PACKAGE):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("OPS/p.opf", package)
        archive.writestr("OPS/ch one.xhtml", "<html><body><h1>第一章</h1><p>从前有一只猫。</p></body></html>")
        archive.writestr("OPS/two.xhtml", "<html><head><title>t</title></head><body><p>The end.</p></body></html>")
        archive.writestr("OPS/nav.xhtml", "<html><body>Contents</body></html>")
    return held.getvalue()


def test_a_book_is_its_chapters_in_reading_order(tmp_path):
    (tmp_path / "a.epub").write_bytes(epub())
    (record,) = read(tmp_path)
    assert record.text == "第一章\n\n从前有一只猫。\n\nThe end."
    assert record.fields.language == "zh"
    assert json.loads(record.fields.meta) == {"title": "书 Book", "author": "A. Writer"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"not a zip", "damaged book"),
        (epub()[:500], "damaged book"),
        (epub(container="<container/>"), "names no package document"),
        (epub(package='<!DOCTYPE p [<!ENTITY a "b">]><package>&a;</package>'), "declares XML entities"),
        (epub(package="<package"), "broken XML"),
        (epub(package=PACKAGE.replace("two.xhtml", "missing.xhtml")), "damaged book: KeyError"),
    ],
)
def test_a_broken_book_is_set_aside(tmp_path, data, reason):
    (tmp_path / "a.epub").write_bytes(data)
    (record,) = read(tmp_path)
    assert reason in record.bad


def test_a_gutenberg_book_loses_header_and_licence(tmp_path):
    book = (
        "The Project Gutenberg eBook of Cats\r\n\r\nTitle: Cats\r\n\r\nAuthor: A. Writer\r\n\r\n"
        "Language: Chinese\r\n\r\n"
        "*** START OF THE PROJECT GUTENBERG EBOOK CATS ***\r\n\r\nProduced by Somebody and\r\nothers\r\n\r\n"
        "第一章\r\n\r\n从前有一只猫。\r\n\r\n\r\n*** END OF THE PROJECT GUTENBERG EBOOK CATS ***\r\nlicence\r\n"
    )
    (tmp_path / "1.txt").write_bytes(book.encode())
    (record,) = read(tmp_path, format="gutenberg")
    assert record.text == "第一章\n\n从前有一只猫。\n"
    assert (record.fields.language, json.loads(record.fields.meta)) == ("zh", {"title": "Cats", "author": "A. Writer"})


def test_a_book_without_the_marks_is_taken_whole(tmp_path):
    (tmp_path / "1.txt").write_text("Just a text.\n")
    assert [record.text for record in read(tmp_path, format="gutenberg")] == ["Just a text.\n"]


PAPER = r"""\documentclass{article} % a comment
\newcommand{\cats}{small cats}
\title{On
  Cats}
\begin{document}
% a whole line
We study \cats{} and \catsup, 50\% of $x^2$. % why


Second. 中文。
\bibliography{refs}
\end{document}
"""


def test_a_paper_is_its_body_with_its_own_macros_written_out(tmp_path):
    (tmp_path / "a.tex").write_text(PAPER)
    (record,) = read(tmp_path)
    assert record.text == "We study small cats{} and \\catsup, 50\\% of $x^2$. \n\nSecond. 中文。\n"
    assert json.loads(record.fields.meta) == {"title": "On Cats"}


def test_a_file_of_macros_has_no_text(tmp_path):
    (tmp_path / "a.tex").write_text("\\def\\a{b}\n\\def\\c{d}\n")
    assert [record.bad for record in read(tmp_path)] == [EMPTY]


def test_macros_that_blow_up_are_left_as_they_are(tmp_path):
    bomb = "\\newcommand{\\a}{" + "x" * 190 + "}\n\\begin{document}" + "\\a " * 1000 + "\\end{document}"
    (tmp_path / "a.tex").write_text(bomb)
    (record,) = read(tmp_path)
    assert record.text.startswith("\\a \\a")


SRT = (
    "1\r\n00:00:01,000 --> 00:00:02,500\r\n<i>Hello</i>\r\nthere.\r\n\r\n"
    "2\r\n00:00:03,000 --> 00:00:04,000\r\n你好。\r\n"
)
VTT = (
    "WEBVTT\n\nNOTE nothing\n\nSTYLE\n::cue {}\n\nid\n00:01.000 --> 00:02.000 align:start\n<v Ann>Hello</v>\n\n"
    "00:02.000 --> 00:03.000\nHello\n<00:02.500><c>again &amp; on</c>\n"
)


@pytest.mark.parametrize(("name", "data", "text"), [
    ("a.srt", SRT, "Hello\nthere.\n你好。\n"), ("a.vtt", VTT, "Hello\nagain & on\n"), ("b.srt", "no cues", ""),
])  # fmt: skip
def test_subtitles_are_what_is_said(tmp_path, name, data, text):
    (tmp_path / name).write_text(data)
    assert [record.text for record in read(tmp_path)] == [text]


MAIL = """From a@b Mon Jan  1 00:00:00 2024
From: Ann <ann@example.com>
Subject: =?utf-8?b?5L2g5aW9?= world
Date: Mon, 01 Jan 2024 10:00:00 +0800
Content-Type: multipart/alternative; boundary=XX

--XX
Content-Type: text/plain; charset=gb18030
Content-Transfer-Encoding: base64

xOO6w6OsysC958Oj
--XX
Content-Type: text/html

<p>not this</p>
--XX--

From c@d Mon Jan  1 00:00:00 2024
Subject: second
Content-Type: text/html

<p>From <b>HTML</b></p>

From e@f Mon Jan  1 00:00:00 2024
Subject: empty

"""


def test_mail_is_subject_and_plain_text_without_addresses(tmp_path):
    (tmp_path / "a.mbox").write_text(MAIL)
    first, second, empty = read(tmp_path)
    assert first.text.startswith("你好 world\n\n你好，")
    assert (first.fields.created_at, json.loads(first.fields.meta)) == (
        "2024-01-01T10:00:00+08:00",
        {"subject": "你好 world"},
    )
    assert "example.com" not in first.text + first.fields.meta
    assert (second.text, empty.bad) == ("second\n\nFrom HTML", EMPTY)
    assert (first.place, second.place) == ("0", str(MAIL.index("From c@d")))


def test_mail_with_impossible_headers_is_no_crash(tmp_path):
    (tmp_path / "a.mbox").write_bytes(
        b"From a@b 2024\nSubject: =?x-no-such?q?=ff=fe?=\nDate: never\n"
        b'Content-Type: text/plain; charset="no\xff"\n\nbody\n'
    )
    (record,) = read(tmp_path)
    assert record.text.endswith("body")


LOGS = {
    "irc.log": (
        "--- Log opened\n[10:00] <@ann> hi\n10:01 <bob> hello\n10:02 -!- eve has joined\n10:03  * ann waves\n",
        "ann: hi\nbob: hello\n* ann waves\n",
    ),
    "wa.txt": (
        "[2024/1/1 上午10:00:00] 小明: 你好\n还有一行\n1/2/24, 9:15 PM - Bob: hey\n1/2/24, 9:16 PM - Bob left\n",
        "小明: 你好\n还有一行\nBob: hey\n",
    ),
}


@pytest.mark.parametrize("name", LOGS)
def test_a_chat_is_who_says_what(tmp_path, name):
    (tmp_path / name).write_text(LOGS[name][0])
    assert [record.text for record in read(tmp_path, format="chat")] == [LOGS[name][1]]
