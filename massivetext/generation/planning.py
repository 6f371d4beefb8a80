"""Plan the fast decoding step: collect the weights of a decoder's blocks from the blocks themselves."""

from typing import Any

import torch
from torch import Tensor, nn

from massivetext.generation.kernels import ACTIVATION_CODES, NO_NORM, NORM_AFTER, NORM_BEFORE
from massivetext.generation.stepping import Affine, LayerPlan, Norm, StepPlan

KNOWN_ORDERS = ("norm first", "parallel")
NORMS = {"none": NO_NORM, "before_rotary": NORM_BEFORE, "after_rotary": NORM_AFTER}


def step_plan(model: Any) -> StepPlan | None:
    """Return what the fast decoding step needs, or None if it does not support the model.

    It supports float32 on a CPU without an attention window, fixed rotary frequencies, blocks that normalise their
    input, and a head that reads the output of the blocks directly. A block's `order` says when it normalises; its parts
    have Llama's names.
    """
    body, config = model.body, model.config
    blocks: list[Any] = list(getattr(body, "layers", ()))
    if not blocks or any(block.order not in KNOWN_ORDERS or not plain_feedforward(block) for block in blocks):
        return None
    head: Tensor = model.head_weight.detach()
    scaling, context = getattr(config, "rope_scaling", None), config.max_position_embeddings
    plain = head.device.type == "cpu" and head.dtype == torch.float32 and config.attention_window is None
    plain = plain and (scaling is None or (not scaling.by_length and scaling.magnitude(context) == 1.0))
    plain = plain and config.attention_shape().scale is None
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


def plain_feedforward(block: Any) -> bool:
    """Return whether the feed-forward part of a block has only linear layers: no router, no experts."""
    return all(isinstance(layer, nn.Linear) for layer in block.mlp.children())


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
        layers[:-1],  # gate and up, or up alone: feed-forward parts declare them first, the down projection last
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
    """Return the scale and shift of a norm, (D,) each."""
    features = norm.normalized_shape[0] if isinstance(norm, nn.LayerNorm) else norm.features
    shift = getattr(norm, "bias", None)
    return Norm(
        torch.ones(features) if norm.weight is None else norm.weight.detach(),
        torch.zeros(features) if shift is None else shift.detach(),
    )
