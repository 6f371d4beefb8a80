"""What a tokenizer is called with: one text or several, or texts as lists of words."""

from collections.abc import Sequence
from typing import Any

from massivetext.errors import DataError


def as_sequence(text: Any) -> Any:
    """Return a column of an array, a data frame or a dataset as a list; anything else as it is."""
    if not isinstance(text, (str, bytes, Sequence)) and hasattr(text, "__len__") and hasattr(text, "tolist"):
        return text.tolist()
    return text


def split_pairs(text: Any) -> tuple[Any, Any]:
    """Return a list of (text, text) pairs as two lists; anything else as it is, and None."""
    if not isinstance(text, (str, bytes)) and isinstance(text, Sequence) and len(text):
        pairs = [entry for entry in text if isinstance(entry, (tuple, list)) and len(entry) == 2]
        if len(pairs) == len(text):
            return [entry[0] for entry in pairs], [entry[1] for entry in pairs]
    return text, None


def list_texts(text: str | Sequence[str], what: str) -> list[str]:
    """Return one or several texts as a list; raise DataError for anything that is not text."""
    text = as_sequence(text)
    if isinstance(text, bytes):
        raise DataError(f"{what} is bytes; give one str or a list of str, e.g. {what}.decode('utf-8')")
    texts = [text] if isinstance(text, str) else list(text) if isinstance(text, Sequence) else text
    if not isinstance(texts, list):
        raise DataError(f"{what} is a {type(text).__name__}; give one str or a list of str")
    for position, entry in enumerate(texts):
        if not isinstance(entry, str):
            raise DataError(f"{what}[{position}] is a {type(entry).__name__}; every text must be a str")
        if not entry.isascii() and any("\ud800" <= character <= "\udfff" for character in entry):
            raise DataError(
                f"{what}[{position}] holds half a surrogate pair, which is not text; read the file with "
                f"errors='replace', or encode it with text.encode('utf-8', 'replace').decode()"
            )
    return texts


def list_words(texts: Any, what: str) -> list[list[str]]:
    """Return one or several texts, each a list of words; raise DataError for anything else."""
    if isinstance(texts, str) or not isinstance(texts, Sequence):
        raise DataError(
            f"{what} is a {type(texts).__name__}; with is_split_into_words it is a list of words, or several"
        )
    rows = [texts] if all(isinstance(entry, str) for entry in texts) and len(texts) else texts
    return [
        list_texts(row if not isinstance(row, str) else [row], f"{what}[{number}]") for number, row in enumerate(rows)
    ]
