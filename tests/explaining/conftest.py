"""Tiny models of every family beside transformers' own, with the same random weights, and tokenizers that fit them."""

from functools import cache

import pytest
import torch
import transformers
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

import massivetext as mt
from massivetext.tokens.tokenizer import Tokenizer

torch.set_num_threads(1)

TEXTS = ["the cat sat on the mat, and the dog sat on the cat", "北京是中国的首都，上海是中国的大城市。"]
ENGLISH, CHINESE = "the cat sat on the dog", "北京是大城市"
DECODERS = [
    "arcee", "gemma3_text", "gpt2", "gpt_neox", "llama", "mistral", "nanochat", "openai-gpt", "opt", "palm", "qwen2",
    "qwen3", "qwen3_moe",
]  # fmt: skip
ENCODERS = ["bert", "roberta", "xlm-roberta"]
SEQUENCES = ["bart", "marian", "mt5", "t5"]
LIKE_LLAMA = {
    "vocab_size": 320, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64, "bos_token_id": 0, "eos_token_id": 0, "sliding_window": 5,
}  # fmt: skip
LIKE_BERT = {
    "vocab_size": 320, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "max_position_embeddings": 64, "pad_token_id": 1,
}  # fmt: skip
LIKE_T5 = {
    "vocab_size": 320, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 3, "num_decoder_layers": 2, "num_heads": 4,
    "relative_attention_num_buckets": 8, "relative_attention_max_distance": 20, "decoder_start_token_id": 1,
    "pad_token_id": 1, "eos_token_id": 0,
}  # fmt: skip
LIKE_BART = {
    "vocab_size": 320, "d_model": 32, "encoder_layers": 3, "encoder_ffn_dim": 48, "encoder_attention_heads": 4,
    "decoder_layers": 2, "decoder_ffn_dim": 40, "decoder_attention_heads": 2, "max_position_embeddings": 64,
    "decoder_start_token_id": 1, "pad_token_id": 1, "eos_token_id": 0, "forced_eos_token_id": None,
}  # fmt: skip


def tiny_config(family, **changes):
    sizes = LIKE_LLAMA if family in DECODERS else LIKE_BERT if family in ENCODERS else LIKE_T5
    sizes = LIKE_BART if family in ("bart", "marian") else sizes
    own = type(mt.AutoConfig.for_model(family)).model_fields
    left_out = "intermediate_size" if family == "openai-gpt" else ""
    known = {key: sizes[key] for key in sizes if key in own and key != left_out}
    return mt.AutoConfig.for_model(family, **{**known, **changes})


def randomise(model):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "embed_positions" not in name or "Marian" not in type(model).__name__:
                parameter.normal_(0.0, 0.2, generator=generator)
    return model.eval()


def tiny_model(family, auto=None, **changes):
    return randomise(getattr(mt, auto or AUTO[family]).from_config(tiny_config(family, **changes)))


AUTO = {
    **dict.fromkeys(DECODERS, "AutoModelForCausalLM"),
    **dict.fromkeys(ENCODERS, "AutoModelForMaskedLM"),
    **dict.fromkeys(SEQUENCES, "AutoModelForSeq2SeqLM"),
}


@pytest.fixture(scope="session")
def twins(tmp_path_factory):
    """The function that gives a family's model in transformers and ours with the same weights."""

    @cache
    def make(family):
        folder = tmp_path_factory.mktemp(family)
        config = transformers.AutoConfig.for_model(**tiny_config(family).to_hugging_face())
        peer = randomise(getattr(transformers, AUTO[family]).from_config(config, attn_implementation="eager"))
        peer.save_pretrained(folder)
        return peer, getattr(mt, AUTO[family]).from_pretrained(folder)

    return make


@pytest.fixture
def tokenizer_of(byte_tokenizer, word_tokenizer):
    """The function that gives a tokenizer as a family has it: words and special tokens for encoders, else bytes."""
    return lambda family: word_tokenizer if family in ENCODERS else byte_tokenizer


@pytest.fixture(scope="session")
def byte_tokenizer():
    """Byte-level BPE: parts of Chinese characters are tokens."""
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    specials = ["<|end|>", "<pad>", "<mask>"]
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(TEXTS, trainer)
    return Tokenizer(backend, {"eos_token": "<|end|>", "pad_token": "<pad>", "mask_token": "<mask>"})


@pytest.fixture(scope="session")
def word_tokenizer():
    """WordPiece with BERT's special tokens; each Chinese character is a token."""
    backend = Backend(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer, backend.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    specials = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=120, special_tokens=specials, show_progress=False)
    backend.train_from_iterator(TEXTS, trainer)
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = ("unk_token", "pad_token", "cls_token", "sep_token", "mask_token")
    return Tokenizer(backend, dict(zip(names, specials, strict=True)))


@pytest.fixture(scope="session")
def unigram_tokenizer():
    """Unigram with SentencePiece's sign for spaces, ending texts with <|end|>."""
    backend = Backend(models.Unigram())
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    specials = ["<|end|>", "<pad>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=90, special_tokens=specials, unk_token="<unk>", show_progress=False)
    backend.train_from_iterator(TEXTS, trainer)
    backend.post_processor = processors.TemplateProcessing(single="$A <|end|>", special_tokens=[("<|end|>", 0)])
    return Tokenizer(backend, {"eos_token": "<|end|>", "pad_token": "<pad>", "unk_token": "<unk>"})
