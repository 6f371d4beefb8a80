"""Read subtitles (SRT, WebVTT) as dialogue, one line per line on screen, without times, numbers and markup."""

import re
from collections.abc import Iterator

from massivetext.corpus.readers.records import Reader, Record
from massivetext.corpus.readers.streams import Piece
from massivetext.corpus.readers.text import read_whole

TIMES = re.compile(r"\s*+(?:\d{1,3}:)?\d{1,2}:\d{2}[.,]\d{1,3}\s*-->\s*(?:\d{1,3}:)?\d{1,2}:\d{2}[.,]\d{1,3}")
MARKUP = re.compile(r"</?(?:[a-z][^<>]{0,200}|\d{1,3}:\d{2}[\d:.]{0,12})>|\{\\[^{}]{0,200}\}", re.IGNORECASE)
NOTES = ("NOTE", "STYLE", "REGION")
ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&nbsp;": " ", "&lrm;": "", "&rlm;": ""}


class SubtitleReader(Reader):
    """Reads .srt and .vtt, one document per file."""

    suffixes = (".srt", ".vtt")

    def is_whole_file(self) -> bool:
        """Return True."""
        return True

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield the dialogue of a file."""
        record = read_whole(piece.file, self.source.max_record_bytes, self.source.encoding)
        yield record if record.bad else record._replace(text=dialogue(record.text))


def dialogue(subtitles: str) -> str:
    """Return the lines of all cues; a line repeated from the previous cue (rolling captions) appears once."""
    said: list[str] = []
    shown: set[str] = set()
    for block in re.split(r"\n[ \t]*\n", subtitles.replace("\r\n", "\n").replace("\r", "\n").strip("\ufeff\n")):
        lines = block.strip("\n").split("\n")
        start = next((number for number, line in enumerate(lines) if TIMES.match(line)), None)
        if start is None or lines[0].startswith(NOTES):
            continue
        now = [_plain(line) for line in lines[start + 1 :]]
        said += [line for line in now if line and line not in shown]
        shown = set(now)
    return "\n".join(said) + "\n" if said else ""


def _plain(line: str) -> str:
    """Return a line without markup."""
    line = MARKUP.sub("", line)
    for entity, character in ENTITIES.items():
        line = line.replace(entity, character)
    return line.strip()
