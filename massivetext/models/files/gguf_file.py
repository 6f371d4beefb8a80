"""Models in GGUF files (llama.cpp's format): the configuration in the metadata, the weights dequantised to float32.

Llama's queries and keys are kept there with neighbouring features turned together; here, as in Hugging Face's files,
a feature turns with the one half a head further on, so their rows are put back in that order.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from massivetext.errors import ConfigError, ModelError, unknown_name
from massivetext.layers.rotary import RopeScaling, inverse_frequencies
from massivetext.models.files.naming import QUERY_KEY_VALUE, Stored, check_fit, layout, to_inside, to_stored
from massivetext.models.files.weights import check_blocks, check_finite
from massivetext.tokens.gguf_file import metadata, open_gguf

if TYPE_CHECKING:
    from gguf import GGUFReader

ARCHITECTURES = {"gpt2": "gpt2", "llama": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}  # general.architecture: family
SHAPE = {
    "block_count": "num_hidden_layers", "embedding_length": "hidden_size", "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads", "context_length": "max_position_embeddings",
}  # fmt: skip
LLAMA_SHAPE = {
    **SHAPE, "attention.head_count_kv": "num_key_value_heads", "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "rope.freq_base": "rope_theta", "attention.key_length": "head_dim",
}  # fmt: skip
FIELDS = {"gpt2": {**SHAPE, "attention.layer_norm_epsilon": "layer_norm_epsilon"}}
# Fields that repeat others, or say nothing at the value given.
REPEATED = {"vocab_size", "attention.value_length", "rope.dimension_count", "rope.scaling.finetuned"}
SCALING = {"rope.scaling.type", "rope.scaling.factor", "rope.scaling.original_context_length"}
NEUTRAL: dict[str, Any] = {
    "expert_count": 0, "expert_used_count": 0, "rope.scaling.attn_factor": 1.0, "rope.scaling.yarn_attn_factor": 1.0,
    "rope.scaling.yarn_beta_fast": 32.0, "rope.scaling.yarn_beta_slow": 1.0, "rope.scaling.yarn_ext_factor": 1.0,
}  # fmt: skip
IDS = {"bos_token_id": "bos_token_id", "eos_token_id": "eos_token_id", "padding_token_id": "pad_token_id"}
TANH_GELUS = ("gelu_new", "gelu_accurate", "gelu_fast", "gelu_python_tanh", "gelu_pytorch_tanh")  # what gpt2 means
LLAMA3_FACTORS = "rope_freqs.weight"


def names_in_gguf(family: str) -> tuple[Stored, ...]:
    """Return how GGUF files name the weights of a family; GPT-2 differs: its three projections lie together."""
    block, inside = "blk.*.", "model.layers.*."
    tops = {"token_embd": "model.embed_tokens", "position_embd": "model.embed_positions", "output_norm": "model.norm"}
    parts = {
        "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm",
        "attn_k_norm": "self_attn.k_norm", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
    }  # fmt: skip
    if family == "gpt2":
        parts = {theirs: ours for theirs, ours in parts.items() if theirs not in ("attn_q", "attn_k", "attn_v")}
    return (
        *(Stored(theirs, (ours,)) for theirs, ours in {**tops, "output": "lm_head"}.items()),
        *(Stored(block + theirs, (inside + ours,)) for theirs, ours in parts.items()),
        *([Stored(f"{block}attn_qkv", QUERY_KEY_VALUE).under("", "model.")] if family == "gpt2" else []),
    )


def gguf_family(path: Path) -> str:
    """Return the `model_type` of the model in a GGUF file; raise ModelError for an architecture that is not known."""
    architecture = str(metadata(open_gguf(path), "general.").get("architecture"))
    if architecture not in ARCHITECTURES:
        raise ModelError(f"{path}: {unknown_name('general.architecture', architecture, ARCHITECTURES)}")
    return ARCHITECTURES[architecture]


def read_gguf(path: Path, config_class: type[Any]) -> tuple[Any, dict[str, Tensor]]:
    """Return configuration and tensors, in float32, of the model in a GGUF file.

    config_class: the family's configuration. A family of another name, a field that is not accounted for, and numbers
    that are not finite raise ModelError.
    """
    family = gguf_family(path)
    if family != config_class.model_type:
        raise ModelError(
            f"{path} holds a model of the family {family!r}, and {config_class.model_type!r} is asked for; use the "
            f"Auto classes, which choose by the file"
        )
    reader = open_gguf(path)
    weights = read_tensors(reader, path)
    config = read_gguf_config(reader, path, weights, config_class)
    weights.pop(LLAMA3_FACTORS, None)
    if config.tie_word_embeddings:
        weights.pop("output.weight", None)
    check_finite(weights, str(path))
    return config, weights


def load_gguf(path: Path, model_class: type[Any], dtype: torch.dtype | None = torch.float32) -> Any:
    """Return the model in a GGUF file, an object of `model_class`; quantised weights become numbers again.

    dtype: number format in memory; None: that of the file's embedding, float32 where it is quantised. What `read_gguf`
    refuses and a tensor that is not accounted for raise ModelError.
    """
    config, weights = read_gguf(path, model_class.config_class)
    check_blocks(config, weights, str(path))
    model = model_class(config, None)
    places = layout(model.state_dict(), names_in_gguf(config.model_type))
    blank = {name: tensor.to("meta") for name, tensor in model.state_dict().items()}
    check_fit(to_stored(blank, places), weights, f"the weights in {path}", type(model).__name__)
    inside = to_inside(weights, places, blank)
    if config.model_type == "llama":
        for name in inside:
            if ".q_proj." in name or ".k_proj." in name:
                inside[name] = half_apart(inside[name], config.head_features)
    kind = open_gguf(path).tensors[0].tensor_type.name
    wanted = dtype or {"F16": torch.float16, "BF16": torch.bfloat16}.get(kind)
    model.load_weights({name: tensor.to(wanted or torch.float32) for name, tensor in inside.items()})
    return model


def read_tensors(reader: "GGUFReader", path: Path) -> dict[str, Tensor]:
    """Return the file's tensors by name, in float32."""
    from gguf.quants import dequantize

    tensors = {}
    for tensor in reader.tensors:
        try:
            values = dequantize(tensor.data, tensor.tensor_type)
        except (NotImplementedError, ValueError) as error:
            raise ModelError(
                f"{path}: {tensor.name} is of type {tensor.tensor_type.name}, which cannot be read here ({error}); "
                f"take a file of another type, such as Q8_0 or F16"
            ) from None
        shape = tuple(int(size) for size in reversed(tensor.shape))
        tensors[tensor.name] = torch.from_numpy(np.array(values, dtype=np.float32).reshape(shape))
    return tensors


