"""Model folders: what is written, what is checked, and what each alteration is called."""

import json

import pytest
import safetensors.torch
import torch
import transformers

import massivetext as mt
from massivetext.errors import ConfigError, ModelError
from massivetext.models.auto import AutoConfig, AutoModelForCausalLM
from massivetext.models.files.folder import save_model_folder
from massivetext.state import write_state

from .conftest import tiny_config, tiny_model


@pytest.fixture
def folder(tmp_path, tokenizer):
    save_model_folder(tiny_model("llama"), tokenizer, tmp_path, {"step": 7})
    return tmp_path


def change_json(path, change):
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values)
    if values.pop("sha256", None):
        write_state(path, values)
    else:
        path.write_text(json.dumps(values), encoding="utf-8")


def refusal(folder):
    with pytest.raises(ModelError) as error:
        AutoModelForCausalLM.from_pretrained(folder)
    return str(error.value)


def test_a_folder_saved_before_a_field_existed_loads_at_its_default_only(folder):
    change_json(folder / "massivetext.json", lambda record: record["config"].pop("num_labels"))
    assert AutoModelForCausalLM.from_pretrained(folder).config.num_labels == 2
    change_json(folder / "config.json", lambda values: values.update(id2label={"0": "a"}))
    assert "num_labels is 1, was 2" in refusal(folder)


def test_a_saved_tokenizer_knows_the_models_context(folder, tokenizer):
    assert mt.AutoTokenizer.from_pretrained(folder).model_max_length == 128
    assert transformers.AutoTokenizer.from_pretrained(folder).model_max_length == 128
    assert tokenizer.model_max_length > 10**9  # the one that was given is left as it was


def test_save_and_load_are_exact(folder):
    saved, loaded = tiny_model("llama").state_dict(), AutoModelForCausalLM.from_pretrained(folder, verify=True)
    assert not loaded.training
    assert all(torch.equal(saved[name], tensor) for name, tensor in loaded.state_dict().items())


def test_saving_twice_gives_the_same_bytes(folder, tokenizer, tmp_path):
    save_model_folder(tiny_model("llama"), tokenizer, tmp_path / "again", {"step": 7})
    for path in folder.glob("*.*"):
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def test_transformers_opens_model_and_tokenizer_of_the_folder(folder, tokenizer):
    peer = transformers.AutoModelForCausalLM.from_pretrained(folder)
    ids = transformers.AutoTokenizer.from_pretrained(folder)("北京是", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        ours = AutoModelForCausalLM.from_pretrained(folder)(ids).logits
        assert (peer.eval()(ids).logits - ours).abs().max() <= 1e-5


def test_the_weights_file_has_no_other_metadata_and_a_tied_tensor_once(tmp_path):
    save_model_folder(tiny_model("llama", tie_word_embeddings=True), None, tmp_path)
    with safetensors.safe_open(tmp_path / "model.safetensors", "pt") as opened:
        assert opened.metadata() == {"format": "pt"}
        assert "model.embed_tokens.weight" in opened.keys() and "lm_head.weight" not in opened.keys()  # noqa: SIM118


def test_two_tensors_swapped_are_named(folder):
    path = folder / "model.safetensors"
    weights = safetensors.torch.load_file(path)
    one, two = "model.layers.0.self_attn.q_proj.weight", "model.layers.1.self_attn.q_proj.weight"
    weights[one], weights[two] = weights[two], weights[one]
    safetensors.torch.save_file(weights, path, metadata={"format": "pt"})
    message = refusal(folder)
    assert f"tensor {one}: changed" in message and f"tensor {two}: changed" in message and "norm" not in message


@pytest.mark.parametrize(("field", "value"), [("rms_norm_eps", 1e-5), ("hidden_act", "relu"), ("eos_token_id", 5)])
def test_a_changed_configuration_field_is_named(folder, field, value):
    change_json(folder / "config.json", lambda config: config.update({field: value}))
    assert f"config.json: {field} is {value!r}, was" in refusal(folder)


def test_a_changed_rope_theta_is_named(folder):
    def change(config):
        config["rope_theta"] = config["rope_parameters"]["rope_theta"] = 500000.0

    change_json(folder / "config.json", change)
    assert "rope_theta is 500000.0, was 10000.0" in refusal(folder)


def test_two_values_of_rope_theta_are_refused(folder):
    change_json(folder / "config.json", lambda config: config.update(rope_theta=1.0))
    assert "write the same number in both" in refusal(folder)


def test_one_changed_merge_is_named(folder):
    def change(content):
        merges = content["model"]["merges"]
        merges[0], merges[1] = merges[1], merges[0]

    change_json(folder / "tokenizer.json", change)
    message = refusal(folder)
    assert "tokenizer.json model.merges: changed" in message and "model.vocab" not in message


def test_a_tokenizer_larger_than_the_vocabulary_is_refused_on_load(folder):
    def change(content):
        content["added_tokens"].append({**content["added_tokens"][0], "id": 300, "content": "<extra>"})

    (folder / "massivetext.json").unlink()
    AutoModelForCausalLM.from_pretrained(folder)
    change_json(folder / "tokenizer.json", change)
    message = refusal(folder)
    assert "ids up to 300" in message and "vocab_size is 300" in message


def test_a_tokenizer_larger_than_the_vocabulary_is_refused_on_save(tokenizer, tmp_path):
    save_model_folder(tiny_model("llama", vocab_size=len(tokenizer)), tokenizer, tmp_path)
    with pytest.raises(ModelError, match="vocab_size"):
        save_model_folder(tiny_model("llama", vocab_size=len(tokenizer) - 1), tokenizer, tmp_path)


def test_a_folder_that_is_kept_by_transformers_still_loads_without_the_record(folder, tmp_path):
    transformers.AutoModelForCausalLM.from_pretrained(folder).save_pretrained(tmp_path / "peer")
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "peer").config == tiny_config("llama")


