"""text-classification: the entries of transformers' pipeline on the same folder, in its shapes, English and Chinese."""

import pytest
import torch
import transformers

import massivetext as mt
from massivetext.errors import ConfigError, ModelError

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
WORDS += ["this", "is", "positive", "sentence", ".", "！", "。", *"这部电影很好看我不喜欢它"]
TEXTS = ["This is a positive sentence.", "这部电影很好看！", "", "我不喜欢它。 not at all"]
PAIR = {"text": "这部电影很好看", "text_pair": "I like it."}


def save(folder, architecture="BertForSequenceClassification", **changes):
    """A tiny BERT folder as transformers writes it, with a WordPiece vocabulary."""
    folder.mkdir(parents=True, exist_ok=True)
    words = list(dict.fromkeys(WORDS))
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}', encoding="utf-8")
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
        max_position_embeddings=40, **changes,
    )  # fmt: skip
    torch.manual_seed(0)
    model = getattr(transformers, architecture)(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.3)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    labels = {0: "negative", 1: "neutral", 2: "正面"}
    return save(tmp_path_factory.mktemp("bert"), id2label=labels, label2id={name: n for n, name in labels.items()})


def both(folder, task="text-classification", **options):
    return mt.pipeline(task, model=str(folder), **options), transformers.pipeline(task, model=str(folder), **options)


def assert_same(ours, theirs):
    if isinstance(theirs, list):
        assert isinstance(ours, list) and len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            assert_same(mine, other)
    else:
        assert list(ours) == list(theirs) == ["label", "score"]
        assert ours["label"] == theirs["label"] and ours["score"] == pytest.approx(theirs["score"], abs=1e-5)


