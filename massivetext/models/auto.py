"""The Auto classes: the model's own configuration says which family it is."""

from pathlib import Path
from typing import Any, ClassVar

from massivetext.errors import ConfigError, ModelError, unknown_name
from massivetext.hub import find_folder
from massivetext.hugging_face import checked_options
from massivetext.models.families.table import CLASSES, FAMILIES
from massivetext.models.files.folder import config_path
from massivetext.models.files.gguf_file import gguf_family
from massivetext.models.files.recognising import unknown_family
from massivetext.models.files.weights import read_object
from massivetext.models.model import Model
from massivetext.models.presets import PRESETS, preset_config
from massivetext.models.published_sizes import PUBLISHED_SIZES


class AutoConfig:
    """Makes configurations: of a model folder, or of a family with your own values."""

    @classmethod
    def from_pretrained(cls, name: str | Path, **changes: Any) -> Any:
        """Return the configuration of a model folder or GGUF file (or a name that `hub.find_folder` knows).

        changes: fields to have otherwise, e.g. num_labels.
        """
        found = find_folder(name)
        if found.suffix == ".gguf":
            family = gguf_family(found)
        else:
            path = config_path(found)
            values = read_object(path)
            family = str(values.get("model_type"))
            if family not in FAMILIES:
                raise ModelError(f"{path}: {unknown_family(values, list(FAMILIES))}")
        return FAMILIES[family].config.of_file(found).with_options(changes, "AutoConfig.from_pretrained")

    @staticmethod
    def for_model(family: str, **values: Any) -> Any:
        """Return a configuration of `family` (llama, qwen3, ...) with Hugging Face's field names.

        Unknown families and fields raise ConfigError with the nearest name.
        """
        if family not in FAMILIES:
            raise ConfigError(unknown_name("model family", family, FAMILIES))
        return FAMILIES[family].config.parse(values, where="model")

    @staticmethod
    def from_preset(name: str, **changes: Any) -> Any:
        """Return the configuration of a published size (gpt2-medium, bert-base-uncased, ...), to train from scratch.

        changes: fields to have otherwise, e.g. vocab_size. Unknown names and fields raise ConfigError with the nearest.
        """
        if name in PUBLISHED_SIZES:
            preset = PUBLISHED_SIZES[name]
            return FAMILIES[preset.family].config.parse({**preset.fields, **changes}, where=f"preset {name}")
        if name not in PRESETS:
            raise ConfigError(unknown_name("model preset", name, [*PRESETS, *PUBLISHED_SIZES]))
        return preset_config(name, **changes)


class AutoClass:
    """Base of the Auto classes: makes models for one task, from a folder with weights or fresh."""

    task: ClassVar[str]

    def __init_subclass__(cls, task: str) -> None:
        """Note which task of the table of classes it makes models for."""
        cls.task = task

    @classmethod
    def from_pretrained(cls, name: str | Path, *arguments: Any, **options: Any) -> Any:
        """Return the model of a folder (or of a name that `hub.find_folder` knows), in evaluation mode.

        A causal model may also be a GGUF file. options: verify, dtype, device, and fields of the configuration such as
        num_labels; see `Model.from_pretrained`.
        """
        if arguments:
            raise ConfigError("from_pretrained takes one name; pass everything else by its own name")
        found = find_folder(name)
        if found.suffix == ".gguf" and cls.task == "causal-lm":
            return cls.class_of(gguf_family(found), str(found)).from_pretrained(found, **options)
        path = config_path(found)
        values = read_object(path)
        known = CLASSES[cls.task] if cls.task == "causal-lm" else FAMILIES
        if values.get("model_type") not in FAMILIES:
            raise ModelError(f"{path}: {unknown_family(values, sorted(known))}")
        return cls.class_of(str(values["model_type"]), str(path)).from_pretrained(found, **options)

    @classmethod
    def from_config(cls, config: Any, seed: int = 0, **options: Any) -> Any:
        """Return a model with fresh weights, a function of `config` and `seed` alone, in training mode."""
        checked_options("model.from_config", options, (), f"{cls.__name__}.from_config")
        family = getattr(config, "model_type", None)
        if family is None:
            raise ConfigError(
                f"from_config takes a configuration such as AutoConfig.for_model gives, not a {type(config).__name__}"
            )
        return cls.class_of(str(family), type(config).__name__).from_config(config, seed)

    @classmethod
    def class_of(cls, family: str, where: str) -> type[Model]:
        """Return the family's class for this task; raise ModelError that says which families have one."""
        classes = CLASSES[cls.task]
        if family in classes:
            return classes[family]
        if cls.task == "causal-lm":
            openers = [
                opener.__name__ for opener in OPENERS if family in CLASSES[opener.task] and opener is not AutoModel
            ]
            raise ModelError(
                f"{where}: {family} does not predict the next token, so {cls.__name__} does not open it; use "
                f"{', '.join(openers)}, or AutoModel for its hidden states. Families that do: "
                f"{', '.join(sorted(classes))}"
            )
        reason = unknown_name(f"model_type for {cls.__name__}:", family, classes)
        if family in CLASSES["causal-lm"]:
            reason += f". {family} predicts the next token: use AutoModelForCausalLM"
        raise ModelError(f"{where}: {reason}")


class AutoModel(AutoClass, task="base"):
    """Models without a head: `last_hidden_state`, `pooler_output`."""


class AutoModelForCausalLM(AutoClass, task="causal-lm"):
    """Causal language models, which predict each next token."""


class AutoModelForMaskedLM(AutoClass, task="masked-lm"):
    """Models that predict masked tokens."""


class AutoModelForSequenceClassification(AutoClass, task="sequence-classification"):
    """Models that label texts."""


class AutoModelForTokenClassification(AutoClass, task="token-classification"):
    """Models that label tokens."""


class AutoModelForQuestionAnswering(AutoClass, task="question-answering"):
    """Models that find answers inside a text."""


class AutoModelForMultipleChoice(AutoClass, task="multiple-choice"):
    """Models that choose one of several continuations."""


class AutoModelForSeq2SeqLM(AutoClass, task="seq2seq-lm"):
    """Models that read one text and write another."""


OPENERS: tuple[type[AutoClass], ...] = (
    AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSequenceClassification,
    AutoModelForTokenClassification, AutoModelForQuestionAnswering, AutoModelForMultipleChoice, AutoModelForSeq2SeqLM,
)  # fmt: skip
