"""T5, mT5 and BART with heads that label: parity with transformers, both directions; fresh heads; bad input."""

import json

import pytest
import torch
import transformers

import massivetext as mt
from massivetext.errors import ModelError
from massivetext.models.families.table import CLASSES

from .test_seq2seq import BART, T5

AUTO = {
    "sequence-classification": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
    "question-answering": "AutoModelForQuestionAnswering",
}
CASES = [(task, name) for task in AUTO for name in ("t5", "mt5", "bart") if name in CLASSES[task]]
OUTPUTS = ("logits", "start_logits", "end_logits", "encoder_last_hidden_state")
LAYERS = ("hidden_states", "attentions", "encoder_hidden_states", "decoder_hidden_states", "encoder_attentions",
          "decoder_attentions", "cross_attentions")  # fmt: skip
NAMES = {0: "bad", 1: "good", 2: "没有"}


def randomise(model):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.2, generator=generator)
    return model.eval()


def sizes_of(task, family, **changes):
    labels = {} if task == "question-answering" else {"id2label": NAMES, "num_labels": 3}
    own = {**BART, "decoder_start_token_id": 2} if family == "bart" else {**T5, "decoder_start_token_id": 0}
    return {**own, **labels, **changes}


def tiny_model(task, family, **changes):
    return randomise(CLASSES[task][family](mt.AutoConfig.for_model(family, **sizes_of(task, family, **changes))))


def peer_of(task, family, **changes):
    config = transformers.AutoConfig.for_model(family, **sizes_of(task, family, **changes))
    return randomise(getattr(transformers, AUTO[task]).from_config(config, attn_implementation="eager"))


def batch(task, family, side="right"):
    """Texts of two sentences, each with its end; one row is padded."""
    end, padding = (2, 1) if family == "bart" else (1, 0)
    ids = torch.randint(3, 90, (3, 12), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[0, slice(0, 4) if side == "left" else slice(8, 12)] = 0
    ids[:, 5] = ids[1:, 11] = end
    ids[0, 11 if side == "left" else 7] = end
    labels = {
        "sequence-classification": {"labels": torch.tensor([0, 2, 1])},
        "token-classification": {"labels": (ids % 3).masked_fill(mask == 0, -100)},
        "question-answering": {
            "start_positions": torch.tensor([1, 3, 50]), "end_positions": torch.tensor([[2], [4], [50]])
        },
    }[task]  # fmt: skip
    return {"input_ids": ids.masked_fill(mask == 0, padding), "attention_mask": mask, **labels}


@pytest.mark.parametrize(("task", "family"), CASES)
def test_a_folder_written_by_transformers_gives_the_same_numbers_here(task, family, tmp_path):
    peer = peer_of(task, family)
    peer.save_pretrained(tmp_path)
    model = getattr(mt, AUTO[task]).from_pretrained(tmp_path)
    assert type(model) is getattr(mt, type(peer).__name__) is CLASSES[task][family]
    for side in ("right", "left"):
        inputs = {**batch(task, family, side), "output_hidden_states": True, "output_attentions": True}
        with torch.no_grad():
            ours, theirs = model(**inputs), peer(**inputs)
        assert ours.loss > 0 and torch.allclose(ours.loss, theirs.loss, atol=1e-5)
        for name in OUTPUTS:
            if getattr(theirs, name, None) is not None:
                assert (getattr(ours, name) - getattr(theirs, name)).abs().max() <= 1e-5, (side, name)
        shown = [name for name in LAYERS if getattr(theirs, name, None) is not None]
        assert len(shown) == (2 if task == "token-classification" else 5)
        for name in shown:
            for mine, other in zip(getattr(ours, name), getattr(theirs, name), strict=True):
                assert (mine - other).abs().max() <= 1e-5, (side, name)


@pytest.mark.parametrize(("task", "family"), CASES)
def test_a_folder_written_here_gives_the_same_numbers_in_transformers(task, family, tmp_path):
    model = tiny_model(task, family, **({"num_labels": 2} if task == "question-answering" else {}))
    model.save_pretrained(tmp_path)
    peer, report = getattr(transformers, AUTO[task]).from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"] and not report["mismatched_keys"]
    assert json.loads((tmp_path / "config.json").read_text())["architectures"] == [type(peer).__name__]
    assert task == "question-answering" or peer.config.id2label == NAMES
    again = getattr(mt, AUTO[task]).from_pretrained(tmp_path)
    inputs = batch(task, family)
    with torch.no_grad():
        ours, theirs, back = (one(**inputs) for one in (model, peer.eval(), again))
    for name in OUTPUTS:
        if getattr(theirs, name, None) is not None:
            assert (getattr(ours, name) - getattr(theirs, name)).abs().max() <= 1e-5, name
            assert torch.equal(getattr(ours, name), getattr(back, name))


@pytest.mark.parametrize(("task", "family"), [case for case in CASES if case[1] != "mt5"])
def test_gradients_are_those_of_transformers(task, family, tmp_path):
    peer = peer_of(task, family)
    peer.save_pretrained(tmp_path)
    model = getattr(mt, AUTO[task]).from_pretrained(tmp_path).double()  # the formulas are compared, not rounding
    for one in (model, peer.double()):
        one(**batch(task, family)).loss.backward()
    theirs = dict(peer.named_parameters())
    whole = torch.stack([weight.grad.norm() for weight in theirs.values()]).norm()
    found = {model.stored_name(name): weight.grad for name, weight in model.named_parameters()}
    assert set(found) == set(theirs)
    for name, gradient in found.items():
        kept = [row for row in range(97) if row != model.config.pad_token_id]  # transformers gives that row none
        rows = kept if "shared" in name else slice(None)
        assert (gradient[rows] - theirs[name].grad[rows]).norm() <= 1e-5 * whole, name


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        ({"id2label": {0: "much"}, "num_labels": 1}, torch.tensor([0.5, -1.0, 2.0])),
        ({}, torch.tensor([[1.0, 0, 1], [0, 0, 0], [1, 1, 1]])),
        ({"problem_type": "regression"}, torch.tensor([[1.0, 0.2, 1], [0, 0, 0], [1, 1, 1]])),
    ],
)
def test_the_loss_follows_the_kind_of_problem_as_in_transformers(changes, labels, tmp_path):
    task = "sequence-classification"
    peer = peer_of(task, "bart", **changes)
    peer.save_pretrained(tmp_path)
    inputs = {**batch(task, "bart"), "labels": labels}
    ours = mt.BartForSequenceClassification.from_pretrained(tmp_path)(**inputs)
    assert ours.loss > 0 and torch.allclose(ours.loss, peer(**inputs).loss, atol=1e-5)


