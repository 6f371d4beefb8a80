"""Read Project Gutenberg books without the header and licence text; title and author go to `meta`."""

import re
from collections.abc import Iterator

from massivetext.corpus.readers.columns import noting
from massivetext.corpus.readers.records import Reader, Record
from massivetext.corpus.readers.streams import Piece, plain_suffix
from massivetext.corpus.readers.text import read_whole

STARTS = (
    re.compile(r"^\*{3}\s*START OF (?:THE|THIS) PROJECT GUTENBERG E(?:BOOK|TEXT).*\n(?:.*\*{3}[ \t]*\n)?", re.M | re.I),
    re.compile(r"^\*(?:END\*)?\s*THE SMALL PRINT!.*\*END\*.*\n", re.M | re.I),
    re.compile(r"^\*END[ *]+THE SMALL PRINT.*\n", re.M | re.I),
)
ENDS = (
    re.compile(r"^\*{3}\s*END OF (?:THE|THIS) PROJECT GUTENBERG E(?:BOOK|TEXT)", re.M | re.I),
    re.compile(r"^End of (?:The |This )?Project Gutenberg(?:'s|’s)?\b", re.M),
    re.compile(r"^[ \t]*+\*{3}\s*+END:? FULL LICENSE", re.M),
)
HEADER = re.compile(r"^(Title|Author|Language|Release Date|Translator):[ \t]*(.+(?:\n[ \t]+\S.*)*)", re.M)
CREDITS = re.compile(
    r"\A\s*(?:E-?text |This e(?:text|book) was )?(?:Produced|prepared|transcribed) by\b(?:.+\n)+", re.I
)
HEAD_CHARACTERS = 20_000
CODES = {"english": "en", "chinese": "zh", "french": "fr", "german": "de", "spanish": "es", "italian": "it",
         "japanese": "ja", "latin": "la", "dutch": "nl", "portuguese": "pt", "finnish": "fi"}  # fmt: skip


class GutenbergReader(Reader):
    """Reads .txt, one book per file. A file without Project Gutenberg's markers is read in full."""

    version = 2
    suffixes = ()

    def takes(self, uri: str) -> bool:
        """Return whether the file is a text file."""
        return plain_suffix(uri) in (".txt", ".text")

    def is_whole_file(self) -> bool:
        """Return True."""
        return True

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield the book as one record; a known language goes to the `language` column."""
        record = read_whole(piece.file, self.source.max_record_bytes, self.source.encoding)
        if record.bad:
            yield record
            return
        head, text = without_frame(record.text.replace("\r\n", "\n"))
        said = {name.lower().replace(" ", "_"): " ".join(value.split()) for name, value in HEADER.findall(head)}
        language = CODES.get(said.pop("language", "").lower())
        fields = noting(record.fields, **said)._replace(language=language) if said or language else record.fields
        yield record._replace(text=text, fields=fields)


def without_frame(book: str) -> tuple[str, str]:
    """Return (header, text) of a book; the header is empty if there is none."""
    starts = [found.end() for mark in STARTS if (found := mark.search(book, 0, HEAD_CHARACTERS))]
    start = max(starts, default=0)
    ends = [found.start() for mark in ENDS if (found := mark.search(book, start))]
    text = CREDITS.sub("", book[start : min(ends, default=len(book))])
    return book[:start], text.strip("\n") + "\n" if text.strip() else ""
