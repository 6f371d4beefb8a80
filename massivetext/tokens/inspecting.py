"""Summaries of tokenizers and token stores: vocabulary, bytes per token in English and Chinese, exact decoding."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from massivetext.errors import DataError
from massivetext.tokens.store import TokenStore
from massivetext.tokens.tokenizer import Tokenizer
from massivetext.translations import tr

LONGEST_SHOWN = 12
HAN_RANGES = (("\u3400", "\u4dbf"), ("\u4e00", "\u9fff"), ("\U00020000", "\U000323af"))

# The same story in both languages, so that their token counts can be compared.
ENGLISH = (
    "Every spring the river rose and carried soil down to the fields. The farmers watched the water, and when it fell "
    "they began to plant. An old woman in the village remembered thirty floods; she wrote down the day of each one, "
    "and how high the water had stood against the stone bridge. When engineers came to build a dam, they read her "
    "notebook before they measured anything. It's still kept in the town library, and children are taken to see it."
)
CHINESE = (
    "每年春天，河水上涨，把泥土带到田里。农民们看着水，等水退了就开始播种。村里有一位老奶奶记得三十次洪水；她写下了每一次的日期，"
    "还有水在石桥边涨到了多高。工程师来修水坝的时候，先读了她的笔记本，然后才开始测量。这本笔记现在还保存在镇图书馆里，"
    "老师会带孩子们去看。"
)


def summary(tokenizer: Tokenizer, files: Sequence[str | Path] = ()) -> dict[str, Any]:
    """Return a summary of a tokenizer as plain values; files: UTF-8 texts to measure it on.

    `samples` holds the measurements of a built-in story in English (tokens per word) and Chinese (tokens per Han
    character), and `chinese_to_english_tokens`, the number of Chinese tokens divided by that of English tokens.
    """
    english, chinese = measure(tokenizer, ENGLISH), measure(tokenizer, CHINESE)
    return {
        "vocab_size": len(tokenizer),
        "digest": tokenizer.digest,
        "special_tokens": {token: tokenizer.convert_tokens_to_ids(token) for token in tokenizer.all_special_tokens},
        "encoder": tokenizer.encoder_name,
        "vocabulary": vocabulary_kinds(tokenizer),
        "longest_tokens": longest_tokens(tokenizer),
        "samples": {
            "english": {**english, "tokens_per_word": english["tokens"] / len(ENGLISH.split())},
            "chinese": {**chinese, "tokens_per_han_character": chinese["tokens"] / sum(map(_is_han, CHINESE))},
            "chinese_to_english_tokens": chinese["tokens"] / english["tokens"],
        },
        "files": {str(path): measure(tokenizer, _read(Path(path))) for path in files},
    }


def measure(tokenizer: Tokenizer, text: str) -> dict[str, Any]:
    """Return the size of a text in bytes, characters and tokens, their ratios, and whether it decodes exactly."""
    ids = tokenizer.encode_ordinary(text)
    text_bytes = len(text.encode())
    return {
        "text_bytes": text_bytes,
        "characters": len(text),
        "tokens": len(ids),
        "bytes_per_token": text_bytes / max(len(ids), 1),
        "characters_per_token": len(text) / max(len(ids), 1),
        "vocabulary_used_fraction": len(set(ids)) / len(tokenizer),
        "reversible": tokenizer.decode(ids) == text,
    }


def vocabulary_kinds(tokenizer: Tokenizer) -> dict[str, int]:
    """Return the number of tokens with Han characters, only other letters, only digits, white space, or anything else.

    A leading space is ignored. `fragments` are tokens that hold only some of a character's bytes.
    """
    counts = dict.fromkeys(("han", "letters", "digits", "space", "fragments", "other", "special"), 0)
    special = set(tokenizer.all_special_ids)
    for number, text in enumerate(tokenizer.batch_decode([[number] for number in range(len(tokenizer))])):
        core = text.removeprefix(" ")
        if number in special:
            kind = "special"
        elif "\ufffd" in text:
            kind = "fragments"
        elif any(map(_is_han, core)):
            kind = "han"
        elif not text.strip():
            kind = "space"
        else:
            kind = "letters" if core.isalpha() else "digits" if core.isdigit() else "other"
        counts[kind] += 1
    return counts


def longest_tokens(tokenizer: Tokenizer, count: int = LONGEST_SHOWN) -> list[str]:
    """Return the text of the longest tokens in UTF-8 bytes, without special tokens."""
    special = set(tokenizer.all_special_ids)
    texts = tokenizer.batch_decode([[number] for number in range(len(tokenizer)) if number not in special])
    return sorted((text for text in texts if "\ufffd" not in text), key=lambda text: (-len(text.encode()), text))[
        :count
    ]


def store_summary(store: TokenStore) -> dict[str, dict[str, dict[str, float]]]:
    """Return documents, tokens, text_bytes and bytes_per_token of a token store, by split and source."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for split in store.splits:
        found[split] = {}
        for source in store.sources(split):
            counts = store.counts(split, source)
            found[split][source] = {**counts, "bytes_per_token": counts["text_bytes"] / max(counts["tokens"], 1)}
    return found


