"""What config.json files hold: fields that change nothing or are not supported, rotary and generation settings."""

from collections.abc import Mapping
from typing import Any

from massivetext.errors import ModelError
from massivetext.layers.rotary import USED

# Fields that do not change what a model of any family computes: names of files and programs, settings of training runs,
# sizes of parts that no class here has.
HARMLESS = {
    "_attn_implementation", "_attn_implementation_autoset", "_attn_implementation_internal", "_commit_hash",
    "_flash_attn_2_enabled", "_name_or_path", "_num_labels", "adapters", "architectures", "attn_implementation",
    "auto_map", "chunk_size_feed_forward", "custom_pipelines", "directionality", "dtype", "eos_token_ids",
    "finetuning_task", "gradient_checkpointing", "is_llama_config", "label2id", "language", "max_sequence_length",
    "max_window_layers", "model_type", "n_ctx", "name_or_path", "output_attentions", "output_hidden_states",
    "output_past", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head",
    "pooler_type", "prefix", "pretraining_tp", "return_dict", "sbert_ce_default_activation_function",
    "sentence_transformers", "seq_length", "summary_activation", "summary_first_dropout", "summary_proj_to_labels",
    "summary_type", "summary_use_proj", "task_specific_params", "tokenizer_class", "tokenizer_name", "torch_dtype",
    "transformers.js_config", "transformers_version", "unsloth_fixed", "unsloth_version", "use_cache",
}  # fmt: skip
# Fields that would change the numbers, with the one value at which they do not.
NEUTRAL: dict[str, Any] = {
    "add_cross_attention": False, "cross_attention_hidden_size": None, "decoder_layerdrop": 0.0,
    "encoder_layerdrop": 0.0, "is_decoder": False, "position_embedding_type": "absolute", "pruned_heads": {},
    "quantization_config": None, "tie_encoder_decoder": False, "torchscript": False, "use_bfloat16": False,
}  # fmt: skip
REMEDIES = {
    "quantization_config": ". Take the folder with unquantised weights, or a GGUF file, whose weights become float32 "
    "when it is read"
}
# Old folders keep the settings of `generate` here; they are read where there is no generation_config.json.
GENERATION = {
    "bad_words_ids", "decoder_start_token_id", "diversity_penalty", "do_sample", "early_stopping",
    "encoder_no_repeat_ngram_size", "forced_bos_token_id", "forced_eos_token_id", "length_penalty", "max_length",
    "min_length", "no_repeat_ngram_size", "num_beam_groups", "num_beams", "num_return_sequences", "output_scores",
    "remove_invalid_values", "renormalize_logits", "repetition_penalty", "return_dict_in_generate", "temperature",
    "top_k", "top_p", "typical_p", "exponential_decay_length_penalty", "begin_suppress_tokens", "suppress_tokens",
}  # fmt: skip


def generation_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of `generate` in an old config.json."""
    return {key: value for key, value in values.items() if key in GENERATION and value is not None}


def effective(values: Mapping[str, Any], config: Any, where: str) -> dict[str, Any]:
    """Return the fields of a config.json that can change what a model computes.

    config: the class of configurations, whose `harmless` and `neutral` fields add to the tables here. A neutral field
    with another value than the one at which it changes nothing raises ModelError by name.
    """
    own = set(config.model_fields) | set(config.field_names.values())
    kept = {key: value for key, value in values.items() if key in own or key not in HARMLESS | GENERATION}
    kept = {key: value for key, value in kept.items() if key not in config.harmless}
    for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
        if kept.get(key) == -1:  # what the first LLaMA folders write for none
            kept[key] = None
    for key, allowed in {**NEUTRAL, **config.neutral}.items():
        if key in kept and key not in config.model_fields and kept.pop(key) not in (allowed, None):
            raise ModelError(
                f"{where} has {key} = {str(values[key])[:200]}, which would change the numbers and is not supported; "
                f"allowed: {allowed!r}{REMEDIES.get(key, '')}"
            )
    return kept


def renamed(values: Any, names: Mapping[str, str]) -> Any:
    """Return a mapping with its keys renamed where `names` says so; anything else as it is."""
    return {names.get(key, key): value for key, value in values.items()} if isinstance(values, Mapping) else values


def read_rotary(values: dict[str, Any], where: str, partial: float = 1.0) -> dict[str, Any]:
    """Return `values` with rotary settings, as transformers 4 and 5 write them, as rope_theta and rope_scaling.

    partial: the one share of turned features that may be said there.
    """
    values = dict(values)
    written = {**(values.pop("rope_scaling", None) or {}), **(values.pop("rope_parameters", None) or {})}
    theta = written.pop("rope_theta", None)
    if theta is not None and values.setdefault("rope_theta", theta) != theta:
        raise ModelError(
            f"{where} says rope_theta = {values['rope_theta']} and rope_parameters.rope_theta = {theta}; "
            f"write the same number in both, or remove one"
        )
    old_name = written.pop("type", None)  # what rope_type was called at first
    kind = written.pop("rope_type", None) or old_name or "default"
    share = written.pop("partial_rotary_factor", None)
    if kind not in ("default", *USED) or share not in (None, partial):
        detail = f"rope_type = {kind!r}" if share in (None, partial) else f"partial_rotary_factor = {share!r}"
        raise ModelError(
            f"{where} has {detail}, which is not supported; allowed: rope_type default, {', '.join(USED)} and "
            f"partial_rotary_factor {partial}"
        )
    if "original_max_position_embeddings" not in USED.get(kind, ()):
        written.pop("original_max_position_embeddings", None)  # many folders say it, and only these kinds read it
    values["rope_scaling"] = None if kind == "default" else {"rope_type": kind, **written}
    if kind == "default" and written:
        raise ModelError(f"{where} has rotary settings that rope_type 'default' does not use: {', '.join(written)}")
    return values
