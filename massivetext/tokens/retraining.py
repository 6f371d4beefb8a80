"""`train_new_from_iterator`: a vocabulary learned anew, with the rules and special tokens of a tokenizer."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tokenizers import AddedToken, pre_tokenizers, trainers
from tokenizers import Tokenizer as Backend

from massivetext.errors import ConfigError

TRAINERS: dict[str, Any] = {
    "BPE": trainers.BpeTrainer,
    "Unigram": trainers.UnigramTrainer,
    "WordLevel": trainers.WordLevelTrainer,
    "WordPiece": trainers.WordPieceTrainer,
}


def retrain(
    backend: Backend,
    texts: Iterable[Any],
    vocab_size: int,
    more_specials: Sequence[str | AddedToken] = (),
    renamed: Mapping[str, str] | None = None,
    **options: Any,
) -> Backend:
    """Return a backend with the rules of `backend` and a vocabulary learned from texts (or lists of texts).

    more_specials: special tokens added to those it has. renamed: special tokens that are called otherwise.
    """
    rules, names = json.loads(backend.to_str()), dict(renamed or {})
    kind, model = rules["model"]["type"], rules["model"]
    if kind not in TRAINERS:
        raise ConfigError(f"a {kind} vocabulary cannot be learned; allowed: {', '.join(TRAINERS)}")
    frame, added = rules.pop("post_processor"), rules.pop("added_tokens")
    unknown = model["vocab"][model["unk_id"]][0] if kind == "Unigram" and model["unk_id"] is not None else None
    unknown = names.get(unknown, unknown) if unknown is not None else None
    rules |= {"added_tokens": [], "post_processor": None}
    blank = Backend.from_str(json.dumps({**rules, "model": _blank(model, unknown, names)}))
    kept = [entry for entry in added if entry["special"] or kind == "Unigram"]
    fields = ("single_word", "lstrip", "rstrip", "normalized", "special")
    specials = [
        AddedToken(names.get(entry["content"], entry["content"]), **{field: entry[field] for field in fields})
        for entry in kept
    ]
    for name in ("continuing_subword_prefix", "end_of_word_suffix"):
        if kind == "BPE" and model.get(name) is not None:
            options.setdefault(name, model[name])
    if unknown is not None:
        options.setdefault("unk_token", unknown)
    if "ByteLevel" in json.dumps(rules["pre_tokenizer"]):
        options.setdefault("initial_alphabet", pre_tokenizers.ByteLevel.alphabet())
    options.setdefault("show_progress", False)
    made = TRAINERS[kind](vocab_size=vocab_size, special_tokens=[*specials, *more_specials], **options)
    blank.train_from_iterator(texts, trainer=made)
    if frame is None:
        return blank
    return Backend.from_str(
        json.dumps({**json.loads(blank.to_str()), "post_processor": _numbered(frame, blank, names)})
    )


def _blank(model: Mapping[str, Any], unknown: str | None, names: Mapping[str, str]) -> dict[str, Any]:
    """Return a model without its vocabulary."""
    blank = {**model, "vocab": {}}
    if model["type"] == "BPE":
        blank["merges"] = []
    if model["type"] == "Unigram":
        blank |= {"vocab": [] if unknown is None else [[unknown, 0.0]], "unk_id": None if unknown is None else 0}
    if model.get("unk_token") in names:
        blank["unk_token"] = names[model["unk_token"]]
    return blank


def _numbered(frame: Any, backend: Backend, names: Mapping[str, str]) -> Any:
    """Return a post-processor with its special tokens under their new names and ids."""

    def of(token: str) -> tuple[str, int]:
        name = names.get(token, token)
        number = backend.token_to_id(name)
        if number is None:
            raise ConfigError(f"the rules put {name!r} around texts, and the new vocabulary lacks it; raise vocab_size")
        return name, int(number)

    if frame["type"] == "Sequence":
        return {**frame, "processors": [_numbered(part, backend, names) for part in frame["processors"]]}
    frame = dict(frame)
    for side in ("cls", "sep"):
        if side in frame:
            frame[side] = list(of(frame[side][0]))
    if "special_tokens" in frame:
        found = {}
        for key, entry in frame["special_tokens"].items():
            tokens = [of(token) for token in entry["tokens"]]
            found[names.get(key, key)] = {
                "id": names.get(key, key),
                "ids": [number for _, number in tokens],
                "tokens": [name for name, _ in tokens],
            }
        frame["special_tokens"] = found
        for shape in ("single", "pair"):
            frame[shape] = [_renamed_part(part, names) for part in frame[shape]]
    return frame


def _renamed_part(part: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return a part of a template with its special token under its new name."""
    special = part.get("SpecialToken")
    return (
        dict(part) if special is None else {"SpecialToken": {**special, "id": names.get(special["id"], special["id"])}}
    )
