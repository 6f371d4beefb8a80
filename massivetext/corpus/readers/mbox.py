"""Mailboxes (mbox): the plain text of each message, its subject first.

Addresses and names of senders are not kept; `meta` has the subject, `created_at` the date. Attachments are left out.
"""

import email.errors
import email.header
import email.utils
import re
from collections.abc import Iterator
from contextlib import suppress
from email.message import Message
from email.parser import BytesParser
from email.policy import Compat32
from typing import Any

from massivetext.corpus.readers.columns import meta_json
from massivetext.corpus.readers.decoding import AUTO, clean_surrogates
from massivetext.corpus.readers.records import EMPTY, TOO_LONG, Fields, Reader, Record, bad_record, digest
from massivetext.corpus.readers.streams import Piece, open_stream, read_lines
from massivetext.corpus.readers.text import decode_file
from massivetext.corpus.steps.main_text import plain_text
from massivetext.errors import BadDocument

ENVELOPE = re.compile(rb"From \S.*\d{4}")
QUOTED_ENVELOPE = re.compile(r"^>(>*From )", re.MULTILINE)
BROKEN = (ValueError, LookupError, TypeError, AttributeError, RecursionError, AssertionError, email.errors.MessageError)
"""What the standard's parser raises on headers and parts that no mail program wrote."""
MAX_PARTS = 200
MAX_DEPTH = 20
MAX_HEADER_CHARACTERS = 4096
READ_HEADERS = {"subject", "date", "content-type", "content-disposition", "content-transfer-encoding"}


class _Bounded(Compat32):
    """The standard's policy, which refuses long headers among those that are read: it parses them in square time."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        """Return a header's name and value."""
        name, value = super().header_source_parse(sourcelines)
        if len(value) > MAX_HEADER_CHARACTERS and name.lower() in READ_HEADERS:
            raise BadDocument(f"a header {name!r} longer than {MAX_HEADER_CHARACTERS:,} characters")
        return name, value


class MboxReader(Reader):
    """Reads .mbox, a document for each message."""

    version = 2
    suffixes = (".mbox", ".mbx")

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield one record for each message: it begins at a line "From ..." after a blank one."""
        limit = self.source.max_record_bytes
        with open_stream(piece.file) as stream:
            lines: list[bytes] = []
            start, size, after_blank = 0, 0, True
            for line in read_lines(stream, 0, None, limit):
                if after_blank and line.data is not None and ENVELOPE.match(line.data):
                    if size:
                        yield self._record(start, size, lines)
                    start, size, lines = line.start, 0, []
                size += line.size
                if size <= limit and line.data is not None:
                    lines.append(line.data)
                elif size > limit:
                    lines.clear()
                after_blank = line.data is not None and not line.data.strip()
            if size:
                yield self._record(start, size, lines)

    def _record(self, start: int, size: int, lines: list[bytes]) -> Record:
        """Return the record of one message."""
        if size > self.source.max_record_bytes:
            return bad_record(str(start), size, TOO_LONG)
        raw = b"".join(lines)
        head = raw.partition(b"\n")[2] if raw.startswith(b"From ") else raw
        try:
            message = BytesParser(policy=_Bounded()).parsebytes(head)
            parts = list(_texts(message, self.source.encoding, 0))
            subject = _header(message, "Subject")
            created = _date(message)
        except BROKEN as error:
            return bad_record(str(start), size, f"broken message: {type(error).__name__}", raw)
        except BadDocument as error:
            return bad_record(str(start), size, str(error), raw)
        body = QUOTED_ENVELOPE.sub(r"\1", "\n\n".join(text for text, _ in parts)).strip()
        text = clean_surrogates("\n\n".join(filter(None, (subject, body))))
        fields = Fields(created_at=created, meta=meta_json({"subject": subject}))
        invalid = any(flawed for _, flawed in parts)
        return Record(str(start), size, digest(raw), text, "" if body else EMPTY, invalid, fields=fields)


def _texts(message: Message, encoding: str, depth: int) -> Iterator[tuple[str, bool]]:
    """Yield (text, whether bytes did not fit) of a message's parts; of alternatives the plain one."""
    if depth > MAX_DEPTH:
        return
    parts = message.get_payload()
    if isinstance(parts, list):
        kept = [part for part in parts[:MAX_PARTS] if isinstance(part, Message)]
        if message.get_content_type() == "multipart/alternative":
            plain = [part for part in kept if part.get_content_type() == "text/plain"]
            kept = plain[:1] or kept[-1:]
        for part in kept:
            yield from _texts(part, encoding, depth + 1)
        return
    kind = message.get_content_type()
    if kind not in ("text/plain", "text/html") or message.get_content_disposition() == "attachment":
        return
    payload = message.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return
    # Mail programs declare ASCII, or nothing, for whatever they are given.
    declared = charset if (charset := message.get_content_charset()) != "us-ascii" else None
    text, flawed, _ = decode_file(payload.replace(b"\r\n", b"\n"), encoding, declared)
    yield (plain_text(text) if kind == "text/html" else text), flawed


def _header(message: Message, name: str) -> str | None:
    """Return a header's text on one line."""
    value = next((str(value) for key, value in message.raw_items() if key.lower() == name.lower()), None)
    if value is None:
        return None
    raw = value.encode("ascii", "surrogateescape")
    parts: list[tuple[Any, str | None]] = [(raw, None)]
    if raw.isascii():
        with suppress(*BROKEN):
            parts = email.header.decode_header(value)
    texts = (part if isinstance(part, str) else decode_file(part, AUTO, charset).text for part, charset in parts)
    return " ".join("".join(texts).split()) or None


def _date(message: Message) -> str | None:
    """Return the message's date as ISO 8601; None where there is none that can be read."""
    try:
        return email.utils.parsedate_to_datetime(str(message.get("Date"))).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
