"""Writing a model as a GGUF file, for llama.cpp and what is built on it: the reverse of `gguf_file`."""

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from massivetext.errors import ConfigError, unknown_name
from massivetext.models.decoder import CausalDecoder
from massivetext.models.gguf_file import ARCHITECTURES, FIELDS, IDS, LLAMA3_FACTORS, LLAMA_SHAPE, names_in_gguf
from massivetext.models.naming import layout, to_stored
from massivetext.storage import locked_file, temporary_path
from massivetext.tokens.gguf_file import tokenizer_fields
from massivetext.tokens.tokenizer import Tokenizer

KINDS = ("f16", "q8_0", "f32")
BLOCK = 32  # numbers that share a scale in q8_0


def export_gguf(model: CausalDecoder, tokenizer: Tokenizer | None, path: Path, kind: str = "f16") -> None:
    """Write the model, and its tokenizer unless None, as one GGUF file, which appears whole or not at all.

    kind: number format of the matrices, "f16", "q8_0" (8 bits, one scale for 32 numbers; matrices whose rows 32 does
    not divide stay f16) or "f32"; vectors are f32. A family or tokenizer that the format has no place for raises
    ConfigError.
    """
    from gguf import GGUFWriter

    if kind not in KINDS:
        raise ConfigError(unknown_name("GGUF kind", kind, KINDS))
    config: Any = model.config
    architecture = config.model_type
    if architecture not in ARCHITECTURES:
        raise ConfigError(f"no GGUF of this model: {unknown_name('family', architecture, ARCHITECTURES)}")
    with locked_file(path), temporary_path(path) as temporary:
        writer = GGUFWriter(str(temporary), architecture)
        _write_shape(writer, config, architecture)
        for name, value in ({} if tokenizer is None else tokenizer_fields(tokenizer)).items():
            _write_value(writer, f"tokenizer.{name}", value)
        for theirs, ours in IDS.items():
            number = getattr(config, ours)
            if isinstance(number, int) and tokenizer is not None:
                writer.add_uint32(f"tokenizer.ggml.{theirs}", number)
        for name, tensor in _tensors(model).items():
            _write_tensor(writer, name, tensor, kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def neighbouring(rows: Tensor, head_dim: int) -> Tensor:
    """Return query or key rows (H * head_dim, ...) with the pairs (i, i + head_dim/2) of a head at (2 i, 2 i + 1)."""
    halves = rows.reshape(-1, 2, head_dim // 2, *rows.shape[1:])
    return halves.transpose(1, 2).reshape(rows.shape).contiguous()


def _tensors(model: CausalDecoder) -> dict[str, Tensor]:
    """Return the tensors as the file names and orders them, in float32."""
    config: Any = model.config
    inside = {name: tensor.detach().float().cpu() for name, tensor in model.state_dict().items()}
    if config.model_type == "llama":
        for name in inside:
            if ".q_proj." in name or ".k_proj." in name:
                inside[name] = neighbouring(inside[name], config.head_features)
    tensors = to_stored(inside, layout(inside, names_in_gguf(config.model_type)))
    scaling = getattr(config, "rope_scaling", None)
    if scaling is not None and scaling.rope_type == "llama3":
        plain = model.make_frequencies(config.model_copy(update={"rope_scaling": None}))
        assert plain is not None and model.frequencies is not None
        tensors[LLAMA3_FACTORS] = plain / model.frequencies.cpu()
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
    if scaling is not None and scaling["rope_type"] == "linear":
        writer.add_string(f"{architecture}.rope.scaling.type", "linear")
        writer.add_float32(f"{architecture}.rope.scaling.factor", scaling["factor"])


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
    else:
        writer.add_tensor(name, values.astype(np.float16))
