"""What readers share of whose format a file is one document, made from its bytes."""

from abc import abstractmethod
from collections.abc import Iterator

from massivetext.corpus.readers.records import Reader, Record, bad_record
from massivetext.corpus.readers.streams import Piece, SourceFile
from massivetext.corpus.readers.text import read_bytes
from massivetext.errors import BadDocument


class WholeFileReader(Reader):
    """Reads a file as one document."""

    def is_whole_file(self) -> bool:
        """Return True."""
        return True

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield the document, or the record that says why there is none."""
        try:
            raw = read_bytes(piece.file, self.source.max_record_bytes)
        except BadDocument as error:
            yield bad_record("0", piece.file.size, str(error))
            return
        try:
            record = self.document(piece.file, raw)
        except BadDocument as error:
            record = bad_record("0", len(raw), str(error), raw)
        yield record

    @abstractmethod
    def document(self, file: SourceFile, raw: bytes) -> Record:
        """Return the document that the bytes of a file hold; raise BadDocument where they hold none."""
