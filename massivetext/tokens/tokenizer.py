"""Tokenizers as Hugging Face users know them, on the `tokenizers` library; opened by `AutoTokenizer`."""

import json
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer as Backend

from massivetext.errors import ConfigError, DataError, unknown_name
from massivetext.progress import log
from massivetext.storage import value_digest
from massivetext.tokens import chat, encodings
from massivetext.tokens.encodings import BatchEncoding
from massivetext.tokens.fast import FastEncoder, make_fast_encoder, plain_json
from massivetext.tokens.folder import read_folder, write_folder
from massivetext.tokens.guarding import panics_told
from massivetext.tokens.inputs import listed, listed_words
from massivetext.tokens.special import SPECIAL_NAMES, Vocabulary
from massivetext.translations import tr

if TYPE_CHECKING:
    import pyarrow as pa

NO_LENGTH_LIMIT = int(1e30)  # Hugging Face's number for "the tokenizer knows no limit"
TRUNCATIONS = ("longest_first", "only_first", "only_second")
COLUMNS = ("input_ids", "attention_mask", "token_type_ids", "special_tokens_mask", "offset_mapping", "length")


class Tokenizer(Vocabulary):
    """Text to ids and back. Behaves as Hugging Face's: special tokens in a text given to a call become control ids.

    `encode_ordinary`, `encode_flat` and `apply_chat_template` treat special tokens that occur in users' text as text.
    """

    def __init__(self, backend: Backend, config: Mapping[str, Any] | None = None, name: str = "") -> None:
        values = dict(config or {})
        backend.no_padding()
        backend.no_truncation()
        super().__init__(backend, {key: values[key] for key in SPECIAL_NAMES if values.get(key) is not None}, name)
        self.chat_template: str | None = values.get("chat_template")
        self.padding_side: str = values.get("padding_side", "right")
        self.truncation_side: str = values.get("truncation_side", "right")
        self.model_max_length: int = int(values.get("model_max_length") or NO_LENGTH_LIMIT)
        self.model_input_names: list[str] = values.get("model_input_names") or ["input_ids", "attention_mask"]

    def tokenize(self, text: str, add_special_tokens: bool = False) -> list[str]:
        """Return the tokens of a text."""
        return list(self._encodings([text], None, add_special_tokens, None, 0)[0].tokens)

    def __call__(
        self,
        text: str | Sequence[str],
        text_pair: str | Sequence[str] | None = None,
        add_special_tokens: bool = True,
        padding: bool | str = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_tensors: str | None = None,
        return_token_type_ids: bool | None = None,
        return_attention_mask: bool | None = None,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False,
        return_length: bool = False,
        stride: int = 0,
        return_overflowing_tokens: bool = False,
        is_split_into_words: bool = False,
    ) -> BatchEncoding:
        """Return input_ids, attention_mask and what else is asked for, as Hugging Face does (its names and meanings).

        text: one text (columns are flat lists) or several (lists of lists). padding: True or "longest", "max_length".
        truncation: True or "longest_first", "only_first", "only_second", to max_length or the tokenizer's own limit.
        return_tensors: "pt" or "np" gives (rows, tokens) tensors of int64, for one text too. return_overflowing_tokens:
        what truncation cuts off becomes further rows, each repeating `stride` ids of the one before; the column
        overflow_to_sample_mapping says which text a row is of. is_split_into_words: each text is a list of words.
        """
        single = isinstance(text, str) or (is_split_into_words and bool(text) and isinstance(text[0], str))
        read = listed_words if is_split_into_words else listed
        texts, pairs = read(text, "text"), None if text_pair is None else read(text_pair, "text_pair")
        if pairs is not None and len(pairs) != len(texts):
            raise DataError(f"text has {len(texts)} entries and text_pair {len(pairs)}; give as many of both")
        limit = self._limit(truncation, max_length)
        rows = self._encodings(texts, pairs, add_special_tokens, truncation if limit else None, limit, stride)
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

    def encode(self, text: str, text_pair: str | None = None, add_special_tokens: bool = True, **options: Any) -> Any:
        """Return the ids of a text as a list, or a (1, tokens) tensor with return_tensors; options as for a call."""
        return self(text, text_pair, add_special_tokens=add_special_tokens, **options)["input_ids"]

    def encode_ordinary(self, text: str) -> list[int]:
        """Return the ids of a text in which nothing is special: no control ids are added or recognised."""
        return self.encode_ordinary_batch([text])[0]

    @panics_told("encoding texts")
    def encode_ordinary_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text, as `encode_ordinary` does, by the reference encoder (`tokenizers`)."""
        return [row.ids for row in self._ordinary.encode_batch_fast(listed(texts, "text"), add_special_tokens=False)]

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
    ) -> list[Any]:
        """Return the backend's encodings, cut to `limit` ids where `truncation` is given, special tokens added."""
        words = bool(texts) and not isinstance(texts[0], str)
        inputs: list[Any] = texts if pairs is None else list(zip(texts, pairs, strict=True))
        options = {"is_pretokenized": words, "add_special_tokens": add_special}
        if not truncation:
            return list(self.backend.encode_batch(inputs, **options))
        added = self.backend.num_special_tokens_to_add(pairs is not None) if add_special else 0
        how = encodings.cut(truncation, limit, added, stride, self.truncation_side)
        lock, backend = self._cutter
        try:
            with lock:  # how to cut is a state of the backend, and calls come from several threads
                backend.enable_truncation(**how)
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
            row.pad(length, direction=encodings.checked_side(side), pad_id=pad_id, pad_token=pad_token)

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
    def decode(self, token_ids: Any, skip_special_tokens: bool = False) -> Any:
        """Return the text of ids (a number, list, array or tensor); a list of texts for several rows."""
        ids = encodings.as_list(token_ids)
        if isinstance(ids, int):
            ids = [ids]
        if len(ids) and not isinstance(ids[0], int):
            return self.batch_decode(ids, skip_special_tokens)
        return self.backend.decode(list(ids), skip_special_tokens=skip_special_tokens)

    def batch_decode(self, sequences: Any, skip_special_tokens: bool = False) -> list[str]:
        """Return the text of each row of ids."""
        rows = [encodings.as_list(row) for row in encodings.as_list(sequences)]
        rows = [[row] if isinstance(row, int) else list(row) for row in rows]
        return list(self.backend.decode_batch(rows, skip_special_tokens=skip_special_tokens))

    def apply_chat_template(
        self,
        conversation: Sequence[Mapping[str, Any]],
        tools: Sequence[Any] | None = None,
        chat_template: str | None = None,
        add_generation_prompt: bool = False,
        tokenize: bool = True,
        return_tensors: str | None = None,
        return_dict: bool = True,
        **variables: Any,
    ) -> Any:
        """Return a conversation as input_ids and attention_mask (return_dict), as ids, or as text (tokenize=False).

        conversation: messages with role and content. Only special tokens that the template writes become control ids;
        those inside messages are text. variables: more names for the template to use.
        """
        template = chat_template or self.chat_template
        if template is None:
            raise ConfigError(
                f"the tokenizer {self.name_or_path!r} has no chat template; pass chat_template=..., or use a model "
                f"trained on conversations"
            )
        given = {"messages": list(conversation), "tools": tools, "documents": None, **variables}
        fixed = {**self.specials, "add_generation_prompt": add_generation_prompt}
        if not tokenize:
            return chat.render(template, {**given, **fixed})
        mark = chat.chosen_mark([given, template])
        given = chat.protected(given, self.all_special_tokens, mark)
        text = chat.render(template, {**given, **fixed})
        ids = chat.encode_rendered(text, mark, self.added_specials, self.convert_tokens_to_ids, self.encode_ordinary)
        columns = {"input_ids": ids, "attention_mask": [1] * len(ids)}
        if return_tensors is not None:
            columns = encodings.as_tensors({name: [column] for name, column in columns.items()}, return_tensors)
        return BatchEncoding(columns) if return_dict else columns["input_ids"]

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of all that decides which ids a text gets: vocabulary, rules, special tokens, chat template."""
        rules = {**json.loads(self.backend.to_str()), "padding": None, "truncation": None}
        return value_digest({"rules": rules, "specials": self.specials, "chat_template": self.chat_template})

    def save_pretrained(self, folder: str | Path) -> tuple[str, ...]:
        """Write tokenizer.json, tokenizer_config.json and chat_template.jinja (if any); return their paths.

        `transformers.AutoTokenizer.from_pretrained` opens the folder and gives the same ids.
        """
        config = {
            **self.specials,
            "clean_up_tokenization_spaces": False,
            "model_input_names": self.model_input_names,
            "model_max_length": self.model_max_length,
            "padding_side": self.padding_side,
            "tokenizer_class": "PreTrainedTokenizerFast",
            "truncation_side": self.truncation_side,
        }
        return write_folder(Path(folder), self.backend, config, self.chat_template)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the encoders made on demand, for pickling and copying."""
        return {key: value for key, value in self.__dict__.items() if key not in ("_fast", "_ordinary", "_cutter")}


