"""Tokenizer folders: what Hugging Face's tools write and read, here too."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Backend

from massivetext.errors import ModelError
from massivetext.state import read_object
from massivetext.storage import write_json, write_text
from massivetext.tokens import marian, published, sentence_piece
from massivetext.tokens.encodings import check_side
from massivetext.tokens.guarding import check_growth, panics_told

# GPT-2 wrote its vocabulary and merges to two files, under two pairs of names.
WORD_PIECES = "vocab.txt"
NAMED_TEMPLATES = "additional_chat_templates"  # where folders keep further chat templates, NAME.jinja each
VOCABULARY_AND_MERGES = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))


def read_folder(path: Path, class_name: str | None = None) -> tuple[Backend, dict[str, Any]]:
    """Return the backend and the configuration (special tokens as plain strings) of a folder or a tokenizer.json.

    class_name: one of `published.CLASSES`, whose assumptions complete the folder; None: the one that the folder names.
    Raises ModelError that names what was looked for where there is no tokenizer, and what is broken where there is.
    """
    folder = path if path.is_dir() else path.parent
    config: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            values = _read_object(folder / name)
            config |= {key: value for key, value in values.items() if value is not None}
    config = {key: value.get("content", value) if isinstance(value, dict) else value for key, value in config.items()}
    family = _read_object(folder / "config.json").get("model_type") if (folder / "config.json").is_file() else None
    known = class_name or published.class_of(config, family)
    backend = _read_backend(path, folder, config, known)
    check_growth(backend, str(folder))
    published.apply_rules(backend, config)
    if known is not None:
        if not isinstance(backend.model, published.CLASSES[known].kind):
            raise ModelError(
                f"{folder} holds a vocabulary of kind {type(backend.model).__name__}, and {known} reads "
                f"{published.CLASSES[known].kind.__name__}; open it with AutoTokenizer"
            )
        config = published.complete_config(config, backend, known)
    for side in ("padding_side", "truncation_side"):
        check_side(config.get(side, "right"))
    if (folder / "chat_template.jinja").is_file():
        config["chat_template"] = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    elif isinstance(config.get("chat_template"), list):  # several named templates: the one named default is meant
        named = {entry["name"]: entry["template"] for entry in config["chat_template"]}
        config["chat_template"], config["named_templates"] = named.pop("default", None), named
    further = {
        path.stem: path.read_text(encoding="utf-8") for path in sorted((folder / NAMED_TEMPLATES).glob("*.jinja"))
    }
    config["named_templates"] = {**config.get("named_templates", {}), **further}
    return backend, config


def _read_backend(path: Path, folder: Path, config: dict[str, Any], class_name: str | None) -> Backend:
    """Return the `tokenizers` object of a tokenizer.json, of GPT-2's pair of files, or of BERT's vocab.txt."""
    file = path if path.is_file() else folder / "tokenizer.json"
    pairs = [(folder / vocabulary, folder / merges) for vocabulary, merges in VOCABULARY_AND_MERGES]
    pair = next((pair for pair in pairs if all(part.is_file() for part in pair)), None)
    words = folder / WORD_PIECES
    if not file.is_file() and marian.is_marian(folder):
        return marian.read_marian(folder, config)
    if not file.is_file() and pair is None and words.is_file():
        return _word_pieces(words, config)
    own = next((folder / name for name in sentence_piece.FILES if (folder / name).is_file()), None)
    if not file.is_file() and pair is None and own is not None:
        return sentence_piece.read_file(own, class_name, config)
    if not file.is_file() and pair is None:
        present = ", ".join(sorted(entry.name for entry in folder.iterdir())[:12]) or "nothing"
        raise ModelError(
            f"{folder} holds no tokenizer: neither tokenizer.json, nor vocab.json with merges.txt, nor vocab.txt, nor "
            f"{', '.join(sentence_piece.FILES)} (it holds {present}); give the folder that save_pretrained wrote, or "
            f"copy the tokenizer's files into this one"
            f"{_other_files(folder)}"
        )
    try:
        with panics_told("reading its file"):
            if file.is_file():
                return Backend.from_file(str(file))
            assert pair is not None
            return _byte_level(*pair, class_name)
    except Exception as error:
        raise ModelError(
            f"{file if file.is_file() else pair} cannot be read as a tokenizer ({str(error)[:200]}); write it again "
            f"with save_pretrained, or fetch it again"
        ) from None


def _other_files(folder: Path) -> str:
    """Return what to do about files of a vocabulary that are not read, or "" where there is none."""
    ranks = sorted(path.name for pattern in ("*.tiktoken", "tiktoken*") for path in folder.glob(pattern))
    files = sorted(path.name for pattern in ("*.model", "*.spm") for path in folder.glob(pattern))
    gguf = sorted(path.name for path in folder.glob("*.gguf"))
    convert = (
        f'converted once, where transformers is installed: python -c "from transformers import AutoTokenizer as A; '
        f"A.from_pretrained('{folder}').save_pretrained('{folder}')\""
    )
    if ranks:
        return f". {', '.join(ranks)} is a vocabulary of tiktoken; take the model's tokenizer.json, or it is {convert}"
    if gguf:
        return f". {', '.join(gguf)} holds a tokenizer: open the file itself, {str(folder / gguf[0])!r}"
    return f". SentencePiece files ({', '.join(files)}) are {convert}" if files else ""


def _word_pieces(path: Path, config: dict[str, Any]) -> Backend:
    """Return BERT's tokenizer of a vocab.txt: one token a line, its id the number of the line."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise ModelError(f"{path} is not UTF-8 ({error}); fetch it again") from None
    tokens = [line.rstrip("\r") for line in (lines[:-1] if lines[-1] == "" else lines)]
    if len(set(tokens)) != len(tokens) or "" in tokens:
        twice = next((token for token in tokens if not token or tokens.count(token) > 1), "")
        raise ModelError(f"{path} holds the token {twice!r} empty or twice, and ids are line numbers; fetch it again")
    needed = [str(config.get(key) or token) for key, token in published.BERT_SPECIALS.items() if key != "mask_token"]
    missing = [token for token in needed if token not in tokens]
    if missing:
        raise ModelError(
            f"{path} lacks {', '.join(missing)}, which a WordPiece vocabulary needs; name the folder's own special "
            f"tokens in tokenizer_config.json"
        )
    return published.word_piece({token: number for number, token in enumerate(tokens)}, config)


