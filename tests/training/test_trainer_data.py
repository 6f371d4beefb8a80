"""What `Trainer` does with rows, losses and evaluations that programs bring: used, or refused by name."""

import numpy as np
import pytest
import torch
from training_parts import tiny_model

import massivetext as mt
from massivetext.errors import CheckpointError, ConfigError, DataError, ModelError
from massivetext.tokens.settings import TokenizerSettings
from massivetext.training.checking import check_rows, feed

TEXTS = ["the cat sat on the mat and looked at the dog. " * 6, "天地玄黄，宇宙洪荒。日月盈昃，辰宿列张。" * 6] * 4


def classifier(kind=mt.BertForSequenceClassification, **values):
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    return kind(mt.BertConfig(vocab_size=50, max_position_embeddings=16, **{**sizes, "num_labels": 2, **values}))


def labelled(count=16, **extra):
    return [{"input_ids": [i % 49 + 1] * 8, "label": i % 2, **extra} for i in range(count)]


def arguments(folder, **values):
    return mt.TrainingArguments(folder, **{"max_steps": 2, "logging_steps": 1, "report_to": "none", **values})


@pytest.fixture(scope="module")
def tokenizer():
    return mt.train_tokenizer(TEXTS, TokenizerSettings(vocab_size=300))


def causal(tokenizer):
    return tiny_model(vocab_size=len(tokenizer), max_position_embeddings=32)


# ---- resuming --------------------------------------------------------------------------------------------------------


def resumed(folder, rows, optimiser=None, **values):
    model = classifier()
    optimisers = (None, None) if optimiser is None else (optimiser(model), None)
    trainer = mt.Trainer(model, arguments(folder, **values), train_dataset=rows, optimizers=optimisers)
    return trainer.train(resume_from_checkpoint=(folder / "checkpoints").exists())


def test_a_training_does_not_resume_on_other_rows_of_the_same_number(tmp_path):
    resumed(tmp_path, labelled())
    other = labelled()
    other[3]["label"] = 1 - other[3]["label"]
    with pytest.raises(CheckpointError, match="data was"):
        resumed(tmp_path, other)
    assert resumed(tmp_path, labelled()).global_step == 2


def test_a_training_does_not_resume_with_another_optimiser_or_order(tmp_path):
    def sgd(model):
        return torch.optim.SGD(model.parameters(), lr=0.1)

    def adam(model):
        return torch.optim.Adam(model.parameters(), lr=0.1)

    resumed(tmp_path, labelled(), sgd)
    with pytest.raises(CheckpointError, match="optimizer was SGD, is Adam"):
        resumed(tmp_path, labelled(), adam)
    with pytest.raises(CheckpointError, match="optimizer was SGD, is AdamW"):
        resumed(tmp_path, labelled())
    with pytest.raises(CheckpointError, match="order of the data was 42, is 7"):
        resumed(tmp_path, labelled(), sgd, data_seed=7)


def test_equal_contents_have_one_digest_whatever_holds_them():
    from xxhash import xxh3_128

    def digest(value):
        found = xxh3_128()
        feed(found, value)
        return found.hexdigest()

    forms = [[1, 2], (1, 2), np.array([1, 2], np.int32), torch.tensor([1, 2])]
    assert len({digest({"a": form, "文": "字"}) for form in forms}) == 1
    different = [{"a": [1, 2]}, {"a": [1], "b": [2]}, {"a": "12"}, {"a": [[1], [2]]}, {"a": [1.0, 2.0]}, {"a": None}]
    assert len({digest(value) for value in different}) == len(different)


# ---- the loss --------------------------------------------------------------------------------------------------------


def test_an_overridden_compute_loss_is_used_in_training_and_evaluation(tmp_path):
    class Tripled(mt.Trainer):
        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            loss, outputs = super().compute_loss(model, inputs, return_outputs=True)
            return (3 * loss, outputs) if return_outputs else 3 * loss

    def evaluated(kind, folder):
        return kind(classifier(), arguments(folder), eval_dataset=labelled()).evaluate()["eval_loss"]

    plain = mt.Trainer(classifier(), arguments(tmp_path / "a"), train_dataset=labelled()).train()
    tripled = Tripled(classifier(), arguments(tmp_path / "b"), train_dataset=labelled()).train()
    assert tripled.training_loss == pytest.approx(3 * plain.training_loss, rel=0.1)
    assert evaluated(Tripled, tmp_path / "c") == pytest.approx(3 * evaluated(mt.Trainer, tmp_path / "d"))


