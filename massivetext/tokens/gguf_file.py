"""The tokenizer inside a GGUF file, and the opening of such files (llama.cpp's format, read with `gguf`)."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Backend

from massivetext.errors import ModelError, unknown_name
from massivetext.tokens.sentence_piece import CONTROL, NORMAL, UNUSED, USER_DEFINED, make_merging, put_spaces

if TYPE_CHECKING:
    from gguf import GGUFReader

MAGIC = b"GGUF"
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
SIGNS = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# How text is cut before merging, by llama.cpp's name; None: GPT-2's own pattern.
PATTERNS: dict[str, str | None] = {
    "gpt-2": None,
    "llama-bpe": WORDS + r"\p{N}{1,3}" + SIGNS,
    "qwen2": WORDS + r"\p{N}" + SIGNS,
    "smollm": None,
}
SINGLE_DIGITS = {"smollm"}
WHOLE_WORDS_FIRST = {"llama-bpe"}  # a word that is a token is not merged anew
COMPOSED = {"qwen2"}  # text is put into NFC


def open_gguf(path: Path) -> "GGUFReader":
    """Return a reader of the file; raise ModelError where it is no GGUF or is damaged."""
    with path.open("rb") as file:
        start = file.read(len(MAGIC))
    if start != MAGIC:
        raise ModelError(f"{path} does not begin with {MAGIC!r} but {start!r}: it is no GGUF file; fetch it again")
    try:
        return _reader(str(path), path.stat().st_mtime_ns, path.stat().st_size)
    except Exception as error:  # the package reads lengths from the file as they come and fails in many ways
        raise ModelError(f"{path} is damaged ({type(error).__name__}: {str(error)[:200]}); fetch it again") from None


@lru_cache(maxsize=1)  # a model and its tokenizer are read one after the other, and each reading takes seconds
def _reader(path: str, changed_at: int, size: int) -> "GGUFReader":
    from gguf import GGUFReader

    return GGUFReader(path)


def forget_files() -> None:
    """Close the file that was read last."""
    _reader.cache_clear()


def metadata(reader: "GGUFReader", prefix: str = "") -> dict[str, Any]:
    """Return the file's metadata below `prefix` as plain values, without the prefix."""
    return {
        name.removeprefix(prefix): field.contents() for name, field in reader.fields.items() if name.startswith(prefix)
    }


def read_tokenizer(path: Path) -> tuple[Backend, dict[str, Any]]:
    """Return the backend and the configuration (special tokens, chat template) of the tokenizer in a GGUF file.

    Kinds: "gpt2", byte-level BPE, and "llama", SentencePiece's BPE; others raise ModelError, as does a cut of the text
    (`tokenizer.ggml.pre`) that is not known: its ids would be wrong without a word.
    """
    reader = open_gguf(path)
    values, template = metadata(reader, "tokenizer.ggml."), metadata(reader, "tokenizer.chat_template")
    tokens, kind = values.get("tokens"), values.get("model")
    if not tokens:
        raise ModelError(f"{path} holds no tokenizer (tokenizer.ggml.tokens); give the tokenizer's own folder")
    if kind == "gpt2":
        backend = byte_level(path, tokens, values)
    elif kind == "llama":
        unknown = tokens[values.get("unknown_token_id", 0)]
        backend = Backend(make_merging(tokens, values["scores"], unknown, byte_fallback=True))
        put_spaces(backend, values.get("add_space_prefix", True))
    else:
        raise ModelError(f"{path}: {unknown_name('tokenizer.ggml.model', str(kind), ['gpt2', 'llama'])}")
    kinds = values.get("token_type") or []
    for token, number in zip(tokens, kinds, strict=False):
        if number == CONTROL:
            backend.add_special_tokens([AddedToken(token, special=True, normalized=False)])
        elif number == USER_DEFINED:
            backend.add_tokens([AddedToken(token, special=False, normalized=False)])
    config: dict[str, Any] = {"model_input_names": ["input_ids", "attention_mask"]}
    names = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding", "sep": "seperator"}  # their spelling
    for ours, theirs in names.items():
        number = values.get(f"{theirs}_token_id")
        if number is not None and 0 <= number < len(tokens):
            config[f"{ours}_token"] = tokens[number]
    if template:
        config["chat_template"] = next(iter(template.values()))
    _frame(backend, config, values, kind)
    return backend, config


def byte_level(path: Path, tokens: list[str], values: dict[str, Any]) -> Backend:
    """Return a byte-level BPE with the cut of the text that the file names."""
    pre = values.get("pre", "default")
    if pre not in PATTERNS:
        raise ModelError(f"{path}: {unknown_name('tokenizer.ggml.pre', str(pre), PATTERNS)}")
    merges = [tuple(merge.split(" ")) for merge in values.get("merges", [])]
    kinds = values.get("token_type") or [NORMAL] * len(tokens)
    # Rows of the embedding that no entry uses have a name in the file, which is no text.
    vocabulary = {token: number for number, token in enumerate(tokens) if kinds[number] != UNUSED}
    backend = Backend(models.BPE(vocabulary, merges, ignore_merges=pre in WHOLE_WORDS_FIRST))
    pattern = PATTERNS[pre]
    steps: list[Any] = []
    if pre in SINGLE_DIGITS:
        steps.append(pre_tokenizers.Digits(individual_digits=True))
    if pattern is not None:
        steps.append(pre_tokenizers.Split(Regex(pattern), "isolated"))
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern is None))
    backend.pre_tokenizer = steps[0] if len(steps) == 1 else pre_tokenizers.Sequence(steps)
    if pre in COMPOSED:
        backend.normalizer = normalizers.NFC()
    backend.decoder = decoders.ByteLevel()
    return backend


def _frame(backend: Backend, config: dict[str, Any], values: dict[str, Any], kind: str) -> None:
    """Let the backend put the start and end ids around a text where the file asks for it."""
    start = config.get("bos_token") if values.get("add_bos_token", kind == "llama") else None
    end = config.get("eos_token") if values.get("add_eos_token", False) else None
    if start is None and end is None:
        return
    single = [*([start] if start else []), "$A", *([end] if end else [])]
    pair = [*single, *([f"{start}:1"] if start else []), "$B:1", *([f"{end}:1"] if end else [])]
    specials = [(token, backend.token_to_id(token)) for token in (start, end) if token]
    backend.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=specials)
