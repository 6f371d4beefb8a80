"""Writing a model as a GGUF file, for llama.cpp and what is built on it: the reverse of `gguf_file`."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from massivetext.errors import ConfigError, ModelError, unknown_name
from massivetext.models.families.table import CLASSES
from massivetext.models.files.gguf_file import (
    ARCHITECTURES,
    FIELDS,
    LLAMA3_FACTORS,
    LLAMA_SHAPE,
    TANH_GELUS,
    gguf_family,
    load_gguf,
    names_in_gguf,
)
from massivetext.models.files.naming import layout, to_stored
from massivetext.models.files.weights import check_finite
from massivetext.progress import log
from massivetext.storage import locked_file, temporary_path
from massivetext.tokens.gguf_fields import tokenizer_fields
from massivetext.tokens.gguf_file import forget_files, read_tokenizer
from massivetext.tokens.tokenizer import Tokenizer
from massivetext.translations import tr

KINDS = {"f16": 5e-4, "q8_0": 6e-3, "f32": 0.0}  # and how far a number may move, of the largest in its tensor
BLOCK = 32  # numbers that share a scale in q8_0
LARGEST_F16, SMALLEST_F16 = 65504.0, 6e-8
PROBE_TOKENS = 64
PROBE_TOLERANCE = 1e-4  # of the largest logit
PROBE_TEXTS = ("def main(arguments):\n    return 1234 + 5", " The name  of the\t\n\n é̀ 😀", "北京是中国的首都。ＡＢＣ")


class Said(NamedTuple):
    """What an architecture of GGUF takes as given or can say: activations, rotary scalings, biases of attention."""

    activations: tuple[str, ...] = ("silu", "swish")
    scalings: tuple[str, ...] = ("linear", "yarn")
    attention_bias: tuple[bool, ...] = (False,)


SAME_AS = {"mistral": "llama"}  # families that GGUF has no name of its own for
SAYABLE = {
    "gpt2": Said(TANH_GELUS),
    "llama": Said(scalings=("linear", "llama3", "yarn"), attention_bias=(False, True)),
    "qwen2": Said(attention_bias=(True,)),
    "qwen3": Said(),
}


def export_gguf(model: Any, tokenizer: Tokenizer | None, path: Path, kind: str = "f16") -> None:
    """Write the model, and its tokenizer unless None, as one GGUF file, which appears whole or not at all.

    kind: number format of the matrices, "f16", "q8_0" (8 bits, one scale for 32 numbers; matrices whose rows 32 does
    not divide stay f16) or "f32"; vectors are f32. The file is read again before it gets its name, and must hold the
    same model and the same ids. Start, end and padding ids are the tokenizer's. A family, a setting or a tokenizer
    that the format cannot express raises ConfigError.
    """
    from gguf import GGUFWriter

    if kind not in KINDS:
        raise ConfigError(unknown_name("GGUF kind", kind, KINDS))
    config: Any = model.config
    family = getattr(config, "model_type", type(config).__name__)
    architecture = SAME_AS.get(family, family)
    if architecture not in ARCHITECTURES:
        allowed = [*ARCHITECTURES, *SAME_AS]
        raise ConfigError(f"no GGUF of this model: {unknown_name('family', family, allowed)}")
    _check_sayable(config, architecture)
    check_finite(model.state_dict(), "the model")
    fields = {} if tokenizer is None else tokenizer_fields(tokenizer, config.vocab_size, stops_of(tokenizer, config))
    with locked_file(path), temporary_path(path) as temporary:
        writer = GGUFWriter(str(temporary), architecture)
        _write_shape(writer, config, architecture)
        for name, value in fields.items():
            _write_value(writer, f"tokenizer.{name}", value)
        for name, tensor in _tensors(model, architecture).items():
            _write_tensor(writer, name, tensor, kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        try:
            _check_model(model, temporary, kind)
            if tokenizer is not None:
                _check_tokenizer(tokenizer, temporary)
        finally:
            forget_files()


def stops_of(tokenizer: Tokenizer, config: Any) -> list[int]:
    """Return the ids that end a text, the tokenizer's first; raise ConfigError where there is none."""
    own = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    stops = list(dict.fromkeys([*own, *config.stop_ids]))
    if not stops:
        raise ConfigError(
            "neither the tokenizer nor the configuration names a token that ends texts, and llama.cpp then ends them "
            "at one of its own choice; set tokenizer.eos_token, or write the file without the tokenizer "
            "(tokenizer=None)"
        )
    if len(stops) > 2:
        log(tr("GGUF has a place for two ids that end a text; left out: {ids}", ids=", ".join(map(str, stops[2:]))))
    return stops[:2]


