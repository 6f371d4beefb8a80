"""Published sizes by name, to be trained from scratch: `mt.AutoConfig.from_preset("gpt2-medium")`.

The numbers are those of the papers, and of the configurations published with the weights; parameter counts follow from
them and are checked against the published totals in the tests.
"""

from typing import Any, NamedTuple

from massivetext.errors import ConfigError, unknown_name
from massivetext.models.config import DecoderConfig
from massivetext.models.families.table import CLASSES, FAMILIES


class Preset(NamedTuple):
    """A published size: the family, the fields of its configuration, and where they are from."""

    family: str
    fields: dict[str, Any]
    source: str


def sizes(layers: int, hidden: int, heads: int, **more: Any) -> dict[str, Any]:
    """Return the fields that every table has: blocks, features, query heads."""
    return {"num_hidden_layers": layers, "hidden_size": hidden, "num_attention_heads": heads, **more}


def gpt2(*table: int) -> Preset:
    """Return a size of GPT-2."""
    return Preset("gpt2", sizes(*table, vocab_size=50257, max_position_embeddings=1024), "Radford et al., 2019")


def gpt3(*table: int) -> Preset:
    """Return a size of GPT-3, table 2.1, in the shape of GPT-2.

    Two of its rows do not divide: 1.3B has 24 heads of 128 beside 2048 features (here 32 of 64, as OPT has them), 13B
    has 5140 features beside 40 heads of 128 (here 5120).
    """
    return Preset("gpt2", sizes(*table, vocab_size=50257, max_position_embeddings=2048), "arXiv:2005.14165, table 2.1")


def opt(*table: int, **more: Any) -> Preset:
    """Return a size of OPT."""
    fields = sizes(*table, intermediate_size=4 * table[1], vocab_size=50272, max_position_embeddings=2048, **more)
    return Preset("opt", fields, "arXiv:2205.01068, table 1")


def pythia(*table: int, vocab_size: int = 50304) -> Preset:
    """Return a size of Pythia."""
    fields = sizes(*table, intermediate_size=4 * table[1], vocab_size=vocab_size, max_position_embeddings=2048)
    return Preset("gpt_neox", fields, "arXiv:2304.01373, table 1")


def llama(*table: int, **more: Any) -> Preset:
    """Return a size of Llama's format: blocks, features, heads, key and value heads, feed-forward features."""
    fields = sizes(*table[:3], num_key_value_heads=table[3], intermediate_size=table[4], **more)
    return Preset("llama", {"rms_norm_eps": 1e-5, **fields}, "")


def llama2(*table: int) -> Preset:
    """Return a size of Llama 2."""
    return llama(*table, vocab_size=32000, max_position_embeddings=4096)._replace(source="arXiv:2307.09288")