def _byte_level(vocabulary: Path, merges: Path, class_name: str | None) -> Backend:
    """Return GPT-2's byte-level BPE from its two files, framed as RoBERTa and BART do where the class says so."""
    from tokenizers import decoders, models, pre_tokenizers

    backend = Backend(models.BPE.from_file(str(vocabulary), str(merges)))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    if backend.token_to_id("<|endoftext|>") is not None:
        backend.add_special_tokens(["<|endoftext|>"])
    if class_name in ("RobertaTokenizer", "BartTokenizer"):
        published.frame_byte_level(backend)
    return backend


def _read_object(path: Path) -> dict[str, Any]:
    """Return a JSON object; raise ModelError if the file holds anything else."""
    return read_object(path, (), "Write the tokenizer again with save_pretrained, or fetch it again", ModelError)


def write_folder(
    folder: Path, backend: Backend, config: dict[str, Any], chat_template: str | None, named: Mapping[str, str]
) -> tuple[str, ...]:
    """Write the files of a tokenizer, each whole or not at all; return their paths. named: further chat templates."""
    paths = [folder / "tokenizer.json", folder / "tokenizer_config.json"]
    write_text(paths[0], json.dumps(json.loads(backend.to_str()), ensure_ascii=False, indent=2) + "\n")
    write_json(paths[1], config)
    template = folder / "chat_template.jinja"
    if chat_template is not None:
        write_text(template, chat_template)
        paths.append(template)
    else:
        template.unlink(missing_ok=True)
    for name, content in named.items():
        paths.append(folder / NAMED_TEMPLATES / f"{name}.jinja")
        write_text(paths[-1], content)
    return tuple(str(path) for path in paths)
