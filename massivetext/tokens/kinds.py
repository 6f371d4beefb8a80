"""Training of each kind of vocabulary on a sample of texts; memory grows with the distinct words, not with the text.

All kinds except WordPiece work on bytes in GPT-2's notation, so every text can be restored from its ids: words or
characters outside the vocabulary become bytes.
"""

import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from tokenizers import Regex, decoders, models, pre_tokenizers, processors, trainers
from tokenizers import Tokenizer as Backend

from massivetext.errors import ConfigError
from massivetext.tokens.published import BERT_SPECIALS, WITH_KINDS, word_piece
from massivetext.tokens.sentence_piece import SPACE, read_model
from massivetext.tokens.settings import TokenizerSettings
from massivetext.tokens.tokenizer import Tokenizer

START_TOKEN = "<|endoftext|>"
LONGEST_WORD = 1024  # bytes; SentencePiece skips much longer words, so they are cut
ALPHABET_SHARE = 0.5  # maximum fraction of a WordPiece vocabulary for single characters
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())  # the 256 characters that represent bytes in GPT-2's notation
GPT2_PATTERN = pre_tokenizers.ByteLevel(add_prefix_space=False)
AS_BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
EACH_HAN = pre_tokenizers.Split(Regex(r"\p{Han}"), "isolated")
EACH_CHARACTER = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")


def learn_bpe(texts: list[str], settings: TokenizerSettings) -> Tokenizer:
    """Return a byte-level BPE tokenizer with GPT-2's pattern."""
    backend = Backend(models.BPE())
    backend.pre_tokenizer = GPT2_PATTERN
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocab_size, special_tokens=[START_TOKEN], initial_alphabet=BYTES, show_progress=False
    )
    backend.train_from_iterator(texts, trainer)
    return _byte_level(backend)


def learn_unigram(texts: list[str], settings: TokenizerSettings) -> Tokenizer:
    """Return a Unigram tokenizer (arXiv:1804.10959) over bytes with GPT-2's pattern, trained by SentencePiece.

    The trainer of `tokenizers` is not deterministic; SentencePiece's trainer is, on one thread. Raises ConfigError if
    sentencepiece is not installed.
    """
    try:
        from sentencepiece import SentencePieceTrainer
    except ImportError:
        raise ConfigError("kind unigram is learned by sentencepiece; pip install sentencepiece, or use bpe") from None
    written = io.BytesIO()
    counts: Counter[str] = Counter()
    for word, count in _counted(texts, GPT2_PATTERN).items():
        for start in range(0, len(word), LONGEST_WORD):
            counts[word[start : start + LONGEST_WORD]] += count
    unseen = sorted(set(BYTES).difference(*counts))
    SentencePieceTrainer.train(
        sentence_iterator=_lines(counts),
        input_format="tsv",
        model_writer=written,
        model_type="unigram",
        vocab_size=settings.vocab_size - len(unseen) + 1,  # and the space
        hard_vocab_limit=False,  # a small text gives fewer
        character_coverage=1.0,
        max_sentencepiece_length=24,  # bytes: 8 Han characters
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        split_by_unicode_script=False,
        split_by_number=False,
        bos_id=-1,
        eos_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    found = [piece for piece in read_model(written.getvalue()).pieces if piece.is_normal and SPACE not in piece.text]
    pieces = [(piece.text, piece.score) for piece in found]
    worst = min(score for _, score in pieces) - 1
    entries = [(START_TOKEN, 0.0), *pieces, *((byte, worst) for byte in unseen)]
    backend = Backend(models.Unigram(entries, unk_id=None, byte_fallback=False))
    backend.pre_tokenizer = GPT2_PATTERN
    return _byte_level(backend)


def _lines(counts: Counter[str]) -> Iterator[str]:
    """Yield words with their counts in SentencePiece's input format.

    SentencePiece takes as candidates only strings that occur on several lines with different continuations. So a
    frequent word gets several lines whose counts add up to its own. On the last line a space follows, which no piece
    crosses.
    """
    for word, count in sorted(counts.items()):
        lines = count.bit_length()
        for line in range(lines):
            last = line > 0 and line == lines - 1
            yield f"{word}{' ' if last else ''}\t{count - lines + 1 if line == 0 else 1}"


def learn_words(texts: list[str], settings: TokenizerSettings) -> Tokenizer:
    """Return a tokenizer of the most frequent words, each with the space before it; each Han character is a word."""
    return _frequent(texts, settings, pre_tokenizers.Sequence([EACH_HAN, GPT2_PATTERN]))


def learn_characters(texts: list[str], settings: TokenizerSettings) -> Tokenizer:
    """Return a tokenizer of the most frequent characters."""
    return _frequent(texts, settings, pre_tokenizers.Sequence([EACH_CHARACTER, AS_BYTES]))


def learn_bytes(texts: list[str], settings: TokenizerSettings) -> Tokenizer:
    """Return a tokenizer of the 256 bytes, which needs no training."""
    return _frequent([], settings, AS_BYTES)


def _frequent(texts: list[str], settings: TokenizerSettings, pre_tokenizer: pre_tokenizers.PreTokenizer) -> Tokenizer:
    """Return a tokenizer of bytes and the most frequent pieces from `pre_tokenizer`; other pieces become bytes.

    It is a BPE without merges that looks up whole pieces first, an option that GPT-4's and Llama 3's tokenizers use.
    """
    counts = _counted(texts, pre_tokenizer)
    frequent = sorted((word for word in counts if len(word) > 1), key=lambda word: (-counts[word], word))
    entries = [START_TOKEN, *BYTES, *frequent][: settings.vocab_size]
    backend = Backend(models.BPE({entry: number for number, entry in enumerate(entries)}, [], ignore_merges=True))
    backend.pre_tokenizer = pre_tokenizer
    return _byte_level(backend)


def _counted(texts: Iterable[str], pre_tokenizer: pre_tokenizers.PreTokenizer) -> Counter[str]:
    """Return the number of occurrences of each piece that `pre_tokenizer` splits from the texts."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(piece for piece, _ in pre_tokenizer.pre_tokenize_str(text))
    return counts


def _byte_level(backend: Backend) -> Tokenizer:
    """Return the tokenizer over bytes; a call puts `<|endoftext|>`, id 0, before a text."""
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([START_TOKEN])
    start = (START_TOKEN, backend.token_to_id(START_TOKEN))
    backend.post_processor = processors.TemplateProcessing(
        single=f"{START_TOKEN} $A", pair=f"{START_TOKEN} $A $B", special_tokens=[start]
    )
    return Tokenizer(backend, {"bos_token": START_TOKEN, "eos_token": START_TOKEN, "pad_token": START_TOKEN})


def learn_word_pieces(texts: list[str], settings: TokenizerSettings) -> Tokenizer:
    """Return BERT's WordPiece tokenizer: pieces of words, ## before a continuation; each Han character is a word.

    Ids 0 to 4 are [PAD], [UNK], [CLS], [SEP], [MASK]. Rare characters become [UNK], so not every text can be restored.
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
    # In this order, characters get the same ids in every run; ids break ties between equally frequent pairs.
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
    """Return the `most` most frequent characters of the counted words."""
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            counts[character] += count
    return {character for character, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]}


LEARNERS: dict[str, Callable[[list[str], TokenizerSettings], Tokenizer]] = {
    "bpe": learn_bpe,
    "unigram": learn_unigram,
    "wordpiece": learn_word_pieces,
    "word": learn_words,
    "character": learn_characters,
    "byte": learn_bytes,
}
