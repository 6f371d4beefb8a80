"""`GenerationConfig`: how a model writes text, as an object of Hugging Face's kind over a plain dict."""

import json
from pathlib import Path
from typing import Any

from massivetext.errors import ModelError
from massivetext.generation.settings import LEFT_OUT, NEUTRAL, GenerationSettings
from massivetext.hugging_face import CHANGES_NOTHING, checked_options, unknown_attribute
from massivetext.state import read_object
from massivetext.storage import write_json

FILE = "generation_config.json"


class GenerationConfig:
    """Fields of `GenerationSettings`, each set or left to its default; unknown ones are refused."""

    values: dict[str, Any]

    def __init__(self, **values: Any) -> None:
        self.__dict__["values"] = {}
        self.update(**values)

    @classmethod
    def over(cls, values: dict[str, Any]) -> "GenerationConfig":
        """Return a view of a dict: what is set on the one is set on the other."""
        made = cls.__new__(cls)
        made.__dict__["values"] = values
        return made

    @classmethod
    def from_pretrained(cls, name: str | Path, **values: Any) -> "GenerationConfig":
        """Return what the generation_config.json of a folder (or of a name that is known) says."""
        from massivetext.hub import find_folder

        folder = find_folder(name)
        path = folder / FILE if folder.is_dir() else folder
        if not path.is_file():
            raise ModelError(f"{folder} holds no {FILE}; make one with GenerationConfig(max_new_tokens=...)")
        found = read_object(path, (), "Restore it from where the model came", ModelError)
        return cls(**{**found, **values})

    @classmethod
    def from_model_config(cls, config: Any) -> "GenerationConfig":
        """Return the start, end and padding ids of a model's configuration."""
        names = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
        ids = {name: getattr(config, name, None) for name in names}
        return cls(**{name: value for name, value in ids.items() if value is not None})

    def update(self, **values: Any) -> dict[str, Any]:
        """Set fields; return an empty dict, as all are known or refused."""
        known = {*GenerationSettings.model_fields, *LEFT_OUT, *NEUTRAL}
        for name in checked_options("generate", values, known, "GenerationConfig"):
            self.values[name] = values[name]
        given = {name: value for name, value in self.values.items() if value is not None}
        GenerationSettings.parse(
            {name: value for name, value in given.items() if name in GenerationSettings.model_fields},
            where="GenerationConfig",
        )
        return {}

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are set."""
        return dict(self.values)

    def to_json_string(self, use_diff: bool = True) -> str:
        """Return the fields that are set as JSON."""
        return json.dumps(self.values, indent=2, sort_keys=True) + "\n"

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> None:
        """Write generation_config.json into a folder."""
        checked_options("model.save_pretrained", options, (), "GenerationConfig.save_pretrained")
        write_json(Path(save_directory) / FILE, self.values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "values":  # a copy that has nothing yet
            raise AttributeError(name)
        if name in self.values:
            return self.values[name]
        if name in GenerationSettings.model_fields:
            return GenerationSettings.model_fields[name].default
        if name in NEUTRAL or name in LEFT_OUT or name in CHANGES_NOTHING["generate"]:
            return NEUTRAL.get(name)
        raise AttributeError(unknown_attribute("GenerationConfig", name, GenerationSettings.model_fields))

    def __setattr__(self, name: str, value: Any) -> None:
        self.update(**{name: value})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GenerationConfig) and self.values == other.values

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"GenerationConfig({', '.join(f'{name}={value!r}' for name, value in self.values.items())})"
