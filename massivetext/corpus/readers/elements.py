"""Read XML dumps element by element, so that a broken element affects no other and no entity can expand.

A document type, where entities would be declared, precedes the first element and is never parsed.
"""

from collections.abc import Iterator
from typing import BinaryIO
from xml.etree import ElementTree

from massivetext.corpus.readers.streams import Line
from massivetext.errors import BadDocument

READ_BYTES = 2**17


def read_elements(stream: BinaryIO, opening: bytes, closing: bytes, max_bytes: int) -> Iterator[Line]:
    """Yield the parts of a stream from `opening` to the next `closing`, in order; everything between parts is skipped.

    A part has no data if it is longer than `max_bytes`, or is cut short by the stream's end or another `opening`. At
    most `max_bytes` and one read buffer are in memory.
    """
    held, offset = bytearray(), 0
    begun = False
    searched = 0
    skipped = 0
    while True:
        if not begun:
            found = held.find(opening)
            if found >= 0:
                del held[:found]
                offset += found
                begun, searched, skipped = True, len(opening), 0
                continue
            gone = max(len(held) - len(opening) + 1, 0)
            del held[:gone]
            offset += gone
        else:
            found = held.find(closing, searched)
            if found >= 0:
                size = found + len(closing)
                again = held.rfind(opening, len(opening), found)
                if skipped or size > max_bytes:
                    yield Line(offset - skipped, size + skipped, None)
                elif again > 0:
                    yield Line(offset, again, None)
                    yield Line(offset + again, size - again, bytes(held[again:size]))
                else:
                    yield Line(offset, size, bytes(held[:size]))
                del held[:size]
                offset += size
                begun = False
                continue
            searched = max(len(held) - len(closing) + 1, 0)
            if len(held) > max_bytes:
                del held[:searched]
                offset += searched
                skipped += searched
                searched = 0
        data = stream.read(READ_BYTES)
        if not data:
            if begun:
                yield Line(offset - skipped, len(held) + skipped, None)
            return
        held += data


def outside(text: str, opening: str, closing: str) -> Iterator[str]:
    """Yield the parts of a text outside pairs of marks (such as comment marks); an unclosed pair stays in the text."""
    place = 0
    while (start := text.find(opening, place)) >= 0 and (end := text.find(closing, start)) >= 0:
        yield text[place:start]
        place = end + len(closing)
    yield text[place:]


def parse_element(data: bytes) -> ElementTree.Element:
    """Return the element in some bytes; raise BadDocument if it is malformed or declares entities."""
    if b"<!ENTITY" in data.replace(b"\0", b""):
        raise BadDocument("declares XML entities")
    try:
        return ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError) as error:
        raise BadDocument(f"broken XML: {error}") from None
