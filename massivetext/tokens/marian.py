"""Marian's tokenizers (OPUS-MT): source.spm cuts the text, vocab.json, shared by both languages, numbers the pieces."""

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, models, processors
from tokenizers import Tokenizer as Backend

from massivetext.errors import ModelError
from massivetext.progress import log
from massivetext.tokens.published import T5_SPECIALS as SPECIALS
from massivetext.tokens.sentence_piece import UNIGRAM, load, put_spaces
from massivetext.translations import tr

SOURCE, TARGET, NUMBERS = "source.spm", "target.spm", "vocab.json"
LONGEST = 512  # tokens; what Hugging Face's class assumes
UNSEEN = -1e6  # score of each character of an entry that only the other language has


def is_marian(folder: Path) -> bool:
    """Return whether a folder holds Marian's three files."""
    return all((folder / name).is_file() for name in (SOURCE, TARGET, NUMBERS))


def read_marian(folder: Path, config: dict[str, Any], target: bool = False) -> Backend:
    """Return the tokenizer of a folder; its special tokens go into `config`. target: cut texts of the other language.

    A character that the language's own file does not know becomes the other language's entry of it, or <unk>, as in
    Hugging Face; of several such characters in a row each has its entry, where Hugging Face looks up the whole run.
    """
    path = folder / (TARGET if target else SOURCE)
    model, numbers = load(path), _numbers(folder / NUMBERS)
    if model.kind != UNIGRAM:
        raise ModelError(f"{path} is of SentencePiece's kind {model.kind}; Marian's are unigram ({UNIGRAM})")
    scores = {piece.text: piece.score for piece in model.pieces if piece.is_normal}
    left_out = [text for text in scores if text not in numbers]
    if left_out:
        shown = ", ".join(left_out[:5])
        note = {"path": path, "count": len(left_out), "shown": shown}
        log(tr("{path}: {count} pieces have no number in vocab.json: {shown}", **note))
    # Longer entries of the other language come before the same text in parts, and never before a known piece.
    ordered = sorted(numbers, key=lambda text: numbers[text])
    entries = [(text, scores.get(text, UNSEEN * len(text) + len(text) - 1)) for text in ordered]
    for key, token in SPECIALS.items():
        config.setdefault(key, token)
        if config[key] not in numbers:
            raise ModelError(f"{folder / NUMBERS} has no {config[key]!r}, the {key}; fetch the folder again")
    config.setdefault("model_max_length", LONGEST)
    backend = Backend(models.Unigram(entries, unk_id=numbers[config["unk_token"]], byte_fallback=False))
    put_spaces(backend, model.add_space, model.normalisation, model.merge_spaces)
    codes = [token for token in numbers if token.startswith(">>") and token.endswith("<<")]
    special = [*(config[key] for key in SPECIALS), *codes]
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    end = config["eos_token"]
    backend.post_processor = processors.TemplateProcessing(
        single=f"$A {end}", pair=f"$A $B {end}", special_tokens=[(end, numbers[end])]
    )
    return backend


def _numbers(path: Path) -> dict[str, int]:
    """Return the number of each entry; raise ModelError unless they are 0, 1, 2, ..."""
    try:
        numbers = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is not valid JSON ({error}); fetch it again") from None
    known = isinstance(numbers, dict) and all(type(number) is int for number in numbers.values())
    if not known or sorted(numbers.values()) != list(range(len(numbers))):
        raise ModelError(f"{path} does not number its entries from 0 on, each once; fetch it again")
    return dict(numbers)
