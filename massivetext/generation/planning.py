"""The plan of the fast decoding step: the weights of a decoder's blocks, asked of the blocks themselves."""

from typing import Any

import torch
from torch import Tensor, nn

from massivetext.generation.kernels import ACTIVATION_CODES, NO_NORM, NORM_AFTER, NORM_BEFORE
from massivetext.generation.stepping import Affine, LayerPlan, Norm, StepPlan

KNOWN_ORDERS = ("norm first", "parallel")
NORMS = {"none": NO_NORM, "before_rotary": NORM_BEFORE, "after_rotary": NORM_AFTER}


def step_plan(model: Any) -> StepPlan | None:
    """Return what the fast decoding step needs, or None where it does not apply.

    It knows float32 on a CPU, without a window, fixed rotary frequencies, blocks that norm what they read, and a head
    that reads what the blocks give. A block says in `order` when it norms; its parts have Llama's names.
    """
    body, config = model.body, model.config
    blocks: list[Any] = list(getattr(body, "layers", ()))
    if not blocks or any(block.order not in KNOWN_ORDERS for block in blocks):
        return None
    head: Tensor = model.head_weight.detach()
    scaling, context = getattr(config, "rope_scaling", None), config.max_position_embeddings
    plain = head.device.type == "cpu" and head.dtype == torch.float32 and config.attention_window is None
    plain = plain and (scaling is None or (not scaling.by_length and scaling.magnitude(context) == 1.0))
    if not plain or config.hidden_act not in ACTIVATION_CODES or head.shape[1] != config.hidden_size:
        return None
    norm, table, shape = body.norm, getattr(body, "embed_positions", None), config.attention_shape()
    return StepPlan(
        [layer_plan(block) for block in blocks],
        norm_of(norm),
        head,
        body.frequencies,
        None if table is None else table.weight.detach()[body.position_offset :],
        ACTIVATION_CODES[config.hidden_act],
        NORMS[shape.norm],
        isinstance(norm, nn.LayerNorm),
        norm.eps if isinstance(norm, nn.LayerNorm) else norm.epsilon,
        shape.reverse_rotary,
        config.softcap,
    )


def layer_plan(block: Any) -> LayerPlan:
    """Return the weights of one block."""
    attention = block.self_attn
    layers = [affine_of(layer) for layer in block.mlp.children() if isinstance(layer, nn.Linear)]
    head_scales = torch.ones(2, attention.shape.head_dim)
    if attention.shape.norm == "before_rotary":
        head_scales = torch.stack([norm_of(attention.q_norm).scale, norm_of(attention.k_norm).scale])
    return LayerPlan(
        [affine_of(projection) for projection in (attention.q_proj, attention.k_proj, attention.v_proj)],
        affine_of(attention.o_proj),
        layers[:-1],  # gate and up, or up alone: the feed-forward parts declare them first, the way back last
        layers[-1],
        norm_of(block.input_layernorm),
        norm_of(block.post_attention_layernorm),
        head_scales,
        block.order == "parallel",
    )


def affine_of(linear: nn.Linear) -> Affine:
    """Return a layer's matrix and bias."""
    weight = linear.weight.detach()
    return Affine(weight, torch.zeros(weight.shape[0]) if linear.bias is None else linear.bias.detach())


def norm_of(norm: Any) -> Norm:
    """Return what a norm multiplies by and adds, (D,) each."""
    features = norm.normalized_shape[0] if isinstance(norm, nn.LayerNorm) else norm.features
    shift = getattr(norm, "bias", None)
    return Norm(
        torch.ones(features) if norm.weight is None else norm.weight.detach(),
        torch.zeros(features) if shift is None else shift.detach(),
    )
