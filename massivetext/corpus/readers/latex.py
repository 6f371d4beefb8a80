"""Read LaTeX sources: the body of a paper with markup and formulas, without comments, preamble and bibliography.

Macros without arguments that the preamble defines are expanded in the body, as in RedPajama's arXiv part (Together
2023), because their definitions are removed with the preamble.
"""

import re
from collections.abc import Iterator

from massivetext.corpus.readers.columns import noting
from massivetext.corpus.readers.records import EMPTY, Reader, Record
from massivetext.corpus.readers.streams import Piece
from massivetext.corpus.readers.text import read_whole
from massivetext.text.patterns import compile_pattern

COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)%.*")
WHOLE_COMMENT = re.compile(r"^[ \t]*%.*\n?", re.MULTILINE)
MACRO = compile_pattern(
    r"\\(?:(?:re)?newcommand\*?\s*+(?:\{\s*+)?(\\[A-Za-z]{1,40}+)\s*+\}?|def\s*+(\\[A-Za-z]{1,40}+))\s*+"
    r"\{([^{}#\n]{0,200}+(?:\{[^{}#\n]{0,200}+\}[^{}#\n]{0,200}+){0,5}+)\}"
)
CONTROL_WORD = re.compile(r"\\[A-Za-z]++")
TITLE = re.compile(r"\\title\s*+(?:\[[^\]]{0,300}+\]\s*+)?\{([^{}]{1,500}+)\}")
BLANK_LINES = compile_pattern(r"\n[ \t]*+(?:\n[ \t]*+)++")
PROSE = re.compile(r"[^\W\d_]{2}\s++[^\W\d_]{2}|[\u4e00-\u9fff]{4}")
ENDINGS = (r"\begin{thebibliography}", r"\bibliography{", r"\printbibliography", r"\end{document}")
MAX_GROWTH = 2


class LatexReader(Reader):
    """Reads .tex and .latex, one document per file. A file without its own text (macros, styles) gives none."""

    version = 2
    suffixes = (".tex", ".latex")

    def is_whole_file(self) -> bool:
        """Return True."""
        return True

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield the body of the file."""
        record = read_whole(piece.file, self.source.max_record_bytes, self.source.encoding)
        if not record.bad:
            title = TITLE.search(record.text)
            text = body(record.text)
            fields = noting(record.fields, title=" ".join(title[1].split())) if title else record.fields
            record = record._replace(text=text, bad="" if text else EMPTY, fields=fields)
        yield record


def body(source: str) -> str:
    """Return the text between preamble and bibliography; all of a fragment without `document`, if it has prose."""
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    source = COMMENT.sub(r"\1", WHOLE_COMMENT.sub("", source))
    preamble, begun, text = source.partition(r"\begin{document}")
    if not begun:
        preamble, text = "", source
        if "\\documentclass" in source or not PROSE.search(source):
            return ""
    ends = [found for found in map(text.find, ENDINGS) if found >= 0]
    text = text[: min(ends)] if ends else text
    macros = {found[1] or found[2]: found[3] for found in MACRO.finditer(preamble)}
    if macros:
        words = (found[0] for found in CONTROL_WORD.finditer(text))
        growth = sum(len(macros[word]) - len(word) for word in words if word in macros)
        if growth <= (MAX_GROWTH - 1) * len(text) + 1000:
            text = CONTROL_WORD.sub(lambda found: macros.get(found[0], found[0]), text)
    text = BLANK_LINES.sub("\n\n", text).strip("\n")
    return f"{text}\n" if text.strip() else ""
