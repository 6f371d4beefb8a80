"""The decoder that the causal families share: embedding, blocks, final norm, head.

Legend: B batch, T tokens, D features, V vocabulary.

A family (llama.py, gpt2.py, ...) is a configuration, the choice of parts and the names of its weights in files; this
file is the way through them.
"""

import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from massivetext.errors import ModelError
from massivetext.generation.stepping import StepPlan
from massivetext.hugging_face import checked_options
from massivetext.layers.attention import (
    Context,
    Mask,
    Packing,
    causal_mask,
    document_bounds,
    kernel_packs,
    padding_mask,
    segment_mask,
)
from massivetext.layers.cache import StaticCache
from massivetext.layers.loss import next_token_loss, soft_capped
from massivetext.layers.positions import LearnedPositions, padded_positions
from massivetext.layers.rotary import inverse_frequencies, rotary_tables
from massivetext.models.blocks import (
    OUTPUT_PROJECTIONS,
    DecoderBlock,
    DecoderStack,
    RunBlock,
    run_block,
)
from massivetext.models.config import DecoderConfig
from massivetext.models.files.naming import Place, Stored, check_fit, layout, to_inside, to_stored
from massivetext.models.files.weights import seeded_normal
from massivetext.models.memory import check_size
from massivetext.models.methods import ModelMethods
from massivetext.models.outputs import CausalOutput, Record


