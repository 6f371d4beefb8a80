"""Read compressed archives member by member, with the disk offset of each gzip member or zstd frame.

A `.warc.gz` usually holds one gzip member per record, and its index stores each member's offset on disk. A damaged
member affects only itself: reading resumes at the next member with a valid header.
"""

import re
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from massivetext.corpus.readers.streams import Budget, SourceFile, compression_of, expand
from massivetext.errors import BadDocument

READ_BYTES = 2**15
EXPANDED_BYTES = 2**18
"""Maximum size of the output of one decompression call (gzip)."""
HEADER_BYTES = 18
"""Number of bytes held to check a member's header: the maximum size of a zstd header; gzip needs 10."""
PROBED_BYTES = 2**12
SALVAGED_BYTES = 2**9
"""Before a flaw, data is expanded again in steps of this size to keep as much readable content as possible."""
GZIP_MARK = b"\x1f\x8b\x08"
ZSTD_MARK = b"\x28\xb5\x2f\xfd"
SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18", re.DOTALL)
DICTIONARY_MARK = b"\x5d\x2a\x4d\x18"
"""Starts the skippable frame that holds the dictionary of a `.warc.zst`. It is the first frame of the file."""
MAX_DICTIONARY_BYTES = 2**24


class Stretch(NamedTuple):
    """Expanded bytes that continue the previous stretch, unless that one ended with a flaw."""

    data: bytes
    begins: int | None = None
    """Offset on disk of the member that starts with these bytes; None if they continue a member."""
    flaw: str = ""
    """Why the rest of this member cannot be read; the next stretch does not continue this one."""


def read_stretches(file: SourceFile, plain: re.Pattern[bytes]) -> Iterator[Stretch]:
    """Yield the expanded bytes of a file; after a flaw, continue with the next member.

    plain: matches the start of a file that is not compressed, whatever its name says. Raises BadDocument if the output
    exceeds the file's budget.
    """
    budget = file.new_budget()
    with file.open() as stream:
        suffix = _compression(stream, compression_of(file.path), plain)
        if suffix in MEMBERS:
            yield from MEMBERS[suffix](stream, budget).stretches()
            return
        # bzip2 and xz files are not indexed by member: their records have offsets in the expanded stream.
        yield from _whole(expand(stream, suffix, budget) if suffix else stream, budget)


def _compression(stream: BinaryIO, suffix: str, plain: re.Pattern[bytes]) -> str:
    """Return the suffix for a file's compression, from its first bytes, else from its name."""
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
    """Reads the members of a compressed file in order."""

    mark = b""
    name = ""

    def __init__(self, stream: BinaryIO, budget: Budget) -> None:
        self._stream = stream
        self._budget = budget
        self._held = b""
        """Bytes read but not yet expanded."""
        self._at = 0
        """Offset on disk of the first held byte."""

    def stretches(self) -> Iterator[Stretch]:
        """Yield the expanded bytes of all members, in order."""
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
        """Skip data that may come between two members; return whether there was any."""
        return False

    def _member(self, begins: int) -> Iterator[Stretch]:
        """Yield the expanded bytes of the member at the start of the held bytes, and drop it."""
        raise NotImplementedError

    def _may_begin(self) -> bool:
        """Return whether the held bytes, which start with the mark, contain a member's header."""
        raise NotImplementedError

    def _more(self, size: int) -> bool:
        """Hold at least `size` bytes (fewer at the end of the file); return whether any are left."""
        while len(self._held) < size and (data := self._stream.read(READ_BYTES)):
            self._held += data
        return bool(self._held)

    def _drop(self, size: int) -> None:
        """Discard `size` held bytes."""
        self._held = self._held[size:]
        self._at += size

    def _resume(self, begins: int) -> bool:
        """Advance to the next member after a damaged one at offset `begins`; return whether there is one."""
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
    """Reads gzip members."""

    mark = GZIP_MARK
    name = "gzip member"

    def _may_begin(self) -> bool:
        # Valid flags, level and operating system according to RFC 1952.
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
    """Return what a damaged member yields before the flaw; expander: its state at the start of `data`."""
    gathered: list[bytes] = []
    try:
        while not expander.eof and (data or gathered[-1:] != [b""]):
            gathered.append(expander.decompress(data, SALVAGED_BYTES))
            data = expander.unconsumed_tail
    except zlib.error:
        pass
    return b"".join(gathered)


class _ZstdFrames(_Members):
    """Reads zstd frames. A dictionary in the first frame, which may be compressed, applies to all others."""

    mark = ZSTD_MARK
    name = "zstd frame"

    def __init__(self, stream: BinaryIO, budget: Budget) -> None:
        import zstandard

        super().__init__(stream, budget)
        self._library = zstandard
        self._decompressor = zstandard.ZstdDecompressor()
        # zstandard raises MemoryError for a window that is too large.
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
        """Expand the following frames with a dictionary; raise BadDocument if it is damaged."""
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
        # The library returns all output of a chunk at once, so adapt the chunk size to the previous expansion ratio.
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
    """Return a library's error message in one line."""
    return " ".join(str(error).split()) or type(error).__name__
