"""SentencePiece's own files (tokenizer.model, spiece.model): their pieces, and what is done to text first.

The file is a protocol buffer (sentencepiece_model.proto of google/sentencepiece); only what is needed is read here.
"""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tokenizers import AddedToken, Regex, decoders, models, normalizers, processors
from tokenizers import Tokenizer as Backend

from massivetext.errors import ModelError

FILES = ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model")
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED = 1, 2, 3, 4, 5  # kinds of pieces, also of tokens in GGUF files
UNIGRAM, BPE = 1, 2
SPACE = "▁"


class VocabularyPiece(NamedTuple):
    """One entry of the vocabulary; its id is its place in the list."""

    text: str
    score: float
    kind: int

    @property
    def is_normal(self) -> bool:
        """Whether it stands for text."""
        return self.kind == NORMAL


class Model(NamedTuple):
    """What a file holds: the vocabulary, its kind, and the rules of the text."""

    pieces: list[VocabularyPiece]
    kind: int
    byte_fallback: bool
    normalisation: bytes
    """SentencePiece's compiled table of replacements; empty for none."""
    add_space: bool
    """Whether a space is put before a text."""
    merge_spaces: bool
    """Whether several spaces become one, and those at both ends none."""
    specials: dict[str, str]
    """The special tokens by Hugging Face's name, under the text that the file gives them."""


def read_model(data: bytes) -> Model:
    """Return the content of a file; raise ValueError where it is no SentencePiece model."""
    pieces, trainer, normaliser = [], {}, {}
    for field, value in fields(data):
        if field == 1:
            entry = dict(fields(value))
            score = struct.unpack("<f", entry.get(2, bytes(4)))[0]
            pieces.append(VocabularyPiece(entry[1].decode(), score, int(entry.get(3, NORMAL))))
        elif field == 2:
            trainer = dict(fields(value))
        elif field == 3:
            normaliser = dict(fields(value))
    if not pieces:
        raise ValueError("it holds no pieces")
    return Model(
        pieces,
        int(trainer.get(3, UNIGRAM)),
        bool(trainer.get(35, False)),
        normaliser.get(2, b""),
        bool(normaliser.get(3, True)),
        bool(normaliser.get(4, True)),
        _specials(pieces, trainer),
    )


def _specials(pieces: list[VocabularyPiece], trainer: dict[int, Any]) -> dict[str, str]:
    """Return the special tokens that the trainer's settings give a place: those that are no ordinary pieces there."""
    places = {"unk_token": (40, 0), "bos_token": (41, 1), "eos_token": (42, 2), "pad_token": (43, -1)}
    found = {}
    for name, (field, usual) in places.items():
        number = trainer.get(field, usual)  # -1 is written as the largest number
        if 0 <= number < len(pieces) and pieces[number].kind in (UNKNOWN, CONTROL):
            found[name] = pieces[number].text
    return found


def load(path: Path) -> Model:
    """Return the content of a file; raise ModelError where it is damaged, or of another format."""
    try:
        return read_model(path.read_bytes())
    except (ValueError, KeyError, struct.error) as error:
        raise ModelError(f"{path} cannot be read as a SentencePiece model ({error}); fetch it again") from None


def read_file(path: Path, class_name: str | None, config: dict[str, Any]) -> Backend:
    """Return the tokenizer of a SentencePiece file, with what its class adds; its special tokens go into `config`.

    class_name: a name in `published.CLASSES`, or None. Raises ModelError where the file is damaged, or of a kind
    (words, characters) that no published model has.
    """
    model = load(path)
    if model.kind not in (UNIGRAM, BPE):
        raise ModelError(f"{path} is of SentencePiece's kind {model.kind}; allowed: {UNIGRAM} (unigram), {BPE} (bpe)")
    pieces = _rearranged(model.pieces, class_name, config)
    tokens, scores = [piece.text for piece in pieces], [piece.score for piece in pieces]
    unknown = next((number for number, piece in enumerate(pieces) if piece.kind == UNKNOWN), None)
    if model.kind == BPE:
        backend = Backend(
            make_merging(tokens, scores, None if unknown is None else tokens[unknown], model.byte_fallback)
        )
    else:
        vocabulary = list(zip(tokens, scores, strict=True))
        backend = Backend(models.Unigram(vocabulary, unk_id=unknown, byte_fallback=model.byte_fallback))
    put_spaces(backend, model.add_space, model.normalisation, model.merge_spaces)
    special = [piece.text for piece in pieces if piece.kind in (UNKNOWN, CONTROL)]
    backend.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in special])
    own = [piece.text for piece in pieces if piece.kind == USER_DEFINED]
    backend.add_tokens([AddedToken(text, normalized=False) for text in own])
    usual = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    for key, text in {**model.specials, **{key: text for key, text in usual.items() if text in special}}.items():
        config.setdefault(key, text)
    _frame(backend, class_name, config, path)
    return backend


