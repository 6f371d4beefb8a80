"""The classes that the table of families makes: names and bases are known to others, and they pickle."""

import ast
import inspect
import pickle
from pathlib import Path

import pytest
import torch
import transformers

import massivetext as mt
from massivetext.models.families import classes
from massivetext.models.families.table import CLASSES, FAMILIES

MODELS = [model for models in CLASSES.values() for model in models.values()]
OURS = {"palm"}  # transformers has no such family


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_class_has_the_name_that_transformers_has_for_the_family_and_task(model):
    if model.config_class.model_type in OURS:
        pytest.skip("transformers has no such family")
    theirs = getattr(transformers, model.__name__)
    assert theirs.config_class.model_type == model.config_class.model_type


def test_the_stub_lists_every_class_with_its_bases():
    stub = Path(inspect.getfile(classes)).with_suffix(".pyi").read_text(encoding="utf-8")
    listed = {
        node.name: [base.id for base in node.bases] for node in ast.parse(stub).body if isinstance(node, ast.ClassDef)
    }
    assert listed == {model.__name__: [base.__name__ for base in model.__bases__] for model in MODELS}


def test_every_public_model_class_is_one_of_the_table():
    public = {name for name, module in mt.PUBLIC_NAMES.items() if module == classes.__name__}
    assert public <= {model.__name__ for model in MODELS}


@pytest.mark.parametrize(("task", "family"), [("causal-lm", "llama"), ("base", "bert"), ("seq2seq-lm", "t5")])
def test_a_model_pickles(task, family):
    sizes = {"vocab_size": 50} | ({"d_model": 16, "d_ff": 16, "num_layers": 1, "d_kv": 4} if family == "t5" else {})
    sizes |= {} if family == "t5" else {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = CLASSES[task][family](mt.AutoConfig.for_model(family, **sizes))
    back = pickle.loads(pickle.dumps(model))
    assert type(back) is type(model)
    assert all(torch.equal(tensor, back.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_every_family_has_a_model_without_a_head_and_one_that_predicts_tokens():
    for name in FAMILIES:
        assert name in CLASSES["base"]
        assert any(name in CLASSES[task] for task in ("causal-lm", "masked-lm", "seq2seq-lm"))
