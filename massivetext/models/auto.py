"""The Auto classes: the model's own configuration says which family it is."""

from pathlib import Path
from typing import Any

import torch

from massivetext.errors import ConfigError, ModelError, unknown_name
from massivetext.hub import find_folder
from massivetext.models.architectures import PUBLISHED_CONFIGS
from massivetext.models.configuration import DecoderConfig
from massivetext.models.decoder import CausalDecoder
from massivetext.models.families import CAUSAL_FAMILIES
from massivetext.models.folder import load_model_folder, read_config
from massivetext.models.weights import CONFIG_FILE, read_object


class AutoConfig:
    """Makes configurations: of a model folder, or of a family with values of one's own."""

    @staticmethod
    def from_pretrained(name: str | Path) -> Any:
        """Return the configuration of a model folder (or a name that `hub.find_folder` knows)."""
        folder = find_folder(name)
        values = read_object(folder / CONFIG_FILE) if folder.is_dir() else {}
        if values.get("model_type") in PUBLISHED_CONFIGS:
            family = PUBLISHED_CONFIGS[values["model_type"]]
            return family.from_hugging_face(values, where=str(folder / CONFIG_FILE))
        return read_config(folder)

    @staticmethod
    def for_model(family: str, **values: Any) -> Any:
        """Return a configuration of `family` (llama, qwen3, ...) with Hugging Face's field names.

        Unknown families and fields raise ConfigError with the nearest name.
        """
        if family in PUBLISHED_CONFIGS:
            return PUBLISHED_CONFIGS[family].parse(values, where="model")
        if family not in CAUSAL_FAMILIES:
            raise ConfigError(unknown_name("model family", family, [*CAUSAL_FAMILIES, *PUBLISHED_CONFIGS]))
        return CAUSAL_FAMILIES[family].config_class.parse(values, where="model")


class AutoModelForCausalLM:
    """Makes causal language models: from a folder with weights, or fresh from a configuration."""

    @staticmethod
    def from_pretrained(
        name: str | Path, *, verify: bool = False, dtype: str | torch.dtype = "float32", device: str = "cpu"
    ) -> CausalDecoder:
        """Return the model in a folder (or of a name that `hub.find_folder` knows), in evaluation mode.

        verify: also run the probe texts stored with the model and compare the top logits. dtype: number format of the
        weights in memory, "auto" keeps the file's. Raises ModelError where the folder is incomplete or altered.
        """
        return load_model_folder(find_folder(name), verify=verify, dtype=dtype).to(device)

    @staticmethod
    def from_config(config: DecoderConfig, seed: int = 0) -> CausalDecoder:
        """Return a model with fresh weights, a function of `config` and `seed` alone, in training mode."""
        for family in CAUSAL_FAMILIES.values():
            if type(config) is family.config_class:
                return family.from_config(config, seed)
        allowed = ", ".join(family.config_class.__name__ for family in CAUSAL_FAMILIES.values())
        raise ModelError(f"no model is known for a {type(config).__name__}; allowed: {allowed}")