class AutoTokenizer:
    """Opens tokenizers by name or folder; the folder says of which kind they are."""

    @classmethod
    def from_pretrained(cls, name: str | Path, **settings: Any) -> Tokenizer:
        """Return the tokenizer of a folder or GGUF file, a name under $MASSIVETEXT_MODELS, or a Hugging Face name.

        settings: padding_side, truncation_side, model_max_length, or special tokens, in place of the folder's.
        """
        from massivetext.hub import find_folder
        from massivetext.tokens.gguf_file import read_tokenizer

        class_name = None if cls is AutoTokenizer else cls.__name__
        allowed = (*SPECIAL_NAMES, "padding_side", "truncation_side", "model_max_length", "chat_template")
        for key in settings:
            if key not in allowed:
                raise ConfigError(unknown_name("tokenizer setting", key, allowed))
        found = find_folder(name)
        backend, config = read_tokenizer(found) if found.suffix == ".gguf" else read_folder(found, class_name)
        return Tokenizer(backend, {**config, **settings}, str(name))


class BertTokenizer(AutoTokenizer):
    """Opens WordPiece tokenizers: [CLS] text [SEP], kinds of tokens."""


class DistilBertTokenizer(AutoTokenizer):
    """Opens DistilBERT's WordPiece tokenizers: [CLS] text [SEP], without kinds of tokens."""


class RobertaTokenizer(AutoTokenizer):
    """Opens RoBERTa's byte-level BPE: <s> text </s>."""


class XLMRobertaTokenizer(AutoTokenizer):
    """Opens XLM-R's Unigram tokenizers: <s> text </s>."""


class BartTokenizer(AutoTokenizer):
    """Opens BART's byte-level BPE: <s> text </s>."""


class GPT2Tokenizer(AutoTokenizer):
    """Opens GPT-2's byte-level BPE: <|endoftext|> starts and ends texts."""


class MarianTokenizer(AutoTokenizer):
    """Opens the tokenizers of OPUS-MT, which cut the text to be translated: text </s>."""


class T5Tokenizer(AutoTokenizer):
    """Opens T5's Unigram tokenizers: text </s>."""
