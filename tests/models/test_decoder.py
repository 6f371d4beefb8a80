"""What holds for every decoder family: packing, padding, initialisation, the state dict."""

import pytest
import torch

from massivetext.errors import ModelError
from massivetext.layers.loss import chunked_cross_entropy
from massivetext.models.auto import AutoModelForCausalLM
from massivetext.models.families import CAUSAL_FAMILIES

from .conftest import tiny_config, tiny_model

FAMILIES = sorted(CAUSAL_FAMILIES)


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
    one, two, other = (CAUSAL_FAMILIES[family].from_config(tiny_config(family), seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.model.embed_tokens.weight, other.model.embed_tokens.weight)


def test_a_fresh_block_passes_its_input_through(family):
    model = CAUSAL_FAMILIES[family].from_config(tiny_config(family))
    embeddings = model.embed(torch.randint(0, 300, (1, 5)))
    assert torch.allclose(model.hidden(embeddings), model.model.norm(model.enter(embeddings)), atol=1e-6)


def test_every_parameter_is_in_one_group(family):
    for tied in (False, True):
        model = tiny_model(family, tie_word_embeddings=tied)
        groups = model.parameter_groups()
        names = [name for group in groups.values() for name in group]
        assert sorted(names) == sorted(name for name, _ in model.named_parameters())
        assert len(groups["matrices"]) == 3 * (7 if model.config.gated else 6)
        assert groups["head"] == ([] if tied else ["lm_head.weight"])


def test_hidden_compiles_into_one_graph(family):
    model = tiny_model(family)
    embeddings = model.embed(torch.randint(0, 300, (2, 8))).detach()
    positions, segments = torch.arange(8).expand(2, 8), torch.tensor([[0] * 8, [0] * 3 + [1] * 5])
    compiled = torch.compile(model.hidden, backend="eager", fullgraph=True, dynamic=False)
    with torch.no_grad():
        difference = compiled(embeddings, positions, segments) - model.hidden(embeddings, positions, segments)
    assert difference.abs().max() <= 1e-6


def test_one_batch_is_learnt(family):
    model = CAUSAL_FAMILIES[family].from_config(tiny_config(family, initializer_range=0.1))
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
    assert type(AutoModelForCausalLM.from_config(tiny_config(family))) is CAUSAL_FAMILIES[family]
