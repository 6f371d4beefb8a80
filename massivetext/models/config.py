"""Configurations: the base of all, with one reader of config.json, and what decoders and encoder-decoders add."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from massivetext.errors import ConfigError, ModelError, unknown_name
from massivetext.layers.attention import AttentionShape
from massivetext.layers.feedforward import activation
from massivetext.models.config_methods import ConfigMethods
from massivetext.models.files.config_json import effective, renamed

LAYERS = ("num_hidden_layers", "num_layers", "num_decoder_layers", "encoder_layers", "decoder_layers")
MOST_LAYERS = 10_000
NOT_NEGATIVE = ("init_std", "initializer_range", "initializer_factor")  # ends of fields' names
ProblemType = Literal["regression", "single_label_classification", "multi_label_classification"]
# Fields that only some families have; where they have a value it is above zero.
POSITIVE = (
    *("intermediate_size", "num_key_value_heads", "head_dim", "word_embed_proj_dim"),
    *("rope_theta", "rms_norm_eps", "layer_norm_eps"),
)

MOST_HEAD_FEATURES = 65536  # the rotary frequencies are made before the weights are looked at


class ModelConfig(ConfigMethods):
    """What every configuration has: the fields of classifiers, checks, one reader of config.json."""

    required: ClassVar[tuple[str, ...]] = ()
    """What a config.json has to say."""
    harmless: ClassVar[frozenset[str]] = frozenset()
    """Further fields of the family's config.json that do not change what it computes."""
    neutral: ClassVar[Mapping[str, Any]] = {}
    """Further fields that would change the numbers, with the one value at which they do not."""
    generation_ids: ClassVar[tuple[str, ...]] = ("bos_token_id", "eos_token_id", "pad_token_id")
    """What generation_config.json has of the configuration."""
    head_dropout: ClassVar[float] = 0.0
    """Share of features dropped before a classifier where `classifier_dropout` is None."""

    num_labels: int = Field(2, ge=1, le=10**6)
    """Labels of a classification head; 1 with no problem_type is a regression."""
    id2label: dict[int, str] | None = None
    """The labels' names; None: LABEL_0, LABEL_1, ..."""
    problem_type: ProblemType | None = None
    """What a sequence classifier learns; None: told by num_labels and the kind of labels."""
    classifier_dropout: float | None = None
    """Share of features that training drops before a classifier; None: hidden_dropout_prob of encoders, else 0.1."""

    @model_validator(mode="after")
    def _finite_layers(self) -> Self:
        """Return the configuration if its layers can be made one after the other in a bearable time."""
        for name in LAYERS:
            if (getattr(self, name, None) or 0) > MOST_LAYERS:
                raise ValueError(
                    f"{name} is {getattr(self, name):,}; at most {MOST_LAYERS:,} layers are made: lower it"
                )
        return self

    @model_validator(mode="after")
    def _check_ids(self) -> Self:
        rows = getattr(self, "vocab_size", 0)
        for name, value in self if rows > 0 else ():  # a size below 1 is another fault
            ids = value if isinstance(value, list) else [value]
            if not name.endswith("_token_id") or value in (None, type(self).model_fields[name].default):
                continue
            if not all(0 <= number < rows for number in ids):
                raise ValueError(
                    f"{name} is {value}, and the vocabulary has the ids 0 to {rows - 1} (vocab_size {rows}); correct "
                    f"it, or leave it out if there is no such token"
                )
        return self

    @model_validator(mode="after")
    def _check_numbers(self) -> Self:
        for name, value in self:
            if not isinstance(value, int | float) or isinstance(value, bool):
                continue
            if ("dropout" in name or "pdrop" in name) and not 0.0 <= value < 1.0:
                raise ValueError(f"{name} is {value}; it must be at least 0 and below 1")
            if name.endswith(("eps", "epsilon")) and not 0.0 < value < math.inf:
                raise ValueError(f"{name} is {value}; it must be above 0 and finite")
            if name.endswith(NOT_NEGATIVE) and not 0.0 <= value < math.inf:
                raise ValueError(f"{name} is {value}; it must be at least 0 and finite")
            if name == "rope_theta" and not 0.0 < value < math.inf:
                raise ValueError(f"{name} is {value}; it must be above 0 and finite")
        return self

    @property
    def labels(self) -> dict[int, str]:
        """The labels' names by number."""
        return self.id2label or {number: f"LABEL_{number}" for number in range(self.num_labels)}

    @property
    def most_tokens(self) -> int | None:
        """The most tokens that the model can read at once; None: it knows no limit."""
        return None

    @property
    def context_tokens(self) -> int | None:
        """The most tokens that the model is meant to read at once; None: there is no limit."""
        return self.most_tokens

    def labels_to_hugging_face(self) -> dict[str, Any]:
        """Return what config.json says of labels; it tells their number by naming them."""
        named = {"id2label": {str(number): name for number, name in self.labels.items()}}
        return {**named, "label2id": {name: number for number, name in self.labels.items()}}

    @staticmethod
    def read_labels(values: dict[str, Any], where: str) -> None:
        """Put what a config.json says of labels into the form of the fields; ModelError where it contradicts itself."""
        names = values.get("id2label")
        if isinstance(names, Mapping):
            if values.setdefault("num_labels", len(names)) != len(names):
                raise ModelError(
                    f"{where} has num_labels = {values['num_labels']} and {len(names)} names in id2label; they must "
                    f"agree"
                )
            if [names[key] for key in sorted(names, key=int)] == [f"LABEL_{n}" for n in range(len(names))]:
                values["id2label"] = None

    def changed(self, **values: Any) -> Self:
        """Return the configuration with some fields replaced; unknown ones raise ConfigError with the nearest name."""
        if "num_labels" in values and "id2label" not in values and values["num_labels"] != self.num_labels:
            values["id2label"] = None
        if values.get("id2label") is not None:
            values.setdefault("num_labels", len(values["id2label"]))
        values.pop("label2id", None)  # follows from id2label
        return type(self).parse({**self.model_dump(), **values}, where="config")

    def ids_of_generation(self) -> dict[str, Any]:
        """Return the ids that generation_config.json has of the configuration, those that are set."""
        ids = {name: getattr(self, name) for name in self.generation_ids}
        return {name: value for name, value in ids.items() if value is not None}

    def dropout_before(self, task: str) -> float:
        """Return the share of features that training drops before the head for a task."""
        if task == "question-answering":
            return 0.0
        return self.head_dropout if self.classifier_dropout is None else self.classifier_dropout

    @classmethod
    def from_hugging_face(cls, values: Mapping[str, Any], where: str = "config.json") -> Self:
        """Return the configuration in the content of a config.json.

        A field that this package does not know, or knows not to support at that value, raises ModelError by name: what
        would change the numbers is never skipped. Missing fields have the values that transformers assumes.
        """
        kept = effective(values, cls, where)
        cls.read_labels(kept, where)
        kept = cls.read_own_fields(renamed(kept, {theirs: ours for ours, theirs in cls.field_names.items()}), where)
        for key in cls.required:
            if kept.get(key) is None:
                needed = ", ".join(cls.field_names.get(name, name) for name in cls.required)
                raise ModelError(f"{where} has no {cls.field_names.get(key, key)}; a model's shape needs {needed}")
        for key in sorted(set(kept) - set(cls.model_fields)):
            raise ModelError(
                f"{where} has a field that could change the numbers and is not supported for model_type "
                f"{cls.model_type!r}: {unknown_name('field', key, cls.model_fields)}"
            )
        try:
            return cls.parse({**cls.published_defaults(), **kept}, where=where)
        except ConfigError as error:
            raise ModelError(f"{error}\nUse the config.json that was saved with the weights.") from None

    @classmethod
    def read_own_fields(cls, values: dict[str, Any], where: str) -> dict[str, Any]:
        """Return the fields of a config.json, under our names, with what the family writes in its own way put right."""
        return values

    @classmethod
    def published_defaults(cls) -> dict[str, Any]:
        """Return the values that transformers assumes for fields missing in a config.json, where they are not ours."""
        return {}


