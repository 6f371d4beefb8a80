"""Hugging Face's tokenizer classes by name; each opens tokenizers of one kind, `AutoTokenizer` opens all kinds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Backend

from massivetext.errors import ConfigError
from massivetext.tokens.auto import AutoTokenizer
from massivetext.tokens.published import CLASSES
from massivetext.tokens.tokenizer import Tokenizer


class NamedTokenizer(AutoTokenizer):
    """Provide the base of the named classes."""

    @classmethod
    def _class_name(cls) -> str | None:
        """Return the published class of this name, with or without "Fast"; None if there is none."""
        name = cls.__name__.removesuffix("Fast")
        return name if name in CLASSES else None


class PreTrainedTokenizerFast(NamedTokenizer):
    """Open any tokenizer; a call with tokenizer_object or tokenizer_file creates one."""

    def __new__(  # type: ignore[misc]
        cls,
        *,
        tokenizer_object: Backend | None = None,
        tokenizer_file: str | Path | None = None,
        **config: Any,
    ) -> Tokenizer:
        """Return a tokenizer built from an object of the `tokenizers` library, or from a tokenizer.json."""
        if (tokenizer_object is None) == (tokenizer_file is None):
            raise ConfigError(
                f"{cls.__name__} is made of tokenizer_object or of tokenizer_file; give one of them, or open a folder "
                f"with {cls.__name__}.from_pretrained(...)"
            )
        backend = Backend.from_file(str(tokenizer_file)) if tokenizer_object is None else tokenizer_object
        backend = Backend.from_str(backend.to_str())
        specials: Mapping[str, str] = {name: str(value) for name, value in config.items() if name.endswith("_token")}
        backend.add_special_tokens([token for token in specials.values() if backend.token_to_id(token) is None])
        more = config.pop("additional_special_tokens", None)
        tokenizer = Tokenizer(backend, {**config, **specials})
        if more:
            tokenizer.add_special_tokens({"additional_special_tokens": more})
        return tokenizer


class PreTrainedTokenizer(PreTrainedTokenizerFast):
    """Provide the same class under its other name."""


class BertTokenizer(NamedTokenizer):
    """Open WordPiece tokenizers: [CLS] text [SEP], with token type ids."""


class BertTokenizerFast(BertTokenizer):
    """Provide the same class under its other name."""


class DistilBertTokenizer(NamedTokenizer):
    """Open DistilBERT's WordPiece tokenizers: [CLS] text [SEP], without token type ids."""


class DistilBertTokenizerFast(DistilBertTokenizer):
    """Provide the same class under its other name."""


class RobertaTokenizer(NamedTokenizer):
    """Open RoBERTa's byte-level BPE: <s> text </s>."""


class RobertaTokenizerFast(RobertaTokenizer):
    """Provide the same class under its other name."""


class XLMRobertaTokenizer(NamedTokenizer):
    """Open XLM-R's Unigram tokenizers: <s> text </s>."""


class XLMRobertaTokenizerFast(XLMRobertaTokenizer):
    """Provide the same class under its other name."""


class BartTokenizer(NamedTokenizer):
    """Open BART's byte-level BPE: <s> text </s>."""


class BartTokenizerFast(BartTokenizer):
    """Provide the same class under its other name."""


class GPT2Tokenizer(NamedTokenizer):
    """Open GPT-2's byte-level BPE: <|endoftext|> starts and ends texts."""


class GPT2TokenizerFast(GPT2Tokenizer):
    """Provide the same class under its other name."""


class T5Tokenizer(NamedTokenizer):
    """Open T5's Unigram tokenizers: text </s>."""


class T5TokenizerFast(T5Tokenizer):
    """Provide the same class under its other name."""


class LlamaTokenizer(NamedTokenizer):
    """Open Llama's tokenizers, configured by their folder."""


class LlamaTokenizerFast(LlamaTokenizer):
    """Provide the same class under its other name."""


class Qwen2Tokenizer(NamedTokenizer):
    """Open Qwen's tokenizers, configured by their folder."""


class Qwen2TokenizerFast(Qwen2Tokenizer):
    """Provide the same class under its other name."""


class MarianTokenizer(NamedTokenizer):
    """Open Marian's tokenizers, configured by their folder."""


class GPTNeoXTokenizerFast(NamedTokenizer):
    """Open GPT-NeoX's byte-level BPE, configured by its folder."""
