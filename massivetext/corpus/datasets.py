"""`load_dataset`: load a `datasets` object from local files, from a folder with the Pile, or from the hub.

Names and arguments are those of the `datasets` library. In addition, a machine without a network gets an error at once.
"""

import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from massivetext.errors import ConfigError, DataError, MissingPackageError

LOCAL_KINDS = ("text", "csv", "json", "parquet")
PILE_PATTERNS = ("**/*.jsonl.zst", "**/*.jsonl.gz", "**/*.jsonl", "**/*.parquet", "**/*.txt")
PILE_SPLITS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}
PROBE_SECONDS = 3.0

DataFiles = str | Path | Sequence[str | Path] | Mapping[str, str | Path | Sequence[str | Path]]


def load_dataset(
    name: str, *arguments: Any, data_files: DataFiles | None = None, split: str | None = None, **options: Any
) -> Any:
    """Return a `datasets.DatasetDict`, or with `split` a `datasets.Dataset`.

    name: "text", "csv", "json" or "parquet" for local `data_files` (paths, globs, lists of them, or a mapping from
    split to them); "pile" for the Pile's JSON lines, in `data_files` or in $MASSIVETEXT_DATA/pile; a folder; or the
    name of a data set on the hub, which is contacted once with a short time limit. Other arguments are passed to
    `datasets.load_dataset` unchanged. Note that "text" makes every line an example unless sample_by="document" or
    "paragraph" is given. Raises DataError for missing files and if the hub cannot be reached, MissingPackageError
    without the package.
    """
    try:
        import datasets
    except ImportError:
        raise MissingPackageError("load_dataset needs the package datasets; install it: pip install datasets") from None
    if name == "pile":
        kind, files = pile_files() if data_files is None else ("json", data_files)
        check_files(files)
        return datasets.load_dataset(kind, data_files=_as_strings(files), split=split, **options)
    if name in LOCAL_KINDS:
        if data_files is None:
            raise ConfigError(f"load_dataset({name!r}) reads local files; give them, e.g. data_files='texts/*.txt'")
        check_files(data_files)
        return datasets.load_dataset(name, *arguments, data_files=_as_strings(data_files), split=split, **options)
    if not Path(name).exists():
        check_hub(name)
    if data_files is not None:
        options["data_files"] = _as_strings(data_files)
    return datasets.load_dataset(name, *arguments, split=split, **options)


def pile_files() -> tuple[str, dict[str, list[str]]]:
    """Return the kind of the files in $MASSIVETEXT_DATA/pile, and the files of each split.

    The folder or the beginning of the name decides the split of a file (train, val, validation, test); other files
    belong to train. Raises DataError if there are no files.
    """
    root = os.environ.get("MASSIVETEXT_DATA")
    folder = Path(root or ".") / "pile"
    if root is None or not folder.is_dir():
        found = "MASSIVETEXT_DATA is not set" if root is None else f"{folder} is not a folder"
        raise DataError(f"load_dataset('pile') without data_files looks in $MASSIVETEXT_DATA/pile: {found}. Put its "
                        "files (.jsonl, .jsonl.zst, .jsonl.gz, .parquet, .txt) there, or give data_files")  # fmt: skip
    for pattern in PILE_PATTERNS:
        splits: dict[str, list[str]] = {}
        for path in sorted(folder.glob(pattern)):
            words = [*path.relative_to(folder).parts[:-1], path.name.split(".")[0].split("-")[0].split("_")[0]]
            split = next((PILE_SPLITS[word] for word in words if word in PILE_SPLITS), "train")
            splits.setdefault(split, []).append(str(path))
        if splits:
            kind = "parquet" if pattern.endswith("parquet") else "text" if pattern.endswith("txt") else "json"
            return kind, splits
    raise DataError(
        f"{folder} holds no .jsonl, .jsonl.zst, .jsonl.gz, .parquet or .txt file; put the Pile's files there"
    )


def check_files(data_files: DataFiles) -> None:
    """Raise DataError if a local path matches nothing; addresses (https://, hf://, ...) are left to the library."""
    groups = data_files.values() if isinstance(data_files, Mapping) else (data_files,)
    for group in groups:
        for path in [group] if isinstance(group, str | Path) else group:
            text = str(path)
            if "://" in text or Path(text).exists() or _matches(text):
                continue
            raise DataError(f"data_files: nothing at {text} (relative paths start at {Path.cwd()}); check the path")


def _matches(pattern: str) -> bool:
    """Return whether a glob matches any file."""
    import glob

    return next(glob.iglob(pattern, recursive=True), None) is not None


def _as_strings(data_files: DataFiles) -> Any:
    """Return the files in the form that the library takes: strings, lists of strings, or a mapping to these."""
    if isinstance(data_files, Mapping):
        return {split: _as_strings(group) for split, group in data_files.items()}
    if isinstance(data_files, str | Path):
        return str(data_files)
    return [str(path) for path in data_files]


def check_hub(name: str) -> None:
    """Raise DataError if the hub cannot be reached within a few seconds and the data set is not in the local cache.

    Without this, `datasets` tries for over 20 seconds before its own error.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return
    address = urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    proxied = any(os.environ.get(key) for key in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"))
    if proxied or _in_cache(name):
        return
    try:
        port = address.port or (443 if address.scheme == "https" else 80)
        socket.create_connection((address.hostname or "", port), timeout=PROBE_SECONDS).close()
    except OSError as error:
        raise DataError(
            f"no data set {name!r} here: it is no folder, not in the local cache, and the hub ({address.hostname}) "
            f"cannot be reached ({error}). Give local files: load_dataset('json', data_files=...) or "
            f"{', '.join(repr(kind) for kind in LOCAL_KINDS)}"
        ) from None


def _in_cache(name: str) -> bool:
    """Return whether `datasets` has a copy of the data set from an earlier download."""
    from datasets import config

    return (Path(config.HF_DATASETS_CACHE) / name.replace("/", "___")).is_dir()
