"""Model folders: what `transformers` opens unchanged, plus `massivetext.json`, which vouches for it.

massivetext.json holds where the model came from, the configuration, a digest per tensor and per part of the tokenizer,
and probe texts with their top logits. It is written last; loading compares everything and names what differs.
"""

from collections.abc import Mapping
from copy import copy
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from massivetext.errors import ModelError, unknown_name
from massivetext.models.config import ModelConfig
from massivetext.models.files.digests import differences, tensor_digest, tokenizer_digests, tokenizer_ids
from massivetext.models.files.recognising import what_is
from massivetext.models.files.weights import CONFIG_FILE, WEIGHTS_FILE, check_blocks, read_object, read_weights
from massivetext.state import read_state, write_state
from massivetext.storage import TEMPORARY_PREFIX, locked_folder, temporary_path, write_json

FORMAT = "massivetext-model/1"
RECORD_FILE = "massivetext.json"
PROBE_TEXTS = ("def main(arguments):\n    return", "The name of the", "北京是")
PROBE_LOGITS = 5
PROBE_TOLERANCE = 1e-3  # float32 on another processor, another number of threads; an altered weight gives far more
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Savable(Protocol):
    """What a folder asks of a model."""

    config: Any
    architecture: ClassVar[str]

    @property
    def dtype(self) -> torch.dtype: ...  # noqa: D102
    def stored_weights(self) -> dict[str, Tensor]: ...  # noqa: D102
    def generation_record(self) -> dict[str, Any] | None: ...  # noqa: D102
    def probe(self, ids: list[int]) -> Tensor: ...  # noqa: D102


def save_model_folder(
    model: Savable, tokenizer: Any, folder: Path, provenance: Mapping[str, Any] | None = None
) -> None:
    """Write `model` and `tokenizer` (or None) as a folder that `transformers` opens unchanged.

    provenance: where the model came from (recipe, corpus, token store, step, ...), JSON values; stored, not checked.
    Files appear whole; the record with all digests comes last, so a folder half rewritten does not load. Raises
    ModelError when the tokenizer has ids that the model has no row for, BusyError while another process writes there.
    """
    with locked_folder(folder):
        for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
            leftover.unlink(missing_ok=True)
        _save(model, tokenizer, folder, provenance)


def _save(model: Savable, tokenizer: Any, folder: Path, provenance: Mapping[str, Any] | None) -> None:
    """Do what `save_model_folder` does, in a folder that is locked."""
    from safetensors.torch import save_file

    config = model.config
    if tokenizer is not None:
        _check_vocabulary(len(tokenizer) - 1, config, "the tokenizer")
        tokenizer, context = copy(tokenizer), config.context_tokens
        if context is not None:  # so that whoever opens the folder cuts texts to what the model reads
            tokenizer.model_max_length = min(context, tokenizer.model_max_length)
    weights = {name: tensor.detach().contiguous().cpu() for name, tensor in model.stored_weights().items()}
    with temporary_path(folder / WEIGHTS_FILE) as temporary:
        save_file(weights, temporary, metadata={"format": "pt"})
    dtype, generation = str(model.dtype).removeprefix("torch."), model.generation_record()
    written = {**config.to_hugging_face(), "dtype": dtype, "architectures": [model.architecture]}
    write_json(folder / CONFIG_FILE, written)
    if generation is not None:
        write_json(folder / "generation_config.json", generation)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    record = {
        "format": FORMAT,
        "provenance": dict(provenance or {}),
        "config": type(config).from_hugging_face(config.to_hugging_face()).model_dump(mode="json"),
        "generation": generation or {},
        "tensors": {name: tensor_digest(tensor) for name, tensor in weights.items()},
        "tokenizer": {} if tokenizer is None else tokenizer_digests(folder),
        "probes": [] if tokenizer is None else _probes(model, tokenizer),
    }
    write_state(folder / RECORD_FILE, record)


def check_folder(folder: Path, config_class: type[ModelConfig], model: str) -> tuple[Any, dict[str, Tensor]]:
    """Return configuration and tensors of a folder, after checking all that its `massivetext.json` vouches for.

    A folder without one (from elsewhere) is checked as far as it goes: every tensor is finite and the tokenizer fits.
    The tensors are those of the file; what a class of models makes of their names is its own matter. model: the name of
    that class, for messages.
    """
    path = config_path(folder)
    values = read_object(path)
    if values.get("model_type") != config_class.model_type:
        found = (values.get("architectures") or ["model"])[0]
        raise ModelError(
            f"{folder} holds a {found}, not a {model}: {CONFIG_FILE} has model_type = {values.get('model_type')!r}, "
            f"and this class reads {config_class.model_type!r}; use the Auto classes, which choose by the folder"
        )
    config = config_class.from_hugging_face(values, where=str(path))
    weights = read_weights(folder)
    check_blocks(config, weights, f"the weights in {folder}")
    largest = tokenizer_ids(folder)
    if largest is not None:
        _check_vocabulary(largest, config, f"the tokenizer in {folder}")
    record = _read_record(folder)
    if record is not None:
        _check_record(record, folder, config, weights)
    return config, weights