def llama3(*table: int, factor: float | None = None, **more: Any) -> Preset:
    """Return a size of Llama 3; factor: how much 3.1 and 3.2 stretch the context of 8,192."""
    fields: dict[str, Any] = {"vocab_size": 128256, "rope_theta": 500000.0, "max_position_embeddings": 8192, **more}
    if factor is not None:
        scaling = {"factor": factor, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
        scaling["original_max_position_embeddings"] = 8192
        fields |= {"max_position_embeddings": 131072, "rope_scaling": {"rope_type": "llama3", **scaling}}
    return llama(*table, **fields)._replace(source="arXiv:2407.21783")


def smollm2(*table: int, rope_theta: float = 100000.0) -> Preset:
    """Return a size of SmolLM2."""
    more = {"vocab_size": 49152, "max_position_embeddings": 8192, "rope_theta": rope_theta, "tie_word_embeddings": True}
    return llama(*table, **more)._replace(source="arXiv:2502.02737")


def mistral(**more: Any) -> Preset:
    """Return Mistral 7B."""
    preset = llama(32, 4096, 32, 8, 14336, max_position_embeddings=32768, **more)
    return preset._replace(family="mistral", source="arXiv:2310.06825")


def qwen(family: str, source: str, *table: int, **more: Any) -> Preset:
    """Return a size of Qwen2.5 or Qwen3."""
    shared = {"rope_theta": 1000000.0, "rms_norm_eps": 1e-6}
    return llama(*table, **{**shared, **more})._replace(family=family, source=source)


def qwen25(*table: int, vocab_size: int = 151936, tied: bool = True, context: int = 131072) -> Preset:
    """Return a size of Qwen2.5."""
    more = {"vocab_size": vocab_size, "tie_word_embeddings": tied, "max_position_embeddings": context}
    return qwen("qwen2", "arXiv:2412.15115", *table, **more)


def qwen3(*table: int, tied: bool = True) -> Preset:
    """Return a dense size of Qwen3."""
    more = {"vocab_size": 151936, "tie_word_embeddings": tied, "max_position_embeddings": 40960, "head_dim": 128}
    return qwen("qwen3", "arXiv:2505.09388", *table, **more)


def palm(*table: int) -> Preset:
    """Return a size of PaLM."""
    fields = sizes(*table, head_dim=256, vocab_size=256000, max_position_embeddings=2048)
    return Preset("palm", fields, "arXiv:2204.02311, table 1")


PRESETS: dict[str, Preset] = {
    "openai-gpt": Preset(
        "openai-gpt", sizes(12, 768, 12, vocab_size=40478, max_position_embeddings=512), "Radford et al., 2018"
    ),
    "gpt2": gpt2(12, 768, 12),
    "gpt2-medium": gpt2(24, 1024, 16),
    "gpt2-large": gpt2(36, 1280, 20),
    "gpt2-xl": gpt2(48, 1600, 25),
    "gpt3-125m": gpt3(12, 768, 12),
    "gpt3-350m": gpt3(24, 1024, 16),
    "gpt3-760m": gpt3(24, 1536, 16),
    "gpt3-1.3b": gpt3(24, 2048, 32),
    "gpt3-2.7b": gpt3(32, 2560, 32),
    "gpt3-6.7b": gpt3(32, 4096, 32),
    "gpt3-13b": gpt3(40, 5120, 40),
    "gpt3-175b": gpt3(96, 12288, 96),
    "opt-125m": opt(12, 768, 12),
    "opt-350m": opt(24, 1024, 16, do_layer_norm_before=False, word_embed_proj_dim=512),
    "opt-1.3b": opt(24, 2048, 32),
    "opt-2.7b": opt(32, 2560, 32),
    "opt-6.7b": opt(32, 4096, 32),
    "opt-13b": opt(40, 5120, 40),
    "opt-30b": opt(48, 7168, 56),
    "opt-66b": opt(64, 9216, 72),
    "opt-175b": opt(96, 12288, 96),
    "pythia-14m": pythia(6, 128, 4),
    "pythia-31m": pythia(6, 256, 8),
    "pythia-70m": pythia(6, 512, 8),
    "pythia-160m": pythia(12, 768, 12),
    "pythia-410m": pythia(24, 1024, 16),
    "pythia-1b": pythia(16, 2048, 8),
    "pythia-1.4b": pythia(24, 2048, 16),
    "pythia-2.8b": pythia(32, 2560, 32),
    "pythia-6.9b": pythia(32, 4096, 32, vocab_size=50432),
    "pythia-12b": pythia(36, 5120, 40, vocab_size=50688),
    "llama-2-7b": llama2(32, 4096, 32, 32, 11008),
    "llama-2-13b": llama2(40, 5120, 40, 40, 13824),
    "llama-2-70b": llama2(80, 8192, 64, 8, 28672),
    "llama-3-8b": llama3(32, 4096, 32, 8, 14336),
    "llama-3.1-8b": llama3(32, 4096, 32, 8, 14336, factor=8.0),
    "llama-3.2-1b": llama3(16, 2048, 32, 8, 8192, factor=32.0, tie_word_embeddings=True),
    "llama-3.2-3b": llama3(28, 3072, 24, 8, 8192, factor=32.0, tie_word_embeddings=True),
    "tinyllama-1.1b": llama(22, 2048, 32, 4, 5632, vocab_size=32000, max_position_embeddings=2048)._replace(
        source="arXiv:2401.02385"
    ),
    "smollm2-135m": smollm2(30, 576, 9, 3, 1536),
    "smollm2-360m": smollm2(32, 960, 15, 5, 2560),
    "smollm2-1.7b": smollm2(24, 2048, 32, 32, 8192, rope_theta=130000.0),
    "mistral-7b-v0.1": mistral(vocab_size=32000, sliding_window=4096),
    "mistral-7b-v0.3": mistral(vocab_size=32768, rope_theta=1000000.0),
    "qwen2.5-0.5b": qwen25(24, 896, 14, 2, 4864, context=32768),
    "qwen2.5-1.5b": qwen25(28, 1536, 12, 2, 8960),
    "qwen2.5-7b": qwen25(28, 3584, 28, 4, 18944, vocab_size=152064, tied=False),
    "qwen3-0.6b": qwen3(28, 1024, 16, 8, 3072),
    "qwen3-1.7b": qwen3(28, 2048, 16, 8, 6144),
    "qwen3-4b": qwen3(36, 2560, 32, 8, 9728),
    "qwen3-8b": qwen3(36, 4096, 32, 8, 12288, tied=False),
    "palm-8b": palm(32, 4096, 16),
    "palm-62b": palm(64, 8192, 32),
    "palm-540b": palm(118, 18432, 48),
}


def preset_config(name: str, **changes: Any) -> Any:
    """Return the configuration of a published size; changes: fields to have otherwise, e.g. vocab_size.

    An unknown name or field raises ConfigError with the nearest.
    """
    if name not in PRESETS:
        raise ConfigError(unknown_name("model preset", name, PRESETS))
    preset = PRESETS[name]
    return FAMILIES[preset.family].config.parse({**preset.fields, **changes}, where=f"preset {name}")


def parameter_count(config: DecoderConfig) -> int:
    """Return how many numbers a model of this configuration learns; nothing is allocated."""
    one, two = (_counted(config.model_copy(update={"num_hidden_layers": layers})) for layers in (1, 2))
    return one + (config.num_hidden_layers - 1) * (two - one)  # all blocks are alike


def _counted(config: DecoderConfig) -> int:
    model = CLASSES["causal-lm"][config.model_type](config, None)
    return sum(parameter.numel() for parameter in model.parameters())


def cache_bytes(config: DecoderConfig, bytes_per_number: int) -> int:
    """Return the memory of keys and values of one row of the model's whole context."""
    tokens = min(config.max_position_embeddings, config.attention_window or config.max_position_embeddings)
    per_token = 2 * config.num_hidden_layers * config.key_value_heads * config.head_features
    return per_token * tokens * bytes_per_number
