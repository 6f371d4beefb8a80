"""Convert a manual page written for groff (the `man` and `mdoc` macros) to running text without layout.

Lines that groff would fill become one line per paragraph. Headings get their own line. Tags (options, list items) get a
line above the text they introduce, which is indented. Examples keep their lines. This is not a typesetter: registers,
traps and drawing are ignored, and the only condition taken as true is `n` (output to a terminal).
"""

import re
from collections.abc import Iterator

from massivetext.errors import BadDocument
from massivetext.text.patterns import compile_pattern

INDENT = "    "
MAX_DEPTH = 20
MAX_GROWTH = 4
SPECIAL_CHARACTERS = {
    "bu": "•", "aq": "'", "lq": "“", "rq": "”", "oq": "‘", "cq": "’", "dq": '"', "em": "—", "en": "–", "hy": "-",
    "co": "©", "rg": "®", "tm": "™", "de": "°", "bv": "|", "br": "|", "or": "|", "ba": "|", "ul": "_", "ru": "_",
    "ga": "`", "aa": "´", "sl": "/", "rs": "\\", "+-": "±", "mu": "×", "di": "÷", ">=": "≥", "<=": "≤", "!=": "≠",
    "->": "→", "<-": "←", "**": "*", "pl": "+", "mi": "−", "eq": "=", "ha": "^", "ti": "~", "at": "@", "sh": "#",
    "Do": "$", "la": "⟨", "ra": "⟩", "lB": "[", "rB": "]", "lC": "{", "rC": "}", "dg": "†", "dd": "‡", "sc": "§",
    "ps": "¶", "Eu": "€", "Po": "£", "Ye": "¥", "12": "½", "14": "¼", "34": "¾", "*a": "α", "*b": "β", "*g": "γ",
    "*m": "μ", "*p": "π", "*W": "Ω", "if": "∞", "sr": "√", "ss": "ß", "ae": "æ", "AE": "Æ", "/o": "ø", "/O": "Ø",
    "oa": "å", ":a": "ä", ":o": "ö", ":u": "ü", ":A": "Ä", ":O": "Ö", ":U": "Ü", "'e": "é", "'a": "á", "'i": "í",
    "'o": "ó", "'u": "ú", "`e": "è", "`a": "à", "^e": "ê", ",c": "ç", "~n": "ñ", "S1": "¹", "S2": "²", "S3": "³",
    "no": "¬", "Of": "ª", "fm": "′",
}  # fmt: skip
STRINGS = {"R": "®", "Tm": "™", "lq": "“", "rq": "”", "Aq": "'", "L\"": '"', "R\"": '"', "C`": "", "C'": "", "--": "—",
           "q": '"', "Lq": "“", "Rq": "”", "<=": "≤", ">=": "≥", "Ba": "|", "ua": "^"}  # fmt: skip
ARGUMENTS = compile_pattern(r'"((?:[^"]++|"")*+)"?|((?:\\.|[^\s\\]++)++)')
"""One argument of a request, in quotes or not."""
ESCAPE = re.compile(
    r"""\\(?:(?P<comment>["\#].*)"""
    r"""|f(?:\(..|\[[^\]]{0,99}\]|.)|s(?:\([+-]?\d\d|\[[^\]]{0,99}\]|[+-]?'[^']*+'|[+-]?\d{1,2})"""
    r"""|[hvwlLoDNSHbxXZAR]'[^']*+'|[mMFn](?:[+-]?\[[^\]]{0,99}\]|\(..|.)|k(?:\[[^\]]{0,99}\]|\(..|.)"""
    r"""|\*(?:\[(?P<long_string>[^\]]{0,99})\]|\((?P<string>..)|(?P<short_string>.))"""
    r"""|\[(?P<long_name>[^\]]{0,99})\]|\((?P<name>..)"""
    r"""|\$.|z|(?P<plain>.)|$)"""
)
NOTHING = set("&|^/,):%cpud{}!azrE")
FONTS = {"B", "I", "SM", "SB", "R", "CW", "C", "Em", "Sy", "Li", "Tn"}
ALTERNATING = {"BR", "RB", "IR", "RI", "BI", "IB"}
PARAGRAPHS = {"PP", "LP", "P", "Pp", "sp", "Sp", "HP", "Lp", "bp", "SP"}
UNFILLED = {"nf", "EX", "Vb", "CS", "DS", "Bd"}
FILLED = {"fi", "EE", "Ve", "CE", "DE", "Ed"}
CLOSING = set(".,:;)]?!")
QUOTES = {"Dq": "“”", "Sq": "‘’", "Pq": "()", "Bq": "[]", "Op": "[]", "Ql": "‘’", "Aq": "<>", "Brq": "{}", "Qq": '""'}
MDOC_WORDS = {
    "Ar", "Cm", "Ic", "Pa", "Ev", "Va", "Dv", "Fa", "Ad", "Er", "Ft", "Vt", "No", "Ux", "Bx", "Fx", "An", "Fd",
    "Em", "Sy", "Li", "Tn", "Nm", "Fl", "Xr", "Fn", "Ns", "Nd", "Sx", "Lk", "Mt", "St", "Lb", "In",
}  # fmt: skip
COUNTER = re.compile(r"[•*·–o-]|[(\[]?\w{1,2}[.)\]]")
"""A tag that starts its paragraph instead of getting its own line: a bullet or a number."""
CELL = re.compile(r"T\{\n((?:(?!T\{\n).)*?)\nT\}", re.DOTALL)
"""A table cell that spans several lines."""
WIDE = r"[\u2014\u2018-\u201d\u2026\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\u3000-\u303f]"
BETWEEN_WIDE = re.compile(rf"(?<={WIDE})\n(?={WIDE})")


