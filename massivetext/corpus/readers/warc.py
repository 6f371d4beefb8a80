"""Web archives: the pages of WARC and ARC files, and the texts of WET files.

A record's place is its offset in the file on disk, as in the indexes of web archives; see `framing.Framed`. Bytes and
digest are those of the payload. `meta` keeps the content type, which tells `html_to_text` what is HTML.
"""

from collections.abc import Iterator
from typing import NamedTuple

from massivetext.corpus.readers.columns import meta_json
from massivetext.corpus.readers.decoding import clean_surrogates
from massivetext.corpus.readers.framing import Framed, Framing, Head
from massivetext.corpus.readers.html_file import HTML, declared_encoding, declared_language
from massivetext.corpus.readers.http_message import read_message
from massivetext.corpus.readers.records import EMPTY, NO_PAGE, NO_TEXT, Fields, Reader, Record, bad_record, digest
from massivetext.corpus.readers.streams import Piece
from massivetext.corpus.readers.text import decode_file
from massivetext.errors import BadDocument

TEXT_TYPES = {HTML, "application/xhtml+xml", "text/plain"}
PAGES = {"response", "resource", "conversion"}
OTHERS = {"warcinfo", "request", "metadata", "revisit", "continuation"}
DESCRIPTIONS = ("metadata:", "filedesc:", "dns:", "screenshot:", "whois:")
"""Addresses of what crawlers say about a crawl: wget's log and list of records, the head of an ARC file."""


class _Entry(NamedTuple):
    """What the header lines of a record say, whatever the format of the archive."""

    kind: str
    url: str
    date: str | None
    type: str
    """Content type of the record."""
    payload_type: str
    """Content type of what was answered, as the crawler identified it."""
    languages: str | None
    truncated: str | None


class WarcReader(Reader):
    """Reads responses (status 200, HTML or plain text), resources and conversions of .warc, .wet and .arc."""

    version = 2
    suffixes = (".warc", ".wet", ".arc")

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield one record for each response, resource or conversion."""
        for framed in Framing(piece.file, self.source.max_record_bytes).records():
            record = self._record(framed)
            if record is not None:
                yield record

    def _record(self, framed: Framed) -> Record | None:
        """Return the record of a framed one; None if it is about the crawl."""
        if framed.head is None:
            return bad_record(framed.place, framed.size, framed.flaw)
        entry = _entry(framed.head)
        if not framed.flaw and (entry.kind in OTHERS or entry.url.startswith(DESCRIPTIONS)):
            return None
        reason = framed.flaw or ("" if entry.kind in PAGES else "unknown type of record")
        if reason:
            return bad_record(framed.place, framed.size, reason, framed.content)
        try:
            return self._page(framed.place, entry, framed.content)
        except BadDocument as error:
            return bad_record(framed.place, framed.size, str(error), framed.content)

    def _page(self, place: str, entry: _Entry, content: bytes) -> Record:
        """Return the record of one page or text."""
        raw, kind, is_cut = content, entry.type, False
        if entry.type.startswith("application/http") or content.startswith((b"HTTP/", b"ICY ")):
            message = read_message(content, self.source.max_record_bytes)
            raw, is_cut = message.body, message.is_cut
            if message.status != 200:
                return bad_record(place, len(raw), NO_PAGE, raw)
            kind = message.head.get("content-type") or entry.payload_type
        sent = kind
        kind = kind.partition(";")[0].strip().lower()
        if kind not in TEXT_TYPES:
            return bad_record(place, len(raw), NO_TEXT, raw)
        if not raw:
            return bad_record(place, 0, EMPTY)
        is_html = kind != "text/plain"
        declared = declared_encoding(raw if is_html else b"", sent)
        decoded = decode_file(raw, self.source.encoding, declared)
        meta = {
            "content_type": HTML if is_html else kind,
            "declared_language": declared_language(decoded.text) if is_html else None,
            "identified_languages": entry.languages,
            "encoding": None if decoded.encoding in ("utf-8", self.source.encoding) else decoded.encoding,
            "truncated": entry.truncated or ("cut short" if is_cut else None),
        }
        fields = Fields(url=clean_surrogates(entry.url) or None, created_at=entry.date, meta=meta_json(meta))
        return Record(place, len(raw), digest(raw), decoded.text, "", decoded.invalid, fields=fields)


def _entry(head: Head) -> _Entry:
    """Return what the header lines of a WARC or ARC record say."""
    if head.values or head.first.startswith("WARC/"):
        return _Entry(
            head.get("warc-type").lower(),
            head.get("warc-target-uri").strip("<>"),
            head.get("warc-date") or None,
            head.get("content-type"),
            head.get("warc-identified-payload-type"),
            head.get("warc-identified-content-language") or None,
            head.get("warc-truncated") or None,
        )
    url, _, date, kind = head.first.split(" ")[:4]
    return _Entry("response", url, _iso_date(date), kind, kind, None, None)


def _iso_date(digits: str) -> str | None:
    """Return a date of an ARC file, as 20050101120000, in the way of WARC files."""
    if len(digits) != 14:
        return None
    parts = [digits[:4], *(digits[start : start + 2] for start in range(4, 14, 2))]
    return "{}-{}-{}T{}:{}:{}Z".format(*parts)
