"""The Auto classes but AutoModelForCausalLM: the folder's configuration says which family it is."""

from pathlib import Path
from typing import Any, ClassVar

from massivetext.errors import ConfigError, ModelError, unknown_name
from massivetext.hub import find_folder
from massivetext.hugging_face import checked_options
from massivetext.models.architectures import ARCHITECTURES
from massivetext.models.families.table import CAUSAL_FAMILIES
from massivetext.models.files.recognising import unknown_family, what_is
from massivetext.models.files.weights import CONFIG_FILE, read_object
from massivetext.models.model import PretrainedModel
from massivetext.models.published import LabelledConfig


class AutoHead:
    """Base of the Auto classes: makes models for one task, from a folder with weights or fresh."""

    task: ClassVar[str]

    def __init_subclass__(cls, task: str) -> None:
        """Note which task of `ARCHITECTURES` the class makes models for."""
        cls.task = task

    @classmethod
    def from_pretrained(cls, name: str | Path, **options: Any) -> PretrainedModel:
        """Return the model of a folder (or of a name that `hub.find_folder` knows), in evaluation mode.

        options: verify, dtype, device, and fields of the configuration such as num_labels; see
        `PretrainedModel.from_pretrained`.
        """
        folder = find_folder(name)
        if folder.is_file():
            raise ModelError(
                f"{folder} is a file; a model is a folder with {CONFIG_FILE}: give the folder.{what_is(folder)}"
            )
        values = read_object(folder / CONFIG_FILE)
        known = {*CAUSAL_FAMILIES, *(family for models in ARCHITECTURES.values() for family in models)}
        if values.get("model_type") not in known:
            raise ModelError(f"{folder / CONFIG_FILE}: {unknown_family(values, sorted(known))}")
        return cls._class(str(values["model_type"]), str(folder / CONFIG_FILE)).from_pretrained(folder, **options)

    @classmethod
    def from_config(cls, config: LabelledConfig, seed: int = 0, **options: Any) -> PretrainedModel:
        """Return a model with fresh weights, a function of `config` and `seed` alone, in training mode."""
        checked_options("model.from_config", options, (), f"{cls.__name__}.from_config")
        family = getattr(config, "model_type", None)
        if family is None:
            raise ConfigError(
                f"from_config takes a configuration such as AutoConfig.for_model gives, not a {type(config).__name__}"
            )
        return cls._class(str(family), type(config).__name__).from_config(config, seed)

    @classmethod
    def _class(cls, family: str, where: str) -> type[PretrainedModel]:
        """Return the family's class for this task; raise ModelError that says which families have one."""
        classes = ARCHITECTURES[cls.task]
        if family in classes:
            return classes[family]
        reason = unknown_name(f"model_type for {cls.__name__}:", family, classes)
        if family in CAUSAL_FAMILIES:
            reason += f". {family} predicts the next token: use AutoModelForCausalLM"
        raise ModelError(f"{where}: {reason}")


class AutoModel(AutoHead, task="base"):
    """Models without a head: `last_hidden_state`, `pooler_output`."""


class AutoModelForMaskedLM(AutoHead, task="masked-lm"):
    """Models that predict masked tokens."""


class AutoModelForSequenceClassification(AutoHead, task="sequence-classification"):
    """Models that label texts."""


class AutoModelForTokenClassification(AutoHead, task="token-classification"):
    """Models that label tokens."""


class AutoModelForQuestionAnswering(AutoHead, task="question-answering"):
    """Models that find answers inside a text."""


class AutoModelForMultipleChoice(AutoHead, task="multiple-choice"):
    """Models that choose one of several continuations."""


class AutoModelForSeq2SeqLM(AutoHead, task="seq2seq-lm"):
    """Models that read one text and write another."""
