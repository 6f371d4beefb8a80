"""Causal families without their head and with other heads: parity with transformers, both directions."""

import json

import pytest
import torch
import transformers

import massivetext as mt
from massivetext.errors import ModelError
from massivetext.models.families.table import CLASSES
from massivetext.models.files.naming import to_stored

from .conftest import TRANSFORMERS_FAMILIES, tiny_config, tiny_model

AUTO = {
    "base": "AutoModel",
    "sequence-classification": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
    "question-answering": "AutoModelForQuestionAnswering",
}
CASES = [(task, name) for task in AUTO for name in TRANSFORMERS_FAMILIES if name in CLASSES[task]]
HEADS = [case for case in CASES if case[0] != "base"]
PAD = 5


def randomised(model):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.2, generator=generator)
    return model.eval()


def config_of(family, **changes):
    return tiny_config(family, **{"num_labels": 3, "pad_token_id": PAD, **changes})


def peer_of(task, family, attention=None, **changes):
    config = transformers.AutoConfig.for_model(**config_of(family, **changes).to_hugging_face())
    return randomised(getattr(transformers, AUTO[task]).from_config(config, attn_implementation=attention))


def batch(side="right"):
    ids = torch.randint(6, 300, (3, 12), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[0, slice(0, 4) if side == "left" else slice(8, 12)] = 0
    return {"input_ids": ids.masked_fill(mask == 0, PAD), "attention_mask": mask}


def labels_of(task):
    tokens = torch.arange(36).reshape(3, 12) % 3
    return {
        "sequence-classification": {"labels": torch.tensor([0, 2, 1])},
        "token-classification": {"labels": tokens.masked_fill(batch()["attention_mask"] == 0, -100)},
        "question-answering": {
            "start_positions": torch.tensor([1, 3, 50]), "end_positions": torch.tensor([[2], [4], [50]])
        },
    }[task]  # fmt: skip


def apart(ours, theirs, mask=None):
    """The largest difference of two models' outputs, at the padding too, which the loss of answers counts.

    With a mask: but for the padding.
    """
    names = ("loss", "last_hidden_state", "logits", "start_logits", "end_logits")
    pairs = [(getattr(ours, name, None), getattr(theirs, name, None)) for name in names]
    gaps = [(one - two).abs() for one, two in pairs if two is not None]
    kept = [gap if mask is None or gap.shape[:2] != mask.shape else gap[mask.bool()] for gap in gaps]
    return max(float(gap.max()) for gap in kept)


@pytest.mark.parametrize(("task", "family"), CASES)
def test_a_folder_written_by_transformers_gives_the_same_numbers_here(task, family, tmp_path):
    peer = peer_of(task, family)
    peer.save_pretrained(tmp_path)
    model = getattr(mt, AUTO[task]).from_pretrained(tmp_path)
    named = getattr(mt, type(peer).__name__).from_pretrained(tmp_path)  # the class has the same name there and here
    assert type(model) is type(named) is CLASSES[task][family]
    for side in ("right", "left"):
        inputs = batch(side)
        if task == "question-answering":
            inputs |= {"start_positions": torch.tensor([5, 1, 2]), "end_positions": torch.tensor([6, 1, 9])}
        counted = {}
        if side == "left" and family != "opt":  # OPT counts text alone by itself, others when they generate; we always
            counted = {"position_ids": (inputs["attention_mask"].cumsum(-1) - 1).clamp(min=0)}
        with torch.no_grad():
            # OpenAI GPT's padding reads all that comes after it there.
            mask = inputs["attention_mask"] if family == "openai-gpt" else None
            off = apart(model(**inputs), peer(**inputs, **counted), mask)
        assert off <= 1e-5, side


@pytest.mark.parametrize(("task", "family"), CASES)
def test_a_folder_written_here_gives_the_same_numbers_in_transformers(task, family, tmp_path):
    model = randomised(CLASSES[task][family](config_of(family)))
    model.save_pretrained(tmp_path)
    auto = getattr(transformers, AUTO[task])
    peer, report = auto.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"] and not report["mismatched_keys"]
    assert json.loads((tmp_path / "config.json").read_text())["architectures"] == [type(peer).__name__]
    again = getattr(mt, AUTO[task]).from_pretrained(tmp_path, verify=False)
    inputs = batch()
    with torch.no_grad():
        ours, theirs = model(**inputs), peer.eval()(**inputs)
        assert apart(ours, theirs) <= 1e-5
        assert torch.equal(again(**inputs)[0], ours[0])


@pytest.mark.parametrize(("task", "family"), HEADS)
def test_loss_gradients_and_what_the_layers_did_are_those_of_transformers(task, family, tmp_path):
    peer = peer_of(task, family, attention="eager")
    peer.save_pretrained(tmp_path)
    model = getattr(mt, AUTO[task]).from_pretrained(tmp_path)
    inputs = {**batch(), **labels_of(task)}
    shown = {"output_hidden_states": True, "output_attentions": True}
    ours, theirs = model(**inputs, **shown), peer(**inputs, **shown)
    assert ours.loss > 0 and torch.allclose(ours.loss, theirs.loss, atol=1e-5)
    for name in ("hidden_states", "attentions"):
        for mine, other in zip(getattr(ours, name), getattr(theirs, name), strict=True):
            assert (mine - other).abs().max() <= 1e-5, name
    ours.loss.backward()
    theirs.loss.backward()
    found = to_stored({name: parameter.grad for name, parameter in model.named_parameters()}, model.places())
    expected = {name: parameter.grad for name, parameter in peer.named_parameters()}
    assert set(found) == set(expected)
    for name in expected:
        if "embed_tokens" in name:  # transformers gives the row of padding none
            found[name][PAD], expected[name][PAD] = 0.0, 0.0
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
    for task in ("sequence-classification", "question-answering"):
        peer_of(task, "opt", **changes).save_pretrained(tmp_path / task)
        for auto in {AUTO[task], AUTO["base"]}:
            peer = getattr(transformers, auto).from_pretrained(tmp_path / task, attn_implementation="eager").eval()
            with torch.no_grad():
                ours, theirs = getattr(mt, auto).from_pretrained(tmp_path / task)(**inputs), peer(**inputs)
            assert apart(ours, theirs) <= 1e-5


def test_a_causal_model_becomes_a_classifier_with_a_fresh_head(tmp_path, capsys):
    tiny_model("llama").save_pretrained(tmp_path)
    model = mt.AutoModelForSequenceClassification.from_pretrained(tmp_path, num_labels=4, pad_token_id=PAD)
    said = capsys.readouterr().err
    assert "lm_head.weight" in said and "score.weight" in said
    assert model(**batch()).logits.shape == (3, 4)
    same = mt.AutoModelForSequenceClassification.from_pretrained(tmp_path, num_labels=4, pad_token_id=PAD)
    assert torch.equal(model.score.weight, same.score.weight)


@pytest.mark.parametrize("task", ["token-classification", "question-answering"])
def test_a_head_of_the_same_family_takes_over_the_decoder_of_any_other(task, tmp_path, capsys):
    answering = randomised(mt.LlamaForQuestionAnswering(config_of("llama")))  # its files call the decoder otherwise
    answering.save_pretrained(tmp_path / "answering")
    mt.AutoModelForTokenClassification.from_pretrained(tmp_path / "answering").save_pretrained(tmp_path / "tokens")
    said = capsys.readouterr().err
    assert "qa_outputs.weight" in said and "score.weight, score.bias" in said
    for folder in ("answering", "tokens"):
        model = getattr(mt, AUTO[task]).from_pretrained(tmp_path / folder)
        body = zip(model.body.parameters(), answering.body.parameters(), strict=True)
        assert all(torch.equal(one, two) for one, two in body)


@pytest.mark.parametrize(("family", "share"), [("gpt2", None), ("gpt_neox", 0.3), ("llama", None), ("qwen3", 0.25)])
def test_what_is_dropped_before_a_classifier_of_tokens_is_what_transformers_drops(family, share, tmp_path):
    changes = {} if share is None else {"classifier_dropout": share}
    mt.AutoModelForTokenClassification.from_config(config_of(family, **changes)).save_pretrained(tmp_path)
    peer = transformers.AutoModelForTokenClassification.from_pretrained(tmp_path)
    peer.save_pretrained(tmp_path / "theirs")
    for folder in (tmp_path, tmp_path / "theirs"):
        assert mt.AutoModelForTokenClassification.from_pretrained(folder).dropout.p == peer.dropout.p == (share or 0.1)


def test_texts_without_a_padding_id_are_labelled_one_at_a_time():
    model = mt.GPT2ForSequenceClassification(tiny_config("gpt2")).eval()
    assert model(batch()["input_ids"][:1]).logits.shape == (1, 2)
    with pytest.raises(ModelError, match=r"3 texts.*no pad_token_id.*tokenizer\.pad_token_id"):
        model(batch()["input_ids"])


def test_labels_outside_the_classes_are_named():
    model = mt.LlamaForSequenceClassification(config_of("llama"))
    with pytest.raises(ModelError, match="labels has the value 3; allowed: 0 to 2"):
        model(**batch(), labels=torch.tensor([0, 3, 1]))
    with pytest.raises(ModelError, match="labels has the value 7; allowed: 0 to 2, and -100 for none"):
        mt.GPT2ForTokenClassification(config_of("gpt2"))(**batch(), labels=torch.full((3, 12), 7))


def test_fresh_weights_are_a_function_of_the_seed():
    one, two, other = (mt.Qwen3ForSequenceClassification(config_of("qwen3"), seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.score.weight, other.score.weight)


def test_half_precision_keeps_the_rotary_frequencies(tmp_path):
    tiny_model("llama").save_pretrained(tmp_path)
    model = mt.AutoModel.from_pretrained(tmp_path, dtype="bfloat16")
    assert model.dtype == torch.bfloat16 and model.body.frequencies.dtype == torch.float32
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
