"""What holds for every decoder family: packing, padding, initialisation, the state dict."""

import math

import pytest
import torch

from massivetext.errors import ModelError
from massivetext.layers.attention import attend, segment_mask
from massivetext.layers.loss import chunked_cross_entropy
from massivetext.models.auto import AutoModelForCausalLM
from massivetext.models.families.table import CLASSES

from .conftest import tiny_config, tiny_model

FAMILIES = sorted(CLASSES["causal-lm"])


DEVIATIONS = [  # of the embedding, the positions, the queries, the way back of the feed-forward part
    ("gpt2", {}, (0.02, 0.01, 0.02, 0.02 / math.sqrt(6))),
    ("openai-gpt", {}, (0.02, 0.02, 0.02, 0.02)),
    ("opt", {}, (0.006, 0.006, 0.006, 0.006 / math.sqrt(6))),
    ("gpt_neox", {}, (math.sqrt(0.4 / 128), None, math.sqrt(0.4 / 128), 2 / (3 * math.sqrt(128)))),
    ("palm", {"head_dim": None}, (1.0, None, 1 / math.sqrt(128), 1 / math.sqrt(512))),
]


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


def test_packed_documents_equal_documents_alone(family):
    model = tiny_model(family)
    documents = [torch.randint(0, 300, (1, length)) for length in (9, 1, 14)]
    packed = torch.cat(documents, 1)
    positions = torch.cat([torch.arange(part.shape[1]) for part in documents])[None]
    segments = torch.cat([torch.full((part.shape[1],), n) for n, part in enumerate(documents)])[None]
    with torch.no_grad():
        alone = torch.cat([model(part).logits for part in documents], 1)
        together = model(packed, position_ids=positions, segments=segments).logits
    assert (alone - together).abs().max() <= 1e-5


def test_padding_changes_nothing(family):
    model = tiny_model(family)
    text = torch.randint(0, 300, (1, 7))
    for left, right in ((5, 0), (0, 5)):
        padded = torch.cat([torch.zeros(1, left), text, torch.zeros(1, right)], 1).long()
        mask = torch.cat([torch.zeros(1, left), torch.ones(1, 7), torch.zeros(1, right)], 1).long()
        with torch.no_grad():
            found = model(padded, attention_mask=mask).logits[:, left : left + 7]
            assert (found - model(text).logits).abs().max() <= 1e-5


def test_the_loss_of_forward_is_that_of_the_pieces(family):
    model = tiny_model(family)
    row = torch.randint(0, 300, (2, 11))
    hidden = model.hidden(model.embed(row[:, :-1]))
    pieces = chunked_cross_entropy(
        hidden.flatten(0, 1), model.head_weight, row[:, 1:].flatten(), 4, model.config.softcap
    )
    assert torch.allclose(model(row, labels=row).loss, pieces.mean(), atol=1e-5)


