"""The Auto classes of encoders and encoder-decoders: the folder's configuration says which family it is."""

from pathlib import Path
from typing import Any, ClassVar

from massivetext.errors import ConfigError, ModelError, unknown_name
from massivetext.hub import find_folder
from massivetext.models.architectures import ARCHITECTURES
from massivetext.models.families import CAUSAL_FAMILIES
from massivetext.models.pretrained import PretrainedModel
from massivetext.models.published import PublishedConfig
from massivetext.models.weights import CONFIG_FILE, read_object


class AutoHead:
    """Base of the Auto classes: makes models for one task, from a folder with weights or fresh."""

    task: ClassVar[str]

    @classmethod
    def from_pretrained(cls, name: str | Path, **options: Any) -> PretrainedModel:
        """Return the model of a folder (or of a name that `hub.find_folder` knows), in evaluation mode.

        options: verify, dtype, device, and fields of the configuration such as num_labels; see
        `PretrainedModel.from_pretrained`.
        """
        folder = find_folder(name)
        if folder.is_file():
            raise ModelError(f"{folder} is a file; a model is a folder with {CONFIG_FILE}: give the folder")
        family = read_object(folder / CONFIG_FILE).get("model_type")
        return cls._class(str(family), str(folder / CONFIG_FILE)).from_pretrained(folder, **options)

    @classmethod
    def from_config(cls, config: PublishedConfig, seed: int = 0) -> PretrainedModel:
        """Return a model with fresh weights, a function of `config` and `seed` alone, in training mode."""
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


class AutoModel(AutoHead):
    """Models without a head: `last_hidden_state`, `pooler_output`."""

    task = "base"


class AutoModelForMaskedLM(AutoHead):
    """Models that predict masked tokens."""

    task = "masked-lm"


class AutoModelForSequenceClassification(AutoHead):
    """Models that label texts."""

    task = "sequence-classification"


class AutoModelForTokenClassification(AutoHead):
    """Models that label tokens."""

    task = "token-classification"


class AutoModelForQuestionAnswering(AutoHead):
    """Models that find answers inside a text."""

    task = "question-answering"


class AutoModelForMultipleChoice(AutoHead):
    """Models that choose one of several continuations."""

    task = "multiple-choice"


class AutoModelForSeq2SeqLM(AutoHead):
    """Models that read one text and write another."""

    task = "seq2seq-lm"