class PublishedConfig(ModelConfig):
    """Fields of every encoder and encoder-decoder; names and defaults are Hugging Face's."""

    vocab_size: int = 30522
    """Rows of the embedding: at least the tokenizer's ids."""
    bos_token_id: int | None = None
    """Id put before a text."""
    eos_token_id: int | list[int] | None = None
    """Id (or ids) after which a text ends."""
    pad_token_id: int | None = 0
    """Id that fills up short rows."""
    tie_word_embeddings: bool = True
    """Whether the head uses the embedding's weights."""

    def to_hugging_face(self) -> dict[str, Any]:
        """Return the content of config.json without `architectures`, which the model class adds."""
        values = self.model_dump(exclude={"num_labels"})
        return {"model_type": self.model_type, **values, **self.labels_to_hugging_face()}


class EncoderDecoderConfig(PublishedConfig):
    """Fields of every encoder-decoder."""

    neutral: ClassVar[Mapping[str, Any]] = {"is_encoder_decoder": True}
    generation_ids: ClassVar[tuple[str, ...]] = (
        *ModelConfig.generation_ids, "decoder_start_token_id", "forced_bos_token_id", "forced_eos_token_id",
    )  # fmt: skip

    decoder_start_token_id: int | None = 0
    """Id that starts the decoder's text."""
    forced_bos_token_id: int | None = None
    """Id that `generate` puts first, behind the start id; None: the model chooses."""
    forced_eos_token_id: int | None = None
    """Id that `generate` puts last when the length limit is reached; None: the model chooses."""
    classifier_dropout: float | None = 0.0
    """Share of features that training drops before a classifier; None: nothing."""

    def to_hugging_face(self) -> dict[str, Any]:
        """Return the content of config.json without `architectures`, which the model class adds."""
        return {**super().to_hugging_face(), "is_encoder_decoder": True}


