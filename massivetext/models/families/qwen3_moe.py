"""Qwen3-MoE (arXiv:2505.09388): Qwen3 with several experts, of which each token uses a few, as feed-forward part.

Legend: N tokens, D features, E experts, K experts of a token, R rows.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from massivetext.layers.block import GatedFeedForward
from massivetext.models.families.llama import Llama, LlamaBlock
from massivetext.models.families.qwen3 import Qwen3Config


class Qwen3MoeConfig(Qwen3Config):
    """The shape of a Qwen3 model with experts; `intermediate_size` is that of blocks without experts."""

    model_type: ClassVar[str] = "qwen3_moe"
    architecture: ClassVar[str] = "Qwen3MoeForCausalLM"
    # The loss that balances experts counts only where output_router_logits is true, which is refused.
    harmless: ClassVar[frozenset[str]] = Qwen3Config.harmless | {"router_aux_loss_coef"}
    neutral: ClassVar[Mapping[str, Any]] = {**Qwen3Config.neutral, "output_router_logits": False}

    num_experts: int = Field(8, ge=1)
    """Experts of each block that has them."""
    num_experts_per_tok: int = Field(2, ge=1)
    """Experts that a token uses in each block."""
    moe_intermediate_size: int | None = Field(None, ge=1)
    """Features inside one expert; None: the feed-forward part's, shared among a token's experts, a multiple of 32."""
    norm_topk_prob: bool = True
    """Whether the weights of a token's experts are made to sum to one."""
    decoder_sparse_step: int = Field(1, ge=1)
    """Every block whose number, counted from 1, is a multiple of it has experts."""
    mlp_only_layers: list[int] = Field(default_factory=list)
    """Numbers of blocks, counted from 0, without experts."""

    @model_validator(mode="after")
    def _check_experts(self) -> Self:
        if self.num_experts_per_tok > self.num_experts:
            raise ValueError(
                f"num_experts_per_tok is {self.num_experts_per_tok} and num_experts {self.num_experts}; a token uses "
                f"at most all experts: lower num_experts_per_tok"
            )
        outside = [number for number in self.mlp_only_layers if not 0 <= number < self.num_hidden_layers]
        if outside:
            raise ValueError(
                f"mlp_only_layers has the block {outside[0]}; allowed: 0 to {self.num_hidden_layers - 1} "
                f"(num_hidden_layers is {self.num_hidden_layers}): remove it"
            )
        return self

    def has_experts(self, number: int) -> bool:
        """Return whether the block of that number, counted from 0, has experts."""
        return number not in self.mlp_only_layers and (number + 1) % self.decoder_sparse_step == 0

    @property
    def alike(self) -> bool:
        """Whether all blocks have equal shapes."""
        return len({self.has_experts(number) for number in range(self.num_hidden_layers)}) == 1

    @property
    def idle_parameters(self) -> int:
        """How many parameters a token does not use: those of experts that it is not sent to."""
        blocks = sum(self.has_experts(number) for number in range(self.num_hidden_layers))
        return blocks * (self.num_experts - self.num_experts_per_tok) * 3 * self.hidden_size * self.expert_features

    @property
    def expert_features(self) -> int:
        """Features inside one expert."""
        return self.moe_intermediate_size or -(-self.feedforward_features // self.num_experts_per_tok // 32) * 32

    def to_hugging_face(self) -> dict[str, Any]:
        """Return the content of config.json, which transformers 4 and 5 and this package read alike."""
        return {**super().to_hugging_face(), "moe_intermediate_size": self.expert_features}

    @classmethod
    def read_own_fields(cls, values: dict[str, Any], where: str) -> dict[str, Any]:
        """Return the fields with one name for the number of experts; a missing list of blocks is an empty one."""
        values = super().read_own_fields(values, where)
        if "num_local_experts" in values:
            values.setdefault("num_experts", values.pop("num_local_experts"))
        if values.get("mlp_only_layers", ()) is None:
            values["mlp_only_layers"] = []
        return values

    @classmethod
    def published_defaults(cls) -> dict[str, Any]:
        """Return what transformers assumes for fields missing in a config.json."""
        experts = {"num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768, "norm_topk_prob": False}
        return {"num_key_value_heads": 4, **experts}


@torch.library.custom_op("massivetext::grouped_linear", mutates_args=())
def grouped_linear(rows: Tensor, counts: Tensor, matrices: list[Tensor]) -> Tensor:
    """Return rows (R, inputs) times a matrix (outputs, inputs) each, (R, outputs).

    counts: (E,) how many rows, one after the other, belong to each matrix. An operation of its own, so that compiled
    code does not depend on the counts; torch's grouped product knows bfloat16 only there.
    """
    outputs, first = rows.new_empty(len(rows), matrices[0].shape[0]), 0
    for count, matrix in zip(counts.tolist(), matrices, strict=True):
        if count:
            torch.mm(rows[first : first + count], matrix.t(), out=outputs[first : first + count])
        first += count
    return outputs


@torch.library.custom_op("massivetext::grouped_linear_weights", mutates_args=())
def grouped_linear_weights(gradient: Tensor, rows: Tensor, counts: Tensor) -> list[Tensor]:
    """Return the gradients of the matrices of `grouped_linear`, (outputs, inputs) each, zero where no row used one."""
    sizes = counts.tolist()
    pairs = zip(torch.split(gradient, sizes), torch.split(rows, sizes), strict=True)
    return [given.t() @ read for given, read in pairs]


@grouped_linear.register_fake
def _(rows: Tensor, counts: Tensor, matrices: list[Tensor]) -> Tensor:
    return rows.new_empty(len(rows), matrices[0].shape[0])


@grouped_linear_weights.register_fake
def _(gradient: Tensor, rows: Tensor, counts: Tensor) -> list[Tensor]:
    return [rows.new_empty(gradient.shape[1], rows.shape[1]) for _ in range(len(counts))]


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor, list[Tensor]], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:2], *inputs[2])


