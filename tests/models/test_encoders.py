"""BERT, RoBERTa and XLM-R: parity with transformers on tiny random weights, both directions; heads; bad input."""

import json

import pytest
import safetensors.torch
import torch
import transformers

import massivetext as mt
from massivetext.errors import ConfigError, ModelError
from massivetext.models.families.table import CLASSES
from massivetext.state import read_state, write_state

FAMILIES = ("bert", "distilbert", "roberta", "xlm-roberta")
TASKS = {
    "base": "AutoModel",
    "masked-lm": "AutoModelForMaskedLM",
    "sequence-classification": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
    "question-answering": "AutoModelForQuestionAnswering",
    "multiple-choice": "AutoModelForMultipleChoice",
}
CASES = [(family, task) for family in FAMILIES for task in TASKS]
SIZES = {
    "vocab_size": 97, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "max_position_embeddings": 40, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "num_labels": 3,
    "pad_token_id": 1,
}  # fmt: skip


# DistilBERT's names of the sizes.
OTHER_NAMES = {
    "hidden_size": "dim", "intermediate_size": "hidden_dim", "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads", "hidden_dropout_prob": "dropout",
    "attention_probs_dropout_prob": "attention_dropout",
}  # fmt: skip


def tiny_config(family, **changes):
    values = {**SIZES, **changes}
    if family == "distilbert":
        values = {OTHER_NAMES.get(name, name): value for name, value in values.items()}
        values |= {"seq_classif_dropout": 0.0, "qa_dropout": 0.0}
    return mt.AutoConfig.for_model(family, **values)


def randomise(model):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.2, generator=generator)
    return model.eval()


def tiny_model(family, task, **changes):
    changes = {"num_labels": 2, **changes} if task == "question-answering" else changes
    return randomise(CLASSES[task][family](tiny_config(family, **changes)))


def peer_of(family, task, **changes):
    changes = {"num_labels": 2, **changes} if task == "question-answering" else changes
    values = {**tiny_config(family, **changes).to_hugging_face()}
    config = transformers.AutoConfig.for_model(**values)
    return randomise(getattr(transformers, TASKS[task]).from_config(config, attn_implementation="eager"))


def batch(task, side="right"):
    """Ids, mask and kinds with padding on one side; labels for the task."""
    generator = torch.Generator().manual_seed(1)
    shape = (2, 3, 12) if task == "multiple-choice" else (3, 12)
    ids = torch.randint(2, 97, shape, generator=generator)
    mask = torch.ones_like(ids)
    where = slice(0, 4) if side == "left" else slice(8, 12)
    mask[0, ..., where] = 0
    inputs = {"input_ids": ids.masked_fill(mask == 0, 1), "attention_mask": mask}
    inputs["token_type_ids"] = (torch.arange(12) > 5).long().expand(shape)
    labels = {
        "masked-lm": {"labels": ids.masked_fill(torch.rand(shape, generator=generator) > 0.4, -100)},
        "sequence-classification": {"labels": torch.tensor([0, 2, 1])},
        "token-classification": {"labels": (ids % 3).masked_fill(mask == 0, -100)},
        "question-answering": {
            "start_positions": torch.tensor([1, 3, 50]), "end_positions": torch.tensor([[2], [4], [50]])
        },
        "multiple-choice": {"labels": torch.tensor([2, 0])},
    }  # fmt: skip
    return inputs, labels.get(task, {})


def assert_equal_outputs(ours, theirs, mask=None):
    for name in ("last_hidden_state", "pooler_output", "logits", "start_logits", "end_logits"):
        if getattr(theirs, name, None) is not None:
            off = (getattr(ours, name) - getattr(theirs, name)).abs()
            assert off.max() <= 1e-5, name