def _check_sayable(config: Any, architecture: str) -> None:
    """Raise ConfigError for a setting that the architecture takes for another, naming what it can express."""
    said, scaling = SAYABLE[architecture], getattr(config, "rope_scaling", None)
    found: dict[str, Any] = {"hidden_act": (config.hidden_act, said.activations)}
    found["sliding_window"] = (config.attention_window, (None,))
    if hasattr(config, "attention_bias"):
        found["attention_bias"] = (config.attention_bias, said.attention_bias)
    if scaling is not None:
        found["rope_scaling.rope_type"] = (scaling.rope_type, said.scalings)
        for name in ("attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "truncate"):
            found[f"rope_scaling.{name}"] = (getattr(scaling, name), (type(scaling).model_fields[name].default,))
    for name, (value, allowed) in found.items():
        if value not in allowed:
            raise ConfigError(
                f"the model has {name} = {value!r}, and a GGUF file of the architecture {architecture!r} cannot "
                f"express it: readers would compute other numbers; allowed: {', '.join(map(repr, allowed))}"
            )


def _check_model(model: Any, path: Path, kind: str) -> None:
    """Raise ModelError unless the file holds the model: its numbers within rounding, and the same computation."""
    own = model.state_dict()
    read = load_gguf(path, CLASSES["causal-lm"][gguf_family(path)]).eval()
    found = dict(read.state_dict())
    if "lm_head.weight" in own:  # a head equal to the embedding is read as tied to it
        found.setdefault("lm_head.weight", found["model.embed_tokens.weight"])
    for name, tensor in own.items():
        whole = tensor.detach().float().cpu()
        off = float((found[name] - whole).abs().max())
        if off > KINDS[kind] * float(whole.abs().max()) + (0.0 if kind == "f32" else SMALLEST_F16):
            raise ModelError(f"the file written does not hold the model: numbers of {name} are off by up to {off:.3g}")
    same = type(model)(model.config, None)  # the model as it is meant, with the numbers of the file
    same.load_weights(found)
    tokens = min(PROBE_TOKENS, model.config.max_position_embeddings)
    ids = (torch.arange(tokens) * 7919 % model.config.vocab_size)[None]
    with torch.no_grad():
        wanted, seen = (copied(ids).logits for copied in (same.eval(), read))
    off = float((wanted - seen).abs().max() / wanted.abs().max().clamp(min=1.0))
    if not off <= PROBE_TOLERANCE:
        raise ModelError(
            f"the file written does not compute what the model does: logits are off by {off:.3g} of the largest; "
            f"please report this model's configuration"
        )


def _check_tokenizer(tokenizer: Tokenizer, path: Path) -> None:
    """Raise ConfigError unless the tokenizer in the file gives the same ids as the one that was written."""
    read = Tokenizer(*read_tokenizer(path))
    specials = sorted(set(tokenizer.get_vocab()) - set(read.get_vocab()))
    texts = [*PROBE_TEXTS, *(f"a {token} b{token}c" for token in tokenizer.specials.values())]
    differ = next((text for text in texts if read.encode(text) != tokenizer.encode(text)), None)
    if differ is not None or specials:
        what = f"the text {differ!r} has other ids" if differ is not None else f"entries are missing: {specials[:5]}"
        raise ConfigError(
            f"the tokenizer {tokenizer.name_or_path!r} cannot be expressed in a GGUF file: read again, {what}; write "
            f"the file without it (tokenizer=None)"
        )


def neighbouring(rows: Tensor, head_dim: int) -> Tensor:
    """Return query or key rows (H * head_dim, ...) with the pairs (i, i + head_dim/2) of a head at (2 i, 2 i + 1)."""
    halves = rows.reshape(-1, 2, head_dim // 2, *rows.shape[1:])
    return halves.transpose(1, 2).reshape(rows.shape).contiguous()


def _tensors(model: Any, architecture: str) -> dict[str, Tensor]:
    """Return the tensors as the file names and orders them, in float32."""
    config: Any = model.config
    inside = {name: tensor.detach().float().cpu() for name, tensor in model.state_dict().items()}
    if architecture == "llama":
        for name in inside:
            if ".q_proj." in name or ".k_proj." in name:
                inside[name] = neighbouring(inside[name], config.head_features)
    tensors = to_stored(inside, layout(inside, names_in_gguf(architecture)))
    scaling = getattr(config, "rope_scaling", None)
    if scaling is not None and scaling.rope_type == "llama3":
        plain = model.body.make_frequencies(config.model_copy(update={"rope_scaling": None}))
        tensors[LLAMA3_FACTORS] = plain / model.body.frequencies.cpu()
    return tensors


def _write_shape(writer: Any, config: Any, architecture: str) -> None:
    """Write the configuration's fields."""
    own = {**config.model_dump(), "intermediate_size": config.feedforward_features}
    own |= {"num_key_value_heads": config.key_value_heads, "head_dim": config.head_features}
    for theirs, ours in FIELDS.get(architecture, LLAMA_SHAPE).items():
        _write_value(writer, f"{architecture}.{theirs}", own[ours])
    if config.rotary_features:
        writer.add_uint32(f"{architecture}.rope.dimension_count", config.rotary_features)
        writer.add_uint32(f"{architecture}.attention.value_length", config.head_features)
    writer.add_uint32(f"{architecture}.vocab_size", config.vocab_size)
    scaling = own.get("rope_scaling")
    if scaling is None:
        return
    original = scaling["original_max_position_embeddings"] or config.max_position_embeddings
    if scaling["rope_type"] != "linear":
        writer.add_uint32(f"{architecture}.rope.scaling.original_context_length", original)
    if scaling["rope_type"] != "llama3":  # that one is in a tensor
        factor = scaling["factor"] or config.max_position_embeddings / original
        writer.add_string(f"{architecture}.rope.scaling.type", scaling["rope_type"])
        writer.add_float32(f"{architecture}.rope.scaling.factor", factor)


def _write_value(writer: Any, name: str, value: Any) -> None:
    if isinstance(value, bool):
        writer.add_bool(name, value)
    elif isinstance(value, int):
        writer.add_uint32(name, value)
    elif isinstance(value, float):
        writer.add_float32(name, value)
    elif isinstance(value, str):
        writer.add_string(name, value)
    else:
        writer.add_array(name, value)


def _write_tensor(writer: Any, name: str, tensor: Tensor, kind: str) -> None:
    from gguf import GGMLQuantizationType
    from gguf.quants import quantize

    values = tensor.numpy()
    if values.ndim < 2 or kind == "f32":
        writer.add_tensor(name, values)
    elif kind == "q8_0" and values.shape[-1] % BLOCK == 0:
        packed = quantize(values, GGMLQuantizationType.Q8_0)
        writer.add_tensor(name, packed, raw_dtype=GGMLQuantizationType.Q8_0)
    elif float(np.abs(values).max()) > LARGEST_F16:
        raise ConfigError(
            f"{name} has numbers up to {float(np.abs(values).max()):.6g}, and f16 holds {LARGEST_F16:.0f} at most; use "
            f"kind f32"
        )
    else:
        writer.add_tensor(name, values.astype(np.float16))