def test_a_causal_model_trains_with_an_overridden_compute_loss_and_with_a_loss_function(tmp_path, tokenizer):
    class Nothing(mt.Trainer):
        def compute_loss(self, model, inputs, return_outputs=False, **others):
            return model(**inputs).loss * 0

    def nothing(outputs, labels, num_items_in_batch=None):
        assert num_items_in_batch > 0 and labels is not None
        return outputs.logits.sum() * 0

    rows = [{"input_ids": ids} for ids in tokenizer(TEXTS, truncation=True, max_length=20)["input_ids"]]
    collator = mt.DataCollatorForLanguageModeling(tokenizer, mlm=False)
    for name, kind, loss in (("a", Nothing, None), ("b", mt.Trainer, nothing)):
        trainer = kind(causal(tokenizer), arguments(tmp_path / name), collator, rows, compute_loss_func=loss)
        assert trainer.train().training_loss == 0.0
    with pytest.raises(DataError, match="with your own loss, tokenise the rows"):
        Nothing(causal(tokenizer), arguments(tmp_path / "c"), None, TEXTS, processing_class=tokenizer).train()


def test_a_loss_that_is_no_number_is_refused(tmp_path):
    trainer = mt.Trainer(
        classifier(), arguments(tmp_path), train_dataset=labelled(), compute_loss_func=lambda outputs, labels: None
    )
    with pytest.raises(ModelError, match="NoneType; return one number"):
        trainer.train()


def test_an_overridden_method_that_is_never_called_is_refused():
    with pytest.raises(ConfigError, match=r"Mine.training_step would never be called .* override compute_loss"):

        class Mine(mt.Trainer):
            def training_step(self, model, inputs):
                return None


# ---- evaluation ------------------------------------------------------------------------------------------------------


def test_metrics_see_predictions_without_dropout_and_the_mode_stays(tmp_path):
    seen = []
    model = classifier(hidden_dropout_prob=0.5)
    trainer = mt.Trainer(
        model,
        arguments(tmp_path),
        eval_dataset=labelled(),
        compute_metrics=lambda found: seen.append(found.predictions) or {"n": len(found.label_ids)},
    )
    model.train()
    trainer.evaluate(), trainer.evaluate()
    assert np.array_equal(*seen) and model.training


def test_the_evaluation_loss_is_without_dropout_that_only_attention_has(tmp_path):
    config = mt.GPT2Config(
        vocab_size=60, n_positions=16, n_embd=16, n_layer=1, n_head=2, attn_pdrop=0.5, resid_pdrop=0, embd_pdrop=0
    )
    rows = [{"input_ids": list(range(i, i + 8)), "labels": list(range(i, i + 8))} for i in range(8)]
    trainer = mt.Trainer(mt.GPT2LMHeadModel(config), arguments(tmp_path), train_dataset=rows, eval_dataset=rows)
    trainer.train()
    assert trainer.evaluate() == trainer.evaluate()


def test_a_strategy_of_evaluation_needs_data(tmp_path):
    with pytest.raises(ConfigError, match="eval_strategy is 'epoch' and there is no eval_dataset"):
        mt.Trainer(classifier(), arguments(tmp_path, eval_strategy="epoch"), train_dataset=labelled())


def test_evaluations_are_logged_and_in_the_history_with_step_and_epoch(tmp_path, capsys):
    options = arguments(tmp_path, eval_strategy="steps", eval_steps=1)
    trainer = mt.Trainer(classifier(), options, train_dataset=labelled(), eval_dataset=labelled())
    trainer.train()
    assert capsys.readouterr().err.count("Evaluation: eval_loss 0.") == 2
    found = [row for row in trainer.state.log_history if "eval_loss" in row]
    assert [(row["step"], row["epoch"]) for row in found] == [(1, 0.5), (2, 1.0)]
    assert trainer.evaluate().items() <= trainer.state.log_history[-1].items()


