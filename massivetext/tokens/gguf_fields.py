"""What a GGUF file that is written says of a tokenizer."""

import json
from pathlib import Path
from typing import Any

from massivetext.errors import ConfigError
from massivetext.tokens.gguf_file import PATTERNS, byte_level
from massivetext.tokens.sentence_piece import CONTROL, NORMAL, UNUSED, USER_DEFINED
from massivetext.tokens.tokenizer import Tokenizer


def tokenizer_fields(tokenizer: Tokenizer, rows: int, stops: list[int]) -> dict[str, Any]:
    """Return what a GGUF file says of a tokenizer, below "tokenizer.": tokens, merges, kinds, ids, the cut of the text.

    rows: of the model's embedding; rows without an entry get a name that is no text, as llama.cpp wants as many tokens
    as rows. stops: one or two ids that end a text. Byte-level BPE only, cut in one of the ways of PATTERNS; anything
    else raises ConfigError, and so do entries without a row.
    """
    content = json.loads(tokenizer.backend.to_str())
    model, added = content["model"], {token["id"]: token for token in content["added_tokens"]}
    shape = [content["normalizer"], _cut(content["pre_tokenizer"]), bool(model.get("ignore_merges"))]
    pre = next((name for name in PATTERNS if _shape_of(name) == shape), None)
    if model["type"] != "BPE" or model.get("byte_fallback") or pre is None:
        raise ConfigError(
            f"the tokenizer {tokenizer.name_or_path!r} is not one of those that GGUF files are written with here: "
            f"byte-level BPE cut as {', '.join(PATTERNS)}; write the file without it (tokenizer=None)"
        )
    entries = {number: token for token, number in tokenizer.get_vocab().items()}
    if max(entries, default=-1) >= rows:
        raise ConfigError(
            f"the tokenizer has ids up to {max(entries):,}, and the model has {rows:,} rows; export the model with the "
            f"tokenizer that was saved with it"
        )
    tokens = [entries.get(number, f"[PAD{number}]") for number in range(rows)]
    kinds = [NORMAL if number in entries else UNUSED for number in range(rows)]
    for number, token in added.items():
        kinds[number] = CONTROL if token["special"] else USER_DEFINED
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    fields: dict[str, Any] = {"model": "gpt2", "pre": pre, "tokens": tokens, "token_type": kinds, "merges": merges}
    fields |= _framing(tokenizer)
    ids = {"bos": tokenizer.bos_token_id, "eos": stops[0], "eot": stops[1] if len(stops) > 1 else None}
    ids |= {"padding": tokenizer.pad_token_id, "unknown": tokenizer.unk_token_id}
    fields |= {f"{name}_token_id": number for name, number in ids.items() if number is not None}
    values = {f"ggml.{name}": value for name, value in fields.items()}
    template = getattr(tokenizer, "chat_template", None)
    return values | ({} if template is None else {"chat_template": template})


def _framing(tokenizer: Tokenizer) -> dict[str, bool]:
    """Return whether the start and the end token are put around a text; ConfigError where other ids are."""
    framed, bare = tokenizer.encode("a"), tokenizer.encode("a", add_special_tokens=False)
    for first in ([], [tokenizer.bos_token_id]):
        for last in ([], [tokenizer.eos_token_id]):
            if framed == [*first, *bare, *last]:
                return {"add_bos_token": bool(first), "add_eos_token": bool(last)}
    raise ConfigError(
        f"the tokenizer {tokenizer.name_or_path!r} puts other tokens than its start and end token around a text, and a "
        f"GGUF file cannot express that; write the file without it (tokenizer=None)"
    )


def _shape_of(pre: str) -> list[Any]:
    """Return normaliser, cut of the text and word lookup of a tokenizer made by `byte_level`, for comparison."""
    backend = byte_level(Path(), ["a"], {"pre": pre, "merges": []})
    content = json.loads(backend.to_str())
    return [content["normalizer"], _cut(content["pre_tokenizer"]), bool(content["model"]["ignore_merges"])]


def _cut(pre_tokenizer: dict[str, Any] | None) -> str:
    """Return a pre-tokenizer as text, without what does not change the cut."""
    plain = json.loads(json.dumps(pre_tokenizer))
    for step in [plain, *((plain or {}).get("pretokenizers") or [])]:
        (step or {}).pop("trim_offsets", None)
    return json.dumps(plain, sort_keys=True)
