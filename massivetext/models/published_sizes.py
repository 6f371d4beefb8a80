"""Published sizes of encoders and encoder-decoders by name: `mt.AutoConfig.from_preset("bert-base-uncased")`.

The numbers are from the configurations published with the weights. The tests compare parameter counts with the
published totals and with the classes of transformers.
"""

from typing import Any

from massivetext.models.presets import Preset


def bert(layers: int, hidden: int, heads: int, vocab_size: int = 30522) -> Preset:
    """Return a size of BERT; the feed-forward part is four times as wide as the hidden states."""
    fields = {"num_hidden_layers": layers, "hidden_size": hidden, "num_attention_heads": heads}
    return Preset(
        "bert", {**fields, "intermediate_size": 4 * hidden, "vocab_size": vocab_size}, "arXiv:1810.04805, 1908.08962"
    )


def roberta(layers: int, hidden: int, heads: int, family: str = "roberta", vocab_size: int = 50265) -> Preset:
    """Return a size of RoBERTa or XLM-R: BERT's shapes with two more positions and one token type."""
    fields = bert(layers, hidden, heads, vocab_size).fields
    own = {"max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
    source = "arXiv:1907.11692" if family == "roberta" else "arXiv:1911.02116"
    return Preset(family, {**fields, **own}, source)


def distilbert(vocab_size: int) -> Preset:
    """Return DistilBERT, which has one size and several vocabularies."""
    return Preset("distilbert", {"vocab_size": vocab_size}, "arXiv:1910.01108")


def t5(layers: int, hidden: int, wide: int, heads: int, d_kv: int = 64, **more: Any) -> Preset:
    """Return a size of T5 v1.0."""
    fields = {"num_layers": layers, "d_model": hidden, "d_ff": wide, "num_heads": heads, "d_kv": d_kv, **more}
    return Preset("t5", fields, "arXiv:1910.10683")


def gated(family: str, layers: int, hidden: int, wide: int, heads: int) -> Preset:
    """Return a size of T5 v1.1 (also used by Flan-T5) or mT5: gated feed-forward parts and an untied head."""
    more: dict[str, Any] = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
    source = "arXiv:2010.11934" if family == "mt5" else "arXiv:2002.05202, 2210.11416"
    return t5(layers, hidden, wide, heads, **more)._replace(family=family, source=source)


def bart(layers: int, hidden: int, heads: int) -> Preset:
    """Return a size of BART, with the same number of blocks in encoder and decoder."""
    sides: dict[str, Any] = {}
    for side in ("encoder", "decoder"):
        sides |= {f"{side}_layers": layers, f"{side}_ffn_dim": 4 * hidden, f"{side}_attention_heads": heads}
    return Preset("bart", {"d_model": hidden, **sides}, "arXiv:1910.13461")


def marian(vocab_size: int) -> Preset:
    """Return the size of the OPUS-MT models, with the vocabulary of one language pair."""
    fields = {**bart(6, 512, 8).fields, "max_position_embeddings": 512, "activation_function": "swish"}
    ends = {"pad_token_id": vocab_size - 1, "decoder_start_token_id": vocab_size - 1, "scale_embedding": True}
    return Preset("marian", {**fields, **ends, "vocab_size": vocab_size}, "OPUS-MT (EAMT 2020)")


GATED_SIZES = {
    "small": (8, 512, 1024, 6), "base": (12, 768, 2048, 12), "large": (24, 1024, 2816, 16), "xl": (24, 2048, 5120, 32),
    "xxl": (24, 4096, 10240, 64),
}  # fmt: skip

PUBLISHED_SIZES: dict[str, Preset] = {
    "bert-tiny": bert(2, 128, 2),
    "bert-mini": bert(4, 256, 4),
    "bert-small": bert(4, 512, 8),
    "bert-medium": bert(8, 512, 8),
    "bert-base-uncased": bert(12, 768, 12),
    "bert-base-cased": bert(12, 768, 12, vocab_size=28996),
    "bert-base-chinese": bert(12, 768, 12, vocab_size=21128),
    "bert-base-multilingual-cased": bert(12, 768, 12, vocab_size=119547),
    "bert-base-multilingual-uncased": bert(12, 768, 12, vocab_size=105879),
    "bert-large-uncased": bert(24, 1024, 16),
    "bert-large-cased": bert(24, 1024, 16, vocab_size=28996),
    "roberta-base": roberta(12, 768, 12),
    "roberta-large": roberta(24, 1024, 16),
    "distilroberta-base": roberta(6, 768, 12),
    "xlm-roberta-base": roberta(12, 768, 12, "xlm-roberta", 250002),
    "xlm-roberta-large": roberta(24, 1024, 16, "xlm-roberta", 250002),
    "distilbert-base-uncased": distilbert(30522),
    "distilbert-base-cased": distilbert(28996),
    "distilbert-base-multilingual-cased": distilbert(119547),
    "t5-small": t5(6, 512, 2048, 8),
    "t5-base": t5(12, 768, 3072, 12),
    "t5-large": t5(24, 1024, 4096, 16),
    "t5-3b": t5(24, 1024, 16384, 32, d_kv=128),
    "t5-11b": t5(24, 1024, 65536, 128, d_kv=128),
    **{f"flan-t5-{name}": gated("t5", *size) for name, size in GATED_SIZES.items()},
    **{f"t5-v1_1-{name}": gated("t5", *size) for name, size in GATED_SIZES.items()},
    **{f"mt5-{name}": gated("mt5", *size) for name, size in GATED_SIZES.items()},
    "bart-base": bart(6, 768, 12),
    "bart-large": bart(12, 1024, 16),
    "opus-mt-en-de": marian(58101),
    "opus-mt-en-zh": marian(65001),
    "opus-mt-zh-en": marian(65001),
}
