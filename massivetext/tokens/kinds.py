"""Learning each kind of vocabulary from a sample of texts: byte-level BPE, WordPiece.

Unigram is missing on purpose: the trainer of `tokenizers` gives another vocabulary at every run.
"""

from collections import Counter
from collections.abc import Callable

from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers, processors, trainers

from massivetext.tokens.published import BERT_SPECIALS, WITH_KINDS, word_piece
from massivetext.tokens.settings import TokenizerSettings
from massivetext.tokens.tokenizer import Tokenizer

START_TOKEN = "<|endoftext|>"
ALPHABET_SHARE = 0.5  # of the vocabulary, at most, goes to single characters


def learn_bpe(texts: list[str], settings: TokenizerSettings) -> Tokenizer:
    """Return byte-level BPE with GPT-2's pattern; `<|endoftext|>`, id 0, is put before a text by a call."""
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocab_size,
        special_tokens=[START_TOKEN],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    start = (START_TOKEN, backend.token_to_id(START_TOKEN))
    backend.post_processor = processors.TemplateProcessing(
        single=f"{START_TOKEN} $A", pair=f"{START_TOKEN} $A $B", special_tokens=[start]
    )
    return Tokenizer(backend, {"bos_token": START_TOKEN, "eos_token": START_TOKEN, "pad_token": START_TOKEN})


def learn_word_pieces(texts: list[str], settings: TokenizerSettings) -> Tokenizer:
    """Return BERT's WordPiece: words, with ## before what continues one; each Han character is a word.

    Ids 0 to 4 are [PAD], [UNK], [CLS], [SEP], [MASK]. Rare characters become [UNK], so texts do not always come back.
    """
    specials = [BERT_SPECIALS[f"{name}_token"] for name in ("pad", "unk", "cls", "sep", "mask")]
    switches = {"do_lower_case": settings.lowercase}
    backend = word_piece({token: number for number, token in enumerate(specials)}, switches)
    counts: Counter[str] = Counter()
    for text in texts:
        words = backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(text))
        counts.update(word for word, _ in words)
    kept = _common_characters(counts, max(int(settings.vocab_size * ALPHABET_SHARE), 1))
    known = {word: count for word, count in counts.items() if kept.issuperset(word)}
    # Given in this order, characters get the same ids at every run, and ids decide between equally frequent pairs.
    alphabet = sorted({word[0] for word in known}) + sorted({f"##{letter}" for word in known for letter in word[1:]})
    trainer = trainers.WordPieceTrainer(
        vocab_size=settings.vocab_size, special_tokens=specials + alphabet, show_progress=False
    )
    bare = Backend(models.WordPiece(unk_token=BERT_SPECIALS["unk_token"]))
    bare.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    bare.train_from_iterator((" ".join([word] * count) for word, count in sorted(known.items())), trainer)
    learned = word_piece(bare.get_vocab(), switches)
    return Tokenizer(learned, {**BERT_SPECIALS, "model_input_names": list(WITH_KINDS)})


def _common_characters(words: Counter[str], most: int) -> set[str]:
    """Return the most frequent characters of counted words, at most `most`."""
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            counts[character] += count
    return {character for character, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]}


LEARNERS: dict[str, Callable[[list[str], TokenizerSettings], Tokenizer]] = {
    "bpe": learn_bpe,
    "wordpiece": learn_word_pieces,
}
