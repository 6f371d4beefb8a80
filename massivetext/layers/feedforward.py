"""The feed-forward half of a transformer block, gated and plain, under Hugging Face's names."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from massivetext.errors import ConfigError, unknown_name


def squared_relu(values: Tensor) -> Tensor:
    """Return max(x, 0)^2 (arXiv:2109.08668)."""
    return functional.relu(values).square()


def tanh_gelu(values: Tensor) -> Tensor:
    """Return the tanh approximation of GELU (arXiv:1606.08415)."""
    return functional.gelu(values, approximate="tanh")


def quick_gelu(values: Tensor) -> Tensor:
    """Return x sigmoid(1.702 x), the sigmoid approximation of GELU (arXiv:1606.08415)."""
    return values * (1.702 * values).sigmoid()


def clipped_gelu(values: Tensor) -> Tensor:
    """Return GELU, at most 10 and at least -10."""
    return functional.gelu(values).clamp(-10.0, 10.0)


def unchanged(values: Tensor) -> Tensor:
    """Return the values as they are."""
    return values


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


class GatedFeedForward(nn.Module):
    """down(act(gate(x)) * up(x)), the gated linear unit of Llama (arXiv:2002.05202)."""

    def __init__(self, hidden_size: int, intermediate_size: int, act: str, bias: bool) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(hidden_size, intermediate_size, bias=bias)
        self.up_proj = nn.Linear(hidden_size, intermediate_size, bias=bias)
        self.down_proj = nn.Linear(intermediate_size, hidden_size, bias=bias)
        self.act = activation(act)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the block's output, shape of `hidden` (..., D)."""
        output: Tensor = self.down_proj(self.act(self.gate_proj(hidden)) * self.up_proj(hidden))
        return output


class PlainFeedForward(nn.Module):
    """down(act(up(x))), two matrices, under the names given (families differ in them)."""

    def __init__(self, sizes: tuple[int, int], act: str, bias: bool, names: tuple[str, str]) -> None:
        super().__init__()
        hidden_size, intermediate_size = sizes
        self.up_name, self.down_name = names
        self.add_module(self.up_name, nn.Linear(hidden_size, intermediate_size, bias=bias))
        self.add_module(self.down_name, nn.Linear(intermediate_size, hidden_size, bias=bias))
        self.act = activation(act)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the block's output, shape of `hidden` (..., D)."""
        # As rows: between views of other shapes the compiler keeps ReLU's mask for the backward pass, byte by byte.
        rows = getattr(self, self.up_name)(hidden.flatten(0, -2))
        output: Tensor = getattr(self, self.down_name)(self.act(rows))
        return output.view(hidden.shape)
