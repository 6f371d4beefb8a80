"""Office documents and notebooks: their text in order, title and author in `meta`; what is no such file is reported."""

import io
import json
import zipfile

import docx
import pytest
from corpus.readers.reading import read

from massivetext.corpus import unread
from massivetext.errors import DataError, MissingPackageError


def test_a_word_document_is_its_paragraphs_and_tables_in_order(tmp_path):
    document = docx.Document()
    document.core_properties.title, document.core_properties.author = "河流", "Bob"
    document.add_heading("Rivers 河流", 1)
    document.add_paragraph("The old man went to the river.")
    table = document.add_table(2, 2)
    for number, text in enumerate("甲乙丙丁"):
        table.cell(number // 2, number % 2).text = text
    document.add_paragraph("结束。")
    document.save(tmp_path / "a.docx")
    (record,) = read(tmp_path)
    assert record.text == "Rivers 河流\nThe old man went to the river.\n\n甲\t乙\n丙\t丁\n\n结束。"
    assert json.loads(record.fields.meta) == {"title": "河流", "author": "Bob"}


def test_deleted_text_and_readings_of_a_word_document_are_left_out_and_inserted_text_is_not(tmp_path):
    document = docx.Document()
    document.add_paragraph("MARK")
    document.save(tmp_path / "b.docx")
    shown = (
        "<w:r><w:t>one</w:t></w:r><w:ins><w:r><w:t> two</w:t></w:r></w:ins><w:del><w:r>"
        "<w:delText>three</w:delText></w:r></w:del><w:r><w:ruby><w:rt><w:r><w:t>hàn</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>汉</w:t></w:r></w:rubyBase>"
        "</w:ruby></w:r>"
    )
    with zipfile.ZipFile(tmp_path / "b.docx") as old, zipfile.ZipFile(tmp_path / "a.docx", "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, data.replace(b"<w:r><w:t>MARK</w:t></w:r>", shown.encode()))
    (tmp_path / "b.docx").unlink()
    assert [record.text for record in read(tmp_path)] == ["one two汉"]


ODT = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "text", "table", "meta")
)


def test_an_open_document_is_its_paragraphs_and_tables_without_notes(tmp_path):
    body = (
        '<text:h>河流</text:h><text:p>An old<text:s text:c="2"/>man <text:span>went</text:span>.<text:note><text:p>x'
        "</text:p></text:note> Then.</text:p><table:table><table:table-row><table:table-cell><text:p>甲</text:p>"
        "</table:table-cell><table:table-cell><text:p>乙</text:p></table:table-cell></table:table-row></table:table>"
    )
    with zipfile.ZipFile(tmp_path / "a.odt", "w") as archive:
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr("content.xml", f"<office:document-content {ODT}>{body}</office:document-content>")
        dublin = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'
        title = f"<office:document-meta {ODT} {dublin}><dc:title>Rivers</dc:title></office:document-meta>"
        archive.writestr("meta.xml", title)
    (record,) = read(tmp_path)
    assert record.text == "河流\nAn old  man went. Then.\n甲\t乙"
    assert json.loads(record.fields.meta) == {"title": "Rivers"}


def pdf(text):
    """A page in a font of its own numbers, with a table that says which character each is."""
    codes = "".join(f"{number:04x}" for number in range(1, len(text) + 1))
    table = "".join(f"<{number:04x}> <{ord(character):04x}>\n" for number, character in enumerate(text, 1))
    mapping = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapType 2 def 1 begincodespacerange <0000> "
        f"<ffff> endcodespacerange {len(text)} beginbfchar\n{table}endbfchar endcmap end end"
    )
    shown = f"BT /F1 12 Tf 50 700 Td <{codes}> Tj ET" if text else ""
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 5 0 R "
        "/Resources << /Font << /F1 4 0 R >> >> >>",
        "<< /Type /Font /Subtype /Type0 /BaseFont /Song /Encoding /Identity-H /ToUnicode 7 0 R "
        "/DescendantFonts [6 0 R] >>",
        f"<< /Length {len(shown)} >>\nstream\n{shown}\nendstream",
        "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Song /DW 1000 /CIDSystemInfo << "
        "/Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>",
        f"<< /Length {len(mapping)} >>\nstream\n{mapping}\nendstream",
        "<< /Title (Rivers) /Author (Bob) /CreationDate (D:20240518015810Z) >>",
    ]
    data, starts = b"%PDF-1.4\n", []
    for number, held in enumerate(objects, 1):
        starts.append(len(data))
        data += f"{number} 0 obj\n{held}\nendobj\n".encode()
    table = "".join(f"{start:010d} 00000 n \n" for start in starts)
    trailer = f"trailer << /Size {len(objects) + 1} /Root 1 0 R /Info 8 0 R >>\nstartxref\n{len(data)}\n%%EOF"
    return data + f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}{trailer}".encode()


