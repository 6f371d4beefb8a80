"""Office documents: the text of .docx, .odt, .pdf and .rtf files, one document each; title and author in `meta`.

A file is parsed in a separate process, which hostile input may hang or bring down. The libraries are those of the extra
`documents`; without them such files are counted as not read, unless a source names them.
"""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from massivetext.corpus import working
from massivetext.corpus.readers.columns import meta_json
from massivetext.corpus.readers.decoding import clean_surrogates
from massivetext.corpus.readers.elements import parse_element
from massivetext.corpus.readers.records import EMPTY, TOO_LONG, Fields, Record, digest
from massivetext.corpus.readers.streams import ALWAYS_ALLOWED_BYTES, SourceFile, plain_suffix
from massivetext.corpus.readers.whole_file import WholeFileReader
from massivetext.corpus.unread import can_read
from massivetext.errors import BadDocument, MissingPackageError

SECONDS_PER_FILE = 120.0
NO_LAYER = "no text in it (scanned pages need text recognition first)"
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
HYPHENS = re.compile("[\x02\ufffe]\r?\n?")
"""What pdfium writes where a word is cut at the end of a line."""
WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
UNSHOWN = {f"{WORD}{name}" for name in ("del", "moveFrom", "rt", "instrText", "delText")} | {FALLBACK}
"""Deleted text, readings above characters, codes of fields, and second copies for older programs."""
ODT_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
ODT_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
ODT_UNSHOWN = {f"{ODT_TEXT}{name}" for name in ("note", "tracked-changes", "ruby-text", "table-of-content")}
ODT_META = {
    "title": "{http://purl.org/dc/elements/1.1/}title",
    "author": "{http://purl.org/dc/elements/1.1/}creator",
    "created": "{urn:oasis:names:tc:opendocument:xmlns:meta:1.0}creation-date",
}


class DocumentReader(WholeFileReader):
    """Reads .docx, .odt, .pdf and .rtf; one that is encrypted, damaged or without text is skipped and reported."""

    suffixes = (".docx", ".odt", ".pdf", ".rtf")

    def lacks_package(self, name: str) -> bool:
        """Return whether the package that reads a file of this name is not installed."""
        return not can_read(plain_suffix(name))

    def check(self, files: list[SourceFile]) -> None:
        """Raise MissingPackageError if a file needs a package that is not installed."""
        lacking = sorted({plain_suffix(file.path.name) for file in files if self.lacks_package(file.path.name)})
        if lacking:
            raise MissingPackageError(
                f"source {self.source.name!r} has {', '.join(lacking)} files, and the package that reads them is not "
                "installed; install it: pip install massivetext[documents]"
            )

    def document(self, file: SourceFile, raw: bytes) -> Record:
        """Return the text of an office document."""
        suffix = plain_suffix(file.path.name)
        limit = max(ALWAYS_ALLOWED_BYTES, len(raw) * self.source.max_expansion)
        # The process takes and gives text: each byte as the character of its number.
        task, settings = f"{__name__}:document_text", f"{suffix} {limit}"
        try:
            found: dict[str, Any] = json.loads(working.run(task, settings, raw.decode("latin-1"), SECONDS_PER_FILE))
        except BadDocument as error:
            raise BadDocument(f"cannot be read as {suffix}: {error}") from None
        text = clean_surrogates(found.get("text", ""))
        bad = found.get("bad") or ("" if text else EMPTY)
        if len(text) > self.source.max_record_bytes:
            bad = TOO_LONG
        if bad:
            raise BadDocument(bad)
        meta = found["meta"]
        fields = Fields(created_at=meta.pop("created", None) or None, meta=meta_json(meta))
        return Record("0", len(raw), digest(raw), text, fields=fields)


