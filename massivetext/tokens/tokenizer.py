"""`Tokenizer`, with Hugging Face's interface, built on the `tokenizers` library; `AutoTokenizer` (auto.py) opens it."""

import json
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer as Backend
from tokenizers.models import BPE

from massivetext.errors import ConfigError, DataError, unknown_name
from massivetext.hugging_face import checked_options
from massivetext.progress import log
from massivetext.storage import value_digest
from massivetext.tokens import encodings
from massivetext.tokens.conversations import FURTHER, Conversations
from massivetext.tokens.encodings import BatchEncoding
from massivetext.tokens.folder import write_folder
from massivetext.tokens.framing import Framing
from massivetext.tokens.guarding import panics_told
from massivetext.tokens.inputs import list_texts, list_words, split_pairs
from massivetext.tokens.ordinary import OrdinaryText
from massivetext.tokens.padding import NO_LENGTH_LIMIT, Padding
from massivetext.tokens.retraining import retrain
from massivetext.tokens.special import SPECIAL_NAMES
from massivetext.translations import tr

if TYPE_CHECKING:
    pass

ON_DEMAND = ("_fast", "_ordinary", "_cutter", "_splitter")
TRUNCATIONS = ("longest_first", "only_first", "only_second")
COLUMNS = ("input_ids", "attention_mask", "token_type_ids", "special_tokens_mask", "offset_mapping", "length")


