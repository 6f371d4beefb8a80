"""Tokenizers as Hugging Face users know them, on the `tokenizers` library; opened by `AutoTokenizer`."""

import json
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer as Backend
from tokenizers.models import BPE

from massivetext.errors import ConfigError, DataError, unknown_name
from massivetext.hugging_face import checked_options
from massivetext.progress import log
from massivetext.storage import value_digest
from massivetext.tokens import encodings
from massivetext.tokens.conversations import FURTHER, Conversations
from massivetext.tokens.encodings import BatchEncoding
from massivetext.tokens.fast import FastEncoder, make_fast_encoder, plain_json
from massivetext.tokens.folder import read_folder, write_folder
from massivetext.tokens.framing import Framing
from massivetext.tokens.guarding import panics_told
from massivetext.tokens.inputs import list_texts, list_words, split_pairs
from massivetext.tokens.retraining import retrain
from massivetext.tokens.special import OTHER_SPECIALS, SPECIAL_NAMES
from massivetext.translations import tr

if TYPE_CHECKING:
    import pyarrow as pa

NO_LENGTH_LIMIT = int(1e30)  # Hugging Face's number for "the tokenizer knows no limit"
ON_DEMAND = ("_fast", "_ordinary", "_cutter", "_splitter")
TRUNCATIONS = ("longest_first", "only_first", "only_second")
COLUMNS = ("input_ids", "attention_mask", "token_type_ids", "special_tokens_mask", "offset_mapping", "length")


