"""The feed-forward half of a transformer block, gated and plain, under Hugging Face's names."""

from torch import Tensor, nn

from massivetext.layers.activations import activation


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
