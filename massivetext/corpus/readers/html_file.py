"""HTML files, as they are: the step `html_to_text` takes the text out of them.

`meta.content_type` says that a text is HTML; so it does for pages from WARC files.
"""

import re

from massivetext.corpus.readers.charsets import codec_of
from massivetext.corpus.readers.columns import meta_json
from massivetext.corpus.readers.records import Fields, Record
from massivetext.corpus.readers.streams import SourceFile
from massivetext.corpus.readers.text import decode_file, whole_record
from massivetext.corpus.readers.whole_file import WholeFileReader

HTML = "text/html"
DECLARATION = re.compile(rb"<(meta[\s/][^>]{1,1000}|\?xml\s[^>]{1,200})>", re.I)
CHARSET = re.compile(rb"""[\s"';/](?:charset|encoding)\s{0,20}=\s{0,20}["']?\s{0,20}([\w.:-]{2,40})""", re.I)
LANGUAGE = re.compile(r"""<html[^>]{0,500}?\slang\s*=\s*["']?([A-Za-z]{2,3}(?:-[\w-]{1,20})?)""", re.I)
DECLARED_BYTES = 4096


def declared_encoding(page: bytes, content_type: str | None = None) -> str | None:
    """Return the encoding that a page is declared to be in, the first that browsers know.

    content_type: the header that was sent with the page, which comes before the declarations in the page.
    """
    declared = [b" " + content_type.encode(errors="replace")] if content_type else []
    shown, *commented = page[:DECLARED_BYTES].split(b"<!--")
    for found in DECLARATION.finditer(shown + b"".join(part.partition(b"-->")[2] for part in commented)):
        tag = found[1].lower()
        # Other tags have the word in the content, such as a list of keywords.
        if b"http-equiv" in tag or b"content" not in tag:
            declared.append(tag)
    for text in declared:
        label = CHARSET.search(text)
        if label and codec_of(label[1].decode()):
            return label[1].decode()
    return None


def declared_language(page: str) -> str | None:
    """Return the language that a page says it is in, in lower case without its region, as "zh"."""
    found = LANGUAGE.search(page[:DECLARED_BYTES])
    return found[1].split("-")[0].lower() if found else None


class HtmlReader(WholeFileReader):
    """Reads .html and .htm, a document each."""

    suffixes = (".html", ".htm", ".xhtml")

    def document(self, file: SourceFile, raw: bytes) -> Record:
        """Return the page."""
        decoded = decode_file(raw, self.source.encoding, declared_encoding(raw))
        meta = {"content_type": HTML, "declared_language": declared_language(decoded.text)}
        fields = Fields(meta=meta_json(meta))
        return whole_record(raw, decoded, self.source.encoding, fields)
