"""Qwen2 and Qwen2.5 (arXiv:2412.15115), dense: Llama whose queries, keys and values have biases."""

from typing import Any, ClassVar, Self

from pydantic import model_validator

from massivetext.layers.attention import AttentionShape
from massivetext.models.families.llama import RotaryConfig


class Qwen2Config(RotaryConfig):
    """The shape of a dense Qwen2 model."""

    model_type: ClassVar[str] = "qwen2"
    architecture: ClassVar[str] = "Qwen2ForCausalLM"

    attention_bias: bool = True
    """Whether queries, keys and values have biases: always; the output has none."""

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        if not self.attention_bias:
            raise ValueError("attention_bias is false; Qwen2's queries, keys and values have biases: use family llama")
        if self.head_dim not in (None, self.hidden_size // self.num_attention_heads):
            raise ValueError(
                f"head_dim is {self.head_dim}; Qwen2's is hidden_size / num_attention_heads, "
                f"{self.hidden_size // self.num_attention_heads}: leave it out, or use family qwen3"
            )
        return self

    def attention_shape(self) -> AttentionShape:
        """Return the sizes of one attention layer, whose output has no bias."""
        return super().attention_shape()._replace(output_bias=False)

    def to_hugging_face(self) -> dict[str, Any]:
        """Return the content of config.json, which transformers 4 and 5 and this package read alike."""
        values = super().to_hugging_face()
        del values["head_dim"], values["attention_bias"]  # transformers has no such fields for this family
        return values

    @classmethod
    def published_defaults(cls) -> dict[str, Any]:
        """Return what transformers assumes for fields missing in a config.json."""
        return {"num_key_value_heads": 32}