def test_predict_gives_logits_labels_and_numbers(tmp_path):
    trainer = mt.Trainer(
        classifier(), arguments(tmp_path), compute_metrics=lambda found: {"accuracy": float(np.mean(found.label_ids))}
    )
    found = trainer.predict(labelled())
    assert found.predictions.shape == (16, 2) and found.label_ids.tolist() == [0, 1] * 8
    assert set(found.metrics) == {"test_loss", "test_accuracy"}


@pytest.mark.parametrize(("name", "said"), [("add_callback", "log_history"), ("push_to_hub", "hf upload")])
def test_a_method_that_the_trainer_does_not_have_says_what_does_its_work(tmp_path, name, said):
    with pytest.raises(AttributeError, match=f"no attribute '{name}'; use .*{said}"):
        getattr(mt.Trainer(classifier(), arguments(tmp_path)), name)


# ---- rows ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", [{"idx": 3}, {"词": ["甲", "乙"]}, {"title": "a"}])
def test_columns_that_the_model_does_not_take_are_left_out_and_said(tmp_path, capsys, extra):
    plain = mt.Trainer(classifier(), arguments(tmp_path / "a"), train_dataset=labelled()).train()
    more = mt.Trainer(classifier(), arguments(tmp_path / "b"), train_dataset=labelled(**extra)).train()
    assert more.training_loss == plain.training_loss
    assert f"does not take are left out: {next(iter(extra))}" in capsys.readouterr().err


def test_remove_unused_columns_off_leaves_them_to_the_collator(tmp_path):
    seen = set()

    def collate(rows):
        seen.update(*rows)
        return {
            "input_ids": torch.tensor([row["input_ids"] for row in rows]),
            "labels": torch.tensor([row["label"] for row in rows]),
        }

    options = arguments(tmp_path / "a", remove_unused_columns=False)
    mt.Trainer(classifier(), options, collate, labelled(idx=1)).train()
    assert "idx" in seen
    with pytest.raises(ConfigError, match=r"columns idx, which BertForSequenceClassification.forward does not take"):
        mt.Trainer(classifier(), arguments(tmp_path / "b", remove_unused_columns=False), None, labelled(idx=1)).train()


def test_rows_of_other_columns_only_are_refused_with_both_names(tmp_path):
    rows = [{"sentence": "a b", "class": 1}] * 4
    with pytest.raises(ConfigError, match=r"columns sentence, class, and .*forward takes none of them"):
        mt.Trainer(classifier(), arguments(tmp_path), lambda rows: {}, rows).train()


def token_labels(labels, ids=(1, 2, 3)):
    return {"input_ids": list(ids), "labels": labels}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (token_labels([0, 1]), "row 1 has 2 labels and 3 input_ids"),
        (token_labels([0, 1, 0, 1]), "row 1 has 4 labels and 3 input_ids"),
        (token_labels([0, 2, 0]), r"row 1: labels holds 2; allowed: 0 to 1 \(num_labels 2\), and -100"),
        (token_labels([0, -1, 0]), "labels holds -1"),
        (token_labels([0, 1, 0], (1, 50, 3)), r"row 1: input_ids holds 50; allowed: 0 to 49 \(vocab_size 50\)"),
        (token_labels([0, 1, 0], (1, -2, 3)), "input_ids holds -2"),
        (token_labels([0, 1, 0], (1, 2.5, 3)), "input_ids holds float64; allowed: whole numbers"),
    ],
)
def test_a_row_that_does_not_fit_the_model_is_named_before_the_first_step(tmp_path, row, said):
    model = classifier(mt.BertForTokenClassification)
    with pytest.raises(DataError, match=said):
        mt.Trainer(model, arguments(tmp_path), train_dataset=[token_labels([0, 1, 0]), row]).train()


