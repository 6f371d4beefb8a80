"""The activations of feed-forward parts, by Hugging Face's names."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from massivetext.errors import ConfigError, unknown_name
from massivetext.layers.block import squared_relu


def quick_gelu(values: Tensor) -> Tensor:
    """Return x sigmoid(1.702 x), the sigmoid approximation of GELU (arXiv:1606.08415)."""
    return values * (1.702 * values).sigmoid()


def clipped_gelu(values: Tensor) -> Tensor:
    """Return GELU, at most 10 and at least -10."""
    return functional.gelu(values).clamp(-10.0, 10.0)


def unchanged(values: Tensor) -> Tensor:
    """Return the values as they are."""
    return values


tanh_gelu = partial(functional.gelu, approximate="tanh")  # arXiv:1606.08415
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "gelu_10": clipped_gelu,
    "gelu_accurate": tanh_gelu,
    "gelu_fast": tanh_gelu,
    "gelu_new": tanh_gelu,
    "gelu_python": functional.gelu,
    "gelu_python_tanh": tanh_gelu,
    "gelu_pytorch_tanh": tanh_gelu,
    "hardswish": functional.hardswish,
    "leaky_relu": functional.leaky_relu,
    "linear": unchanged,
    "mish": functional.mish,
    "quick_gelu": quick_gelu,
    "relu": functional.relu,
    "relu2": squared_relu,
    "relu6": functional.relu6,
    "sigmoid": torch.sigmoid,
    "silu": functional.silu,
    "swish": functional.silu,
    "tanh": torch.tanh,
}


def activation(name: str) -> Callable[[Tensor], Tensor]:
    """Return the activation that Hugging Face calls `name`; raise ConfigError with the nearest name otherwise."""
    if name not in ACTIVATIONS:
        raise ConfigError(unknown_name("hidden_act", name, ACTIVATIONS))
    return ACTIVATIONS[name]
