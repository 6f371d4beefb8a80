"""What a recipe's `corpus:` section may say."""

import codecs
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from massivetext.errors import ConfigError, unknown_name
from massivetext.settings import LARGEST, GivenPath, GivenPathText, Settings, shown
from massivetext.yaml_text import MAX_BYTES, read_yaml_text

BUILT_IN = ("quickstart", "quickstart-zh")

FORMATS = {
    "text": "massivetext.corpus.readers.text:TextReader",
    "jsonl": "massivetext.corpus.readers.jsonl:JsonLinesReader",
    "json": "massivetext.corpus.readers.json_file:JsonReader",
    "csv": "massivetext.corpus.readers.csv_file:CsvReader",
    "parquet": "massivetext.corpus.readers.parquet:ParquetReader",
    "archive": "massivetext.corpus.readers.archive:ArchiveReader",
    "html": "massivetext.corpus.readers.html_file:HtmlReader",
    "warc": "massivetext.corpus.readers.warc:WarcReader",
    "mediawiki": "massivetext.corpus.readers.mediawiki:MediaWikiReader",
    "stackexchange": "massivetext.corpus.readers.stackexchange:StackExchangeReader",
    "code": "massivetext.corpus.readers.code:SourceCodeReader",
    "subtitles": "massivetext.corpus.readers.subtitles:SubtitleReader",
    "document": "massivetext.corpus.readers.documents:DocumentReader",
    "notebook": "massivetext.corpus.readers.notebook:NotebookReader",
    "latex": "massivetext.corpus.readers.latex:LatexReader",
    "epub": "massivetext.corpus.readers.epub:EpubReader",
    "gutenberg": "massivetext.corpus.readers.gutenberg:GutenbergReader",
    "mbox": "massivetext.corpus.readers.mbox:MboxReader",
    "chat": "massivetext.corpus.readers.chat_log:ChatLogReader",
    "python_code": "massivetext.corpus.readers.python:CodeReader",
    "python_docs": "massivetext.corpus.readers.python:DocsReader",
    "python_topics": "massivetext.corpus.readers.python:TopicsReader",
    "package_readme": "massivetext.corpus.readers.package_readme:ReadmeReader",
    "man_pages": "massivetext.corpus.readers.man_pages:ManPageReader",
    "fortunes": "massivetext.corpus.readers.fortunes:FortunesReader",
}
"""Every format's name in a recipe, and where its reader is; the module is imported when a source names the format."""

