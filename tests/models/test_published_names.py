"""Configurations as the most used folders have them, every field kept and only sizes made tiny: the logits there."""

import json

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

import massivetext as mt
from massivetext.models.files.config_json import GENERATION

OLD = {"gradient_checkpointing": False, "output_past": True, "use_cache": True, "transformers_version": "4.6.0.dev0"}
NEW = {"torch_dtype": "bfloat16", "transformers_version": "4.40.1", "use_cache": True}
LABELS = {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}
GPT2 = {
    "activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1, "embd_pdrop": 0.1,
    "initializer_range": 0.02, "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_ctx": 1024, "n_embd": 768,
    "n_head": 12, "n_layer": 12, "n_positions": 1024, "resid_pdrop": 0.1, "summary_activation": None,
    "summary_first_dropout": 0.1, "summary_proj_to_labels": True, "summary_type": "cls_index",
    "summary_use_proj": True, "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}},
    "vocab_size": 50257,
}  # fmt: skip
BERT = {
    "architectures": ["BertForMaskedLM"], "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1, "hidden_size": 768, "initializer_range": 0.02, "intermediate_size": 3072,
    "layer_norm_eps": 1e-12, "max_position_embeddings": 512, "model_type": "bert", "num_attention_heads": 12,
    "num_hidden_layers": 12, "pad_token_id": 0, "type_vocab_size": 2, "vocab_size": 30522,
}  # fmt: skip
POOLER = {
    "directionality": "bidi", "pooler_fc_size": 768, "pooler_num_attention_heads": 12, "pooler_num_fc_layers": 3,
    "pooler_size_per_head": 128, "pooler_type": "first_token_transform",
}  # fmt: skip
ROBERTA = {
    **BERT, "architectures": ["RobertaForMaskedLM"], "model_type": "roberta", "layer_norm_eps": 1e-05,
    "max_position_embeddings": 514, "type_vocab_size": 1, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1,
}  # fmt: skip
DISTIL = {
    "activation": "gelu", "architectures": ["DistilBertForMaskedLM"], "attention_dropout": 0.1, "dim": 768,
    "dropout": 0.1, "hidden_dim": 3072, "initializer_range": 0.02, "max_position_embeddings": 512,
    "model_type": "distilbert", "n_heads": 12, "n_layers": 6, "pad_token_id": 0, "qa_dropout": 0.1,
    "seq_classif_dropout": 0.2, "sinusoidal_pos_embds": False, "tie_weights_": True, "vocab_size": 30522,
}  # fmt: skip
T5 = {
    "architectures": ["T5ForConditionalGeneration"], "d_ff": 2048, "d_kv": 64, "d_model": 512, "dropout_rate": 0.1,
    "decoder_start_token_id": 0, "eos_token_id": 1, "initializer_factor": 1.0, "is_encoder_decoder": True,
    "layer_norm_epsilon": 1e-06, "model_type": "t5", "n_positions": 512, "num_heads": 8, "num_layers": 6,
    "pad_token_id": 0, "relative_attention_num_buckets": 32, "vocab_size": 32128,
    "task_specific_params": {"summarization": {"early_stopping": True, "length_penalty": 2.0}},
}  # fmt: skip
FLAN = {
    **T5, "feed_forward_proj": "gated-gelu", "num_decoder_layers": 8, "relative_attention_max_distance": 128,
    "tie_word_embeddings": False,
}  # fmt: skip
BART = {
    "activation_dropout": 0.1, "activation_function": "gelu", "add_bias_logits": False, "add_final_layer_norm": False,
    "architectures": ["BartForConditionalGeneration"], "attention_dropout": 0.1, "bos_token_id": 0,
    "classif_dropout": 0.1, "classifier_dropout": 0.0, "d_model": 768, "decoder_attention_heads": 12,
    "decoder_ffn_dim": 3072, "decoder_layerdrop": 0.0, "decoder_layers": 6, "decoder_start_token_id": 2,
    "dropout": 0.1, "early_stopping": True, "encoder_attention_heads": 12, "encoder_ffn_dim": 3072,
    "encoder_layerdrop": 0.0, "encoder_layers": 6, "eos_token_id": 2, "forced_eos_token_id": 2, "init_std": 0.02,
    "is_encoder_decoder": True, "max_position_embeddings": 1024, "model_type": "bart", "no_repeat_ngram_size": 3,
    "normalize_before": False, "num_beams": 4, "num_hidden_layers": 6, "pad_token_id": 1, "scale_embedding": False,
    "task_specific_params": {}, "vocab_size": 50265,
}  # fmt: skip
OPUS = {
    **BART, "architectures": ["MarianMTModel"], "model_type": "marian", "activation_function": "swish",
    "bad_words_ids": [[58100]], "scale_embedding": True, "static_position_embeddings": True, "num_beams": 6,
    "normalize_embedding": False, "decoder_vocab_size": 58101, "extra_pos_embeddings": 58101, "max_length": 512,
    "share_encoder_decoder_embeddings": True, "vocab_size": 58101, "pad_token_id": 58100, "eos_token_id": 0,
    "decoder_start_token_id": 58100, "forced_eos_token_id": 0, **LABELS,
}  # fmt: skip
LLAMA = {
    "architectures": ["LlamaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": 1,
    "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02,
    "intermediate_size": 11008, "max_position_embeddings": 4096, "mlp_bias": False, "model_type": "llama",
    "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8, "pretraining_tp": 1,
    "rms_norm_eps": 1e-05, "rope_scaling": None, "rope_theta": 10000.0, "tie_word_embeddings": False,
    "vocab_size": 32000, **NEW,
}  # fmt: skip
LLAMA3_SCALING = {
    "factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192,
    "rope_type": "llama3",
}  # fmt: skip
QWEN = {
    **{name: value for name, value in LLAMA.items() if name not in ("mlp_bias", "pretraining_tp", "attention_bias")},
    "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "max_window_layers": 21, "sliding_window": 32768,
    "use_sliding_window": False, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "tie_word_embeddings": True,
}  # fmt: skip
NEOX = {
    "architectures": ["GPTNeoXForCausalLM"], "bos_token_id": 0, "eos_token_id": 0, "hidden_act": "gelu",
    "hidden_size": 512, "initializer_range": 0.02, "intermediate_size": 2048, "layer_norm_eps": 1e-05,
    "max_position_embeddings": 2048, "model_type": "gpt_neox", "num_attention_heads": 8, "num_hidden_layers": 6,
    "rotary_emb_base": 10000, "rotary_pct": 0.25, "tie_word_embeddings": False, "torch_dtype": "float16",
    "use_cache": True, "use_parallel_residual": True, "vocab_size": 50304,
}  # fmt: skip
OPT = {
    "_remove_final_layer_norm": False, "activation_dropout": 0.0, "activation_function": "relu",
    "architectures": ["OPTForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 2, "do_layer_norm_before": True,
    "dropout": 0.1, "eos_token_id": 2, "ffn_dim": 3072, "hidden_size": 768, "init_std": 0.02, "layerdrop": 0.0,
    "max_position_embeddings": 2048, "model_type": "opt", "num_attention_heads": 12, "num_hidden_layers": 12,
    "pad_token_id": 1, "prefix": "</s>", "vocab_size": 50272, "word_embed_proj_dim": 768,
}  # fmt: skip
MINILM = {**BERT, "architectures": ["BertModel"], "_name_or_path": "nreimers/MiniLM-L6-H384-uncased"}
FILES = {
    "gpt2": GPT2,
    "gpt2, saved again": {**GPT2, "n_inner": None, "reorder_and_upcast_attn": False, "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False, "bos_token_id": 50256, "eos_token_id": 50256, **NEW},
    "distilgpt2": {**GPT2, "_num_labels": 1, **LABELS},
    "microsoft/DialoGPT-medium": {**GPT2, "task_specific_params": {"conversational": {"max_length": 1000}}},
    "uer/gpt2-chinese-cluecorpussmall": {**GPT2, **OLD, "n_inner": None, "tokenizer_class": "BertTokenizer"},
    "openai-gpt": {**{k: v for k, v in GPT2.items() if k != "activation_function"}, "afn": "gelu", "n_special": 0,
        "model_type": "openai-gpt", "architectures": ["OpenAIGPTLMHeadModel"], "predict_special_tokens": True},
    "facebook/opt-125m": OPT,
    "facebook/galactica-125m": {**OPT, "activation_function": "gelu", "attention_dropout": 0.1, "enable_bias": True,
        "layer_norm_elementwise_affine": True, "learned_embeddings": True, "scale_embeddings": False},
    "EleutherAI/pythia-70m": NEOX,
    "EleutherAI/gpt-neox-20b": {**{k: v for k, v in NEOX.items() if k != "use_parallel_residual"},
        "hidden_act": "gelu_fast", "attention_probs_dropout_prob": 0, "hidden_dropout_prob": 0},
    "stabilityai/stablelm-base-alpha-3b": {**NEOX, "classifier_dropout": 0.1},
    "meta-llama/Llama-2-7b-hf": {**LLAMA, "_name_or_path": "meta-llama/Llama-2-7b-hf"},
    "huggyllama/llama-7b": {**LLAMA, "max_sequence_length": 2048, "pad_token_id": 0},
    "meta-llama/Meta-Llama-3-8B": {**LLAMA, "rope_theta": 500000.0, "vocab_size": 128256},
    "meta-llama/Llama-3.2-1B-Instruct": {**LLAMA, "rope_scaling": LLAMA3_SCALING, "rope_theta": 500000.0,
        "head_dim": 64, "eos_token_id": [128001, 128008, 128009], "tie_word_embeddings": True},
    "TinyLlama/TinyLlama-1.1B-Chat-v1.0": LLAMA,
    "01-ai/Yi-1.5-6B": {**LLAMA, "rope_theta": 5000000.0, "pad_token_id": 0, "use_cache": False},
    "HuggingFaceTB/SmolLM2-135M": {**LLAMA, "is_llama_config": True, "rope_interleaved": False,
        "transformers.js_config": {"kv_cache_dtype": {"q4f16": "float16"}}, "tie_word_embeddings": True},
    "deepseek-ai/deepseek-coder-6.7b-base": {**LLAMA, "rope_scaling": {"factor": 4.0, "type": "linear"}},
    "lmsys/longchat, dynamic": {**LLAMA, "rope_scaling": {"factor": 2.0, "type": "dynamic"}},
    "unsloth/Llama-3.2-1B": {**LLAMA, "unsloth_fixed": True, "unsloth_version": "2024.9", "pad_token_id": 128004},
    "mistralai/Mistral-7B-v0.1": {**{k: v for k, v in LLAMA.items() if k not in ("mlp_bias", "pretraining_tp")},
        "architectures": ["MistralForCausalLM"], "model_type": "mistral", "sliding_window": 4096},
    "Qwen/Qwen1.5-0.5B": QWEN,
    "Qwen/Qwen2.5-0.5B-Instruct": {**QWEN, "use_mrope": False},
    "Qwen2.5-7B-Instruct with yarn": {**QWEN, "rope_scaling": {"factor": 4.0, "type": "yarn",
        "original_max_position_embeddings": 32}},
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": {**QWEN, "rope_theta": 10000, "tie_word_embeddings": False},
    "Qwen/Qwen3-0.6B": {**QWEN, "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "head_dim": 128,
        "attention_bias": False, "sliding_window": None},
    "bert-base-uncased": {**BERT, "gradient_checkpointing": False, "position_embedding_type": "absolute"},
    "bert-base-chinese": {**BERT, **POOLER},
    "hfl/chinese-roberta-wwm-ext": {**BERT, **POOLER, "bos_token_id": 0, "eos_token_id": 2, "output_past": True},
    "hfl/chinese-macbert-base": {**BERT, **POOLER, **OLD},
    "sentence-transformers/all-MiniLM-L6-v2": MINILM,
    "BAAI/bge-small-zh-v1.5": {**MINILM, **POOLER, **LABELS, "classifier_dropout": None, "output_past": True},
    "thenlper/gte-base": {**MINILM, "position_embedding_type": "absolute", "use_cache": True},
    "cross-encoder/ms-marco-MiniLM-L-6-v2": {**BERT, **LABELS, "architectures": ["BertForSequenceClassification"],
        "sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity",
        "sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity", "version": "4.1.0.dev0"}},
    "an old file with settings of generate": {**BERT, "do_sample": False, "eos_token_ids": 0, "finetuning_task": None,
        "is_decoder": False, "length_penalty": 1.0, "max_length": 20, "num_beams": 1, "num_return_sequences": 1,
        "output_attentions": False, "output_hidden_states": False, "pruned_heads": {}, "repetition_penalty": 1.0,
        "temperature": 1.0, "top_k": 50, "top_p": 1.0, "torchscript": False, "use_bfloat16": False},
    "roberta-base": ROBERTA,
    "distilroberta-base": {**ROBERTA, **OLD},
    "cardiffnlp/twitter-roberta-base-sentiment": {**ROBERTA, **OLD, "architectures":
        ["RobertaForSequenceClassification"], "id2label": {"0": "negative", "1": "neutral", "2": "positive"},
        "label2id": {"negative": 0, "neutral": 1, "positive": 2}},
    "xlm-roberta-base": {**ROBERTA, **OLD, "model_type": "xlm-roberta", "architectures": ["XLMRobertaForMaskedLM"],
        "position_embedding_type": "absolute"},
    "intfloat/multilingual-e5-small": {**MINILM, "tokenizer_class": "XLMRobertaTokenizer", "use_cache": True},
    "distilbert-base-uncased": DISTIL,
    "distilbert-base-uncased-finetuned-sst-2-english": {**DISTIL, "finetuning_task": "sst-2", "output_past": True,
        "architectures": ["DistilBertForSequenceClassification"], "id2label": {"0": "NEGATIVE", "1": "POSITIVE"},
        "label2id": {"NEGATIVE": 0, "POSITIVE": 1}},
    "t5-small": {**T5, "output_past": True},
    "google/flan-t5-base": FLAN,
    "google/mt5-small": {**FLAN, "model_type": "mt5", "architectures": ["MT5ForConditionalGeneration"],
        "tokenizer_class": "T5Tokenizer", "_name_or_path": "/home/patrick/hugging_face/t5/mt5-small"},
    "google/byt5-small": {**FLAN, "tokenizer_class": "ByT5Tokenizer", "gradient_checkpointing": False},
    "facebook/bart-base": {**BART, "normalize_embedding": True, **LABELS},
    "facebook/bart-large-cnn": {**BART, "_num_labels": 3, "force_bos_token_to_be_generated": True, "prefix": " ",
        "forced_bos_token_id": 0, "length_penalty": 2.0, "max_length": 142, "min_length": 56, "output_past": True},
    "fnlp/bart-base-chinese": {**BART, "tokenizer_class": "BertTokenizer", "normalize_embedding": True},
    "Helsinki-NLP/opus-mt-en-zh": OPUS,
}  # fmt: skip
TINY = {
    "vocab_size": 300, "decoder_vocab_size": 300, "n_embd": 32, "n_head": 4, "n_layer": 2, "n_ctx": 64,
    "n_positions": 64, "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_hidden_layers": 2,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 64, "ffn_dim": 48, "word_embed_proj_dim": 32,
    "dim": 32, "hidden_dim": 48, "n_heads": 4, "n_layers": 2, "d_model": 32, "d_ff": 48, "d_kv": 8, "num_heads": 4,
    "num_layers": 2, "num_decoder_layers": 2, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48, "encoder_attention_heads": 4, "decoder_attention_heads": 4, "sliding_window": 8,
}  # fmt: skip


def tiny(values):
    """The same fields, with sizes and ids made small; heads of GPT-NeoX keep an even share of turned features."""
    small = {name: TINY.get(name, value) if value is not None else None for name, value in values.items()}
    if values["model_type"] == "gpt_neox":
        small["hidden_size"] = 64
    for name, value in small.items():
        if name.endswith("_token_id") and value is not None:
            small[name] = [7, 8, 9] if isinstance(value, list) else min(value, 299)
        if name == "bad_words_ids":
            small[name] = [[299]]
    return small


@pytest.mark.parametrize("name", FILES)
def test_a_published_configuration_gives_the_logits_of_transformers(name, tmp_path):
    values = tiny(FILES[name])
    known = {key: value for key, value in values.items() if key not in GENERATION or key.endswith("_token_id")}
    config = transformers.AutoConfig.for_model(**{**known, "torch_dtype": "float32"})
    class_name = values["architectures"][0]
    torch.manual_seed(0)
    peer = getattr(transformers, class_name)(config).eval()
    with torch.no_grad():
        for part, parameter in peer.named_parameters():
            if values["model_type"] != "marian" or "embed_positions" not in part:  # sines are what they are
                parameter.normal_(0.0, 0.2)
    peer.save_pretrained(tmp_path)
    if values["model_type"] in ("t5", "mt5") and values.get("tie_word_embeddings") is False:
        weights = load_file(tmp_path / "model.safetensors")  # transformers 5 ties every head, published files do not
        save_file({**weights, "lm_head.weight": peer.lm_head.weight.clone()}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(values), encoding="utf-8")
    (tmp_path / "generation_config.json").unlink(missing_ok=True)
    model = getattr(mt, class_name).from_pretrained(tmp_path)
    row = torch.randint(3, 250, (2, 20), generator=torch.Generator().manual_seed(1))
    inputs = {"input_ids": row}
    if values.get("is_encoder_decoder"):
        inputs["decoder_input_ids"] = row[:, :7]
    with torch.no_grad():
        ours, theirs = model(**inputs).to_tuple()[0], peer(**inputs)[0]
    assert (ours - theirs).abs().max() <= 2e-5 * max(1.0, float(theirs.abs().max()))
