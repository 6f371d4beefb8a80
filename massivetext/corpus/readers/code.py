"""Read source code, one document per file, with its programming language, its licence and whether it was generated.

`meta` has `programming_language` (inferred from the file name; for some suffixes and for scripts, from the content),
`generated` (the first lines contain a marker) and `minified` (the lines are longer than people write). The licence is
the SPDX identifier in the file, else that of the nearest LICENSE or COPYING file at or above it within the source's
folder.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath

from massivetext.corpus.readers.columns import noting
from massivetext.corpus.readers.records import NO_TEXT, Reader, Record
from massivetext.corpus.readers.streams import Piece, SourceFile, plain_suffix
from massivetext.corpus.readers.text import read_whole

LANGUAGES = {
    "Assembly": ".asm .s", "Batch": ".bat .cmd", "C": ".c", "C#": ".cs", "C++": ".cc .cpp .cxx .hpp .hh .hxx",
    "Clojure": ".clj .cljs .cljc", "CMake": ".cmake", "CSS": ".css .scss .sass .less", "Cuda": ".cu .cuh",
    "Dart": ".dart", "Elixir": ".ex .exs", "Erlang": ".erl .hrl", "Fortran": ".f .f90 .f95 .for", "F#": ".fs .fsx",
    "Go": ".go", "Groovy": ".groovy .gradle", "Haskell": ".hs", "HTML": ".html .htm", "Java": ".java",
    "JavaScript": ".js .jsx .mjs .cjs", "Julia": ".jl", "Kotlin": ".kt .kts", "Lisp": ".lisp .el .cl", "Lua": ".lua",
    "Makefile": ".mk", "Objective-C": ".mm", "OCaml": ".ml .mli", "Pascal": ".pas", "Perl": ".pl .pm", "PHP": ".php",
    "PowerShell": ".ps1 .psm1", "Python": ".py .pyi .pyx", "R": ".r", "Ruby": ".rb .rake", "Rust": ".rs",
    "Scala": ".scala .sc", "Scheme": ".scm .rkt", "Shell": ".sh .bash .zsh", "Solidity": ".sol", "SQL": ".sql",
    "Swift": ".swift", "Tcl": ".tcl", "TypeScript": ".ts .tsx .mts", "Verilog": ".v .sv .svh", "VHDL": ".vhd .vhdl",
    "Vim script": ".vim", "Visual Basic": ".vb .bas", "Vue": ".vue", "WebAssembly": ".wat", "Zig": ".zig",
}  # fmt: skip
BY_SUFFIX = {suffix: name for name, suffixes in LANGUAGES.items() for suffix in suffixes.split()}
BY_NAME = {"makefile": "Makefile", "gnumakefile": "Makefile", "dockerfile": "Dockerfile", "rakefile": "Ruby",
           "gemfile": "Ruby", "cmakelists.txt": "CMake", "jenkinsfile": "Groovy", "sconstruct": "Python"}  # fmt: skip
BY_CONTENT = {".h": "C", ".m": "Objective-C", ".inc": "PHP"}
"""Suffixes shared by two languages, with the default used unless the content shows the other."""
INTERPRETERS = {"python": "Python", "sh": "Shell", "bash": "Shell", "zsh": "Shell", "perl": "Perl", "ruby": "Ruby",
                "node": "JavaScript", "php": "PHP", "lua": "Lua", "rscript": "R", "tclsh": "Tcl"}  # fmt: skip
SCRIPT = re.compile(r"#![ \t]*\S*?(?:env\s+(?:-\S+\s+)*)?([a-zA-Z]+)[\d.]*(?:\s|$)")
SPDX = re.compile(r"SPDX-License-Identifier:\s*([\w.+()-]+(?:\s+(?:OR|AND|WITH)\s+[\w.+()-]+)*)")
GENERATED = re.compile(
    r"@generated\b|\bdo not (?:edit|modify)\b|\b(?:auto(?:matically)?[- ]?)?generated (?:by|from|file|code)\b"
    r"|\bthis file (?:is|was) (?:auto(?:matically)?[- ]?)generated\b|自动生成|自動生成",
    re.IGNORECASE,
)
LICENSES = {
    "MIT": r"permission is hereby granted, free of charge, to any person obtaining a copy",
    "Apache-2.0": r"apache license,?\s+version 2\.0",
    "AGPL-3.0": r"gnu affero general public license\s+version 3",
    "LGPL-3.0": r"gnu lesser general public license\s+version 3",
    "LGPL-2.1": r"gnu lesser general public license\s+version 2\.1",
    "GPL-3.0": r"gnu general public license\s+version 3",
    "GPL-2.0": r"gnu general public license\s+version 2",
    "MPL-2.0": r"mozilla public license,?\s+version 2\.0",
    "BSD-3-Clause": r"redistribution and use in source and binary forms[\s\S]{0,1500}neither the name",
    "BSD-2-Clause": r"redistribution and use in source and binary forms",
    "ISC": r"permission to use, copy, modify, and/?o?r? distribute this software",
    "Unlicense": r"this is free and unencumbered software released into the public domain",
    "CC0-1.0": r"cc0 1\.0 universal",
}
"""Licences by a sentence of their text, more specific ones first."""
LICENSE_NAMES = (
    "LICENSE",
    "LICENSE.txt",
    "LICENSE.md",
    "LICENCE",
    "LICENCE.txt",
    "COPYING",
    "COPYING.txt",
    "UNLICENSE",
)
LICENSE_BYTES = 40_000
HEAD_CHARACTERS = 2000
SCRIPT_CHARACTERS = 200
"""How many characters are searched for the name of a script's interpreter."""
MINIFIED_MEAN, MINIFIED_LONGEST = 150, 5000
"""Line lengths in characters. A file with a longer mean, or a longer longest line, counts as minified."""
BINARY_SAMPLE = 8192


