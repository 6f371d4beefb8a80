"""Tables of Hugging Face names: arguments that have no effect here, and replacements for unsupported ones.

Every call with a Hugging Face name checks its additional arguments with `checked_options`. Nothing is silently
ignored, and every refusal names the replacement.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from massivetext.errors import ConfigError

# Call: argument: the values that have no effect; ANY: no value has one.
ANY: tuple[Any, ...] = ()
_LOADING: dict[str, tuple[Any, ...]] = {
    "_fast_init": ANY, "cache_dir": (None,), "code_revision": (None, "main"), "force_download": (False, None),
    "from_flax": (False,), "from_tf": (False,), "gguf_file": (None,), "kernel_config": (None,), "key_mapping": (None,),
    "load_in_4bit": (False, None), "load_in_8bit": (False, None), "local_files_only": (False, None),
    "low_cpu_mem_usage": ANY, "max_memory": (None,), "mirror": (None,), "offload_buffers": (False, None),
    "offload_folder": ANY, "offload_state_dict": ANY, "output_loading_info": (False,), "proxies": (None,),
    "quantization_config": (None,), "resume_download": ANY, "revision": (None, "main"), "state_dict": (None,),
    "subfolder": (None, ""), "token": (None, True, False), "tp_plan": (None,), "trust_remote_code": ANY,
    "use_auth_token": (None, True, False), "use_safetensors": (None, True), "variant": (None,), "weights_only": ANY,
    "attn_implementation": (None, "eager", "sdpa", "flash_attention_2", "flash_attention_3"),
    "use_flash_attention_2": ANY, "adapter_kwargs": (None,), "_from_auto": ANY, "tp_size": (None,),
    "ignore_mismatched_sizes": (False, None),
    "output_attentions": (False,), "output_hidden_states": (False,), "return_dict": (True,), "use_cache": ANY,
}  # fmt: skip
CHANGES_NOTHING: dict[str, dict[str, tuple[Any, ...]]] = {
    "model.from_pretrained": _LOADING,
    "model.from_config": {"attn_implementation": _LOADING["attn_implementation"], "trust_remote_code": ANY},
    "config.from_pretrained": {**_LOADING, "return_unused_kwargs": (False,), "attn_implementation": ANY},
    "tokenizer.from_pretrained": {
        **_LOADING, "add_prefix_space": (None,), "clean_up_tokenization_spaces": ANY, "fix_mistral_regex": ANY,
        "from_slow": (False, None), "legacy": ANY, "tokenizer_type": (None,), "use_fast": (None, True, False),
        "verbose": ANY, "_commit_hash": (None,), "config": ANY, "torch_dtype": ANY, "dtype": ANY, "device_map": ANY,
        "sp_model_kwargs": (None, {}),
    },
    "model.forward": {
        "cache": (None,),
        "cache_position": (None,), "decoder_inputs_embeds": (None,), "encoder_outputs": (None,), "head_mask": (None,),
        "inputs_embeds": (None,), "logits_to_keep": (None, 0), "num_items_in_batch": (None,),
        "cross_attn_head_mask": (None,),
        "decoder_head_mask": (None,), "encoder_attention_mask": (None,), "encoder_hidden_states": (None,),
        "past_key_values": (None,), "token_type_ids": (None,), "use_cache": ANY, "position_ids": (None,),
        "next_sentence_label": (None,), "decoder_position_ids": (None,), "output_router_logits": (None, False),
    },
    "model.save_pretrained": {
        "is_main_process": (True,), "max_shard_size": ANY, "push_to_hub": (False,), "safe_serialization": (True, None),
        "save_original_format": ANY, "save_peft_format": ANY, "state_dict": (None,), "token": ANY, "variant": (None,),
        "save_function": (None,), "save_config": (True,),
    },
    "tokenizer.save_pretrained": {
        "filename_prefix": (None,), "legacy_format": (None, False), "push_to_hub": (False,),
        "save_jinja_files": (True,), "token": ANY,
    },
    "tokenizer": {
        "pad": (None,), "return_mm_token_type_ids": (None, False), "verbose": ANY, "sanitize_control_tokens": ANY,
        "clean_up_tokenization_spaces": ANY, "is_pretokenized": (None, False),
    },
    "tokenizer.decode": {"spaces_between_special_tokens": (None, True), "use_source_tokenizer": ANY},
    "generate": {
        "assistant_early_exit": (None,), "assistant_model": (None,), "cache_implementation": ANY,
        "custom_generate": (None,), "disable_compile": ANY, "negative_prompt_attention_mask": (None,),
        "negative_prompt_ids": (None,), "prefix_allowed_tokens_fn": (None,), "return_dict_in_generate": (False, None),
        "stopping_criteria": (None, []), "logits_processor": (None, []), "streamer": (None,),
        "synced_gpus": (None, False), "tokenizer": ANY, "use_cache": ANY, "output_scores": (False, None),
        "output_logits": (False, None), "output_attentions": (False, None), "output_hidden_states": (False, None),
        "renormalize_logits": ANY, "bos_token_id": ANY, "penalty_alpha": (None, 0), "num_beam_groups": (1, None),
        "guidance_scale": (None, 1), "min_p": (None, 0), "typical_p": (None, 1.0), "past_key_values": (None,),
        "prompt_lookup_num_tokens": (None,), "stop_strings": (None,), "suppress_tokens": (None, []),
        "begin_suppress_tokens": (None, []), "constraints": (None,), "force_words_ids": (None,), "max_time": (None,),
        "exponential_decay_length_penalty": (None,), "low_memory": ANY, "dola_layers": (None,),
        "watermarking_config": (None,),
        "diversity_penalty": (0.0, None), "encoder_no_repeat_ngram_size": (0, None), "sequence_bias": (None,),
        "encoder_repetition_penalty": (1.0, None), "epsilon_cutoff": (0.0, None), "eta_cutoff": (0.0, None),
        "remove_invalid_values": (False, None), "compile_config": (None,), "prefill_chunk_size": (None,),
        "trust_remote_code": ANY, "inputs_embeds": (None,),
    },
    "TrainingArguments": {
        "average_tokens_across_devices": ANY, "bf16_full_eval": (False,), "dataloader_drop_last": (False,),
        "dataloader_num_workers": (0,), "dataloader_persistent_workers": (False,), "dataloader_pin_memory": ANY,
        "dataloader_prefetch_factor": (None,), "ddp_find_unused_parameters": (None, False), "deepspeed": (None,),
        "disable_tqdm": (None, False), "eval_accumulation_steps": ANY, "eval_on_start": (False,), "fp16": (False,),
        "fp16_full_eval": (False,), "fsdp": (None, "", []), "full_determinism": ANY,
        "gradient_checkpointing": (None, False), "gradient_checkpointing_kwargs": (None,), "greater_is_better": (None,),
        "group_by_length": (False,), "hub_model_id": (None,), "hub_token": (None,), "include_for_metrics": (None, []),
        "include_num_input_tokens_seen": (False, "no"), "label_names": (None, ["labels"], ["label"]),
        "label_smoothing_factor": (0.0,), "load_best_model_at_end": (False,), "local_rank": (-1,), "log_level": ANY,
        "logging_first_step": (False,), "logging_nan_inf_filter": ANY, "lr_scheduler_kwargs": (None, {}),
        "metric_for_best_model": (None,), "neftune_noise_alpha": (None, 0), "optim_args": (None,),
        "past_index": (-1,), "prediction_loss_only": (False,), "push_to_hub": (False,), "save_on_each_node": (False,),
        "save_only_model": (False,), "save_safetensors": (True,), "skip_memory_metrics": ANY, "tf32": (None,),
        "torch_compile_backend": (None,), "torch_empty_cache_steps": ANY, "use_liger_kernel": ANY,
        "weight_decay_filter": (None,),
    },
    "DataCollatorForLanguageModeling": {
        "mask_replace_prob": (0.8,), "random_replace_prob": (0.1,), "seed": (None,), "whole_word_mask": (False,),
    },
    "Trainer": {
        "callbacks": (None, []), "model_init": (None,), "optimizer_cls_and_kwargs": (None,),
        "preprocess_logits_for_metrics": (None,),
    },
}  # fmt: skip
# Call: argument: what to do instead of passing it (or passing that value).
INSTEAD: dict[str, dict[str, str]] = {
    "model.from_pretrained": {
        "cache_dir": "set the environment variable HF_HOME or HF_HUB_CACHE",
        "device_map": "pass device='cpu' or device='cuda'; a model is loaded whole onto one device",
        "gguf_file": "pass the path of the .gguf file itself as the name",
        "ignore_mismatched_sizes": "pass num_labels=... only with a folder that lacks the head",
        "output_attentions": "pass it to the call of the model",
        "output_hidden_states": "pass it to the call of the model",
        "return_dict": "pass return_dict=False to the call of the model",
        "load_in_4bit": "pass dtype='bfloat16' to halve the memory",
        "load_in_8bit": "pass dtype='bfloat16' to halve the memory",
        "local_files_only": "set the environment variable HF_HUB_OFFLINE=1",
        "quantization_config": "pass dtype='bfloat16' to halve the memory",
        "revision": "fetch that revision with `hf download NAME --revision ...` and pass its folder",
        "state_dict": "load the model, then call model.load_state_dict(...)",
        "subfolder": "pass the path of the folder that holds config.json",
        "token": "set the environment variable HF_TOKEN",
        "use_auth_token": "set the environment variable HF_TOKEN",
        "use_safetensors": "weights are read from .safetensors files",
        "variant": "pass a folder whose weights are in model.safetensors",
    },
    "tokenizer.from_pretrained": {
        "add_prefix_space": "put the space into the text",
        "cache_dir": "set the environment variable HF_HOME or HF_HUB_CACHE",
        "local_files_only": "set the environment variable HF_HUB_OFFLINE=1",
        "revision": "fetch that revision with `hf download NAME --revision ...` and pass its folder",
        "subfolder": "pass the path of the folder that holds the tokenizer",
        "token": "set the environment variable HF_TOKEN",
    },
    "model.forward": {
        "cache": "call generate(), which keeps its own cache of keys and values",
        "encoder_outputs": "pass input_ids; the encoder reads them again",
        "head_mask": "leave it out; heads cannot be masked",
        "inputs_embeds": "pass input_ids",
        "num_items_in_batch": "leave it out; the loss is the mean over the labels",
        "past_key_values": "call generate(), which keeps its own cache of keys and values",
        "return_dict": "leave it out",
        "token_type_ids": "leave token_type_ids out; this model has one kind of token",
    },
    "model.save_pretrained": {
        "push_to_hub": "save the folder, then run `hf upload NAME FOLDER`",
        "safe_serialization": "leave it out; weights are written as .safetensors",
        "state_dict": "call model.load_state_dict(...) first",
    },
    "tokenizer.save_pretrained": {"push_to_hub": "save the folder, then run `hf upload NAME FOLDER`"},
    "generate": {
        "assistant_model": "leave it out; one model writes the text",
        "logits_processor": "use repetition_penalty, no_repeat_ngram_size, bad_words_ids or min_length",
        "max_time": "limit the text with max_new_tokens",
        "output_scores": "call the model on the generated ids: model(ids).logits",
        "output_logits": "call the model on the generated ids: model(ids).logits",
        "output_attentions": "call the model on the generated ids with output_attentions=True",
        "output_hidden_states": "call the model on the generated ids with output_hidden_states=True",
        "past_key_values": "pass the whole text as input_ids",
        "return_dict_in_generate": "leave it out; generate returns the ids",
        "stop_strings": "use eos_token_id, or cut the decoded text",
        "stopping_criteria": "use max_new_tokens and eos_token_id",
        "streamer": "use mt.pipeline('text-generation', ...) or read the ids that generate returns",
        "inputs_embeds": "pass input_ids",
        "min_p": "use top_p or top_k",
        "typical_p": "use top_p or top_k",
        "penalty_alpha": "use do_sample=True with top_k or top_p",
    },
    "Trainer": {
        "callbacks": "read metrics.jsonl or trainer.state.log_history",
        "model_init": "pass model=... (a model made with from_config(config, seed) is the same every time)",
        "optimizer_cls_and_kwargs": "pass optimizers=(optimizer, None)",
        "preprocess_logits_for_metrics": "do it inside compute_metrics",
    },
    "TrainingArguments": {
        "auto_find_batch_size": "set per_device_train_batch_size",
        "dataloader_num_workers": "leave it out; rows are read by the training process",
        "ddp_find_unused_parameters": "leave it out; training runs on one device",
        "deepspeed": "leave it out; training runs on one device",
        "do_predict": "call trainer.evaluate() on the dataset",
        "evaluation_strategy": "write eval_strategy",
        "fp16": "set bf16=True",
        "fsdp": "leave it out; training runs on one device",
        "gradient_checkpointing": "lower per_device_train_batch_size and raise gradient_accumulation_steps",
        "greater_is_better": "compare the rows of trainer.state.log_history",
        "group_by_length": "leave it out; the order of the rows is drawn from the seed",
        "label_smoothing_factor": "override compute_loss, or pass compute_loss_func",
        "load_best_model_at_end": "pick a checkpoint by trainer.state.log_history, with save_strategy as eval_strategy",
        "logging_first_step": "set logging_steps=1",
        "lr_scheduler_kwargs": "set lr_scheduler_type and warmup_steps",
        "metric_for_best_model": "compare the rows of trainer.state.log_history",
        "no_cuda": "write use_cpu",
        "per_gpu_eval_batch_size": "write per_device_eval_batch_size",
        "per_gpu_train_batch_size": "write per_device_train_batch_size",
        "predict_with_generate": "call model.generate on the rows",
        "push_to_hub": "save the folder, then run `hf upload NAME FOLDER`",
        "use_legacy_prediction_loop": "leave it out",
        "use_mps_device": "leave it out",
    },
}
# Attributes and methods of Hugging Face's objects that do not exist here, and their replacements.
ATTRIBUTES_INSTEAD = {
    "Tokenizer": {
        "add_bos_token": "tokenizer(text, add_special_tokens=False), and the start token in the text",
        "add_eos_token": "tokenizer(text), and tokenizer.eos_token at the end of the text",
        "as_target_tokenizer": "tokenizer(text, text_target=...)", "do_lower_case": "text.lower()",
        "prepare_for_model": "tokenizer(text)", "legacy": "nothing",
        "prepare_seq2seq_batch": "tokenizer(text, text_target=...)", "push_to_hub": "`hf upload NAME FOLDER`",
        "sp_model": "tokenizer.backend_tokenizer",
        "truncate_sequences": "tokenizer(text, truncation=True, max_length=...)",
        "from_pretrained": "mt.AutoTokenizer.from_pretrained", "slow_tokenizer_class": "nothing",
        "sanitize_special_tokens": "tokenizer.add_special_tokens",
        "parse_response": "tokenizer.decode", "get_chat_template": "tokenizer.chat_template",
    },
    "Trainer": {
        "add_callback": "trainer.state.log_history and metrics.jsonl", "create_model_card": "trainer.save_model",
        "hyperparameter_search": "a loop over TrainingArguments",
        "log_metrics": "print, or the log of trainer.evaluate",
        "push_to_hub": "trainer.save_model(FOLDER), then `hf upload NAME FOLDER`", "remove_callback": "nothing",
        "save_metrics": "metrics.jsonl in output_dir", "save_state": "nothing: checkpoints hold the whole state",
        "tokenizer": "trainer.processing_class", "get_train_dataloader": "train_dataset and data_collator",
        "get_eval_dataloader": "eval_dataset and data_collator",
        "lr_scheduler": "metrics.jsonl, which has learning_rate",
        "is_world_process_zero": "True: training runs in one process", "callback_handler": "nothing",
    },
    "model": {
        "add_adapter": "a LoRA written as modules of your own, trained by mt.Trainer",
        "disable_input_require_grads": "nothing", "enable_input_require_grads": "nothing",
        "load_adapter": "a LoRA written as modules of your own", "prune_heads": "a smaller configuration",
        "push_to_hub": "model.save_pretrained(FOLDER), then `hf upload NAME FOLDER`",
        "set_attn_implementation": "nothing: the fastest kernel is chosen for each call",
        "to_bettertransformer": "nothing: the fastest kernel is chosen for each call",
        "prepare_inputs_for_generation": "model.generate", "compute_transition_scores": "model(ids).logits",
    },
}  # fmt: skip
# Methods of Hugging Face's Trainer that subclasses override, and their replacements here.
TRAINER_NOT_CALLED = {
    "create_optimizer": "pass optimizers=(optimizer, None)",
    "create_optimizer_and_scheduler": "pass optimizers=(optimizer, None)",
    "create_scheduler": "set lr_scheduler_type and warmup_steps in TrainingArguments",
    "evaluation_loop": "pass compute_metrics",
    "get_decay_parameter_names": "pass optimizers=(optimizer, None)",
    "get_eval_dataloader": "pass eval_dataset and data_collator",
    "get_test_dataloader": "pass eval_dataset and data_collator",
    "get_train_dataloader": "pass train_dataset and data_collator",
    "inner_training_loop": "override compute_loss",
    "log": "read trainer.state.log_history after the training",
    "prediction_loop": "pass compute_metrics",
    "prediction_step": "pass compute_metrics",
    "training_step": "override compute_loss",
    "_inner_training_loop": "override compute_loss",
    "_prepare_inputs": "pass a data_collator",
    "_save": "override save_model",
    "_save_checkpoint": "set save_strategy and save_steps in TrainingArguments",
}
# Public names of Hugging Face's library that this package does not have, and their replacements.
NAMES_INSTEAD = {
    "AdamW": "torch.optim.AdamW", "BitsAndBytesConfig": "from_pretrained(..., dtype='bfloat16')",
    "DataCollatorWithFlattening": "mt.Trainer, which packs texts unasked",
    "EarlyStoppingCallback": "mt.TrainingArguments(eval_strategy=...) and trainer.state.log_history",
    "StoppingCriteria": "generate(max_new_tokens=..., eos_token_id=...)",
    "StoppingCriteriaList": "generate(max_new_tokens=..., eos_token_id=...)",
    "LogitsProcessor": "generate(repetition_penalty=..., bad_words_ids=..., no_repeat_ngram_size=...)",
    "LogitsProcessorList": "generate(repetition_penalty=..., bad_words_ids=..., no_repeat_ngram_size=...)",
    "PreTrainedModel": "mt.AutoModel and the other Auto classes", "Seq2SeqTrainer": "mt.Trainer",
    "Seq2SeqTrainingArguments": "mt.TrainingArguments", "TextStreamer": "mt.pipeline('text-generation', ...)",
    "TextIteratorStreamer": "mt.pipeline('text-generation', ...)",
    "TrainerCallback": "trainer.state.log_history and metrics.jsonl",
    "get_cosine_schedule_with_warmup": "mt.TrainingArguments(lr_scheduler_type='cosine', warmup_steps=...)",
    "get_constant_schedule_with_warmup": "mt.TrainingArguments(lr_scheduler_type='constant_with_warmup')",
    "get_linear_schedule_with_warmup": "mt.TrainingArguments(lr_scheduler_type='linear', warmup_steps=...)",
    "get_scheduler": "mt.TrainingArguments(lr_scheduler_type=..., warmup_steps=...)",
    "BartTokenizerFast": "mt.BartTokenizer", "PretrainedConfig": "mt.AutoConfig", "PreTrainedConfig": "mt.AutoConfig",
    "AutoModelWithLMHead": "mt.AutoModelForCausalLM", "AutoModelForPreTraining": "mt.AutoModelForMaskedLM",
    "BertLMHeadModel": "mt.BertForMaskedLM", "BertForPreTraining": "mt.BertForMaskedLM",
    "TextGenerationPipeline": "mt.pipeline('text-generation', ...)", "load_metric": "a function for compute_metrics",
    "AutoModelForImageClassification": "a model of texts; images are not read",
    "AutoProcessor": "mt.AutoTokenizer", "AutoFeatureExtractor": "mt.AutoTokenizer",
}  # fmt: skip


def checked_options(call: str, options: Mapping[str, Any], allowed: Iterable[str], shown: str = "") -> dict[str, Any]:
    """Return the `allowed` options, drop those that have no effect, and raise ConfigError for any other.

    call: a key of the tables above. shown: how the message names the call; unset: `call`.
    """
    names, neutral, instead = set(allowed), CHANGES_NOTHING.get(call, {}), INSTEAD.get(call, {})
    kept = {}
    for name, value in options.items():
        if name in names:
            kept[name] = value
        elif name not in neutral or not (neutral[name] == ANY or is_among(value, neutral[name])):
            raise ConfigError(refusal(shown or call, name, value, neutral.get(name, ANY), instead.get(name), names))
    return kept


def refusal(
    call: str, name: str, value: Any, neutral: tuple[Any, ...], instead: str | None, allowed: Iterable[str]
) -> str:
    """Return the message for a refused argument: its value, the allowed values, and the replacement or nearest name."""
    if neutral:
        remedy = instead or "leave it out"
        return f"{call}({name}={short(value)}) is not supported; allowed: {neutral[0]!r}. Instead, {remedy}"
    if instead is not None:
        return f"{call}({name}=...) is not supported; instead, {instead}"
    names = sorted(allowed)
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return f"{call}({name}=...) is not a known argument{hint} Allowed: {', '.join(names)}"


def unknown_attribute(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the message for an attribute that an object does not have, with its replacement or the nearest name.

    kind: a key of `ATTRIBUTES_INSTEAD`.
    """
    instead = ATTRIBUTES_INSTEAD.get(kind, {}).get(name)
    if instead is not None:
        return f"the {kind.lower()} has no attribute {name!r}; use {instead} instead"
    near = get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f"the {kind.lower()} has no attribute {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def unknown_public_name(name: str, known: Iterable[str]) -> str:
    """Return the message for a name that the package does not have, with its replacement or the nearest name."""
    said = f"module 'massivetext' has no attribute {name!r}"
    if name in NAMES_INSTEAD:
        return f"{said}; use {NAMES_INSTEAD[name]} instead"
    near = get_close_matches(name, sorted(known), n=1, cutoff=0.75)
    return said + (f"; did you mean {near[0]!r}?" if near else "")


def is_among(value: Any, values: tuple[Any, ...]) -> bool:
    """Return whether a value is one of `values`; False for values that cannot be compared, such as arrays."""
    return any(value is one or (type(value) is type(one) and bool(value == one)) for one in values)


def short(value: Any) -> str:
    """Return a value as short text for a message."""
    text = repr(value) if isinstance(value, (str, int, float, bool, type(None))) else type(value).__name__
    return text if len(text) <= 60 else text[:57] + "..."
