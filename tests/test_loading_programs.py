"""The loading and generating programs of the documents, word for word with `massivetext` in place of `transformers`.

$MASSIVETEXT_MODELS holds tiny folders of the names that the programs use; what a program leaves undefined is supplied.
"""

import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

import massivetext as mt

TEXTS = [
    "This is the first sentence.",
    "This is the second sentence.",
    "大规模语言模型的应用",
    "北京是中国的首都。",
] * 3
SIZES = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}


def write_bert(folder):
    letters = sorted(set("".join(TEXTS).lower()) - {" "})
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters), "this"]
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    config = transformers.BertConfig(vocab_size=len(tokens), max_position_embeddings=64, **SIZES)
    transformers.BertForMaskedLM(config).save_pretrained(folder)


def byte_level(folder, specials):
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(TEXTS, trainer)
    folder.mkdir()
    backend.model.save(str(folder))
    return backend.get_vocab_size()


def write_roberta(folder):
    size = byte_level(folder, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    config = transformers.RobertaConfig(vocab_size=size, max_position_embeddings=66, type_vocab_size=1, **SIZES)
    transformers.RobertaForMaskedLM(config).save_pretrained(folder)


def write_gpt2(folder):
    size = byte_level(folder, ["<|endoftext|>"])
    config = transformers.GPT2Config(
        vocab_size=size, n_positions=64, n_embd=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0
    )
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)


@pytest.fixture(scope="module")
def models_folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    write_bert(root / "bert-base-uncased")
    write_roberta(root / "roberta-base")
    write_gpt2(root / "gpt2")
    return root


@pytest.fixture(autouse=True)
def found_by_name(models_folder, monkeypatch):
    monkeypatch.setenv("MASSIVETEXT_MODELS", str(models_folder))


def has(name):
    return name in mt.PUBLIC_NAMES


def test_the_program_that_loads_bert():
    from massivetext import AutoModelForMaskedLM

    # 加载预训练的BERT模型
    model_name = "bert-base-uncased"
    model = AutoModelForMaskedLM.from_pretrained(model_name)
    assert isinstance(model, mt.BertForMaskedLM)


@pytest.mark.skipif(not has("GPT2LMHeadModel"), reason="the gpt2 family is not part of this build")
def test_the_program_that_loads_gpt2_and_generates(capsys):
    from massivetext import GPT2LMHeadModel, GPT2Tokenizer

    model_name = "gpt2"
    model = GPT2LMHeadModel.from_pretrained(model_name)
    tokenizer = GPT2Tokenizer.from_pretrained(model_name)
    input_text = "大规模语言模型的应用"
    input_ids = tokenizer.encode(input_text, return_tensors="pt")
    output = model.generate(input_ids, max_length=50, num_return_sequences=1)

    generated_text = tokenizer.decode(output[0], skip_special_tokens=True)
    print(generated_text)
    peer = transformers.GPT2LMHeadModel.from_pretrained(model.tokenizer_folder)
    assert torch.equal(output, peer.generate(input_ids, max_length=50, do_sample=False, pad_token_id=0))
    assert capsys.readouterr().out.startswith(input_text)


def test_the_program_that_trains_a_masked_language_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    from massivetext import (
        AutoModelForMaskedLM,
        AutoTokenizer,
        DataCollatorForLanguageModeling,
        Trainer,
        TrainingArguments,
    )

    # 加载预训练模型和分词器
    model_name = "bert-base-uncased"
    model = AutoModelForMaskedLM.from_pretrained(model_name)
    tokenizer = AutoTokenizer.from_pretrained(model_name)

    # 加载训练数据
    train_texts = ["This is the first sentence.", "This is the second sentence."]
    train_encodings = tokenizer(train_texts, truncation=True, padding=True)

    # 创建数据收集器
    data_collator = DataCollatorForLanguageModeling(tokenizer=tokenizer, mlm=True, mlm_probability=0.15)

    # 创建训练参数
    training_args = TrainingArguments(
        output_dir="./results",
        overwrite_output_dir=True,
        num_train_epochs=3,
        per_device_train_batch_size=8,
        save_steps=10_000,
        save_total_limit=2,
    )

    # 创建训练器
    trainer = Trainer(
        model=model,
        args=training_args,
        data_collator=data_collator,
        train_dataset=train_encodings,
    )

    # 开始训练
    trainer.train()

    # 保存模型
    trainer.save_model("./my_model")
    back, peer = (m.from_pretrained("./my_model") for m in (mt.BertForMaskedLM, transformers.BertForMaskedLM))
    inputs = tokenizer("the [MASK] sentence", return_tensors="pt")
    with torch.no_grad():
        assert (back(**inputs).logits - peer.eval()(**inputs).logits).abs().max() <= 1e-5


def test_the_program_that_loads_three_models():
    # 创建 BERT 模型
    model = mt.AutoModelForMaskedLM.from_pretrained("bert-base-uncased")
    assert isinstance(model, mt.BertForMaskedLM)

    if has("GPT2LMHeadModel"):
        # 创建 GPT-2 模型
        model = mt.AutoModelForCausalLM.from_pretrained("gpt2")
        assert isinstance(model, mt.GPT2LMHeadModel)

    # 创建 RoBERTa 模型
    model = mt.AutoModelForMaskedLM.from_pretrained("roberta-base")
    assert isinstance(model, mt.RobertaForMaskedLM)


@pytest.mark.parametrize("name", ["bert-base-uncased", "roberta-base"])
def test_a_masked_token_gets_the_probabilities_of_transformers(name, models_folder):
    model, tokenizer = mt.AutoModelForMaskedLM.from_pretrained(name), mt.AutoTokenizer.from_pretrained(name)
    peer = transformers.AutoModelForMaskedLM.from_pretrained(models_folder / name).eval()
    for text in (f"This is the {tokenizer.mask_token} sentence.", f"北京是中国的{tokenizer.mask_token}都。", ""):
        inputs = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            assert (model(**inputs).logits - peer(**inputs).logits).abs().max() <= 1e-5
