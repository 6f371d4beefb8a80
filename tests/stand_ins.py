"""Tiny model folders under published names, for examples that say `from_pretrained("gpt2")` and the like."""

from pathlib import Path

import tokenizers
import torch
import transformers
from tokenizers import decoders, pre_tokenizers, processors, trainers

import massivetext as mt

ENGLISH = ["The cat sat on the mat.", "Paris is the capital of France.", "This is a positive sentence.", "Hello"]
CHINESE = ["这部电影很好看。", "我不喜欢它，难看！", "北京是中国的首都。"]


def write_stand_ins(root: Path) -> None:
    """Write the folders gpt2, bert-base-uncased, bert-base-chinese and google/flan-t5-small below `root`."""
    write_gpt2(root / "gpt2")
    write_bert(root / "bert-base-uncased")
    write_bert(root / "bert-base-chinese")
    write_t5(root / "google" / "flan-t5-small")


def write_gpt2(folder: Path) -> None:
    """Write a GPT-2 of two layers with a byte-level vocabulary."""
    tokenizer = mt.train_tokenizer([*ENGLISH, *CHINESE] * 9, kind="bpe", vocab_size=300, quiet=True)
    config = mt.GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=4, n_positions=64)
    mt.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def write_bert(folder: Path) -> None:
    """Write a BERT of four layers with eight heads, and a WordPiece vocabulary of letters and Han characters."""
    letters = "abcdefghijklmnopqrstuvwxyz.,!。，！"
    han = "".join(CHINESE)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters), *han]
    words = list(dict.fromkeys(words))
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}', encoding="utf-8")
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=4, num_attention_heads=8, intermediate_size=48,
        max_position_embeddings=64,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.BertForMaskedLM(config).save_pretrained(folder)


def write_t5(folder: Path) -> None:
    """Write a T5 v1.1 of two layers with a unigram vocabulary."""
    backend = tokenizers.Tokenizer(tokenizers.models.Unigram())
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    specials = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=150, special_tokens=specials, unk_token="<unk>", show_progress=False)
    backend.train_from_iterator([*ENGLISH, *CHINESE] * 9, trainer)
    backend.post_processor = processors.TemplateProcessing("$A </s>", "$A </s> $B </s>", [("</s>", 1)])
    names = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=backend, **names).save_pretrained(folder)
    config = transformers.T5Config(
        vocab_size=backend.get_vocab_size(), d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4,
        decoder_start_token_id=0, feed_forward_proj="gated-gelu", tie_word_embeddings=False,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.T5ForConditionalGeneration(config).save_pretrained(folder)