@pytest.mark.parametrize("text", ["The old man.", "今天天气很好"])
def test_the_text_layer_of_a_pdf_is_read(tmp_path, text):
    (tmp_path / "a.pdf").write_bytes(pdf(text))
    (record,) = read(tmp_path)
    assert (record.text, record.fields.created_at) == (text, "2024-05-18T01:58:10")
    assert json.loads(record.fields.meta) == {"title": "Rivers", "author": "Bob"}


def test_an_rtf_file_is_read_in_its_code_page(tmp_path):
    (tmp_path / "a.rtf").write_bytes(rb"{\rtf1\ansi\ansicpg936 Hello \'c4\'e3\'ba\'c3\par {\b next}}")
    assert [record.text for record in read(tmp_path)] == ["Hello 你好\nnext"]


def zip_with(names):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return held.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.pdf", pdf(""), "no text in it"),
        ("a.pdf", b"%PDF-1.4 nonsense", "damaged file"),
        ("a.docx", b"PK nonsense", "damaged file"),
        ("a.docx", b"\xd0\xcf\x11\xe0" + bytes(100), "encrypted"),
        ("a.docx", zip_with(["a"]), "cannot be read as .docx"),
        ("a.odt", zip_with(["a"]), "damaged file"),
        ("a.rtf", b"plain", "no RTF file"),
        ("a.ipynb", b"{", "broken JSON"),
        ("a.ipynb", b'{"a": 1}', "no notebook"),
    ],
)
def test_a_document_that_cannot_be_read_is_reported(tmp_path, name, data, reason):
    (tmp_path / name).write_bytes(data)
    (record,) = read(tmp_path)
    assert reason in record.bad


def test_a_notebook_is_its_text_and_code_without_outputs(tmp_path):
    cells = [
        {"cell_type": "markdown", "source": ["# 标题\n", "text"]},
        {"cell_type": "code", "source": "print(1)", "outputs": [{"text": "hidden"}]},
        {"cell_type": "code", "source": []},
    ]
    notebook = {"cells": cells, "metadata": {"kernelspec": {"language": "python"}}, "nbformat": 4}
    (tmp_path / "a.ipynb").write_text(json.dumps(notebook))
    old = {"worksheets": [{"cells": [{"cell_type": "heading", "level": 2, "source": "Old"},
                                     {"cell_type": "code", "input": ["x = 1"]}]}]}  # fmt: skip
    (tmp_path / "b.ipynb").write_text(json.dumps(old))
    first, second = read(tmp_path)
    assert first.text == "# 标题\ntext\n\n```python\nprint(1)\n```"
    assert json.loads(first.fields.meta) == {"programming_language": "python"}
    assert second.text == "## Old\n\n```\nx = 1\n```"


@pytest.fixture
def no_packages(monkeypatch):
    monkeypatch.setattr(unread, "find_spec", lambda name: None)


def test_without_the_packages_documents_of_a_folder_are_left_out(tmp_path, no_packages):
    (tmp_path / "a.pdf").write_bytes(pdf("text"))
    (tmp_path / "a.txt").write_text("text")
    (record,) = read(tmp_path)
    assert record.text == "text"
    (tmp_path / "a.txt").unlink()
    with pytest.raises(DataError, match=r"pip install massivetext\[documents\] reads \.pdf"):
        read(tmp_path)


@pytest.mark.parametrize("values", [{}, {"format": "document"}])
def test_without_the_packages_a_document_that_is_named_says_what_to_install(tmp_path, no_packages, values):
    (tmp_path / "a.pdf").write_bytes(pdf("text"))
    with pytest.raises(MissingPackageError, match=r"pip install massivetext\[documents\]"):
        read(tmp_path / "a.pdf", **values)
