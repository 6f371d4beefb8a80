"""Estimate a model's memory from its configuration, before anything is allocated."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from massivetext.errors import ConfigError

WEIGHT_BYTES = 4
"""Bytes of a fresh weight, which is float32."""
CONTAINER_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
SIZES = (
    ("vocab_size",),
    ("hidden_size", "d_model"),
    ("num_hidden_layers", "num_layers", "encoder_layers"),
    ("intermediate_size", "d_ff", "encoder_ffn_dim"),
    ("max_position_embeddings",),
)
"""The fields that determine the size of a model, under the names that families use."""


def memory_bytes() -> int:
    """Return the bytes of the machine's physical memory, or the container's limit if that is lower."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in CONTAINER_LIMITS:
        with suppress(OSError, ValueError):  # there is no limit, or the file says "max"
            found.append(int(Path(path).read_text(encoding="utf-8")))
    return min(found)


def least_weights(config: Any) -> dict[str, int]:
    """Return a lower bound of the number of weights of a model, by the configuration field that they grow with.

    It counts the embedding (and the head if it is not tied), the matrices of the blocks, and learned positions. Of a
    model with experts, those that a token does not use are counted separately.
    """
    vocabulary, hidden, layers, inner, positions = (_size(config, names) for names in SIZES)
    width = getattr(config, "word_embed_proj_dim", None) or hidden
    tables = 1 if getattr(config, "tie_word_embeddings", True) else 2
    attention = config.num_attention_heads * config.head_features if hasattr(config, "head_features") else hidden
    inner = getattr(config, "feedforward_features", None) or inner
    if hasattr(config, "expert_features"):
        inner = min(inner, config.expert_features * config.num_experts_per_tok)
    learned = getattr(config, "rotary_features", None) == 0 or hasattr(config, "type_vocab_size")
    return {
        _field(config, SIZES[0]): tables * vocabulary * width,
        _field(config, SIZES[2]): layers * (2 * hidden * attention + 2 * hidden * inner),
        _field(config, SIZES[4]): positions * hidden if learned else 0,
        "num_experts": getattr(config, "idle_parameters", 0),
    }


def check_size(config: Any) -> None:
    """Raise ConfigError, before anything is allocated, if the weights of a new model do not fit in memory."""
    hidden = _field(config, SIZES[1])
    parts = {f"{name} or {hidden}": WEIGHT_BYTES * weights for name, weights in least_weights(config).items()}
    sizes = {_field(config, names): _size(config, names) for names in SIZES if _size(config, names)}
    written = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
    check_memory(f"a model with {written}", parts, memory_bytes())


def check_memory(what: str, parts: Mapping[str, int], available: int) -> None:
    """Raise ConfigError if the parts do not fit in `available` bytes; parts: bytes by the key that they grow with."""
    needed = sum(parts.values())
    if needed > available:
        largest = max(parts, key=lambda name: parts[name])
        raise ConfigError(
            f"{what} needs at least {gibibytes(needed)} of memory, and {gibibytes(available)} are available; "
            f"lower {largest}, which accounts for {parts[largest] / needed:.0%}"
        )


def gibibytes(size: int) -> str:
    """Return a size in bytes as text for a message: in GiB, or in bytes from 10**24 on."""
    return f"{size / 2**30:,.1f} GiB" if size < 10**24 else f"{size:.1e} bytes"


def _field(config: Any, names: tuple[str, ...]) -> str:
    return next((name for name in names if hasattr(config, name)), names[0])


def _size(config: Any, names: tuple[str, ...]) -> int:
    return getattr(config, _field(config, names), None) or 0
