"""Tokens as people read them: a byte-level tokenizer cuts Chinese characters into parts, which are shown as such."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from tokenizers.pre_tokenizers import ByteLevel

from massivetext.tokens.tokenizer import Tokenizer

SIGNS = str.maketrans({" ": "␣", "\n": "↵", "\t": "⇥", "\r": "␍"})
LONGEST_CHARACTER = 4  # bytes of UTF-8


class TextPiece(NamedTuple):
    """One token of a text.

    text: what it stands for. Where several tokens make up a character, all of them have the text of the whole and say
    which part they are, part 1 to parts. special: whether it is a control token, such as [CLS].
    """

    id: int
    text: str
    part: int = 1
    parts: int = 1
    special: bool = False

    @property
    def label(self) -> str:
        """What to write beside a row or column: white space made visible, "京 1/2" for a part of a character."""
        shown = self.text.translate(SIGNS)
        return shown if self.parts == 1 else f"{shown} {self.part}/{self.parts}"


def pieces_of(tokenizer: Tokenizer, ids: Sequence[int]) -> list[TextPiece]:
    """Return the tokens of a text, in order; tokens that make up a character together have its text."""
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
    """Return what to write for tokens on their own, by id; bytes that are no whole characters as "‹E4 BA›"."""
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
    """Return whether bytes end inside a character, which more of them could complete."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data" and len(raw) - error.start < LONGEST_CHARACTER
    return False


def bytes_of(tokenizer: Tokenizer) -> Callable[[int], bytes]:
    """Return the function that gives the UTF-8 bytes that a token (by its id) stands for, as far as it says them."""
    decoder = tokenizer.backend.decoder
    kinds = set() if decoder is None else _kinds(json.loads(decoder.__getstate__()))
    added = set(tokenizer.backend.get_added_tokens_decoder())
    letters = byte_letters()

    def raw(number: int) -> bytes:
        token = tokenizer.backend.id_to_token(number)
        if token is None:  # models may have more rows in their embedding than the tokenizer has tokens
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
    """Return the byte that each letter of the byte-level alphabet stands for.

    GPT-2's rule: printable Latin-1 bytes are themselves, the other 68 are the letters from U+0100 on, in order.
    """
    alphabet = set(ByteLevel.alphabet())
    plain = {chr(byte): byte for byte in range(256) if chr(byte) in alphabet}
    others = (byte for byte in range(256) if byte not in plain.values())
    return plain | {chr(256 + place): byte for place, byte in enumerate(others)}


def _kinds(decoder: dict[str, Any]) -> set[str]:
    """Return the names of all steps of a decoder, as tokenizer.json has it."""
    return {str(decoder.get("type"))}.union(*map(_kinds, decoder.get("decoders", [])))
