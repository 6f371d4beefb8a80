"""Read MediaWiki dumps (such as Wikipedia's): each article as plain text, with its title first.

Templates, tables, references, files and categories are removed. Links and headings keep their words. Of the Chinese
Wikipedia's conversions (`-{zh-hans:...;zh-hant:...}-`) the simplified form is used.
"""

import re
from collections.abc import Iterator
from typing import Any

from massivetext.corpus.readers.columns import meta_json
from massivetext.corpus.readers.elements import outside, parse_element, read_elements
from massivetext.corpus.readers.records import (
    NO_ARTICLE,
    REDIRECT,
    TOO_LONG,
    Fields,
    Reader,
    Record,
    bad_record,
    digest,
)
from massivetext.corpus.readers.streams import Line, Piece, open_stream
from massivetext.errors import BadDocument
from massivetext.text.patterns import compile_pattern

ARTICLES = "0"
LEFT_OUT_TAGS = {
    "ref", "references", "table", "gallery", "timeline", "score", "imagemap", "math", "chem", "ce", "graph",
    "mapframe", "maplink", "templatestyles", "inputbox", "categorytree", "section", "indicator",
}  # fmt: skip
LEFT_OUT_LINKS = re.compile(
    r"\s*+(?::\s*+)?(?:file|image|media|category|datei|bild|kategorie|fichier|catégorie|archivo|categoría|文件|檔案|档案|圖像|图像"
    r"|分类|分類|ファイル|画像|カテゴリ|файл|категория)\s*+:",
    re.IGNORECASE,
)
OTHER_LANGUAGES = re.compile(r"\s*+[a-z]{2,3}(?:-[a-z-]++)?\s*+:")
CONVERSION = re.compile(r"-\{([^{}]{0,2000})\}-")
SWITCHES = re.compile(r"__[A-Z]{3,30}__")
REDIRECTION = re.compile(r"\s*#(?:redirect|重定向|重新導向)\b", re.IGNORECASE)
NOTHING_LEFT = compile_pattern(r"^(?:[*#] *+)++$|[(（][\s,;，；]*+[)）]", re.MULTILINE)
"""What remains of a list item or of brackets that held only a template."""
ITEM = re.compile(r"^(?:[*#] *)*([*#]) *(?=\S)", re.MULTILINE)
GAPS = compile_pattern(r"(?<![ \t])[ \t]*+\n(?:[ \t]*+\n)++")
MAX_DEPTH = 60
MAX_LINKS_DEEP = 5
"""Maximum depth of nested links (as in picture captions)."""
OPENING_ENTITIES = {"<": "&#60;", "{{": "&#123;&#123;", "{|": "&#123;|"}
BRACKET_ENTITIES = {"[[": "&#91;&#91;", "]]": "&#93;&#93;"}
BRACES = re.compile(r"(\{\{)|\}\}")
OPEN_BRACKET = re.compile(r"(?<!\[)\[(?!\[|[^\[\]\n]*+\])")
BRACKETS = re.compile(r"(\[\[)|\]\]")
CLOSED_TAG = re.compile(r"</([a-z]\w{0,30})\s{0,10}>", re.IGNORECASE)
ANY_TAG = re.compile(r"</?([a-z]\w{0,30})\b[^<>]{0,1000}>", re.IGNORECASE)
TABLES = re.compile(r"^[ \t:*#]*+(?:(\{\|)|\|\})", re.MULTILINE)
OPEN_TABLE = re.compile(r"^[ \t:*#]*+\{\|.*", re.MULTILINE)
LEFT_OUT_TAG = re.compile(rf"<({'|'.join(sorted(LEFT_OUT_TAGS))})\b[^<>]*>", re.IGNORECASE)
TAG = re.compile(
    r"</?(abbr|b|big|blockquote|br|center|cite|code|dd|del|dfn|div|dl|dt|em|font|h[1-6]|hr|i|ins|kbd|li|nowiki|ol|p|poem"
    r"|pre|q|s|samp|small|source|span|strike|strong|sub|sup|syntaxhighlight|table|td|th|tr|tt|u|ul|var|includeonly"
    r"|noinclude|onlyinclude)\b[^<>]{0,1000}>",
    re.IGNORECASE,
)
PARSED_CHARACTERS = 2**14
"""Articles are parsed in parts of about this many characters, so that the time grows linearly with the article's
length."""


