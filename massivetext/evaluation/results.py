"""The file `evaluation.json`: the scores of a run on its test split."""

from collections.abc import Sequence
from pathlib import Path

from massivetext.errors import StoreError
from massivetext.metrics.score import Score
from massivetext.state import read_state, write_state

FORMAT = "massivetext-evaluation/2"


def write_scores(path: Path, scores: Sequence[Score]) -> None:
    """Write scores atomically, with the file's format and digest."""
    write_state(path, {"format": FORMAT, "scores": [score.row() for score in scores]})


def read_scores(path: Path, remedy: str) -> list[Score]:
    """Return the scores in a file written by `write_scores`; raise StoreError that ends with `remedy` if it is not."""
    found = read_state(path, ("format",), remedy)
    if found["format"] != FORMAT:
        raise StoreError(f"{path} has the format {found['format']!r}, and this version reads {FORMAT!r}. {remedy}")
    return [Score(**row) for row in found["scores"]]
