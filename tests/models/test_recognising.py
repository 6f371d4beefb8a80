"""Folders and files that are no model here: the error says what they hold and what opens them; values out of range."""

import json
import time

import pytest
import torch
from safetensors.torch import load_file, save_file

import massivetext as mt
from massivetext.errors import ConfigError, ModelError
from massivetext.models.auto import AutoModelForCausalLM
from massivetext.models.files.folder import save_model_folder

from .conftest import tiny_config, tiny_model


@pytest.fixture
def folder(tmp_path):
    save_model_folder(tiny_model("llama"), None, tmp_path / "model")
    (tmp_path / "model" / "massivetext.json").unlink()
    return tmp_path / "model"


def change_config(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def refusal(name, opener=AutoModelForCausalLM):
    with pytest.raises(ModelError) as error:
        opener.from_pretrained(name)
    return str(error.value)


HELD = {
    "model-Q4_K_M.gguf": ("a GGUF file", "open the file itself: from_pretrained("),
    "adapter_config.json": ("a LoRA adapter", "merge it into its base model"),
    "consolidated.00.pth": ("format of their first publisher", "Hugging Face's format"),
    "pytorch_model.bin": ("pickles", "from transformers import LlamaForCausalLM as A"),
    "model.pt": ("pickles", "convert them once"),
    "model.onnx": ("an ONNX graph", "onnxruntime"),
    "tf_model.h5": ("Keras, TensorFlow or Flax", "from_tf=True"),
    "flax_model.msgpack": ("Keras, TensorFlow or Flax", "from_flax=True"),
    "model.ckpt.index": ("Keras, TensorFlow or Flax", "before version 5"),
}


@pytest.mark.parametrize("name", HELD)
@pytest.mark.parametrize("config", [True, False])
def test_a_folder_with_other_weights_says_what_they_are_and_what_opens_them(name, config, folder):
    (folder / "model.safetensors").rename(folder / name)
    what, remedy = HELD[name]
    if not config:
        (folder / "config.json").unlink()
        remedy = remedy.replace("LlamaForCausalLM", "AutoModel")
    for opener in (AutoModelForCausalLM, mt.AutoModel):
        message = refusal(folder, opener)
        assert name in message and what in message and remedy in message


def test_a_gguf_file_in_a_folder_opens_by_the_path_in_the_message(folder, tmp_path):
    from massivetext.models.files.gguf_export import export_gguf

    model = AutoModelForCausalLM.from_pretrained(folder)
    (tmp_path / "only").mkdir()
    export_gguf(model, None, tmp_path / "only" / "m.gguf", "f32")
    message = refusal(tmp_path / "only")
    assert AutoModelForCausalLM.from_pretrained(message.partition("from_pretrained('")[2].partition("'")[0])


@pytest.mark.parametrize("name", ["model.onnx", "pytorch_model.bin", "tf_model.h5"])
def test_a_single_file_says_what_it_is(name, tmp_path):
    (tmp_path / name).write_bytes(b"what")
    for opener in (AutoModelForCausalLM, mt.AutoModel):
        assert "It is" in refusal(tmp_path / name, opener) and "give the folder" in refusal(tmp_path / name, opener)


def test_a_tokenizer_alone_and_a_folder_of_folders_are_named(folder, tmp_path):
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "vocab.txt").write_text("[PAD]")
    assert "a tokenizer without a model" in refusal(tmp_path / "words")
    assert "Folders in it hold models: model" in refusal(tmp_path)


def test_a_tiktoken_vocabulary_is_named(tmp_path):
    (tmp_path / "qwen.tiktoken").write_text("IQ== 0")
    assert "vocabulary of tiktoken" in refusal(tmp_path)
    assert "qwen.tiktoken is a vocabulary of tiktoken" in refusal(tmp_path, mt.AutoTokenizer)


OTHERS = [
    ("bert", "AutoModelForMaskedLM"),
    ("xlm-roberta", "AutoModelForMaskedLM"),
    ("distilbert", "AutoModelForSequenceClassification"),
    ("t5", "AutoModelForSeq2SeqLM"),
    ("marian", "AutoModelForSeq2SeqLM"),
]


@pytest.mark.parametrize(("family", "opener"), OTHERS)
def test_a_family_that_does_not_predict_the_next_token_says_what_opens_it(family, opener, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": family}))
    assert f"{family} does not predict the next token" in refusal(tmp_path)
    assert opener in refusal(tmp_path)


@pytest.mark.parametrize(("family", "near"), [("albert", "bert"), ("deberta-v2", "roberta"), ("gemma2", "llama")])
def test_a_family_that_is_not_supported_says_the_nearest_that_is(family, near, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": family}))
    for opener in (AutoModelForCausalLM, mt.AutoModel, mt.AutoConfig):
        assert f"{family!r} is not supported; the nearest that is: {near}" in refusal(tmp_path, opener)


def test_a_language_model_inside_another_configuration_is_named(tmp_path):
    inner = tiny_config("llama").to_hugging_face()
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "llava", "text_config": inner, "vision_config": {}})
    )
    for opener in (AutoModelForCausalLM, mt.AutoModel, mt.AutoConfig):
        message = refusal(tmp_path, opener)
        assert "'llava' puts a language model (llama) together with others" in message and "text_config" in message


def test_a_configuration_without_a_family_is_named(tmp_path):
    (tmp_path / "config.json").write_text('{"architectures": ["GPT2LMHeadModel"]}')
    assert "says no model_type (architectures: GPT2LMHeadModel)" in refusal(tmp_path)


