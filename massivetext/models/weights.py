"""Where weights come from: a model folder, read strictly (nothing is unpickled, nothing is skipped), or a seed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import xxhash
from torch import Tensor

from massivetext import state
from massivetext.errors import ModelError

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in `path`; raise ModelError where there is none."""
    if not path.is_file():
        raise ModelError(f"{path.parent} has no {path.name}; a model folder holds {CONFIG_FILE} and {WEIGHTS_FILE}")
    return state.read_object(path, (), "Restore it from where the model came", ModelError)


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Return all tensors of the folder's safetensors file, or of its shards, by name."""
    weights: dict[str, Tensor] = {}
    for path in _weight_files(folder):
        weights.update(_read_file(path))
    return weights


def seeded_normal(shape: torch.Size, deviation: float, seed: int, name: str) -> Tensor:
    """Return first values for a parameter: normal around zero, a function of (seed, its name) alone."""
    digest = xxhash.xxh3_64_intdigest(f"{seed}/initialise/{name}".encode())
    generator = torch.Generator().manual_seed(digest & (2**63 - 1))
    return torch.empty(shape).normal_(0.0, deviation, generator=generator)


def check_finite(weights: Mapping[str, Tensor], where: str) -> None:
    """Raise ModelError that names the tensors with a number that is not finite."""
    broken = [name for name, tensor in weights.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        shown = ", ".join(broken[:5]) + (f" and {len(broken) - 5} more" if len(broken) > 5 else "")
        raise ModelError(
            f"{where} has weights that are NaN or infinite: {shown}; its training diverged or the file is damaged: "
            f"take an earlier checkpoint, or fetch it again"
        )


def _weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files that make up the weights; without any, raise ModelError with the way out."""
    if (folder / WEIGHTS_FILE).is_file():
        return [folder / WEIGHTS_FILE]
    if (folder / INDEX_FILE).is_file():
        names = sorted(set(read_object(folder / INDEX_FILE).get("weight_map", {}).values()))
        outside = [name for name in names if Path(name).name != name or not name.endswith(".safetensors")]
        if outside:
            raise ModelError(
                f"{folder / INDEX_FILE} names {outside[0]!r}; a shard is a .safetensors file in the same folder"
            )
        missing = [name for name in names if not (folder / name).is_file()]
        if missing or not names:
            raise ModelError(
                f"{folder / INDEX_FILE} names shards that are not there: {', '.join(missing) or 'none at all'}"
            )
        return [folder / name for name in names]
    pickled = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth") for path in folder.glob(pattern))
    if pickled:
        raise ModelError(
            f"{folder} holds its weights as {', '.join(pickled)}: pickles, which can run any program when opened, so "
            f"only safetensors are read. If you trust them, convert them once, where transformers is installed:\n"
            f'python -c "from transformers import AutoModelForCausalLM as A; '
            f"A.from_pretrained('{folder}').save_pretrained('{folder}')\""
        )
    raise ModelError(f"{folder} has no {WEIGHTS_FILE}; a model folder holds {CONFIG_FILE} and {WEIGHTS_FILE}")


def _read_file(path: Path) -> dict[str, Tensor]:
    """Return the tensors of one safetensors file; raise ModelError where it is damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is damaged ({error}); restore it from where the model came") from None
