"""What the readers' tests share: all records of a path, as a build would read them."""

from massivetext.corpus.readers.finding import input_files
from massivetext.corpus.readers.records import bad_record, make_reader
from massivetext.corpus.settings import SourceSettings
from massivetext.errors import BadDocument, DataError


def read(path, piece_bytes=2**40, **values):
    source = SourceSettings(name="s", path=str(path), **values)
    files = input_files(source)
    records = []
    readers = {name: make_reader(name, source) for name in {file.format for file in files}}
    for name, reader in readers.items():
        reader.check([file for file in files if file.format == name])
    for file in files:
        for piece in readers[file.format].pieces(file, piece_bytes):
            try:
                for record in readers[file.format].read(piece):
                    records.append(record)
            except (BadDocument, DataError) as error:
                records.append(bad_record("after", 0, str(error)))
    return records
