"""The base of all models: fresh weights, weights from files, model folders.

Every tensor of a file is accounted for: taken, or known by name as derived, as a tied copy (compared first) or as
another head's (said); what is left over, missing or misshaped is an error that names it.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor, nn

from massivetext.errors import ConfigError, ModelError
from massivetext.hub import find_folder
from massivetext.hugging_face import checked_options
from massivetext.models.config_methods import LATER
from massivetext.models.files.config_json import generation_fields
from massivetext.models.files.folder import check_folder, check_probes, save_model_folder, wanted_dtype
from massivetext.models.files.gguf_file import load_gguf
from massivetext.models.files.naming import Place, check_fit, layout, to_inside, to_stored
from massivetext.models.files.weights import CONFIG_FILE, check_finite, read_object, seeded_normal
from massivetext.models.memory import check_size
from massivetext.models.methods import ModelMethods, loading_options
from massivetext.models.outputs import Output
from massivetext.progress import log
from massivetext.translations import tr

OLD_NAMES = {".gamma": ".weight", ".beta": ".bias"}  # what the first BERT files call a norm's scale and shift
SHOWN = 6  # names of tensors in one message
WRITING = ("causal-lm", "seq2seq-lm")


class Model(ModelMethods):
    """A body with a head, or without one; `transformers` knows each class under the same name.

    A kind of body gives `read` and `forward` (decoder.py, encoder.py, encoder_decoder.py), a head the rest (heads/);
    the classes themselves are made from the table of families.
    """

    config_class: ClassVar[Any]
    body_class: ClassVar[Any]
    """The family's `Body`."""
    stored_prefix: ClassVar[str]
    """How the names of the body's tensors begin in files of this class."""
    architecture: ClassVar[str]
    """The name of the class, which config.json carries."""
    reads_ahead: ClassVar[bool] = False
    """Whether a token reads those behind it, too, so that kinds of tokens (token_type_ids) tell two texts apart."""
    whole: ClassVar[bool] = False
    """Whether files have to hold the head; otherwise it is made fresh where they do not."""

    def __init__(self, config: Any, seed: int | None = 0) -> None:
        """Make a model with fresh weights, a function of `config` and `seed`; None: without weights, to load some."""
        nn.Module.__init__(self)  # alone: a body that the class is derived from is built below
        if seed is not None:
            check_size(config)
        self.config = config
        config.__dict__["built"] = True
        self.tokenizer_folder: str | None = None  # where the model was read from, for those who need its tokenizer
        self.generation_defaults: dict[str, Any] = {}  # the folder's generation_config.json
        self.forward_names = self.names_of_inputs()
        with torch.device("meta"):  # no memory and no random numbers are spent before the weights are known
            self.build_body(config)
            self.build_head(config)
        if seed is not None:
            self.initialise(seed)

    def build_body(self, config: Any) -> None:
        """Make the body, on the meta device."""
        if self.body_name:
            self.add_module(self.body_name, self.body_class(config))
        else:
            self.body_class.build(cast(Any, self), config)

    def build_head(self, config: Any) -> None:
        """Make the head, on the meta device; there is none unless a class says so."""

    # ---- what the model can do ---------------------------------------------------------------------------------------

    @property
    def most_tokens(self) -> int | None:
        """The most tokens that the model reads at once; None: it knows no limit."""
        return cast("int | None", self.config.most_tokens)

    @property
    def width(self) -> int:
        """Features of what the head reads."""
        raise NotImplementedError

    @property
    def reads_source(self) -> bool:
        """Whether the model reads one text and has a decoder that reads or writes another."""
        return "decoder_input_ids" in self.forward_names

    def look_up(self, input_ids: Tensor) -> Tensor:
        """Return the embeddings (B, T, D) of ids alone, without positions or kinds of tokens."""
        raise NotImplementedError

    def can_generate(self) -> bool:
        """Return whether the model writes text."""
        return self.task in WRITING

    def summary(self, hidden: Tensor, input_ids: Tensor) -> Tensor:
        """Return what a whole text is labelled by, (B, D), of the hidden states (B, T, D) of ids (B, T)."""
        raise NotImplementedError

    def ended(self, input_ids: Tensor) -> Tensor:
        """Return ids (B, T) as `summary` takes them for a whole text."""
        return input_ids

    def predict(self, hidden: Tensor, input_ids: Tensor) -> Tensor:
        """Return the logits that the labels of a batch are compared with: of every token, unless a head says else."""
        return self.project(hidden)

    def project(self, hidden: Tensor) -> Tensor:
        """Return what the head gives, (..., outputs), for hidden states (..., D)."""
        raise NotImplementedError

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of labels."""
        raise NotImplementedError

    # ---- fresh weights -----------------------------------------------------------------------------------------------

    @classmethod
    def from_config(cls, config: Any, seed: int = 0) -> Self:
        """Return a model with fresh weights, a function of `config` and `seed` alone, in training mode."""
        return cls(config, seed)

    def initialise(self, seed: int) -> Self:
        """Give every parameter its first value and return the model; each is a function of (seed, its name) alone."""
        self.load_weights(self.fresh(seed, self.state_dict(keep_vars=True)))
        return self.train()

    def fresh(self, seed: int, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return first values for some parameters, by name; norm scales one, other vectors zero, the rest normal."""
        weights = {}
        for name, parameter in parameters.items():
            if name.lower().endswith("norm.weight"):
                weights[name] = torch.ones(parameter.shape)
            elif parameter.ndim < 2 or (deviation := self.first_deviation(name, parameter)) == 0.0:
                weights[name] = torch.zeros(parameter.shape)
            else:
                weights[name] = seeded_normal(parameter.shape, deviation, seed, name)
        return weights

    def first_deviation(self, name: str, parameter: Tensor) -> float:
        """Return the standard deviation of a fresh matrix or embedding; 0.0 means all zeros."""
        return float(self.config.initializer_range)

    # ---- weights under the names of files ----------------------------------------------------------------------------

    @classmethod
    def own_name(cls, name: str) -> str:
        """Return what files of this class call a tensor that a file of any class of the family holds."""
        if name.startswith(cls.body_class.heads):
            return name
        prefix = next((prefix for prefix in cls.body_class.prefixes if name.startswith(prefix)), "")
        return cls.stored_prefix + name.removeprefix(prefix)

    @classmethod
    def tied_copies(cls) -> dict[str, str]:
        """Return the names of copies that files may hold, with the names of the originals."""
        return cls.body_class.tied

    @classmethod
    def tidy(
        cls, weights: Mapping[str, Tensor], config: Any, where: str = "the weights"
    ) -> tuple[dict[str, Tensor], Any]:
        """Return a file's tensors under the names of this class's files, without derived buffers and tied copies.

        Second comes the configuration, with what only the weights tell.
        """
        found: dict[str, Tensor] = {}
        for name, tensor in weights.items():
            if re.search(cls.body_class.derived, name):
                continue
            for old, new in OLD_NAMES.items():
                name = name.removesuffix(old) + new if name.endswith(old) else name
            found[cls.own_name(name)] = tensor
        for pair in cls.tied_copies().items():
            copy, original = (cls.own_name(name) for name in pair)
            if copy in found and original in found:
                if not torch.equal(found[copy], found[original]):
                    raise ModelError(
                        f"{copy} and {original} are not equal, and a {cls.__name__} has one tensor for both; "
                        f"use the weights of one training, not a mixture of two"
                    )
                del found[copy]
        config = cls.body_class.told_by_weights(config, found, cls.task, where)
        return found, config

    def stored_name(self, name: str) -> str:
        """Return what files of this class call a tensor that they lay out as the model does."""
        if name.startswith(self.body_class.heads):
            part, _, kind = name.rpartition(".")
            return f"{self.body_class.head_names.get(part, part)}.{kind}" if part else name
        return self.stored_prefix + name.removeprefix(f"{self.body_name}.")

    def places(self) -> dict[str, Place]:
        """Return every tensor of this class's files by name, with the parts of the model that it holds."""
        inside = f"{self.body_name}." if self.body_name else ""
        rules = [rule.under(self.stored_prefix, inside) for rule in self.body_class.stored_names(self.config)]
        return layout(self.state_dict(keep_vars=True), rules, self.stored_name)

    def stored_weights(self) -> dict[str, Tensor]:
        """Return the tensors that a model folder holds, by name."""
        return to_stored(self.state_dict(), self.places())

    def take(self, weights: Mapping[str, Tensor], where: str = "the weights", seed: int = 0) -> None:
        """Take over the tensors of a file that was tidied.

        Heads that only the file has are left out, heads that it lacks made fresh, and said.
        """
        weights, places = dict(weights), self.places()
        blank = {name: tensor.to("meta") for name, tensor in self.state_dict().items()}
        expected = to_stored(blank, places)
        inner = [self.stored_prefix + head for head in self.body_class.inner_heads]
        for begins in () if self.whole else (*self.body_class.heads, *inner):
            theirs = [name for name in weights if name.startswith(begins)]
            ours = {name: tensor for name, tensor in expected.items() if name.startswith(begins)}
            if theirs and not ours:
                log(tr("{where}: {names} not used: another head", where=where, names=shown(theirs)))
                weights = {name: tensor for name, tensor in weights.items() if name not in theirs}
            elif ours and not theirs:
                log(tr("{where} have no {names}: made fresh, to be trained", where=where, names=shown(ours)))
                weights |= self.fresh(seed, ours)
        check_fit(expected, weights, where, type(self).__name__)
        check_finite(weights, where)
        self.load_state_dict(to_inside(weights, places, blank), strict=True, assign=True)

    def load_weights(self, weights: Mapping[str, Tensor], where: str = "the weights") -> None:
        """Take over the model's own tensors, as a checkpoint has them; ModelError where they do not fit."""
        check_fit(self.state_dict(keep_vars=True), weights, where, type(self).__name__)
        self.load_state_dict(dict(weights), strict=True, assign=True)

    # ---- model folders -----------------------------------------------------------------------------------------------

    @classmethod
    def changeable(cls) -> tuple[str, ...]:
        """Return the fields of the configuration that `from_pretrained` may be told otherwise."""
        return LATER if cls.whole else ("label2id", *cls.config_class.accepted_names())

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *arguments: Any,
        verify: bool = False,
        ignore_mismatched_sizes: bool = False,
        **options: Any,
    ) -> Self:
        """Return the model in a folder (or of a name that `hub.find_folder` knows), in evaluation mode.

        A head that the folder does not have is made fresh, and the log says so. verify: also run the probe texts stored
        with the model. ignore_mismatched_sizes: a head of another size than the configuration's is made fresh, too.
        options: dtype (torch_dtype), the number format in memory, "auto" keeps the file's, unset float32; device
        (device_map), one device; fields of the configuration, such as num_labels, or a whole one as config. Raises
        ModelError where the folder is incomplete or altered.
        """
        if arguments:
            raise ConfigError(f"{cls.__name__}.from_pretrained takes one name; pass everything else by its own name")
        given = loading_options(options, ("dtype", "device", "config", *cls.changeable()), cls.__name__)
        dtype, device = wanted_dtype(given.pop("dtype", "float32")), given.pop("device", "cpu")
        found, own = find_folder(name), given.pop("config", None)
        if found.suffix == ".gguf" and cls.task == "causal-lm":
            if verify:
                raise ModelError(f"{found} holds no probe texts to verify; load it without verify=True")
            model = load_gguf(found, cls, dtype)
        else:
            model = cls._of_folder(found, dtype, own, given, ignore_mismatched_sizes)
        if cls.whole:  # the shape is the file's; what may change later may change now
            own = {} if own is None else own.model_dump()
            model.config.update(own | {name: given[name] for name in given if name in model.config.model_fields})
        model.to(device)
        model.tokenizer_folder = str(found)
        model.eval()
        if verify:
            check_probes(model, found)
        return model

    @classmethod
    def _of_folder(
        cls, folder: Path, dtype: torch.dtype | None, own: Any, changes: Mapping[str, Any], ignore_sizes: bool
    ) -> Self:
        """Return the model of a folder; see `from_pretrained`. dtype: None keeps the file's."""
        config, weights = check_folder(folder, cls.config_class, cls.__name__)
        weights, config = cls.tidy(weights, config, str(folder))
        if not cls.whole:
            config = (config if own is None else own).changed(**changes)
        model = cls(config, seed=None)
        model.take(model._without_other_heads(weights) if ignore_sizes else weights, f"the weights in {folder}")
        if dtype is not None:  # the weights only: rotary frequencies stay float32
            cast_weights = {name: tensor.to(dtype) for name, tensor in model.state_dict().items()}
            model.load_state_dict(cast_weights, strict=True, assign=True)
        generation, values = folder / "generation_config.json", read_object(folder / CONFIG_FILE)
        model.generation_defaults = read_object(generation) if generation.is_file() else generation_fields(values)
        return model

    def _without_other_heads(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of a file without those of heads that have another size than this model's."""
        shapes = {name: tensor.shape for name, tensor in self.stored_weights().items()}
        wrong = [name for name, tensor in weights.items() if name in shapes and tensor.shape != shapes[name]]
        heads = [head for head in self.body_class.heads if any(name.startswith(head) for name in wrong)]
        return {name: tensor for name, tensor in weights.items() if not name.startswith(tuple(heads))}

    def save_pretrained(self, save_directory: str | Path, tokenizer: Any = None, **options: Any) -> None:
        """Write a model folder that `transformers` opens unchanged; see `models.files.folder.save_model_folder`."""
        checked_options("model.save_pretrained", options, ("save_directory", "tokenizer"))
        save_model_folder(self, tokenizer, Path(save_directory))

    def generation_record(self) -> dict[str, Any] | None:
        """Return the content of generation_config.json; None for a model that does not generate."""
        return None

    @torch.no_grad()
    def probe(self, ids: list[int]) -> Tensor:
        """Return numbers that vouch for the model: its first output for `ids`, at the last position, 1-D float32."""
        was_training = self.training
        output: Output = self.eval()(**self.probe_inputs(torch.tensor([ids], device=self.device)))
        self.train(was_training)
        first = output.to_tuple()[0][0]
        return cast(Tensor, first[-1] if first.ndim == 2 else first).float().cpu()

    def probe_inputs(self, input_ids: Tensor) -> dict[str, Tensor]:
        """Return what `forward` is given for the probe."""
        return {"input_ids": input_ids}

    # ---- parameters --------------------------------------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The number format of the weights."""
        return next(self.parameters()).dtype

    def parameter_groups(self) -> dict[str, list[str]]:
        """Return the names of all parameters by kind: `matrices` (inside blocks), `embedding`, `head`, `vectors`.

        `head` is empty where it is tied. Muon is meant for `matrices` (arXiv:2502.16982), AdamW for the others.
        """
        groups: dict[str, list[str]] = {"matrices": [], "embedding": [], "head": [], "vectors": []}
        for name, parameter in self.named_parameters():
            if parameter.ndim < 2:
                groups["vectors"].append(name)
            elif "embed" in name or "shared" in name or "relative_attention_bias" in name:
                groups["embedding"].append(name)
            else:
                groups["head" if name.startswith(self.body_class.heads) else "matrices"].append(name)
        return groups


def shown(names: Collection[str]) -> str:
    """Return the first names of a list, and how many more there are."""
    first, more = list(names)[:SHOWN], len(names) - SHOWN
    return ", ".join(first) + (f", ... (+{more})" if more > 0 else "")
