"""Manual pages written for groff, as running text."""

import re
from collections.abc import Iterator

from massivetext.corpus.readers.groff import page_text
from massivetext.corpus.readers.records import Reader, Record
from massivetext.corpus.readers.streams import Piece
from massivetext.corpus.readers.text import read_whole

PAGE = re.compile(r"(?:^|/)man\w+/[^/]+\.\d\w*(?:\.gz|\.bz2|\.xz|\.zst)?$")

COLOPHON = re.compile(r"\n+(?:跋|\[?中文版维护人\]?)\n(?:(?!\n\n\n).)*(?:本页面中文版由|man\s*手册页).*\Z", re.DOTALL)
"""The end of nearly every page of manpages-zh, which tells of the project and not of the page's subject."""


class ManPageReader(Reader):
    """Reads the files of `man1`, `man2`, ...; a page that only points to another (`.so`) yields nothing."""

    def takes(self, uri: str) -> bool:
        """Return whether the file lies where manual pages do."""
        return PAGE.search(uri) is not None

    def is_whole_file(self) -> bool:
        """Return True."""
        return True

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield the page's text."""
        record = read_whole(piece.file, self.source.max_record_bytes, self.source.encoding)
        if record.text.startswith(".so "):
            return
        yield record if record.bad else record._replace(text=COLOPHON.sub("\n", page_text(record.text)))