@pytest.mark.parametrize(("family", "task"), CASES)
def test_a_folder_written_by_transformers_gives_the_same_numbers_here(family, task, tmp_path):
    peer = peer_of(family, task)
    peer.save_pretrained(tmp_path)
    model = getattr(mt, TASKS[task]).from_pretrained(tmp_path)
    assert (
        type(model).__name__
        == type(peer).__name__
        == json.loads((tmp_path / "config.json").read_text())["architectures"][0]
    )
    for side in ("right", "left"):
        inputs, labels = batch(task, side)
        if family != "bert":
            inputs["token_type_ids"] = torch.zeros_like(inputs["token_type_ids"])
        with torch.no_grad():
            ours = model(**inputs, **labels, output_hidden_states=True)
            theirs = peer(**inputs, **labels, output_hidden_states=True)
        assert_equal_outputs(ours, theirs)
        assert len(ours.hidden_states) == len(theirs.hidden_states) == 4
        for mine, other in zip(ours.hidden_states, theirs.hidden_states, strict=True):
            assert (mine - other).abs().max() <= 1e-5
        if labels:
            assert torch.allclose(ours.loss, theirs.loss, atol=1e-6)


@pytest.mark.parametrize(("family", "task"), CASES)
def test_a_folder_written_here_gives_the_same_numbers_in_transformers(family, task, tmp_path):
    model = tiny_model(family, task)
    model.save_pretrained(tmp_path)
    peer, report = getattr(transformers, TASKS[task]).from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"] and not report["mismatched_keys"]
    inputs, _ = batch(task)
    with torch.no_grad():
        assert_equal_outputs(model(**inputs), peer.eval()(**inputs))