class MediaWikiReader(Reader):
    """Reads `pages-articles.xml` dumps. Redirects and pages that are not articles are skipped."""

    version = 2

    def takes(self, uri: str) -> bool:
        """Return whether the name is that of a dump."""
        return ".xml" in uri.rsplit("/", 1)[-1]

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield one record per page."""
        with open_stream(piece.file) as stream:
            for page in read_elements(stream, b"<page>", b"</page>", self.source.max_record_bytes):
                if page.data is None:
                    reason = TOO_LONG if page.size > self.source.max_record_bytes else "cut short"
                    yield bad_record(str(page.start), page.size, reason)
                    continue
                try:
                    yield self._record(page, page.data)
                except BadDocument as error:
                    yield bad_record(str(page.start), page.size, str(error), page.data)

    def _record(self, page: Line, data: bytes) -> Record:
        """Return the record of one page."""
        element = parse_element(data)
        markup = element.findtext("revision/text") or ""
        if element.find("redirect") is not None or REDIRECTION.match(markup):
            return bad_record(str(page.start), page.size, REDIRECT, data)
        kind = element.findtext("revision/model") or "wikitext"
        if (element.findtext("ns") or ARTICLES) != ARTICLES or kind != "wikitext":
            return bad_record(str(page.start), page.size, NO_ARTICLE, data)
        title = element.findtext("title") or ""
        body = markup_text(markup)
        meta = {
            "title": title,
            "page_id": element.findtext("id"),
            "revision_id": element.findtext("revision/id"),
        }
        fields = Fields(created_at=element.findtext("revision/timestamp"), meta=meta_json(meta))
        text = f"{title}\n\n{body}" if body else ""
        return Record(str(page.start), page.size, digest(data), text, fields=fields)


def markup_text(markup: str) -> str:
    """Return wiki markup as plain text; raise BadDocument if it cannot be parsed."""
    import mwparserfromhell

    try:
        light = _lightened(CONVERSION.sub(_simplified, markup))
        text = "".join(word for part in _parts(light) for word in _words(mwparserfromhell.parse(part), 0))
    except (mwparserfromhell.parser.ParserError, RecursionError) as error:
        raise BadDocument(f"broken markup: {type(error).__name__}") from None
    text = ITEM.sub(r"\1 ", NOTHING_LEFT.sub("", SWITCHES.sub("", text)))
    return GAPS.sub("\n\n", text).strip()


def _parts(markup: str) -> Iterator[str]:
    """Yield markup in parts that end at a paragraph if possible."""
    place = 0
    while place < len(markup):
        end = place + PARSED_CHARACTERS
        if end < len(markup):
            gap = markup.rfind("\n\n", place, end)
            end = gap + 2 if gap > place else end
        yield markup[place:end]
        place = end


def _lightened(markup: str) -> str:
    """Return markup without comments, templates, tables and tags, which make up most of an article and parse slowly.

    Each kind is removed in one pass, even if nested or unclosed. The parser's time grows with the square of the number
    of unclosed tags.
    """
    markup = "".join(outside(markup, "<!--", "-->"))
    markup = "".join(_outside_tags(markup))
    markup = "".join(_outside_nested(markup, BRACES))
    markup = "".join(_outside_nested(markup, TABLES))
    markup = OPEN_TABLE.sub("", markup)
    markup = TAG.sub(lambda found: "\n" if found[1].lower() in ("br", "hr", "p", "div", "li", "tr") else "", markup)
    closed = {name.lower() for name in CLOSED_TAG.findall(markup)}
    markup = ANY_TAG.sub(
        lambda found: "" if found[1].lower() in closed or found[0].endswith("/>") else found[0], markup
    )
    return _without_open_marks(markup)


def _without_open_marks(markup: str) -> str:
    """Return markup with unmatched opening marks as entities, which the parser turns back into the same characters.

    The parser searches for the end of every opening mark, and starts again after the mark if there is none.
    """
    for sign, entities in OPENING_ENTITIES.items():
        markup = markup.replace(sign, entities)
    markup = OPEN_BRACKET.sub("&#91;", markup)
    opened: list[int] = []
    kept: list[int] = []
    for found in BRACKETS.finditer(markup):
        if found[1]:
            opened.append(found.start())
        elif opened:
            if len(opened) <= MAX_LINKS_DEEP:
                kept += opened[-1], found.start()
            opened.pop()
    links, place = set(kept), 0
    parts: list[str] = []
    for found in BRACKETS.finditer(markup):
        if found.start() not in links:
            parts += markup[place : found.start()], BRACKET_ENTITIES[found[0]]
            place = found.end()
    return "".join([*parts, markup[place:]])


def _outside_tags(markup: str) -> Iterator[str]:
    """Yield the parts of markup outside tags whose content is removed."""
    place = 0
    unclosed: set[str] = set()
    for found in LEFT_OUT_TAG.finditer(markup):
        if found.start() < place:
            continue
        end, closing = found.end(), f"</{found[1].lower()}"
        if not found[0].endswith("/>") and closing not in unclosed:
            closed = markup.find(closing, end)
            if closed < 0:
                unclosed.add(closing)
            else:
                end = closed + len(closing)
                end += 1 if markup[end : end + 1] == ">" else 0
        yield markup[place : found.start()]
        place = end
    yield markup[place:]


def _outside_nested(markup: str, marks: re.Pattern[str]) -> Iterator[str]:
    """Yield the parts of markup outside balanced pairs of marks; group 1 of the pattern matches an opening mark."""
    opened: list[int] = []
    pairs: list[tuple[int, int]] = []
    for found in marks.finditer(markup):
        if found[1]:
            opened.append(found.start())
        elif opened:
            start = opened.pop()
            while pairs and pairs[-1][0] > start:
                pairs.pop()
            pairs.append((start, found.end()))
    place = 0
    for start, end in pairs:
        yield markup[place:start]
        place = end
    yield markup[place:]


def _words(code: Any, depth: int) -> Iterator[str]:
    """Yield the text of parsed markup piece by piece."""
    from mwparserfromhell import nodes

    if depth > MAX_DEPTH:
        return
    for node in code.nodes:
        kind = type(node)
        if kind is nodes.Text:
            yield node.value
        elif kind is nodes.Wikilink:
            title = str(node.title)
            if LEFT_OUT_LINKS.match(title) or (node.text is None and OTHER_LANGUAGES.match(title)):
                continue
            yield from _words(node.title if node.text is None else node.text, depth + 1)
        elif kind is nodes.ExternalLink:
            if node.title is not None:
                yield from _words(node.title, depth + 1)
            elif not node.brackets:
                yield str(node.url)
        elif kind is nodes.Heading:
            yield from _words(node.title, depth + 1)
        elif kind is nodes.HTMLEntity:
            yield _character(node)
        elif kind is nodes.Tag:
            yield from _tag_words(node, depth)


def _tag_words(node: Any, depth: int) -> Iterator[str]:
    """Yield the text inside a tag; list marks are kept as written."""
    name = str(node.tag).strip().lower()
    if name in LEFT_OUT_TAGS:
        return
    if node.wiki_markup and name in ("li", "dt", "dd"):
        # Indents and terms are layout; bullets and numbers mark items.
        yield f"{node.wiki_markup} " if name == "li" else ""
    elif name in ("br", "hr", "p", "div"):
        yield "\n"
    if node.contents is not None and not node.self_closing:
        yield from _words(node.contents, depth + 1)


def _character(node: Any) -> str:
    """Return the character for an entity; U+FFFD for a surrogate or a number beyond Unicode."""
    try:
        character: str = node.normalize()
        character.encode()
    except (ValueError, OverflowError, KeyError):
        return "\ufffd"
    return character


def _simplified(found: re.Match[str]) -> str:
    """Return the simplified form of a conversion, or its content if it lists no forms."""
    body = found[1].rpartition("|")[2]
    forms = dict(re.findall(r"(zh(?:-\w+)?)\s*:\s*([^;]*)", body))
    for name in ("zh-hans", "zh-cn", "zh", "zh-sg", "zh-hant", "zh-tw", "zh-hk"):
        if name in forms:
            return str(forms[name]).strip()
    return body
