"""EPUB books: the text of all chapters in reading order, one document each; title and author in `meta`."""

import posixpath
import zipfile
from collections.abc import Iterator
from urllib.parse import unquote

from massivetext.corpus.readers.archive import DAMAGES
from massivetext.corpus.readers.columns import meta_json
from massivetext.corpus.readers.elements import parse_element
from massivetext.corpus.readers.html_file import declared_encoding
from massivetext.corpus.readers.records import EMPTY, TOO_LONG, Fields, Reader, Record, bad_record
from massivetext.corpus.readers.streams import Budget, Piece, is_damage
from massivetext.corpus.readers.text import decode_file
from massivetext.corpus.steps.main_text import plain_text
from massivetext.errors import BadDocument

CONTAINER = "META-INF/container.xml"
CHAPTER_TYPES = {"application/xhtml+xml", "text/html", "application/x-dtbook+xml"}
ANY = "{*}"


class EpubReader(Reader):
    """Reads .epub; a book whose parts are encrypted or missing is set aside."""

    version = 2
    suffixes = (".epub",)

    def is_whole_file(self) -> bool:
        """Return True."""
        return True

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield the book."""
        import xxhash

        with piece.file.open() as stream:
            hasher = xxhash.xxh3_128()
            while data := stream.read(2**20):
                hasher.update(data)
            stream.seek(0)
            try:
                with zipfile.ZipFile(stream) as archive:
                    book = _Book(archive, piece.file.new_budget(), self.source.max_record_bytes)
                    text, flawed = book.text()
                    fields = book.fields()
            except BadDocument as error:
                yield bad_record("0", piece.file.size, str(error))
                return
            except (*DAMAGES, KeyError, RecursionError) as error:
                if not is_damage(error):
                    raise
                yield bad_record("0", piece.file.size, f"damaged book: {type(error).__name__}")
                return
        digested = hasher.hexdigest()
        yield Record("0", piece.file.size, digested, text, "" if text else EMPTY, flawed, fields=fields)


class _Book:
    """An opened book: its package document, and the files it names."""

    def __init__(self, archive: zipfile.ZipFile, budget: Budget, max_bytes: int) -> None:
        self._archive = archive
        self._budget = budget
        self._max_bytes = max_bytes
        container = parse_element(self._content(CONTAINER))
        rootfile = container.find(f".//{ANY}rootfile")
        path = None if rootfile is None else rootfile.get("full-path")
        if not path:
            raise BadDocument("names no package document")
        self._folder = posixpath.dirname(path)
        self._package = parse_element(self._content(path))

    def _content(self, name: str) -> bytes:
        """Return a file's bytes; raise BadDocument if there are too many."""
        with self._archive.open(name) as stream:
            data = stream.read(self._max_bytes + 1)
        self._budget.spend(len(data))
        if len(data) > self._max_bytes:
            raise BadDocument(TOO_LONG)
        return data

    def text(self) -> tuple[str, bool]:
        """Return the chapters' text with blank lines between them, and whether bytes did not fit their encoding."""
        items = {item.get("id"): item for item in self._package.findall(f"{ANY}manifest/{ANY}item")}
        chapters: list[str] = []
        flawed, size = False, 0
        for reference in self._package.findall(f"{ANY}spine/{ANY}itemref"):
            item = items.get(reference.get("idref"))
            if item is None or item.get("media-type") not in CHAPTER_TYPES or "nav" in (item.get("properties") or ""):
                continue
            name = posixpath.normpath(posixpath.join(self._folder, unquote(item.get("href") or "")))
            raw = self._content(name)
            page, invalid, _ = decode_file(raw, "auto", declared_encoding(raw))
            chapter = plain_text(page)
            size += 4 * len(chapter)
            if size > 4 * self._max_bytes:
                raise BadDocument(TOO_LONG)
            flawed = flawed or invalid
            chapters.append(chapter)
        return "\n\n".join(filter(None, chapters)), flawed

    def fields(self) -> Fields:
        """Return what the book says of itself."""

        def first(name: str) -> str | None:
            found = self._package.findtext(f"{ANY}metadata/{ANY}{name}")
            return " ".join(found.split()) or None if found else None

        language = first("language")
        meta = {"title": first("title"), "author": first("creator"), "publisher": first("publisher")}
        code = language.split("-")[0].lower() if language else None
        return Fields(language=code, license=first("rights"), created_at=first("date"), meta=meta_json(meta))
