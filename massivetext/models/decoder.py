"""The decoder that the causal families share: embedding, blocks, final norm, head.

Legend: B batch, T tokens, D features, V vocabulary.

A family (llama.py, qwen3.py, ...) is a configuration and the choice of parts; this file is the way through them.
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Self, cast

import torch
import xxhash
from torch import Tensor, nn
from torch.nn import functional

from massivetext.errors import ModelError
from massivetext.generation.kernels import ACTIVATION_CODES, NO_NORM, NORM_AFTER, NORM_BEFORE
from massivetext.generation.stepping import LayerPlan, StepPlan
from massivetext.layers.attention import Context, SelfAttention, padding_mask, segment_mask
from massivetext.layers.cache import StaticCache
from massivetext.layers.feedforward import GatedFeedForward
from massivetext.layers.loss import IGNORED_LABEL, mean_cross_entropy, soft_capped
from massivetext.layers.norms import RMSNorm
from massivetext.layers.rotary import inverse_frequencies, rotary_tables
from massivetext.models.configuration import DecoderConfig

# The matrices that write into the residual stream; they start at zero, so that a fresh block passes its input through.
OUTPUT_PROJECTIONS = ("o_proj.weight", "down_proj.weight", "fc2.weight")


@dataclass
class CausalOutput:
    """What `forward` returns: logits (B, T, V) and, where labels were given, the mean loss in nats."""

    logits: Tensor
    loss: Tensor | None = None

    def __getitem__(self, key: str | int) -> Any:
        """Return a field by name, or by its place among those present (loss first), as Hugging Face outputs do."""
        if isinstance(key, str):
            return getattr(self, key)
        return [value for value in (self.loss, self.logits) if value is not None][key]


def scale_of(norm: RMSNorm) -> Tensor:
    """Return a norm's scale (D,); ones where it has none."""
    return torch.ones(norm.features) if norm.weight is None else norm.weight.detach()


