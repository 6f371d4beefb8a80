"""Read chat logs (IRC, WhatsApp exports) as one "name: message" line per message, without times and server notices."""

import re
from collections.abc import Iterator

from massivetext.corpus.readers.records import Reader, Record
from massivetext.corpus.readers.streams import Piece, plain_suffix
from massivetext.corpus.readers.text import read_whole

TIME = r"\d{1,2}[:.]\d{2}(?:[:.]\d{2})?(?:[\s\u202f]?[APap]\.?[Mm]\.?)?"
DATE = r"\d{1,4}[-/.年]\d{1,2}[-/.月]\d{1,4}日?"
IRC_TIME = rf"\s*+\[?(?:{DATE}[T ])?{TIME}\]?"
IRC = re.compile(rf"{IRC_TIME}\s*+<[ @+%&~]?([^<>\s]{{1,60}}+)>\s?(.*)")
IRC_ACTION = re.compile(rf"{IRC_TIME}\s++\* ?(\S{{1,60}} .*)")
IRC_NOTICE = re.compile(rf"{IRC_TIME}\s++(?:-!-|\*{{2,3}}|-->|<--|=-=|===)")
EXPORT_TIME = rf"[\u200e\u202a]?\[?{DATE},?\s++(?:上午|下午)?{TIME}\]?(?:\s++-)?\s++"
EXPORT = re.compile(rf"{EXPORT_TIME}([^:：\n]{{1,80}}+)[:：]\s(.*)")
EXPORT_NOTICE = re.compile(rf"{EXPORT_TIME}[^:：\n]*+$")


class ChatLogReader(Reader):
    """Reads .log and .txt, one document per file. A file that is not a chat log gives no text."""

    version = 2
    suffixes = ()

    def takes(self, uri: str) -> bool:
        """Return whether the suffix is one that chat logs use."""
        return plain_suffix(uri) in (".log", ".txt", ".irc", ".weechatlog")

    def is_whole_file(self) -> bool:
        """Return True."""
        return True

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield the conversation in a file."""
        record = read_whole(piece.file, self.source.max_record_bytes, self.source.encoding)
        yield record if record.bad else record._replace(text=conversation(record.text))


def conversation(log: str) -> str:
    """Return "name: message" lines; a line without a time continues the message before it."""
    said: list[str] = []
    goes_on = False
    for line in log.replace("\r\n", "\n").split("\n"):
        if found := IRC.match(line) or EXPORT.match(line):
            said.append(f"{found[1].strip()}: {found[2].strip()}")
            goes_on = True
        elif found := IRC_ACTION.match(line):
            said.append(f"* {found[1].strip()}")
            goes_on = True
        elif IRC_NOTICE.match(line) or EXPORT_NOTICE.match(line):
            goes_on = False
        elif goes_on and line.strip():
            said.append(line.rstrip())
    return "\n".join(said) + "\n" if said else ""