CALLS = {
    "a text": (TEXTS[0], {}),
    "a Chinese text": (TEXTS[1], {}),
    "several": (TEXTS, {}),
    "all labels": (TEXTS, {"top_k": None}),
    "all labels of a text": (TEXTS[1], {"top_k": None}),
    "two labels": (TEXTS[0], {"top_k": 2}),
    "one label, asked for": (TEXTS[0], {"top_k": 1}),
    "more labels than there are": (TEXTS, {"top_k": 9}),
    "sigmoid": (TEXTS, {"function_to_apply": "sigmoid", "top_k": None}),
    "none": (TEXTS, {"function_to_apply": "none", "top_k": None}),
    "softmax": (TEXTS[0], {"function_to_apply": "softmax"}),
    "batches": (TEXTS, {"batch_size": 3}),
    "cut": ("a long text " * 40, {"truncation": True, "max_length": 12}),
    "cut in batches": ([TEXTS[1] * 9, "b", "电影" * 30], {"truncation": True, "max_length": 40, "batch_size": 2}),
    "padded to a length": (TEXTS, {"padding": "max_length", "max_length": 30, "truncation": True}),
    "a pair": (PAIR, {}),
    "pairs": ([PAIR, {"text": "a", "text_pair": "b c"}], {"top_k": None}),
    "a pair among texts": ([PAIR, {"text": "a"}], {}),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_gives_what_transformers_gives(bert, name):
    inputs, options = CALLS[name]
    ours, theirs = both(bert)
    assert_same(ours(inputs, **options), theirs(inputs, **options))


@pytest.mark.parametrize("options", [{"top_k": None}, {"top_k": 2}, {"function_to_apply": "sigmoid"}])
def test_options_of_the_pipeline_are_those_of_its_calls(bert, options):
    ours, theirs = both(bert, **options)
    assert_same(ours(TEXTS[0]), theirs(TEXTS[0]))
    assert_same(ours(TEXTS), theirs(TEXTS))
    assert_same(ours(TEXTS[1], top_k=1), theirs(TEXTS[1], top_k=1))


@pytest.mark.parametrize(
    "changes",
    [
        {"num_labels": 1},
        {"num_labels": 1, "problem_type": "regression"},
        {"num_labels": 3, "problem_type": "multi_label_classification"},
        {"num_labels": 2, "problem_type": "single_label_classification"},
    ],
)
def test_the_scores_follow_the_problem_type(changes, tmp_path):
    ours, theirs = both(save(tmp_path, **changes))
    for options in ({}, {"top_k": None}):
        assert_same(ours(TEXTS, **options), theirs(TEXTS, **options))


def test_sentiment_analysis_is_the_same_task(bert):
    ours, theirs = both(bert, "sentiment-analysis")
    assert_same(ours(TEXTS), theirs(TEXTS))


def test_a_decoder_classifies_too(tmp_path, bert):
    config = transformers.GPT2Config(
        vocab_size=200, n_embd=32, n_layer=2, n_head=4, n_positions=64, num_labels=3, pad_token_id=0, bos_token_id=2,
        eos_token_id=3,
    )  # fmt: skip
    transformers.GPT2ForSequenceClassification(config).save_pretrained(tmp_path)
    tokenizers = mt.AutoTokenizer.from_pretrained(bert), transformers.AutoTokenizer.from_pretrained(bert)
    for tokenizer in tokenizers:
        tokenizer.model_input_names = ["input_ids", "attention_mask"]
    for options in ({}, {"batch_size": 2, "padding": True}):
        ours = mt.pipeline("text-classification", model=tmp_path, tokenizer=tokenizers[0])(TEXTS, **options)
        theirs = transformers.pipeline("text-classification", model=str(tmp_path), tokenizer=tokenizers[1])(TEXTS)
        assert_same(ours, theirs)


PROGRAM = """
from massivetext import pipeline

# 创建文本分类管道
classifier = pipeline("text-classification", model="bert-base-uncased")

# 对文本进行分类
result = classifier("This is a positive sentence.")

# 打印结果
print(result)
"""


@pytest.mark.parametrize("architecture", ["BertForPreTraining", "BertForMaskedLM", "BertModel"])
def test_the_program_of_the_document_runs_and_says_that_the_head_is_fresh(architecture, tmp_path, monkeypatch, capsys):
    save(tmp_path / "bert-base-uncased", architecture)
    monkeypatch.setenv("MASSIVETEXT_MODELS", str(tmp_path))
    found = {}
    exec(PROGRAM, found)
    shown = capsys.readouterr()
    assert [set(entry) for entry in found["result"]] == [{"label", "score"}]
    assert found["result"][0]["label"] in ("LABEL_0", "LABEL_1") and str(found["result"]) in shown.out
    assert "classifier.weight" in shown.err and "made fresh" in shown.err
    again = dict(found)
    exec(PROGRAM, again)
    assert again["result"] == found["result"]


REFUSED = [
    ({"inputs": 5}, "takes a text or a list of texts; found 5"),
    ({"inputs": [1]}, "found 1"),
    ({"inputs": [["a", "b"]]}, r"text_pair.*found \['a', 'b'\]"),
    ({"inputs": {"text": "a", "pair": "b"}}, "text_pair"),
    ({"inputs": "a", "topk": 2}, "did you mean 'top_k'"),
    ({"inputs": "a", "top_k": 0}, "top_k is 0; allowed: a whole number of at least 1, or None"),
    ({"inputs": "a", "batch_size": -1}, "batch_size is -1"),
    ({"inputs": "a", "function_to_apply": "sigmoyd"}, "did you mean 'sigmoid'"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_what_cannot_be_done_is_refused_by_name(bert, call, message):
    classifier = mt.pipeline("text-classification", model=bert)
    with pytest.raises(ConfigError, match=message):
        classifier(call.pop("inputs"), **call)


def test_a_text_longer_than_the_model_reads_names_the_remedy(bert):
    with pytest.raises(ModelError, match="truncation=True"):
        mt.pipeline("text-classification", model=bert)("a " * 100)


def test_a_pipeline_without_a_model_or_with_one_of_another_task_is_refused(bert):
    with pytest.raises(ConfigError, match=r"model=\.\.\."):
        mt.pipeline("text-classification")
    with pytest.raises(ConfigError, match="AutoModelForSequenceClassification"):
        mt.pipeline("text-classification", model=mt.AutoModel.from_pretrained(bert))
    with pytest.raises(ConfigError, match="did you mean 'text-classification'"):
        mt.pipeline("text-clasification", model=bert)


def test_no_texts_give_no_entries(bert):
    assert mt.pipeline("text-classification", model=bert)([]) == []
