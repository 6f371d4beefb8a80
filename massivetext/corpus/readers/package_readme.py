"""Read the long descriptions of installed packages (usually their README) from the metadata that pip keeps."""

import json
import re
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser

from massivetext.corpus.readers.elements import outside
from massivetext.corpus.readers.records import TOO_LONG, Fields, Reader, Record, bad_record, digest
from massivetext.corpus.readers.streams import Piece
from massivetext.corpus.readers.text import decode_file
from massivetext.text.patterns import compile_pattern

NAME = r"[\w.:-]++(?: ++[\w.:-]++)*+"
PICTURES = compile_pattern(
    r"\[?!\[[^\[\]]*+\](?:\([^()\s]*+(?:\s\"[^\"]*+\")?\)|\[[^\[\]]*+\])(?:\](?:\([^()]*+\)|\[[^\[\]]*+\]))?"
    r"|</?(?:a|br|center|div|h[1-6]|img|p|picture|source|span|sub|sup|align|table|tr|td|th|tbody|thead|details|summary)\b[^<>]*>"
    r"|^\.\. (?:\|[^|\n]++\| )?(?:image|figure)::[^\n]*+\n(?:[ \t]++\S[^\n]*+\n)*+"
    r"|^\[[^\]\n]++\]:[ \t]*+<?https?://(?=\S*(?:badge|shields\.io|\.svg))\S*+[ \t]*+$"
    rf"|^(?=[ \t]*\|)[ \t|]*+{NAME}(?: *+\|[ \t]*+\|[ \t|]*+{NAME})*+ *+\|[ \t|]*+$(?<!-\|)",
    re.DOTALL | re.MULTILINE,
)
"""Pictures and layout: Markdown, HTML and reStructuredText images, badges, and layout tags."""


def without_pictures(text: str) -> str:
    """Return a README's text without pictures, badges and layout tags, and without the gaps they leave."""
    text = "".join(outside(text, "<!--", "-->"))
    text = re.sub(r"(?<![ \t])[ \t]++$", "", PICTURES.sub("", text), flags=re.MULTILINE)
    return re.sub(r"\n{4,}", "\n\n\n", text).strip("\n") + "\n"


class ReadmeReader(Reader):
    """Reads `*.dist-info/METADATA` and `*.egg-info/PKG-INFO`."""

    version = 2

    def takes(self, uri: str) -> bool:
        """Return whether the file is a package's metadata."""
        return uri.endswith((".dist-info/METADATA", ".egg-info/PKG-INFO"))

    def is_whole_file(self) -> bool:
        """Return True."""
        return True

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield the description as one record; a package without one yields none."""
        if piece.file.size > self.source.max_record_bytes:
            yield bad_record("0", piece.file.size, TOO_LONG)
            return
        with piece.file.open() as stream:
            raw = stream.read()
        head, _, body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")
        headers = BytesParser().parsebytes(head + b"\n\n", headersonly=True)
        text, invalid, _ = decode_file(body, self.source.encoding)
        if not text.strip():
            # Metadata before version 2.1 holds the description in a header, continued with "        |" or spaces.
            lines = str(headers.get("Description") or "").splitlines()
            text = "\n".join(line.removeprefix("       |").removeprefix("        ") for line in lines)
        if text.strip() and text.strip() != "UNKNOWN":
            yield Record("0", len(raw), digest(raw), without_pictures(text), "", invalid, fields=_fields(headers))


def _fields(headers: Message) -> Fields:
    """Return the package's metadata from its headers."""
    license_name = headers.get("License-Expression") or headers.get("License")
    meta = {"package": str(headers.get("Name")), "version": str(headers.get("Version"))}
    return Fields(
        license=str(license_name).splitlines()[0] if license_name else None,
        url=str(headers["Home-page"]) if headers.get("Home-page") else None,
        meta=json.dumps(meta, ensure_ascii=False, sort_keys=True),
    )
