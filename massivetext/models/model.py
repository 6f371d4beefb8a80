"""The base of the encoder and encoder-decoder models: fresh weights, published weights, model folders.

Every tensor of a file is accounted for: taken, or known by name as derived, as a tied copy (compared first) or as
another head's (said); what is left over, missing or misshaped is an error that names it.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor

from massivetext.errors import ConfigError, ModelError
from massivetext.hub import find_folder
from massivetext.hugging_face import checked_options
from massivetext.models.files.folder import check_folder, check_probes, save_model_folder, wanted_dtype
from massivetext.models.files.naming import check_fit
from massivetext.models.files.weights import CONFIG_FILE, check_finite, read_object, seeded_normal
from massivetext.models.memory import check_size
from massivetext.models.methods import ModelMethods, loading_options
from massivetext.models.outputs import Output
from massivetext.models.published import LabelledConfig, generation_fields
from massivetext.progress import log
from massivetext.translations import tr

OLD_NAMES = {".gamma": ".weight", ".beta": ".bias"}  # what the first BERT files call a norm's scale and shift
SHOWN = 6  # names of tensors in one message


class PretrainedModel(ModelMethods):
    """A model that `transformers` knows under the same class name, with weights under the same names."""

    config_class: ClassVar[Any]
    body: ClassVar[str] = ""
    """The attribute that holds the model without its head; "" for the model without a head itself."""
    bodies: ClassVar[tuple[str, ...]] = ()
    """What the family's other classes call that attribute."""
    heads: ClassVar[tuple[str, ...]] = ()
    """Beginnings of the names of heads, which another class may have or lack: "classifier.", ..."""
    inner_heads: ClassVar[tuple[str, ...]] = ()
    """The same for what stands inside the body: "pooler."."""
    derived: ClassVar[tuple[str, ...]] = ("position_ids", "token_type_ids")
    """Ends of the names of tensors in old files that follow from the configuration (here: 0, 1, 2, ... and zeros)."""
    tied: ClassVar[dict[str, str]] = {}
    """Copies that some files hold of other tensors: name of the copy, name of the original."""

    def __init__(self, config: Any, seed: int | None = 0) -> None:
        """seed: of the fresh weights; None: none are made (they will be loaded)."""
        super().__init__()
        if seed is not None:
            check_size(config)
        self.config = config
        config.__dict__["built"] = True
        self.tokenizer_folder: str | None = None  # where the model was read from, for those who need its tokenizer
        self.generation_defaults: dict[str, Any] = {}  # the folder's generation_config.json
        with torch.device("meta"):  # no memory and no random numbers are spent before the weights are known
            self.build(config)
        if seed is not None:
            self.initialise(seed)

    def build(self, config: Any) -> None:
        """Make the modules; called on the meta device."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: LabelledConfig, seed: int = 0) -> Self:
        """Return a model with fresh weights, a function of `config` and `seed` alone, in training mode."""
        return cls(config, seed)

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *arguments: Any,
        verify: bool = False,
        dtype: str | torch.dtype = "float32",
        device: str = "cpu",
        ignore_mismatched_sizes: bool = False,
        **changes: Any,
    ) -> Self:
        """Return the model in a folder (or of a name that `hub.find_folder` knows), in evaluation mode.

        A head that the folder does not have is made fresh, and the log says so. verify: also run the probe texts stored
        with the model. dtype (torch_dtype): number format in memory, "auto" keeps the file's. device (device_map): one
        device. ignore_mismatched_sizes: a head of another size than the configuration's is made fresh, too. changes:
        fields of the configuration, such as num_labels, or a whole one as config. Raises ModelError where the folder is
        incomplete or altered.
        """
        if arguments:
            raise ConfigError(f"{cls.__name__}.from_pretrained takes one name; pass everything else by its own name")
        names = ("dtype", "device", "config", "label2id", *cls.config_class.accepted_names())
        given = loading_options({"dtype": dtype, "device": device, **changes}, names, cls.__name__)
        dtype, device, own = given.pop("dtype", "float32"), given.pop("device"), given.pop("config", None)
        changes = given
        folder = find_folder(name)
        values = read_object(folder / CONFIG_FILE) if folder.is_dir() else {}
        config, weights = check_folder(folder, cls.config_class)
        weights = cls.renamed(weights)
        config = cls.told_by_weights(config, weights) if own is None else own
        model = cls(config.changed(**changes), seed=None)
        if ignore_mismatched_sizes:
            weights = model._without_other_heads(weights)
        model.take(weights, f"the weights in {folder}")
        wanted = wanted_dtype(dtype)
        if wanted is not None:  # the weights only: rotary frequencies stay float32
            cast_weights = {name: tensor.to(wanted) for name, tensor in model.state_dict().items()}
            model.load_state_dict(cast_weights, strict=True, assign=True)
        model.to(device)
        model.tokenizer_folder = str(folder)
        generation = folder / "generation_config.json"
        model.generation_defaults = read_object(generation) if generation.is_file() else generation_fields(values)
        model.eval()
        if verify:
            check_probes(model, folder)
        return model

    def _without_other_heads(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of a file without those of heads that have another size than this model's."""
        shapes = {name: tensor.shape for name, tensor in self.state_dict().items()}
        wrong = [name for name, tensor in weights.items() if name in shapes and tensor.shape != shapes[name]]
        heads = [head for head in self.heads if any(name.startswith(head) for name in wrong)]
        return {name: tensor for name, tensor in weights.items() if not name.startswith(tuple(heads))}

    def save_pretrained(self, save_directory: str | Path, tokenizer: Any = None, **options: Any) -> None:
        """Write a model folder that `transformers` opens unchanged; see `models.folder.save_model_folder`."""
        checked_options("model.save_pretrained", options, ("save_directory", "tokenizer"))
        save_model_folder(self, tokenizer, Path(save_directory))

    @property
    def architecture(self) -> str:
        """The name of the class, which config.json carries."""
        return type(self).__name__

    def generation_record(self) -> dict[str, Any] | None:
        """Return the content of generation_config.json; None for a model that does not generate."""
        return None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The number format of the weights."""
        return next(self.parameters()).dtype

    def stored_weights(self) -> dict[str, Tensor]:
        """Return the tensors that a model folder holds, by name."""
        return self.state_dict()

    def parameter_groups(self) -> dict[str, list[str]]:
        """Return the names of all parameters by kind: `matrices` (inside blocks), `embedding`, `head`, `vectors`."""
        groups: dict[str, list[str]] = {"matrices": [], "embedding": [], "head": [], "vectors": []}
        for name, parameter in self.named_parameters():
            if parameter.ndim < 2:
                groups["vectors"].append(name)
            elif "embed" in name or "shared" in name or "relative_attention_bias" in name:
                groups["embedding"].append(name)
            else:
                groups["head" if name.startswith(self.heads) else "matrices"].append(name)
        return groups

    def initialise(self, seed: int) -> Self:
        """Give every parameter its first value and return the model; each is a function of (seed, its name) alone."""
        self.load_weights(self.fresh(seed, self.state_dict(keep_vars=True)))
        return self.train()

    def fresh(self, seed: int, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return first values for some parameters, by name; norm scales one, vectors zero, the rest normal."""
        weights = {}
        for name, parameter in parameters.items():
            if parameter.ndim < 2:
                weights[name] = torch.full(parameter.shape, 1.0 if name.lower().endswith("norm.weight") else 0.0)
                continue
            weights[name] = seeded_normal(parameter.shape, self.first_deviation(name, parameter), seed, name)
        return weights

    def first_deviation(self, name: str, parameter: Tensor) -> float:
        """Return the standard deviation of a fresh matrix or embedding."""
        return float(self.config.initializer_range)

    @classmethod
    def told_by_weights(cls, config: Any, weights: dict[str, Tensor]) -> Any:
        """Return the configuration with what only the weights tell; a family may need it."""
        return config

    @classmethod
    def renamed(cls, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return a file's tensors under this class's names, without derived buffers and tied copies."""
        found: dict[str, Tensor] = {}
        for name, tensor in weights.items():
            if name.endswith(cls.derived):
                continue
            for old, new in OLD_NAMES.items():
                name = name.removesuffix(old) + new if name.endswith(old) else name
            found[cls.own_name(name)] = tensor
        for copy, original in cls.tied.items():
            if copy in found and original in found:
                if not torch.equal(found[copy], found[original]):
                    raise ModelError(
                        f"{copy} and {original} are not equal, and a {cls.__name__} has one tensor for both; "
                        f"use the weights of one training, not a mixture of two"
                    )
                del found[copy]
        return found

    @classmethod
    def own_name(cls, name: str) -> str:
        """Return a tensor's name with the prefix of this class, which files of the bare model lack."""
        bare = next((name[len(body) + 1 :] for body in cls.bodies if name.startswith(f"{body}.")), name)
        if not cls.body or (bare == name and name.startswith(cls.heads)):
            return bare
        return f"{cls.body}.{bare}"

    def take(self, weights: dict[str, Tensor], where: str, seed: int = 0) -> None:
        """Take over `weights`; heads that only the file has are left out, heads that it lacks made fresh, and said."""
        expected = dict(self.state_dict(keep_vars=True))
        inner = [f"{self.body}.{head}" if self.body else head for head in self.inner_heads]
        for begins in (*self.heads, *inner):
            theirs = [name for name in weights if name.startswith(begins)]
            ours = {name: parameter for name, parameter in expected.items() if name.startswith(begins)}
            if theirs and not ours:
                log(tr("{where}: {names} not used: another head", where=where, names=shown(theirs)))
                weights = {name: tensor for name, tensor in weights.items() if name not in theirs}
            elif ours and not theirs:
                log(tr("{where} have no {names}: made fresh, to be trained", where=where, names=shown(ours)))
                weights = weights | self.fresh(seed, ours)
        self.load_weights(weights, where)

    def load_weights(self, weights: dict[str, Tensor], where: str = "the weights") -> None:
        """Take over `weights`, one tensor for every parameter; missing, extra, misshaped, NaN ones raise ModelError."""
        check_fit(self.state_dict(keep_vars=True), weights, where, type(self).__name__)
        check_finite(weights, where)
        self.load_state_dict(weights, strict=True, assign=True)

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


def shown(names: Collection[str]) -> str:
    """Return the first names of a list, and how many more there are."""
    first, more = list(names)[:SHOWN], len(names) - SHOWN
    return ", ".join(first) + (f", ... (+{more})" if more > 0 else "")


def check_ids(input_ids: Tensor, vocab_size: int, most_tokens: int | None, what: str = "input_ids") -> None:
    """Raise ModelError for ids outside the vocabulary, and for a text longer than the model reads, naming both."""
    if torch.compiler.is_compiling():
        return
    if input_ids.ndim != 2 or not input_ids.numel() or input_ids.dtype not in (torch.int64, torch.int32):
        raise ModelError(
            f"{what} is {tuple(input_ids.shape)} of {input_ids.dtype}; it must be (rows, tokens), integers, with at "
            f"least one token (an empty text is its special tokens alone)"
        )
    tokens = input_ids.shape[1]
    if most_tokens is not None and tokens > most_tokens:
        raise ModelError(
            f"a text has {tokens} tokens and the model reads at most {most_tokens}; cut it "
            f"(tokenizer(..., truncation=True, max_length={most_tokens})), or read it in overlapping pieces "
            f"(truncation=True, stride=..., return_overflowing_tokens=True)"
        )
    low, high = int(input_ids.min()), int(input_ids.max())
    if low < 0 or high >= vocab_size:
        raise ModelError(
            f"{what} has the id {low if low < 0 else high}, and the model's vocab_size is {vocab_size:,}; use the "
            f"tokenizer that was saved with the model"
        )
