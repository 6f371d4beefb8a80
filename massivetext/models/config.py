"""What the configurations of the decoder families share: Hugging Face's fields, read strictly."""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Self

from pydantic import model_validator

from massivetext.errors import ConfigError, ModelError, unknown_name
from massivetext.layers.attention import AttentionShape
from massivetext.layers.feedforward import activation
from massivetext.layers.rotary import USED, RopeScaling
from massivetext.models import published
from massivetext.models.published import LabelledConfig

# Fields that would change the numbers of a decoder, with the one value at which they do not.
NEUTRAL: dict[str, Any] = {
    **published.NEUTRAL, "attention_dropout": 0.0, "is_encoder_decoder": False, "partial_rotary_factor": 1.0,
    "rope_interleaved": False, "sliding_window": None, "use_mrope": False, "use_sliding_window": False,
}  # fmt: skip

# Fields that only some families have; where they have a value it is above zero.
POSITIVE = (
    *("intermediate_size", "num_key_value_heads", "head_dim", "word_embed_proj_dim"),
    *("rope_theta", "rms_norm_eps", "layer_norm_eps"),
)

MOST_HEAD_FEATURES = 65536  # the rotary frequencies are made before the weights are looked at
LABEL_FIELDS = set(LabelledConfig.model_fields)


class Dropouts(NamedTuple):
    """The probability, in training, that a number becomes zero: after the embedding, in attention, after each part."""

    embedding: float = 0.0
    attention: float = 0.0
    residual: float = 0.0


class DecoderConfig(LabelledConfig):
    """The shape of a decoder. Field names are Hugging Face's usual ones; `field_names` says where a family's differ."""

    model_type: ClassVar[str]
    architecture: ClassVar[str]
    field_names: ClassVar[Mapping[str, str]] = {}
    """Our name of a field: the family's own in config.json (hidden_size: n_embd). Both are accepted as arguments."""
    required: ClassVar[tuple[str, ...]] = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")
    """What a config.json has to say."""
    harmless: ClassVar[frozenset[str]] = frozenset({"is_decoder"})
    """Further fields of the family's config.json that do not change what it computes."""
    neutral: ClassVar[Mapping[str, Any]] = {}
    """Further fields that would change the numbers, with the one value at which they do not."""

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
        """Return the configuration in the content of a config.json.

        A field that this package does not know, or knows not to support at that value, raises ModelError by name: what
        would change the numbers is never skipped.
        """
        values = dict(values)
        if values.get("use_sliding_window") is False:  # Qwen writes a window and, beside it, that it is not used
            values.pop("sliding_window", None)
        if set(values.get("layer_types") or []) <= {"full_attention"}:
            values.pop("layer_types", None)
        kept = published.effective(values, cls, NEUTRAL, where)
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
            raise ModelError(str(error)) from None

    @classmethod
    def read_own_fields(cls, values: dict[str, Any], where: str) -> dict[str, Any]:
        """Return the fields of a config.json, under our names, with what the family writes in its own way put right."""
        return values

    @classmethod
    def published_defaults(cls) -> dict[str, Any]:
        """Return the values that transformers assumes for fields missing in a config.json, where they are not ours."""
        return {}


class RotaryConfig(DecoderConfig):
    """The shape of a decoder of Llama's kind: rotary positions, grouped keys, norms by root mean square."""

    required: ClassVar[tuple[str, ...]] = (*DecoderConfig.required, "intermediate_size")

    num_key_value_heads: int | None = None
    """Key and value heads of each block, a divisor of the query heads; None: as many."""
    head_dim: int | None = None
    """Features of one head, even; None: hidden_size / num_attention_heads."""
    rms_norm_eps: float = 1e-6
    """Added to the mean square before its root is taken."""
    rope_theta: float = 10000.0
    """Base of the rotary frequencies."""
    rope_scaling: RopeScaling | None = None
    """How the rotary frequencies are changed for a longer context; None: not at all."""
    attention_bias: bool = False
    """Whether the four attention projections have biases."""

    @model_validator(mode="after")
    def _check_heads(self) -> Self:
        if self.head_features % 2:
            raise ValueError(f"head_dim is {self.head_features}; rotary positions need an even number")
        if self.num_attention_heads % self.key_value_heads:
            raise ValueError(
                f"num_attention_heads {self.num_attention_heads} is not a multiple of "
                f"num_key_value_heads {self.key_value_heads}"
            )
        return self

    @property
    def head_features(self) -> int:
        """Features of one attention head."""
        return self.head_dim or self.hidden_size // self.num_attention_heads

    @property
    def key_value_heads(self) -> int:
        """Key and value heads of one block."""
        return self.num_key_value_heads or self.num_attention_heads

    @property
    def rotary_features(self) -> int:
        """How many features of a head the rotary positions turn: all."""
        return self.head_features

    def attention_shape(self) -> AttentionShape:
        """Return the sizes of one attention layer."""
        return super().attention_shape()._replace(bias=self.attention_bias, output_bias=self.attention_bias)

    def to_hugging_face(self) -> dict[str, Any]:
        """Return the content of config.json, which transformers 4 and 5 and this package read alike."""
        values = super().to_hugging_face()
        values["num_key_value_heads"] = self.key_value_heads
        values["head_dim"] = self.head_features
        scaling = None if self.rope_scaling is None else self.rope_scaling.written()
        values["rope_scaling"] = scaling
        values["rope_parameters"] = {"rope_theta": self.rope_theta, **(scaling or {"rope_type": "default"})}
        return values

    @classmethod
    def read_own_fields(cls, values: dict[str, Any], where: str) -> dict[str, Any]:
        """Return the fields with the two ways of writing rotary settings made one."""
        return read_rotary(values, where)


def renamed(values: Any, names: Mapping[str, str]) -> Any:
    """Return a mapping with its keys renamed where `names` says so; anything else as it is."""
    return {names.get(key, key): value for key, value in values.items()} if isinstance(values, Mapping) else values


def read_rotary(values: dict[str, Any], where: str, partial: float = 1.0) -> dict[str, Any]:
    """Return `values` with rotary settings, as transformers 4 and 5 write them, as rope_theta and rope_scaling.

    partial: the one share of turned features that may be said there.
    """
    values = dict(values)
    written = {**(values.pop("rope_scaling", None) or {}), **(values.pop("rope_parameters", None) or {})}
    theta = written.pop("rope_theta", None)
    if theta is not None and values.setdefault("rope_theta", theta) != theta:
        raise ModelError(
            f"{where} says rope_theta = {values['rope_theta']} and rope_parameters.rope_theta = {theta}; "
            f"write the same number in both, or remove one"
        )
    old_name = written.pop("type", None)  # what rope_type was called at first
    kind = written.pop("rope_type", None) or old_name or "default"
    share = written.pop("partial_rotary_factor", None)
    if kind not in ("default", *USED) or share not in (None, partial):
        detail = f"rope_type = {kind!r}" if share in (None, partial) else f"partial_rotary_factor = {share!r}"
        raise ModelError(
            f"{where} has {detail}, which is not supported; allowed: rope_type default, {', '.join(USED)} and "
            f"partial_rotary_factor {partial}"
        )
    if "original_max_position_embeddings" not in USED.get(kind, ()):
        written.pop("original_max_position_embeddings", None)  # many folders say it, and only these kinds read it
    values["rope_scaling"] = None if kind == "default" else {"rope_type": kind, **written}
    if kind == "default" and written:
        raise ModelError(f"{where} has rotary settings that rope_type 'default' does not use: {', '.join(written)}")
    return values
