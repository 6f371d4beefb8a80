"""Read fortune files: short texts separated by lines that hold a single `%`."""

import re
from collections.abc import Iterator

from massivetext.corpus.readers.decoding import Decoder
from massivetext.corpus.readers.records import (
    TOO_LONG,
    Reader,
    Record,
    bad_record,
    digest,
)
from massivetext.corpus.readers.streams import Line, Piece, open_lines, read_lines

TERMINAL_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""Colours and other terminal escape sequences, which are not part of the text."""


class FortunesReader(Reader):
    """Reads the files of `fortune`. In a folder, their `.dat` indexes and duplicate `.u8` files are skipped."""

    def takes(self, uri: str) -> bool:
        """Return whether the file holds texts."""
        return not uri.endswith((".dat", ".u8"))

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield one record per text, without terminal escape sequences."""
        stream, decoder = open_lines(piece.file, self.source.encoding)
        with stream:
            gathered: list[Line] = []
            size = 0
            for line in read_lines(stream, 0, None, self.source.max_record_bytes):
                if line.data is not None and line.data.strip() == b"%":
                    yield from self._record(gathered, size, decoder)
                    gathered, size = [], 0
                    continue
                size += line.size
                # Data over the limit is counted but not kept.
                gathered.append(line if size <= self.source.max_record_bytes else line._replace(data=None))
            yield from self._record(gathered, size, decoder)

    def _record(self, lines: list[Line], size: int, decoder: Decoder) -> Iterator[Record]:
        """Yield the record for a run of lines, or nothing if there are none."""
        if not lines:
            return
        place = str(lines[0].start)
        if any(line.data is None for line in lines):
            yield bad_record(place, size, TOO_LONG)
            return
        raw = b"".join(line.data or b"" for line in lines)
        text, invalid, _ = decoder.decode(raw, lines[0].start)
        yield Record(place, len(raw), digest(raw), TERMINAL_CODES.sub("", text).strip("\r\n") + "\n", "", invalid)
