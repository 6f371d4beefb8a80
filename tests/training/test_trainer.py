"""`Trainer` and its arguments: the programs of Hugging Face's users, on this loop."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn
from training_parts import tiny_model

import massivetext as mt
from massivetext.errors import ConfigError, DataError, ModelError
from massivetext.tokens.settings import TokenizerSettings
from massivetext.training.checkpoints import checkpoint_folders
from massivetext.training.metrics import read_rows
from massivetext.training.predictions import EvalPrediction
from massivetext.training.rows import as_rows, chosen_split, text_column

TEXTS = ["the cat sat on the mat and looked at the dog. " * 6, "天地玄黄，宇宙洪荒。日月盈昃，辰宿列张。" * 6] * 4


@pytest.fixture(scope="module")
def tokenizer():
    return mt.train_tokenizer(TEXTS, TokenizerSettings(vocab_size=300))


@pytest.fixture
def model(tokenizer):
    return tiny_model(vocab_size=len(tokenizer), max_position_embeddings=32)


def arguments(folder, **values):
    return mt.TrainingArguments(folder, **{"max_steps": 4, "torch_compile": False, "logging_steps": 1, **values})


def trained(folder, model, tokenizer, dataset, *, options=None, **values):
    trainer = mt.Trainer(
        model=model,
        args=arguments(folder, **values),
        train_dataset=dataset,
        processing_class=tokenizer,
        **(options or {}),
    )
    return trainer, trainer.train()


def steps_kept(folder):
    return sorted(int(path.name.removeprefix("step-")) for path in checkpoint_folders(folder / "checkpoints"))


def test_texts_are_tokenised_and_packed(tmp_path, model, tokenizer):
    trainer, output = trained(tmp_path, model, tokenizer, TEXTS, max_steps=40, learning_rate=0.01)
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    assert output.global_step == 40 and losses[-1] < 0.6 * losses[0]
    assert trainer.state.log_history[0]["tokens"] > 7 * 32  # only the last row of the stream is not full


def test_a_dataset_dict_a_dataset_rows_and_columns_of_text_train_alike(tmp_path, tokenizer):
    import datasets

    dataset = datasets.Dataset.from_dict({"title": ["a"] * len(TEXTS), "text": TEXTS})
    forms = {
        "dict": datasets.DatasetDict({"train": dataset, "validation": dataset}),
        "dataset": dataset,
        "rows": [{"text": text} for text in TEXTS],
        "columns": {"text": TEXTS},
        "strings": TEXTS,
    }
    losses = set()
    for name, form in forms.items():
        model = tiny_model(vocab_size=len(tokenizer), max_position_embeddings=32)
        losses.add(trained(tmp_path / name, model, tokenizer, form)[1].training_loss)
    assert len(losses) == 1


def test_the_output_of_a_tokenizer_is_packed_without_its_padding(tmp_path, tokenizer):
    short = ["one", "the cat sat on the mat and looked at the dog", "玄黄"]
    padded, plain = tokenizer(short, padding=True), tokenizer(short)
    losses = set()
    for name, columns in (("padded", padded), ("plain", plain), ("texts", short)):
        model = tiny_model(vocab_size=len(tokenizer), max_position_embeddings=8)
        losses.add(trained(tmp_path / name, model, tokenizer, columns)[1].training_loss)
    assert len(losses) == 1


def test_rows_with_labels_train_only_on_those(tmp_path, model, tokenizer):
    ids = tokenizer(TEXTS[0])["input_ids"][:20]
    row = {"input_ids": ids, "attention_mask": [1] * 20, "labels": [-100] * 15 + ids[15:]}
    trainer, _ = trained(tmp_path, model, tokenizer, [row] * 8)
    assert trainer.state.log_history[0]["tokens"] == 8 * 5


def test_padded_rows_have_the_loss_of_hugging_faces_way_to_call_a_model(tmp_path, tokenizer, model):
    ids = [tokenizer(text)["input_ids"][:size] for text, size in zip(TEXTS, (9, 14))]
    rows = [{"input_ids": row, "labels": row} for row in ids]
    mine = mt.DataCollatorForLanguageModeling(tokenizer, mlm=False)
    with torch.no_grad():
        batch = mine(rows)
        expected = float(model(batch["input_ids"], batch["attention_mask"], labels=batch["labels"]).loss)
    trainer, _ = trained(tmp_path, model, tokenizer, rows, options={"data_collator": mine}, max_steps=1)
    assert trainer.state.log_history[0]["loss"] == pytest.approx(expected, rel=1e-5)


def test_the_text_column_is_text_or_the_only_one_of_strings():
    assert text_column([{"text": "a", "title": "b"}]) == "text"
    assert text_column([{"正文": None, "n": 1}, {"正文": "a", "n": 1}]) == "正文"
    assert text_column([{"input_ids": [1]}]) is None
    assert text_column([None, "a"]) == ""
    with pytest.raises(DataError, match=r"title, body.*rename"):
        text_column([{"title": "a", "body": "b"}])


@pytest.mark.parametrize(
    ("dataset", "said"), [([], "is empty"), (iter(["a"]), "has no length"), ({"a": [1], "b": []}, "differ")]
)
def test_a_dataset_that_cannot_be_used_is_refused(dataset, said):
    with pytest.raises(DataError, match=said):
        as_rows(dataset)


def test_a_dataset_dict_without_the_split_names_those_it_has():
    import datasets

    with pytest.raises(DataError, match=r"splits test; needed: train"):
        chosen_split(datasets.DatasetDict({"test": datasets.Dataset.from_dict({"text": ["a"]})}), ["train"])


def test_a_module_of_ones_own_with_its_loss_and_optimiser(tmp_path):
    class Line(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(2))

        def forward(self, x):
            return x @ self.weight

    torch.manual_seed(0)
    rows = [{"x": x, "labels": x @ torch.tensor([1.0, -2.0])} for x in torch.randn(32, 2)]
    model = Line()
    trainer = mt.Trainer(
        model=model,
        args=arguments(tmp_path, max_steps=200, lr_scheduler_type="constant", gradient_accumulation_steps=2),
        train_dataset=rows,
        eval_dataset=rows,
        compute_loss_func=lambda outputs, labels: ((outputs - labels) ** 2).mean(),
        optimizers=(torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5), None),
    )
    trainer.train()
    assert model.weight.tolist() == pytest.approx([1.0, -2.0], abs=1e-2)
    assert trainer.evaluate()["eval_loss"] < 1e-3


def test_a_module_that_returns_no_loss_says_what_to_do(tmp_path):
    trainer = mt.Trainer(model=nn.Linear(2, 2), args=arguments(tmp_path), train_dataset=[{"input": torch.ones(2)}])
    with pytest.raises(ModelError, match="pass compute_loss_func"):
        trainer.train()


def test_save_steps_and_save_total_limit_mean_what_they_say(tmp_path, model, tokenizer):
    trained(tmp_path, model, tokenizer, TEXTS, max_steps=7, save_steps=2, save_total_limit=2)
    assert steps_kept(tmp_path) == [6, 7]


def test_without_a_limit_all_checkpoints_stay(tmp_path, model, tokenizer):
    trained(tmp_path, model, tokenizer, TEXTS, max_steps=4, save_steps=2)
    assert steps_kept(tmp_path) == [2, 4]


def test_save_strategy_no_leaves_no_checkpoint(tmp_path, model, tokenizer):
    trained(tmp_path, model, tokenizer, TEXTS, save_strategy="no")
    assert steps_kept(tmp_path) == []


def test_logging_dir_and_logging_steps_mean_what_they_say(tmp_path, model, tokenizer):
    trained(tmp_path / "out", model, tokenizer, TEXTS, logging_dir=tmp_path / "logs", logging_steps=2)
    assert [row["step"] for row in read_rows(tmp_path / "out" / "metrics.jsonl")] == [2, 4]
    assert any((tmp_path / "logs").iterdir()) and not (tmp_path / "out" / "tensorboard").exists()


def test_report_to_none_writes_no_events(tmp_path, model, tokenizer):
    trained(tmp_path, model, tokenizer, TEXTS, report_to="none")
    assert not (tmp_path / "tensorboard").exists()


@pytest.mark.parametrize(
    ("values", "rates"), [({"warmup_steps": 2}, [1 / 3, 2 / 3, 1, 1 / 2]), ({}, [1, 3 / 4, 1 / 2, 1 / 4])]
)
def test_warmup_steps_and_the_linear_schedule(tmp_path, model, tokenizer, values, rates):
    trainer, _ = trained(tmp_path, model, tokenizer, TEXTS, learning_rate=1e-3, **values)
    assert [row["learning_rate"] / 1e-3 for row in trainer.state.log_history] == pytest.approx(rates)


def test_epochs_are_passes_over_the_packed_rows(tmp_path, model, tokenizer):
    _, output = trained(tmp_path, model, tokenizer, TEXTS, max_steps=-1, num_train_epochs=2)
    tokens = sum(len(tokenizer.encode_ordinary(text)) + 1 for text in TEXTS)
    assert output.global_step == 2 * math.ceil(math.ceil(tokens / 32) / 8)
    assert output.metrics["epoch"] == 2


def test_gradient_accumulation_makes_one_step_of_several_batches(tmp_path, tokenizer):
    losses = []
    for size, times in ((4, 1), (2, 2)):
        model = tiny_model(vocab_size=len(tokenizer), max_position_embeddings=32)
        values = {"per_device_train_batch_size": size, "gradient_accumulation_steps": times}
        trainer, _ = trained(tmp_path / str(times), model, tokenizer, TEXTS, **values)
        losses.append([row["loss"] for row in trainer.state.log_history])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_folder_with_a_training_needs_a_word_to_go_on_or_start_over(tmp_path, tokenizer):
    def again(**values):
        model = tiny_model(vocab_size=len(tokenizer), max_position_embeddings=32)
        return mt.Trainer(
            model=model, args=arguments(tmp_path, **values), train_dataset=TEXTS, processing_class=tokenizer
        )

    first = again().train().training_loss
    with pytest.raises(ConfigError, match=r"resume_from_checkpoint=True .* overwrite_output_dir=True"):
        again().train()
    assert again().train(resume_from_checkpoint=True).global_step == 4
    assert again(overwrite_output_dir=True).train().training_loss == first
    with pytest.raises(ConfigError, match="newest checkpoint"):
        again().train(resume_from_checkpoint=tmp_path / "checkpoints" / "step-00000001")


def test_a_trainer_resumes_exactly(tmp_path, tokenizer):
    import shutil

    def run(name, resume=None):
        model = tiny_model(vocab_size=len(tokenizer), max_position_embeddings=32)
        args = arguments(tmp_path / name, save_steps=2)
        mt.Trainer(model=model, args=args, train_dataset=TEXTS, processing_class=tokenizer).train(resume)
        return (tmp_path / name / "checkpoints" / "step-00000004" / "model.safetensors").read_bytes()

    whole = run("a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    shutil.rmtree(tmp_path / "b" / "checkpoints" / "step-00000004")
    assert run("b", resume=True) == whole


def test_evaluation_runs_on_the_way_and_afterwards(tmp_path, model, tokenizer):
    options = {"eval_dataset": TEXTS[:3]}
    values = {"eval_strategy": "steps", "eval_steps": 2, "per_device_eval_batch_size": 3}
    trainer, _ = trained(tmp_path, model, tokenizer, TEXTS, options=options, **values)
    rows = [row for row in trainer.state.log_history if "eval_loss" in row]
    assert [row["step"] for row in rows] == [2, 4]
    assert trainer.evaluate()["eval_loss"] == pytest.approx(rows[-1]["eval_loss"], rel=1e-6)


def test_compute_metrics_gets_logits_and_labels(tmp_path, model, tokenizer):
    seen = []

    def accuracy(prediction: EvalPrediction):
        seen.append((prediction.predictions.shape, prediction.label_ids.shape))
        best = prediction.predictions[:, :-1].argmax(-1)
        kept = prediction.label_ids[:, 1:] != -100
        return {"accuracy": float((best == prediction.label_ids[:, 1:])[kept].mean())}

    rows = [{"input_ids": tokenizer(text)["input_ids"][:size]} for text, size in zip(TEXTS, (5, 7, 6))]
    rows = [{**row, "labels": row["input_ids"]} for row in rows]
    trainer = mt.Trainer(
        model=model,
        args=arguments(tmp_path, per_device_eval_batch_size=2),
        eval_dataset=rows,
        data_collator=mt.DataCollatorForLanguageModeling(tokenizer, mlm=False),
        compute_metrics=accuracy,
    )
    found = trainer.evaluate()
    assert found.keys() == {"eval_loss", "eval_accuracy"}
    assert seen == [((3, 7, len(tokenizer)), (3, 7))]


def test_save_model_writes_a_folder_that_opens_again(tmp_path, model, tokenizer):
    trainer, _ = trained(tmp_path / "out", model, tokenizer, TEXTS)
    trainer.save_model(tmp_path / "model")
    again = mt.AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert torch.equal(again.head_weight, model.head_weight)
    assert mt.AutoTokenizer.from_pretrained(tmp_path / "model").model_max_length == 32  # the model's context


@pytest.fixture(scope="module")
def word_pieces():
    return mt.train_tokenizer(TEXTS, kind="wordpiece", vocab_size=120, quiet=True)


def masked_model(word_pieces, cls=mt.BertForMaskedLM):
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = mt.BertConfig(vocab_size=len(word_pieces), max_position_embeddings=24, pad_token_id=0, **sizes)
    return cls.from_config(config)


def test_texts_for_a_masked_model_are_cut_and_hidden_unasked(tmp_path, word_pieces):
    seen = []
    model = masked_model(word_pieces)
    model.register_forward_pre_hook(lambda module, args, kwargs: seen.append(kwargs), with_kwargs=True)
    trainer, result = trained(tmp_path / "out", model, word_pieces, {"text": TEXTS}, max_steps=3)
    assert result.global_step == 3 and trainer.evaluate(TEXTS)["eval_loss"] > 0
    assert max(batch["input_ids"].shape[1] for batch in seen) == 24  # longer texts became several rows
    rows = sum(len(batch["input_ids"]) for batch in seen[3:])
    assert rows > len(TEXTS) and {"attention_mask", "token_type_ids", "labels"} <= set(seen[0])
    hidden = seen[0]["labels"] != -100
    assert 0.02 < hidden.float().mean() < 0.4
    assert bool((seen[0]["input_ids"][hidden] == word_pieces.mask_token_id).any())
    trainer.save_model(tmp_path / "model")
    again = mt.AutoTokenizer.from_pretrained(tmp_path / "model")
    assert again.model_max_length == 24 and again.get_vocab() == word_pieces.get_vocab()
    ids = word_pieces(TEXTS[:1], truncation=True, max_length=24)
    encoded = {"input_ids": ids["input_ids"] * 2, "attention_mask": ids["attention_mask"] * 2}
    assert trained(tmp_path / "ids", masked_model(word_pieces), word_pieces, encoded)[1].global_step == 4


def test_texts_for_a_model_that_labels_them_ask_for_a_collator(tmp_path, word_pieces):
    model = masked_model(word_pieces, mt.BertForSequenceClassification)
    with pytest.raises(DataError, match="for a BertForSequenceClassification, tokenise the rows"):
        trained(tmp_path, model, word_pieces, TEXTS)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"learning_rat": 1}, "did you mean 'learning_rate'"),
        ({"fp16": True}, r"fp16=True\) is not supported.*bf16=True"),
        ({"deepspeed": "x.json"}, "deepspeed"),
        ({"load_best_model_at_end": True}, "load_best_model_at_end"),
        ({"report_to": "wandb"}, "allowed: tensorboard"),
        ({"lr_scheduler_type": "polynomial"}, "allowed: linear"),
        ({"optim": "adafactor"}, "adamw_torch"),
        ({"learning_rate": -1}, "greater than 0"),
    ],
)
def test_an_argument_that_is_not_supported_is_an_error_that_names_it(values, said):
    with pytest.raises(ConfigError, match=said):
        mt.TrainingArguments("out", **values)


@pytest.mark.parametrize("values", [{"fp16": False}, {"dataloader_num_workers": 0}, {"push_to_hub": False}])
def test_an_argument_that_asks_for_nothing_may_be_written_out(values):
    assert mt.TrainingArguments("out", **values).learning_rate == 5e-5


@pytest.mark.parametrize(("steps", "even", "chosen"), [(7812, True, "off"), (7813, True, "auto"), (7813, False, "off")])
def test_only_long_runs_of_even_rows_are_compiled_unasked(steps, even, chosen):
    args = mt.TrainingArguments("out", max_steps=steps, per_device_train_batch_size=4)
    assert args.to_settings(steps_per_epoch=10, row_tokens=32, compilable=even).compile == chosen


def test_an_argument_of_the_trainer_that_is_not_supported_is_named():
    with pytest.raises(ConfigError, match="callbacks="):
        mt.Trainer(model=nn.Linear(1, 1), callbacks=[1])


def test_defaults_are_hugging_faces():
    transformers = pytest.importorskip("transformers")
    theirs, ours = transformers.TrainingArguments("out", report_to="none"), mt.TrainingArguments("out")
    shared = set(type(ours).model_fields) - {"output_dir", "report_to", "torch_compile", "logging_dir"}
    for name in shared & set(vars(theirs)):
        found = getattr(theirs, name)
        assert getattr(ours, name) == getattr(found, "value", found), name


class TestCollator:
    def test_labels_are_the_inputs_and_padding_is_left_out_even_where_it_is_the_end_of_text(self, tokenizer):
        end = tokenizer.eos_token_id
        batch = mt.DataCollatorForLanguageModeling(tokenizer, mlm=False)(
            [{"input_ids": [5, 6, end]}, {"input_ids": [7]}]
        )
        assert batch["labels"].tolist() == [[5, 6, end], [7, -100, -100]]
        assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]

    def test_masking_without_a_mask_token_says_what_to_do(self, tokenizer):
        with pytest.raises(ConfigError, match="mlm=False"):
            mt.DataCollatorForLanguageModeling(tokenizer)

    def test_masking_hides_about_the_share_asked_for_and_never_special_tokens(self, tokenizer):
        class WithMask:
            mask_token, mask_token_id, all_special_ids = "<m>", 1, [0, 1]
            pad = staticmethod(tokenizer.pad)

            def __len__(self):
                return 300

        torch.manual_seed(0)
        rows = [{"input_ids": [0, *range(10, 109)]} for _ in range(60)]
        batch = mt.DataCollatorForLanguageModeling(WithMask(), mlm_probability=0.15)(rows)
        chosen = batch["labels"] != -100
        original = torch.tensor([row["input_ids"] for row in rows])
        assert float(chosen.float().mean()) == pytest.approx(0.15, abs=0.02)
        assert not chosen[:, 0].any()
        assert torch.equal(batch["input_ids"][~chosen], original[~chosen])
        assert torch.equal(batch["labels"][chosen], original[chosen])
        hidden = batch["input_ids"][chosen] == 1
        assert float(hidden.float().mean()) == pytest.approx(0.8, abs=0.05)


def test_the_first_programs_of_the_seeds_run_word_for_word(tmp_path, tokenizer, monkeypatch):
    model = tiny_model(vocab_size=len(tokenizer), max_position_embeddings=32)
    model.save_pretrained(str(tmp_path / "gpt2"), tokenizer)
    (tmp_path / "data.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MASSIVETEXT_MODELS", str(tmp_path))
    dataset = mt.load_dataset("text", data_files=["data.txt"])
    model = mt.AutoModelForCausalLM.from_pretrained("gpt2")
    training_args = mt.TrainingArguments(
        output_dir="./results",
        num_train_epochs=3,
        per_device_train_batch_size=16,
        per_device_eval_batch_size=64,
        warmup_steps=500,
        weight_decay=0.01,
        logging_dir="./logs",
        logging_steps=10,
    )
    trainer = mt.Trainer(model=model, args=training_args, train_dataset=dataset)
    trainer.train()
    trainer.save_model("./my_model")
    rows = [json.loads(line) for line in (tmp_path / "results" / "metrics.jsonl").read_text().splitlines()]
    assert np.isfinite(rows[-1]["loss"]) and (tmp_path / "logs").is_dir()
    assert (tmp_path / "my_model" / "model.safetensors").is_file()
