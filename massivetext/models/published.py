"""What the encoder and encoder-decoder configurations share: Hugging Face's config.json, read strictly.

`LabelledConfig`, the fields of classifiers, also serves the decoders' configurations.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from massivetext.errors import ConfigError, ModelError, unknown_name
from massivetext.models.config_methods import ConfigMethods

# Fields that do not change what a model computes.
HARMLESS = {
    "_name_or_path", "_num_labels", "adapters", "architectures", "chunk_size_feed_forward", "directionality", "dtype",
    "finetuning_task", "gradient_checkpointing", "label2id", "model_type", "output_attentions", "output_hidden_states",
    "output_past", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head",
    "pooler_type", "return_dict", "task_specific_params", "tokenizer_class", "torch_dtype", "transformers_version",
    "use_cache",
}  # fmt: skip
# Fields that would change the numbers, with the one value at which they do not.
NEUTRAL: dict[str, Any] = {
    "add_cross_attention": False, "cross_attention_hidden_size": None, "decoder_layerdrop": 0.0,
    "encoder_layerdrop": 0.0, "is_decoder": False, "position_embedding_type": "absolute", "pruned_heads": {},
    "quantization_config": None, "tie_encoder_decoder": False, "torchscript": False, "use_bfloat16": False,
}  # fmt: skip
# Old folders keep the settings of `generate` here; they are read where there is no generation_config.json.
GENERATION = {
    "bad_words_ids", "decoder_start_token_id", "diversity_penalty", "do_sample", "early_stopping",
    "encoder_no_repeat_ngram_size", "forced_bos_token_id", "forced_eos_token_id", "length_penalty", "max_length",
    "min_length", "no_repeat_ngram_size", "num_beam_groups", "num_beams", "num_return_sequences", "output_scores",
    "remove_invalid_values", "repetition_penalty", "return_dict_in_generate", "temperature", "top_k", "top_p",
    "typical_p", "exponential_decay_length_penalty", "begin_suppress_tokens", "suppress_tokens", "prefix",
}  # fmt: skip
LAYERS = ("num_hidden_layers", "num_layers", "num_decoder_layers", "encoder_layers", "decoder_layers")
MOST_LAYERS = 10_000
ProblemType = Literal["regression", "single_label_classification", "multi_label_classification"]


class LabelledConfig(ConfigMethods):
    """What a classifier's head is told."""

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

    @property
    def labels(self) -> dict[int, str]:
        """The labels' names by number."""
        return self.id2label or {number: f"LABEL_{number}" for number in range(self.num_labels)}

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


class PublishedConfig(LabelledConfig):
    """Fields of every family. Names and defaults are Hugging Face's, so that configurations cross unchanged."""

    model_type: ClassVar[str]
    harmless: ClassVar[frozenset[str]] = frozenset()
    neutral: ClassVar[dict[str, Any]] = {}

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

    @classmethod
    def from_hugging_face(cls, values: Mapping[str, Any], where: str = "config.json") -> Self:
        """Return the configuration in the content of a config.json.

        A field that is not known, or not supported at its value, raises ModelError by name: what would change the
        numbers is never skipped. Missing fields have Hugging Face's defaults.
        """
        kept = {key: value for key, value in values.items() if key not in HARMLESS | cls.harmless}
        for key in (GENERATION & set(kept)) - set(cls.model_fields):
            del kept[key]
        for key, neutral in {**NEUTRAL, **cls.neutral}.items():
            if key not in cls.model_fields and key in kept and kept.pop(key) not in (neutral, None):
                raise ModelError(
                    f"{where} has {key} = {values[key]!r}, which would change the numbers and is not supported; "
                    f"allowed: {neutral!r}"
                )
        for key in sorted(set(kept) - set(cls.model_fields)):
            raise ModelError(
                f"{where} has a field that could change the numbers and is not supported for model_type "
                f"{cls.model_type!r}: {unknown_name('field', key, cls.model_fields)}"
            )
        cls.read_labels(kept, where)
        try:
            return cls.parse(kept, where=where)
        except ConfigError as error:
            raise ModelError(f"{error}\nUse the config.json that was saved with the weights.") from None
