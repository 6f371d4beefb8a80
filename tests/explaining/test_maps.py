"""Attention maps equal those of transformers, for every family, in English and Chinese; bad input."""

import numpy as np
import pytest
import torch

import massivetext as mt
from massivetext.errors import ConfigError, DataError
from massivetext.explaining.reading import read_text

from .conftest import CHINESE, DECODERS, ENCODERS, ENGLISH, SEQUENCES, tiny_model

TEXTS = (ENGLISH, CHINESE, f"{CHINESE} {ENGLISH}")


def assert_equal(found, expected):
    assert found.weights.shape == (len(expected), *expected[0].shape[1:])
    for layer, theirs in enumerate(expected):
        assert np.abs(found.weights[layer] - theirs[0].numpy()).max() <= 1e-5
    assert np.allclose(found.weights.sum(-1), 1.0, atol=1e-5)
    assert found.weights.shape[2:] == (len(found.readers), len(found.read))


@pytest.mark.parametrize("family", sorted({*DECODERS, *ENCODERS} - {"palm"}))
def test_the_attention_of_every_layer_and_head_is_that_of_transformers(family, twins, tokenizer_of):
    peer, model = twins(family)
    for text in TEXTS:
        given = read_text(model, tokenizer_of(family), text)
        with torch.no_grad():
            expected = peer(**given.inputs(), output_attentions=True).attentions
        assert_equal(mt.attention_maps(model, tokenizer_of(family), text)["self"], expected)


@pytest.mark.parametrize("family", SEQUENCES)
def test_encoder_decoders_have_three_kinds_of_maps(family, twins, byte_tokenizer):
    peer, model = twins(family)
    for text, target in ((ENGLISH, CHINESE), (CHINESE, ENGLISH), (ENGLISH, None)):
        given = read_text(model, byte_tokenizer, text, target)
        with torch.no_grad():
            expected = peer(**given.inputs(), output_attentions=True)
        found = mt.attention_maps(model, byte_tokenizer, text, target)
        assert list(found) == ["encoder", "decoder", "cross"]
        assert_equal(found["encoder"], expected.encoder_attentions)
        assert_equal(found["decoder"], expected.decoder_attentions)
        assert_equal(found["cross"], expected.cross_attentions)


def test_what_an_encoder_decoder_writes_itself_is_what_generate_gives(byte_tokenizer):
    model = tiny_model("t5", dropout_rate=0.5)
    given = read_text(model.train(), byte_tokenizer, ENGLISH)
    assert model.training
    written = model.eval().generate(given.input_ids, max_new_tokens=24)
    assert torch.equal(given.decoder_ids, written[:, :-1]) and given.following == tuple(written[0, 1:].tolist())


@pytest.mark.parametrize("family", [*DECODERS, *ENCODERS, *SEQUENCES])
def test_asking_for_attention_changes_no_numbers(family, tokenizer_of):
    model = tiny_model(family)
    inputs = read_text(model, tokenizer_of(family), ENGLISH, CHINESE if family in SEQUENCES else None).inputs()
    with torch.no_grad():
        plain, watched = model(**inputs), model(**inputs, output_attentions=True, output_hidden_states=True)
    assert (plain.logits - watched.logits).abs().max() <= 1e-5 * max(1.0, float(plain.logits.abs().max()))
    assert not any("attentions" in name and value is not None for name, value in vars(plain).items())


@pytest.mark.parametrize("family", ["gpt2", "mistral"])
def test_padded_and_packed_tokens_read_what_they_may(family, twins):
    peer, model = twins(family)
    ids, mask = torch.arange(10, 30).view(2, 10), torch.ones(2, 10, dtype=torch.long)
    mask[0, 7:] = 0
    with torch.no_grad():
        ours, theirs = (m(ids, attention_mask=mask, output_attentions=True).attentions for m in (model, peer))
        segments = torch.tensor([[0] * 4 + [1] * 6, [0] * 10])
        packed = model(ids, segments=segments, output_attentions=True).attentions
    for one, other in zip(ours, theirs, strict=True):
        assert (one - other)[mask.bool()[:, None].expand(-1, 4, -1)].abs().max() <= 1e-5
    for weights in packed:
        assert weights[0, :, 4:, :4].max() == 0 and torch.allclose(weights.sum(-1), torch.ones(2, 4, 10))


@pytest.mark.parametrize("auto", ["AutoModel", "AutoModelForSequenceClassification", "AutoModelForMultipleChoice"])
def test_models_with_any_head_or_none_have_maps(auto, word_tokenizer):
    found = mt.attention_maps(tiny_model("bert", auto), word_tokenizer, CHINESE)["self"]
    assert found.weights.shape == (3, 4, 8, 8)
    assert [piece.label for piece in found.read] == ["[CLS]", *CHINESE, "[SEP]"]


def test_one_head_is_chosen_by_number_and_a_layer_is_the_mean_of_its_heads(byte_tokenizer):
    model = tiny_model("gpt2").train()
    found = mt.attention_maps(model, byte_tokenizer, ENGLISH)["self"]
    assert model.training
    assert np.array_equal(found.of(-1, 3), found.weights[2, 3])
    assert np.allclose(found.of(1), found.weights[1].mean(0))
    with pytest.raises(ConfigError, match="layer is 3; allowed: 0 to 2, or -1 to -3 from the end"):
        found.of(3)
    with pytest.raises(ConfigError, match="head is -5; allowed: 0 to 3"):
        found.of(0, -5)


def test_an_empty_text_is_refused(byte_tokenizer, word_tokenizer):
    for model, tokenizer in ((tiny_model("llama"), byte_tokenizer), (tiny_model("bert"), word_tokenizer)):
        with pytest.raises(DataError, match="the text is empty, or no token is left of it; give at least one"):
            mt.attention_maps(model, tokenizer, "")
    with pytest.raises(DataError, match="target_text is empty"):
        mt.attention_maps(tiny_model("t5"), byte_tokenizer, ENGLISH, "")


@pytest.mark.parametrize("family", ["gpt2", "bert", "bart"])
def test_a_text_longer_than_the_model_reads_says_both_numbers(family, tokenizer_of):
    with pytest.raises(DataError, match=r"the text has \d+ tokens and the model reads at most 64; explain a shorter"):
        mt.attention_maps(tiny_model(family), tokenizer_of(family), CHINESE * 20)


def test_a_target_text_is_for_encoder_decoders(byte_tokenizer):
    with pytest.raises(ConfigError, match=r"target_text is for .*GPT2LMHeadModel reads the text alone: leave it out"):
        mt.attention_maps(tiny_model("gpt2"), byte_tokenizer, ENGLISH, CHINESE)


def test_a_causal_classifier_has_the_maps_of_its_decoder(byte_tokenizer):
    model = tiny_model("qwen3", "AutoModelForSequenceClassification")
    found = mt.attention_maps(model, byte_tokenizer, CHINESE)["self"]
    causal = mt.Qwen3ForCausalLM(model.config.changed(tie_word_embeddings=True), seed=None)
    causal.model = model.model
    expected = mt.attention_maps(causal, byte_tokenizer, CHINESE)["self"]
    assert np.array_equal(found.weights, expected.weights)
