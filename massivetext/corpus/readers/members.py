"""Compressed archives member by member: the offset of each gzip member or zstd frame, and what follows a damaged one.

A `.warc.gz` usually holds one gzip member for each record. Its index stores the offset of the member on disk. A damaged
member costs that member only: reading resumes at the next one that begins as a record does.
"""

import re
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from massivetext.corpus.readers.streams import Budget, SourceFile, compression_of, expand
from massivetext.errors import BadDocument

READ_BYTES = 2**15
EXPANDED_BYTES = 2**18
"""Largest stretch that one call expands to (gzip)."""
HEADER_BYTES = 18
"""What the header of a member takes, at most (zstd), or at least what is looked at (gzip: 10)."""
PROBED_BYTES = 2**12
SALVAGED_BYTES = 2**9
"""Before a flaw, members are expanded again in steps of this size, so that little of what is readable is lost."""
GZIP_MARK = b"\x1f\x8b\x08"
ZSTD_MARK = b"\x28\xb5\x2f\xfd"
SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18", re.DOTALL)
DICTIONARY_MARK = b"\x5d\x2a\x4d\x18"
"""Opens the skippable frame that holds the dictionary of a `.warc.zst`; it is the first of the file."""
MAX_DICTIONARY_BYTES = 2**24


class Stretch(NamedTuple):
    """Some expanded bytes that follow those before, unless these ended with a flaw."""

    data: bytes
    begins: int | None = None
    """Offset on disk of the member whose first bytes these are; None if they go on with the one before."""
    flaw: str = ""
    """Why nothing more of this member can be read; what comes next does not follow these bytes."""


def read_stretches(file: SourceFile, plain: re.Pattern[bytes]) -> Iterator[Stretch]:
    """Yield the expanded bytes of a file; after a flaw, those from the next member on.

    plain: matches the beginning of a file that is not compressed, whatever its name says. Raises BadDocument when more
    was expanded than the file's budget allows.
    """
    budget = file.new_budget()
    with file.open() as stream:
        suffix = _compression(stream, compression_of(file.path), plain)
        if suffix in MEMBERS:
            yield from MEMBERS[suffix](stream, budget).stretches()
            return
        # Nobody indexes bzip2 and xz files by member: their records have offsets in the expanded stream.
        yield from _whole(expand(stream, suffix, budget) if suffix else stream, budget)


def _compression(stream: BinaryIO, suffix: str, plain: re.Pattern[bytes]) -> str:
    """Return how a file is compressed: what its first bytes say, else its suffix."""
    head = stream.read(PROBED_BYTES)
    stream.seek(0)
    if plain.match(head):
        return ""
    if head.startswith(GZIP_MARK):
        return ".gz"
    return ".zst" if head.startswith(ZSTD_MARK) or SKIPPABLE.match(head) else suffix


def _whole(stream: BinaryIO, budget: Budget) -> Iterator[Stretch]:
    """Yield the bytes of a stream until its end or its first flaw."""
    with stream:
        while True:
            try:
                data = stream.read1(READ_BYTES)  # type: ignore[attr-defined]
            except BadDocument as error:
                if budget.is_spent:
                    raise
                yield Stretch(b"", None, str(error))
                return
            if not data:
                return
            yield Stretch(data)


class _Members:
    """The members of a compressed file, one after the other."""

    mark = b""
    name = ""

    def __init__(self, stream: BinaryIO, budget: Budget) -> None:
        self._stream = stream
        self._budget = budget
        self._held = b""
        """Bytes that were read and not expanded yet."""
        self._at = 0
        """Offset on disk of the first of them."""

    def stretches(self) -> Iterator[Stretch]:
        """Yield what the members expand to, in order."""
        while self._more(len(self.mark)):
            begins = self._at
            if self._skips():
                continue
            flaw = ""
            if self._held.startswith(self.mark):
                for stretch in self._member(begins):
                    self._budget.spend(len(stretch.data))
                    flaw = stretch.flaw
                    yield stretch
            elif not self._held.strip(b"\0"):
                # Tapes and block devices pad files with zero bytes.
                self._drop(len(self._held))
            else:
                flaw = f"no {self.name} begins here"
                yield Stretch(b"", begins, flaw)
            if flaw and not self._resume(begins):
                return

    def _skips(self) -> bool:
        """Skip what is no member but may be between two; return whether there was such."""
        return False

    def _member(self, begins: int) -> Iterator[Stretch]:
        """Yield what the member at the beginning of the held bytes expands to, and drop it."""
        raise NotImplementedError

    def _may_begin(self) -> bool:
        """Return whether the held bytes, which begin with the mark, have the header of a member."""
        raise NotImplementedError

    def _more(self, size: int) -> bool:
        """Hold at least `size` bytes; return whether any are left, fewer than `size` at the end of the file."""
        while len(self._held) < size and (data := self._stream.read(READ_BYTES)):
            self._held += data
        return bool(self._held)

    def _drop(self, size: int) -> None:
        """Go on by some held bytes."""
        self._held = self._held[size:]
        self._at += size

    def _resume(self, begins: int) -> bool:
        """Go to the next member after a damaged one that begins at an offset; return whether there is one."""
        if self._at > begins:
            self._stream.seek(begins + 1)
            self._held, self._at = b"", begins + 1
        else:
            self._drop(1)
        while self._more(HEADER_BYTES):
            found = self._held.find(self.mark)
            if found < 0:
                self._drop(max(len(self._held) - len(self.mark) + 1, 1))
                continue
            self._drop(found)
            self._more(HEADER_BYTES)
            if self._may_begin():
                return True
            self._drop(1)
        return False


