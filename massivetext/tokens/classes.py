"""Hugging Face's tokenizer classes by name: each opens tokenizers of one kind; `AutoTokenizer` opens all."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Backend

from massivetext.errors import ConfigError
from massivetext.tokens.auto import AutoTokenizer
from massivetext.tokens.published import CLASSES
from massivetext.tokens.tokenizer import Tokenizer


class NamedTokenizer(AutoTokenizer):
    """Base of the named classes."""

    @classmethod
    def _class_name(cls) -> str | None:
        """Return the published class of this name, with or without "Fast"; None where there is none."""
        name = cls.__name__.removesuffix("Fast")
        return name if name in CLASSES else None


class PreTrainedTokenizerFast(NamedTokenizer):
    """Opens any tokenizer; called with tokenizer_object or tokenizer_file, it makes one."""

    def __new__(  # type: ignore[misc]
        cls,
        *,
        tokenizer_object: Backend | None = None,
        tokenizer_file: str | Path | None = None,
        **config: Any,
    ) -> Tokenizer:
        """Return a tokenizer of an object of the `tokenizers` library, or of a tokenizer.json."""
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
    """The same under its other name."""


class BertTokenizer(NamedTokenizer):
    """Opens WordPiece tokenizers: [CLS] text [SEP], kinds of tokens."""


class BertTokenizerFast(BertTokenizer):
    """The same under its other name."""


class DistilBertTokenizer(NamedTokenizer):
    """Opens DistilBERT's WordPiece tokenizers: [CLS] text [SEP], without kinds of tokens."""


class DistilBertTokenizerFast(DistilBertTokenizer):
    """The same under its other name."""


class RobertaTokenizer(NamedTokenizer):
    """Opens RoBERTa's byte-level BPE: <s> text </s>."""


class RobertaTokenizerFast(RobertaTokenizer):
    """The same under its other name."""


class XLMRobertaTokenizer(NamedTokenizer):
    """Opens XLM-R's Unigram tokenizers: <s> text </s>."""


class XLMRobertaTokenizerFast(XLMRobertaTokenizer):
    """The same under its other name."""


class BartTokenizer(NamedTokenizer):
    """Opens BART's byte-level BPE: <s> text </s>."""


class BartTokenizerFast(BartTokenizer):
    """The same under its other name."""


class GPT2Tokenizer(NamedTokenizer):
    """Opens GPT-2's byte-level BPE: <|endoftext|> starts and ends texts."""


class GPT2TokenizerFast(GPT2Tokenizer):
    """The same under its other name."""


class T5Tokenizer(NamedTokenizer):
    """Opens T5's Unigram tokenizers: text </s>."""


class T5TokenizerFast(T5Tokenizer):
    """The same under its other name."""


class LlamaTokenizer(NamedTokenizer):
    """Opens Llama's tokenizers, as their folder says."""


class LlamaTokenizerFast(LlamaTokenizer):
    """The same under its other name."""


class Qwen2Tokenizer(NamedTokenizer):
    """Opens Qwen's tokenizers, as their folder says."""


class Qwen2TokenizerFast(Qwen2Tokenizer):
    """The same under its other name."""


class MarianTokenizer(NamedTokenizer):
    """Opens Marian's tokenizers, as their folder says."""


class GPTNeoXTokenizerFast(NamedTokenizer):
    """Opens GPT-NeoX's byte-level BPE, as its folder says."""
