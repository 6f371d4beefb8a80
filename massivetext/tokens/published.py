"""What Hugging Face's tokenizer classes assume beyond the files of a folder: special tokens, columns, special rules.

Many published folders hold a vocabulary and little else; the class named in them (or the model's family) says the rest.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Backend

from massivetext.errors import ModelError

BERT_SPECIALS = {
    "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]",
}  # fmt: skip
ROBERTA_SPECIALS = {
    "bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>", "unk_token": "<unk>",
    "pad_token": "<pad>", "mask_token": "<mask>",
}  # fmt: skip
GPT2_SPECIALS = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
T5_SPECIALS = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
WITH_KINDS = ("input_ids", "token_type_ids", "attention_mask")
PLAIN = ("input_ids", "attention_mask")


class Published(NamedTuple):
    """One class: the kind of its vocabulary, its special tokens where the folder names none, and its columns."""

    kind: type[Any]
    specials: Mapping[str, str]
    columns: tuple[str, ...] = PLAIN


CLASSES: dict[str, Published] = {
    "BertTokenizer": Published(models.WordPiece, BERT_SPECIALS, WITH_KINDS),
    "DistilBertTokenizer": Published(models.WordPiece, BERT_SPECIALS),
    "RobertaTokenizer": Published(models.BPE, ROBERTA_SPECIALS),
    "XLMRobertaTokenizer": Published(models.Unigram, ROBERTA_SPECIALS),
    "BartTokenizer": Published(models.BPE, ROBERTA_SPECIALS),
    "GPT2Tokenizer": Published(models.BPE, GPT2_SPECIALS),
    "MarianTokenizer": Published(models.Unigram, T5_SPECIALS),
    "T5Tokenizer": Published(models.Unigram, T5_SPECIALS),
    "MT5Tokenizer": Published(models.Unigram, T5_SPECIALS),
}
FAMILIES = {
    "bert": "BertTokenizer", "distilbert": "DistilBertTokenizer", "roberta": "RobertaTokenizer",
    "xlm-roberta": "XLMRobertaTokenizer", "bart": "BartTokenizer", "gpt2": "GPT2Tokenizer",
    "marian": "MarianTokenizer", "t5": "T5Tokenizer", "mt5": "T5Tokenizer",
}  # fmt: skip
"""The class of a model family, for folders whose tokenizer_config.json names none."""


def class_of(config: Mapping[str, Any], family: str | None) -> str | None:
    """Return the name in `CLASSES` that a tokenizer_config.json or a model family leads to, or None."""
    named = str(config.get("tokenizer_class") or "").removesuffix("Fast")
    if named in CLASSES:
        return named
    return FAMILIES.get(family or "") if not named or named == "PreTrainedTokenizer" else None


def complete_config(config: Mapping[str, Any], backend: Backend, name: str) -> dict[str, Any]:
    """Return a configuration with what the class assumes, where the folder says nothing."""
    known = CLASSES[name]
    specials = {key: token for key, token in known.specials.items() if backend.token_to_id(token) is not None}
    return {**specials, "model_input_names": list(known.columns), **config}


def apply_rules(backend: Backend, config: Mapping[str, Any]) -> None:
    """Let the switches of a tokenizer_config.json go before those inside tokenizer.json, as Hugging Face's tools do."""
    normalizer, pre_tokenizer = backend.normalizer, backend.pre_tokenizer
    if isinstance(normalizer, normalizers.BertNormalizer):
        for key, field in (("do_lower_case", "lowercase"), ("tokenize_chinese_chars", "handle_chinese_chars")):
            if config.get(key) is not None:
                setattr(normalizer, field, bool(config[key]))
        if "strip_accents" in config:
            normalizer.strip_accents = config["strip_accents"]
        backend.normalizer = normalizer
    if isinstance(pre_tokenizer, pre_tokenizers.ByteLevel) and config.get("add_prefix_space") is not None:
        pre_tokenizer.add_prefix_space = bool(config["add_prefix_space"])
        backend.pre_tokenizer = pre_tokenizer


def word_piece(vocabulary: Mapping[str, int], config: Mapping[str, Any]) -> Backend:
    """Return BERT's tokenizer of a vocabulary, with the switches of its configuration (do_lower_case and so on)."""
    names = {key: str(config.get(key) or token) for key, token in BERT_SPECIALS.items()}
    backend = Backend(models.WordPiece(dict(vocabulary), unk_token=names["unk_token"]))
    backend.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=config.get("tokenize_chinese_chars", True),
        strip_accents=config.get("strip_accents"),
        lowercase=config.get("do_lower_case", True),
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix="##")
    backend.add_special_tokens([AddedToken(token, special=True) for token in names.values() if token in vocabulary])
    first, last = names["cls_token"], names["sep_token"]
    backend.post_processor = processors.TemplateProcessing(
        single=f"{first}:0 $A:0 {last}:0",
        pair=f"{first}:0 $A:0 {last}:0 $B:1 {last}:1",
        special_tokens=[(token, vocabulary[token]) for token in (first, last)],
    )
    return backend


def frame_byte_level(backend: Backend) -> None:
    """Give byte-level BPE what RoBERTa and BART add: their special tokens, and <s> text </s> around texts."""
    for token in dict.fromkeys(ROBERTA_SPECIALS.values()):
        if backend.token_to_id(token) is not None:
            backend.add_special_tokens([AddedToken(token, special=True, lstrip=token == "<mask>")])
    end, start = backend.token_to_id("</s>"), backend.token_to_id("<s>")
    if end is None or start is None:
        raise ModelError("a RoBERTa or BART vocabulary has the tokens <s> and </s>, and this one lacks them")
    backend.post_processor = processors.RobertaProcessing(
        ("</s>", end), ("<s>", start), trim_offsets=True, add_prefix_space=False
    )