class _GzipMembers(_Members):
    """Gzip members."""

    mark = GZIP_MARK
    name = "gzip member"

    def _may_begin(self) -> bool:
        # Flags, level and operating system as RFC 1952 has them.
        header = self._held[:10]
        return len(header) == 10 and header[3] < 32 and header[8] in (0, 2, 4) and (header[9] < 14 or header[9] == 255)

    def _member(self, begins: int) -> Iterator[Stretch]:
        expander = zlib.decompressobj(31)
        first: int | None = begins
        while not expander.eof:
            is_last = not self._more(1)
            before = expander.copy() if first is None else zlib.decompressobj(31)
            try:
                data = expander.decompress(self._held, EXPANDED_BYTES)
            except zlib.error as error:
                yield Stretch(_salvaged(before, self._held), first, f"damaged gzip member ({_reason(error)})")
                return
            if is_last and not data and not expander.eof:
                yield Stretch(b"", first, "the last gzip member is cut short")
                return
            left = expander.unused_data if expander.eof else expander.unconsumed_tail
            self._drop(len(self._held) - len(left))
            yield Stretch(data, first)
            first = None


def _salvaged(expander: Any, data: bytes) -> bytes:
    """Return what comes out of a damaged member, from where `expander` is, before the flaw shows."""
    gathered: list[bytes] = []
    try:
        while not expander.eof and (data or gathered[-1:] != [b""]):
            gathered.append(expander.decompress(data, SALVAGED_BYTES))
            data = expander.unconsumed_tail
    except zlib.error:
        pass
    return b"".join(gathered)


class _ZstdFrames(_Members):
    """Zstd frames; the dictionary in the first of a `.warc.zst`, itself compressed or not, serves all others."""

    mark = ZSTD_MARK
    name = "zstd frame"

    def __init__(self, stream: BinaryIO, budget: Budget) -> None:
        import zstandard

        super().__init__(stream, budget)
        self._library = zstandard
        self._decompressor = zstandard.ZstdDecompressor()
        # Too large a window is a MemoryError.
        self._errors = (zstandard.ZstdError, MemoryError)

    def _may_begin(self) -> bool:
        try:
            self._library.get_frame_parameters(self._held[:HEADER_BYTES])
        except self._errors:
            return False
        return True

    def _skips(self) -> bool:
        if not self._more(8) or not SKIPPABLE.match(self._held):
            return False
        size = int.from_bytes(self._held[4:8], "little")
        if self._held.startswith(DICTIONARY_MARK) and self._at == 0 and size <= MAX_DICTIONARY_BYTES:
            self._more(8 + size)
            self._use_dictionary(self._held[8 : 8 + size])
        while size + 8 > len(self._held):
            size -= len(self._held)
            self._drop(len(self._held))
            if not self._more(1):
                return True
        self._drop(size + 8)
        return True

    def _use_dictionary(self, data: bytes) -> None:
        """Expand what follows with a dictionary; raise BadDocument if it is damaged."""
        try:
            if data.startswith(ZSTD_MARK):
                data = self._decompressor.decompress(data, max_output_size=MAX_DICTIONARY_BYTES)
            dictionary = self._library.ZstdCompressionDict(data)
            self._decompressor = self._library.ZstdDecompressor(dict_data=dictionary)
        except self._errors as error:
            raise BadDocument(f"the dictionary of the file is damaged ({_reason(error)})") from None

    def _member(self, begins: int) -> Iterator[Stretch]:
        frame = self._decompressor.decompressobj()
        first: int | None = begins
        # The library gives all that a chunk expands to at once: the next one is as small as the last was dense.
        chunk_bytes = 512
        while not frame.eof:
            if not self._more(1):
                yield Stretch(b"", first, "the last zstd frame is cut short")
                return
            chunk = self._held[:chunk_bytes]
            try:
                data = frame.decompress(chunk)
            except self._errors as error:
                yield Stretch(b"", first, f"damaged zstd frame ({_reason(error)})")
                return
            self._drop(len(chunk) - len(frame.unused_data))
            chunk_bytes = min(READ_BYTES, max(512, 2**20 * len(chunk) // max(len(data), 1)))
            yield Stretch(data, first)
            first = None


MEMBERS: dict[str, type[_Members]] = {".gz": _GzipMembers, ".zst": _ZstdFrames}


def _reason(error: Exception) -> str:
    """Return what a library says of an error, in one line."""
    return " ".join(str(error).split()) or type(error).__name__
