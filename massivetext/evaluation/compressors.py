"""What general compressors make of the same bytes: `gzip -9`, `xz -9e`, and `xz -9e` that has seen the training text.

They are the yardstick for bits per byte: a model that writes a text down in fewer bits has learnt something about it
that a compressor does not find. The primed row is the fair one, since the model has seen the training text as well.
"""

import json
import lzma
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from massivetext.errors import DataError
from massivetext.storage import TEMPORARY_PREFIX

CHUNK_BYTES = 1 << 20
XZ_DICTIONARY_BYTES = 1 << 26  # what `xz -9` uses


def read_chunks(*paths: Path) -> Iterator[bytes]:
    """Yield the bytes of files, one after the other, in pieces."""
    for path in paths:
        with open(path, "rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk


def gzip_bytes(chunks: Iterable[bytes]) -> int:
    """Return the size of the chunks, put together, under `gzip -9n`."""
    compressor = zlib.compressobj(9, wbits=31)  # 31: gzip's header and checksum
    return sum(len(compressor.compress(chunk)) for chunk in chunks) + len(compressor.flush())


def xz_bytes(chunks: Iterable[bytes]) -> int:
    """Return the size of the chunks, put together, under `xz -9e`."""
    compressor = lzma.LZMACompressor(check=lzma.CHECK_CRC64, preset=9 | lzma.PRESET_EXTREME)
    return sum(len(compressor.compress(chunk)) for chunk in chunks) + len(compressor.flush())


@contextmanager
def primed_xz(
    training: Iterable[bytes], parts: Sequence[Sequence[Path]], scratch: Path | None = None
) -> Iterator[Callable[[], list[int]]]:
    """Start the primed `xz` in a process of its own; yield a function that waits for it and returns the sizes in bytes.

    training: the text that it sees first. parts: for each answer the files that are put together. scratch: the folder
    that texts are laid in meanwhile; unset, the system's for temporary files. An answer is
    size(training + part) - size(training), both under `xz -9e`. The process ends with the block at the latest.
    """
    with tempfile.TemporaryDirectory(prefix=f"{TEMPORARY_PREFIX}priming-", dir=scratch) as name:
        folder = Path(name)
        _write(folder / "first", training)
        for number, paths in enumerate(parts):
            _write(folder / f"part-{number}", read_chunks(*paths))
        command = [sys.executable, "-m", "massivetext.evaluation._priming", name]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        def sizes() -> list[int]:
            answer, problem = process.communicate()
            if process.returncode:
                raise DataError(f"the primed xz ended with status {process.returncode}: {problem.strip()[-500:]}")
            found: list[int] = json.loads(answer)
            return found

        try:
            yield sizes
        finally:
            process.kill()
            process.communicate()


def _write(path: Path, chunks: Iterable[bytes]) -> None:
    with open(path, "wb") as stream:
        stream.writelines(chunks)
