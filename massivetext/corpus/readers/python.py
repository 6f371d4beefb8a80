"""Read Python sources as three kinds of text: code without docstrings, docstrings without code, and help topics.

Docstrings are found with one regular expression for strings and comments, which is twenty times as fast as parsing the
syntax tree. A test compares the two on the whole standard library.
"""

import ast
import inspect
import re
import tokenize
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from massivetext.corpus.readers.decoding import clean_surrogates
from massivetext.corpus.readers.records import TOO_LONG, Reader, Record, bad_record, digest
from massivetext.corpus.readers.streams import Piece
from massivetext.corpus.readers.text import decode_file
from massivetext.errors import BadDocument
from massivetext.text.patterns import compile_pattern

MIN_DOCSTRING_CHARACTERS = 80
"""Shorter docstrings ("Return the name.") say little without their code, so `python_docs` leaves them out."""

TOKENS = compile_pattern(
    r"#[^\n]*"
    r'|"""[^"\\]*+(?:(?:\\.|"(?!""))[^"\\]*+)*+(?:"""|(?P<open_1>\\?\Z))'
    r"|'''[^'\\]*+(?:(?:\\.|'(?!''))[^'\\]*+)*+(?:'''|(?P<open_2>\\?\Z))"
    r'|"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+(?:"|(?P<open_3>(?=\n)|\\?\Z))'
    r"|'[^'\\\n]*+(?:\\.[^'\\\n]*+)*+(?:'|(?P<open_4>(?=\n)|\\?\Z))",
    re.DOTALL,
)
"""A comment or a string literal without its prefix, whichever comes first. An unclosed literal, which valid source
never has, matches a named group and extends to the end of its line or of the file."""
STATEMENT = re.compile(
    r"^([ \t]*)(async[ \t]+def|def|class|if|elif|else|for|while|try|except|finally|with|match|case)\b", re.MULTILINE
)
ESCAPES = re.compile(
    r"\\(\n|[\\'\"abfnrtv]|[0-7]{1,3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^{}\\\n]{1,100}\})"
)
SIMPLE_ESCAPES = {"\n": "", "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
MAX_INDENT = 400
HEADER_CHARACTERS = 4000
"""Maximum distance from a docstring back to the start of its `def` or `class`."""


class Docstring(NamedTuple):
    """One docstring in a source text."""

    start: int
    """Offset of the literal's first character, including its prefix."""
    end: int
    """Offset after the literal."""
    indent: str
    """The whitespace before it on its line."""
    value: str
    """The string with escapes resolved and indentation unchanged."""


def find_docstrings(source: str) -> list[Docstring]:
    """Return the docstrings of the module and its classes and functions, in order of appearance.

    source: text of a module with "\\n" line ends. A docstring on the same line as its `def` is not found.
    """
    found = []
    last_character, previous_end, line_start, begun = "", 0, 0, 0
    for match in TOKENS.finditer(source):
        start, end = match.span()
        gap = source[previous_end:start].rstrip()
        previous_end = end
        if source[start] == "#":
            last_character = gap[-1:] or last_character
            continue
        line_start = source.rfind("\n", begun, start) + 1 or line_start
        begun = start
        # A long line holds no docstring, and comparing each of its strings with everything before it would be slow.
        before = source[line_start:start] if start - line_start <= MAX_INDENT else "..."
        prefix = before.lstrip()
        if prefix:
            gap = gap[: -len(prefix)].rstrip() if prefix in ("r", "R", "u", "U") else gap
        last_character, previous_character = '"', gap[-1:] or last_character
        if match.lastgroup or prefix not in ("", "r", "R", "u", "U") or previous_character not in ("", ":"):
            continue
        indent = before[: len(before) - len(prefix)]
        after = source[end : _line_end(source, end)].strip()
        if after and not after.startswith("#"):
            continue
        if (previous_character == ":") == bool(indent) and (not indent or _opens_body(source, line_start, indent)):
            found.append(Docstring(line_start + len(indent), end, indent, _value(match.group(), prefix)))
    return found


def _line_end(source: str, position: int) -> int:
    """Return the offset of the end of the line that contains `position`, before its line feed."""
    end = source.find("\n", position)
    return len(source) if end < 0 else end


def _opens_body(source: str, line_start: int, indent: str) -> bool:
    """Return whether the statement whose body begins on this line is a `def` or a `class`."""
    before = source[source.rfind("\n", 0, line_start - 1) + 1 : line_start]
    header = STATEMENT.match(before)
    if header and len(header.group(1)) < len(indent) and before.count("(") == before.count(")"):
        # Most headers are one line. A parenthesis in a string can make one look open; then the code below checks it.
        return header.group(2).endswith(("def", "class"))
    window = source[max(0, line_start - HEADER_CHARACTERS) : line_start]
    header = None
    for match in STATEMENT.finditer(window):
        if len(match.group(1)) < len(indent) and indent.startswith(match.group(1)):
            header = match
    if header is None or not header.group(2).endswith(("def", "class")):
        return False
    between = TOKENS.sub("", window[header.start() :])
    return all(between.count(opening) == between.count(closing) for opening, closing in ("()", "[]", "{}"))


def _value(literal: str, prefix: str) -> str:
    """Return the value of a string literal given without its prefix."""
    quotes = 3 if literal.startswith(('"""', "'''")) else 1
    body = literal[quotes:-quotes]
    if "\\" not in body or prefix in ("r", "R"):
        return body
    return clean_surrogates(ESCAPES.sub(_unescape, body))


def _unescape(match: re.Match[str]) -> str:
    """Return the character for an escape sequence."""
    code = match.group(1)
    if code in SIMPLE_ESCAPES:
        return SIMPLE_ESCAPES[code]
    try:
        if code[0] in "xuU":
            return chr(int(code[1:], 16))
        if code[0] == "N":
            return unicodedata.lookup(code[2:-1])
        return chr(int(code, 8)) if code[0] in "01234567" else code
    except (KeyError, ValueError, OverflowError):
        return match.group()


def without_docstrings(source: str) -> str:
    """Return the source without docstrings, comments kept; a body of only a docstring becomes `pass`."""
    parts, position = [], 0
    for docstring in find_docstrings(source):
        line_start = docstring.start - len(docstring.indent)
        if docstring.indent and _is_whole_body(source, docstring):
            parts += [source[position : docstring.start], "pass"]
            position = docstring.end
            continue
        parts.append(source[position:line_start])
        position = _line_end(source, docstring.end) + 1
        # Also remove a blank line that separated the docstring from the code.
        following = _line_end(source, position)
        if position < len(source) and not source[position:following].strip():
            position = following + 1
    return "".join([*parts, source[position:]]).lstrip("\n")


def _is_whole_body(source: str, docstring: Docstring) -> bool:
    """Return whether no statement follows the docstring in its body."""
    position = _line_end(source, docstring.end) + 1
    while position < len(source):
        end = _line_end(source, position)
        line = source[position:end]
        if line.strip() and not line.lstrip().startswith("#"):
            return len(line) - len(line.lstrip()) < len(docstring.indent)
        position = end + 1
    return True


TOPICS_TABLE = re.compile(r"^topics\s*=\s*\{", re.MULTILINE)


class PythonReader(Reader):
    """Base of the three readers: decodes a .py file as Python does and normalises line ends to "\\n"."""

    version = 2
    suffixes = ()

    def takes(self, uri: str) -> bool:
        """Return whether the file is a Python source."""
        return uri.endswith(".py")

    def is_whole_file(self) -> bool:
        """Return True: code and docstrings of one file stay on the same side of the split."""
        return True

    def load(self, piece: Piece) -> tuple[str, bytes, bool]:
        """Return (text, bytes, whether some were invalid) of a source file; raise BadDocument if it is too long."""
        if piece.file.size > self.source.max_record_bytes:
            raise BadDocument(TOO_LONG)
        with piece.file.open() as stream:
            raw = stream.read()
        encoding = self.source.encoding
        if b"coding" in raw[:400]:
            try:
                encoding = tokenize.detect_encoding(iter(raw[:400].splitlines(keepends=True)).__next__)[0]
            except SyntaxError:
                raise BadDocument("unknown source encoding") from None
        text, invalid, _ = decode_file(raw, "utf-8" if encoding == "utf-8-sig" else encoding)
        return text.replace("\r\n", "\n").replace("\r", "\n"), raw, invalid

    def text_of(self, source: str) -> str:
        """Return the requested part of a source text, or "" if there is none."""
        raise NotImplementedError

    def records(self, source: str, raw: bytes, invalid: bool) -> Iterator[Record]:
        """Yield the requested parts of a source text; nothing if it has none."""
        raise NotImplementedError

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield the records of a file."""
        try:
            source, raw, invalid = self.load(piece)
            yield from self.records(source, raw, invalid)
        except BadDocument as error:
            yield bad_record("0", piece.file.size, str(error))


class CodeReader(PythonReader):
    """Reads code with its comments but without its docstrings."""

    def records(self, source: str, raw: bytes, invalid: bool) -> Iterator[Record]:
        """Yield the code as one record."""
        yield Record("0", len(raw), digest(raw), without_docstrings(source), "", invalid)


class DocsReader(PythonReader):
    """Reads the docstrings of a file in order, each once, with a blank line between them.

    A module that is a table of help topics (`topics = {...}`, such as pydoc_data.topics) yields those instead.
    """

    def records(self, source: str, raw: bytes, invalid: bool) -> Iterator[Record]:
        """Yield the docstrings that are long enough as one record, or each help topic as one record."""
        if TOPICS_TABLE.search(source):
            yield from topics(source, invalid)
            return
        values = (inspect.cleandoc(docstring.value).strip() for docstring in find_docstrings(source))
        long = dict.fromkeys(value for value in values if len(value) >= MIN_DOCSTRING_CHARACTERS)
        if long:
            yield Record("0", len(raw), digest(raw), "\n\n".join(long) + "\n", "", invalid)


class TopicsReader(PythonReader):
    """Reads the language reference behind `help()` (`pydoc_data/topics.py`), one document per topic."""

    def records(self, source: str, raw: bytes, invalid: bool) -> Iterator[Record]:
        """Yield the topics sorted by name."""
        yield from topics(source, invalid)


def topics(source: str, invalid: bool) -> Iterator[Record]:
    """Yield the help topics in a source text, sorted by name; each is assigned to a split side separately."""
    try:
        value = next(node.value for node in ast.parse(source).body if isinstance(node, ast.Assign))
        table = ast.literal_eval(value)
        if not isinstance(table, dict) or not all(isinstance(part, str) for entry in table.items() for part in entry):
            raise TypeError
    except (SyntaxError, ValueError, TypeError, StopIteration, RecursionError, MemoryError) as error:
        raise BadDocument(f"no table of help topics ({type(error).__name__})") from None
    for name, text in sorted(table.items()):
        raw = text.encode(errors="replace")
        yield Record("0", len(raw), digest(raw), clean_surrogates(text), "", invalid, member=clean_surrogates(name))
