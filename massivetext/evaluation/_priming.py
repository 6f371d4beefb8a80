"""A program of its own: the size of texts under `xz -9e` after it has seen a first text, exactly, in one pass over it.

`python -m massivetext.evaluation._priming FOLDER` reads FOLDER/first and FOLDER/part-0, part-1, ..., and prints the
JSON list of size(first + part) - size(first). The compressor's state after `first` is copied by forking, so that the
long first text is compressed once however many parts there are. It is a program because forking is only safe in a
process without threads.
"""

import json
import lzma
import os
import sys
from pathlib import Path

from massivetext.evaluation.compressors import XZ_DICTIONARY_BYTES, read_chunks


def feed(compressor: lzma.LZMACompressor, path: Path) -> int:
    """Compress a file and return how many bytes came out so far."""
    return sum(len(compressor.compress(chunk)) for chunk in read_chunks(path))


def finished_size(compressor: lzma.LZMACompressor, path: Path | None, written: int) -> int:
    """Return the whole size if `path` (or nothing) came next, without touching this process's `compressor`."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        size = written + (feed(compressor, path) if path else 0) + len(compressor.flush())
        os.write(write_end, str(size).encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as stream:
        answer = stream.read()
    _, status = os.waitpid(child, 0)
    if status or not answer:
        raise SystemExit(f"the copy that compresses {path or 'nothing more'} ended with status {status}")
    return int(answer)


def main(folder: Path) -> None:
    """Print the sizes that the module's text describes."""
    parts = sorted(folder.glob("part-*"), key=lambda path: int(path.name.removeprefix("part-")))
    total = sum(path.stat().st_size for path in [folder / "first", *parts])
    dictionary = min(XZ_DICTIONARY_BYTES, max(1 << 16, 1 << total.bit_length()))  # as -9e's, smaller where enough
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": dictionary}]
    compressor = lzma.LZMACompressor(format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC64, filters=filters)
    written = feed(compressor, folder / "first")
    alone = finished_size(compressor, None, written)
    print(json.dumps([finished_size(compressor, part, written) - alone for part in parts]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
