"""Attribution: completeness, the formula of one pass, what is asked; bad input."""

import numpy as np
import pytest
import torch

import massivetext as mt
from massivetext.errors import ConfigError, DataError, ModelError

from .conftest import CHINESE, ENGLISH, tiny_model


def assert_adds_up(found):
    """Completeness: the values share out the difference between the text and one that says nothing."""
    assert len(found.values) == len(found.pieces) + len(found.written)
    assert abs(found.score - found.baseline_score - found.values.sum()) <= 0.005 * np.abs(found.values).sum()
    assert found.unexplained == pytest.approx(found.score - found.baseline_score - found.values.sum(), abs=1e-6)


@pytest.mark.parametrize("text", [ENGLISH, CHINESE])
@pytest.mark.parametrize("family", ["gpt2", "llama", "palm", "opt"])
def test_the_values_of_a_next_token_add_up_to_what_the_text_changed(family, text, byte_tokenizer):
    model = tiny_model(family)
    found = mt.attribute_tokens(model, byte_tokenizer, text, steps=150)
    ids = torch.tensor([byte_tokenizer.encode(text)])
    with torch.no_grad():
        logits = model(ids).logits[0, -1].log_softmax(-1)
        masked = torch.full_like(ids, byte_tokenizer.mask_token_id)
        masked[0, 0] = ids[0, 0]  # all tokens rest on the first
        nothing = model(masked).logits[0, -1].log_softmax(-1)
    assert found.target_id == int(logits.argmax())
    assert found.score == pytest.approx(float(logits.max()), abs=1e-5)
    assert found.baseline_score == pytest.approx(float(nothing[found.target_id]), abs=1e-5)
    assert_adds_up(found)
    assert [piece.id for piece in found.pieces] == ids[0].tolist()
    assert found.values[0] == 0 and np.abs(found.values).max() > 0.005


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_the_values_of_a_masked_token_add_up(family, word_tokenizer):
    for text in ("the cat [MASK] on the mat", "北京是[MASK]国的首都"):
        found = mt.attribute_tokens(tiny_model(family), word_tokenizer, text, steps=150)
        assert_adds_up(found)
        special = np.array([piece.special for piece in found.pieces])
        assert special.sum() == 3 and not found.values[special].any()  # they stay in the text that says nothing


@pytest.mark.parametrize("text", [ENGLISH, CHINESE])
def test_the_values_of_a_label_add_up(text, word_tokenizer):
    model = tiny_model("bert", "AutoModelForSequenceClassification", num_labels=3)
    for label in range(3):
        found = mt.attribute_tokens(model, word_tokenizer, text, target=f"LABEL_{label}", steps=150)
        assert_adds_up(found)
        assert found.target_id == label and found.target == f"LABEL_{label}"


@pytest.mark.parametrize("family", ["gpt2", "qwen3"])
def test_the_values_of_a_causal_classifier_add_up(family, byte_tokenizer):
    model = tiny_model(family, "AutoModelForSequenceClassification", num_labels=3)
    found = mt.attribute_tokens(model, byte_tokenizer, CHINESE, target=1, steps=150)
    with torch.no_grad():
        logits = model(torch.tensor([byte_tokenizer.encode(CHINESE)])).logits.log_softmax(-1)
    assert_adds_up(found)
    assert found.score == pytest.approx(float(logits[0, 1]), abs=1e-5) and found.target == "LABEL_1"


@pytest.mark.parametrize("family", ["t5", "bart", "marian"])
def test_the_values_of_both_sides_of_an_encoder_decoder_add_up(family, byte_tokenizer):
    model = tiny_model(family)
    found = mt.attribute_tokens(model, byte_tokenizer, CHINESE, target_text="the cat", place=1, steps=150)
    target = byte_tokenizer.encode("the cat")
    assert found.target_id == target[1] and [piece.id for piece in found.written] == [1, target[0]]
    assert_adds_up(found)
    assert np.abs(found.values[: len(found.pieces)]).min() > 0 and found.values[-1] != 0


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_the_values_of_an_encoder_decoder_that_labels_add_up(family, unigram_tokenizer):
    model = tiny_model(family, "AutoModelForSequenceClassification", num_labels=3)
    found = mt.attribute_tokens(model, unigram_tokenizer, CHINESE, target=1, steps=400)
    with torch.no_grad():
        logits = model(torch.tensor([unigram_tokenizer.encode(CHINESE)])).logits.log_softmax(-1)
    assert_adds_up(found)
    assert found.score == pytest.approx(float(logits[0, 1]), abs=1e-5) and not found.written
    assert np.abs(found.values[:-1]).min() > 0 and found.pieces[-1].special  # the end, where the text is labelled


