"""Read manual pages written for groff, as running text."""

import re
from collections.abc import Iterator

from massivetext.corpus.readers.groff import page_text
from massivetext.corpus.readers.records import Reader, Record
from massivetext.corpus.readers.streams import Piece
from massivetext.corpus.readers.text import read_whole
from massivetext.errors import BadDocument

PAGE = re.compile(r"(?:^|/)man\w+/[^/]+\.\d\w*(?:\.gz|\.bz2|\.xz|\.zst)?$")

COLOPHON = re.compile(r"\n(?:跋|\[?中文版维护人\]?)\n")
PROJECT = re.compile(r"本页面中文版由|man\s*+手册页")
"""These match the last section of nearly every manpages-zh page, its heading and its content. It describes the
translation project, not the page's subject."""


class ManPageReader(Reader):
    """Reads the files of `man1`, `man2`, ...; a page that only redirects to another (`.so`) yields nothing."""

    version = 2

    def takes(self, uri: str) -> bool:
        """Return whether the path is that of a manual page."""
        return PAGE.search(uri) is not None

    def is_whole_file(self) -> bool:
        """Return True."""
        return True

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield the page's text."""
        record = read_whole(piece.file, self.source.max_record_bytes, self.source.encoding)
        if record.text.startswith(".so "):
            return
        if not record.bad:
            try:
                record = record._replace(text=without_colophon(page_text(record.text)))
            except BadDocument as error:
                record = record._replace(text="", bad=str(error))
            except RecursionError:
                record = record._replace(text="", bad="requests nested too deep")
        yield record


def without_colophon(text: str) -> str:
    """Return the text of a page without the last section about the translation project."""
    last = max((found.start() for found in PROJECT.finditer(text)), default=0)
    heading = COLOPHON.search(text, 0, last)
    return text[: heading.start()].rstrip("\n") + "\n" if heading else text
