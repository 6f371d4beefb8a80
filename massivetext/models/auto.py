"""The Auto classes: the model's own configuration says which family it is."""

from pathlib import Path
from typing import Any

import torch

from massivetext.errors import ConfigError, ModelError, unknown_name
from massivetext.hub import find_folder
from massivetext.hugging_face import checked_options
from massivetext.models.architectures import PUBLISHED_CONFIGS
from massivetext.models.config import DecoderConfig
from massivetext.models.config_methods import LATER
from massivetext.models.decoder import CausalDecoder
from massivetext.models.families.table import CAUSAL_FAMILIES
from massivetext.models.files.folder import load_model_folder, read_config, wanted_dtype
from massivetext.models.files.gguf_file import load_gguf
from massivetext.models.files.recognising import unknown_family
from massivetext.models.files.weights import CONFIG_FILE, read_object
from massivetext.models.methods import loading_options
from massivetext.models.presets import PRESETS, preset_config
from massivetext.models.published_sizes import PUBLISHED_SIZES


class AutoConfig:
    """Makes configurations: of a model folder, or of a family with values of one's own."""

    @classmethod
    def from_pretrained(cls, name: str | Path, **changes: Any) -> Any:
        """Return the configuration of a model folder or GGUF file (or a name that `hub.find_folder` knows).

        changes: fields to have otherwise, e.g. num_labels.
        """
        config = cls._read(find_folder(name))
        names = [*config.accepted_names(), "label2id"]
        kept = checked_options("config.from_pretrained", changes, names, "AutoConfig.from_pretrained")
        return config.changed(**kept) if kept else config

    @staticmethod
    def _read(found: Path) -> Any:
        """Return the configuration of a folder or GGUF file."""
        if found.suffix == ".gguf":
            return load_gguf(found).config
        values = read_object(found / CONFIG_FILE) if found.is_dir() else {}
        if values.get("model_type") in PUBLISHED_CONFIGS:
            family = PUBLISHED_CONFIGS[values["model_type"]]
            return family.from_hugging_face(values, where=str(found / CONFIG_FILE))
        if found.is_dir() and values.get("model_type") not in CAUSAL_FAMILIES:
            reason = unknown_family(values, [*CAUSAL_FAMILIES, *PUBLISHED_CONFIGS])
            raise ModelError(f"{found / CONFIG_FILE}: {reason}")
        return read_config(found)

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

    @staticmethod
    def from_preset(name: str, **changes: Any) -> Any:
        """Return the configuration of a published size (gpt2-medium, bert-base-uncased, ...), to train from scratch.

        changes: fields to have otherwise, e.g. vocab_size. Unknown names and fields raise ConfigError with the nearest.
        """
        if name in PUBLISHED_SIZES:
            preset = PUBLISHED_SIZES[name]
            return PUBLISHED_CONFIGS[preset.family].parse({**preset.fields, **changes}, where=f"preset {name}")
        if name not in PRESETS:
            raise ConfigError(unknown_name("model preset", name, [*PRESETS, *PUBLISHED_SIZES]))
        return preset_config(name, **changes)


class AutoModelForCausalLM:
    """Makes causal language models: from a folder with weights, or fresh from a configuration."""

    @staticmethod
    def from_pretrained(name: str | Path, *arguments: Any, verify: bool = False, **options: Any) -> CausalDecoder:
        """Return the model in a folder or GGUF file (or of a name that `hub.find_folder` knows), in evaluation mode.

        verify: also run the probe texts stored with the model and compare the top logits. options: dtype (torch_dtype),
        the number format of the weights in memory, "auto" keeps the file's, unset float32; device (device_map), one
        device; config, the folder's own with other ids; and these ids (pad_token_id, ...). Raises ModelError where the
        folder is incomplete or altered.
        """
        if arguments:
            raise ConfigError("from_pretrained takes one name; pass everything else by its own name")
        names = ("dtype", "device", "config", *LATER)
        given = loading_options(options, names, "AutoModelForCausalLM")
        dtype, device, config = given.pop("dtype", "float32"), given.pop("device", "cpu"), given.pop("config", None)
        model = AutoModelForCausalLM._loaded(find_folder(name), verify, dtype).to(device)
        changes = {field: value for field, value in given.items() if field in type(model.config).model_fields}
        model.config.update({**({} if config is None else config.model_dump()), **changes})
        return model

    @staticmethod
    def _loaded(found: Path, verify: bool, dtype: str | torch.dtype) -> CausalDecoder:
        """Return the model of a folder or GGUF file."""
        if found.suffix != ".gguf":
            return load_model_folder(found, verify=verify, dtype=dtype)
        if verify:
            raise ModelError(f"{found} holds no probe texts to verify; load it without verify=True")
        return load_gguf(found, wanted_dtype(dtype))

    @staticmethod
    def from_config(config: DecoderConfig, seed: int = 0, **options: Any) -> CausalDecoder:
        """Return a model with fresh weights, a function of `config` and `seed` alone, in training mode."""
        checked_options("model.from_config", options, (), "AutoModelForCausalLM.from_config")
        for family in CAUSAL_FAMILIES.values():
            if type(config) is family.config_class:
                return family.from_config(config, seed)
        allowed = ", ".join(family.config_class.__name__ for family in CAUSAL_FAMILIES.values())
        raise ModelError(f"no model is known for a {type(config).__name__}; allowed: {allowed}")