@pytest.mark.parametrize("count", [4, 10_000])
def test_more_blocks_than_the_file_has_are_refused_at_once(count, folder):
    change_config(folder, num_hidden_layers=count)
    started = time.process_time()
    assert f"hold the weights of 3 blocks, and config.json says num_hidden_layers = {count:,}" in refusal(folder)
    assert time.process_time() - started < 5


@pytest.mark.parametrize("count", [10_001, 10**9])
def test_more_blocks_than_any_model_has_are_refused_at_once(count, folder):
    change_config(folder, num_hidden_layers=count)
    assert f"num_hidden_layers is {count:,}; at most 10,000 layers are made" in refusal(folder)


@pytest.mark.parametrize(("family", "field"), [("bert", "num_hidden_layers"), ("distilbert", "n_layers")])
def test_more_blocks_than_an_encoders_file_has_are_refused_at_once(family, field, tmp_path):
    sizes = {"dim": 32, "n_heads": 4} if family == "distilbert" else {"hidden_size": 32, "num_attention_heads": 4}
    config = mt.AutoConfig.for_model(family, vocab_size=50, **sizes, **{field: 2})
    mt.AutoModel.from_config(config).save_pretrained(tmp_path)
    change_config(tmp_path, **{field: 9000})
    assert f"hold the weights of 2 blocks, and config.json says {field}" in refusal(tmp_path, mt.AutoModel)


@pytest.mark.parametrize("side", ["encoder_layers", "decoder_layers"])
def test_more_blocks_than_one_side_of_a_file_has_are_refused_at_once(side, tmp_path):
    sizes = {"d_model": 32, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "encoder_layers": 2, "decoder_layers": 2}
    config = mt.AutoConfig.for_model(
        "bart", vocab_size=50, encoder_attention_heads=4, decoder_attention_heads=4, **sizes
    )
    mt.AutoModelForSeq2SeqLM.from_config(config).save_pretrained(tmp_path)
    change_config(tmp_path, **{side: 9000})
    assert f"says {side} = 9,000" in refusal(tmp_path, mt.AutoModelForSeq2SeqLM)


@pytest.mark.parametrize("values", [{"hidden_size": 10**12}, {"head_dim": 10**10}, {"vocab_size": 10**12}])
def test_sizes_that_the_file_does_not_have_are_refused_before_memory_is_taken(values, folder):
    change_config(folder, **values)
    assert any(word in refusal(folder) for word in ("a head has", "the configuration says"))


@pytest.mark.parametrize("dtype", [torch.int64, torch.int8, torch.uint8, torch.float8_e4m3fn, torch.bool])
def test_quantised_and_whole_number_weights_are_refused_by_name(dtype, folder):
    weights = load_file(folder / "model.safetensors")
    name = "model.layers.1.mlp.up_proj.weight"
    save_file({**weights, name: weights[name].to(dtype)}, folder / "model.safetensors")
    message = refusal(folder)
    assert f"{name} ({str(dtype).removeprefix('torch.')})" in message and "GGUF" in message


def test_a_quantised_folder_says_what_to_take(folder):
    change_config(folder, quantization_config={"quant_method": "fp8"})
    assert "quantization_config" in refusal(folder) and "unquantised weights" in refusal(folder)


WRONG = [
    ({"rms_norm_eps": -1}, "rms_norm_eps is -1"),
    ({"rope_theta": 0}, "rope_theta is 0"),
    ({"rope_theta": -5.0}, "above 0 and finite"),
    ({"initializer_range": -0.1}, "initializer_range is -0.1"),
    ({"bos_token_id": 300}, "bos_token_id is 300, and the vocabulary has the ids 0 to 299"),
    ({"eos_token_id": [1, 999]}, r"eos_token_id is \[1, 999\]"),
    ({"pad_token_id": -7}, "pad_token_id is -7"),
]


@pytest.mark.parametrize(("values", "message"), WRONG)
def test_numbers_out_of_range_are_refused_by_name(values, message, folder):
    change_config(folder, rope_parameters=None, **values)
    with pytest.raises(ModelError, match=message):
        AutoModelForCausalLM.from_pretrained(folder)
    with pytest.raises(ConfigError, match=message):
        tiny_config("llama", **values)


def test_infinite_norm_constants_of_encoders_are_refused():
    for value in (-1e-3, float("inf"), float("nan")):
        with pytest.raises(ConfigError, match="layer_norm_eps"):
            mt.AutoConfig.for_model("bert", layer_norm_eps=value)
    with pytest.raises(ConfigError, match="hidden_dropout_prob is"):
        mt.AutoConfig.for_model("bert", hidden_dropout_prob=1.5)


def test_minus_one_means_no_padding_id_as_in_the_first_llama_folders(folder):
    change_config(folder, pad_token_id=-1)
    assert AutoModelForCausalLM.from_pretrained(folder).config.pad_token_id is None


@pytest.mark.parametrize("option", [{"eos_token_id": 300}, {"bad_words_ids": [[301]]}, {"forced_eos_token_id": 999}])
def test_generation_with_an_id_that_the_model_does_not_have_is_refused(option):
    with pytest.raises(ConfigError, match=r"the id (300|301|999), and the model has the ids 0 to 299"):
        tiny_model("llama").generate(torch.tensor([[1, 2]]), max_new_tokens=2, **option)