class Tokenizer(Conversations, Framing):
    """Text to ids and back. Behaves as Hugging Face's: special tokens in a text given to a call become control ids.

    `encode_ordinary`, `encode_flat` and `apply_chat_template` treat special tokens that occur in users' text as text.
    """

    def __init__(self, backend: Backend, config: Mapping[str, Any] | None = None, name: str = "") -> None:
        values = dict(config or {})
        backend.no_padding()
        backend.no_truncation()
        super().__init__(backend, {key: values[key] for key in SPECIAL_NAMES if values.get(key) is not None}, name)
        self.chat_template: str | None = values.get("chat_template")
        self.clean_up_tokenization_spaces = bool(values.get("clean_up_tokenization_spaces", False))
        self.named_templates: dict[str, str] = dict(values.get("named_templates") or {})
        self.padding_side: str = values.get("padding_side", "right")
        self.truncation_side: str = values.get("truncation_side", "right")
        self.model_max_length: int = int(values.get("model_max_length") or NO_LENGTH_LIMIT)
        self.model_input_names: list[str] = values.get("model_input_names") or ["input_ids", "attention_mask"]

    def tokenize(
        self, text: str, pair: str | None = None, add_special_tokens: bool = False, **options: Any
    ) -> list[str]:
        """Return the tokens of a text, or of a pair; options as for a call."""
        return self(text, pair, add_special_tokens=add_special_tokens, **options).tokens()

    def __call__(
        self,
        text: Any = None,
        text_pair: Any = None,
        text_target: Any = None,
        text_pair_target: Any = None,
        add_special_tokens: bool = True,
        padding: bool | str = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        stride: int = 0,
        is_split_into_words: bool = False,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_tensors: str | None = None,
        return_token_type_ids: bool | None = None,
        return_attention_mask: bool | None = None,
        return_overflowing_tokens: bool = False,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False,
        return_length: bool = False,
        split_special_tokens: bool = False,
        **options: Any,
    ) -> BatchEncoding:
        """Return input_ids, attention_mask and what else is asked for, as Hugging Face does (its names and meanings).

        text: one text (columns are flat lists) or several (lists of lists); several may be (text, text) pairs.
        text_target: texts to be written; their ids become the column labels, or all there is without `text`. padding:
        True or "longest", "max_length". truncation: True or "longest_first", "only_first", "only_second", to max_length
        or the tokenizer's own limit. return_tensors: "pt" or "np" gives (rows, tokens) tensors of int64, for one text
        too. return_overflowing_tokens: what truncation cuts off becomes further rows, each repeating `stride` ids of
        the one before; the column overflow_to_sample_mapping says which text a row is of. is_split_into_words: each
        text is a list of words. split_special_tokens: special tokens inside the texts are text.
        """
        if options:
            checked_options("tokenizer", options, CALL_ARGUMENTS)
        if text is None or text_target is not None:
            given = {name: value for name, value in locals().items() if name in CALL_ARGUMENTS[4:]}
            return self._with_targets(text, text_pair, text_target, text_pair_target, given)
        single = isinstance(text, str) or (is_split_into_words and len(text) > 0 and isinstance(text[0], str))
        if text_pair is None and not is_split_into_words:
            text, text_pair = split_pairs(text)
        read = list_words if is_split_into_words else list_texts
        texts, pairs = read(text, "text"), None if text_pair is None else read(text_pair, "text_pair")
        if pairs is not None and len(pairs) != len(texts):
            raise DataError(f"text has {len(texts)} entries and text_pair {len(pairs)}; give as many of both")
        limit = self._limit(truncation, max_length)
        cut = truncation if limit else None
        rows = self._encodings(texts, pairs, add_special_tokens, cut, limit, stride, split_special_tokens)
        origins = list(range(len(rows)))
        if return_overflowing_tokens:
            origins = [number for number, row in enumerate(rows) for _ in range(1 + len(row.overflowing))]
            rows = [part for row in rows for part in (row, *row.overflowing)]
        length = encodings.padded_length(
            [len(row) for row in rows], padding, max_length or self._known_limit(), pad_to_multiple_of
        )
        if length:
            self._pad_rows(rows, length, padding_side or self.padding_side)
        wanted = {
            "input_ids": True,
            "attention_mask": return_attention_mask,
            "token_type_ids": return_token_type_ids,
            "special_tokens_mask": return_special_tokens_mask,
            "offset_mapping": return_offsets_mapping,
            "length": return_length,
        }
        names = [name for name in COLUMNS if (name in self.model_input_names if wanted[name] is None else wanted[name])]
        columns = {name: [encodings.column(row, name) for row in rows] for name in names}
        if return_overflowing_tokens:
            columns["overflow_to_sample_mapping"] = origins
        tensors = encodings.as_tensors(columns, return_tensors)
        if single and return_tensors is None and not return_overflowing_tokens:
            tensors = {name: column[0] for name, column in tensors.items()}
        return BatchEncoding(tensors, rows)

    def _with_targets(
        self, text: Any, pair: Any, target: Any, target_pair: Any, given: dict[str, Any]
    ) -> BatchEncoding:
        """Return the columns of a text with the ids of its target as labels; of the target alone without a text."""
        if target is None:
            raise DataError("text is None; give one str or a list of str, or text_target")
        targets = self(target, target_pair, **given)
        if text is None:
            return targets
        found = self(text, pair, **given)
        found["labels"] = targets["input_ids"]
        return found

    def encode(self, text: Any, text_pair: Any = None, add_special_tokens: bool = True, **options: Any) -> Any:
        """Return the ids of a text as a list, or a (1, tokens) tensor with return_tensors; options as for a call."""
        return self(text, text_pair, add_special_tokens=add_special_tokens, **options)["input_ids"]

    def encode_plus(self, text: Any, text_pair: Any = None, **options: Any) -> BatchEncoding:
        """Do as a call does (the older name for one text)."""
        return self(text, text_pair, **options)

    def batch_encode_plus(self, batch_text_or_text_pairs: Any, **options: Any) -> BatchEncoding:
        """Do as a call does (the older name for several texts)."""
        return self(batch_text_or_text_pairs, **options)

    def encode_ordinary(self, text: str) -> list[int]:
        """Return the ids of a text in which nothing is special: no control ids are added or recognised."""
        return self.encode_ordinary_batch([text])[0]

    @panics_told("encoding texts")
    def encode_ordinary_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text, as `encode_ordinary` does, by the reference encoder (`tokenizers`)."""
        return [
            row.ids for row in self._ordinary.encode_batch_fast(list_texts(texts, "text"), add_special_tokens=False)
        ]

    def encode_flat(self, array: "pa.Array | pa.ChunkedArray") -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Return the ids of all texts of an Arrow string array in one array, and the (texts + 1,) bounds of each text.

        The same ids as `encode_ordinary`, by fastokens where that was shown to agree (see `encoder_name`).
        """
        if array.null_count:
            raise DataError(
                f"{array.null_count} of {len(array)} texts are null; drop these documents or give them text"
            )
        texts = array.to_pylist()
        if isinstance(self._fast, FastEncoder):
            return self._fast.encode(texts)
        rows = [np.asarray(ids, dtype=np.uint32) for ids in self.encode_ordinary_batch(texts)]
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)]).astype(np.int64)
        return np.concatenate(rows) if rows else np.empty(0, np.uint32), offsets

    @property
    def encoder_name(self) -> str:
        """Return which encoder `encode_flat` uses: "fastokens", or "tokenizers" and the reason."""
        return "fastokens" if isinstance(self._fast, FastEncoder) else f"tokenizers ({self._fast})"

    def check_encoding(self, array: "pa.Array | pa.ChunkedArray", characters: int) -> None:
        """Raise ConfigError unless a sample of the texts comes back from its ids, and both encoders agree on it.

        characters: size of the sample, taken in pieces evenly over the texts. A fast encoder that disagrees is not
        used from then on, which the log says.
        """
        import pyarrow as pa

        piece = 2048
        count = min(max(characters // piece, 1), len(array))
        texts = [array[index * len(array) // count].as_py()[:piece] for index in range(count)]
        rows = self.encode_ordinary_batch(texts)
        for text, back in zip(texts, self.backend.decode_batch(rows, skip_special_tokens=False), strict=True):
            if back != text:
                raise ConfigError(encodings.not_reversible(text, back, self.name_or_path))
        ids, offsets = self.encode_flat(pa.array(texts, pa.large_string()))
        same = all(ids[offsets[row] : offsets[row + 1]].tolist() == expected for row, expected in enumerate(rows))
        if not same:
            self.__dict__["_fast"] = "fastokens gave other ids on a sample of the documents"
            log(tr("encoding with {encoder}", encoder=self.encoder_name))

    @cached_property
    def _ordinary(self) -> Backend:
        """The backend once more, set to see special tokens as text and to add nothing."""
        backend = Backend.from_str(plain_json(self.backend.to_str()))
        backend.encode_special_tokens = True
        return backend

    @cached_property
    def _fast(self) -> FastEncoder | str:
        """The fast encoder, or the reason why there is none."""
        return make_fast_encoder(self.backend.to_str(), self.encode_ordinary_batch)

    @panics_told("encoding texts")
    def _encodings(
        self,
        texts: list[Any],
        pairs: list[Any] | None,
        add_special: bool,
        truncation: Any,
        limit: int,
        stride: int = 0,
        split_special: bool = False,
    ) -> list[Any]:
        """Return the backend's encodings, cut to `limit` ids where `truncation` is given, special tokens added."""
        words = bool(texts) and not isinstance(texts[0], str)
        inputs: list[Any] = texts if pairs is None else list(zip(texts, pairs, strict=True))
        options = {"is_pretokenized": words, "add_special_tokens": add_special}
        if not truncation:
            return list((self._splitter if split_special else self.backend).encode_batch(inputs, **options))
        added = self.backend.num_special_tokens_to_add(pairs is not None) if add_special else 0
        how = encodings.cut(truncation, limit, added, stride, self.truncation_side)
        lock, backend = self._cutter
        try:
            with lock:  # how to cut is a state of the backend, and calls come from several threads
                backend.enable_truncation(**how)
                backend.encode_special_tokens = split_special
                return list(backend.encode_batch(inputs, **options))
        except Exception as error:
            raise DataError(
                f"truncation={truncation!r} cannot make the texts fit into max_length {limit} ({error}); use "
                f"truncation='longest_first' or a larger max_length"
            ) from None

    @cached_property
    def _cutter(self) -> tuple[Any, Backend]:
        """The backend once more, to cut texts with, and the lock that goes with it."""
        return threading.Lock(), Backend.from_str(self.backend.to_str())

    @cached_property
    def _splitter(self) -> Backend:
        """The backend once more, to see special tokens inside texts as text."""
        backend = Backend.from_str(self.backend.to_str())
        backend.encode_special_tokens = True
        return backend

    def _known_limit(self) -> int | None:
        """Return the tokenizer's own length limit, None if it knows none."""
        return self.model_max_length if self.model_max_length < NO_LENGTH_LIMIT // 2 else None

    def _limit(self, truncation: bool | str | None, max_length: int | None) -> int:
        """Return the number of ids to cut to, 0 for no cut."""
        if truncation in (None, False, "do_not_truncate"):
            return 0
        if truncation is not True and truncation not in TRUNCATIONS:
            raise ConfigError(unknown_name("truncation", str(truncation), ("True", "False", *TRUNCATIONS)))
        limit = max_length if max_length is not None else self._known_limit()
        if limit is None:
            log(tr("truncation is on, but neither max_length nor model_max_length is set: nothing is cut"))
            return 0
        return limit

    def _pad_rows(self, rows: list[Any], length: int, side: str) -> None:
        """Pad the encodings in place."""
        pad_id, pad_token = self._padding()
        for row in rows:
            row.pad(length, direction=encodings.check_side(side), pad_id=pad_id, pad_token=pad_token)

    def _padding(self) -> tuple[int, str]:
        """Return the padding id and token; raise ConfigError if there is none."""
        if "pad_token" not in self.specials:
            raise ConfigError(
                "padding is asked for, but the tokenizer has no pad_token; set tokenizer.pad_token = "
                "tokenizer.eos_token, or add one with tokenizer.add_special_tokens({'pad_token': '[PAD]'})"
            )
        token = self.specials["pad_token"]
        return self._require(token, "pad_token"), token

    def pad(
        self,
        encoded_inputs: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        padding: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: str | None = None,
        verbose: bool = True,
    ) -> BatchEncoding:
        """Return rows that were encoded before (a mapping of columns, or a list of rows), filled up to one length."""
        if not isinstance(encoded_inputs, Mapping):
            names = encoded_inputs[0].keys() if encoded_inputs else ()
            encoded_inputs = {name: [row[name] for row in encoded_inputs] for name in names}
        if "input_ids" not in encoded_inputs:
            raise DataError(unknown_name("column to pad:", "input_ids", encoded_inputs))
        single = bool(len(encoded_inputs["input_ids"])) and not hasattr(encoded_inputs["input_ids"][0], "__len__")
        columns = {name: [value] if single else value for name, value in encoded_inputs.items()}
        lengths = [len(row) for row in columns["input_ids"]]
        length = encodings.padded_length(lengths, padding, max_length or self._known_limit(), pad_to_multiple_of)
        pad_id = self._padding()[0] if any(size < length for size in lengths) else 0
        mask = "attention_mask" in self.model_input_names if return_attention_mask is None else return_attention_mask
        padded = encodings.pad_columns(columns, length, pad_id, padding_side or self.padding_side, mask)
        if single and return_tensors is None:
            return BatchEncoding({name: column[0] for name, column in padded.items()})
        return BatchEncoding(encodings.as_tensors(padded, return_tensors))

    @panics_told("decoding ids")
    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **options: Any,
    ) -> Any:
        """Return the text of ids (a number, list, array or tensor); a list of texts for several rows.

        clean_up_tokenization_spaces: take away the spaces that WordPiece puts before punctuation; None: as the folder
        says. Byte-level tokenizers have no such spaces, and nothing is taken away.
        """
        checked_options("tokenizer.decode", options, ("skip_special_tokens", "clean_up_tokenization_spaces"))
        ids = encodings.as_list(token_ids["input_ids"] if isinstance(token_ids, Mapping) else token_ids)
        if isinstance(ids, int):
            ids = [ids]
        if len(ids) and not isinstance(ids[0], int):
            return self.batch_decode(ids, skip_special_tokens, clean_up_tokenization_spaces)
        text = self.backend.decode(list(ids), skip_special_tokens=skip_special_tokens)
        return self._cleaned(text, clean_up_tokenization_spaces)

    def batch_decode(
        self,
        sequences: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **options: Any,
    ) -> list[str]:
        """Return the text of each row of ids; see `decode`."""
        checked_options("tokenizer.decode", options, ("skip_special_tokens", "clean_up_tokenization_spaces"))
        sequences = sequences["input_ids"] if isinstance(sequences, Mapping) else sequences
        rows = [encodings.as_list(row) for row in encodings.as_list(sequences)]
        rows = [[row] if isinstance(row, int) else list(row) for row in rows]
        texts = self.backend.decode_batch(rows, skip_special_tokens=skip_special_tokens)
        return [self._cleaned(text, clean_up_tokenization_spaces) for text in texts]

    def _cleaned(self, text: str, wanted: bool | None) -> str:
        """Return a decoded text without spaces before punctuation, where that is wanted."""
        wanted = self.clean_up_tokenization_spaces if wanted is None else wanted
        return self.clean_up_tokenization(text) if wanted and not isinstance(self.backend.model, BPE) else text

    @staticmethod
    def clean_up_tokenization(text: str) -> str:
        """Return an English text without spaces before punctuation and short forms ("do n't")."""
        for short in (".", "?", "!", ","):
            text = text.replace(f" {short}", short)
        text = text.replace(" ' ", "'")
        for short in ("n't", "'m", "'s", "'ve", "'re"):
            text = text.replace(f" {short}", short)
        return text

    def _ordinary_encoding(self, text: str) -> Any:
        """Return the backend's encoding (ids, offsets) of a text in which nothing is special."""
        return self._ordinary.encode(text, add_special_tokens=False)

    def _finished(self, rows: list[dict[str, list[int]]], options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the columns of rows that were encoded, cut and padded as `options` of a call say."""
        given = checked_options("tokenizer", options, FURTHER, "tokenizer_kwargs")
        limit = self._limit(given.pop("truncation", None), given.get("max_length"))
        if limit:
            part = slice(None, limit) if encodings.check_side(self.truncation_side) == "right" else slice(-limit, None)
            rows = [{name: row[part] for name, row in columns.items()} for columns in rows]
        kinds = {"token_type_ids": 0} if "token_type_ids" in self.model_input_names else {}
        columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
        columns |= {name: [[value] * len(row) for row in columns["input_ids"]] for name, value in kinds.items()}
        if given.pop("return_attention_mask", None) is False or "attention_mask" not in self.model_input_names:
            del columns["attention_mask"]
        padded = self.pad(columns, **given, return_attention_mask="attention_mask" in columns)
        return dict(padded)

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of all that decides which ids a text gets: vocabulary, rules, special tokens, chat template."""
        rules = {**json.loads(self.backend.to_str()), "padding": None, "truncation": None}
        return value_digest({"rules": rules, "specials": self.specials, "chat_template": self.chat_template})

    is_fast = True

    @property
    def backend_tokenizer(self) -> Backend:
        """The object of the `tokenizers` library."""
        return self.backend

    @property
    def _tokenizer(self) -> Backend:
        return self.backend

    @property
    def init_kwargs(self) -> dict[str, Any]:
        """What a tokenizer_config.json says of this tokenizer."""
        return self._configuration()

    def save_vocabulary(self, save_directory: str | Path, filename_prefix: str | None = None) -> tuple[str, ...]:
        """Write the vocabulary in its kind's own files (vocab.json, merges.txt, vocab.txt, ...); return the paths."""
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        return tuple(self.backend.model.save(str(folder), filename_prefix))

    def train_new_from_iterator(
        self,
        text_iterator: Any,
        vocab_size: int,
        length: int | None = None,
        new_special_tokens: Sequence[Any] | None = None,
        special_tokens_map: Mapping[str, str] | None = None,
        **options: Any,
    ) -> "Tokenizer":
        """Return a tokenizer with the same rules and special tokens, its vocabulary learned from texts.

        text_iterator: texts, or lists of texts. length: not needed. special_tokens_map: new names of special tokens.
        options: of the `tokenizers` library's trainer. `train_tokenizer` learns one with other rules.
        """
        names = dict(special_tokens_map or {})
        backend = retrain(self.backend, text_iterator, vocab_size, new_special_tokens or (), names, **options)
        specials = {name: names.get(token, token) for name, token in self.specials.items()}
        config = {**self._configuration(), **specials, "chat_template": self.chat_template}
        return Tokenizer(backend, {**config, "named_templates": self.named_templates})

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> tuple[str, ...]:
        """Write tokenizer.json, tokenizer_config.json and chat_template.jinja (if any); return their paths.

        `transformers.AutoTokenizer.from_pretrained` opens the folder and gives the same ids.
        """
        checked_options("tokenizer.save_pretrained", options, ("save_directory",))
        folder, config = Path(save_directory), self._configuration()
        return write_folder(folder, self.backend, config, self.chat_template, self.named_templates)

    def _configuration(self) -> dict[str, Any]:
        """Return the content of tokenizer_config.json."""
        return {
            **self.specials,
            "clean_up_tokenization_spaces": self.clean_up_tokenization_spaces,
            "model_input_names": self.model_input_names,
            "model_max_length": self.model_max_length,
            "padding_side": self.padding_side,
            "tokenizer_class": "PreTrainedTokenizerFast",
            "truncation_side": self.truncation_side,
        }

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the encoders made on demand, for pickling and copying."""
        return {key: value for key, value in self.__dict__.items() if key not in ON_DEMAND}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over a state as it is."""
        self.__dict__.update(state)


CALL_ARGUMENTS = tuple(name for name in signature(Tokenizer.__call__).parameters if name not in ("self", "options"))


class AutoTokenizer:
    """Opens tokenizers by name or folder; the folder says of which kind they are."""

    @classmethod
    def from_pretrained(cls, name: str | Path, *arguments: Any, **settings: Any) -> Tokenizer:
        """Return the tokenizer of a folder or GGUF file, a name under $MASSIVETEXT_MODELS, or a Hugging Face name.

        settings: padding_side, truncation_side, model_max_length, or special tokens, in place of the folder's.
        """
        from massivetext.hub import find_folder
        from massivetext.tokens.gguf_file import read_tokenizer

        allowed = (
            *SPECIAL_NAMES,
            *OTHER_SPECIALS,
            "padding_side",
            "truncation_side",
            "model_max_length",
            "chat_template",
        )
        settings = checked_options("tokenizer.from_pretrained", settings, allowed, f"{cls.__name__}.from_pretrained")
        if arguments:
            raise ConfigError(f"{cls.__name__}.from_pretrained takes one name; pass everything else by its own name")
        more = {key: settings.pop(key) for key in OTHER_SPECIALS if key in settings}
        named = {
            key: str(value) if key in SPECIAL_NAMES and value is not None else value for key, value in settings.items()
        }
        found = find_folder(name)
        backend, config = read_tokenizer(found) if found.suffix == ".gguf" else read_folder(found, cls._class_name())
        config = {**config, **named}
        given = [token for key, token in named.items() if key in SPECIAL_NAMES and token is not None]
        backend.add_special_tokens([token for token in given if backend.token_to_id(token) is None])
        tokenizer = Tokenizer(backend, config, str(name))
        if more:
            tokenizer.add_special_tokens(more)
        return tokenizer

    @classmethod
    def _class_name(cls) -> str | None:
        """Return which of the published classes this is; None: the folder says it."""
        return None
