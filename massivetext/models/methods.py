"""What every model has under Hugging Face's names beside its own way of computing."""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from massivetext.errors import ConfigError, ModelError
from massivetext.generation.config import GenerationConfig
from massivetext.hugging_face import ATTRIBUTES_INSTEAD, checked_options, unknown_attribute


class ModelMethods(nn.Module):
    """Base of all models: calls with Hugging Face's arguments, embeddings, counts."""

    main_input_name: ClassVar[str] = "input_ids"
    is_gradient_checkpointing: ClassVar[bool] = False
    config: Any
    generation_defaults: dict[str, Any]
    forward_names: frozenset[str]
    """What `forward` takes."""
    task: ClassVar[str | None] = None
    """What the head is for, as the Auto classes call it: "causal-lm", "token-classification", ...; None: no head."""
    body_name: ClassVar[str]
    """The attribute that holds the body; "": the model is derived from it."""

    @property
    def predicts_tokens(self) -> bool:
        """Whether the head is a language model's."""
        return (self.task or "").endswith("-lm")

    def names_of_inputs(self) -> frozenset[str]:
        """Return the names of the arguments that `forward` takes."""
        return frozenset(inspect.signature(self.forward).parameters)

    def call_with(self, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Call the model with arguments of which `forward` does not take some.

        return_dict=False gives a tuple. What asks for nothing is dropped; other arguments are refused by name.
        """
        return_dict = options.pop("return_dict", None)
        kinds = options.get("token_type_ids")
        known = "token_type_ids" in self.forward_names
        if not known and isinstance(kinds, Tensor) and not bool(kinds.any()):  # a tokenizer's column, and one kind
            del options["token_type_ids"]
        taken = checked_options("model.forward", options, self.forward_names, type(self).__name__)
        outputs = nn.Module.__call__(self, *arguments, **taken)
        return outputs.to_tuple() if return_dict is False else outputs

    # ---- what the model is -------------------------------------------------------------------------------------------

    @property
    def name_or_path(self) -> str:
        """The folder that the model was read from, "" for a fresh one."""
        return str(getattr(self, "tokenizer_folder", None) or "")

    @property
    def base_model(self) -> nn.Module:
        """The model without its head."""
        return self if self.task is None or not self.body_name else cast(nn.Module, getattr(self, self.body_name))

    @property
    def generation_config(self) -> GenerationConfig:
        """How the model writes text unless a call says otherwise; its fields may be set."""
        return GenerationConfig.over(self.generation_defaults)

    @generation_config.setter
    def generation_config(self, value: GenerationConfig | Mapping[str, Any]) -> None:
        values = value.to_dict() if isinstance(value, GenerationConfig) else dict(value)
        self.generation_defaults = GenerationConfig(**values).to_dict()

    def num_parameters(self, only_trainable: bool = False, exclude_embeddings: bool = False) -> int:
        """Return the number of weights, each counted once."""
        left_out = set()
        if exclude_embeddings:
            embeddings = [module for module in self.modules() if isinstance(module, nn.Embedding)]
            left_out = {id(module.weight) for module in embeddings}
        counted = [weight for weight in self.parameters() if id(weight) not in left_out]
        return sum(weight.numel() for weight in counted if weight.requires_grad or not only_trainable)

    def get_memory_footprint(self, return_buffers: bool = True) -> int:
        """Return the bytes of the weights, and of the buffers."""
        tensors: Iterable[Tensor] = [*self.parameters(), *(self.buffers() if return_buffers else ())]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def tie_weights(self) -> None:
        """Do nothing: weights that are tied are one tensor."""

    def gradient_checkpointing_disable(self) -> None:
        """Do nothing: activations are always kept."""

    def gradient_checkpointing_enable(self, *arguments: Any, **options: Any) -> None:
        """Refuse: activations are always kept."""
        raise ConfigError(
            "gradient_checkpointing_enable is not supported; lower per_device_train_batch_size and raise "
            "gradient_accumulation_steps, or train on shorter rows"
        )

    # ---- embeddings --------------------------------------------------------------------------------------------------

    def get_input_embeddings(self) -> nn.Embedding:
        """Return the word embedding."""
        for module in self.modules():
            if isinstance(module, nn.Embedding) and module.weight.shape[0] == self.config.vocab_size:
                return module
        raise ModelError(f"{type(self).__name__} has no word embedding")

    def get_output_embeddings(self) -> nn.Module | None:
        """Return the module whose weight makes the logits, the word embedding where they are tied; None without one."""
        if not self.predicts_tokens:
            return None
        head = getattr(self, "lm_head", None)
        return head if isinstance(head, nn.Linear) else self.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Take over the weight of another word embedding of the same shape; what is tied to it follows."""
        weight = cast(Tensor, value.weight)
        old = self.get_input_embeddings().weight
        if weight.shape != old.shape:
            raise ModelError(
                f"the embedding is {tuple(weight.shape)} and the model's {tuple(old.shape)}; call "
                f"resize_token_embeddings({weight.shape[0]}) first"
            )
        self._replace({id(old): nn.Parameter(weight.detach().clone(), requires_grad=old.requires_grad)})

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> nn.Embedding:
        """Give the vocabulary another size and return the word embedding; call it before an optimiser is made.

        Rows that are added to the embedding and the head are the mean of the old ones, those of a bias 0. None leaves
        the size as it is. pad_to_multiple_of: the size is rounded up.
        """
        old = int(self.config.vocab_size)
        size = old if new_num_tokens is None else int(new_num_tokens)
        size = math.ceil(size / pad_to_multiple_of) * pad_to_multiple_of if pad_to_multiple_of else size
        if size < 1:
            raise ModelError(f"new_num_tokens is {size}; it must be at least 1")
        if size == old:
            return self.get_input_embeddings()
        config = self.config.changed(vocab_size=size)
        shapes = {name: tensor.shape for name, tensor in cast(Any, type(self))(config, None).state_dict().items()}
        replaced: dict[int, Tensor] = {}
        for name, tensor in self.state_dict(keep_vars=True).items():
            if tensor.shape != shapes[name] and id(tensor) not in replaced:
                replaced[id(tensor)] = _resized(tensor, old, size)
        self._replace(replaced)
        config.__dict__["built"] = True
        for module in self.modules():
            if getattr(module, "config", None) is not None:
                module.config = config
        return self.get_input_embeddings()

    def _replace(self, replaced: Mapping[int, Tensor]) -> None:
        """Put other tensors in the place of parameters and buffers, by id; a tied one everywhere."""
        for module in self.modules():
            for table in (module._parameters, module._buffers):
                for name, tensor in list(table.items()):
                    if tensor is not None and id(tensor) in replaced:
                        table[name] = replaced[id(tensor)]  # type: ignore[assignment]
            if isinstance(module, nn.Embedding):
                module.num_embeddings = module.weight.shape[0]
            elif isinstance(module, nn.Linear):
                module.out_features = module.weight.shape[0]


def _resized(tensor: Tensor, old: int, size: int) -> Tensor:
    """Return a tensor with its vocabulary's dimension cut or filled up."""
    dimension = tensor.shape.index(old)
    kept = tensor.detach().narrow(dimension, 0, min(old, size))
    if size > old:
        mean = (
            kept.mean(dimension, keepdim=True)
            if tensor.ndim > 1 and dimension == 0
            else torch.zeros_like(kept[..., :1])
        )
        shape = list(kept.shape)
        shape[dimension] = size - old
        kept = torch.cat([kept, mean.expand(shape)], dimension)
    kept = kept.contiguous().clone()
    return nn.Parameter(kept, requires_grad=tensor.requires_grad) if isinstance(tensor, nn.Parameter) else kept


def _refusing(name: str) -> Callable[..., None]:
    def refuse(self: ModelMethods, *arguments: Any, **options: Any) -> None:
        raise ConfigError(unknown_attribute("model", name, ()))

    refuse.__doc__ = "Refuse, and say what to use instead."
    return refuse


for _name in ATTRIBUTES_INSTEAD["model"]:
    setattr(ModelMethods, _name, _refusing(_name))


def loading_options(options: Mapping[str, Any], allowed: Iterable[str], shown: str) -> dict[str, Any]:
    """Return the arguments of from_pretrained under this package's names; refuse those that are not supported.

    torch_dtype is dtype; device_map is device, where it names one.
    """
    found = dict(options)
    if "torch_dtype" in found:
        dtype = found.pop("torch_dtype")
        found["dtype"] = "float32" if dtype is None else dtype
    if found.get("dtype", "") is None:
        del found["dtype"]
    if isinstance(found.get("dtype"), str):
        found["dtype"] = found["dtype"].removeprefix("torch.")
    wanted = found.pop("device_map", None)
    if wanted is not None:
        found["device"] = mapped_device(wanted, shown)
    return checked_options("model.from_pretrained", found, allowed, f"{shown}.from_pretrained")


def mapped_device(device_map: Any, shown: str) -> str:
    """Return the one device that a device_map means."""
    if isinstance(device_map, Mapping):
        devices = {str(device) for device in device_map.values()}
        if len(devices) != 1:
            raise ConfigError(
                f"{shown}.from_pretrained(device_map={device_map}) spreads the model over {len(devices)} devices; "
                f"allowed: one. Pass device='cpu' or device='cuda'"
            )
        (device_map,) = devices
    if device_map in ("auto", "balanced", "balanced_low_0", "sequential"):
        return "cuda" if torch.cuda.is_available() else "cpu"
    return f"cuda:{device_map}" if str(device_map).isdigit() else str(device_map)