def test_verify_notices_another_computation(folder):
    change_json(folder / "massivetext.json", lambda record: record["probes"][0]["top_logits"].__setitem__(0, 99.0))
    AutoModelForCausalLM.from_pretrained(folder)
    with pytest.raises(ModelError, match="top logits differ"):
        AutoModelForCausalLM.from_pretrained(folder, verify=True)


def test_verify_without_probes_says_so(folder):
    (folder / "massivetext.json").unlink()
    with pytest.raises(ModelError, match="probe texts"):
        AutoModelForCausalLM.from_pretrained(folder, verify=True)


def test_an_unknown_record_format_is_refused(folder):
    change_json(folder / "massivetext.json", lambda record: record.update(format="massivetext-model/9"))
    assert "massivetext-model/9" in refusal(folder)


def test_missing_and_extra_tensors_are_named(tmp_path):
    save_model_folder(tiny_model("llama"), None, tmp_path)
    (tmp_path / "massivetext.json").unlink()
    weights = safetensors.torch.load_file(tmp_path / "model.safetensors")
    weights["model.extra"] = weights.pop("model.norm.weight")
    weights["lm_head.weight"] = weights["lm_head.weight"][:200].clone()
    safetensors.torch.save_file(weights, tmp_path / "model.safetensors")
    message = refusal(tmp_path)
    for part in ("missing: model.norm.weight", "not expected: model.extra", "lm_head.weight has shape (200, 32)"):
        assert part in message


