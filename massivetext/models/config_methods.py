"""What every configuration has under Hugging Face's names: as a dict or JSON, changed, saved, fields by other names."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, cast

from massivetext.errors import ConfigError
from massivetext.hub import find_folder
from massivetext.hugging_face import checked_options, unknown_attribute
from massivetext.models.files.gguf_file import gguf_family, read_gguf
from massivetext.models.files.weights import CONFIG_FILE, read_object
from massivetext.settings import Settings
from massivetext.storage import write_json

# Fields that change nothing in what a model computes here, with the value that reading them gives.
CONSTANT: dict[str, Any] = {
    "_attn_implementation": "sdpa", "_name_or_path": "", "attn_implementation": "sdpa", "name_or_path": "",
    "is_decoder": False, "is_encoder_decoder": False, "output_attentions": False, "output_hidden_states": False,
    "pretraining_tp": 1, "return_dict": True, "torchscript": False, "transformers_version": None, "use_cache": True,
    "use_return_dict": True,
}  # fmt: skip
# Constant fields that may be set, as programs do, because nothing follows from them.
SETTABLE = (
    "_attn_implementation",
    "_name_or_path",
    "attn_implementation",
    "name_or_path",
    "pretraining_tp",
    "use_cache",
)
# Fields that may change when the model is made already.
LATER = (
    "bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id", "forced_bos_token_id",
    "forced_eos_token_id", "id2label", "problem_type",
)  # fmt: skip
HEADER = ("architectures", "model_type")


class ConfigMethods(Settings):
    """Base of all models' configurations."""

    model_type: ClassVar[str]
    field_names: ClassVar[Mapping[str, str]] = {}
    """Our name of a field: the family's own in config.json (hidden_size: n_embd). Both are accepted as arguments."""

    @classmethod
    def accepted_names(cls) -> list[str]:
        """Return the names of all fields, this package's and the family's own."""
        return [*cls.model_fields, *cls.field_names.values()]

    def to_dict(self) -> dict[str, Any]:
        """Return the content of config.json."""
        written: dict[str, Any] = self.to_hugging_face()
        return written

    def to_json_string(self, use_diff: bool = True) -> str:
        """Return the content of config.json as JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=2, sort_keys=True) + "\n"

    def to_diff_dict(self) -> dict[str, Any]:
        """Return the fields that do not have their default."""
        plain = type(self)().model_dump() if not any(f.is_required() for f in type(self).model_fields.values()) else {}
        own = self.model_dump()
        return {**self._header(), **{name: value for name, value in own.items() if value != plain.get(name)}}

    def _header(self) -> dict[str, Any]:
        return {name: value for name, value in self.to_dict().items() if name in HEADER}

    @classmethod
    def from_dict(cls, config_dict: Mapping[str, Any], **changes: Any) -> Self:
        """Return the configuration in the content of a config.json."""
        found: Self = cls.from_hugging_face(config_dict)  # type: ignore[attr-defined]
        return found.changed(**changes) if changes else found

    @classmethod
    def from_pretrained(cls, name: str | Path, **changes: Any) -> Self:
        """Return the configuration of a model folder or GGUF file; ConfigError where it is of another family."""
        found = find_folder(name)
        told = gguf_family(found) if found.suffix == ".gguf" else read_object(found / CONFIG_FILE).get("model_type")
        if told != cls.model_type:
            raise ConfigError(f"{name} holds a model of type {told!r}, not {cls.model_type!r}; use mt.AutoConfig")
        return cls.of_file(found).with_options(changes, f"{cls.__name__}.from_pretrained")

    @classmethod
    def of_file(cls, found: Path) -> Self:
        """Return the configuration in a model folder or GGUF file of the family."""
        if found.suffix == ".gguf":
            return cast(Self, read_gguf(found, cls)[0])
        path = found / CONFIG_FILE
        own: Self = cls.from_hugging_face(read_object(path), where=str(path))  # type: ignore[attr-defined]
        return own

    def with_options(self, changes: Mapping[str, Any], shown: str) -> Self:
        """Return the configuration with the fields that a call of `from_pretrained` changes."""
        names = [*self.accepted_names(), "label2id"]
        kept = checked_options("config.from_pretrained", changes, names, shown)
        return self.changed(**kept) if kept else self

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> None:
        """Write config.json into a folder."""
        checked_options("model.save_pretrained", options, (), f"{type(self).__name__}.save_pretrained")
        write_json(Path(save_directory) / "config.json", self.to_dict())

    def update(self, config_dict: Mapping[str, Any]) -> None:
        """Set several fields."""
        for name, value in config_dict.items():
            setattr(self, name, value)

    def get_text_config(self, **options: Any) -> Self:
        """Return the configuration itself: models of this package read texts only."""
        return self

    @property
    def label2id(self) -> dict[str, int]:
        """The number of each label."""
        return {name: number for number, name in self.labels.items()}

    def __getattr__(self, name: str) -> Any:
        """Return a field by the family's own name (n_embd), or one that changes nothing."""
        ours = {theirs: own for own, theirs in type(self).field_names.items()}.get(name)
        if ours is not None:
            return getattr(self, ours)
        if name in CONSTANT:
            return self.__dict__.get(f"set {name}", CONSTANT[name])
        if name == "architectures":
            return self.to_dict().get(name)
        if name.startswith("_"):
            return super().__getattr__(name)  # type: ignore[misc]
        raise AttributeError(unknown_attribute(type(self).__name__, name, self.accepted_names()))

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a field, checked; once a model is made of the configuration, only what changes no weight."""
        own = {theirs: ours for ours, theirs in type(self).field_names.items()}.get(name, name)
        if own in SETTABLE or (own in CONSTANT and value == CONSTANT[own]):
            self.__dict__[f"set {own}"] = value
        elif own == "label2id":
            self.__setattr__("id2label", {number: label for label, number in value.items()})
        elif own not in type(self).model_fields:
            known = [*self.accepted_names(), *SETTABLE]
            if own in CONSTANT:
                raise ConfigError(f"a configuration cannot have {own} = {value!r}; pass it to the call of the model")
            raise AttributeError(unknown_attribute(type(self).__name__, name, known))
        elif self.__dict__.get("built") and own not in LATER and value != getattr(self, own):
            raise ConfigError(
                f"{name} cannot change to {value!r}: a model was made of this configuration. Make the model of "
                f"config.changed({name}=...), or pass {name}=... to from_pretrained"
            )
        else:
            changed = self.changed(**{own: value})
            self.__dict__.update({field: getattr(changed, field) for field in type(self).model_fields})
