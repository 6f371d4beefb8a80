"""Web archives: the pages of WARC files, and the texts of WET files.

A record's place is its offset in the file as it lies on disk, as in the indexes of web archives; bytes and digest are
those of the payload. `meta` keeps the content type, which tells `html_to_text` what is HTML.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO

from massivetext.corpus.readers.columns import meta_json
from massivetext.corpus.readers.decoding import clean_surrogates, decode_file
from massivetext.corpus.readers.html_file import HTML, declared_encoding, declared_language
from massivetext.corpus.readers.records import (
    EMPTY,
    NO_PAGE,
    NO_TEXT,
    TOO_LONG,
    Fields,
    Reader,
    Record,
    bad_record,
    digest,
)
from massivetext.corpus.readers.streams import SKIP_BYTES, Piece, compression_of, is_damage, open_stream
from massivetext.errors import BadDocument

TEXT_TYPES = {HTML, "application/xhtml+xml", "text/plain"}
GZIP_MARK = b"\x1f\x8b\x08"
RECORD_MARK = b"WARC/1."
DAMAGES = (OSError, ValueError, EOFError, RuntimeError, MemoryError)


class WarcReader(Reader):
    """Reads responses (status 200, HTML or plain text) and conversions of .warc and .wet, packed by record or whole."""

    suffixes = (".warc", ".wet")

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield one record for each response, resource or conversion."""
        from fastwarc.warc import ArchiveIterator, WarcRecordType

        wanted = WarcRecordType.response | WarcRecordType.conversion | WarcRecordType.resource
        others = WarcRecordType.warcinfo | WarcRecordType.request | WarcRecordType.metadata
        others |= WarcRecordType.revisit | WarcRecordType.continuation
        # Gzip members are left to the library, which knows where each begins.
        packed = compression_of(piece.file.path) == ".gz"
        stream = piece.file.open() if packed else open_stream(piece.file)
        start, place = 0, "0"
        with stream:
            while True:
                try:
                    for record in ArchiveIterator(stream, parse_http=True, auto_decode="all"):
                        place = str(start + record.stream_pos)
                        if record.record_type & wanted:
                            yield self._record(record, place)
                        elif not record.record_type & others:
                            yield bad_record(place, record.content_length, "unknown type of record")
                    return
                except DAMAGES as error:
                    if not is_damage(error):
                        raise
                    reason = f"damaged record: {type(error).__name__}"
                if not stream.seekable():
                    raise BadDocument(reason)
                yield bad_record(f"after {place}", 0, reason)
                found = _next_mark(stream, max(start, int(place)) + 1, GZIP_MARK if packed else RECORD_MARK)
                if found is None:
                    return
                start, place = found, str(found)
                stream.seek(start)

    def _record(self, record: Any, place: str) -> Record:
        """Return the record of one WARC record."""
        limit = self.source.max_record_bytes
        http = record.http_headers
        raw = record.reader.read(limit + 1)
        if len(raw) > limit:
            return bad_record(place, record.content_length, TOO_LONG)
        encoded = http is not None and any(http.get(name) for name in ("Content-Encoding", "Transfer-Encoding"))
        if len(raw) < record.content_length and not encoded:
            return bad_record(place, len(raw), "cut short", raw)
        headers = record.headers
        if http is not None:
            if http.status_code != 200:
                return bad_record(place, len(raw), NO_PAGE, raw)
            kind = (record.http_content_type or headers.get("WARC-Identified-Payload-Type") or "").lower()
        else:
            kind = (headers.get("Content-Type") or "").partition(";")[0].strip().lower()
        if kind not in TEXT_TYPES:
            return bad_record(place, len(raw), NO_TEXT, raw)
        if not raw:
            return bad_record(place, 0, EMPTY)
        is_html = kind != "text/plain"
        sent = http.get("Content-Type") if http is not None else None
        declared = declared_encoding(raw if is_html else b"", sent)
        decoded = decode_file(raw, self.source.encoding, declared)
        meta = {
            "content_type": HTML if is_html else kind,
            "declared_language": declared_language(decoded.text) if is_html else None,
            "identified_languages": headers.get("WARC-Identified-Content-Language"),
            "encoding": None if decoded.encoding in ("utf-8", self.source.encoding) else decoded.encoding,
        }
        url, date = headers.get("WARC-Target-URI"), headers.get("WARC-Date")
        fields = Fields(url=url and clean_surrogates(url.strip("<>")), created_at=date, meta=meta_json(meta))
        return Record(place, len(raw), digest(raw), decoded.text, "", decoded.invalid, fields=fields)


def _next_mark(stream: BinaryIO, start: int, mark: bytes) -> int | None:
    """Return the offset of the next mark from `start` on; None if there is none."""
    stream.seek(start)
    held = b""
    while data := stream.read(SKIP_BYTES):
        held += data
        found = held.find(mark)
        if found >= 0:
            return start + found
        start += max(len(held) - len(mark), 0)
        held = held[-len(mark) :]
    return None
