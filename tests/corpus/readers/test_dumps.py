"""MediaWiki and Stack Exchange dumps: text without markup, broken elements set aside, no entity expanded."""

import bz2
import json
import zipfile

import pytest
from corpus.readers.reading import read
from hypothesis import given
from hypothesis import strategies as st

from massivetext.corpus.readers.elements import read_elements
from massivetext.corpus.readers.mediawiki import markup_text
from massivetext.corpus.readers.records import NO_ARTICLE, REDIRECT, TOO_LONG, UNREAD

PAGE = (
    "<page><title>{title}</title><ns>{ns}</ns><id>7</id>{more}<revision><id>70</id>"
    "<timestamp>2016-04-22T10:19:33Z</timestamp><text>{text}</text></revision></page>\n"
)


def dump(*pages):
    return "<mediawiki>\n<siteinfo/>\n" + "".join(pages) + "</mediawiki>\n"


def page(title="T", text="words", ns=0, more=""):
    return PAGE.format(title=title, text=text, ns=ns, more=more)


def test_an_article_has_its_title_first_and_its_numbers_in_meta(tmp_path):
    (tmp_path / "a.xml.bz2").write_bytes(bz2.compress(dump(page("猫", "'''猫'''是[[动物|一种动物]]。")).encode()))
    (record,) = read(tmp_path / "a.xml.bz2", format="mediawiki")
    assert record.text == "猫\n\n猫是一种动物。"
    assert json.loads(record.fields.meta) == {"title": "猫", "page_id": "7", "revision_id": "70"}
    assert (record.place, record.fields.created_at) == ("24", "2016-04-22T10:19:33Z")


def test_redirects_and_other_namespaces_are_left_out_with_the_reason(tmp_path):
    pages = [page(more='<redirect title="X"/>'), page(text="#REDIRECT [[X]]"), page(text="#重定向 [[X]]"), page(ns=10)]
    (tmp_path / "a.xml").write_text(dump(*pages))
    assert [record.bad for record in read(tmp_path, format="mediawiki")] == [REDIRECT, REDIRECT, REDIRECT, NO_ARTICLE]


def test_a_broken_or_cut_or_long_page_costs_only_itself(tmp_path):
    pages = [
        page("A"),
        "<page><title>B</ttle></page>\n",
        page("C", "x" * 2000),
        "<page><title>cut",
        page("D"),
        "<page>end",
    ]
    (tmp_path / "a.xml").write_text(dump(*pages))
    records = read(tmp_path, format="mediawiki", max_record_bytes=1000)
    assert [record.text for record in records if not record.bad] == ["A\n\nwords", "D\n\nwords"]
    bad = [record.bad for record in records if record.bad]
    assert bad[0].startswith("broken XML") and bad[1:] == [TOO_LONG, "cut short", "cut short"]


def test_no_entity_is_expanded(tmp_path):
    bombs = '<!DOCTYPE m [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>\n'
    (tmp_path / "a.xml").write_text(bombs + dump(page("A", "&c;"), page("B", "&amp;&lt;")))
    bad, good = read(tmp_path, format="mediawiki")
    assert "undefined entity" in bad.bad
    assert good.text == "B\n\n&<"


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("A [[cat|c]] and [[dog]]s.", "A c and dogs."),
        ("x<ref name=a>note</ref> y<ref name=a /> z", "x y z"),
        ("{{Infobox|a={{nested|b}}}}Text {{convert|1|km}}.", "Text ."),
        ("== Head ==\nBody", "Head \nBody"),
        ("[[File:A.png|thumb|a [[cat]]]]Text[[Category:Cats]][[文件:甲.png]][[de:Katze]]", "Text"),
        ("{| class=x\n| cell\n|}\nAfter", "After"),
        ("* one\n** two\n# three", "* one\n* two\n# three"),
        ("[http://a.example a link] and http://b.example", "a link and http://b.example"),
        ("&nbsp;&eacute;&#x4e2d;", "é中"),
        ("a<!-- hidden -->b __NOTOC__", "ab"),
        ("-{zh-hans:计算机;zh-hant:電腦}-和-{字}-", "计算机和字"),
        ("<math>x^2</math>Text<nowiki>[[as is]]</nowiki>", "Textas is"),
        ("born ({{lang|x|y}}) in", "born  in"),
        ("open {{never closed", "open {{never closed"),
    ],
)
def test_markup_becomes_plain_text(markup, text):
    assert markup_text(markup) == text.strip()


@pytest.mark.parametrize("part", ["{{", "[[", "<ref>", "'''", "{|\n", "-{", "<div>", "[[File:"])
def test_marks_that_are_never_closed_take_no_long_time(part):
    markup_text(part * 20_000)


