"""GPT, the first (Radford et al., 2018): the decoder of the Transformer, norms after each part, learned positions."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self, cast

from pydantic import model_validator
from torch import Tensor, nn

from massivetext.layers.attention import Context
from massivetext.models.config import DecoderConfig
from massivetext.models.families.gpt2 import GPT2, GPT2Block, GPT2Config
from massivetext.models.files.naming import Stored

ACTIVATIONS = {"gelu": "gelu_new", "relu": "relu", "silu": "silu", "swish": "silu"}  # as this family's files call them


class OpenAIGPTConfig(GPT2Config):
    """The shape of a GPT model: GPT-2's fields; the feed-forward part is always four times as wide."""

    model_type: ClassVar[str] = "openai-gpt"
    architecture: ClassVar[str] = "OpenAIGPTLMHeadModel"
    field_names: ClassVar[Mapping[str, str]] = {**GPT2Config.field_names, "hidden_act": "afn"}
    harmless: ClassVar[frozenset[str]] = DecoderConfig.harmless | {"n_special", "predict_special_tokens"}
    neutral: ClassVar[Mapping[str, Any]] = DecoderConfig.neutral

    max_position_embeddings: int = 512
    """Rows of the table of positions: the most tokens the model can read at once."""

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        if self.intermediate_size not in (None, 4 * self.hidden_size):
            raise ValueError(
                f"intermediate_size is {self.intermediate_size}; GPT has four times hidden_size, {4 * self.hidden_size}"
            )
        if self.hidden_act not in ACTIVATIONS.values():
            raise ValueError(f"hidden_act is {self.hidden_act!r}; GPT knows gelu_new, relu and silu")
        return self

    def to_hugging_face(self) -> dict[str, Any]:
        """Return the content of config.json, which transformers and this package read alike."""
        values = super().to_hugging_face()
        del values["n_inner"]
        own = next(theirs for theirs, ours in ACTIVATIONS.items() if ours == self.hidden_act)
        return {**values, "afn": own}

    @classmethod
    def read_own_fields(cls, values: dict[str, Any], where: str) -> dict[str, Any]:
        """Return the fields with the activation under its usual name."""
        act = values.get("hidden_act", "gelu")
        return {**values, "hidden_act": ACTIVATIONS.get(act, act)}


class OpenAIGPTBlock(GPT2Block):
    """GPT-2's parts in the order of the first Transformer: attention, add, norm; feed-forward, add, norm."""

    order = "norm last"

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """Return the hidden state after this block, (B, T, D)."""
        hidden = self.input_layernorm(hidden + self.dropout(self.self_attn(hidden, context)))
        return cast(Tensor, self.post_attention_layernorm(hidden + self.dropout(self.mlp(hidden))))


class OpenAIGPT(GPT2):
    """GPT's body; its last block ends with a norm, so none follows."""

    table = "tokens_embed"
    block_class = OpenAIGPTBlock

    def build(self, config: Any) -> None:
        """Make embeddings and blocks."""
        super().build(config)
        self.norm = nn.Identity()

    @classmethod
    def stored_names(cls, config: Any) -> tuple[Stored, ...]:
        """Return GPT's names: GPT-2's but for the embeddings."""
        words, positions, *others = super().stored_names(config)
        return (words, positions._replace(stored="positions_embed"), *others)

    def first_deviation(self, name: str, parameter: Tensor) -> float:
        """Return GPT's: initializer_range for all."""
        return float(self.config.initializer_range)