def test_a_pickled_model_is_refused_with_the_way_out(tmp_path):
    save_model_folder(tiny_model("llama"), None, tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    message = refusal(tmp_path)
    assert "pytorch_model.bin" in message and "save_pretrained" in message


def test_a_file_cut_short_is_called_damaged(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert "is damaged" in refusal(folder)


def test_broken_json_is_named(folder):
    (folder / "config.json").write_text("{", encoding="utf-8")
    assert "config.json is damaged or cut short: it is no valid JSON" in refusal(folder)


def test_a_missing_folder_says_what_was_tried(tmp_path, monkeypatch):
    monkeypatch.setenv("MASSIVETEXT_MODELS", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    message = refusal("no-such-model")
    for part in ("no folder or file no-such-model", "$MASSIVETEXT_MODELS", "Hugging Face cache", "$HF_HUB_OFFLINE"):
        assert part in message


def test_a_name_leads_to_a_folder_below_the_models_folder(folder, monkeypatch):
    monkeypatch.setenv("MASSIVETEXT_MODELS", str(folder.parent))
    assert AutoConfig.from_pretrained(folder.name) == tiny_config("llama")


def test_sharded_weights_are_read(tmp_path):
    model = transformers.AutoModelForCausalLM.from_config(
        transformers.AutoConfig.for_model(**tiny_config("llama").to_hugging_face())
    )
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(loaded.head_weight, model.lm_head.weight)
    next(tmp_path.glob("model-00002*")).unlink()
    assert "shards that are not there" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("attention_dropout", 0.1),
        ("use_sliding_window", True),
        ("quantization_config", {"bits": 4}),
        ("rope_parameters", {"rope_type": "proportional", "factor": 4.0}),
        ("hidden_akt", "silu"),
        ("layer_types", ["sliding_attention"] * 3),
        ("model_type", "mamba"),
        ("vocab_size", None),
    ],
)
def test_a_field_that_would_change_the_numbers_is_refused_by_name(folder, field, value):
    change_json(folder / "config.json", lambda config: config.update({field: value}))
    message = refusal(folder)
    assert field in message or (field == "rope_parameters" and "rope_type = 'proportional'" in message)


def test_the_way_transformers_4_writes_rotary_scaling_is_read(tmp_path):
    config = tiny_config("llama").to_hugging_face()
    config.pop("rope_parameters")
    config["rope_scaling"] = {"type": "linear", "factor": 2.0}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert AutoConfig.from_pretrained(tmp_path).rope_scaling.factor == 2.0


def test_an_unknown_family_or_field_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'llama'"):
        AutoConfig.for_model("lama")
    with pytest.raises(ConfigError, match="did you mean 'hidden_size'"):
        AutoConfig.for_model("llama", hiden_size=3)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"num_attention_heads": 3, "head_dim": None}, "not a multiple"),
        ({"num_key_value_heads": 3}, "not a multiple"),
        ({"head_dim": 7}, "even"),
        ({"vocab_size": 0}, "at least 1"),
        ({"hidden_act": "swish2"}, "hidden_act"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(changes, part):
    with pytest.raises(ConfigError, match=part):
        tiny_config("llama", **changes)


GPT2_NAME = "transformer.h.1.attn.c_attn.weight"


def test_weights_of_another_layout_are_named_as_the_file_names_them(tmp_path):
    save_model_folder(tiny_model("gpt2"), None, tmp_path)
    (tmp_path / "massivetext.json").unlink()
    path = tmp_path / "model.safetensors"
    weights = safetensors.torch.load_file(path)
    assert weights[GPT2_NAME].shape == (32, 96)
    weights[GPT2_NAME] = weights[GPT2_NAME].t().contiguous()
    safetensors.torch.save_file(weights, path)
    assert f"{GPT2_NAME} has shape (96, 32), the configuration says (32, 96)" in refusal(tmp_path)


def test_a_swapped_tensor_of_gpt2_is_named_as_the_file_names_it(tmp_path):
    save_model_folder(tiny_model("gpt2"), None, tmp_path)
    path = tmp_path / "model.safetensors"
    weights = safetensors.torch.load_file(path)
    weights[GPT2_NAME] = weights[GPT2_NAME] + 1
    safetensors.torch.save_file(weights, path)
    assert f"tensor {GPT2_NAME}: changed" in refusal(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_numbers_are_named(folder, value):
    (folder / "massivetext.json").unlink()
    path = folder / "model.safetensors"
    weights = safetensors.torch.load_file(path)
    weights["model.norm.weight"][3] = value
    safetensors.torch.save_file(weights, path)
    assert "NaN or infinite: model.norm.weight" in refusal(folder)


def relabel(path, change):
    """Write a safetensors file whose header is altered and whose bytes are not."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    change(header)
    written = json.dumps(header).encode()
    path.write_bytes(len(written).to_bytes(8, "little") + written + content[8 + length :])


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header["model.norm.weight"].update(shape=[64]),
        lambda header: header["model.norm.weight"].update(data_offsets=[0, 10**12]),
        lambda header: header["model.norm.weight"].update(dtype="F64"),
        lambda header: header["model.norm.weight"].update(data_offsets=[128, 0]),
    ],
)
def test_a_header_that_lies_about_sizes_is_called_damaged(folder, change):
    relabel(folder / "model.safetensors", change)
    assert "is damaged" in refusal(folder)


def test_a_header_longer_than_its_file_is_called_damaged(folder):
    path = folder / "model.safetensors"
    path.write_bytes((10**15).to_bytes(8, "little") + path.read_bytes()[8:])
    assert "is damaged" in refusal(folder)


@pytest.mark.parametrize("name", ["../model.safetensors", "/model.safetensors", "model.bin"])
def test_a_shard_outside_the_folder_is_refused(folder, name):
    (folder / "model.safetensors").rename(folder / "other.safetensors")
    index = {"weight_map": {"model.norm.weight": name}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    assert repr(name) in refusal(folder) and "in the same folder" in refusal(folder)


UNSUPPORTED = [
    ("gpt2", "scale_attn_by_inverse_layer_idx", True),
    ("gpt2", "scale_attn_weights", False),
    ("gpt2", "reorder_and_upcast_attn", True),
    ("gpt2", "n_experts", 4),
    ("opt", "enable_bias", False),
    ("opt", "_remove_final_layer_norm", True),
    ("opt", "layer_norm_elementwise_affine", False),
    ("gpt_neox", "attention_bias", False),
    ("gpt_neox", "rope_parameters", {"rope_type": "proportional", "factor": 4.0}),
    ("openai-gpt", "afn", "tanh"),
    ("mistral", "attention_bias", True),
    ("qwen2", "use_sliding_window", True),
    ("llama", "rope_interleaved", True),
    ("palm", "mlp_bias", True),
]


@pytest.mark.parametrize(("family", "field", "value"), UNSUPPORTED)
def test_a_field_of_a_family_that_is_not_supported_is_refused_by_name(family, field, value, tmp_path):
    values = {**tiny_config(family).to_hugging_face(), field: value}
    (tmp_path / "config.json").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ModelError) as error:
        AutoConfig.from_pretrained(tmp_path)
    named = {"afn": "hidden_act", "rope_parameters": "rope_type"}.get(field, field)
    assert named in str(error.value)


def test_a_missing_field_is_named_as_the_family_names_it(tmp_path):
    values = tiny_config("gpt2").to_hugging_face()
    del values["n_embd"]
    (tmp_path / "config.json").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ModelError, match="has no n_embd; a model's shape needs vocab_size, n_embd, n_layer, n_head"):
        AutoConfig.from_pretrained(tmp_path)


def test_an_unknown_model_type_lists_the_known(folder):
    change_json(folder / "config.json", lambda config: config.update(model_type="gptneox"))
    message = refusal(folder)
    assert "did you mean 'gpt_neox'" in message and "opt" in message and "palm" in message


def test_hugging_faces_names_work(tmp_path, tokenizer, monkeypatch):
    monkeypatch.setenv("MASSIVETEXT_MODELS", str(tmp_path))
    save_model_folder(tiny_model("gpt2"), tokenizer, tmp_path / "gpt2")
    model, words = mt.GPT2LMHeadModel.from_pretrained("gpt2"), mt.GPT2Tokenizer.from_pretrained("gpt2")
    ids = words.encode("def main(", return_tensors="pt")
    assert model.generate(ids, max_length=20, num_return_sequences=1).shape == (1, 20)
    assert mt.GPT2LMHeadModel(mt.GPT2Config(n_layer=1, n_embd=32, n_head=2)).config.num_hidden_layers == 1
    with pytest.raises(ModelError, match="holds a GPT2LMHeadModel, not a LlamaForCausalLM"):
        mt.LlamaForCausalLM.from_pretrained("gpt2")
