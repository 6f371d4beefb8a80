"""The logit lens equals a plain loop over the hidden states of transformers; bad input."""

import numpy as np
import pytest
import torch

import massivetext as mt
from massivetext.errors import ConfigError, ModelError
from massivetext.explaining.reading import read_text

from .conftest import CHINESE, DECODERS, ENCODERS, ENGLISH, SEQUENCES, tiny_model

# Where transformers keeps what stands behind the last block: the final norm (and more), and the head.
NORMS = {"gpt2": "transformer.ln_f", "gpt_neox": "gpt_neox.final_layer_norm", "opt": "model.decoder.final_layer_norm",
         "t5": "decoder.final_layer_norm", "mt5": "decoder.final_layer_norm"}  # fmt: skip
NO_NORM = ("openai-gpt", "bart", "marian", *ENCODERS)


def peer_logits(peer, family, states):
    """The logits of every hidden state, by transformers' own modules; its last state has been normed."""
    norm = None if family in NO_NORM else peer.get_submodule(NORMS.get(family, "model.norm"))
    found = []
    for number, state in enumerate(states):
        hidden = state if norm is None or number == len(states) - 1 else norm(state)
        if family in ENCODERS:
            logits = peer.cls(hidden) if family == "bert" else peer.lm_head(hidden)
        elif family in ("t5", "mt5"):
            scaled = peer.config.scale_decoder_outputs
            logits = peer.lm_head(hidden * peer.config.d_model**-0.5 if scaled else hidden)
        else:
            logits = peer.get_output_embeddings()(hidden) + getattr(peer, "final_logits_bias", 0.0)
        if family == "nanochat":
            logits = 15.0 * torch.tanh(logits / 15.0)
        found.append(logits[0])
    return torch.stack(found)


@pytest.mark.parametrize("text", [ENGLISH, CHINESE])
@pytest.mark.parametrize("family", [*(name for name in DECODERS if name != "palm"), *ENCODERS, *SEQUENCES])
def test_the_lens_is_the_plain_loop_over_the_hidden_states_of_transformers(family, text, twins, tokenizer_of):
    peer, model = twins(family)
    tokenizer = tokenizer_of(family)
    target = ENGLISH if family in SEQUENCES else None
    given = read_text(model, tokenizer, text, target)
    with torch.no_grad():
        output = peer(**given.inputs(), output_hidden_states=True)
        states = output.decoder_hidden_states if family in SEQUENCES else output.hidden_states
        probabilities = peer_logits(peer, family, states).softmax(-1)
        logits = model(**given.inputs()).logits
    found = mt.logit_lens(model, tokenizer, text, target, top=4)
    layers, places, _ = probabilities.shape
    assert found.top_ids.shape == (layers, places, 4) and len(found.pieces) == places
    assert np.abs(found.top_probabilities - probabilities.topk(4).values.numpy()).max() <= 1e-5
    shares = probabilities.gather(2, torch.tensor(found.top_ids)).numpy()  # two tokens may be as likely as each other
    assert np.abs(found.top_probabilities - shares).max() <= 1e-5
    for place, actual in enumerate(found.actual):
        if actual < 0:
            assert np.isnan(found.actual_probabilities[:, place]).all() and not found.actual_ranks[:, place].any()
            continue
        assert np.abs(found.actual_probabilities[:, place] - probabilities[:, place, actual].numpy()).max() <= 1e-5
        likelier = (probabilities[:, place] > probabilities[:, place, actual, None] + 1e-6).sum(-1).numpy()
        assert (found.actual_ranks[:, place] >= likelier + 1).all()
    last = logits[0].softmax(-1)
    assert np.array_equal(found.top_ids[-1], last.topk(4).indices.numpy())
    assert np.array_equal(found.top_probabilities[-1], last.topk(4).values.numpy())


def test_what_is_right_is_the_next_token_of_a_causal_model(byte_tokenizer):
    model = tiny_model("qwen3")
    ids = byte_tokenizer.encode(CHINESE)
    found = mt.logit_lens(model, byte_tokenizer, CHINESE, top=1)
    assert found.actual.tolist() == [*ids[1:], -1]
    assert found.actual_labels == [*(piece.label for piece in found.pieces[1:]), ""]
    assert set(found.labels) == set(found.top_ids.ravel().tolist())
    likeliest = found.actual_ranks == 1
    assert np.array_equal(found.top_ids[..., 0][likeliest], np.broadcast_to(found.actual, likeliest.shape)[likeliest])


def test_what_is_right_under_a_mask_is_not_known(word_tokenizer):
    found = mt.logit_lens(tiny_model("bert"), word_tokenizer, "the [MASK] sat")
    ids = word_tokenizer.encode("the [MASK] sat")
    assert found.actual.tolist() == [*ids[:2], -1, *ids[3:]]


def test_an_encoder_decoder_is_right_with_the_target(byte_tokenizer):
    found = mt.logit_lens(tiny_model("bart"), byte_tokenizer, ENGLISH, "cat 北京")
    ids = byte_tokenizer.encode("cat 北京")
    assert found.actual.tolist() == ids and [piece.id for piece in found.pieces] == [1, *ids[:-1]]


def test_palm_divides_its_logits_at_every_layer(byte_tokenizer):
    model = tiny_model("palm")
    found = mt.logit_lens(model, byte_tokenizer, ENGLISH, top=3)
    with torch.no_grad():
        output = model(torch.tensor([byte_tokenizer.encode(ENGLISH)]), output_hidden_states=True)
        normed = model.model.norm(output.hidden_states[1]) / 32**0.5
        expected = (normed @ model.model.embed_tokens.weight.T).softmax(-1)[0]
    assert np.abs(found.top_probabilities[1] - expected.topk(3).values.numpy()).max() <= 1e-5
    assert np.array_equal(found.top_ids[-1], output.logits[0].topk(3).indices.numpy())


def test_models_that_predict_no_tokens_are_refused(word_tokenizer):
    with pytest.raises(ModelError, match=r"BertForSequenceClassification predicts no tokens.*use a causal or masked"):
        mt.logit_lens(tiny_model("bert", "AutoModelForSequenceClassification"), word_tokenizer, ENGLISH)
    with pytest.raises(ModelError, match="T5Model predicts no tokens"):
        mt.logit_lens(tiny_model("t5", "AutoModel"), word_tokenizer, ENGLISH, CHINESE)


@pytest.mark.parametrize("top", [0, 321])
def test_top_stays_within_the_vocabulary(top, byte_tokenizer):
    with pytest.raises(ConfigError, match=f"top is {top}; allowed: 1 to 320"):
        mt.logit_lens(tiny_model("gpt2"), byte_tokenizer, ENGLISH, top=top)
