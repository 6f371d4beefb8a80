"""Inputs of the benchmarks: real data in a folder, or text that is already on the machine.

`--data FOLDER` is a folder of your text files, or one with the published data sets that a program names. Without it,
the folder ../shared/data next to the repository is used if it exists. Otherwise, English text is the documentation of
Python and its packages, and Chinese text is Debian's Chinese manual pages and fortunes.

If something is missing, a program prints one sentence before it measures, and exits with status 2.
"""

import argparse
import gzip
import importlib
import importlib.util
import json
import random
import re
import sys
from bisect import bisect_left
from itertools import accumulate
from pathlib import Path
from types import ModuleType

from massivetext.corpus.readers.finding import input_files
from massivetext.corpus.readers.records import make_reader
from massivetext.corpus.settings import SourceSettings
from massivetext.errors import MassiveTextError

REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
HAN = re.compile(r"[\u3400-\u9fff]")
CHINESE_FRACTION = 0.2
"""Minimum fraction of Han characters for which a text in a custom folder counts as Chinese."""
ON_EVERY_MACHINE = {
    "english": (
        ("{packages}", "package_readme"), ("{stdlib}", "python_docs"),
        ("{packages}/numpy", "python_docs"), ("{packages}/torch", "python_docs"),
    ),
    "chinese": (("{man_zh}", "man_pages"), ("{fortunes}", "fortunes")),
}  # fmt: skip
REMEDIES = {
    "english": "give a folder with English text files: --data FOLDER",
    "chinese": "give a folder with Chinese text files, --data FOLDER, or install Debian's manpages-zh and fortunes-zh",
}


def stop(message: str) -> SystemExit:
    """Print one sentence on stderr and return a SystemExit with status 2."""
    print(f"error: {message}", file=sys.stderr)
    return SystemExit(2)


def data_folder(text: str) -> Path:
    """Return the folder that `--data` names; exit if it does not exist."""
    if not Path(text).is_dir():
        raise stop(f"--data: no folder {text}; give a folder with the data, or leave --data out")
    return Path(text)


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """Add the option `--data`, which is None if no folder is given and ../shared/data does not exist."""
    default = REAL_DATA if REAL_DATA.is_dir() else None
    words = "folder of text files, or with the data sets that this program names [default: ../shared/data, else text"
    parser.add_argument(
        "--data", type=data_folder, default=default, help=f"{words} of this machine where it is of use]"
    )


def required(data: Path | None, sets: dict[str, str]) -> Path:
    """Return the data folder; exit and describe the missing file unless every file of `sets` exists in it."""
    missing = [f"{file} ({what})" for file, what in sets.items() if data is None or not (data / file).exists()]
    if missing:
        where = "no folder was given" if data is None else f"{data} lacks it"
        remedy = "name the folder that holds it with --data FOLDER"
        raise stop(f"this program needs {', '.join(missing)}; {where}: {remedy}")
    assert data is not None
    return data


def require_packages(*names: str) -> None:
    """Exit if a package to compare with is not installed."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise stop(f"this program compares with {', '.join(missing)}; install what is missing: pip install '.[bench]'")


def peer(name: str) -> ModuleType:
    """Import and return a package to compare with; exit if it is not installed."""
    require_packages(name)
    return importlib.import_module(name)


def read_texts(path: str | Path, form: str) -> list[str]:
    """Return the texts of the files at a path, read with the package's reader."""
    source = SourceSettings(name="s", path=str(path), format=form)
    found = []
    for file in input_files(source):
        reader = make_reader(file.format, source)
        reader.check([file])
        for piece in reader.pieces(file, 2**62):
            found += [record.text for record in reader.read(piece) if not record.bad]
    return found


def other_texts(data: Path | None, language: str) -> list[str]:
    """Return texts of one language from a custom folder or from this machine; exit if there are none."""
    found: list[str] = []
    for path, form in ((str(data), "auto"),) if data else ON_EVERY_MACHINE[language]:
        try:
            found += read_texts(path, form)
        except MassiveTextError:
            continue  # not installed, or without text; the message below says what is missing
    if data:
        is_chinese = language == "chinese"
        found = [text for text in found if (len(HAN.findall(text)) > CHINESE_FRACTION * len(text)) == is_chinese]
    found = [text for text in found if text.strip()]
    if not found:
        where = f"in {data}" if data else "on this machine"
        raise stop(f"there is no {language.capitalize()} text {where}; {REMEDIES[language]}")
    return found


def english_texts(data: Path | None, sets_only: bool = False) -> list[str]:
    """Return English documents: from the data sets, paragraphs of articles, plays and stories.

    sets_only: if the folder lacks these sets, ignore its other files and use the texts of this machine.
    """
    if data is None or not (data / "wikitext-2").is_dir():
        return other_texts(None if sets_only else data, "english")
    texts = (data / "wikitext-2/valid.txt").read_text().split("\n \n")
    texts += (data / "wikitext-2/test.txt").read_text().split("\n \n")
    texts += (data / "tinyshakespeare/input.txt").read_text().split("\n\n\n")
    texts += [json.loads(line)["text"] for line in (data / "eval/lambada_test.jsonl").open()]
    return texts


def chinese_texts(data: Path | None, sets_only: bool = False) -> list[str]:
    """Return Chinese documents: from the data sets, paragraphs of CMRC 2018. sets_only: as in `english_texts`."""
    files = ("zh/cmrc2018_dev.json", "zh/cmrc2018_trial.json")
    if data is None or not (data / files[0]).is_file():
        return other_texts(None if sets_only else data, "chinese")
    found = [json.loads((data / file).read_text())["data"] for file in files]
    return [paragraph["context"] for file in found for entry in file for paragraph in entry["paragraphs"]]


def real_texts(data: Path | None, size: int, sets_only: bool = False) -> list[str]:
    """Return `size` bytes of English documents of all kinds in random order; 0 returns all.

    From the data sets: news and Wikipedia articles, questions and answers, cleaned web pages, plays, stories.
    sets_only: as in `english_texts`.
    """
    if data is None or not (data / "wikitext-2").is_dir():
        texts = other_texts(None if sets_only else data, "english")
    else:
        articles = [(data / f"wikitext-2/{name}.txt").read_text() for name in ("valid", "test")]
        texts = [text for part in articles for text in re.split(r"(?m)^(?= = [^=]+ = $)", part)]
        texts += (data / "tinyshakespeare/input.txt").read_text().split("\n\n\n")
        texts += [json.loads(line)["text"] for line in (data / "eval/lambada_test.jsonl").read_text().splitlines()]
        gold = json.loads((data / "article-extraction/ground-truth.json").read_text())
        texts += [entry["articleBody"] for entry in gold.values()]
        texts += read_texts(data / "wikipedia", "mediawiki") + read_texts(data / "stackexchange", "stackexchange")
        for path in sorted((data / "c4-sample").glob("*.json.gz")):
            texts += [json.loads(line)["text"] for line in gzip.decompress(path.read_bytes()).splitlines()]
    texts = [text for text in texts if text.strip()]
    random.Random(0).shuffle(texts)
    sizes = list(accumulate(len(text.encode()) for text in texts))
    return texts[: bisect_left(sizes, size) + 1] if size else texts