def test_initialisation_is_a_function_of_the_seed(family):
    one, two, other = (CLASSES["causal-lm"][family].from_config(tiny_config(family), seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.model.embed_tokens.weight, other.model.embed_tokens.weight)


@pytest.mark.parametrize("family", ["arcee", "llama", "mistral", "nanochat", "qwen2", "qwen3"])
def test_a_fresh_block_of_llamas_kind_passes_its_input_through(family):
    model = CLASSES["causal-lm"][family].from_config(tiny_config(family))
    embeddings = model.embed(torch.randint(0, 300, (1, 5)))
    assert torch.allclose(model.hidden(embeddings), model.body.norm(model.body.enter(embeddings)), atol=1e-6)


@pytest.mark.parametrize(("family", "changes", "expected"), DEVIATIONS)
def test_fresh_weights_have_the_deviations_of_the_familys_paper(family, changes, expected):
    model = CLASSES["causal-lm"][family](tiny_config(family, hidden_size=128, **{"intermediate_size": 512, **changes}))
    found = dict(model.named_parameters())
    down = next(name for name in found if name.endswith(("1.mlp.down_proj.weight", "1.mlp.fc2.weight")))
    top, query = "model.embed_", "model.layers.1.self_attn.q_proj.weight"
    for name, deviation in zip((f"{top}tokens.weight", f"{top}positions.weight", query, down), expected, strict=True):
        assert (name in found) == (deviation is not None)
        if deviation is not None:
            assert float(found[name].detach().std()) == pytest.approx(deviation, rel=0.05), name
    zero = [name for name, parameter in model.named_parameters() if name.endswith("bias") and parameter.any()]
    assert not zero


def test_a_model_made_from_its_configuration_alone_has_weights():
    one, two = (
        CLASSES["causal-lm"]["gpt2"](tiny_config("gpt2")),
        CLASSES["causal-lm"]["gpt2"].from_config(tiny_config("gpt2")),
    )
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_dropout_drops_in_training_only():
    model = tiny_model("gpt2", resid_pdrop=0.5, attn_pdrop=0.5, embd_pdrop=0.5)
    row = torch.randint(0, 300, (1, 9))
    assert torch.equal(model(row).logits, model(row).logits)
    model.train()
    assert not torch.equal(model(row).logits, model(row).logits)


@pytest.mark.parametrize(("place", "token"), [((0, 0), -1), ((1, 3), 300)])
def test_an_id_out_of_range_is_named_before_the_kernel_sees_it(family, place, token):
    row = torch.ones(2, 5, dtype=torch.long)
    row[place] = token
    with pytest.raises(ModelError, match=rf"input_ids\[{place[0]}, {place[1]}\] is {token}; .*allowed 0 to 299"):
        tiny_model(family)(row)


@pytest.mark.parametrize("family", ["gpt2", "openai-gpt", "opt"])
def test_a_row_longer_than_the_learned_positions_is_refused_with_the_way_out(family):
    model = tiny_model(family, max_position_embeddings=8)
    assert model(torch.ones(1, 8, dtype=torch.long)).logits.shape == (1, 8, 300)
    with pytest.raises(ModelError, match=r"9 tokens .* positions for 8 .*input_ids\[:, :8\]"):
        model(torch.ones(1, 9, dtype=torch.long))


@pytest.mark.parametrize("family", ["mistral"])
def test_a_token_beyond_the_window_is_not_read(family):
    model = tiny_model(family, sliding_window=4, num_hidden_layers=1)
    row = torch.randint(0, 300, (1, 9))
    other = row.clone()
    other[0, 0] = (row[0, 0] + 1) % 300
    with torch.no_grad():
        moved = (model(row).logits - model(other).logits)[0].abs().amax(-1)
    assert moved[3] > 1e-3 and moved[4:].max() == 0


def test_every_parameter_is_in_one_group(family):
    for tied in (False, True):
        model = tiny_model(family, tie_word_embeddings=tied)
        groups = model.parameter_groups()
        names = [name for group in groups.values() for name in group]
        assert sorted(names) == sorted(name for name, _ in model.named_parameters())
        assert len(groups["matrices"]) == 3 * (7 if model.config.gated else 6)
        assert ("model.embed_positions.weight" in groups["embedding"]) == (model.body.frequencies is None)
        assert groups["head"] == ([] if tied else ["lm_head.weight"])


def test_hidden_compiles_into_one_graph(family):
    model = tiny_model(family)
    torch._dynamo.reset()  # it counts the models of other tests against its limit
    embeddings = model.embed(torch.randint(0, 300, (2, 8))).detach()
    positions, segments = torch.arange(8).expand(2, 8), torch.tensor([[0] * 8, [0] * 3 + [1] * 5])
    compiled = torch.compile(model.hidden, backend="eager", fullgraph=True, dynamic=False)
    with torch.no_grad():
        difference = compiled(embeddings, positions, segments) - model.hidden(embeddings, positions, segments)
    assert difference.abs().max() <= 1e-6


def test_one_batch_is_learnt(family):
    larger = {} if family == "palm" else {"initializer_range": 0.1}  # palm's is one, and divided out in the head
    model = CLASSES["causal-lm"][family].from_config(tiny_config(family, **larger))
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    row = torch.randint(0, 300, (2, 8), generator=torch.Generator().manual_seed(0))
    for _ in range(40):
        loss = model(row, labels=row).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.5


def test_weights_that_do_not_fit_are_all_named():
    model = tiny_model("llama")
    weights = dict(model.state_dict())
    del weights["model.norm.weight"]
    weights["extra"] = torch.zeros(2)
    weights["lm_head.weight"] = torch.zeros(3, 4)
    with pytest.raises(ModelError) as error:
        model.load_weights(weights)
    for part in ("missing: model.norm.weight", "not expected: extra (2,)", "lm_head.weight has shape (3, 4)"):
        assert part in str(error.value)


def test_masks_of_padding_and_of_segments_together_are_refused():
    with pytest.raises(ModelError, match="both given"):
        ones = torch.ones(1, 3, dtype=torch.long)
        tiny_model("llama")(ones, attention_mask=ones, segments=ones)


def test_outputs_open_by_name_and_by_place():
    output = tiny_model("llama")(torch.ones(1, 3, dtype=torch.long))
    assert output[0] is output.logits and output["logits"] is output.logits


def test_from_config_finds_the_family(family):
    assert type(AutoModelForCausalLM.from_config(tiny_config(family))) is CLASSES["causal-lm"][family]


@pytest.mark.parametrize("family", ["gpt2", "llama", "mistral", "palm"])
def test_packed_documents_need_no_mask_where_a_kernel_takes_them_as_they_are(family, monkeypatch):
    model = tiny_model(family).eval()
    ids, segments = torch.randint(0, 90, (2, 12)), torch.tensor([[0] * 5 + [1] * 7, [0] * 2 + [1] * 4 + [2] * 6])
    masked = model.hidden(model.embed(ids), segments=segments)
    seen = []

    def packed(queries, keys, values, packing, scale):
        seen.append(packing.bounds.tolist())
        return attend(queries, keys, values, segment_mask(segments, packing.window))

    monkeypatch.setattr("massivetext.models.decoder.kernel_packs", lambda embeddings: True)
    monkeypatch.setattr("massivetext.layers.attention.attend_packed", packed)
    assert torch.allclose(model.hidden(model.embed(ids), segments=segments), masked, atol=1e-6)
    assert seen[0] == [0, 5, 12, 14, 18, 24, 24, 24, 24]
