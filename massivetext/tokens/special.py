"""The vocabulary side of a tokenizer: tokens and ids, the named special tokens, tokens added later."""

from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers import AddedToken as AddedToken
from tokenizers import Tokenizer as Backend

from massivetext.errors import ConfigError, unknown_name
from massivetext.hugging_face import unknown_attribute
from massivetext.tokens import encodings

Token = str | AddedToken
SPECIAL_NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
OTHER_SPECIALS = ("additional_special_tokens", "extra_special_tokens")
# What may be set on a tokenizer, beside the special tokens and their ids.
SETTINGS = (
    "backend", "chat_template", "clean_up_tokenization_spaces", "model_input_names", "model_max_length", "name_or_path",
    "named_templates", "padding_side", "specials", "truncation_side",
)  # fmt: skip


class Vocabulary:
    """Tokens and ids; `bos_token`, `bos_token_id`, `pad_token` and so on, None where not set."""

    def __init__(self, backend: Backend, specials: Mapping[str, str], name: str = "") -> None:
        self.backend = backend
        self.name_or_path = name
        self.specials: dict[str, str] = dict(specials)
        for key, token in self.specials.items():
            self._require(token, key)

    def __len__(self) -> int:
        """Return the number of ids, added tokens included: the least vocab_size a model needs."""
        return int(self.backend.get_vocab_size(with_added_tokens=True))

    @property
    def vocab_size(self) -> int:
        """Return the number of ids without tokens added later, as Hugging Face counts."""
        return int(self.backend.get_vocab_size(with_added_tokens=False))

    @property
    def vocab(self) -> dict[str, int]:
        """The table from tokens to ids, added tokens included."""
        return self.get_vocab()

    def get_vocab(self) -> dict[str, int]:
        """Return the table from tokens to ids, added tokens included."""
        return dict(self.backend.get_vocab(with_added_tokens=True))

    @property
    def start_id(self) -> int:
        """Return the id put before each document in training and scoring: bos, else eos, else cls."""
        for key in ("bos_token", "eos_token", "cls_token"):
            if key in self.specials:
                return self._require(self.specials[key], key)
        raise ConfigError(
            f"the tokenizer {self.name_or_path!r} has no bos_token, eos_token or cls_token, and one must start each "
            f"document; set tokenizer.bos_token to a token of its vocabulary"
        )

    def __getattr__(self, name: str) -> Any:
        """Return `bos_token`, `bos_token_id` and their kin; None for one that is not set."""
        key = name.removesuffix("_id")
        if key not in SPECIAL_NAMES:
            known = [*SETTINGS, *SPECIAL_NAMES, *(f"{special}_id" for special in SPECIAL_NAMES), *dir(type(self))]
            raise AttributeError(unknown_attribute("Tokenizer", name, known))
        token = self.__dict__.get("specials", {}).get(key)
        return token if key == name or token is None else self.backend.token_to_id(token)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; `tokenizer.pad_token = tokenizer.eos_token` and `pad_token_id = 0` name a known token."""
        key = name.removesuffix("_id")
        if key in SPECIAL_NAMES:
            token = self._token_of(name, value) if key != name and value is not None else value
            if token is None:
                self.specials.pop(key, None)
            else:
                self._require(str(token), key)
                self.specials[key] = str(token)
            self._forget()
        elif name in OTHER_SPECIALS:
            self.add_tokens(value, special_tokens=True)
        elif name in SETTINGS:
            if name.endswith("_side"):
                encodings.check_side(value)
            super().__setattr__(name, value)
            if name == "chat_template":
                self._forget()
        else:
            known = [*SETTINGS, *SPECIAL_NAMES, *(f"{special}_id" for special in SPECIAL_NAMES)]
            raise AttributeError(unknown_attribute("Tokenizer", name, known))

    def _token_of(self, name: str, number: Any) -> str:
        """Return the token of an id; raise ConfigError if there is none."""
        token = self.backend.id_to_token(number) if isinstance(number, int) and number >= 0 else None
        if token is None:
            raise ConfigError(f"{name} is {number!r}; allowed: an id of the vocabulary, 0 to {len(self) - 1}, or None")
        return str(token)

    def _require(self, token: str, what: str) -> int:
        """Return a token's id; raise ConfigError if it is not in the vocabulary."""
        number = self.backend.token_to_id(token)
        if number is None:
            raise ConfigError(
                f"{what} is {token!r}, which is not among the {len(self):,} tokens of the tokenizer "
                f"{self.name_or_path!r}; choose one that is, or add it with add_special_tokens({{{what!r}: {token!r}}})"
            )
        return int(number)

    def _forget(self) -> None:
        """Drop what was computed from the vocabulary or the special tokens."""
        for name in ("digest", "_ordinary", "_fast", "_cutter", "_splitter"):
            self.__dict__.pop(name, None)

    def add_tokens(self, tokens: Token | Sequence[Token], special_tokens: bool = False) -> int:
        """Add tokens to the vocabulary and return how many were new; a model then needs len(tokenizer) embeddings.

        An `AddedToken` keeps its lstrip, rstrip, single_word and normalized.
        """
        listed = [tokens] if isinstance(tokens, (str, AddedToken)) else list(tokens)
        added = []
        for token in listed:
            if not isinstance(token, (str, AddedToken)):
                raise ConfigError(f"a token to add is a {type(token).__name__}; give a str or an AddedToken")
            if isinstance(token, str):
                token = AddedToken(token, special=special_tokens, normalized=not special_tokens)
            token.special = token.special or special_tokens
            added.append(token)
        before = len(self)
        for token in added:
            (self.backend.add_special_tokens if token.special else self.backend.add_tokens)([token])
        self._forget()
        return len(self) - before

    def add_special_tokens(self, special_tokens_dict: Mapping[str, Token | Sequence[Token]], **options: Any) -> int:
        """Add special tokens by name ({"pad_token": "[PAD]"}) and return how many were new to the vocabulary."""
        options.pop("replace_additional_special_tokens", None)  # what is in the vocabulary stays there
        options.pop("replace_extra_special_tokens", None)
        if options:
            raise ConfigError(unknown_name("argument of add_special_tokens:", next(iter(options)), OTHER_SPECIALS))
        count = 0
        for name, value in special_tokens_dict.items():
            if name in OTHER_SPECIALS:
                count += self.add_tokens(list(value.values()) if isinstance(value, Mapping) else value, True)
            elif name in SPECIAL_NAMES and isinstance(value, (str, AddedToken)):
                count += self.add_tokens(value, special_tokens=True)
                setattr(self, name, str(value))
            else:
                raise ConfigError(unknown_name("special token name", name, (*SPECIAL_NAMES, *OTHER_SPECIALS)))
        return count

    @property
    def special_tokens_map(self) -> dict[str, str]:
        """The named special tokens that are set."""
        return {name: self.specials[name] for name in SPECIAL_NAMES if name in self.specials}

    @property
    def additional_special_tokens(self) -> list[str]:
        """The special tokens that have no name of their own."""
        named = set(self.specials.values())
        return [token.content for token in self.added_specials if token.content not in named]

    @property
    def extra_special_tokens(self) -> list[str]:
        """The same, by its newer name."""
        return self.additional_special_tokens

    @property
    def added_tokens_decoder(self) -> dict[int, AddedToken]:
        """The tokens that texts are searched for before they are cut, by id."""
        return dict(sorted(self.backend.get_added_tokens_decoder().items()))

    @property
    def added_tokens_encoder(self) -> dict[str, int]:
        """The ids of these tokens."""
        return {token.content: number for number, token in self.added_tokens_decoder.items()}

    def get_added_vocab(self) -> dict[str, int]:
        """Return the ids of these tokens."""
        return self.added_tokens_encoder

    @property
    def added_specials(self) -> list[AddedToken]:
        """Return the special tokens of the vocabulary, by ascending id."""
        return [token for _, token in sorted(self.backend.get_added_tokens_decoder().items()) if token.special]

    @property
    def all_special_tokens(self) -> list[str]:
        """Return the special tokens, named ones first, each once."""
        return list(dict.fromkeys([*self.specials.values(), *(token.content for token in self.added_specials)]))

    @property
    def all_special_ids(self) -> list[int]:
        """Return the ids of the special tokens."""
        return [self._require(token, "special token") for token in self.all_special_tokens]

    def convert_tokens_to_ids(self, tokens: str | Sequence[str]) -> Any:
        """Return the id of a token, or the ids of several; for an unknown one the unk_token's id, or None."""
        if isinstance(tokens, str):
            number = self.backend.token_to_id(tokens)
            return self.unk_token_id if number is None else number
        return [self.convert_tokens_to_ids(token) for token in tokens]

    def convert_ids_to_tokens(self, ids: Any, skip_special_tokens: bool = False) -> Any:
        """Return the token of an id, or the tokens of several."""
        ids = encodings.as_list(ids)
        if isinstance(ids, int):
            return self.backend.id_to_token(ids)
        left_out = set(self.all_special_ids) if skip_special_tokens else set()
        return [self.backend.id_to_token(number) for number in ids if number not in left_out]

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """Return the text that tokens stand for."""
        decoder = self.backend.decoder
        return str(decoder.decode(list(tokens))) if decoder is not None else " ".join(tokens)