def document_text(argument: str, content: str) -> str:
    """Return the text and facts of a document as JSON, or under "bad" why there are none.

    argument: suffix and the largest number of bytes it may expand to. content: its bytes as Latin-1.
    """
    suffix, limit = argument.split()
    raw = content.encode("latin-1")
    try:
        text, meta = READERS[suffix](raw, int(limit))
    except BadDocument as error:
        return json.dumps({"bad": str(error)})
    lines = (line.rstrip() for line in CONTROLS.sub("", text).replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")
    facts = {name: " ".join(str(value).split()) for name, value in meta.items() if value}
    return json.dumps({"text": text, "meta": facts})


def _opened_zip(raw: bytes, limit: int) -> zipfile.ZipFile:
    """Return an opened archive; raise BadDocument if it is none, is encrypted, or expands to too much."""
    if raw.startswith(b"\xd0\xcf\x11\xe0"):
        raise BadDocument("encrypted, or in the format of Word 97")
    try:
        archive = zipfile.ZipFile(io.BytesIO(raw))
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise BadDocument(f"damaged file: {type(error).__name__}") from None
    if sum(entry.file_size for entry in archive.infolist()) > limit:
        raise BadDocument(f"expands to more than {limit} bytes (see max_expansion)")
    return archive


def _docx(raw: bytes, limit: int) -> tuple[str, dict[str, Any]]:
    """Return the text of a Word document: a line for each paragraph, rows of tables with tabs between their cells."""
    import docx

    _opened_zip(raw, limit).close()
    document = docx.Document(io.BytesIO(raw))
    about = document.core_properties
    created = about.created.isoformat() if about.created else None
    meta = {"title": about.title, "author": about.author, "created": created}
    return "\n".join(_word_lines(document.element.body)), meta


def _word_lines(element: Any) -> Iterator[str]:
    """Yield the lines of the paragraphs and tables in an element."""
    for child in element:
        if child.tag in UNSHOWN:
            continue
        if child.tag == f"{WORD}p":
            yield "".join(_word_pieces(child))
            # Text boxes hold paragraphs inside a paragraph.
            for box in child.iter(f"{WORD}txbxContent"):
                if not any(above.tag in UNSHOWN for above in box.iterancestors()):
                    yield from _word_lines(box)
        elif child.tag == f"{WORD}tbl":
            yield ""
            for row in _own(child, "tr"):
                yield "\t".join(" ".join(filter(None, _word_lines(cell))) for cell in _own(row, "tc"))
            yield ""
        else:
            yield from _word_lines(child)


def _own(element: Any, name: str) -> Iterator[Any]:
    """Yield the rows of a table, or the cells of a row, without those of tables inside it."""
    for child in element:
        if child.tag == f"{WORD}{name}":
            yield child
        elif child.tag not in (f"{WORD}tr", f"{WORD}tc", *UNSHOWN):
            yield from _own(child, name)


def _word_pieces(element: Any) -> Iterator[str]:
    """Yield the text inside a paragraph."""
    for child in element:
        name = child.tag
        if name in UNSHOWN or name == f"{WORD}txbxContent":
            continue
        if name == f"{WORD}t":
            yield child.text or ""
        elif name in (f"{WORD}tab", f"{WORD}ptab"):
            yield "\t"
        elif name in (f"{WORD}br", f"{WORD}cr"):
            yield "\n"
        elif name == f"{WORD}noBreakHyphen":
            yield "-"
        elif name not in (f"{WORD}pPr", f"{WORD}rPr"):
            yield from _word_pieces(child)


def _odt(raw: bytes, limit: int) -> tuple[str, dict[str, Any]]:
    """Return the text of an OpenDocument text."""
    with _opened_zip(raw, limit) as archive:
        try:
            manifest = archive.read("META-INF/manifest.xml")
            if b"encryption-data" in manifest:
                raise BadDocument("encrypted")
            body = parse_element(archive.read("content.xml"))
            about = parse_element(archive.read("meta.xml")) if "meta.xml" in archive.namelist() else None
        except (KeyError, zipfile.BadZipFile, RuntimeError, OSError) as error:
            raise BadDocument(f"damaged file: {type(error).__name__}") from None
    meta = {name: about.findtext(f".//{tag}") if about is not None else None for name, tag in ODT_META.items()}
    return "\n".join(_odt_lines(body)), meta


def _odt_lines(element: Any) -> Iterator[str]:
    """Yield the lines of the paragraphs and tables in an element."""
    for child in element:
        if child.tag in ODT_UNSHOWN:
            continue
        if child.tag in (f"{ODT_TEXT}p", f"{ODT_TEXT}h"):
            yield "".join(_odt_pieces(child))
        elif child.tag == f"{ODT_TABLE}table-row":
            yield "\t".join(" ".join(filter(None, _odt_lines(cell))) for cell in child)
        else:
            yield from _odt_lines(child)


def _odt_pieces(element: Any) -> Iterator[str]:
    """Yield the text inside a paragraph."""
    yield element.text or ""
    for child in element:
        if child.tag == f"{ODT_TEXT}s":
            yield " " * min(int(child.get(f"{ODT_TEXT}c", "1")), 100)
        elif child.tag == f"{ODT_TEXT}tab":
            yield "\t"
        elif child.tag == f"{ODT_TEXT}line-break":
            yield "\n"
        elif child.tag not in ODT_UNSHOWN:
            yield from _odt_pieces(child)
        yield child.tail or ""


def _pdf(raw: bytes, limit: int) -> tuple[str, dict[str, Any]]:
    """Return the text layer of a PDF, a blank line between pages."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(raw)
    except pypdfium2.PdfiumError as error:
        reason = "encrypted" if "assword" in str(error) else "damaged file"
        raise BadDocument(f"{reason}: {error}") from None
    pages = []
    size = 0
    for number in range(len(document)):
        try:
            pages.append(document[number].get_textpage().get_text_range())
        except pypdfium2.PdfiumError:
            continue
        size += len(pages[-1])
        if size > limit:
            raise BadDocument(f"expands to more than {limit} bytes (see max_expansion)")
    text = "\n\n".join(HYPHENS.sub("", page).strip() for page in pages)
    if not text.strip():
        raise BadDocument(NO_LAYER)
    about = document.get_metadata_dict(skip_empty=True)
    return text, {"title": about.get("Title"), "author": about.get("Author"), "created": _pdf_date(about)}


def _pdf_date(about: dict[str, str]) -> str | None:
    """Return when a PDF was made, as 2024-05-18T01:58:10."""
    found = re.match(r"D:(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)", about.get("CreationDate", ""))
    return "{}-{}-{}T{}:{}:{}".format(*found.groups()) if found else None


def _rtf(raw: bytes, limit: int) -> tuple[str, dict[str, Any]]:
    """Return the text of an RTF file."""
    from striprtf.striprtf import rtf_to_text

    if not raw.lstrip().startswith(b"{\\rtf"):
        raise BadDocument("no RTF file")
    return rtf_to_text(raw.decode("latin-1"), errors="replace"), {}  # type: ignore[no-untyped-call, unused-ignore]


READERS = {".docx": _docx, ".odt": _odt, ".pdf": _pdf, ".rtf": _rtf}