def _grouped_linear_backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, list[Tensor]]:
    rows, counts, *matrices = ctx.saved_tensors
    read = grouped_linear(gradient, counts, [matrix.t() for matrix in matrices])
    return read, None, grouped_linear_weights(gradient, rows, counts)


grouped_linear.register_autograd(_grouped_linear_backward, setup_context=_keep)


class Experts(nn.Module):
    """A router and experts: each token gets the weighted sum of what its K best experts give (arXiv:2101.03961)."""

    def __init__(self, config: Qwen3MoeConfig) -> None:
        super().__init__()
        sizes = (config.hidden_size, config.expert_features, config.act_function, False)
        self.gate = nn.Linear(config.hidden_size, config.num_experts, bias=False)
        self.experts = nn.ModuleList(GatedFeedForward(*sizes) for _ in range(config.num_experts))
        self.act = config.act_function
        self.used, self.normed = config.num_experts_per_tok, config.norm_topk_prob

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the weighted sum of each token's experts, shape of `hidden` (..., D)."""
        tokens = hidden.flatten(0, -2)
        shares = self.gate(tokens).softmax(-1, dtype=torch.float32)
        weights, chosen = shares.topk(self.used, dim=-1)  # (N, K)
        if self.normed:
            weights = weights / weights.sum(-1, keepdim=True)
        # A copy of a token for each of its experts, in the order of experts; every index is met once on the way there
        # and back, so that gradients are repeatable in compiled code too.
        order = chosen.flatten().argsort(stable=True)
        copies = tokens[:, None].expand(-1, self.used, -1).flatten(0, 1)[order]  # (N * K, D)
        counts = (chosen.flatten()[:, None] == torch.arange(len(self.experts), device=chosen.device)).sum(0)
        given = self.ask(copies, counts)
        mixed = given[order.argsort()].view(*chosen.shape, -1) * weights.to(given.dtype)[..., None]
        return mixed.sum(1).view(hidden.shape)

    def ask(self, copies: Tensor, counts: Tensor) -> Tensor:
        """Return what experts give for rows (N * K, D); counts (E,): how many each gets, one expert after the other."""
        device, dtype = copies.device.type, copies.dtype
        if torch.is_autocast_enabled(device):  # it does not know this operation
            dtype = torch.get_autocast_dtype(device)

        def linear(rows: Tensor, name: str) -> Tensor:
            matrices = [cast(nn.Linear, getattr(expert, name)).weight.to(dtype) for expert in self.experts]
            return grouped_linear(rows.to(dtype), counts, matrices)

        return linear(self.act(linear(copies, "gate_proj")) * linear(copies, "up_proj"), "down_proj")


class Qwen3MoeBlock(LlamaBlock):
    """Llama's block with experts, or without them in the blocks that the configuration names."""

    def __init__(self, config: Qwen3MoeConfig, number: int) -> None:
        super().__init__(config, number)
        if config.has_experts(number):
            self.mlp = Experts(config)


class Qwen3Moe(Llama):
    """Qwen3-MoE's body; files hold the matrices of each expert, or one tensor for those of all experts of a block."""

    block_class = Qwen3MoeBlock

    @classmethod
    def told_by_weights(cls, config: Any, weights: dict[str, Tensor], task: str | None, where: str) -> Any:
        """Return the configuration; put tensors of all experts (E, ...), as in transformers 5, apart in `weights`."""
        for name in [name for name in weights if name.endswith(("experts.gate_up_proj", "experts.down_proj"))]:
            start, _, kind = name.rpartition(".")
            kinds = ("gate_proj", "up_proj") if kind == "gate_up_proj" else (kind,)
            for number, expert in enumerate(weights.pop(name)):
                for part, matrix in zip(kinds, expert.chunk(len(kinds)), strict=True):
                    weights[f"{start}.{number}.{part}.weight"] = matrix.clone()
        return config
