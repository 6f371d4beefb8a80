"""Show tokens as readable text: a byte-level tokenizer may split a Chinese character into parts, which are numbered."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from tokenizers.pre_tokenizers import ByteLevel

from massivetext.tokens.tokenizer import Tokenizer

SIGNS = str.maketrans({" ": "␣", "\n": "↵", "\t": "⇥", "\r": "␍"})
LONGEST_CHARACTER = 4  # bytes of UTF-8


class TextPiece(NamedTuple):
    """One token of a text.

    text: the text of the token. If several tokens form one character, each of them has the text of that character and
    its number `part`, 1 to `parts`. special: whether it is a control token, such as [CLS].
    """

    id: int
    text: str
    part: int = 1
    parts: int = 1
    special: bool = False

    @property
    def label(self) -> str:
        """Return the label of a row or column, with visible white space and "京 1/2" for a part of a character."""
        shown = self.text.translate(SIGNS)
        return shown if self.parts == 1 else f"{shown} {self.part}/{self.parts}"


def pieces_of(tokenizer: Tokenizer, ids: Sequence[int]) -> list[TextPiece]:
    """Return the tokens of a text in order; all tokens that form one character have its text."""
    special, raw_bytes = set(tokenizer.all_special_ids), bytes_of(tokenizer)
    found: list[TextPiece] = []
    waiting: list[int] = []
    raw = b""

    def close() -> None:
        nonlocal raw
        text = raw.decode("utf-8", "replace")
        found.extend(TextPiece(number, text, part, len(waiting)) for part, number in enumerate(waiting, 1))
        waiting.clear()
        raw = b""

    for number in map(int, ids):
        if number in special:
            close()
            found.append(TextPiece(number, str(tokenizer.convert_ids_to_tokens(number)), special=True))
            continue
        waiting.append(number)
        raw += raw_bytes(number)
        if not unfinished(raw):
            close()
    close()
    return found


def token_labels(tokenizer: Tokenizer, ids: Iterable[int]) -> dict[int, str]:
    """Return the labels of single tokens by id; bytes that do not form whole characters are written as "‹E4 BA›"."""
    special, raw_bytes = set(tokenizer.all_special_ids), bytes_of(tokenizer)
    found = {}
    for number in set(ids):
        raw = raw_bytes(number)
        try:
            text = raw.decode("utf-8")
            found[number] = text if number in special else text.translate(SIGNS)
        except UnicodeDecodeError:
            found[number] = f"‹{raw.hex(' ').upper()}›"
    return found


def unfinished(raw: bytes) -> bool:
    """Return whether bytes end inside a character that more bytes could complete."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data" and len(raw) - error.start < LONGEST_CHARACTER
    return False


def bytes_of(tokenizer: Tokenizer) -> Callable[[int], bytes]:
    """Return a function from a token's id to its UTF-8 bytes, as far as the tokenizer defines them."""
    decoder = tokenizer.backend.decoder
    kinds = set() if decoder is None else _kinds(json.loads(decoder.__getstate__()))
    added = set(tokenizer.backend.get_added_tokens_decoder())
    letters = byte_letters()

    def raw(number: int) -> bytes:
        token = tokenizer.backend.id_to_token(number)
        if token is None:  # a model's embedding may have more rows than the tokenizer has tokens
            return f"[{number}]".encode()
        if number in added:
            return token.encode()
        if "ByteLevel" in kinds:
            return bytes(letters[letter] for letter in token if letter in letters)
        if "ByteFallback" in kinds and len(token) == 6 and token.startswith("<0x"):
            return bytes([int(token[3:5], 16)])
        return token.replace("▁", " ").encode()

    return raw


def byte_letters() -> dict[str, int]:
    """Return the byte that each letter of the byte-level alphabet represents.

    GPT-2's rule: printable Latin-1 bytes represent themselves; the other 68 bytes are the letters from U+0100 on.
    """
    alphabet = set(ByteLevel.alphabet())
    plain = {chr(byte): byte for byte in range(256) if chr(byte) in alphabet}
    others = (byte for byte in range(256) if byte not in plain.values())
    return plain | {chr(256 + place): byte for place, byte in enumerate(others)}


def _kinds(decoder: dict[str, Any]) -> set[str]:
    """Return the types of all steps of a decoder, given as in tokenizer.json."""
    return {str(decoder.get("type"))}.union(*map(_kinds, decoder.get("decoders", [])))