def page_text(source: str) -> str:
    """Return the running text of a manual page's source; its first line is the first heading.

    Raises BadDocument if the page's own strings expand it too much.
    """
    page = _Page(len(source))
    page.read(source.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "".join(page.output)).strip("\n") + "\n"


class _Strings:
    """The strings that a page may use: groff's and its own. Their total expansion is limited."""

    def __init__(self, size: int) -> None:
        self.known = dict(STRINGS)
        self._left = MAX_GROWTH * size + 10_000

    def spelled(self, name: str) -> str:
        """Return the text of a string, or "" if it is unknown; raise BadDocument if the total grows too large."""
        text = self.known.get(name, "")
        self._left -= len(text)
        if self._left < 0:
            raise BadDocument(f"its strings make it more than {MAX_GROWTH} times as long")
        return text


class _Page:
    """Holds the state of one page while its lines are processed."""

    def __init__(self, size: int) -> None:
        self.output: list[str] = []
        self.strings = _Strings(size)
        self.paragraph: list[str] = []
        self.filling = True
        self.depth = 0
        self.body = False
        self.next_is = ""
        self.name = ""
        self.link = ""
        self.else_is = False

    def read(self, lines: list[str]) -> None:
        """Process all lines of a page."""
        rows = iter(lines)
        for line in rows:
            self._line(line.rstrip("\r"), rows)
        self._end_paragraph()

    def _line(self, line: str, rows: Iterator[str]) -> None:
        """Process one line; a request that spans several lines takes the others from `rows`."""
        if line.endswith("\\") and not line.endswith("\\\\"):
            parts = [line[:-1]]
            while (line := next(rows, "")).endswith("\\") and not line.endswith("\\\\"):
                parts.append(line[:-1])
            line = "".join([*parts, line])
        match = re.match(r"[.'][ \t]*(\\?[^\s\\]*)[ \t]*(.*)$", line)
        if match is None or (line[0] == "'" and len(match.group(1)) > 3):
            self._text(line)
            return
        request, rest = match.groups()
        if request in ("de", "de1", "am", "ig"):
            words = rest.partition('\\"')[0].split()
            _skip_until(rows, "." + (words[1] if len(words) > 1 and request != "ig" else "."))
        elif request in ("if", "ie", "el", "while"):
            self._condition(request, rest, rows)
        elif request == "TS":
            self._table(rows)
        elif request == "ds":
            name, _, value = rest.partition(" ")
            self.strings.known[name] = _escapes(value.lstrip().removeprefix('"'), self.strings)
        else:
            self._request(request, rest)

    def _condition(self, request: str, rest: str, rows: Iterator[str]) -> None:
        """Process `.if`, `.ie` or `.el`: read the branch if the condition holds, else skip it."""
        holds = self.else_is
        if request != "el":
            match = re.match(r"(!?)([nteo]|\\n\S*|'[^']*'[^']*'|\([^)]*\)|\S+)\s*(.*)$", rest)
            negated, condition, rest = match.groups() if match else ("", "", "")
            holds = (condition == "n") != (negated == "!")
            holds = holds and condition in ("n", "t", "e", "o")
            self.else_is = not holds
        if rest.startswith("\\{"):
            branch = [rest[2:].lstrip("\\").strip()]
            open_braces = 1 + branch[0].count("\\{") - branch[0].count("\\}")
            while open_braces > 0 and (row := next(rows, None)) is not None:
                open_braces += row.count("\\{") - row.count("\\}")
                branch.append(row)
            rest_lines = [line.replace("\\}", "") for line in branch]
        else:
            rest_lines = [rest]
        if holds:
            inner = iter([line for line in rest_lines if line.strip(". ")])
            for line in inner:
                self._line(line, inner)

    def _request(self, request: str, rest: str) -> None:
        """Process one macro or request on a single line."""
        if request in ("SH", "SS", "Sh", "Ss"):
            self._end_paragraph()
            self.depth, self.body, self.filling = 0, False, True
            heading = " ".join(self._words(rest))
            self.next_is = "" if heading else "heading"
            if heading:
                self.output.append(f"\n\n{heading}\n\n")
        elif request in PARAGRAPHS:
            self._end_paragraph()
            self.body = self.body and request in ("sp", "Sp")
            self.output.append("\n\n" if self.filling or request not in ("sp", "Sp") else "\n")
        elif request in ("TP", "TQ"):
            self._end_paragraph()
            self.body, self.next_is = False, "tag"
        elif request in ("IP", "Ip", "It"):
            self._item(request, rest)
        elif request in ("RS", "Bl") or request in ("RE", "El"):
            self._end_paragraph()
            self.depth = min(max(0, self.depth + (1 if request in ("RS", "Bl") else -1)), MAX_DEPTH)
            self.body = False
        elif request in UNFILLED or request in FILLED:
            self._end_paragraph()
            self.filling = request in FILLED
        elif request == "br":
            self._end_paragraph()
        elif request in ("UR", "MT"):
            self.link = " ".join(self._words(rest))
        elif request in ("UE", "ME"):
            shown = f"<{self.link}>" if self.link else ""
            self._text(shown + "".join(self._words(rest)))
        elif request == "Dl":
            self._end_paragraph()
            self.output.append(f"{INDENT * (self.depth + 1)}{self._mdoc(self._words(rest))}\n")
        elif request in ALTERNATING:
            self._text("".join(self._words(rest)), done=True)
        elif request in QUOTES or request in MDOC_WORDS or request in FONTS:
            words = self._words(rest)
            if words or request in ("Nm", "Ar"):
                self._text(self._mdoc([request, *words]) if request not in FONTS else " ".join(words), done=True)

    def _item(self, request: str, rest: str) -> None:
        """Process a list item: a bullet starts its paragraph, any other tag gets its own line."""
        self._end_paragraph()
        words = self._words(rest)
        tag = self._mdoc(words) if request == "It" else (words[0] if words else "")
        if request != "It" and not tag:
            self.body = True
            self.output.append("\n\n")
        elif not tag or COUNTER.fullmatch(tag):
            self.body = False
            self.paragraph = [f"{tag or '•'} "]
        else:
            self.output.append(f"\n{INDENT * self.depth}{tag}\n")
            self.body = True

    def _table(self, rows: Iterator[str]) -> None:
        """Process a table: write its cells separated by two spaces."""
        self._end_paragraph()
        self.output.append("\n")
        for line in rows:
            if line.rstrip().endswith("."):
                break
        block: list[str] = []
        for line in rows:
            if line.startswith(".TE"):
                break
            if line.startswith((".", "'")) or line.strip() in ("_", "="):
                continue
            block.append(line)
        joined = CELL.sub(lambda cell: cell[1].replace("\n", " "), "\n".join(block))
        for line in joined.split("\n"):
            cells = [_escapes(cell, self.strings).strip() for cell in line.split("\t")]
            if any(cells):
                self.output.append(INDENT * self.depth + "  ".join(cells).strip() + "\n")
        self.output.append("\n")

    def _text(self, line: str, done: bool = False) -> None:
        """Process a line of text; done: its escapes are already resolved."""
        continued = line.endswith("\\c")
        text = line if done else _escapes(line, self.strings)
        if not self.filling and not self.next_is:
            self.output.append(f"{INDENT * (self.depth + self.body + 1)}{text.rstrip()}".rstrip() + "\n")
        elif not text.strip():
            if not line.strip():
                self._end_paragraph()
                self.output.append("\n\n")
        elif self.next_is == "heading":
            self.output.append(f"\n\n{text.strip()}\n\n")
            self.next_is = ""
        elif self.next_is == "tag" and COUNTER.fullmatch(text.strip()):
            self.paragraph = [f"{text.strip()} "]
            self.next_is = ""
        elif self.next_is == "tag":
            self.output.append(f"\n{INDENT * self.depth}{text.strip()}\n")
            self.next_is, self.body = "", True
        else:
            if text[0] == " " and not done:
                # A leading space breaks the line; many authors use it to set off examples.
                self._end_paragraph()
            joint = "" if continued else "\n"
            self.paragraph.append(text.strip(" ") + joint)

    def _end_paragraph(self) -> None:
        """Write the collected text as one line."""
        text = BETWEEN_WIDE.sub("", "".join(self.paragraph))
        text = re.sub(r"[ \n]+", " ", text).strip()
        if text:
            self.output.append(f"{INDENT * (self.depth + self.body)}{text}\n")
        self.paragraph = []

    def _words(self, rest: str) -> list[str]:
        """Return the arguments of a request, with escapes resolved and quoted spaces kept."""
        rest = re.sub(r"\\[\"#].*$", "", rest)
        found = ARGUMENTS.findall(rest.replace("\\ ", "\\~"))
        return [_escapes(quoted.replace('""', '"') or bare, self.strings) for quoted, bare in found]

    def _mdoc(self, words: list[str]) -> str:
        """Return the text of an mdoc line, whose words may be macros themselves."""
        text, glue = "", True
        position = 0
        while position < len(words):
            word = words[position]
            position += 1
            if word in ("Ns", "Xo", "Xc", "Oo", "Oc"):
                glue = word == "Ns"
                continue
            if word in QUOTES:
                inner = words[position:]
                tail: list[str] = []
                while inner and inner[-1] in CLOSING:
                    tail.insert(0, inner.pop())
                word, position = QUOTES[word][0] + self._mdoc(inner) + QUOTES[word][1] + "".join(tail), len(words)
            elif word in MDOC_WORDS:
                arguments = []
                while (
                    position < len(words)
                    and words[position] not in MDOC_WORDS
                    and words[position] not in QUOTES
                    and words[position] not in ("Ns", "Xo", "Xc", "Oo", "Oc")
                ):
                    arguments.append(words[position])
                    position += 1
                word = self._mdoc_word(word, arguments)
            if text and not glue and word not in CLOSING:
                text += " "
            text, glue = text + word, False
        return text

    def _mdoc_word(self, macro: str, arguments: list[str]) -> str:
        """Return the text of one mdoc macro with its arguments."""
        tail: list[str] = []
        while arguments and arguments[-1] in CLOSING:
            tail.insert(0, arguments.pop())
        text = " ".join(arguments)
        if macro == "Nm":
            self.name = self.name or text
            text = text or self.name
        elif macro == "Fl":
            text = " ".join(f"-{argument}" for argument in arguments) or "-"
        elif macro == "Xr" and len(arguments) > 1:
            text = f"{arguments[0]}({arguments[1]})"
        elif macro == "Fn" and arguments:
            text = f"{arguments[0]}({', '.join(arguments[1:])})"
        elif macro == "Ar" and not text:
            text = "文件 ..."
        elif macro == "Ux":
            text = f"UNIX {text}".strip()
        elif macro == "Nd":
            text = f"- {text}"
        return text + "".join(tail)


def _skip_until(rows: Iterator[str], end: str) -> None:
    """Skip lines up to the one that ends a definition."""
    for row in rows:
        if row.rstrip() == end or row.startswith(end + " "):
            return


def _escapes(text: str, strings: _Strings) -> str:
    """Return a line with groff's escapes replaced by their text."""
    if "\\" not in text:
        return text

    def spell(match: re.Match[str]) -> str:
        groups = match.groupdict()
        for name in ("string", "long_string", "short_string"):
            if groups[name] is not None:
                return strings.spelled(groups[name])
        special = groups["name"] or groups["long_name"]
        if special is not None:
            if re.fullmatch(r"u[0-9A-F]{4,6}", special):
                return chr(int(special[1:], 16))
            return SPECIAL_CHARACTERS.get(special, "")
        plain = groups["plain"]
        if plain is None or plain in NOTHING:
            return ""
        return {"e": "\\", " ": " ", "~": " ", "0": " ", "t": "\t", "-": "-"}.get(plain, plain)

    return ESCAPE.sub(spell, text)
