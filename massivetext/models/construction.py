"""The model of a recipe: its configuration, and the model itself with its first weights."""

from massivetext.errors import ConfigError
from massivetext.models.auto import AutoConfig, AutoModelForCausalLM
from massivetext.models.config import DecoderConfig
from massivetext.models.decoder import CausalLM
from massivetext.models.families.table import CLASSES
from massivetext.models.settings import ModelSettings


def new_config(settings: ModelSettings, context_tokens: int, vocab_size: int, start_id: int = 0) -> DecoderConfig:
    """Return the configuration that a `model` section describes, for rows of `context_tokens`.

    The model's context is `context_tokens` unless the section says more. start_id: the id before each document.
    Raises ConfigError for a model that cannot be trained on next tokens, or that reads less than a training row.
    """
    config = _config(settings, context_tokens, vocab_size, start_id)
    if config.model_type not in CLASSES["causal-lm"]:
        raise ConfigError(
            f"model: {config.model_type} does not predict next tokens, which train.objective needs; "
            f"families that do: {', '.join(CLASSES['causal-lm'])}"
        )
    if context_tokens > config.max_position_embeddings:
        remedy = "lower it" + ("" if settings.from_ else ", or raise model.max_position_embeddings")
        raise ConfigError(
            f"train.context_tokens is {context_tokens} and the model reads at most {config.max_position_embeddings} "
            f"tokens (max_position_embeddings); {remedy}"
        )
    return config


def _config(settings: ModelSettings, context_tokens: int, vocab_size: int, start_id: int) -> DecoderConfig:
    """Return the configuration of the folder, the preset or the family."""
    if settings.from_:
        return AutoConfig.from_pretrained(settings.from_)
    ids = {"bos_token_id": start_id, "eos_token_id": start_id, "pad_token_id": start_id, "vocab_size": vocab_size}
    for name in ids:
        if name in settings.fields:
            key = "tokenizer.vocab_size" if name == "vocab_size" else "the tokenizer"
            raise ConfigError(f"model.{name} is given, and it follows from {key}; remove it")
    if settings.preset:
        config = AutoConfig.from_preset(settings.preset, **{**settings.fields, **ids})
        if not isinstance(config, DecoderConfig):
            raise ConfigError(
                f"model.preset is {settings.preset}, and a recipe trains models that predict the next token; take one "
                f"of those that `massivetext models` lists, such as gpt2, or train {config.model_type} with mt.Trainer"
            )
        return config
    context = {"max_position_embeddings": context_tokens, **settings.fields}
    return AutoConfig.for_model(str(settings.family), **{**context, **ids})


def new_model(
    settings: ModelSettings, context_tokens: int, vocab_size: int, *, start_id: int = 0, seed: int = 0
) -> CausalLM:
    """Return the model of a `model` section with its first weights: fresh from configuration and seed, or a folder's.

    Parameters as in `new_config`, which says what is refused.
    """
    if settings.from_:
        model = AutoModelForCausalLM.from_pretrained(settings.from_)
        model.train()
        return model
    config = new_config(settings, context_tokens, vocab_size, start_id)
    return AutoModelForCausalLM.from_config(config, seed=seed)
