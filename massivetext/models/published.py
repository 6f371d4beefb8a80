"""What the encoder and encoder-decoder configurations share: Hugging Face's config.json, read strictly.

`LabelledConfig`, the fields of classifiers, also serves the decoders' configurations.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from massivetext.errors import ConfigError, ModelError, unknown_name
from massivetext.models.config_methods import ConfigMethods

# Fields that do not change what a model of any family computes: names of files and programs, settings of training runs,
# sizes of parts that no class here has.
HARMLESS = {
    "_attn_implementation", "_attn_implementation_autoset", "_attn_implementation_internal", "_commit_hash",
    "_flash_attn_2_enabled", "_name_or_path", "_num_labels", "adapters", "architectures", "attn_implementation",
    "auto_map", "chunk_size_feed_forward", "custom_pipelines", "directionality", "dtype", "eos_token_ids",
    "finetuning_task", "gradient_checkpointing", "is_llama_config", "label2id", "language", "max_sequence_length",
    "max_window_layers", "model_type", "n_ctx", "name_or_path", "output_attentions", "output_hidden_states",
    "output_past", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head",
    "pooler_type", "prefix", "pretraining_tp", "return_dict", "sbert_ce_default_activation_function",
    "sentence_transformers", "seq_length", "summary_activation", "summary_first_dropout", "summary_proj_to_labels",
    "summary_type", "summary_use_proj", "task_specific_params", "tokenizer_class", "tokenizer_name", "torch_dtype",
    "transformers.js_config", "transformers_version", "unsloth_fixed", "unsloth_version", "use_cache",
}  # fmt: skip
# Fields that would change the numbers, with the one value at which they do not.
NEUTRAL: dict[str, Any] = {
    "add_cross_attention": False, "cross_attention_hidden_size": None, "decoder_layerdrop": 0.0,
    "encoder_layerdrop": 0.0, "is_decoder": False, "position_embedding_type": "absolute", "pruned_heads": {},
    "quantization_config": None, "tie_encoder_decoder": False, "torchscript": False, "use_bfloat16": False,
}  # fmt: skip
REMEDIES = {
    "quantization_config": ". Take the folder with unquantised weights, or a GGUF file, whose weights become float32 "
    "when it is read"
}
# Old folders keep the settings of `generate` here; they are read where there is no generation_config.json.
GENERATION = {
    "bad_words_ids", "decoder_start_token_id", "diversity_penalty", "do_sample", "early_stopping",
    "encoder_no_repeat_ngram_size", "forced_bos_token_id", "forced_eos_token_id", "length_penalty", "max_length",
    "min_length", "no_repeat_ngram_size", "num_beam_groups", "num_beams", "num_return_sequences", "output_scores",
    "remove_invalid_values", "renormalize_logits", "repetition_penalty", "return_dict_in_generate", "temperature",
    "top_k", "top_p", "typical_p", "exponential_decay_length_penalty", "begin_suppress_tokens", "suppress_tokens",
}  # fmt: skip
LAYERS = ("num_hidden_layers", "num_layers", "num_decoder_layers", "encoder_layers", "decoder_layers")
MOST_LAYERS = 10_000


def generation_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of `generate` in an old config.json."""
    return {key: value for key, value in values.items() if key in GENERATION and value is not None}


def effective(values: Mapping[str, Any], config: Any, neutral: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the fields of a config.json that can change what a model computes.

    config: the class of configurations, whose `harmless` and `neutral` fields add to the tables here. neutral: fields
    with the one value at which they change nothing; another one raises ModelError by name.
    """
    own = set(config.model_fields) | set(getattr(config, "field_names", {}).values())
    kept = {key: value for key, value in values.items() if key in own or key not in HARMLESS | GENERATION}
    kept = {key: value for key, value in kept.items() if key not in config.harmless}
    for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
        if kept.get(key) == -1:  # what the first LLaMA folders write for none
            kept[key] = None
    for key, allowed in {**neutral, **config.neutral}.items():
        if key in kept and key not in config.model_fields and kept.pop(key) not in (allowed, None):
            raise ModelError(
                f"{where} has {key} = {str(values[key])[:200]}, which would change the numbers and is not supported; "
                f"allowed: {allowed!r}{REMEDIES.get(key, '')}"
            )
    return kept


NOT_NEGATIVE = ("init_std", "initializer_range", "initializer_factor")  # ends of fields' names
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
        kept = effective(values, cls, NEUTRAL, where)
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