@pytest.mark.parametrize("collate", [None, mt.default_data_collator])
@pytest.mark.parametrize("name", ["label", "labels", "label_ids"])
def test_labels_are_taken_and_checked_under_each_of_their_names(tmp_path, name, collate):
    rows = [{"input_ids": row["input_ids"], name: row["label"]} for row in labelled()]
    plain = mt.Trainer(classifier(), arguments(tmp_path / "plain"), train_dataset=labelled()).train()
    named = mt.Trainer(classifier(), arguments(tmp_path / "named"), collate, rows).train()
    assert named.training_loss == plain.training_loss
    with pytest.raises(DataError, match="row 16: labels holds 2; allowed: 0 to 1"):
        mt.Trainer(classifier(), arguments(tmp_path / "bad"), collate, [*rows, {**rows[0], name: 2}]).train()


def test_rows_of_a_causal_model_that_do_not_fit_are_named(tmp_path, tokenizer):
    model, size = causal(tokenizer), len(tokenizer)
    for row, said in (
        ({"input_ids": [1, 2, 3], "labels": [1, 2]}, "2 labels and 3 input_ids"),
        ({"input_ids": [1, 2, size], "labels": [1, 2, 3]}, f"input_ids holds {size}"),
        ({"input_ids": [1, 2, 3], "labels": [1, size, 3]}, f"labels holds {size}"),
    ):
        with pytest.raises(DataError, match=said):
            mt.Trainer(model, arguments(tmp_path), train_dataset=[row] * 2).train()
    with pytest.raises(DataError, match="input_ids holds -1"):
        mt.Trainer(model, arguments(tmp_path), None, [{"input_ids": [5, -1]}], processing_class=tokenizer).train()
    with pytest.raises(DataError, match="a causal model needs one label for each token"):
        mt.Trainer(
            model,
            arguments(tmp_path),
            lambda rows: {"input_ids": torch.ones(len(rows), 4, dtype=torch.long), "labels": torch.ones(len(rows), 2)},
            [{"input_ids": [1, 2], "labels": [1, 2]}] * 2,
        ).train()


def test_rows_that_teach_nothing_are_skipped_and_counted(capsys):
    model = classifier(mt.BertForTokenClassification)
    good = token_labels([0, 1, 0])
    bad = [token_labels([], ()), token_labels(None), None, token_labels([-100] * 3), token_labels([], ())]
    found = check_rows([good, *bad, good], model, True, True)
    assert list(found.rows) == [good, good] and found.lengths == {3}
    said = capsys.readouterr().err
    assert "5 of 7 rows are skipped" in said and "input_ids is empty (2)" in said and "labels is None (1)" in said
    with pytest.raises(DataError, match="none of the 2 rows can be learned from"):
        check_rows(bad[:2], model, True, True)


@pytest.mark.parametrize("form", ["strings", "rows"])
def test_texts_that_are_none_or_empty_are_skipped_and_counted(tmp_path, tokenizer, capsys, form):
    texts = [None, TEXTS[0], "", TEXTS[1], None]
    dataset = texts if form == "strings" else [{"text": text} for text in texts]
    trainer = mt.Trainer(causal(tokenizer), arguments(tmp_path), None, dataset, processing_class=tokenizer)
    assert trainer.train().global_step == 2
    assert "3 of 5 rows are skipped: the text is None (2), the text is empty (1)" in capsys.readouterr().err


def test_a_text_that_is_a_number_is_named(tmp_path, tokenizer):
    rows = [{"text": "a"}, {"text": 5}]
    with pytest.raises(DataError, match="row 1: column 'text' holds a int"):
        mt.Trainer(causal(tokenizer), arguments(tmp_path), None, rows, processing_class=tokenizer).train()


# ---- arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"),
    [("callbacks", "log_history"), ("model_init", "pass model="), ("train_data", "did you mean 'train_dataset'")],
)
def test_an_argument_of_the_trainer_is_refused_with_what_to_use(tmp_path, name, said):
    with pytest.raises(ConfigError, match=rf"Trainer\({name}=.*{said}"):
        mt.Trainer(classifier(), arguments(tmp_path), **{name: [1]})


def test_arguments_of_the_trainer_that_ask_for_nothing_are_accepted(tmp_path):
    mt.Trainer(classifier(), arguments(tmp_path), callbacks=None, model_init=None)
