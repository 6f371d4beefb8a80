"""Llama (arXiv:2302.13971): the shared decoder with a gated feed-forward part and plain queries and keys."""

from typing import ClassVar

from massivetext.models.config import RotaryConfig
from massivetext.models.decoder import CausalDecoder


class LlamaConfig(RotaryConfig):
    """The shape of a Llama model (also of the many models published in its format)."""

    model_type: ClassVar[str] = "llama"
    architecture: ClassVar[str] = "LlamaForCausalLM"

    mlp_bias: bool = False
    """Whether the feed-forward projections have biases."""


class LlamaForCausalLM(CausalDecoder):
    """A Llama causal language model; weights under Hugging Face's names."""

    config_class = LlamaConfig
