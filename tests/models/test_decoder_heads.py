"""Causal families without their head, and as classifiers of texts: parity with transformers, both directions."""

import json

import pytest
import torch
import transformers

import massivetext as mt
from massivetext.errors import ModelError
from massivetext.models.architectures import ARCHITECTURES
from massivetext.models.naming import to_stored

from .conftest import TRANSFORMERS_FAMILIES, tiny_config, tiny_model

AUTO = {"base": "AutoModel", "sequence-classification": "AutoModelForSequenceClassification"}
CASES = [(task, name) for task in AUTO for name in TRANSFORMERS_FAMILIES if name in ARCHITECTURES[task]]
CLASSIFIERS = [name for task, name in CASES if task == "sequence-classification"]
PAD = 5


def randomised(model):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.2, generator=generator)
    return model.eval()


def config_of(family, **changes):
    return tiny_config(family, **{"num_labels": 3, "pad_token_id": PAD, **changes})


def peer_of(task, family, **changes):
    config = transformers.AutoConfig.for_model(**config_of(family, **changes).to_hugging_face())
    return randomised(getattr(transformers, AUTO[task]).from_config(config, attn_implementation="eager"))


def batch(side="right"):
    ids = torch.randint(6, 300, (3, 12), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[0, slice(0, 4) if side == "left" else slice(8, 12)] = 0
    return {"input_ids": ids.masked_fill(mask == 0, PAD), "attention_mask": mask}


def apart(ours, theirs, mask):
    """The largest difference of two models' first outputs, padding left out."""
    ours, theirs = ours[0], theirs[0]
    return float((ours - theirs)[mask.bool() if ours.ndim == 3 else slice(None)].abs().max())


@pytest.mark.parametrize(("task", "family"), CASES)
def test_a_folder_written_by_transformers_gives_the_same_numbers_here(task, family, tmp_path):
    peer = peer_of(task, family)
    peer.save_pretrained(tmp_path)
    model = getattr(mt, AUTO[task]).from_pretrained(tmp_path)
    named = getattr(mt, type(peer).__name__).from_pretrained(tmp_path)  # the class has the same name there and here
    assert type(model) is type(named) is ARCHITECTURES[task][family]
    for side in ("right", "left"):
        inputs = batch(side)
        positions = (inputs["attention_mask"].cumsum(-1) - 1).clamp(min=0)  # as their generate counts, and we always
        with torch.no_grad():
            off = apart(model(**inputs), peer(**inputs, position_ids=positions), inputs["attention_mask"])
        assert off <= 1e-5, side


@pytest.mark.parametrize(("task", "family"), CASES)
def test_a_folder_written_here_gives_the_same_numbers_in_transformers(task, family, tmp_path):
    model = randomised(ARCHITECTURES[task][family](config_of(family)))
    model.save_pretrained(tmp_path)
    auto = getattr(transformers, AUTO[task])
    peer, report = auto.from_pretrained(tmp_path, output_loading_info=True, attn_implementation="eager")
    assert not report["missing_keys"] and not report["unexpected_keys"] and not report["mismatched_keys"]
    assert json.loads((tmp_path / "config.json").read_text())["architectures"] == [type(peer).__name__]
    again = getattr(mt, AUTO[task]).from_pretrained(tmp_path, verify=False)
    inputs = batch()
    with torch.no_grad():
        ours, theirs = model(**inputs), peer.eval()(**inputs)
        assert apart(ours, theirs, inputs["attention_mask"]) <= 1e-5
        assert torch.equal(again(**inputs)[0], ours[0])


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_loss_and_gradients_are_those_of_transformers(family, tmp_path):
    peer = peer_of("sequence-classification", family)
    peer.save_pretrained(tmp_path)
    model = mt.AutoModelForSequenceClassification.from_pretrained(tmp_path)
    labels = torch.tensor([0, 2, 1])
    ours, theirs = model(**batch(), labels=labels), peer(**batch(), labels=labels)
    assert torch.allclose(ours.loss, theirs.loss, atol=1e-5)
    ours.loss.backward()
    theirs.loss.backward()
    found = {name: parameter.grad for name, parameter in model.decoder.named_parameters()}
    found = {**to_stored(found, model.decoder.places()), "score.weight": model.score.weight.grad}
    expected = {name: parameter.grad for name, parameter in peer.named_parameters()}
    assert set(found) == set(expected)
    whole = torch.stack([gradient.norm() for gradient in expected.values()]).norm()
    for name, gradient in expected.items():
        assert (found[name] - gradient).norm() <= 1e-5 * whole, name


@pytest.mark.parametrize("labels", [torch.tensor([0.5, -1.0, 2.0]), torch.ones(3, 1)])
def test_one_label_is_a_regression(labels, tmp_path):
    peer = peer_of("sequence-classification", "gpt2", num_labels=1)
    peer.save_pretrained(tmp_path)
    model = mt.GPT2ForSequenceClassification.from_pretrained(tmp_path)
    assert model.config.num_labels == 1
    assert torch.allclose(model(**batch(), labels=labels).loss, peer(**batch(), labels=labels).loss, atol=1e-5)


@pytest.mark.parametrize("changes", [{"do_layer_norm_before": False}, {"word_embed_proj_dim": 16}])
def test_the_shapes_of_opt_350m_are_known(changes, tmp_path):
    inputs = batch()
    peer_of("sequence-classification", "opt", **changes).save_pretrained(tmp_path)
    for auto in AUTO.values():
        peer = getattr(transformers, auto).from_pretrained(tmp_path, attn_implementation="eager").eval()
        with torch.no_grad():
            off = apart(getattr(mt, auto).from_pretrained(tmp_path)(**inputs), peer(**inputs), inputs["attention_mask"])
        assert off <= 1e-5


def test_a_causal_model_becomes_a_classifier_with_a_fresh_head(tmp_path, capsys):
    tiny_model("llama").save_pretrained(tmp_path)
    model = mt.AutoModelForSequenceClassification.from_pretrained(tmp_path, num_labels=4, pad_token_id=PAD)
    said = capsys.readouterr().err
    assert "lm_head.weight" in said and "score.weight" in said
    assert model(**batch()).logits.shape == (3, 4)
    same = mt.AutoModelForSequenceClassification.from_pretrained(tmp_path, num_labels=4, pad_token_id=PAD)
    assert torch.equal(model.score.weight, same.score.weight)


def test_texts_without_a_padding_id_are_labelled_one_at_a_time():
    model = mt.GPT2ForSequenceClassification(tiny_config("gpt2")).eval()
    assert model(batch()["input_ids"][:1]).logits.shape == (1, 2)
    with pytest.raises(ModelError, match=r"3 texts.*no pad_token_id.*tokenizer\.pad_token_id"):
        model(batch()["input_ids"])


def test_labels_outside_the_classes_are_named():
    model = mt.LlamaForSequenceClassification(config_of("llama"))
    with pytest.raises(ModelError, match="labels has the value 3; allowed: 0 to 2"):
        model(**batch(), labels=torch.tensor([0, 3, 1]))


def test_fresh_weights_are_a_function_of_the_seed():
    one, two, other = (mt.Qwen3ForSequenceClassification(config_of("qwen3"), seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.score.weight, other.score.weight)


def test_half_precision_keeps_the_rotary_frequencies(tmp_path):
    tiny_model("llama").save_pretrained(tmp_path)
    model = mt.AutoModel.from_pretrained(tmp_path, dtype="bfloat16")
    assert model.dtype == torch.bfloat16 and model.decoder.frequencies.dtype == torch.float32
    assert model(batch()["input_ids"]).last_hidden_state.dtype == torch.bfloat16


def test_a_swapped_tensor_is_named(tmp_path):
    import safetensors.torch

    mt.GPT2ForSequenceClassification(config_of("gpt2")).save_pretrained(tmp_path)
    weights = safetensors.torch.load_file(tmp_path / "model.safetensors")
    weights["score.weight"] += 1
    safetensors.torch.save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"score\.weight"):
        mt.AutoModelForSequenceClassification.from_pretrained(tmp_path)


def test_names_of_labels_cross_with_the_folder(tmp_path):
    names = {0: "bad", 1: "good", 2: "没有"}
    mt.LlamaForSequenceClassification(config_of("llama", id2label=names)).save_pretrained(tmp_path)
    assert transformers.AutoConfig.from_pretrained(tmp_path).id2label == names
    assert mt.AutoConfig.from_pretrained(tmp_path).labels == names