def _rearranged(pieces: list[VocabularyPiece], class_name: str | None, config: dict[str, Any]) -> list[VocabularyPiece]:
    """Return the pieces in the order of the class's ids, with those that it adds."""
    if class_name == "XLMRobertaTokenizer":  # its first four ids are fairseq's, its last the mask
        if [piece.text for piece in pieces[:3]] != ["<unk>", "<s>", "</s>"]:
            raise ModelError(
                f"a SentencePiece file of XLM-R begins with <unk>, <s>, </s>, and this one with "
                f"{', '.join(piece.text for piece in pieces[:3])}; open it with another class"
            )
        first = [
            VocabularyPiece("<s>", 0.0, CONTROL),
            VocabularyPiece("<pad>", 0.0, CONTROL),
            VocabularyPiece("</s>", 0.0, CONTROL),
        ]
        return [*first, VocabularyPiece("<unk>", 0.0, UNKNOWN), *pieces[3:], VocabularyPiece("<mask>", 0.0, CONTROL)]
    if class_name in ("T5Tokenizer", "MT5Tokenizer"):  # what T5's training writes for a missing span, counted down
        count = int(config.get("extra_ids", 100 if class_name == "T5Tokenizer" else 0))
        return [*pieces, *(VocabularyPiece(f"<extra_id_{number}>", 0.0, CONTROL) for number in reversed(range(count)))]
    return pieces


def _frame(backend: Backend, class_name: str | None, config: dict[str, Any], path: Path) -> None:
    """Let the backend put start and end ids around a text, as the class does or the configuration says."""
    bos, eos = str(config.get("bos_token", "<s>")), str(config.get("eos_token", "</s>"))
    framed = class_name == "XLMRobertaTokenizer"
    llama = str(config.get("tokenizer_class") or "").startswith("LlamaTokenizer")
    starts = framed or config.get("add_bos_token", llama)
    ends = framed or class_name in ("T5Tokenizer", "MT5Tokenizer") or config.get("add_eos_token", False)
    first, last = [bos] if starts else [], [eos] if ends else []
    for token in (*first, *last):
        if backend.token_to_id(token) is None:
            raise ModelError(
                f"{path} has no piece {token!r}, which {class_name or config.get('tokenizer_class') or 'its folder'} "
                f"puts around texts; name the file's own in tokenizer_config.json (bos_token, eos_token)"
            )
    single = [*first, "$A", *last]
    backend.post_processor = processors.TemplateProcessing(
        single=single,
        pair=[*single, *(last if framed else first), "$B", *last],
        special_tokens=[(token, backend.token_to_id(token)) for token in first + last],
    )


def make_merging(
    tokens: Sequence[str], scores: Sequence[float], unknown: str | None, byte_fallback: bool
) -> models.BPE:
    """Return SentencePiece's BPE: pairs merge by the score of the token that they make."""
    vocabulary = {token: number for number, token in enumerate(tokens)}
    ranked = []
    for token, score in zip(tokens, scores, strict=True):
        pairs = [(token[:cut], token[cut:]) for cut in range(1, len(token))]
        pairs = [pair for pair in pairs if pair[0] in vocabulary and pair[1] in vocabulary]
        ranked += [(-score, vocabulary[left], vocabulary[right], left, right) for left, right in pairs]
    merges = [(left, right) for *_, left, right in sorted(ranked)]
    return models.BPE(vocabulary, merges, unk_token=unknown, fuse_unk=True, byte_fallback=byte_fallback)


def put_spaces(backend: Backend, add_space: bool, normalisation: bytes = b"", merge_spaces: bool = False) -> None:
    """Give a backend SentencePiece's way with spaces, which are pieces' first letters, and with bytes as tokens."""
    steps: list[Any] = [normalizers.Precompiled(normalisation)] if normalisation else []
    steps += [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")] if merge_spaces else []
    ends: list[Any] = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    if add_space:
        steps.append(normalizers.Prepend(SPACE))
        ends.append(decoders.Strip(" ", 1, 0))
    backend.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", SPACE)])
    backend.decoder = decoders.Sequence(ends)


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the number and value of each field of a message: int, or bytes for what has a length or is a float."""
    place = 0
    while place < len(data):
        key, place = _number(data, place)
        kind = key & 7
        if kind == 0:
            value, place = _number(data, place)
            yield key >> 3, value
            continue
        size = {1: 8, 5: 4}.get(kind)
        if kind == 2:
            size, place = _number(data, place)
        if size is None or place + size > len(data):
            raise ValueError(f"it is not a protocol buffer (byte {place})")
        yield key >> 3, data[place : place + size]
        place += size


def _number(data: bytes, place: int) -> tuple[int, int]:
    """Return a number of variable length at `place`, and the place behind it."""
    value = shift = 0
    while place < len(data):
        byte = data[place]
        value, shift, place = value | (byte & 127) << shift, shift + 7, place + 1
        if byte < 128:
            return value, place
    raise ValueError("it ends inside a number")
