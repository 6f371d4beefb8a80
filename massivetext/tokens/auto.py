"""`AutoTokenizer`, which opens a tokenizer by name or folder."""

from pathlib import Path
from typing import Any

from massivetext.errors import ConfigError
from massivetext.hub import find_folder
from massivetext.hugging_face import checked_options
from massivetext.tokens.folder import read_folder
from massivetext.tokens.gguf_file import read_tokenizer
from massivetext.tokens.special import OTHER_SPECIALS, SPECIAL_NAMES
from massivetext.tokens.tokenizer import Tokenizer


class AutoTokenizer:
    """Open tokenizers by name or folder; their kind is read from the folder."""

    @classmethod
    def from_pretrained(cls, name: str | Path, *arguments: Any, **settings: Any) -> Tokenizer:
        """Return the tokenizer of a folder, a GGUF file, a name under $MASSIVETEXT_MODELS, or a Hugging Face name.

        settings: padding_side, truncation_side, model_max_length, chat_template, or special tokens; they replace those
        of the folder.
        """
        allowed = (
            *SPECIAL_NAMES,
            *OTHER_SPECIALS,
            "padding_side",
            "truncation_side",
            "model_max_length",
            "chat_template",
        )
        settings = checked_options("tokenizer.from_pretrained", settings, allowed, f"{cls.__name__}.from_pretrained")
        if arguments:
            raise ConfigError(f"{cls.__name__}.from_pretrained takes one name; pass everything else by its own name")
        more = {key: settings.pop(key) for key in OTHER_SPECIALS if key in settings}
        named = {
            key: str(value) if key in SPECIAL_NAMES and value is not None else value for key, value in settings.items()
        }
        found = find_folder(name)
        backend, config = read_tokenizer(found) if found.suffix == ".gguf" else read_folder(found, cls._class_name())
        config = {**config, **named}
        given = [token for key, token in named.items() if key in SPECIAL_NAMES and token is not None]
        backend.add_special_tokens([token for token in given if backend.token_to_id(token) is None])
        tokenizer = Tokenizer(backend, config, str(name))
        if more:
            tokenizer.add_special_tokens(more)
        return tokenizer

    @classmethod
    def _class_name(cls) -> str | None:
        """Return the name of the published class; None to read it from the folder."""
        return None