@pytest.mark.parametrize(("family", "task"), [case for case in CASES if case[1] != "base"])
def test_gradients_are_those_of_transformers(family, task, tmp_path):
    peer = peer_of(family, task)
    peer.save_pretrained(tmp_path)
    model = getattr(mt, TASKS[task]).from_pretrained(tmp_path).double()  # the formulas are compared, not rounding
    peer.double()
    inputs, labels = batch(task)
    model(**inputs, **labels).loss.backward()
    peer(**inputs, **labels).loss.backward()
    theirs = dict(peer.named_parameters(remove_duplicate=False))
    whole = torch.stack([p.grad.norm() for p in theirs.values() if p.grad is not None]).norm()
    compared = 0
    for name, parameter in model.named_parameters():
        expected = theirs[name].grad
        if "word_embeddings" in name or (family != "bert" and "position_embeddings" in name):
            expected = expected.clone()  # transformers gives the padding row no gradient through the lookup
            rows = [row for row in range(97) if row != 1] if "word" in name else [r for r in range(40) if r != 1]
            assert (parameter.grad[rows] - expected[rows]).norm() <= 1e-6 * whole, name
        else:
            assert (parameter.grad - expected).norm() <= 1e-6 * whole, name
        compared += 1
    assert compared == len(list(peer.named_parameters()))


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        ({"num_labels": 1}, torch.tensor([0.5, -1.0, 2.0])),
        ({"num_labels": 3}, torch.tensor([[1.0, 0, 1], [0, 0, 0], [1, 1, 1]])),
        ({"num_labels": 3, "problem_type": "regression"}, torch.tensor([[1.0, 0.2, 1], [0, 0, 0], [1, 1, 1]])),
        ({"num_labels": 3, "problem_type": "single_label_classification"}, torch.tensor([1, 0, 2])),
    ],
)
def test_the_loss_follows_the_kind_of_problem_as_in_transformers(changes, labels, tmp_path):
    peer = peer_of("bert", "sequence-classification", **changes)
    peer.save_pretrained(tmp_path)
    model = mt.AutoModelForSequenceClassification.from_pretrained(tmp_path)
    inputs, _ = batch("sequence-classification")
    with torch.no_grad():
        ours, theirs = model(**inputs, labels=labels), peer(**inputs, labels=labels)
    assert ours.loss > 0 and torch.allclose(ours.loss, theirs.loss, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_changes_nothing(family):
    model = tiny_model(family, "base")
    ids = torch.randint(2, 97, (1, 7))
    padded = torch.cat([ids, torch.ones(1, 5, dtype=torch.long)], 1)
    mask = (torch.arange(12) < 7).long()[None]
    with torch.no_grad():
        alone, together = model(ids), model(padded, attention_mask=mask)
    assert (alone.last_hidden_state - together.last_hidden_state[:, :7]).abs().max() <= 1e-5


def test_a_row_that_is_all_padding_gives_numbers():
    inputs, _ = batch("base")
    inputs["attention_mask"][0] = 0
    assert tiny_model("bert", "base")(**inputs).last_hidden_state.isfinite().all()


def test_a_new_head_on_a_published_body_is_made_fresh_and_said(tmp_path, capsys):
    peer_of("bert", "masked-lm").save_pretrained(tmp_path)
    one, two = (mt.AutoModelForSequenceClassification.from_pretrained(tmp_path, num_labels=5) for _ in range(2))
    said = capsys.readouterr().err
    for part in ("classifier.weight", "bert.pooler.dense.weight", "made fresh", "cls.predictions.bias", "not used"):
        assert part in said
    assert one.config.num_labels == 5 and one.classifier.weight.shape == (5, 32)
    assert torch.equal(one.classifier.weight, two.classifier.weight)
    one.save_pretrained(tmp_path / "again")
    assert json.loads((tmp_path / "again" / "config.json").read_text())["id2label"]["4"] == "LABEL_4"


def test_a_body_alone_is_read_into_a_class_with_a_head_and_back(tmp_path):
    body = tiny_model("bert", "base")
    body.save_pretrained(tmp_path)
    answering = mt.BertForQuestionAnswering.from_pretrained(tmp_path)
    assert torch.equal(answering.bert.embeddings.word_embeddings.weight, body.embeddings.word_embeddings.weight)
    answering.save_pretrained(tmp_path / "head")
    back = mt.BertModel.from_pretrained(tmp_path / "head")
    assert torch.equal(back.encoder.layer[2].output.dense.weight, body.encoder.layer[2].output.dense.weight)


def test_old_files_with_gamma_beta_buffers_and_tied_copies_are_read(tmp_path):
    model = tiny_model("bert", "masked-lm")
    model.save_pretrained(tmp_path)
    (tmp_path / "massivetext.json").unlink()
    weights = safetensors.torch.load_file(tmp_path / "model.safetensors")
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for name, tensor in weights.items()
    }
    old["bert.embeddings.position_ids"] = torch.arange(40)[None]
    old["cls.predictions.decoder.weight"] = old["bert.embeddings.word_embeddings.weight"].clone()
    old["cls.seq_relationship.weight"] = torch.zeros(2, 32)
    safetensors.torch.save_file(old, tmp_path / "model.safetensors")
    loaded = mt.AutoModelForMaskedLM.from_pretrained(tmp_path)
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in model.state_dict().items())
    old["cls.predictions.decoder.weight"] += 1
    safetensors.torch.save_file(old, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=r"cls\.predictions\.decoder\.weight and .* are not equal"):
        mt.AutoModelForMaskedLM.from_pretrained(tmp_path)