@given(st.lists(st.sampled_from(["<p>", "</p>", "x", "<", "\n", "中"]), max_size=30), st.integers(1, 9))
def test_elements_are_found_wherever_the_stream_is_cut(parts, step):
    class Slow:
        def __init__(self, data):
            self.data = data

        def read(self, size):
            taken, self.data = self.data[:step], self.data[step:]
            return taken

    data = "".join(parts).encode()
    whole = [line for line in read_elements(Slow(data), b"<p>", b"</p>", 1000) if line.data is not None]
    for line in whole:
        assert data[line.start : line.start + line.size] == line.data
        assert line.data.startswith(b"<p>") and line.data.endswith(b"</p>") and line.data.count(b"<p>") == 1
    assert [line.data for line in whole] == [
        b"<p>" + part.rpartition(b"<p>")[2] + b"</p>" for part in data.split(b"</p>")[:-1] if b"<p>" in part
    ]


ROW = '  <row Id="{id}" PostTypeId="{kind}" {more}CreationDate="2016-08-02T15:39:14.947" Score="5" Body="{body}" />\r\n'


def test_posts_are_documents_with_what_joins_them(tmp_path):
    rows = ROW.format(id=1, kind=1, more='Title="Why?" Tags="&lt;a&gt;&lt;b-c&gt;" ', body="&lt;p&gt;It is&lt;/p&gt;")
    rows += ROW.format(
        id=2, kind=2, more='ParentId="1" ', body="&lt;pre&gt;x  =  1\n&lt;/pre&gt;".replace("\n", "&#xA;")
    )
    rows += ROW.format(id=3, kind=5, more="", body="tag wiki")
    (tmp_path / "Posts.xml").write_text(f'\ufeff<?xml version="1.0"?>\r\n<posts>\r\n{rows}</posts>')
    question, answer, wiki = read(tmp_path, format="stackexchange")
    assert (question.text, answer.text.strip(), wiki.bad) == ("Why?\n\nIt is", "x  =  1", NO_ARTICLE)
    assert json.loads(question.fields.meta) == {"post_id": "1", "post_type": "question", "score": 5, "tags": "a|b-c"}
    assert json.loads(answer.fields.meta)["parent_id"] == "1"


def test_a_broken_post_costs_only_itself(tmp_path):
    rows = [ROW.format(id=number, kind=2, more="", body=f"text {number}") for number in range(3)]
    rows[1] = rows[1].replace(' Score="5"', " Score=5")
    (tmp_path / "Posts.xml").write_text("<posts>\n" + "".join(rows) + "</posts>")
    records = read(tmp_path, format="stackexchange")
    assert [record.text for record in records if not record.bad] == ["text 0", "text 2"]
    assert records[1].bad.startswith("broken XML")


@pytest.mark.shared
def test_the_real_dumps_are_read(shared):
    wiki = read(shared / "wikipedia", format="mediawiki")
    assert sum(record.bad == REDIRECT for record in wiki) == 100
    anarchism = wiki[1].text
    assert anarchism.startswith("Anarchism\n\nAnarchism is a political philosophy")
    assert not any(mark in record.text for record in wiki for mark in ("{{", "[[", "<ref"))
    posts = read(shared / "stackexchange", format="stackexchange")
    assert [sum(f'"{kind}"' in (record.fields.meta if record.fields else "") for record in posts)
            for kind in ("question", "answer")] == [264, 415]  # fmt: skip


@pytest.mark.parametrize("name", ["Posts.xml", "ai.stackexchange.com-Posts.xml", "Posts.xml.bz2", "renamed.xml"])
def test_posts_are_known_by_their_outermost_element(tmp_path, name):
    row = b'<row Id="1" PostTypeId="1" Title="T" Body="&lt;p&gt;B" />'
    rows = b'<?xml version="1.0" encoding="utf-8"?>\n<posts>\n' + row + b"\n</posts>"
    (tmp_path / name).write_bytes(bz2.compress(rows) if name.endswith("bz2") else rows)
    assert [record.text for record in read(tmp_path)] == ["T\n\nB"]


@pytest.mark.parametrize("name", ["enwiki-pages-articles.xml", "zhwiki-articles1.xml-p1p162886.bz2"])
def test_a_dump_of_a_wiki_is_known_by_its_outermost_element(tmp_path, name):
    data = dump(page("河流", "老人去了河边。")).encode()
    (tmp_path / name).write_bytes(bz2.compress(data) if name.endswith("bz2") else data)
    assert [record.text for record in read(tmp_path)] == ["河流\n\n老人去了河边。"]


def test_dumps_are_read_inside_archives_and_other_xml_is_not(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("Posts.xml", '<posts>\n<row Id="1" PostTypeId="2" Body="answer" />\n</posts>')
        archive.writestr("other.xml", "<html/>")
    assert [(record.text, record.bad) for record in read(tmp_path)] == [("answer", ""), ("", UNREAD)]
