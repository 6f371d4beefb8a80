"""Digests of each tensor and each section of the tokenizer, so that a changed part can be named."""

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from massivetext.errors import ModelError
from massivetext.models.files.weights import read_object
from massivetext.storage import file_digest, value_digest

TOKENIZER_FILE = "tokenizer.json"
OTHER_TOKENIZER_FILES = ("tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")
PASSING = ("padding", "truncation", "version")  # sections of tokenizer.json that using the tokenizer may change


def tensor_digest(tensor: Tensor) -> str:
    """Return the SHA-256 of a tensor's dtype, shape and bytes, in hexadecimal."""
    plain = tensor.detach().contiguous().cpu()
    digest = hashlib.sha256(f"{plain.dtype}{tuple(plain.shape)}".encode())
    digest.update(plain.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def tokenizer_digests(folder: Path) -> dict[str, str]:
    """Return a digest for each section of tokenizer.json (vocabulary, merges, ...) and each other tokenizer file."""
    digests: dict[str, str] = {}
    if (folder / TOKENIZER_FILE).is_file():
        for section, value in read_object(folder / TOKENIZER_FILE).items():
            if isinstance(value, dict) and section == "model":
                digests |= {f"{TOKENIZER_FILE} model.{part}": value_digest(value[part]) for part in value}
            elif section not in PASSING:
                digests[f"{TOKENIZER_FILE} {section}"] = value_digest(value)
    present = [name for name in OTHER_TOKENIZER_FILES if (folder / name).is_file()]
    return digests | {name: file_digest(folder / name) for name in present}


def tokenizer_ids(folder: Path) -> int | None:
    """Return the largest id in the folder's tokenizer.json, or None without one; raise ModelError if it is damaged."""
    if not (folder / TOKENIZER_FILE).is_file():
        return None
    content: dict[str, Any] = read_object(folder / TOKENIZER_FILE)
    try:
        vocabulary = content.get("model", {}).get("vocab", {})
        ids = list(vocabulary.values()) if isinstance(vocabulary, dict) else [len(vocabulary) - 1]
        ids += [token["id"] for token in content.get("added_tokens") or []]
        if any(number < 0 for number in ids):
            raise ValueError(f"the id {min(ids)}")
        return max(ids, default=-1)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{folder / TOKENIZER_FILE} is not a tokenizer's file ({type(error).__name__}: {error}); fetch it again"
        ) from None


def differences(what: str, stored: dict[str, str], found: dict[str, str]) -> list[str]:
    """Return one line for each name that is missing, added or changed."""
    lines = [f"{what} {name}: missing" for name in stored if name not in found]
    lines += [f"{what} {name}: added" for name in found if name not in stored]
    lines += [f"{what} {name}: changed" for name in stored if name in found and stored[name] != found[name]]
    return lines