@pytest.mark.parametrize(("family", "task"), CASES)
def test_initialisation_is_a_function_of_the_seed(family, task):
    one, two, other = (CLASSES[task][family].from_config(tiny_config(family), seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert one.training
    names = [name for group in one.parameter_groups().values() for name in group]
    assert sorted(names) == sorted(name for name, _ in one.named_parameters())


def test_dropout_is_used_in_training_only():
    model = tiny_model("bert", "base", hidden_dropout_prob=0.5, attention_probs_dropout_prob=0.5)
    inputs, _ = batch("base")
    assert torch.equal(model(**inputs).last_hidden_state, model(**inputs).last_hidden_state)
    model.train()
    assert not torch.equal(model(**inputs).last_hidden_state, model(**inputs).last_hidden_state)


def test_one_batch_is_learnt():
    model = mt.BertForSequenceClassification(tiny_config("bert"))
    inputs, labels = batch("sequence-classification")
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(60):
        loss = model(**inputs, **labels).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.1


def test_a_compiled_encoder_gives_the_same_numbers():
    model = tiny_model("roberta", "masked-lm")
    inputs, labels = batch("masked-lm")
    inputs["token_type_ids"] = torch.zeros_like(inputs["token_type_ids"])
    compiled = torch.compile(model, backend="eager", fullgraph=True, dynamic=False)
    with torch.no_grad():
        one, two = compiled(**inputs, **labels), model(**inputs, **labels)
    assert (one.logits - two.logits).abs().max() <= 1e-6 and (one.loss - two.loss).abs() <= 1e-6


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("bert", 109_482_240),  # facts.md 4: BERT-base uncased with its pooler
        ("roberta", 124_645_632),
    ],
)
def test_published_sizes_have_the_published_number_of_parameters(name, parameters):
    changes = {"max_position_embeddings": 514, "type_vocab_size": 1} if name == "roberta" else {}
    with torch.device("meta"):
        model = CLASSES["base"][name](mt.AutoConfig.for_model(name, **changes), seed=None)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