def test_a_regression_is_explained_by_its_value(word_tokenizer):
    model = tiny_model("bert", "AutoModelForSequenceClassification", num_labels=1)
    found = mt.attribute_tokens(model, word_tokenizer, ENGLISH, steps=150)
    with torch.no_grad():
        value = float(model(torch.tensor([word_tokenizer.encode(ENGLISH)])).logits)
    assert_adds_up(found)
    assert found.score == pytest.approx(value, abs=1e-5)


def test_gradient_times_input_is_that_product(byte_tokenizer):
    model = tiny_model("gpt_neox")
    found = mt.attribute_tokens(model, byte_tokenizer, CHINESE, method="gradient_times_input")
    embeddings = model.embed(torch.tensor([byte_tokenizer.encode(CHINESE)])).detach().requires_grad_()
    model.project(model.hidden(embeddings)[:, -1]).log_softmax(-1)[0, found.target_id].backward()
    expected = (embeddings.grad * embeddings).sum(-1)[0].detach().numpy()
    assert np.abs(found.values - expected).max() <= 1e-5
    assert all(parameter.grad is None for name, parameter in model.named_parameters() if "embed_in" in name)


def test_a_place_in_the_text_is_explained_by_what_stands_before_it(byte_tokenizer):
    model, ids = tiny_model("gpt2"), byte_tokenizer.encode(CHINESE)
    found = mt.attribute_tokens(model, byte_tokenizer, CHINESE, place=4, steps=8)
    assert [piece.id for piece in found.pieces] == ids[:4] and found.target_id == ids[4]


def test_a_place_of_a_masked_model_is_hidden_and_guessed(word_tokenizer):
    ids = word_tokenizer.encode(CHINESE)
    found = mt.attribute_tokens(tiny_model("bert"), word_tokenizer, CHINESE, place=2, steps=8)
    assert found.target == CHINESE[1] and found.target_id == ids[2] and found.pieces[2].label == "[MASK]"


def test_a_target_may_be_named(byte_tokenizer):
    found = mt.attribute_tokens(tiny_model("gpt2"), byte_tokenizer, ENGLISH, target="b", steps=4)
    assert found.target == "b" and found.target_id == byte_tokenizer.encode("b")[0]


def test_no_gradient_is_left_in_the_model(byte_tokenizer):
    model = tiny_model("llama").train()
    mt.attribute_tokens(model, byte_tokenizer, ENGLISH, steps=4)
    assert model.training and all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "integrated_gradient"}, "did you mean 'integrated_gradients'"),
        ({"steps": 0}, "steps is 0; allowed: 1 or more"),
        ({"target": 320}, "target is 320; allowed: 0 to 319"),
        ({"target": "the cat sat"}, r"target 'the cat sat' is \d+ tokens .*give one token"),
        ({"place": 0}, "place is 0, and nothing stands before"),
        ({"place": 99}, r"place is 99; allowed: 0 to \d+"),
    ],
)
def test_what_cannot_be_asked_is_said(options, message, byte_tokenizer):
    with pytest.raises(ConfigError, match=message):
        mt.attribute_tokens(tiny_model("gpt2"), byte_tokenizer, ENGLISH, **options)


def test_a_masked_model_needs_a_mask(word_tokenizer):
    with pytest.raises(DataError, match=r"has no \[MASK\] to predict; put one .* or give place"):
        mt.attribute_tokens(tiny_model("bert"), word_tokenizer, ENGLISH)


def test_a_classifier_names_its_labels(word_tokenizer):
    model = tiny_model("bert", "AutoModelForSequenceClassification")
    with pytest.raises(ConfigError, match=r"unknown label 'LABEL_7'.*Allowed: LABEL_0, LABEL_1"):
        mt.attribute_tokens(model, word_tokenizer, ENGLISH, target="LABEL_7")
    with pytest.raises(ConfigError, match="place is for predicted tokens"):
        mt.attribute_tokens(model, word_tokenizer, ENGLISH, place=1)
    with pytest.raises(ModelError, match="BertForTokenClassification; allowed: causal"):
        mt.attribute_tokens(tiny_model("bert", "AutoModelForTokenClassification"), word_tokenizer, ENGLISH)
