"""Manual pages and package descriptions become running text."""

import gzip
from pathlib import Path

import pytest

from massivetext.corpus.readers.finding import input_files
from massivetext.corpus.readers.groff import page_text
from massivetext.corpus.readers.man_pages import ManPageReader
from massivetext.corpus.readers.package_readme import ReadmeReader, without_pictures
from massivetext.corpus.readers.records import Piece
from massivetext.corpus.settings import SourceSettings

PAGE = r"""'\" t
.\" a comment
.de Sh \" a macro
.PP
..
.ie \n(.g .ds Aq \(aq
.el       .ds Aq '
.if t \{\
.de XX
\}
.TH LS 1 2022年9月 "GNU"
.SH 名称
ls \- 列出目录内容
.SH "概述 SYNOPSIS"
\fBls\fP [\fI\,选项\/\fP]...
.PP
列出指定
“文件”
of \*(Aqthis\*(Aq kind\(em.
.TP
\fB\-a\fP, \fB\-\-all\fP
不要忽略
.IP \(bu 2
一项
.nf
  $ ls \e
  x
.fi
.BR ls (1), " and " more
"""


def test_a_man_page_becomes_running_text():
    assert page_text(PAGE) == (
        "名称\n\nls - 列出目录内容\n\n概述 SYNOPSIS\n\nls [选项]...\n\n列出指定“文件” of 'this' kind—.\n\n"
        "-a, --all\n    不要忽略\n• 一项\n      $ ls \\\n      x\nls(1), and more\n"
    )


def test_chinese_lines_are_joined_without_a_space_and_english_ones_with():
    assert page_text(".SH A\n中文\n中文\nand\nmore\n") == "A\n\n中文中文 and more\n"


def test_mdoc_macros_become_text():
    page = ".Dd x\n.Sh 名称\n.Nm ssh\n.Nd 客户端\n.Sh 描述\n.Nm\n.Op Fl v\n.Op Fl p Ar 端口\n参见\n.Xr sshd 8 .\n"
    assert page_text(page) == "名称\n\nssh - 客户端\n\n描述\n\nssh [-v] [-p 端口] 参见 sshd(8).\n"


def test_tables_give_their_cells():
    assert page_text(".SH A\n.TS\nl l.\na\tT{\nb\nc\nT}\n_\nd\te\n.TE\n") == "A\n\na  b c\nd  e\n"


@pytest.mark.parametrize(
    "text", ["", ".", ".if", ".if n", ".ie n \\{\\", ".TS", "\\", "\\(", ".IP", ".de x", "\\*(", ".Op"]
)
def test_broken_pages_do_not_stop_the_reader(text):
    assert isinstance(page_text(text), str)


def man(tmp_path, name, text):
    path = tmp_path / "man1" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()))
    source = SourceSettings(name="s", path=str(tmp_path), format="man_pages")
    return [record.text for file in input_files(source) for record in ManPageReader(source).read(Piece(file))]


def test_pages_lose_the_colophon_of_their_project(tmp_path):
    end = ".SH 跋\n本页面中文版由中文 man 手册页计划提供。\n.br\n中文 man 手册页计划：https://example.org\n"
    assert man(tmp_path, "a.1.gz", ".SH 名称\n甲\n" + end) == ["名称\n\n甲\n"]


def test_a_page_that_points_to_another_yields_nothing(tmp_path):
    assert man(tmp_path, "b.1.gz", ".so man1/a.1\n") == []


@pytest.mark.skipif(not Path("/usr/share/man/zh_CN").is_dir(), reason="Debian's manpages-zh is not installed")
def test_real_pages_hold_no_groff_requests():
    source = SourceSettings(name="s", path="{man_zh}", format="man_pages")
    files = input_files(source)[::10]
    texts = [record.text for file in files for record in ManPageReader(source).read(Piece(file))]
    lines = [line for text in texts for line in text.split("\n")]
    assert len(lines) > 100
    assert not [line for line in lines if line.startswith((".SH", ".TP", ".PP", ".B ", ".\\")) or "\\fB" in line]


def readme(tmp_path, metadata):
    path = tmp_path / "a-1.0.dist-info" / "METADATA"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(metadata.encode())
    source = SourceSettings(name="s", path=str(tmp_path), format="package_readme")
    return [record for file in input_files(source) for record in ReadmeReader(source).read(Piece(file))]


def test_a_description_comes_with_package_and_license(tmp_path):
    (record,) = readme(tmp_path, "Metadata-Version: 2.1\nName: a\nVersion: 1.0\nLicense: MIT\n\n# A 包\n\nText.\n")
    assert record.text == "# A 包\n\nText.\n"
    assert record.fields.license == "MIT"
    assert record.fields.meta == '{"package": "a", "version": "1.0"}'


def test_a_package_without_description_yields_nothing(tmp_path):
    assert readme(tmp_path, "Name: a\nVersion: 1.0\n\nUNKNOWN\n") == []


def test_badges_pictures_and_layout_go_and_text_stays():
    text = (
        '# A\n[![CI](https://x/badge.svg)](https://x) ![logo](l.png)\n<p align="center"><img src="x"></p>\n\n'
        ".. image:: https://x\n   :alt: y\n\n.. |b| image:: x\n|b| |c|\n[d]: https://img.shields.io/x\n"
        "Use [link](https://x) and a | b.\n\n| a | b |\n|---|---|\n"
    )
    assert without_pictures(text) == "# A\n\n\nUse [link](https://x) and a | b.\n\n| a | b |\n|---|---|\n"