class TestBadInput:
    def test_an_id_outside_the_vocabulary_is_named(self):
        with pytest.raises(ModelError, match=r"input_ids has the id 97, and the model's vocab_size is 97"):
            tiny_model("bert", "base")(torch.tensor([[5, 97]]))

    @pytest.mark.parametrize(("family", "most"), [("bert", 40), ("roberta", 38)])
    def test_a_text_longer_than_the_context_is_told_the_ways_out(self, family, most):
        model = tiny_model(family, "base")
        model(torch.full((1, most), 5))
        with pytest.raises(ModelError, match=rf"{most + 1} tokens and the model reads at most {most}; cut it .*stride"):
            model(torch.full((1, most + 1), 5))

    def test_an_empty_batch_is_refused(self):
        with pytest.raises(ModelError, match="at least one token"):
            tiny_model("bert", "base")(torch.empty(1, 0, dtype=torch.long))

    def test_a_third_kind_of_token_is_named(self):
        with pytest.raises(ModelError, match="has the kind 2"):
            tiny_model("bert", "base")(torch.tensor([[5]]), token_type_ids=torch.tensor([[2]]))

    def test_a_label_outside_the_labels_is_named(self):
        inputs, _ = batch("sequence-classification")
        with pytest.raises(ModelError, match=r"value 3; allowed: 0 to 2.*num_labels"):
            tiny_model("bert", "sequence-classification")(**inputs, labels=torch.tensor([0, 3, 1]))

    def test_nan_weights_are_named(self, tmp_path):
        model = tiny_model("bert", "base")
        with torch.no_grad():
            model.pooler.dense.weight[0, 0] = float("nan")
        model.save_pretrained(tmp_path)
        with pytest.raises(ModelError, match=r"NaN or infinite: pooler\.dense\.weight"):
            mt.AutoModel.from_pretrained(tmp_path)

    @pytest.mark.parametrize(
        ("field", "value"),
        [("position_embedding_type", "relative_key"), ("is_decoder", True), ("tie_word_embeddings", False), ("n", 1)],
    )
    def test_fields_that_would_change_the_numbers_are_refused_by_name(self, field, value, tmp_path):
        tiny_model("bert", "base").save_pretrained(tmp_path)
        (tmp_path / "massivetext.json").unlink()
        values = json.loads((tmp_path / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps({**values, field: value}))
        with pytest.raises(ModelError, match=field):
            mt.AutoModel.from_pretrained(tmp_path)

    def test_missing_extra_and_misshaped_tensors_are_all_named(self, tmp_path):
        tiny_model("bert", "base").save_pretrained(tmp_path)
        (tmp_path / "massivetext.json").unlink()
        weights = safetensors.torch.load_file(tmp_path / "model.safetensors")
        weights["extra"] = weights.pop("encoder.layer.0.output.dense.bias")
        weights["pooler.dense.bias"] = weights["pooler.dense.bias"][:5].clone()
        safetensors.torch.save_file(weights, tmp_path / "model.safetensors")
        with pytest.raises(ModelError) as error:
            mt.AutoModel.from_pretrained(tmp_path)
        for part in (
            "missing: encoder.layer.0.output.dense.bias",
            "not expected: extra",
            "pooler.dense.bias has shape",
        ):
            assert part in str(error.value)

    def test_a_changed_tensor_is_named(self, tmp_path):
        model = tiny_model("bert", "base")
        model.save_pretrained(tmp_path)
        weights = safetensors.torch.load_file(tmp_path / "model.safetensors")
        weights["pooler.dense.bias"] += 1
        safetensors.torch.save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(ModelError, match=r"tensor pooler\.dense\.bias: changed"):
            mt.AutoModel.from_pretrained(tmp_path)

    def test_a_task_that_a_family_does_not_have_says_which_do(self, tmp_path):
        (tmp_path / "config.json").write_text('{"model_type": "llama"}')
        with pytest.raises(ModelError, match=r"Allowed: bert, .*use AutoModelForCausalLM"):
            mt.AutoModelForMaskedLM.from_pretrained(tmp_path)

    def test_a_class_does_not_read_another_familys_folder(self, tmp_path):
        tiny_model("roberta", "base").save_pretrained(tmp_path)
        with pytest.raises(ModelError, match="this class reads 'bert'"):
            mt.BertModel.from_pretrained(tmp_path)

    def test_other_numbers_of_labels_than_the_files_are_refused(self, tmp_path):
        tiny_model("bert", "sequence-classification").save_pretrained(tmp_path)
        with pytest.raises(ModelError, match=r"classifier.weight has shape \(3, 32\)"):
            mt.AutoModelForSequenceClassification.from_pretrained(tmp_path, num_labels=4)

    def test_an_unknown_change_is_refused_with_the_nearest_name(self, tmp_path):
        tiny_model("bert", "base").save_pretrained(tmp_path)
        with pytest.raises(ConfigError, match="num_labels"):
            mt.AutoModel.from_pretrained(tmp_path, num_label=4)


@pytest.mark.parametrize("task", TASKS)
def test_the_probes_of_a_folder_notice_another_computation(task, tmp_path, tokenizer):
    model = tiny_model("bert", task, vocab_size=300)
    model.save_pretrained(tmp_path, tokenizer)
    again = getattr(mt, TASKS[task]).from_pretrained(tmp_path, verify=True)
    assert again.tokenizer_folder == str(tmp_path)
    record = read_state(tmp_path / "massivetext.json", (), "")
    record["probes"][0]["top_logits"][0] += 1
    write_state(tmp_path / "massivetext.json", record)
    with pytest.raises(ModelError, match="top logits differ"):
        getattr(mt, TASKS[task]).from_pretrained(tmp_path, verify=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision_is_close(family, tmp_path):
    model = tiny_model(family, "masked-lm")
    model.save_pretrained(tmp_path)
    half = mt.AutoModelForMaskedLM.from_pretrained(tmp_path, dtype="bfloat16")
    inputs, labels = batch("masked-lm")
    with torch.no_grad():
        one, two = model(**inputs, **labels), half(**inputs, **labels)
    assert two.logits.dtype == torch.bfloat16 and two.loss.dtype == torch.float32
    assert (one.logits - two.logits).norm() <= 0.03 * one.logits.norm()
    half.save_pretrained(tmp_path / "half")
    assert mt.AutoModelForMaskedLM.from_pretrained(tmp_path / "half", dtype="auto").dtype == torch.bfloat16
