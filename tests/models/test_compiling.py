"""A model goes through `torch.compile` as one graph, which is what makes it fast: nothing in it asks for a value."""

import pytest
import torch

import massivetext as mt

from .conftest import tiny_config

ENCODER = {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4}
MODELS = {
    "llama": lambda: mt.AutoModelForCausalLM.from_config(tiny_config("llama", num_hidden_layers=1)),
    "bert": lambda: mt.AutoModelForMaskedLM.from_config(mt.AutoConfig.for_model("bert", **ENCODER)),
}


@pytest.mark.parametrize("family", list(MODELS))
def test_it_is_one_graph_with_padding_and_labels(family):
    model = MODELS[family]().eval()
    ids = torch.randint(1, 300, (2, 9), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[0, 6:] = 0
    inputs = {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(mask == 0, -100)}
    torch.compiler.reset()
    compiled = torch.compile(model, backend="eager", fullgraph=True, dynamic=False)(**inputs)
    plain = model(**inputs)
    assert torch.allclose(compiled.logits, plain.logits, atol=1e-6)
    assert torch.allclose(compiled.loss, plain.loss, atol=1e-6)
