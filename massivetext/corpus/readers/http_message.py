"""Parse HTTP responses stored in web archives: status, header lines, and the decoded body.

Many crawlers store the decoded page with header lines that still declare `Content-Encoding: gzip` or `chunked`. A body
that does not decode as declared is therefore taken as the page itself, unless it is binary.
"""

import io
import re
import zlib
from typing import Any, BinaryIO, NamedTuple, cast

from massivetext.corpus.readers.framing import BLANK_LINE, Head, parse_head
from massivetext.corpus.readers.members import GZIP_MARK
from massivetext.corpus.readers.records import TOO_LONG
from massivetext.corpus.readers.streams import Budget, expand
from massivetext.errors import BadDocument

STATUS = re.compile(r"(?:HTTP/[\d.]+|HTTP|ICY)\s+(\d{3})\b", re.IGNORECASE)
CHUNK = re.compile(rb"[ \t]*([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]{0,1000})?\r\n")
BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
"""Control characters that occur in no text encoding without zero bytes (0x1B starts ISO-2022 escapes)."""
SAMPLE_BYTES = 2**12
READ_BYTES = 2**16
MAX_INTERIM = 8
WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")


class Message(NamedTuple):
    """One HTTP response."""

    status: int | None
    """None if there is no status line."""
    head: Head
    body: bytes
    is_cut: bool
    """Whether the body ends early, according to its encoding."""


def read_message(data: bytes, max_bytes: int) -> Message:
    """Return a response with its body decoded; raise BadDocument if it cannot be decoded or is too long."""
    head, body = _split(data)
    found = STATUS.match(head.first)
    for _ in range(MAX_INTERIM):
        # Skip interim (1xx) responses, which precede the final one.
        if not (found and found[1].startswith("1") and STATUS.match(body[:20].decode("latin-1"))):
            break
        head, body = _split(body)
        found = STATUS.match(head.first)
    status = int(found[1]) if found else None
    body, is_cut = _unpacked(body, head, max_bytes)
    return Message(status, head, body, is_cut)


def _split(data: bytes) -> tuple[Head, bytes]:
    """Return (header lines, rest) of a message; without a status line everything is body."""
    if not STATUS.match(data[:20].decode("latin-1")):
        return Head("", {}), data
    found = BLANK_LINE.search(data)
    if found is None:
        return parse_head(data), b""
    return parse_head(data[: found.start()]), data[found.end() :]


def _unpacked(body: bytes, head: Head, max_bytes: int) -> tuple[bytes, bool]:
    """Return a body with its transfer and content encodings removed, and whether it is cut short."""
    is_cut = False
    if "chunked" in head.get("transfer-encoding").lower():
        body, is_cut = _joined(body)
    # The encoding applied last is removed first.
    names = [name.strip().lower() for name in head.get("content-encoding").split(",")]
    names = [name for name in names[::-1] if name in EXPANDERS]
    if not names and body.startswith(GZIP_MARK):
        names = ["gzip"]
    for name in names:
        if not body:
            break
        expanded, is_whole = EXPANDERS[name](body, max_bytes + 1)
        if len(expanded) > max_bytes:
            raise BadDocument(TOO_LONG)
        if not is_whole and _is_text(body):
            continue
        if not expanded:
            raise BadDocument(f"its content is not the {name} that its header declares, and no text either")
        body, is_cut = expanded, is_cut or not is_whole
    return body, is_cut


def _is_text(body: bytes) -> bool:
    """Return whether bytes may be plain text."""
    sample = body[:SAMPLE_BYTES]
    return sample.startswith(WIDE_MARKS) or not BINARY.search(sample)


def _joined(body: bytes) -> tuple[bytes, bool]:
    """Return the chunks of a body joined, and whether some are missing; a body without chunks is returned unchanged."""
    chunks: list[bytes] = []
    offset = 0
    while found := CHUNK.match(body, offset):
        size = int(found[1], 16)
        if not size:
            return b"".join(chunks), False
        start, offset = found.end(), found.end() + size
        chunks.append(body[start:offset])
        if body[offset : offset + 2] == b"\r\n":
            offset += 2
        elif offset < len(body):
            # This was not a chunk length, but text that starts with digits.
            return body, False
    if not chunks or offset < len(body):
        return body, False
    return b"".join(chunks), True


def _inflated(data: bytes, limit: int) -> tuple[bytes, bool]:
    """Return up to `limit` bytes of gzip, zlib or raw deflate data, and whether the data is complete."""
    found, is_whole = _taken(zlib.decompressobj(47), data, limit)
    if found or is_whole:
        return found, is_whole
    found, is_whole = _taken(zlib.decompressobj(-15), data, limit)
    # Almost any bytes look like the start of a raw deflate stream.
    return (found, True) if is_whole else (b"", False)


def _taken(expander: Any, data: bytes, limit: int) -> tuple[bytes, bool]:
    """Return what a zlib decompressor yields for some bytes, in small steps, and whether it reached its end."""
    taken = bytearray()
    try:
        while not expander.eof and len(taken) < limit:
            chunk = expander.decompress(data, READ_BYTES)
            data = expander.unconsumed_tail
            if not chunk and not data:
                break
            taken += chunk
    except zlib.error:
        return bytes(taken), False
    return bytes(taken), expander.eof


def _brotli(data: bytes, limit: int) -> tuple[bytes, bool]:
    """Return up to `limit` bytes of brotli data, and whether the data is complete."""
    import brotli

    expander = brotli.Decompressor()
    taken = bytearray()
    view = io.BytesIO(data)
    try:
        while len(taken) < limit and not expander.is_finished():
            if expander.can_accept_more_data():
                if not (chunk := view.read(READ_BYTES)):
                    break
            else:
                chunk = b""
            taken += expander.process(chunk, output_buffer_limit=READ_BYTES)
    except brotli.error:
        return bytes(taken), False
    return bytes(taken), expander.is_finished()


def _zstd(data: bytes, limit: int) -> tuple[bytes, bool]:
    """Return up to `limit` bytes of zstd data, and whether the data is complete."""
    taken = bytearray()
    try:
        with expand(cast(BinaryIO, io.BytesIO(data)), ".zst", Budget(limit + READ_BYTES)) as stream:
            while len(taken) < limit and (chunk := stream.read1(READ_BYTES)):  # type: ignore[attr-defined]
                taken += chunk
    except BadDocument:
        return bytes(taken), False
    return bytes(taken), True


EXPANDERS = {"gzip": _inflated, "x-gzip": _inflated, "deflate": _inflated, "br": _brotli, "zstd": _zstd}