def summary_text(found: dict[str, Any]) -> str:
    """Return the result of `summary` as text for a terminal."""
    from rich.cells import cell_len

    kinds = ", ".join(f"{tr(kind)} {count:,}" for kind, count in found["vocabulary"].items() if count)
    samples = found["samples"]
    english, chinese = samples["english"], samples["chinese"]
    rows = [
        (tr("vocabulary"), f"{found['vocab_size']:,} ({kinds})"),
        (tr("special tokens"), ", ".join(f"{token} = {number}" for token, number in found["special_tokens"].items())),
        (tr("encoder"), found["encoder"]),
        (tr("digest"), found["digest"]),
        (tr("longest tokens"), "  ".join(map(repr, found["longest_tokens"]))),
        (tr("English sample"), _sample_line(english, "{x} tokens a word", "tokens_per_word")),
        (tr("Chinese sample"), _sample_line(chinese, "{x} tokens a Han character", "tokens_per_han_character")),
        (tr("Chinese to English"), tr("{x} tokens for one", x=f"{samples['chinese_to_english_tokens']:.2f}")),
        *((path, _line(values)) for path, values in found["files"].items()),
    ]
    width = max(cell_len(name) for name, _ in rows)  # a Han character takes two cells
    return "\n".join(f"{name}{' ' * (width - cell_len(name))}  {value}" for name, value in rows)


def _line(values: dict[str, Any]) -> str:
    """Return the result of `measure` as one line."""
    sizes = tr("{bytes} bytes, {tokens} tokens", bytes=f"{values['text_bytes']:,}", tokens=f"{values['tokens']:,}")
    ratios = tr("{x} bytes a token", x=f"{values['bytes_per_token']:.2f}")
    exact = tr("decodes exactly") if values["reversible"] else tr("DOES NOT DECODE TO THE SAME TEXT")
    return f"{sizes}, {ratios}, {exact}"


def _sample_line(values: dict[str, Any], caption: str, name: str) -> str:
    """Return the result of `measure` as one line with one more ratio."""
    return f"{_line(values)}, {tr(caption, x=f'{values[name]:.2f}')}"


def _is_han(character: str) -> bool:
    """Return whether a character is a CJK unified ideograph, extensions included."""
    return any(first <= character <= last for first, last in HAN_RANGES)


def _read(path: Path) -> str:
    """Return a file's text with invalid UTF-8 replaced; raise DataError if the path is not a file."""
    if not path.is_file():
        raise DataError(f"{path} is {'a folder' if path.is_dir() else 'not there'}; give text files")
    return path.read_bytes().decode("utf-8", "replace")
