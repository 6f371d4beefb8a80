"""Find the records of a WARC or ARC file, even if declared lengths are wrong or bytes are damaged.

A record is complete if another record, a blank line or the end of the file follows its declared length. Otherwise it is
reported, and reading resumes at the next line that starts a record.
"""

import base64
import hashlib
import re
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from massivetext.corpus.readers.members import Stretch, read_stretches
from massivetext.corpus.readers.records import TOO_LONG
from massivetext.corpus.readers.streams import SourceFile

WARC_MARK = re.compile(rb"WARC/\d\.\d{1,2}[ \t]*\r?\n(?=[!-9;-~]{1,100}:)")
"""The first line of a record, followed by a header line."""
ARC_MARK = re.compile(
    rb"(?:https?|ftp|dns|filedesc|gopher|news|nntp|mailto|screenshot|metadata|whois):\S{1,2048}+ \S{1,100}+ \d{8,17} "
    rb"\S{1,200}+(?: \S{1,2048}+){0,6}? (\d{1,18})\r?\n"
)
"""The single header line of an ARC record: URL, IP address, date, content type, further fields in version 2, and the
length."""
MARK = re.compile(rb"%b|%b" % (WARC_MARK.pattern, ARC_MARK.pattern))
BLANK_LINE = re.compile(rb"\r?\n\r?\n")
HEAD_END = re.compile(rb"%b|%b" % (BLANK_LINE.pattern, WARC_MARK.pattern))
LINE_END = re.compile(r"\r?\n")
SEPARATOR = re.compile(rb"[\r\n]*")
MARK_BYTES = 2**15
"""More than the first line of any record takes."""
MAX_HEAD_BYTES = 2**18
FIRST_MEMBERS, FIRST_BYTES = 16, 2**22
"""If none of the 16 members after the first, within 4 MiB, starts a record, the file was compressed as a whole."""
LENGTH = "content-length"


class Head(NamedTuple):
    """The header lines of a record or message."""

    first: str
    """The first line."""
    values: dict[str, str]
    """The other lines, by name in lower case. The first of several equal names counts."""

    def get(self, name: str) -> str:
        """Return a header's value, or "" if there is none."""
        return self.values.get(name, "")


class Framed(NamedTuple):
    """A record, or a part of the file where no record can be read."""

    place: str
    """Offset on disk of the record, or of the gzip member or zstd frame that starts with it. In a file compressed as a
    whole: offset in the expanded bytes. `MEMBER:OFFSET` if this member, unlike others, holds several records."""
    size: int
    head: Head | None
    content: bytes
    flaw: str = ""
    """Why the content is missing or unreliable; empty if it is intact."""


def parse_head(data: bytes, has_first_line: bool = True) -> Head:
    """Parse header lines with any line ending; an indented line continues the value before it."""
    lines = LINE_END.split(data.decode("utf-8", "replace"))
    first = lines.pop(0) if has_first_line else ""
    values: dict[str, str] = {}
    name = ""
    for line in lines:
        if line[:1] in (" ", "\t") and name:
            values[name] += f" {line.strip()}"
            continue
        key, colon, value = line.partition(":")
        if colon:
            name = key.strip().lower()
            values.setdefault(name, value.strip())
    return Head(first, values)


class _Window:
    """Buffers expanded bytes from the current reading position on, as far as they are needed."""

    def __init__(self, stretches: Iterator[Stretch]) -> None:
        self._stretches = stretches
        self.held = bytearray()
        self.start = 0
        """Offset of the first held byte among all expanded bytes."""
        self.members: deque[tuple[int, int]] = deque()
        """(expanded offset, disk offset) of the member that contains `start`, and of those after it."""
        self.flaw = ""
        """Why the bytes after the held ones do not continue them."""
        self.is_ended = False

    def fill(self, size: int) -> bool:
        """Hold at least `size` bytes; return whether that many are available before the next flaw."""
        while len(self.held) < size and not self.flaw and not self.is_ended:
            stretch = next(self._stretches, None)
            if stretch is None:
                self.is_ended = True
                break
            if stretch.begins is not None:
                self.members.append((self.start + len(self.held), stretch.begins))
            self.held += stretch.data
            self.flaw = stretch.flaw
            self._leave_members()
        return len(self.held) >= size

    def drop(self, size: int) -> None:
        """Discard `size` bytes at the start."""
        del self.held[:size]
        self.start += size
        self._leave_members()

    def _leave_members(self) -> None:
        """Remove the members that end before `start`."""
        while len(self.members) > 1 and self.members[1][0] <= self.start:
            self.members.popleft()

    def pass_flaw(self) -> None:
        """Continue after a flaw."""
        self.flaw = ""
        # Lost bytes count as one, so that no two positions are equal.
        self.drop(len(self.held))
        self.start += 1
        self.members.clear()