class SourceCodeReader(Reader):
    """Reads files of known programming languages."""

    def takes(self, uri: str) -> bool:
        """Return whether the name is that of a source file outside vendored packages."""
        path = PurePosixPath(uri)
        if {"node_modules", "vendor", "third_party"} & set(path.parts[:-1]):
            return False
        return plain_suffix(uri) in (*BY_SUFFIX, *BY_CONTENT) or path.name.lower() in BY_NAME

    def is_whole_file(self) -> bool:
        """Return True."""
        return True

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield the file as one record."""
        record = read_whole(piece.file, self.source.max_record_bytes, self.source.encoding)
        if record.bad:
            yield record
            return
        if "\0" in record.text[:BINARY_SAMPLE]:
            yield record._replace(text="", bad=NO_TEXT)
            return
        text = record.text.replace("\r\n", "\n")
        fields = noting(
            record.fields,
            programming_language=programming_language(piece.file.path.name, text),
            generated=GENERATED.search(text[:HEAD_CHARACTERS]) is not None or None,
            minified=is_minified(text) or None,
        )
        yield record._replace(text=text, fields=fields._replace(license=license_of(piece.file, text)))


def programming_language(name: str, text: str) -> str | None:
    """Return the name of a file's programming language; None if it cannot be inferred."""
    suffix = plain_suffix(name)
    head = text[: 4 * HEAD_CHARACTERS]
    if suffix == ".h":
        if re.search(r"^[ \t]*+@(?:interface|protocol|class)\b|^#import\b", head, re.MULTILINE):
            return "Objective-C"
        if re.search(r"^[ \t]*+(?:class|namespace|template|using)\b|\bstd::", head, re.MULTILINE):
            return "C++"
        return "C"
    if suffix == ".m" and not re.search(r"^[ \t]*+(?:@\w+|#import\b|#include\b)", head, re.MULTILINE):
        return "MATLAB" if re.search(r"^[ \t]*+(?:%|function\b)", head, re.MULTILINE) else "Objective-C"
    known = BY_NAME.get(PurePosixPath(name).name.lower()) or BY_SUFFIX.get(suffix) or BY_CONTENT.get(suffix)
    if known is None and (found := SCRIPT.match(text[:SCRIPT_CHARACTERS])):
        return INTERPRETERS.get(found[1].lower())
    return known


def is_minified(text: str) -> bool:
    """Return whether the lines are longer than a person would write."""
    lines = text.split("\n")
    return len(text) > MINIFIED_MEAN * max(len(lines), 1) or max(map(len, lines)) > MINIFIED_LONGEST


def license_of(file: SourceFile, text: str) -> str | None:
    """Return the SPDX identifier of a file's licence; None if nothing states it."""
    found = SPDX.search(text[:HEAD_CHARACTERS])
    if found:
        return found[1]
    if file.content is not None:
        return None
    folders = len(PurePosixPath(file.uri).parts)
    return next((name for folder in list(file.path.parents)[:folders] if (name := _folder_license(folder))), None)


@lru_cache(4096)
def _folder_license(folder: Path) -> str | None:
    """Return the SPDX identifier of the licence file in a folder; "other" if unknown, None if there is no such file."""
    for name in LICENSE_NAMES:
        path = folder / name
        if path.is_file():
            with path.open("rb") as stream:
                text = " ".join(stream.read(LICENSE_BYTES).decode(errors="replace").lower().split())
            return next((known for known, sentence in LICENSES.items() if re.search(sentence, text)), "other")
    return None