class Tokenizer(Conversations, Framing, OrdinaryText, Padding):
    """Convert text to ids and back. As in Hugging Face, special tokens in the text of a call become control ids.

    `encode_ordinary`, `encode_flat` and `apply_chat_template` treat special tokens in users' text as ordinary text.
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
        """Return the tokens of a text, or of a pair of texts; options: of a call."""
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
        """Return input_ids, attention_mask and other requested columns, with Hugging Face's names and meanings.

        text: one text (columns are flat lists) or several (lists of lists); several may be (text, text) pairs.
        text_target: target texts; their ids become the column labels, or without `text` the input_ids. padding: True or
        "longest", "max_length". truncation: True or "longest_first", "only_first", "only_second", to max_length or the
        tokenizer's own limit. return_tensors: "pt" or "np" gives (rows, tokens) tensors of int64, also for one text.
        return_overflowing_tokens: truncated ids become further rows, each of which repeats `stride` ids of the previous
        one; the column overflow_to_sample_mapping holds the index of each row's text. is_split_into_words: each text is
        a list of words. split_special_tokens: special tokens inside the texts are ordinary text. Raises ConfigError and
        DataError.
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
        """Return the columns of a text with the ids of its target as labels; without a text, those of the target."""
        if target is None:
            raise DataError("text is None; give one str or a list of str, or text_target")
        targets = self(target, target_pair, **given)
        if text is None:
            return targets
        found = self(text, pair, **given)
        found["labels"] = targets["input_ids"]
        return found

    def encode(self, text: Any, text_pair: Any = None, add_special_tokens: bool = True, **options: Any) -> Any:
        """Return the ids of a text as a list, or with return_tensors as a (1, tokens) tensor; options: of a call."""
        return self(text, text_pair, add_special_tokens=add_special_tokens, **options)["input_ids"]

    def encode_plus(self, text: Any, text_pair: Any = None, **options: Any) -> BatchEncoding:
        """Do the same as a call (the older name for one text)."""
        return self(text, text_pair, **options)

    def batch_encode_plus(self, batch_text_or_text_pairs: Any, **options: Any) -> BatchEncoding:
        """Do the same as a call (the older name for several texts)."""
        return self(batch_text_or_text_pairs, **options)

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
        """Return the backend's encodings, truncated to `limit` ids if `truncation` is given."""
        words = bool(texts) and not isinstance(texts[0], str)
        inputs: list[Any] = texts if pairs is None else list(zip(texts, pairs, strict=True))
        options = {"is_pretokenized": words, "add_special_tokens": add_special}
        if not truncation:
            return list((self._splitter if split_special else self.backend).encode_batch(inputs, **options))
        added = self.backend.num_special_tokens_to_add(pairs is not None) if add_special else 0
        how = encodings.cut(truncation, limit, added, stride, self.truncation_side)
        lock, backend = self._cutter
        try:
            with lock:  # truncation is state of the backend, and several threads may call
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
        """Return a copy of the backend for truncation, with its lock."""
        return threading.Lock(), Backend.from_str(self.backend.to_str())

    @cached_property
    def _splitter(self) -> Backend:
        """Return a copy of the backend that treats special tokens inside texts as ordinary text."""
        backend = Backend.from_str(self.backend.to_str())
        backend.encode_special_tokens = True
        return backend

    def _limit(self, truncation: bool | str | None, max_length: int | None) -> int:
        """Return the number of ids to truncate to, 0 for no truncation."""
        if truncation in (None, False, "do_not_truncate"):
            return 0
        if truncation is not True and truncation not in TRUNCATIONS:
            raise ConfigError(unknown_name("truncation", str(truncation), ("True", "False", *TRUNCATIONS)))
        limit = max_length if max_length is not None else self._known_limit()
        if limit is None:
            log(tr("truncation is on, but neither max_length nor model_max_length is set: nothing is cut"))
            return 0
        return limit

    @panics_told("decoding ids")
    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **options: Any,
    ) -> Any:
        """Return the text of ids (a number, list, array or tensor); for several rows, a list of texts.

        clean_up_tokenization_spaces: remove the spaces that WordPiece puts before punctuation; None uses the setting of
        the tokenizer's folder. It has no effect on BPE tokenizers, which do not put such spaces.
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
        """Return a decoded text without spaces before punctuation, if requested."""
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
        """Return the backend's encoding (ids, offsets) of a text without special tokens."""
        return self._ordinary.encode(text, add_special_tokens=False)

    def _finished(self, rows: list[dict[str, list[int]]], options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the columns of encoded rows, truncated and padded by `options`, arguments of a call."""
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
        """Return the SHA-256 of all that determines the ids: vocabulary, rules, special tokens, chat template."""
        rules = {**json.loads(self.backend.to_str()), "padding": None, "truncation": None}
        return value_digest({"rules": rules, "specials": self.specials, "chat_template": self.chat_template})

    is_fast = True

    @property
    def backend_tokenizer(self) -> Backend:
        """Return the object of the `tokenizers` library."""
        return self.backend

    @property
    def _tokenizer(self) -> Backend:
        return self.backend

    @property
    def init_kwargs(self) -> dict[str, Any]:
        """Return the content of tokenizer_config.json, under Hugging Face's name."""
        return self._configuration()

    def save_vocabulary(self, save_directory: str | Path, filename_prefix: str | None = None) -> tuple[str, ...]:
        """Write the vocabulary in the files of its kind (vocab.json, merges.txt, vocab.txt, ...); return the paths."""
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

        text_iterator: texts, or lists of texts. length: ignored. special_tokens_map: new names of special tokens.
        options: of the `tokenizers` library's trainer. Use `train_tokenizer` to train with other rules.
        """
        names = dict(special_tokens_map or {})
        backend = retrain(self.backend, text_iterator, vocab_size, new_special_tokens or (), names, **options)
        specials = {name: names.get(token, token) for name, token in self.specials.items()}
        config = {**self._configuration(), **specials, "chat_template": self.chat_template}
        return Tokenizer(backend, {**config, "named_templates": self.named_templates})

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> tuple[str, ...]:
        """Write tokenizer.json, tokenizer_config.json and any chat templates; return the paths.

        `transformers.AutoTokenizer.from_pretrained` can open the folder and gives the same ids.
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
        """Return the state for pickling and copying, without the encoders created on demand."""
        return {key: value for key, value in self.__dict__.items() if key not in ON_DEMAND}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a state."""
        self.__dict__.update(state)


CALL_ARGUMENTS = tuple(name for name in signature(Tokenizer.__call__).parameters if name not in ("self", "options"))