class Framing:
    """Splits one file into records."""

    def __init__(self, file: SourceFile, max_bytes: int) -> None:
        """Set up the reading of a file; max_bytes: records with longer content are skipped and reported."""
        self._window = _Window(read_stretches(file, MARK))
        self._max_bytes = max_bytes
        self._mark = MARK
        self._by_record: bool | None = None
        """Whether each record was compressed separately; None until it is known (at the second record)."""

    def records(self) -> Iterator[Framed]:
        """Yield all records and flaws, in order."""
        window = self._window
        self._look_at_members()
        while not window.is_ended or window.held or window.flaw:
            window.fill(1)
            window.drop(self._separator(0))
            if window.held or window.fill(1):
                yield self._next()
            elif window.flaw:
                yield Framed(self._place(), 0, None, b"", window.flaw)
                window.pass_flaw()

    def _look_at_members(self) -> None:
        """Find out whether each record was compressed separately: then later members start with a record too."""
        window = self._window
        seen = 1
        while seen <= FIRST_MEMBERS and len(window.held) < FIRST_BYTES:
            if seen < len(window.members):
                start = window.members[seen][0]
                window.fill(start + MARK_BYTES)
                if self._mark.match(window.held, start):
                    self._by_record = True
                    return
                seen += 1
            elif not window.fill(len(window.held) + 1):
                return
        self._by_record = False

    def _separator(self, start: int) -> int:
        """Return the offset after the line ends that start at an offset."""
        window = self._window
        while True:
            end = start + len(SEPARATOR.match(window.held, start)[0])  # type: ignore[index]
            if end < len(window.held) or not window.fill(end + 1):
                return end

    def _place(self) -> str:
        """Return the position of whatever starts at the window's start, as in `Framed.place`."""
        window = self._window
        if not window.members:
            return str(window.start)
        expanded, disk = window.members[0]
        inside = window.start - expanded
        if self._by_record is None and window.start:
            self._by_record = not inside
        if not inside and self._by_record is not False:
            return str(disk)
        return f"{disk}:{inside}" if self._by_record else str(window.start)

    def _next(self) -> Framed:
        """Return the record or flaw at the window's start, and advance past it."""
        window, place = self._window, self._place()
        window.fill(MARK_BYTES)
        found = self._mark.match(window.held)
        if found is None:
            return self._flawed(place, None, 1, "no record begins here")
        is_arc = found.lastindex is not None
        # A page may contain lines that look like records of the other format.
        self._mark = ARC_MARK if is_arc else WARC_MARK
        # The line end of the mark may be the first half of a blank line.
        head_end = found.end() if is_arc else self._head_end(found.end() - 2)
        if head_end is None:
            return self._flawed(place, None, found.end(), "its header does not end")
        head = parse_head(bytes(window.held[:head_end]))
        length = found[1].decode() if is_arc else head.get(LENGTH)
        if not (length.isascii() and length.isdigit() and len(length) < 19):
            return self._flawed(place, head, head_end, f"its length is no number: {length[:40]!r}")
        return self._record(place, head, head_end, int(length))

    def _flawed(self, place: str, head: Head | None, offset: int, reason: str, content: bytes = b"") -> Framed:
        """Return the damage at the window's start, and advance to the next record at or after an offset."""
        window = self._window
        start = window.start
        self._skip(offset)
        size = window.start - start
        is_of_next = bool(window.members) and window.members[0][0] == window.start
        if not window.held and window.flaw and not is_of_next:
            reason = f"{reason} ({window.flaw})"
            window.pass_flaw()
        return Framed(place, size, head, content, reason)

    def _head_end(self, start: int) -> int | None:
        """Return where the header lines end; None if no blank line comes before the next record or the size limit."""
        window = self._window
        while (found := HEAD_END.search(window.held, start, MAX_HEAD_BYTES)) is None:
            if len(window.held) >= MAX_HEAD_BYTES or not window.fill(len(window.held) + MARK_BYTES):
                found = HEAD_END.search(window.held, start, MAX_HEAD_BYTES)
                break
        return found.end() if found and not found[0].startswith(b"WARC/") else None

    def _record(self, place: str, head: Head, head_end: int, length: int) -> Framed:
        """Return the record whose content starts at `head_end`, and advance past it."""
        window = self._window
        end = head_end + length
        if length > self._max_bytes:
            return self._too_long(place, head, head_end, length)
        window.fill(end + 8)
        if len(window.held) >= end and self._is_end(head_end, end) and not self._holds_others(head, head_end, end):
            content = bytes(window.held[head_end:end])
            flaw = window.flaw if self._is_alone_in_member(end) else ""
            window.drop(end)
            if flaw:
                window.pass_flaw()
            return Framed(place, end, head, content, flaw)
        if (found := self._next_start(head_end)) is not None:
            there = found - head_end
        elif len(window.held) < end:
            content = bytes(window.held[head_end:])
            reason = f"cut short: {len(content)} of {length} bytes are there"
            return self._flawed(place, head, len(window.held), reason, content)
        else:
            there = len(window.held) - head_end
        reason = f"its length does not fit: {length} bytes declared, {there} or more found"
        return self._flawed(place, head, head_end, reason)

    def _is_end(self, head_end: int, end: int) -> bool:
        """Return whether a record ends where its length says: no other starts earlier, and what follows is valid."""
        window = self._window
        for expanded, _ in window.members:
            offset = expanded - window.start
            if head_end < offset < end and self._mark.match(window.held, offset):
                return False
            if offset >= end:
                if offset == end:
                    return True
                break
        next_start = self._separator(end)
        window.fill(next_start + MARK_BYTES)
        if next_start == len(window.held) or self._mark.match(window.held, next_start):
            return True
        # Something else follows. It is not part of this record if a blank line precedes it and the content holds no
        # record.
        return bool(BLANK_LINE.match(window.held, end)) and not self._mark.search(window.held, head_end, end)

    def _holds_others(self, head: Head, head_end: int, end: int) -> bool:
        """Return whether a content includes later records, because its declared length covers them too.

        A page may show the records of an archive, but rarely with the first one after a blank line. If a digest is
        given, it decides.
        """
        held = self._window.held
        if self._mark is WARC_MARK and held.find(b"WARC/", head_end, end) < 0:
            return False
        found = self._mark.search(held, head_end, end)
        before = b"" if found is None else held[max(found.start() - 3, head_end) : found.start()]
        if not before.endswith(b"\n" if self._mark is ARC_MARK else (b"\n\r\n", b"\n\n")):
            return False
        name, _, digest = head.get("warc-block-digest").partition(":")
        return name.lower() != "sha1" or digest.upper() != _sha1(held[head_end:end])

    def _is_alone_in_member(self, end: int) -> bool:
        """Return whether the record that ends at `end` fills the member that contains it."""
        window = self._window
        if not window.flaw or not window.members or self._separator(end) < len(window.held):
            return False
        return len(window.members) == 1 and window.members[0][0] == window.start

    def _skip(self, offset: int) -> None:
        """Advance to the next record at or after an offset, or to the next flaw or the end."""
        window = self._window
        while (found := self._next_start(offset)) is None:
            held = len(window.held)
            if not window.fill(held + MARK_BYTES) and self._next_start(offset) is None:
                window.drop(len(window.held))
                return
            gone = max(held - MARK_BYTES, 0)
            window.drop(gone)
            offset = max(offset - gone, 0)
        window.drop(found)

    def _next_start(self, offset: int) -> int | None:
        """Return the next start of a record, or of a member if each holds one, from an offset on; None if unknown."""
        window = self._window
        found = self._mark.search(window.held, offset)
        start = None if found is None else found.start()
        if self._by_record:
            members = (expanded - window.start for expanded, _ in window.members)
            member = next((inside for inside in members if inside >= max(offset, 1)), None)
            start = member if start is None or (member is not None and member < start) else start
        return start

    def _too_long(self, place: str, head: Head, head_end: int, length: int) -> Framed:
        """Return a record whose content is too long to hold, and advance past it."""
        window, left = self._window, length
        window.drop(head_end)
        reason = TOO_LONG
        while left:
            window.fill(2 * MARK_BYTES)
            found = self._next_start(0)
            if (found is not None and found < left) or not window.held:
                gone = found or 0
                there = length - left + gone
                reason = f"its length does not fit: {length} bytes declared, {there} found before the next record"
                window.drop(gone)
                break
            gone = min(left, max(len(window.held) - MARK_BYTES, 1))
            window.drop(gone)
            left -= gone
        return Framed(place, head_end + length, head, b"", reason)


def _sha1(data: bytearray) -> str:
    """Return the SHA-1 of bytes in base 32, as crawlers write it."""
    return base64.b32encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()