class CausalDecoder(ModelMethods):
    """A causal language model: predicts each next token. Base of the families, not used by itself.

    The training loop uses `embed`, `hidden` and `head_weight`: the lookup stays outside a compiled `hidden`, because
    its gradient is what made compiled runs differ, and the head belongs to the chunked loss.
    """

    config_class: ClassVar[type[DecoderConfig]]
    block_class: ClassVar[type[DecoderBlock]] = DecoderBlock
    position_offset: ClassVar[int] = 0  # rows of a table of learned positions before that of position 0
    padding_position: ClassVar[int | None] = None  # where all padding stands; None: see `padded_positions`
    stored_base: ClassVar[str] = "model."  # files of the model without its head leave this out of their names
    stored_head: ClassVar[str] = "lm_head.weight"
    adds_kinds: ClassVar[bool] = False  # whether the embedding of token_type_ids is added to that of the ids
    computed: ClassVar[str] = r"rotary_emb\.inv_freq$"  # stored by old files, and following from the configuration
    frequencies: Tensor | None

    def __init__(self, config: DecoderConfig, seed: int | None = 0) -> None:
        """Make a model with fresh weights, a function of `config` and `seed`; None: without weights, to load some."""
        super().__init__()
        if seed is not None:
            check_size(config)
        self.config = config
        config.__dict__["built"] = True
        self.tokenizer_folder: str | None = None  # where the model was read from, for those who need its tokenizer
        self.generation_defaults: dict[str, Any] = {}  # the folder's generation_config.json
        with torch.device("meta"):  # no memory and no random numbers are spent before the weights are known
            self.model = self.make_stack(config)
            if not config.tie_word_embeddings:
                self.lm_head = nn.Linear(self.model.embed_tokens.embedding_dim, config.vocab_size, bias=False)
        self.register_buffer("frequencies", self.make_frequencies(config), persistent=False)
        if seed is not None:
            self.initialise(seed)

    @classmethod
    def from_config(cls, config: DecoderConfig, seed: int = 0) -> Self:
        """Return a model with fresh weights, a function of `config` and `seed` alone."""
        return cls(config, seed)

    @classmethod
    def from_pretrained(cls, name: str | Path, **options: Any) -> Self:
        """Return the model that `AutoModelForCausalLM.from_pretrained` gives; ModelError if it is of another family."""
        from massivetext.models.auto import AutoModelForCausalLM

        model = AutoModelForCausalLM.from_pretrained(name, **options)
        if not isinstance(model, cls):
            raise ModelError(
                f"{name} holds a {type(model).__name__}, not a {cls.__name__}; use mt.AutoModelForCausalLM, which "
                f"takes the family from the model"
            )
        return model

    def make_stack(self, config: DecoderConfig) -> DecoderStack:
        """Return the family's embeddings, blocks and final norm."""
        return DecoderStack(config, self.block_class, self.make_positions(config))

    def make_positions(self, config: DecoderConfig) -> LearnedPositions | None:
        """Return the table of learned positions; None where they are rotary."""
        if config.rotary_features:
            return None
        return LearnedPositions(config.max_position_embeddings, config.hidden_size, self.position_offset)

    @staticmethod
    def make_frequencies(config: Any, tokens: int = 0) -> Tensor | None:
        """Return the rotary frequencies for texts of `tokens`, (turned features of a head / 2,); None: learned."""
        if not config.rotary_features:
            return None
        context = config.max_position_embeddings
        return inverse_frequencies(config.rotary_features, config.rope_theta, config.rope_scaling, context, tokens)

    def turns(self, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return cosine and sine of the rotary positions (B, T), see `rotary_tables`."""
        config: Any = self.config
        frequencies, scaling = self.frequencies, config.rope_scaling
        assert frequencies is not None
        if scaling is None:
            return rotary_tables(positions, frequencies, dtype)
        if scaling.by_length:
            made = self.make_frequencies(config, int(positions.max()) + 1)
            assert made is not None
            frequencies = made.to(positions.device)
        return rotary_tables(positions, frequencies, dtype, scaling.magnitude(config.max_position_embeddings))

    @classmethod
    def stored_names(cls, config: Any) -> tuple[Stored, ...]:
        """Return how the family's files name and lay out the weights; nothing where they do as this model does."""
        return ()

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
                weights[name] = seeded_normal(shape, deviation, seed, name)
        self.load_weights(weights)
        return self.train()

    def first_deviation(self, name: str, parameter: Tensor) -> float:
        """Return the standard deviation of a fresh parameter that is no norm scale; 0.0 means all zeros."""
        if name.endswith(("embed_tokens.weight", "embed_positions.weight")):
            return self.config.initializer_range
        if name.endswith(("bias", "lm_head.weight", *OUTPUT_PROJECTIONS)):
            return 0.0
        return 1.0 / math.sqrt(parameter.shape[1])

    def places(self) -> dict[str, Place]:
        """Return every tensor of the family's files by name, with the parts of this model that it holds."""
        return layout(self.state_dict(keep_vars=True), self.stored_names(self.config))

    def stored_weights(self) -> dict[str, Tensor]:
        """Return the weights under the names and in the layout of the family's files."""
        return to_stored(self.state_dict(), self.places())

    def tidy(self, stored: Mapping[str, Tensor], where: str = "the weights") -> dict[str, Tensor]:
        """Return the tensors of a file without what follows from the rest, under the full names.

        Files of the model without its head leave `stored_base` out; old ones hold masks or frequencies; some hold a
        tied head a second time, which is compared: ModelError where it differs.
        """
        weights = {name: tensor for name, tensor in stored.items() if not re.search(self.computed, name)}
        if not any(name.startswith(self.stored_base) for name in weights):
            base = self.stored_base
            weights = {name if name == self.stored_head else base + name: weights[name] for name in weights}
        places = self.places()
        table = next(name for name, place in places.items() if place.inside == ["model.embed_tokens.weight"])
        if self.config.tie_word_embeddings and self.stored_head in weights and table in weights:
            if not torch.equal(weights[self.stored_head], weights[table]):
                raise ModelError(
                    f"{where}: config.json says tie_word_embeddings = true, but {self.stored_head} is not {table}; "
                    f"set tie_word_embeddings to false if the head was trained apart"
                )
            del weights[self.stored_head]
        return weights

    def from_stored(self, stored: Mapping[str, Tensor], where: str = "the weights") -> dict[str, Tensor]:
        """Return the tensors of a file as this model has them; missing, extra and misshaped ones raise ModelError."""
        places = self.places()
        blank = {name: tensor.to("meta") for name, tensor in self.state_dict().items()}
        check_fit(to_stored(blank, places), stored, where, type(self).__name__)
        return to_inside(stored, places, blank)

    def load_stored(self, stored: Mapping[str, Tensor], where: str = "the weights") -> None:
        """Take over the tensors of a file, all of them; see `from_stored`."""
        self.load_state_dict(self.from_stored(stored, where), strict=True, assign=True)

    def load_weights(self, weights: Mapping[str, Tensor], where: str = "the weights") -> None:
        """Take over the model's own tensors, as a checkpoint has them; like `load_stored` otherwise."""
        check_fit(self.state_dict(), weights, where, type(self).__name__)
        self.load_state_dict(dict(weights), strict=True, assign=True)

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
            if name.endswith(("embed_tokens.weight", "embed_positions.weight")):
                groups["embedding"].append(name)
            elif name.endswith("lm_head.weight"):
                groups["head"].append(name)
            else:
                groups["matrices" if parameter.ndim == 2 else "vectors"].append(name)
        return groups

    def embed(self, input_ids: Tensor) -> Tensor:
        """Return the embeddings (B, T, D) of ids (B, T)."""
        return functional.embedding(input_ids, self.model.embed_tokens.weight)

    def hidden(
        self,
        embeddings: Tensor,
        positions: Tensor | None = None,
        segments: Tensor | None = None,
        run_block: RunBlock = run_block,
        record: Record | None = None,
    ) -> Tensor:
        """Return the final hidden states (B, T, D), ready for the head.

        embeddings: (B, T, D) from `embed`. positions: (B, T) place of each token in its document; None: 0, 1, 2, ...
        segments: (B, T) number of each token's document inside its row: tokens read only their own document; None: each
        row is one document. run_block: the function of that name, or a compiled copy of it. record: gets what the
        layers did.
        """
        tokens, window = embeddings.shape[1], self.config.attention_window
        self.check_length(tokens)
        if positions is None:
            positions = torch.arange(tokens, device=embeddings.device)[None]
        mask: Mask = None
        dropped = self.training and self.config.dropouts.attention > 0
        if segments is not None and record is None and not dropped and kernel_packs(embeddings):
            mask = Packing(document_bounds(segments), window)
        elif segments is not None:
            mask = segment_mask(segments, window)
            if mask.device.type == "cpu":  # numbers are faster there than booleans
                mask = torch.zeros(mask.shape, dtype=embeddings.dtype).masked_fill_(~mask, -math.inf)
        elif window is not None and tokens > window:
            mask = causal_mask(tokens, embeddings.device, window)[None, None]
        return self.run_blocks(embeddings, positions, mask, run_block=run_block, record=record)

    def run_blocks(
        self,
        embeddings: Tensor,
        positions: Tensor,
        mask: Mask,
        cache: StaticCache | None = None,
        slots: Tensor | None = None,
        run_block: RunBlock = run_block,
        record: Record | None = None,
    ) -> Tensor:
        """Return the final hidden states (B, T, D) for a mask (see `Context`) and, when decoding, a cache."""
        hidden, cosine, sine = self.enter(embeddings), None, None
        if self.frequencies is None:
            hidden = hidden + self.model.embed_positions(positions)
        else:
            cosine, sine = self.turns(positions, embeddings.dtype)
        hidden, context = self.model.dropout(hidden), Context(cosine, sine, mask, cache, slots)
        if record is not None:
            context = context._replace(weights=record.weights)
            record.states.append(hidden)
        for layer, block in enumerate(cast("list[DecoderBlock]", self.model.layers)):
            hidden = run_block(block, hidden, context if cache is None else context._replace(layer=layer))
            if record is not None:
                record.states.append(hidden)
        return self.leave(hidden)

    def compiled_hidden(self) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """Return `hidden` with its blocks compiled for one fixed shape: they are alike, so once for all."""
        return partial(self.hidden, run_block=torch.compile(run_block, dynamic=False, fullgraph=True))

    def enter(self, embeddings: Tensor) -> Tensor:
        """Return what the first block reads; a family may normalise the embeddings here."""
        return embeddings

    def leave(self, hidden: Tensor) -> Tensor:
        """Return what the head reads, (B, T, D), of what the last block gave."""
        return cast(Tensor, self.model.norm(hidden))

    def head(self, hidden: Tensor) -> Tensor:
        """Return the logits (..., V) of hidden states (..., D)."""
        return soft_capped(functional.linear(hidden, self.head_weight), self.config.softcap)

    def step_plan(self) -> StepPlan | None:
        """Return what the fast decoding step needs, or None where it does not apply.

        It knows float32 on a CPU, without a window, fixed rotary frequencies, and blocks that norm what they read.
        """
        plain = self.device.type == "cpu" and self.dtype == torch.float32 and self.config.attention_window is None
        scaling, context = getattr(self.config, "rope_scaling", None), self.config.max_position_embeddings
        plain = plain and (scaling is None or (not scaling.by_length and scaling.magnitude(context) == 1.0))
        return self.model.step_plan(self.config, self.head_weight.detach(), self.frequencies) if plain else None

    def new_cache(self, batch: int, slots: int) -> StaticCache:
        """Return an empty key-value cache for `batch` rows of at most `slots` tokens."""
        config = self.config
        return StaticCache(
            config.num_hidden_layers, batch, config.key_value_heads, slots, config.head_features, self.head_weight
        )

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        labels: Tensor | None = None,
        segments: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
        inputs_embeds: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> CausalOutput:
        """Return logits (B, T, V) and, with labels, the mean loss in nats.

        input_ids: (B, T), or in their place inputs_embeds (B, T, D). token_type_ids: (B, T), for GPT-2, which adds the
        embeddings of these ids; others have one kind of token, 0. attention_mask: (B, T), 1 = text, 0 = padding.
        labels: (B, T) *not* shifted, as in Hugging Face: the label of a token is compared with the prediction made one
        token before; -100 is left out. segments: see `hidden`; not together with attention_mask. output_hidden_states,
        output_attentions: also what each layer did, see `outputs`.
        """
        if attention_mask is not None and segments is not None:
            raise ModelError("attention_mask and segments were both given; padding inside packed rows is a segment too")
        embeddings = self._embedded(input_ids, inputs_embeds, token_type_ids)
        record = Record.asked(output_hidden_states, output_attentions)
        hidden = self.read_embeddings(embeddings, attention_mask, position_ids, segments, record)
        logits = self.head(hidden)
        loss = None if labels is None else next_token_loss(logits, labels)
        return CausalOutput(loss, logits, *Record.shown(record, hidden, output_hidden_states))

    def read(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        segments: Tensor | None = None,
        record: Record | None = None,
    ) -> Tensor:
        """Return the final hidden states (B, T, D) of ids; arguments as for `forward`. record: gets what layers did."""
        return self.read_embeddings(self.embed(input_ids), attention_mask, position_ids, segments, record)

    def _embedded(self, input_ids: Tensor | None, inputs_embeds: Tensor | None, kinds: Tensor | None) -> Tensor:
        """Return the embeddings (B, T, D) of ids, or those that were given; raise ModelError for both or neither."""
        if (input_ids is None) == (inputs_embeds is None):
            raise ModelError("pass input_ids (B, T), or inputs_embeds (B, T, D) in their place; one of the two")
        if input_ids is None:
            embeddings = cast(Tensor, inputs_embeds)
            self.check_length(embeddings.shape[1])
        else:
            self.check_ids(input_ids)
            embeddings = self.embed(input_ids)
        if kinds is not None and self.adds_kinds:
            self.check_ids(kinds)
            return embeddings + self.embed(kinds)
        if kinds is not None and not torch.compiler.is_compiling() and bool(kinds.any()):
            raise ModelError("token_type_ids is not 0 everywhere, and this model has one kind of token; leave it out")
        return embeddings

    def read_embeddings(
        self,
        embeddings: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        segments: Tensor | None = None,
        record: Record | None = None,
    ) -> Tensor:
        """Return the final hidden states (B, T, D) of embeddings (B, T, D); see `read`."""
        known = not torch.compiler.is_compiling()
        if attention_mask is None or (known and bool(attention_mask.all())):  # without a mask attention is faster
            return self.hidden(embeddings, position_ids, segments, record=record)
        if position_ids is None:
            position_ids = padded_positions(attention_mask, self.padding_position)
        mask = padding_mask(attention_mask, self.config.attention_window)
        return self.run_blocks(embeddings, position_ids, mask, record=record)

    def check_length(self, tokens: int) -> None:
        """Raise ModelError for rows longer than the table of learned positions; rotary positions know no end."""
        context = self.config.max_position_embeddings
        if tokens > context and self.frequencies is None:
            raise ModelError(
                f"a row has {tokens} tokens and the model has positions for {context} (max_position_embeddings); cut "
                f"it, for example input_ids[:, :{context}], read it in pieces, or make a model with a longer context"
            )

    def check_ids(self, input_ids: Tensor) -> None:
        """Raise ModelError for ids that are no rows (B, T) of integers, or that have no row in the embedding."""
        if input_ids.ndim != 2 or input_ids.dtype not in (torch.int64, torch.int32):
            raise ModelError(
                f"input_ids is {tuple(input_ids.shape)} of {input_ids.dtype}; it must be (rows, tokens), integers"
            )
        self.check_length(input_ids.shape[1])
        if torch.compiler.is_compiling():  # what ids are there is known only when the compiled code runs
            return
        vocabulary = self.config.vocab_size
        wrong = (input_ids < 0) | (input_ids >= vocabulary)
        if bool(wrong.any()):
            row, place = (int(index) for index in wrong.nonzero()[0])
            raise ModelError(
                f"input_ids[{row}, {place}] is {int(input_ids[row, place])}; the model's vocab_size is {vocabulary}, "
                f"allowed 0 to {vocabulary - 1}; use the tokenizer that was saved with the model"
            )

    @torch.no_grad()
    def generate(self, input_ids: Tensor | None = None, **options: Any) -> Tensor:
        """Return ids (B * num_return_sequences, prompt + new tokens); see `massivetext.generation.engine.generate`."""
        from massivetext.generation.engine import generate

        return generate(self, input_ids, **options)

    def save_pretrained(self, save_directory: str | Path, tokenizer: Any = None, **options: Any) -> None:
        """Write a model folder that `transformers` opens unchanged; see `models.folder.save_model_folder`."""
        from massivetext.models.files.folder import save_model_folder

        checked_options("model.save_pretrained", options, ("save_directory", "tokenizer"))
        save_model_folder(self, tokenizer, Path(save_directory))
