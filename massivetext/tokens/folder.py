"""Tokenizer folders: what Hugging Face's tools write and read, here too."""

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Backend

from massivetext.errors import ModelError
from massivetext.storage import read_json, write_json, write_text
from massivetext.tokens.encodings import checked_side

# GPT-2 wrote its vocabulary and merges to two files, under two pairs of names.
VOCABULARY_AND_MERGES = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))


def read_folder(path: Path) -> tuple[Backend, dict[str, Any]]:
    """Return the backend and the configuration (special tokens as plain strings) of a folder or a tokenizer.json.

    Raises ModelError that names what was looked for where there is no tokenizer, and what is broken where there is.
    """
    folder = path if path.is_dir() else path.parent
    backend = _read_backend(path, folder)
    config: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            values = _read_object(folder / name)
            config |= {key: value for key, value in values.items() if value is not None}
    config = {key: value.get("content", value) if isinstance(value, dict) else value for key, value in config.items()}
    for side in ("padding_side", "truncation_side"):
        checked_side(config.get(side, "right"))
    if (folder / "chat_template.jinja").is_file():
        config["chat_template"] = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    elif isinstance(config.get("chat_template"), list):  # several named templates: the one named default is meant
        named = {entry["name"]: entry["template"] for entry in config["chat_template"]}
        config["chat_template"] = named.get("default")
    return backend, config


def _read_backend(path: Path, folder: Path) -> Backend:
    """Return the `tokenizers` object of a tokenizer.json, or of GPT-2's pair of files."""
    file = path if path.is_file() else folder / "tokenizer.json"
    pairs = [(folder / vocabulary, folder / merges) for vocabulary, merges in VOCABULARY_AND_MERGES]
    pair = next((pair for pair in pairs if all(part.is_file() for part in pair)), None)
    if not file.is_file() and pair is None:
        present = ", ".join(sorted(entry.name for entry in folder.iterdir())[:12]) or "nothing"
        raise ModelError(
            f"{folder} holds no tokenizer: neither tokenizer.json nor vocab.json with merges.txt (it holds {present}); "
            f"give the folder that save_pretrained wrote, or copy the tokenizer's files into this one"
        )
    try:
        return Backend.from_file(str(file)) if file.is_file() else _byte_level(*pair)  # type: ignore[misc]
    except Exception as error:
        raise ModelError(
            f"{file if file.is_file() else pair} cannot be read as a tokenizer ({str(error)[:200]}); write it again "
            f"with save_pretrained, or fetch it again"
        ) from None


def _byte_level(vocabulary: Path, merges: Path) -> Backend:
    """Return GPT-2's byte-level BPE from its two files."""
    from tokenizers import decoders, models, pre_tokenizers

    backend = Backend(models.BPE.from_file(str(vocabulary), str(merges)))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    if backend.token_to_id("<|endoftext|>") is not None:
        backend.add_special_tokens(["<|endoftext|>"])
    return backend


def _read_object(path: Path) -> dict[str, Any]:
    """Return a JSON object; raise ModelError if the file holds anything else."""
    try:
        value = read_json(path)
    except (ValueError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is not JSON ({error}); write the tokenizer again with save_pretrained") from None
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds a {type(value).__name__}, not an object; write the tokenizer again")
    return value


def write_folder(folder: Path, backend: Backend, config: dict[str, Any], chat_template: str | None) -> tuple[str, ...]:
    """Write the files of a tokenizer, each whole or not at all; return their paths."""
    paths = [folder / "tokenizer.json", folder / "tokenizer_config.json"]
    write_text(paths[0], json.dumps(json.loads(backend.to_str()), ensure_ascii=False, indent=2) + "\n")
    write_json(paths[1], config)
    template = folder / "chat_template.jinja"
    if chat_template is not None:
        write_text(template, chat_template)
        paths.append(template)
    else:
        template.unlink(missing_ok=True)
    return tuple(str(path) for path in paths)