def config_path(folder: Path) -> Path:
    """Return the path of a folder's configuration; raise ModelError when the folder is a single file."""
    if folder.is_file():
        raise ModelError(
            f"{folder} is a file; a model is a folder with {CONFIG_FILE} and {WEIGHTS_FILE}: give the folder."
            f"{what_is(folder)}"
        )
    return folder / CONFIG_FILE


def wanted_dtype(dtype: str | torch.dtype) -> torch.dtype | None:
    """Return the number format named, or None for "auto"."""
    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype != "auto" and dtype not in DTYPES:
        raise ModelError(unknown_name("dtype", dtype, [*DTYPES, "auto"]))
    return DTYPES.get(dtype)


def _check_vocabulary(largest_id: int, config: Any, what: str) -> None:
    """Raise ModelError when a tokenizer can give an id that has no row in the embedding."""
    if largest_id >= config.vocab_size:
        raise ModelError(
            f"{what} has ids up to {largest_id:,} but the model's vocab_size is {config.vocab_size:,}; use the "
            f"tokenizer that was saved with the model, or a model with vocab_size of at least {largest_id + 1:,}"
        )


def _read_record(folder: Path) -> dict[str, Any] | None:
    """Return the content of massivetext.json, or None for a folder that has none; refuse an unknown format."""
    path = folder / RECORD_FILE
    if not path.is_file():
        return None
    found = read_object(path).get("format")
    if found != FORMAT:
        raise ModelError(f"{path} has format {found!r}; this version reads {FORMAT!r}")
    remedy = f"Restore the folder from where it came, or delete {RECORD_FILE} to load the folder without its checks"
    return read_state(path, ("config", "generation", "tensors", "tokenizer", "probes"), remedy, ModelError)


def _check_record(record: dict[str, Any], folder: Path, config: Any, weights: dict[str, Tensor]) -> None:
    """Raise ModelError that names every configuration field, tensor and tokenizer part that is not as it was saved."""
    fields = type(config).model_fields  # one that came after the folder was saved had its default then
    stored = {**{name: fields[name].default for name in fields}, **record["config"]}
    found = config.model_dump(mode="json")
    changed = [
        f"config.json: {name} is {found.get(name)!r}, was {stored.get(name)!r}"
        for name in sorted({*stored, *found})
        if stored.get(name) != found.get(name)
    ]
    digests = {name: tensor_digest(tensor) for name, tensor in weights.items()}
    changed += differences("tensor", record["tensors"], digests)
    if record["tokenizer"]:
        changed += differences("tokenizer", record["tokenizer"], tokenizer_digests(folder))
    generation = folder / "generation_config.json"
    if (read_object(generation) if generation.is_file() else {}) != record["generation"]:
        changed.append("generation_config.json: changed")
    if changed:
        shown = "\n".join(f"  - {line}" for line in changed[:20])
        more = f"\n  - and {len(changed) - 20} more" if len(changed) > 20 else ""
        raise ModelError(
            f"{folder} is not what was saved there; changed since:\n{shown}{more}\n"
            f"Restore the folder from where it came. If the change is meant, delete {RECORD_FILE}: the folder then "
            f"loads without these checks."
        )


def _probes(model: Savable, tokenizer: Any) -> list[dict[str, Any]]:
    """Return the probe texts with their ids and the largest logits of the last position."""
    probes = []
    for text in PROBE_TEXTS:
        ids = list(tokenizer.encode(text))[: model.config.context_tokens]
        logits = model.probe(ids)
        values, indices = logits.topk(min(PROBE_LOGITS, len(logits)))
        probes.append({"text": text, "ids": ids, "top_ids": indices.tolist(), "top_logits": values.tolist()})
    return probes


def check_probes(model: Savable, folder: Path) -> None:
    """Raise ModelError where the model's outputs on the stored probe texts are not the stored ones."""
    record = _read_record(folder)
    if record is None or not record["probes"]:
        raise ModelError(
            f"verify=True needs the probe texts of {folder / RECORD_FILE}, and there are none; load without it"
        )
    for probe in record["probes"]:
        logits = model.probe(probe["ids"])[probe["top_ids"]]
        off = float((logits - torch.tensor(probe["top_logits"])).abs().max())
        if not off <= PROBE_TOLERANCE:  # also true for NaN
            raise ModelError(
                f"{folder}: after {probe['text']!r} the top logits differ by {off:.3g} from those saved with the model "
                f"(allowed: {PROBE_TOLERANCE:g}); the model does not compute what it did when it was saved"
            )
