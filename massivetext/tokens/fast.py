"""The fast encoder fastokens, used only if it gives the same ids as `tokenizers` on test texts."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers

PROBES = (
    "",
    " ",
    "The quick brown fox doesn't jump over 13 lazy dogs; it'll sleep.",
    "def f(x):\n\treturn  x**2   # squared\r\n\n\n    pass\n",
    "今天天气很好，我们去公园散步吧。（2024年3月１日）",
    "中英 mixed 文本 with ｆｕｌｌ－ｗｉｄｔｈ and 半角, 1,234.5元",
    "naïve café, cafe\u0301, ﬁ ligature, Å Å, ½ ² ①",
    "emoji 👩‍👩‍👧‍👦 🇨🇳 \U0001f9d1\U0001f3fd‍💻, zero​width, nbsp\u00a0here\u3000ideographic",
    "العربية עברית हिन्दी ไทย 한국어 日本語 Ελληνικά русский",
    "\x00\x01\x7f\u0085\u2028\u2029\ufeff\ufffd\ufffe\U0010ffff",
    "a" * 300 + " " * 300 + "\n" * 300,
    "'s 't 're 've 'm 'll 'd 'S 'T ''s \u2019s",
    "<|endoftext|> <s> </s> [CLS] [MASK] <pad> <unk>",
)


class FastEncoder:
    """Encode with fastokens for one `tokenizer.json`: no post-processing, special tokens in a text as ordinary text."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine

    def encode(self, texts: list[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Return all ids of the texts in one array, and the (texts + 1,) bounds of each text in it."""
        ids, offsets = self.engine.encode_batch_flat(texts, add_special_tokens=False, split_special_tokens=True)
        return np.frombuffer(ids, dtype=np.uint32), np.frombuffer(offsets, dtype=np.uint64).astype(np.int64)


def plain_json(serialised: str) -> str:
    """Return a `tokenizer.json` text without truncation, padding and post-processor."""
    values = json.loads(serialised)
    return json.dumps({**values, "truncation": None, "padding": None, "post_processor": None}, ensure_ascii=False)


def make_fast_encoder(serialised: str, reference: Any) -> FastEncoder | str:
    """Return the fast encoder for a `tokenizer.json`, or the reason why it cannot be used.

    reference: a function from a list of texts to their lists of ids, which is compared on difficult probes.
    """
    try:
        from fastokens import Tokenizer as Engine
    except ImportError as error:
        return f"fastokens cannot be imported ({error})"
    pre_tokenizer = json.dumps(json.loads(serialised).get("pre_tokenizer"))
    if '"ByteLevel"' not in pre_tokenizer:
        return "it is not byte-level"
    try:
        encoder = FastEncoder(Engine.from_json_str(plain_json(serialised)))
        ids, offsets = encoder.encode(list(PROBES))
    except Exception as error:  # the reference encoder handles what the engine cannot
        return f"fastokens refuses it: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
    for probe, expected, start, stop in zip(PROBES, reference(list(PROBES)), offsets[:-1], offsets[1:], strict=True):
        if ids[start:stop].tolist() != expected:
            return f"fastokens gives other ids on the probe {probe[:40]!r}"
    return encoder


def fast_encoder_available() -> bool:
    """Return whether fastokens works here: with a byte vocabulary, it gives the ids of `tokenizers` on the probes."""
    alphabet = {byte: number for number, byte in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    backend = Backend(models.BPE(vocab=alphabet, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made = make_fast_encoder(backend.to_str(), lambda texts: [row.ids for row in backend.encode_batch_fast(texts)])
    return isinstance(made, FastEncoder)
