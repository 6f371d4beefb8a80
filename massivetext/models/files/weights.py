"""Sources of weights: a model folder, read strictly (nothing is unpickled, nothing is skipped), or a seed."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
import xxhash
from torch import Tensor

from massivetext import state
from massivetext.errors import ModelError
from massivetext.models.files.recognising import what_holds

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
FORMATS = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
# The families' names for the number of blocks.
BLOCK_FIELDS = (
    "num_hidden_layers", "n_layers", "num_layers", "num_decoder_layers", "encoder_layers", "decoder_layers",
)  # fmt: skip


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in `path`; raise ModelError if the file is missing or holds no JSON object."""
    if not path.is_file():
        known = what_holds(path.parent) if path.name == CONFIG_FILE and path.parent.is_dir() else ""
        raise ModelError(
            f"{path.parent} has no {path.name}; a model folder holds {CONFIG_FILE} and {WEIGHTS_FILE}.{known}"
        )
    return state.read_object(path, (), "Restore it from where the model came", ModelError)


def check_blocks(config: Any, names: Iterable[str], where: str) -> None:
    """Raise ModelError, before any block is made, if the configuration has more blocks than the weights."""
    found = 1 + max((int(piece) for name in names for piece in name.split(".") if piece.isdecimal()), default=-1)
    for field in BLOCK_FIELDS:
        if (getattr(config, field, None) or 0) > found:
            raise ModelError(
                f"{where} hold the weights of {found} blocks, and {CONFIG_FILE} says {field} = "
                f"{getattr(config, field):,}; use the {CONFIG_FILE} that was saved with the weights"
            )


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Return all tensors of the folder's safetensors file or shards, by name."""
    weights: dict[str, Tensor] = {}
    for path in _weight_files(folder):
        weights.update(_read_file(path))
    return weights


def seeded_normal(shape: torch.Size, deviation: float, seed: int, name: str) -> Tensor:
    """Return initial values for a parameter: normal with mean 0, determined by `seed` and `name` alone."""
    digest = xxhash.xxh3_64_intdigest(f"{seed}/initialise/{name}".encode())
    generator = torch.Generator().manual_seed(digest & (2**63 - 1))
    return torch.empty(shape).normal_(0.0, deviation, generator=generator)


def check_finite(weights: Mapping[str, Tensor], where: str) -> None:
    """Raise ModelError that names the tensors with NaN or infinite values, or with an unsupported dtype."""
    others = [
        f"{name} ({str(t.dtype).removeprefix('torch.')})" for name, t in weights.items() if t.dtype not in FORMATS
    ]
    if others:
        shown = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
        raise ModelError(
            f"{where} has weights that are no float16, bfloat16, float32 or float64: {shown}; quantised weights need "
            f"their scales, which are not read: take the folder with unquantised weights, or a GGUF file, whose "
            f"weights become float32 when it is read"
        )
    broken = [name for name, tensor in weights.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        shown = ", ".join(broken[:5]) + (f" and {len(broken) - 5} more" if len(broken) > 5 else "")
        raise ModelError(
            f"{where} has weights that are NaN or infinite: {shown}; its training diverged or the file is damaged: "
            f"take an earlier checkpoint, or fetch it again"
        )


def _weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files of a folder; raise ModelError with a remedy if they are missing."""
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
    config = read_object(folder / CONFIG_FILE) if (folder / CONFIG_FILE).is_file() else {}
    named = config.get("architectures") or ["AutoModelForCausalLM"]
    raise ModelError(
        f"{folder} has no {WEIGHTS_FILE}; a model folder holds {CONFIG_FILE} and {WEIGHTS_FILE}."
        f"{what_holds(folder, str(named[0]))}"
    )


def _read_file(path: Path) -> dict[str, Tensor]:
    """Return the tensors of one safetensors file; raise ModelError if it is damaged or has an unsupported dtype."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is damaged ({error}); restore it from where the model came") from None
    except (KeyError, AttributeError, TypeError, ValueError) as error:  # a dtype that PyTorch lacks
        raise ModelError(
            f"{path} cannot be read ({type(error).__name__}: {error}): its weights are in a format that PyTorch lacks; "
            f"take the folder with float16 or bfloat16 weights"
        ) from None