def test_a_translating_model_becomes_a_labelling_one_with_a_fresh_head(tmp_path, capsys):
    for family, sizes in (("t5", T5), ("bart", BART)):
        mt.AutoModelForSeq2SeqLM.from_config(mt.AutoConfig.for_model(family, **sizes)).save_pretrained(
            tmp_path / family
        )
    tokens = mt.AutoModelForTokenClassification.from_pretrained(tmp_path / "t5", num_labels=4)
    said = capsys.readouterr().err
    assert "decoder.block.0" in said and "... (+" in said and "classifier.weight, classifier.bias" in said
    assert tokens(batch("token-classification", "t5")["input_ids"]).logits.shape == (3, 12, 4)
    one, two = (mt.AutoModelForSequenceClassification.from_pretrained(tmp_path / "bart", num_labels=4) for _ in "12")
    assert torch.equal(one.classification_head.dense.weight, two.classification_head.dense.weight)
    assert one(batch("sequence-classification", "bart")["input_ids"]).logits.shape == (3, 4)
    one.save_pretrained(tmp_path / "classifier")
    back = mt.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "classifier")
    assert torch.equal(back.model.shared.weight, one.model.shared.weight)
    assert "classification_head.dense.weight" in capsys.readouterr().err


def test_the_number_of_unnamed_labels_is_told_by_the_weights(tmp_path):
    peer_of("sequence-classification", "bart", id2label=None, num_labels=2).save_pretrained(tmp_path)
    assert "id2label" not in json.loads((tmp_path / "config.json").read_text())  # and BART's default is three labels
    assert mt.AutoModelForSequenceClassification.from_pretrained(tmp_path).config.num_labels == 2


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_the_share_dropped_before_a_classifier_crosses_with_the_folder(family, tmp_path):
    tiny_model("sequence-classification", family, classifier_dropout=0.25).save_pretrained(tmp_path)
    peer = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path)
    model = mt.AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert model.classification_head.dropout.p == peer.classification_head.dropout.p == 0.25


@pytest.mark.parametrize(("task", "family"), [case for case in CASES if case[1] != "mt5"])
def test_the_probes_of_a_folder_hold(task, family, tmp_path, tokenizer):
    tiny_model(task, family, vocab_size=300).save_pretrained(tmp_path, tokenizer)
    assert getattr(mt, AUTO[task]).from_pretrained(tmp_path, verify=True)


class TestBadInput:
    @pytest.mark.parametrize(("row", "counts"), [([5, 6, 7, 8], "0, 1"), ([2, 6, 7, 2], "2, 1")])
    def test_rows_that_do_not_end_alike_are_told_the_remedy(self, row, counts):
        model = tiny_model("sequence-classification", "bart")
        with pytest.raises(ModelError, match=rf"id 2.*\[{counts}\].*same number in every row.*special tokens"):
            model(torch.tensor([row, [5, 6, 7, 2]]))

    def test_a_decoder_text_of_another_shape_is_refused(self):
        with pytest.raises(ModelError, match=r"\(1, 2\) and input_ids \(1, 4\).*leave decoder_input_ids out"):
            tiny_model("sequence-classification", "t5")(torch.tensor([[5, 6, 7, 1]]), None, torch.tensor([[0, 5]]))

    def test_labels_and_ids_outside_are_named(self):
        model, ids = tiny_model("sequence-classification", "t5"), torch.tensor([[5, 6, 7, 1]])
        with pytest.raises(ModelError, match="labels has the value 3; allowed: 0 to 2"):
            model(ids, labels=torch.tensor([3]))
        with pytest.raises(ModelError, match="labels has the value 9; allowed: 0 to 2"):
            tiny_model("token-classification", "t5")(ids, labels=torch.full((1, 4), 9))
        with pytest.raises(ModelError, match=r"^input_ids has the id 97"):
            model(torch.tensor([[97, 1]]))

    def test_a_model_that_labels_writes_nothing(self):
        with pytest.raises(ModelError, match="AutoModelForSeq2SeqLM"):
            tiny_model("question-answering", "bart").generate(torch.tensor([[5, 2]]))
