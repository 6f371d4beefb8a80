"""The errors that users see.

MassiveTextError
├── ConfigError           a recipe, an option or an argument cannot be used as given
├── DataError             the input as a whole cannot be used (missing, empty, no such column)
├── BadDocument           one record cannot be used: it is skipped and counted, and reading continues
├── StoreError            a token store or a corpus on disk is damaged or inconsistent
├── CheckpointError       a checkpoint is missing, damaged or belongs to another run
├── ModelError            a model folder is incomplete or modified, or its parts do not belong together
├── BusyError             another process is writing the folder
├── DiskFullError         the disk has no room for what is being written
└── MissingPackageError   an optional package is needed but not installed

Every message states what was found, what is allowed, and what to do.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class MassiveTextError(Exception):
    """Base class of all errors that this package raises on purpose."""

    def __str__(self) -> str:
        # File names that are not UTF-8 must be printable, and storable with the reason.
        return super().__str__().encode("utf-8", "backslashreplace").decode()


class ConfigError(MassiveTextError):
    """A recipe, an option or an argument cannot be used as given."""


class DataError(MassiveTextError):
    """The input as a whole cannot be used."""


class BadDocument(MassiveTextError):
    """One record cannot be used; readers skip it and continue."""


class StoreError(MassiveTextError):
    """A corpus or token store on disk is damaged or inconsistent."""


class CheckpointError(MassiveTextError):
    """A checkpoint is missing, damaged, or belongs to another run."""


class ModelError(MassiveTextError):
    """A model folder is incomplete or modified, or its parts do not belong together."""


class BusyError(MassiveTextError):
    """Another process is writing the folder."""


class DiskFullError(MassiveTextError):
    """The disk has no room for what is being written."""


class MissingPackageError(MassiveTextError):
    """An optional package is needed but not installed."""


SHOWN_CHARACTERS = 100
"""Maximum number of characters of a name that a message repeats."""


def unknown_name(what: str, found: object, allowed: Iterable[str]) -> str:
    """Return the sentence for an unknown name: what was found, the nearest name, the allowed names.

    what: the kind of thing named, e.g. "recipe key". Example: `unknown_name("format", "jsonll", ["jsonl", "csv"])`
    gives "unknown format 'jsonll'; did you mean 'jsonl'? Allowed: csv, jsonl".
    """
    names = sorted(str(name) for name in allowed)
    found = found if len(str(found)) <= SHOWN_CHARACTERS else f"{str(found)[:SHOWN_CHARACTERS]}..."
    near = get_close_matches(str(found), names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return f"unknown {what} {found!r}{hint} Allowed: {', '.join(names) if names else '(none)'}"
