"""Find the files that a source's paths name, in reading order."""

import fnmatch
import glob
import json
import os
import re
import sysconfig
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from massivetext.corpus.readers.formats import FORMATS
from massivetext.corpus.readers.records import Reader, make_reader
from massivetext.corpus.readers.remote import is_remote, remote_files
from massivetext.corpus.readers.streams import SourceFile, is_archive, open_stream, plain_suffix, portable_name
from massivetext.corpus.settings import SourceSettings
from massivetext.corpus.unread import Counts, count_unread, unread_remedy
from massivetext.errors import BadDocument, ConfigError, DataError, unknown_name
from massivetext.settings import shown

LEFT_OUT = {
    "stdlib": {
        "site-packages",
        "dist-packages",
        "test",
        "tests",
        "idle_test",
        "pydoc_data",
        "encodings",
        "__pycache__",
    },
    "packages": {"test", "tests", "_vendor", "__pycache__"},
    "": {"__pycache__"},
}
"""Folder names that are skipped below each built-in root ("" is any other path). A path may still name them. The
standard library's `encodings` are generated character tables, and `_vendor` holds copies of other packages."""
REMEDIES = {
    "man_zh": "install Debian's Chinese manual pages: apt-get install manpages-zh",
    "fortunes": "install Debian's Chinese fortunes: apt-get install fortunes-zh",
}
SNIFFED_BYTES = 2**20
XML_BYTES = 2**12
DUMPS = {rb"<posts[\s>]": "stackexchange", rb"<mediawiki[\s>]": "mediawiki"}
"""Root element of an XML dump -> its format."""


def built_in_roots() -> dict[str, Path]:
    """Return the folders that `{name}` at the beginning of a path refers to."""
    paths = sysconfig.get_paths()
    return {
        "stdlib": Path(paths["stdlib"]),
        "packages": Path(paths["purelib"]),
        "man_zh": Path("/usr/share/man/zh_CN"),
        "fortunes": Path("/usr/share/games/fortunes"),
    }


def input_files(source: SourceSettings) -> list[SourceFile]:
    """Return the source's files in ascending order of uri; see `find_files`."""
    return find_files(source)[0]


def find_files(source: SourceSettings) -> tuple[list[SourceFile], Counts]:
    """Return the source's files in ascending order of uri, and counts of files that no reader takes.

    A file named twice counts once. Files without a reader are counted only with `auto`, because any other format was
    chosen explicitly. Raises DataError for a path that does not exist or has no file of the source's format, and
    ConfigError for a file whose format cannot be inferred.
    """
    named = [(path, *_expand(path, source)) for path in source.paths if not is_remote(path)]
    plain_roots = [root for _, kind, root, _ in named if not kind]
    plain_root = Path(os.path.commonpath(plain_roots)) if plain_roots else Path()
    readers = possible_readers(source)
    files: dict[str, SourceFile] = {}
    others: dict[str, SourceFile] = {}

    def choose(written: str, candidates: Iterable[tuple[SourceFile, bool]], alone: bool) -> None:
        """Add the readable files among `candidates`: pairs of a file and whether the path named it."""
        before, seen = len(files), Counter[str]()
        for file, given in candidates:
            chosen = format_of(file, source, readers, given, alone and given)
            seen[plain_suffix(file.path.name) or "no suffix"] += 1
            if chosen is not None:
                files[file.uri] = file._replace(format=chosen)
            elif source.is_by_suffix:
                others[file.uri] = file
        if len(files) == before and not any(file.uri in files for file, _ in candidates):
            raise DataError(_nothing_found(source, written, seen))

    for written, kind, root, paths in named:
        base = root if kind else plain_root
        walked = _walk(paths, LEFT_OUT[kind if kind in LEFT_OUT else ""])
        local = [(_local_file(path, base, kind, source), given) for path, given in walked]
        choose(written, local, paths == [_resolved(written)[2]])
    for written in filter(is_remote, source.paths):
        remote = remote_files(written, source)
        choose(written, remote, len(remote) == 1)
    unread: Counts = {}
    for uri in sorted(others.keys() - files.keys()):
        count_unread(unread, uri, others[uri].size)
    return [files[uri] for uri in sorted(files)], unread


def _local_file(path: Path, base: Path, kind: str, source: SourceSettings) -> SourceFile:
    """Return a file on disk; kind: the built-in root's name, or ""."""
    uri = portable_name("/".join(filter(None, (kind, path.relative_to(base).as_posix()))))
    try:
        status = path.stat()
    except OSError as error:
        raise unreadable(error) from None
    return SourceFile(path, uri, status.st_size, status.st_mtime_ns, "", source.max_expansion)


def possible_readers(source: SourceSettings) -> dict[str, Reader]:
    """Return the readers that may read a source's files, by format name."""
    return {name: make_reader(name, source) for name in (FORMATS if source.is_by_suffix else (source.format,))}


def _nothing_found(source: SourceSettings, written: str, seen: Counter[str]) -> str:
    """Return the message for a path without readable files."""
    there = ", ".join(f"{count} with {suffix}" for suffix, count in seen.most_common(8)) or "no files"
    remedy = f"{remedy}; or " if (remedy := unread_remedy(seen)) else ""
    wanted = "text that the format can be told of" if source.format == "auto" else f"files of format {source.format!r}"
    return (
        f"source {source.name!r}: {written} holds no {wanted} (found: {there}); "
        f"{remedy}check the path, or set format (format: text reads any file as plain text)"
    )