def read_gguf_config(reader: "GGUFReader", path: Path, weights: dict[str, Tensor], config_class: type[Any]) -> Any:
    """Return the configuration in the metadata of a GGUF file."""
    architecture = str(metadata(reader, "general.")["architecture"])
    found, fields = metadata(reader, f"{architecture}."), FIELDS.get(architecture, LLAMA_SHAPE)
    values: dict[str, Any] = {}
    for name, value in found.items():
        if name in fields:
            values[fields[name]] = _plain(value)
        elif name not in REPEATED | SCALING and value != NEUTRAL.get(name, object()):
            raise ModelError(
                f"{path} has {architecture}.{name} = {value!r}, which would change the numbers and is not supported"
            )
    embedding = weights.get("token_embd.weight")
    if embedding is None:
        raise ModelError(f"{path} has no token_embd.weight: it holds a vocabulary, or no model of this format")
    values["vocab_size"] = embedding.shape[0]
    head = weights.get("output.weight")
    values["tie_word_embeddings"] = head is None or torch.equal(head, embedding)
    if architecture in ("qwen2", "gpt2"):
        values.pop("head_dim", None)
    else:
        values["attention_bias"] = "blk.0.attn_q.bias" in weights
        if "blk.0.ffn_up.bias" in weights:
            values["mlp_bias"] = True
    values |= _ids(reader)
    scaling = _rope_scaling(found, values, weights, path)
    if scaling is not None:
        values["rope_scaling"] = scaling
    try:
        config = config_class.parse(values, where=str(path))
    except ConfigError as error:
        raise ModelError(str(error)) from None
    turned = found.get("rope.dimension_count", config.head_features)
    if turned != config.head_features:
        raise ModelError(f"{path} turns {turned} of a head's {config.head_features} features, which is not supported")
    return config


def _ids(reader: "GGUFReader") -> dict[str, Any]:
    """Return start, end and padding ids; a second id that ends texts is that of the end of a chat's turn."""
    fields = metadata(reader, "tokenizer.ggml.")
    values = {ours: fields[theirs] for theirs, ours in IDS.items() if fields.get(theirs) is not None}
    turn = fields.get("eot_token_id")
    if turn is not None and turn != values.get("eos_token_id"):
        values["eos_token_id"] = [values["eos_token_id"], turn] if "eos_token_id" in values else turn
    return values


def _rope_scaling(
    found: dict[str, Any], values: dict[str, Any], weights: dict[str, Tensor], path: Path
) -> dict[str, Any] | None:
    """Return the scaling of the rotary frequencies: by its kind, or from the tensor that holds each one's divisor."""
    kind, original = found.get("rope.scaling.type", "none"), found.get("rope.scaling.original_context_length")
    factors, theta = weights.get(LLAMA3_FACTORS), values.get("rope_theta", 10000.0)
    if kind not in ("none", "linear", "yarn") or (kind != "none" and factors is not None):
        raise ModelError(
            f"{path} has rope.scaling.type = {kind!r}, which is not supported; allowed: none, linear, yarn, and none "
            f"beside {LLAMA3_FACTORS}"
        )
    if kind != "none":
        scaling = {"rope_type": kind, "factor": _plain(found.get("rope.scaling.factor", 1.0))}
        return scaling | ({} if kind == "linear" else {"original_max_position_embeddings": original})
    if factors is None:
        return None
    plain = inverse_frequencies(2 * len(factors), theta)
    for first in (original, 8192):  # files of llama.cpp's own converter do not say the first context
        scaling = {"rope_type": "llama3", "factor": float(factors.max()), "original_max_position_embeddings": first}
        if first and float(factors.max()) > 1:
            known = inverse_frequencies(2 * len(factors), theta, RopeScaling.model_validate(scaling), first)
            if torch.allclose(plain / known, factors, rtol=1e-4):
                return scaling
    divisors = factors.tolist()
    return {"rope_type": "longrope", "short_factor": divisors, "long_factor": divisors, "attention_factor": 1.0}


def half_apart(rows: Tensor, head_dim: int) -> Tensor:
    """Return query or key rows (H * head_dim, ...) with the pairs (2 i, 2 i + 1) of a head at (i, i + head_dim/2)."""
    pairs = rows.reshape(-1, head_dim // 2, 2, *rows.shape[1:])
    return pairs.transpose(1, 2).reshape(rows.shape).contiguous()


def _plain(value: Any) -> Any:
    """Return a number as it was meant: 1e-05, not the float32 nearest to it written out in double precision."""
    return float(str(np.float32(value))) if isinstance(value, float) else value