LABEL_FIELDS = set(ModelConfig.model_fields)


class Dropouts(NamedTuple):
    """The probability, in training, that a number becomes zero: after the embedding, in attention, after each part."""

    embedding: float = 0.0
    attention: float = 0.0
    residual: float = 0.0


class DecoderConfig(ModelConfig):
    """The shape of a decoder. Field names are Hugging Face's usual ones; `field_names` says where a family's differ."""

    architecture: ClassVar[str]
    required: ClassVar[tuple[str, ...]] = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")
    harmless: ClassVar[frozenset[str]] = frozenset({"is_decoder"})
    neutral: ClassVar[Mapping[str, Any]] = {
        "attention_dropout": 0.0, "is_encoder_decoder": False, "partial_rotary_factor": 1.0, "rope_interleaved": False,
        "sliding_window": None, "use_mrope": False, "use_sliding_window": False,
    }  # fmt: skip
    head_dropout: ClassVar[float] = 0.1

    vocab_size: int = 4096
    """Rows of the embedding: at least the tokenizer's ids."""
    hidden_size: int = 192
    """Features of a token between blocks."""
    intermediate_size: int | None = None
    """Features inside the feed-forward part; None: 8/3 (gated) or 4 (plain) times hidden_size, a multiple of 32."""
    num_hidden_layers: int = 4
    """Blocks."""
    num_attention_heads: int = 4
    """Query heads of each block."""
    hidden_act: str = "silu"
    """Activation of the feed-forward part, by Hugging Face's name."""
    max_position_embeddings: int = 2048
    """The most tokens the model is meant to read at once."""
    tie_word_embeddings: bool = False
    """Whether the head uses the embedding's weights."""
    initializer_range: float = 0.02
    """Standard deviation of freshly made embeddings (matrices follow `initialise`)."""
    bos_token_id: int | None = None
    """Id put before a text."""
    eos_token_id: int | list[int] | None = None
    """Id (or ids) after which a text ends."""
    pad_token_id: int | None = None
    """Id that fills up short rows."""

    @model_validator(mode="before")
    @classmethod
    def _rename(cls, values: Any) -> Any:
        return renamed(values, {theirs: ours for ours, theirs in cls.field_names.items()})

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in (
            "vocab_size",
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "max_position_embeddings",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in POSITIVE:
            value = getattr(self, name, None)
            if value is not None and value <= 0:
                raise ValueError(f"{name} is {value}; it must be above 0")
        if self.initializer_range < 0:
            raise ValueError(f"initializer_range is {self.initializer_range}; it must be at least 0")
        if getattr(self, "head_dim", None) is None and self.hidden_size % self.num_attention_heads:
            remedy = " or set head_dim" if "head_dim" in type(self).model_fields else ""
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}; "
                f"change one of them{remedy}"
            )
        for name, value in self:
            if name.endswith(("dropout", "pdrop")) and not 0.0 <= (value or 0.0) < 1.0:
                raise ValueError(f"{name} is {value}; it is a dropout probability, at least 0 and below 1")
        try:
            activation(self.hidden_act)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        if self.head_features > MOST_HEAD_FEATURES:
            raise ValueError(
                f"a head has {self.head_features:,} features; at most {MOST_HEAD_FEATURES:,} are allowed: check "
                f"hidden_size, num_attention_heads and head_dim"
            )
        scaling = getattr(self, "rope_scaling", None)
        if scaling is not None:
            scaling.check_divisors(self.rotary_features // 2)
        return self

    @property
    def gated(self) -> bool:
        """Whether the feed-forward part is gated (three matrices) or plain (two)."""
        return True

    @property
    def softcap(self) -> float | None:
        """The bound that logits are bent into, or None."""
        return None

    @property
    def dropouts(self) -> Dropouts:
        """What is dropped in training; nothing, unless the family's configuration has fields for it."""
        return Dropouts()

    @property
    def head_features(self) -> int:
        """Features of one attention head."""
        return self.hidden_size // self.num_attention_heads

    @property
    def key_value_heads(self) -> int:
        """Key and value heads of one block."""
        return self.num_attention_heads

    @property
    def rotary_features(self) -> int:
        """How many features of a head the rotary positions turn; 0: positions are learned."""
        return 0

    @property
    def attention_window(self) -> int | None:
        """How many tokens, itself included, a token reads at most; None: all before it."""
        return None

    @property
    def most_tokens(self) -> int | None:
        """The most tokens that the model can read at once: the rows of a table of positions; None: they are rotary."""
        return None if self.rotary_features else self.max_position_embeddings

    @property
    def context_tokens(self) -> int:
        """The most tokens that the model is meant to read at once."""
        return self.max_position_embeddings

    @property
    def feedforward_features(self) -> int:
        """Features inside the feed-forward part."""
        wanted = self.hidden_size * 8 // 3 if self.gated else self.hidden_size * 4
        return self.intermediate_size or -(-wanted // 32) * 32

    @property
    def stop_ids(self) -> list[int]:
        """The ids after which a text ends."""
        if isinstance(self.eos_token_id, int):
            return [self.eos_token_id]
        return self.eos_token_id or []

    def attention_shape(self) -> AttentionShape:
        """Return the sizes of one attention layer."""
        return AttentionShape(
            self.hidden_size,
            self.num_attention_heads,
            self.key_value_heads,
            self.head_features,
            dropout=self.dropouts.attention,
        )

    def to_hugging_face(self) -> dict[str, Any]:
        """Return the content of config.json, which transformers 4 and 5 and this package read alike."""
        values = {**self.model_dump(exclude=LABEL_FIELDS), "intermediate_size": self.feedforward_features}
        own = renamed(values, self.field_names)
        if any(getattr(self, name) != type(self).model_fields[name].default for name in LABEL_FIELDS):
            own |= self.labels_to_hugging_face()
            own |= {name: getattr(self, name) for name in ("problem_type", "classifier_dropout")}
        return {"architectures": [self.architecture], "model_type": self.model_type, **own}

    @classmethod
    def from_hugging_face(cls, values: Mapping[str, Any], where: str = "config.json") -> Self:
        """Return the configuration in the content of a config.json; see `ModelConfig.from_hugging_face`."""
        values = dict(values)
        if values.get("use_sliding_window") is False:  # Qwen writes a window and, beside it, that it is not used
            values.pop("sliding_window", None)
        if set(values.get("layer_types") or []) <= {"full_attention"}:
            values.pop("layer_types", None)
        return super().from_hugging_face(values, where)