class DecoderBlock(nn.Module):
    """Norm, attention, add; norm, feed-forward, add (arXiv:2002.04745), under Hugging Face's names."""

    def __init__(self, config: DecoderConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.self_attn = SelfAttention(config.attention_shape())
        self.mlp = self.make_feedforward(config)
        self.input_layernorm = self.make_norm(config)
        self.post_attention_layernorm = self.make_norm(config)

    def make_feedforward(self, config: DecoderConfig) -> nn.Module:
        """Return the family's feed-forward part."""
        return GatedFeedForward(
            config.hidden_size, config.feedforward_features, config.hidden_act, getattr(config, "mlp_bias", False)
        )

    @staticmethod
    def make_norm(config: DecoderConfig) -> RMSNorm:
        """Return one of the family's norms over the hidden features."""
        return RMSNorm(config.hidden_size, config.rms_norm_eps)

    def step_plan(self) -> LayerPlan:
        """Return this block's weights for the fast decoding step."""
        attention, matrices = self.self_attn, [matrix.detach() for matrix in self.mlp.parameters()]
        head_scales = torch.ones(2, attention.shape.head_dim)
        if attention.shape.norm == "before_rotary":
            head_scales = torch.stack([scale_of(attention.q_norm), scale_of(attention.k_norm)])
        projections = (attention.q_proj, attention.k_proj, attention.v_proj)
        return LayerPlan(
            [projection.weight.detach() for projection in projections],
            attention.o_proj.weight.detach(),
            matrices[:-1],  # gate and up, or up alone: the feed-forward parts declare them first, the way back last
            matrices[-1],
            scale_of(self.input_layernorm),
            scale_of(self.post_attention_layernorm),
            head_scales,
        )

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """Return the hidden state after this block, (B, T, D)."""
        hidden = hidden + self.self_attn(self.input_layernorm(hidden), context, self.layer)
        return cast(Tensor, hidden + self.mlp(self.post_attention_layernorm(hidden)))


class DecoderStack(nn.Module):
    """Embedding, blocks and final norm: what Hugging Face calls `model` inside a causal language model."""

    def __init__(self, config: DecoderConfig, block: type[DecoderBlock]) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(block(config, layer) for layer in range(config.num_hidden_layers))
        self.norm = block.make_norm(config)


class CausalDecoder(nn.Module):
    """A causal language model: predicts each next token. Base of the families, not used by itself.

    The training loop uses `embed`, `hidden` and `head_weight`: the lookup stays outside a compiled `hidden`, because
    its gradient is what made compiled runs differ, and the head belongs to the chunked loss.
    """

    config_class: ClassVar[type[DecoderConfig]]
    block_class: ClassVar[type[DecoderBlock]] = DecoderBlock
    frequencies: Tensor

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.tokenizer_folder: str | None = None  # where the model was read from, for those who need its tokenizer
        self.generation_defaults: dict[str, Any] = {}  # the folder's generation_config.json
        with torch.device("meta"):  # no memory and no random numbers are spent before the weights are known
            self.model = DecoderStack(config, self.block_class)
            if not config.tie_word_embeddings:
                self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        frequencies = inverse_frequencies(
            config.head_features, config.rope_theta, config.rope_scaling, config.max_position_embeddings
        )
        self.register_buffer("frequencies", frequencies, persistent=False)

    @classmethod
    def from_config(cls, config: DecoderConfig, seed: int = 0) -> Self:
        """Return a model with fresh weights, a function of `config` and `seed` alone."""
        return cls(config).initialise(seed)

    def initialise(self, seed: int) -> Self:
        """Give every parameter its first value and return the model; each is a function of (seed, its name) alone.

        Norm scales one, biases zero, matrices that write into the residual stream and an untied head zero, other
        matrices normal with standard deviation 1/sqrt(inputs), the embedding normal with `initializer_range`.
        """
        weights = {}
        for name, parameter in self.state_dict(keep_vars=True).items():
            shape = parameter.shape
            if name.endswith("norm.weight"):
                weights[name] = torch.ones(shape)
            elif (deviation := self.first_deviation(name, parameter)) == 0.0:
                weights[name] = torch.zeros(shape)
            else:
                digest = xxhash.xxh3_64_intdigest(f"{seed}/initialise/{name}".encode())
                generator = torch.Generator().manual_seed(digest & (2**63 - 1))
                weights[name] = torch.empty(shape).normal_(0.0, deviation, generator=generator)
        self.load_weights(weights)
        return self.train()

    def first_deviation(self, name: str, parameter: Tensor) -> float:
        """Return the standard deviation of a fresh parameter that is no norm scale; 0.0 means all zeros."""
        if name.endswith("embed_tokens.weight"):
            return self.config.initializer_range
        if name.endswith(("bias", "lm_head.weight", *OUTPUT_PROJECTIONS)):
            return 0.0
        return 1.0 / math.sqrt(parameter.shape[1])

    def load_weights(self, weights: dict[str, Tensor], where: str = "the weights") -> None:
        """Take over `weights`, one tensor for every parameter; missing, extra, misshaped ones raise ModelError."""
        expected = {name: tuple(parameter.shape) for name, parameter in self.state_dict(keep_vars=True).items()}
        problems = [f"missing: {name} {expected[name]}" for name in expected if name not in weights]
        problems += [f"not expected: {name} {tuple(weights[name].shape)}" for name in weights if name not in expected]
        for name, shape in expected.items():
            if name in weights and tuple(weights[name].shape) != shape:
                problems.append(f"{name} has shape {tuple(weights[name].shape)}, the configuration says {shape}")
        if problems:
            shown = "\n".join(f"  - {problem}" for problem in problems[:20])
            more = f"\n  - and {len(problems) - 20} more" if len(problems) > 20 else ""
            raise ModelError(
                f"{where} do not fit this {type(self).__name__} configuration:\n{shown}{more}\n"
                f"Use the config.json that was saved with the weights."
            )
        self.load_state_dict(weights, strict=True, assign=True)

    @property
    def head_weight(self) -> Tensor:
        """The matrix (V, D) that turns hidden states into logits; the embedding's own where they are tied."""
        head = self.model.embed_tokens if self.config.tie_word_embeddings else self.lm_head
        return head.weight

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.head_weight.device

    @property
    def dtype(self) -> torch.dtype:
        """The number format of the weights."""
        return self.head_weight.dtype

    def parameter_groups(self) -> dict[str, list[str]]:
        """Return the names of all parameters by kind: `matrices` (inside blocks), `embedding`, `head`, `vectors`.

        `head` is empty where it is tied. Muon is meant for `matrices` (arXiv:2502.16982), AdamW for the others.
        """
        groups: dict[str, list[str]] = {"matrices": [], "embedding": [], "head": [], "vectors": []}
        for name, parameter in self.named_parameters():
            if name.endswith("embed_tokens.weight"):
                groups["embedding"].append(name)
            elif name.endswith("lm_head.weight"):
                groups["head"].append(name)
            else:
                groups["matrices" if parameter.ndim == 2 else "vectors"].append(name)
        return groups

    def embed(self, input_ids: Tensor) -> Tensor:
        """Return the embeddings (B, T, D) of ids (B, T)."""
        return functional.embedding(input_ids, self.model.embed_tokens.weight)

    def hidden(self, embeddings: Tensor, positions: Tensor | None = None, segments: Tensor | None = None) -> Tensor:
        """Return the final hidden states (B, T, D), ready for the head; compilable with fixed shapes.

        embeddings: (B, T, D) from `embed`. positions: (B, T) place of each token in its document; None: 0, 1, 2, ...
        segments: (B, T) number of each token's document inside its row: tokens read only their own document; None: each
        row is one document.
        """
        if positions is None:
            positions = torch.arange(embeddings.shape[1], device=embeddings.device)[None]
        mask = None if segments is None else segment_mask(segments)
        return self.run_blocks(embeddings, positions, mask)

    def run_blocks(
        self,
        embeddings: Tensor,
        positions: Tensor,
        mask: Tensor | None,
        cache: StaticCache | None = None,
        slots: Tensor | None = None,
    ) -> Tensor:
        """Return the final hidden states (B, T, D) for a mask (see `Context`) and, when decoding, a cache."""
        cosine, sine = rotary_tables(positions, self.frequencies, embeddings.dtype)
        context = Context(cosine, sine, mask, cache, slots)
        hidden = self.enter(embeddings)
        for block in self.model.layers:
            hidden = block(hidden, context)
        return cast(Tensor, self.model.norm(hidden))

    def enter(self, embeddings: Tensor) -> Tensor:
        """Return what the first block reads; a family may normalise the embeddings here."""
        return embeddings

    def head(self, hidden: Tensor) -> Tensor:
        """Return the logits (..., V) of hidden states (..., D)."""
        return soft_capped(functional.linear(hidden, self.head_weight), self.config.softcap)

    def step_plan(self) -> StepPlan | None:
        """Return what the fast decoding step needs, or None where it does not apply (no CPU, no float32, biases)."""
        config, shape = self.config, self.config.attention_shape()
        if self.device.type != "cpu" or self.dtype != torch.float32:
            return None
        if any(name.endswith(".bias") for name, _ in self.named_parameters()):
            return None
        norm = {"none": NO_NORM, "before_rotary": NORM_BEFORE, "after_rotary": NORM_AFTER}[shape.norm]
        return StepPlan(
            [block.step_plan() for block in cast("list[DecoderBlock]", self.model.layers)],
            scale_of(self.model.norm),
            self.head_weight.detach(),
            self.frequencies,
            ACTIVATION_CODES[config.hidden_act],
            norm,
            config.rms_norm_eps,
            shape.reverse_rotary,
            config.softcap,
        )

    def new_cache(self, batch: int, slots: int) -> StaticCache:
        """Return an empty key-value cache for `batch` rows of at most `slots` tokens."""
        config = self.config
        return StaticCache(
            config.num_hidden_layers, batch, config.key_value_heads, slots, config.head_features, self.head_weight
        )

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        labels: Tensor | None = None,
        segments: Tensor | None = None,
    ) -> CausalOutput:
        """Return logits (B, T, V) and, with labels, the mean loss in nats.

        input_ids: (B, T). attention_mask: (B, T), 1 = text, 0 = padding. labels: (B, T) *not* shifted, as in Hugging
        Face: the label of a token is compared with the prediction made one token before; -100 is left out.
        segments: see `hidden`; not together with attention_mask.
        """
        if attention_mask is not None and segments is not None:
            raise ModelError("attention_mask and segments were both given; padding inside packed rows is a segment too")
        embeddings = self.embed(input_ids)
        if attention_mask is None or bool(attention_mask.all()):
            hidden = self.hidden(embeddings, position_ids, segments)
        else:
            if position_ids is None:
                position_ids = (attention_mask.long().cumsum(dim=-1) - 1).clamp(min=0)
            hidden = self.run_blocks(embeddings, position_ids, padding_mask(attention_mask))
        loss = None
        if labels is not None:
            following = functional.pad(labels[:, 1:], (0, 1), value=IGNORED_LABEL)
            flat = hidden.reshape(-1, hidden.shape[-1])
            loss, _ = mean_cross_entropy(flat, self.head_weight, following.reshape(-1), softcap=self.config.softcap)
        return CausalOutput(self.head(hidden), loss)

    @torch.no_grad()
    def generate(self, input_ids: Tensor, **options: Any) -> Tensor:
        """Return ids (B * num_return_sequences, prompt + new tokens); see `massivetext.generation.engine.generate`."""
        from massivetext.generation.engine import generate

        return generate(self, input_ids, **options)

    def save_pretrained(self, folder: str, tokenizer: Any = None) -> None:
        """Write a model folder that `transformers` opens unchanged; see `models.folder.save_model_folder`."""
        from pathlib import Path

        from massivetext.models.folder import save_model_folder

        save_model_folder(self, tokenizer, Path(folder))