def _resolved(written: str) -> tuple[str, Path, Path]:
    """Return (built-in root's name or "", root folder, full path) for a path as written in the recipe."""
    if written.startswith("{"):
        name, _, rest = written[1:].partition("}")
        roots = built_in_roots()
        if name not in roots:
            raise ConfigError(f"path {written!r}: {unknown_name('root', name, roots)}")
        return name, roots[name], roots[name] / rest.lstrip("/")
    try:
        path = Path(written).expanduser().absolute()
        return "", path.parent if not path.is_dir() else path, path
    except RuntimeError:
        raise ConfigError(f"path {shown(written)}: there is no user of that name; write the folder in full") from None
    except OSError as error:
        raise unreadable(error) from None


def _expand(written: str, source: SourceSettings) -> tuple[str, Path, list[Path]]:
    """Return (built-in root's name or "", root folder, files and folders) for a path as written in the recipe."""
    kind, root, path = _resolved(written)
    try:
        if path.exists():
            return kind, root, [path]
    except OSError as error:
        raise unreadable(error) from None
    if glob.has_magic(str(path)):
        parts = path.parts
        first = next(number for number, part in enumerate(parts) if glob.has_magic(part))
        fixed = Path(*parts[:first])
        root = root if kind else fixed
        matches = sorted(matching_files(fixed, parts[first:]))
        if matches:
            return kind, root, matches
    remedy = REMEDIES.get(kind, f"check the path (relative paths start at {Path.cwd()})")
    raise DataError(f"source {source.name!r}: nothing at {written}{f' ({path})' if kind else ''}; {remedy}")


def matching_files(folder: Path, pattern: Sequence[str]) -> list[Path]:
    """Return the files below `folder` that match a pattern, part by part as in `glob`; `**` matches any folders.

    A folder reached a second time through a link, with the same rest of the pattern, is not entered again, because
    links may form loops. Names that start with a dot match only a part that does too.
    """
    found: dict[Path, None] = {}
    seen: set[tuple[int, int, int]] = set()
    waiting = deque([(folder, 0)])  # shorter paths first; among equals, those without links
    while waiting:
        place, number = waiting.popleft()
        if number == len(pattern):
            if place.is_file():
                found[place] = None
            continue
        part = pattern[number]
        if not glob.has_magic(part):
            waiting.append((place / part, number + 1))
            continue
        try:
            status = place.stat()
            with os.scandir(place) as listed:
                entries = sorted(listed, key=lambda entry: (entry.is_symlink(), entry.name))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise unreadable(error) from None
        if (status.st_dev, status.st_ino, number) in seen:
            continue
        seen.add((status.st_dev, status.st_ino, number))
        visible = [entry for entry in entries if part.startswith(".") or not entry.name.startswith(".")]
        if part != "**":
            waiting += [(Path(entry), number + 1) for entry in visible if fnmatch.fnmatchcase(entry.name, part)]
            continue
        last = number + 1 == len(pattern)  # a last `**` matches files; else the next part names them
        waiting += [] if last else [(place, number + 1)]
        for entry in visible:
            if entry.is_dir():
                waiting.append((Path(entry), number))
            elif last:
                waiting.append((Path(entry), number + 1))
    return list(found)


def unreadable(error: OSError) -> DataError:
    """Return the error for an input that this user is not allowed to read."""
    return DataError(
        f"the input {error.filename} cannot be read ({error.strerror}); check the file and its permissions, or leave "
        "it out of the source's path"
    )


def _raise_unreadable(error: OSError) -> None:
    raise unreadable(error)


def _walk(paths: list[Path], left_out: set[str]) -> Iterator[tuple[Path, bool]]:
    """Yield the files among `paths` with True, and the non-hidden files below the folders among them with False."""
    for path in paths:
        if path.is_file():
            yield path, True
            continue
        for folder, folders, names in os.walk(path, onerror=_raise_unreadable):
            folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in left_out)
            for name in sorted(names):
                file = Path(folder, name)
                if not name.startswith(".") and file.is_file():
                    yield file, False


def format_of(
    file: SourceFile, source: SourceSettings, readers: dict[str, Reader], given: bool, alone: bool
) -> str | None:
    """Return the name of the format to read a file with, or None to leave it out.

    given: the path named this file, directly or by a glob. alone: it named only this file, so leaving it out is an
    error. A named archive is opened whatever the source's format, which then applies to its members.
    """
    path = file.path
    if is_archive(path.name) and (source.is_by_suffix or given):
        return "archive"
    if not source.is_by_suffix:
        return source.format if given or readers[source.format].takes(file.uri) else None
    suffix = plain_suffix(path.name)
    if suffix == ".json":
        return "jsonl" if _has_objects_on_lines(file) else "json"
    if is_xml(path.name) and (found := _dump_format(file)):
        return found
    for name, reader in readers.items():
        if suffix in reader.suffixes and (given or not reader.lacks_package(path.name)):
            return name
    if alone:
        raise ConfigError(
            f"source {source.name!r}: the suffix of {path.name} does not tell its format; "
            f"set format to one of: {', '.join(FORMATS)}"
        )
    return None


def is_xml(name: str) -> bool:
    """Return whether a name is that of an XML file or of a part of a dump, such as `.xml-p1p41242`."""
    return plain_suffix(name).startswith(".xml")


def _dump_format(file: SourceFile) -> str | None:
    """Return the format of an XML dump (`stackexchange` or `mediawiki`); None for any other XML file."""
    try:
        with open_stream(file) as stream:
            head = stream.read(XML_BYTES)
    except BadDocument:
        return None
    return next((name for mark, name in DUMPS.items() if re.search(mark, head)), None)


def _has_objects_on_lines(file: SourceFile) -> bool:
    """Return whether the first line of a .json file is a complete object and another line follows."""
    try:
        with open_stream(file) as stream:
            first, second = stream.readline(SNIFFED_BYTES), stream.readline(SNIFFED_BYTES)
        return isinstance(json.loads(first), dict) and bool(second.strip())
    except (ValueError, RecursionError, BadDocument):
        return False