TOTAL = "total"
"""What stands for all sources together in scores; no source may have this name."""
NO_ENCODINGS = {"idna", "mbcs", "oem", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"}
"""Codecs of Python that give text, but in which no file is written."""


class SourceSettings(Settings):
    """One named source of documents."""

    name: str = Field(pattern=r"^[\w-]{1,64}$")
    """Name of the source: letters, digits, `_` and `-`; every document, loss and score carries it."""
    path: GivenPathText | Annotated[tuple[GivenPathText, ...], Field(min_length=1)]
    """A file, a folder, a glob such as "dumps/**/*.txt", or a list of them; relative to the current folder. It may
    begin with {stdlib}, {packages} (installed packages), {man_zh} or {fortunes}."""
    format: str = "auto"
    """Format of the files; auto infers it from the suffix. In a folder or archive, files of formats that cannot
    be read are skipped, counted and named."""
    text_column: str | None = None
    """The column (JSON key, dotted where nested) that holds the text; unset: `text`, else the only string column."""
    unit: Literal["file", "block", "paragraph", "line"] = "file"
    """One document of a plain text file. A block is consecutive paragraphs up to `block_bytes`; a longer
    paragraph is split at line ends."""
    block_bytes: int = Field(8192, ge=1, le=2**30)
    """Largest block, in bytes."""
    steps: tuple[str | dict[str, Any], ...] | None = None
    """Steps of this source; they replace those of the corpus."""
    encoding: str = "auto"
    """Encoding of files without a byte order mark, e.g. gb18030; auto: UTF-8, or the declared or detected encoding,
    which `meta` records. Bytes that do not fit become U+FFFD and are counted."""
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    """Character that separates the cells of CSV and TSV, e.g. ";" or "\\t"; unset: comma, tab, semicolon or |, inferred
    from the first lines of each file."""
    quote: str | None = Field(None, max_length=1)
    """The quotation mark around cells of CSV and TSV, e.g. "'"; empty: quotation marks are text. Unset: ", or none
    if tabs separate the cells and the file is not a .csv."""
    where: dict[str, tuple[str | int | float | bool, ...]] = Field(default_factory=dict)
    """For JSON lines, CSV and Parquet: only records whose field (dotted where nested) has this value, or one of these,
    belong to the source, e.g. {meta.pile_set_name: Pile-CC}; the others are skipped and not counted."""
    max_expansion: int = Field(250, ge=1, le=2**31)
    """Reading stops, and is reported, when a compressed file or archive expands to more than this many times its size
    (and more than 256 MiB): protection against zip bombs."""
    max_record_bytes: int = Field(64 * 2**20, ge=1, le=2**30)
    """Maximum size of a record (line, file, cell), in bytes; longer ones are skipped and reported."""

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        if value != "auto" and value not in FORMATS:
            raise ValueError(unknown_name("format", value, ["auto", *FORMATS]))
        return value

    @field_validator("where", mode="before")
    @classmethod
    def _lists_of_values(cls, value: Any) -> Any:
        """Return the mapping with a list of values for each field."""
        if not isinstance(value, Mapping):
            return value
        return {key: entry if isinstance(entry, list | tuple) else (entry,) for key, entry in value.items()}

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        if value == "auto":
            return value
        try:
            b"a".decode(value, "replace")  # a LookupError for codecs of bytes, such as base64
            name = codecs.lookup(value).name
        except (LookupError, ValueError):
            name = ""
        if not name or name in NO_ENCODINGS:
            raise ValueError(
                f"unknown encoding {shown(value)}; allowed are auto and Python's text encodings, e.g. utf-8, gb18030, "
                "big5"
            )
        return name

    @model_validator(mode="after")
    def _distinct_marks(self) -> "SourceSettings":
        marks = [mark for mark in (self.delimiter, self.quote) if mark]
        if len(set(marks)) < len(marks) or any(mark in "\r\n\0" for mark in marks):
            raise ValueError(
                f"found delimiter {self.delimiter!r} and quote {self.quote!r}; give two different characters, no line "
                "feeds"
            )
        return self

    @property
    def is_by_suffix(self) -> bool:
        """Whether the format of each file is inferred from its name and beginning."""
        return self.format in ("auto", "archive")

    @property
    def paths(self) -> tuple[str, ...]:
        """The source's paths as a tuple, however they were written."""
        return (self.path,) if isinstance(self.path, str) else self.path


class SplitSettings(Settings):
    """How documents fall into train, validation and test: by a hash of the file they come from, or of the record."""

    validation: float = Field(default=0.01, ge=0.0, lt=1.0)
    """Share of files (or records) in the validation split, a fraction; 0 makes no such split."""
    test: float = Field(default=0.01, ge=0.0, lt=1.0)
    """Share of files (or records) in the test split, a fraction; 0 makes no such split."""

    @model_validator(mode="after")
    def _leaves_training(self) -> "SplitSettings":
        if self.validation + self.test >= 1.0:
            raise ValueError(f"validation {self.validation} and test {self.test} leave nothing to train on; lower them")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The splits asked for, in the order in which they are shown."""
        asked = (("train", 1.0), ("validation", self.validation), ("test", self.test))
        return tuple(name for name, share in asked if share > 0)


class CorpusSettings(Settings):
    """A corpus: sources, the steps that clean them, the split; or one that is already built."""

    from_: GivenPath | None = Field(None, alias="from")
    """Folder of a corpus that is already built; then nothing else may be given."""
    sources: tuple[SourceSettings, ...] = ()
    """Where the documents come from."""
    steps: tuple[str | dict[str, Any], ...] = ("normalise", "statistics", {"deduplicate": {"exact": True}})
    """Cleaning steps, in order: names, or {name: settings}; `deduplicate` comes last."""
    split: SplitSettings = SplitSettings()
    """Shares of the splits."""

    @model_validator(mode="after")
    def _one_origin(self) -> "CorpusSettings":
        if self.from_ is not None and self.sources:
            raise ValueError("found both from and sources; give a built corpus or the sources to build one, not both")
        if self.from_ is not None:
            for name in ("steps", "split"):  # a resolved recipe holds their defaults
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(
                        f"found both from and {name}; a built corpus keeps the steps and the split that it was built "
                        f"with: remove {name}, or give the sources to build another"
                    )
        if self.from_ is None and not self.sources:
            raise ValueError("found neither sources nor from; give at least one source, e.g. {name: mine, path: texts}")
        names = [source.name for source in self.sources]
        if TOTAL in names:
            raise ValueError(
                f"a source is named {TOTAL!r}, which stands for all sources together in every table; rename it"
            )
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"source names must differ; found twice: {', '.join(twice)}")
        return self

    def steps_of(self, source: SourceSettings) -> tuple[str | Mapping[str, Any], ...]:
        """Return the list of steps that applies to a source."""
        return self.steps if source.steps is None else source.steps


def read_recipe_file(source: str | Path) -> dict[str, Any]:
    """Return the mapping in a recipe file, or in the built-in recipe of that name; ConfigError where there is none."""
    if str(source) in BUILT_IN:
        data = files("massivetext").joinpath("recipes", f"{source}.yaml").read_bytes()
    else:
        path = Path(source)
        try:
            if not path.is_file():
                found = "is a folder" if path.is_dir() else "is not there"
                names = unknown_name("built-in recipe", str(source), BUILT_IN)
                raise ConfigError(
                    f"no recipe file at {path}: it {found}, and {names}. Give a YAML file or a built-in name"
                )
            with open(path, "rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"the recipe {shown(str(source))} cannot be read ({getattr(error, 'strerror', None) or error}); "
                "check the path and its permissions"
            ) from None
    values = read_yaml_text(data, str(source))
    if not isinstance(values, dict):
        kind = "nothing" if values is None else type(values).__name__
        raise ConfigError(f"{source} holds {kind}; a recipe is a mapping of sections such as corpus:")
    return values


class _Seed(Settings):
    """The seed of a recipe of which only the corpus is read."""

    seed: int = Field(0, ge=0, le=LARGEST)


def read_settings(recipe: CorpusSettings | Mapping[str, Any] | str | Path) -> tuple[CorpusSettings, int]:
    """Return the corpus section of a recipe and the recipe's seed."""
    if isinstance(recipe, CorpusSettings):
        return recipe, 0
    if isinstance(recipe, str | Path):
        recipe = read_recipe_file(recipe)
    if "corpus" in recipe:
        seed = _Seed.parse({"seed": recipe["seed"]} if "seed" in recipe else {}).seed
        return CorpusSettings.parse(recipe["corpus"], "corpus"), seed
    return CorpusSettings.parse(recipe, "corpus"), 0
