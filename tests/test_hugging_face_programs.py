"""Calls that Hugging Face programs make: the results of transformers, or a refusal that names what was asked for."""

import copy
import pickle
import warnings

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import massivetext as mt
from massivetext.errors import ConfigError, MassiveTextError

transformers = pytest.importorskip("transformers")

A = "The quick brown fox, isn't it? 北京是中国的首都。 Héllo wörld 123"
B = "Second text here. 第二段。"
SEVERAL = [A, B, "short", "", "  leading and   inner  spaces ", "tabs\tand\nnewlines\r\n", "他说：“你好”。"]
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


def word_pieces(folder):
    backend = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer, backend.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    backend.train_from_iterator(
        SEVERAL * 5, trainers.WordPieceTrainer(vocab_size=300, special_tokens=specials, show_progress=False)
    )
    vocabulary = backend.get_vocab()
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.get)) + "\n", encoding="utf-8")
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)


def byte_level(folder):
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder, backend.post_processor = decoders.ByteLevel(), processors.ByteLevel(trim_offsets=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(SEVERAL * 5, trainer)
    end = "<|endoftext|>"
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token=end, eos_token=end, unk_token=end, pad_token=end
    ).save_pretrained(folder)


def unigram(folder):
    backend = Tokenizer(models.Unigram())
    backend.normalizer, backend.pre_tokenizer = normalizers.NFKC(), pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=120, special_tokens=["<pad>", "</s>", "<unk>", "<s>"], unk_token="<unk>", show_progress=False
    )
    backend.train_from_iterator(SEVERAL * 5, trainer)
    ids = [(token, backend.token_to_id(token)) for token in ("<s>", "</s>")]
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=ids
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>"
    ).save_pretrained(folder)


KINDS = {"word pieces": word_pieces, "byte level": byte_level, "unigram": unigram}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("folders")
    for name, make in KINDS.items():
        make(root / name)
    config = transformers.GPT2Config(
        vocab_size=400, n_positions=64, n_embd=16, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    torch.manual_seed(0)
    transformers.GPT2LMHeadModel(config).save_pretrained(root / "gpt2")
    config = transformers.LlamaConfig(vocab_size=400, max_position_embeddings=64, num_key_value_heads=1, **SIZES)
    transformers.LlamaForCausalLM(config).save_pretrained(root / "llama")
    config = transformers.BertConfig(vocab_size=300, max_position_embeddings=64, num_labels=3, **SIZES)
    transformers.BertForSequenceClassification(config).save_pretrained(root / "bert")
    config = transformers.T5Config(vocab_size=120, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    transformers.T5ForConditionalGeneration(config).save_pretrained(root / "t5")
    return root


def plain(value):
    """A result as plain values, whatever class holds it."""
    if hasattr(value, "keys") and hasattr(value, "items"):
        return {str(name): plain(value[name]) for name in sorted(value.keys(), key=str)}
    if isinstance(value, (torch.Tensor, np.ndarray)):
        return [type(value).__name__, str(value.dtype), value.tolist()]
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return str(value) if isinstance(value, transformers.AddedToken) else value


def ids_of(tokenizer, text=A, **options):
    return tokenizer(text, **options)["input_ids"]


def changed(tokenizer, **values):
    for name, value in values.items():
        setattr(tokenizer, name, value)
    return tokenizer


def added(**options):
    return transformers.AddedToken("abc1", **options)


CALLS = {
    "one text": lambda t: t(A),
    "several": lambda t: t(SEVERAL),
    "a pair": lambda t: t(A, B),
    "pairs": lambda t: t([A, B], [B, A]),
    "text_pair": lambda t: t(A, text_pair=B),
    "tuples": lambda t: t([(A, B), (B, A)]),
    "text_target": lambda t: t(A, text_target=B),
    "targets alone": lambda t: t(text_target=[B, A]),
    "target and padding": lambda t: t(text=[A, B], text_target=[B, B], padding=True),
    "text=": lambda t: t(text=A),
    "padding": lambda t: t(SEVERAL, padding=True),
    "padding pt": lambda t: t(SEVERAL, padding="longest", return_tensors="pt"),
    "padding np": lambda t: t(SEVERAL, padding=True, return_tensors="np"),
    "max_length": lambda t: t(SEVERAL, padding="max_length", max_length=12, truncation=True),
    "multiple": lambda t: t(SEVERAL, padding=True, pad_to_multiple_of=8),
    "left": lambda t: t(SEVERAL, padding=True, padding_side="left"),
    "left by attribute": lambda t: changed(t, padding_side="left")(SEVERAL, padding=True),
    "cut left": lambda t: changed(t, truncation_side="left")(A, truncation=True, max_length=9),
    "only_first": lambda t: t(A, "短", truncation="only_first", max_length=14),
    "longest_first": lambda t: t(A, B, truncation="longest_first", max_length=14),
    "overflow": lambda t: t(A, truncation=True, max_length=10, stride=3, return_overflowing_tokens=True),
    "offsets": lambda t: t(SEVERAL, return_offsets_mapping=True),
    "special mask": lambda t: t(A, return_special_tokens_mask=True),
    "length": lambda t: t(SEVERAL, return_length=True),
    "no kinds": lambda t: t(A, B, return_token_type_ids=False),
    "kinds": lambda t: t(A, B, return_token_type_ids=True),
    "no special": lambda t: t(A, add_special_tokens=False),
    "words": lambda t: t(["Hello", "there", "北京"], is_split_into_words=True),
    "rows of words": lambda t: t([["Hello", "there"], ["北京"]], is_split_into_words=True),
    "verbose": lambda t: t(A, verbose=False),
    "no mask": lambda t: t(A, return_attention_mask=False),
    "split_special_tokens": lambda t: t("a [SEP] b </s> <|endoftext|>", split_special_tokens=True),
    "special in text": lambda t: t("a [SEP] b </s> c <|endoftext|>"),
    "tuple of texts": lambda t: t((A, B, "c")),
    "encode": lambda t: t.encode(A),
    "encode pt": lambda t: t.encode(A, return_tensors="pt"),
    "encode pair": lambda t: t.encode(A, B),
    "encode cut": lambda t: t.encode(A, max_length=5, truncation=True),
    "tokenize": lambda t: t.tokenize(A),
    "tokenize pair": lambda t: t.tokenize(A, B),
    "tokenize special": lambda t: t.tokenize(A, add_special_tokens=True),
    "decode": lambda t: t.decode(ids_of(t)),
    "decode skip": lambda t: t.decode(ids_of(t), skip_special_tokens=True),
    "decode clean": lambda t: t.decode(ids_of(t), clean_up_tokenization_spaces=True),
    "decode unclean": lambda t: t.decode(ids_of(t), clean_up_tokenization_spaces=False),
    "decode tensor": lambda t: t.decode(ids_of(t, return_tensors="pt")[0]),
    "decode array": lambda t: t.decode(np.array(ids_of(t))),
    "decode number": lambda t: t.decode(5),
    "batch_decode": lambda t: t.batch_decode(ids_of(t, SEVERAL), skip_special_tokens=True),
    "batch_decode clean": lambda t: t.batch_decode(ids_of(t, SEVERAL), clean_up_tokenization_spaces=True),
    "tokens to ids": lambda t: t.convert_tokens_to_ids(["the", "的", "zzzz"]),
    "ids to tokens": lambda t: t.convert_ids_to_tokens([5, 6, 7]),
    "tokens to string": lambda t: t.convert_tokens_to_string(t.tokenize(A)),
    "vocab_size": lambda t: t.vocab_size,
    "len": len,
    "get_vocab": lambda t: t.get_vocab(),
    "vocab": lambda t: t.vocab,
    "special_tokens_map": lambda t: t.special_tokens_map,
    "all_special_tokens": lambda t: sorted(t.all_special_tokens),
    "all_special_ids": lambda t: sorted(t.all_special_ids),
    "is_fast": lambda t: t.is_fast,
    "model_max_length": lambda t: t.model_max_length,
    "ids by name": lambda t: (t.pad_token, t.pad_token_id, t.eos_token_id, t.cls_token_id, t.unk_token, t.mask_token),
    "num_special": lambda t: [t.num_special_tokens_to_add(pair=pair) for pair in (False, True)],
    "special mask of ids": lambda t: t.get_special_tokens_mask(ids_of(t), already_has_special_tokens=True),
    "max_len_single": lambda t: t.max_len_single_sentence,
    "padding_side": lambda t: t.padding_side,
    "added encoder": lambda t: t.added_tokens_encoder,
    "added decoder": lambda t: t.added_tokens_decoder,
    "added vocab": lambda t: t.get_added_vocab(),
    "backend": lambda t: type(t.backend_tokenizer).__name__,
    "pad rows": lambda t: t.pad([{"input_ids": [5, 6]}, {"input_ids": [7]}]),
    "pad columns": lambda t: t.pad({"input_ids": [[5, 6], [7]]}, return_tensors="pt"),
    "pad labels": lambda t: t.pad(
        [{"input_ids": [5, 6], "labels": 1}, {"input_ids": [7], "labels": 0}], return_tensors="pt"
    ),
    "pad floats": lambda t: t.pad(
        [{"input_ids": [5, 6], "labels": 0.5}, {"input_ids": [7], "labels": 0.25}], return_tensors="pt"
    ),
    "word_ids": lambda t: t(A).word_ids(),
    "word_ids of a row": lambda t: t(SEVERAL).word_ids(batch_index=1),
    "tokens": lambda t: t(A).tokens(),
    "sequence_ids": lambda t: t(A, B).sequence_ids(0),
    "char_to_token": lambda t: [t(A).char_to_token(4), t(SEVERAL).char_to_token(1, 8)],
    "token_to_chars": lambda t: tuple(t(A).token_to_chars(2)),
    "word_to_tokens": lambda t: tuple(t(A).word_to_tokens(1)),
    "word_to_chars": lambda t: tuple(t(A).word_to_chars(1)),
    "token_to_word": lambda t: t(A).token_to_word(2),
    "char_to_word": lambda t: t(A).char_to_word(4),
    "token_to_sequence": lambda t: t(A, B).token_to_sequence(3),
    "n_sequences": lambda t: t(A, B).n_sequences,
    "row of a result": lambda t: t(SEVERAL)[1].ids,
    "convert_to_tensors": lambda t: t(SEVERAL, padding=True).convert_to_tensors("pt"),
    "to": lambda t: t(A, return_tensors="pt").to("cpu"),
    "data": lambda t: t(A).data,
    "as arguments": lambda t: (lambda **columns: sorted(columns))(**t(A)),
    "add_tokens": lambda t: (t.add_tokens(["新词", "newtok"]), len(t), t.tokenize("a newtok b 新词 c")),
    "add special": lambda t: (t.add_special_tokens({"additional_special_tokens": ["<X>"]}), t.tokenize("a <X> b")),
    "lstrip": lambda t: (t.add_tokens([added(lstrip=True)]), t.tokenize("x abc1 y")),
    "rstrip": lambda t: (t.add_tokens(added(rstrip=True)), t.tokenize("x abc1 y")),
    "single_word": lambda t: (t.add_tokens([added(single_word=True)]), t.tokenize("xabc1 abc1 y")),
    "normalized": lambda t: (t.add_tokens([added(normalized=False)]), t.tokenize("x ABC1 abc1 y")),
    "set pad_token": lambda t: changed(t, pad_token=t.convert_ids_to_tokens(7))(SEVERAL, padding=True),
    "set pad_token_id": lambda t: changed(t, pad_token_id=5)(SEVERAL, padding=True),
    "set eos_token_id": lambda t: (changed(t, eos_token_id=6).eos_token, t.special_tokens_map),
    "retrained": lambda t: len(t.train_new_from_iterator(["aa bb cc 天地"] * 5, vocab_size=300)),
    "retrained tokens": lambda t: sorted(t.train_new_from_iterator([["aa bb"], ["cc 天地"]], 300).get_vocab()),
    "copied": lambda t: copy.deepcopy(t)(A),
    "pickled": lambda t: pickle.loads(pickle.dumps(t))(A),
    "repr": lambda t: bool(repr(t)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CALLS)
def test_a_call_of_a_tokenizer_gives_what_transformers_gives(folders, kind, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = plain(CALLS[name](transformers.AutoTokenizer.from_pretrained(folders / kind)))
    assert plain(CALLS[name](mt.AutoTokenizer.from_pretrained(folders / kind))) == theirs


@pytest.mark.parametrize("kind", KINDS)
def test_options_of_added_tokens_survive_saving(folders, kind, tmp_path):
    tokenizer = mt.AutoTokenizer.from_pretrained(folders / kind)
    tokenizer.add_tokens([added(lstrip=True), transformers.AddedToken("词", single_word=True, rstrip=True)])
    tokenizer.save_pretrained(tmp_path)
    for library in (mt, transformers):
        again = library.AutoTokenizer.from_pretrained(tmp_path)
        found = {str(token): token for token in again.added_tokens_decoder.values()}
        assert found["abc1"].lstrip and found["词"].single_word and found["词"].rstrip
        assert again.tokenize("x abc1 词 y") == tokenizer.tokenize("x abc1 词 y")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("pad_tokn", "x", "did you mean 'pad_token'"),
        ("paddingside", "left", "did you mean 'padding_side'"),
        ("eos_tokenid", 3, "did you mean 'eos_token_id'"),
        ("add_bos_token", False, "use tokenizer"),
        ("truncation_sid", "left", "did you mean 'truncation_side'"),
    ],
)
def test_an_attribute_that_a_tokenizer_does_not_have_is_refused(folders, name, value, said):
    tokenizer = mt.AutoTokenizer.from_pretrained(folders / "byte level")
    with pytest.raises(AttributeError, match=said):
        setattr(tokenizer, name, value)
    with pytest.raises(AttributeError, match=said):
        getattr(tokenizer, name)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda t: t(A, max_lenght=3), r"tokenizer\(max_lenght=.*did you mean 'max_length'"),
        (lambda t: t(A, pad_to_max_length=True), r"pad_to_max_length=\.\.\.\) is not a known argument"),
        (lambda t: t.decode([5], skip_special_token=True), "did you mean 'skip_special_tokens'"),
        (lambda t: t.prepare_for_model([5]), "use tokenizer"),
        (lambda t: changed(t, pad_token_id=10**6), "pad_token_id is 1000000; allowed: an id of the vocabulary"),
        (lambda t: changed(t, padding_side="middle"), "unknown side 'middle'"),
        (lambda t: t(b"bytes"), "is bytes"),
        (lambda t: t([A, None]), r"text\[1\] is a NoneType"),
        (lambda t: t(None), "text is None"),
        (lambda t: t.pad({"input_ids": [[5]]}).char_to_token(0), "were not made of texts"),
        (lambda t: t(A).char_to_token(3, 4), "row 3 was asked for"),
    ],
)
def test_a_call_that_cannot_be_done_is_refused_by_name(folders, call, said):
    with pytest.raises((MassiveTextError, AttributeError), match=said):
        call(mt.AutoTokenizer.from_pretrained(folders / "byte level"))


def test_arrays_data_frames_and_columns_of_texts_are_read(folders):
    import datasets
    import pandas

    tokenizer = mt.AutoTokenizer.from_pretrained(folders / "unigram")
    expected = tokenizer([A, B])["input_ids"]
    forms = [np.array([A, B]), pandas.Series([A, B]), datasets.Dataset.from_dict({"x": [A, B]})["x"], (A, B)]
    assert [tokenizer(form)["input_ids"] for form in forms] == [expected] * 4


# ---- models ----------------------------------------------------------------------------------------------------------

IDS = torch.tensor([[5, 6, 7, 8, 9], [9, 8, 7, 6, 5]])
MASK = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])
LOADING = {
    "torch_dtype": {"torch_dtype": "auto"},
    "torch_dtype object": {"torch_dtype": torch.float32},
    "dtype": {"dtype": torch.float32},
    "no dtype": {"torch_dtype": None},
    "device_map": {"device_map": "cpu"},
    "device_map dict": {"device_map": {"": "cpu"}},
    "no device_map": {"device_map": None},
    "trust_remote_code": {"trust_remote_code": True},
    "attn_implementation": {"attn_implementation": "sdpa"},
    "eager": {"attn_implementation": "eager"},
    "use_safetensors": {"use_safetensors": True},
    "low_cpu_mem_usage": {"low_cpu_mem_usage": True},
    "local_files_only": {"local_files_only": False},
    "revision": {"revision": "main"},
    "token": {"token": None},
    "cache_dir": {"cache_dir": None},
    "use_cache": {"use_cache": False},
    "pad_token_id": {"pad_token_id": 3},
}


@pytest.mark.parametrize("name", LOADING)
@pytest.mark.parametrize("folder", ["gpt2", "llama"])
def test_a_model_opens_with_the_arguments_of_transformers(folders, name, folder):
    ours = mt.AutoModelForCausalLM.from_pretrained(folders / folder, **LOADING[name])
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folders / folder)
    with torch.no_grad():
        assert torch.allclose(ours(IDS).logits, theirs(IDS).logits, atol=1e-5)
    if name == "pad_token_id":
        assert ours.config.pad_token_id == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"load_in_8bit": True}, r"load_in_8bit=True\) is not supported.*bfloat16"),
        ({"revision": "v2"}, "hf download"),
        ({"device_map": {"a": "cpu", "b": "cuda"}}, "over 2 devices"),
        ({"torch_dtpe": "auto"}, r"torch_dtpe=\.\.\.\) is not a known argument"),
        ({"variant": "fp16"}, "variant='fp16'"),
        ({"cache_dir": "/x"}, "HF_HOME"),
        ({"output_attentions": True}, "pass it to the call of the model"),
        ({"attn_implementation": "flex"}, "attn_implementation='flex'"),
    ],
)
@pytest.mark.parametrize("folder", ["gpt2", "bert"])
def test_an_argument_of_loading_that_cannot_be_done_is_refused_by_name(folders, folder, options, said):
    auto = mt.AutoModelForCausalLM if folder == "gpt2" else mt.AutoModelForSequenceClassification
    with pytest.raises(ConfigError, match=said):
        auto.from_pretrained(folders / folder, **options)


def logits(model, *arguments, **options):
    with torch.no_grad():
        found = model(*arguments, **options)
    return found[0] if isinstance(found, tuple) else found.logits


FORWARD = {
    "use_cache": {"input_ids": IDS, "use_cache": True},
    "return_dict": {"input_ids": IDS, "return_dict": True},
    "a tuple": {"input_ids": IDS, "return_dict": False, "use_cache": False},
    "past_key_values": {"input_ids": IDS, "past_key_values": None},
    "attention_mask": {"input_ids": IDS, "attention_mask": torch.ones_like(IDS)},
    "kinds": {"input_ids": IDS, "token_type_ids": torch.zeros_like(IDS)},
    "kinds of two": {"input_ids": IDS, "token_type_ids": MASK},
    "logits_to_keep": {"input_ids": IDS, "logits_to_keep": 0},
    "output_attentions": {"input_ids": IDS, "output_attentions": False},
}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", FORWARD)
@pytest.mark.parametrize("folder", ["gpt2", "llama"])
def test_a_model_is_called_with_the_arguments_of_transformers(folders, name, folder):
    if (folder, name) == ("llama", "kinds of two"):
        model = mt.AutoModelForCausalLM.from_pretrained(folders / folder)
        with pytest.raises(MassiveTextError, match="token_type_ids is not 0"):
            model(**FORWARD[name])
        return
    ours, theirs = (
        logits(library.AutoModelForCausalLM.from_pretrained(folders / folder), **FORWARD[name])
        for library in (mt, transformers)
    )
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_embeddings_stand_in_for_ids(folders):
    for folder in ("gpt2", "llama"):
        model = mt.AutoModelForCausalLM.from_pretrained(folders / folder)
        embeddings = model.get_input_embeddings()(IDS)
        assert torch.equal(logits(model, inputs_embeds=embeddings), logits(model, IDS))
        with pytest.raises(MassiveTextError, match="one of the two"):
            model(input_ids=IDS, inputs_embeds=embeddings)


def test_outputs_behave_as_mappings(folders):
    output = mt.AutoModelForCausalLM.from_pretrained(folders / "gpt2")(IDS, labels=IDS)
    assert list(output) == ["loss", "logits"] == output.keys() and "loss" in output and len(output) == 2
    loss, found = output[:2]
    assert loss is output.loss and found is output["logits"] and output.get("attentions") is None
    with pytest.raises(AttributeError, match="generate"):
        output.past_key_values  # noqa: B018


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"past_key_values": [1]}, "call generate"),
        ({"use_cach": True}, "did you mean|not a known argument"),
        ({"head_mask": torch.ones(1)}, "heads cannot be masked"),
    ],
)
def test_an_argument_of_a_model_that_cannot_be_done_is_refused_by_name(folders, options, said):
    with pytest.raises(ConfigError, match=said):
        mt.AutoModelForCausalLM.from_pretrained(folders / "gpt2")(IDS, **options)


METHODS = {
    "num_parameters": lambda m: m.num_parameters(),
    "trainable": lambda m: m.num_parameters(only_trainable=True),
    "input embeddings": lambda m: m.get_input_embeddings().weight.detach(),
    "output embeddings": lambda m: m.get_output_embeddings().weight.detach(),
    "model_type": lambda m: m.config.to_dict()["model_type"],
    "can_generate": lambda m: m.can_generate(),
    "tie_weights": lambda m: m.tie_weights(),
    "dtype": lambda m: str(m.dtype),
    "half": lambda m: str(m.half().dtype),
    "bfloat16": lambda m: str(m.bfloat16().dtype),
    "to": lambda m: str(m.to(torch.float64).dtype),
    "device": lambda m: str(m.device),
    "vocab_size": lambda m: m.config.vocab_size,
    "name_or_path": lambda m: bool(m.name_or_path),
    "main_input_name": lambda m: m.main_input_name,
    "resized up": lambda m: (m.resize_token_embeddings(410), m.config.vocab_size, logits(m, IDS).shape[-1])[1:],
    "resized down": lambda m: (m.resize_token_embeddings(390), logits(m, IDS))[1],
    "resized to a multiple": lambda m: (m.resize_token_embeddings(401, pad_to_multiple_of=8), m.config.vocab_size)[1],
    "use_cache": lambda m: (setattr(m.config, "use_cache", False), m.config.use_cache)[1],
    "set pad id": lambda m: (setattr(m.config, "pad_token_id", 3), m.config.pad_token_id)[1],
    "update": lambda m: (m.config.update({"eos_token_id": 4}), m.config.eos_token_id)[1],
    "generation pad": lambda m: (setattr(m.generation_config, "pad_token_id", 3), m.generation_config.pad_token_id)[1],
    "label2id": lambda m: m.config.label2id,
    "is_encoder_decoder": lambda m: m.config.is_encoder_decoder,
    "hidden size": lambda m: m.config.hidden_size,
}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("folder", ["gpt2", "llama"])
def test_a_method_of_a_model_gives_what_transformers_gives(folders, name, folder):
    ours, theirs = (
        METHODS[name](library.AutoModelForCausalLM.from_pretrained(folders / folder)) for library in (mt, transformers)
    )
    if isinstance(theirs, torch.Tensor):
        assert torch.allclose(ours, theirs, atol=1e-5)
    else:
        assert plain(ours) == plain(theirs)


@pytest.mark.parametrize("kind", [mt.AutoModelForSequenceClassification, mt.AutoModelForSeq2SeqLM])
def test_encoders_and_sequence_models_resize_and_count_alike(folders, kind):
    folder = folders / ("bert" if kind is mt.AutoModelForSequenceClassification else "t5")
    ours = kind.from_pretrained(folder)
    theirs = getattr(transformers, kind.__name__).from_pretrained(folder)
    assert ours.num_parameters() == theirs.num_parameters()
    for model in (ours, theirs):
        model.resize_token_embeddings(128 if kind is mt.AutoModelForSeq2SeqLM else 310)
    assert ours.num_parameters() == theirs.num_parameters()
    assert ours.get_input_embeddings().weight.shape == theirs.get_input_embeddings().weight.shape


GENERATE = {
    "use_cache": {"use_cache": True},
    "pad_token_id": {"pad_token_id": 0},
    "attention_mask": {"attention_mask": torch.ones_like(IDS)},
    "kinds": {"token_type_ids": torch.zeros_like(IDS)},
    "config": {"generation_config": {"max_new_tokens": 3, "do_sample": False}},
    "beams": {"num_beams": 2},
    "nothing special": {"num_beam_groups": 1, "output_scores": False, "synced_gpus": False},
}


@pytest.mark.parametrize("name", GENERATE)
def test_generate_takes_the_arguments_of_transformers(folders, name):
    found = []
    for library in (mt, transformers):
        options = {"max_new_tokens": 4, "do_sample": False, "pad_token_id": 0, **GENERATE[name]}
        if "generation_config" in options:
            options = {"generation_config": library.GenerationConfig(**options["generation_config"], pad_token_id=0)}
        model = library.AutoModelForCausalLM.from_pretrained(folders / "gpt2")
        found.append(model.generate(input_ids=IDS, **options).tolist())
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"streamer": object()}, "pipeline"),
        ({"stopping_criteria": [1]}, "max_new_tokens"),
        ({"max_new_token": 3}, "did you mean 'max_new_tokens'"),
        ({"return_dict_in_generate": True}, "returns the ids"),
    ],
)
def test_an_argument_of_generate_that_cannot_be_done_is_refused_by_name(folders, options, said):
    with pytest.raises(ConfigError, match=said):
        mt.AutoModelForCausalLM.from_pretrained(folders / "gpt2").generate(IDS, **options)


def test_more_tokens_than_the_model_reads_are_said(folders, capsys):
    model = mt.AutoModelForCausalLM.from_pretrained(folders / "llama")
    model.generate(IDS, max_new_tokens=70, eos_token_id=399)
    assert "5 tokens of prompt and 70 new ones are more than the 64" in capsys.readouterr().err


# ---- configurations and names ----------------------------------------------------------------------------------------


def test_a_configuration_reads_changes_and_saves_as_in_transformers(folders, tmp_path):
    config = mt.AutoConfig.from_pretrained(folders / "bert", id2label={0: "a", 1: "b", 2: "丙"})
    assert config.num_labels == 3 and config.label2id == {"a": 0, "b": 1, "丙": 2}
    config = mt.GPT2Config.from_pretrained(folders / "gpt2")
    assert (config.n_embd, config.n_layer, config.hidden_size) == (16, 2, 16)
    config.n_layer = 3
    config.save_pretrained(tmp_path)
    assert transformers.AutoConfig.from_pretrained(tmp_path).n_layer == 3
    assert (
        mt.GPT2Config.from_dict(config.to_dict()).to_dict() == config.to_dict()
        and '"n_layer": 3' in config.to_json_string()
    )


def test_a_configuration_in_use_does_not_change_what_the_model_is(folders):
    model = mt.AutoModelForCausalLM.from_pretrained(folders / "gpt2")
    with pytest.raises(ConfigError, match="n_layer cannot change to 5: a model was made"):
        model.config.n_layer = 5
    with pytest.raises(AttributeError, match="did you mean 'n_layer'"):
        model.config.n_layers = 5
    with pytest.raises(ConfigError, match="output_attentions"):
        model.config.output_attentions = True


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Seq2SeqTrainer", "use mt.Trainer instead"),
        ("TextStreamer", "mt.pipeline"),
        ("get_linear_schedule_with_warmup", "lr_scheduler_type='linear'"),
        ("EarlyStoppingCallback", "eval_strategy"),
        ("BertTokenizerFas", "did you mean 'BertTokenizerFast'"),
    ],
)
def test_a_name_that_is_not_there_says_what_does_its_work(name, said):
    with pytest.raises(AttributeError, match=said):
        getattr(mt, name)


@pytest.mark.parametrize("name", ["push_to_hub", "add_adapter", "gradient_checkpointing_enable"])
def test_a_method_that_is_not_there_says_what_does_its_work(folders, name):
    with pytest.raises(ConfigError, match=name):
        getattr(mt.AutoModelForCausalLM.from_pretrained(folders / "gpt2"), name)("x")


FEATURES = [{"input_ids": [5, 6, 7], "label": 1}, {"input_ids": [8], "label": 0}]
COLLATED = {
    "DataCollatorWithPadding": ({}, FEATURES),
    "DataCollatorForTokenClassification": (
        {},
        [{"input_ids": [5, 6, 7], "labels": [1, 0, -100]}, {"input_ids": [8], "labels": [2]}],
    ),
    "DataCollatorForSeq2Seq": ({}, [{"input_ids": [5, 6], "labels": [1, 2, 3]}, {"input_ids": [8], "labels": [2]}]),
}


@pytest.mark.parametrize("name", COLLATED)
def test_collators_give_what_those_of_transformers_give(folders, name):
    options, features = COLLATED[name]
    found = []
    for library in (mt, transformers):
        tokenizer = library.AutoTokenizer.from_pretrained(folders / "unigram")
        found.append(plain(dict(getattr(library, name)(tokenizer, **options)(copy.deepcopy(features)))))
    assert found[0] == found[1]


def test_the_default_collator_stacks_and_names_labels():
    features = [{"input_ids": [1, 2], "label": 1}, {"input_ids": [3, 4], "label": 0}]
    ours, theirs = mt.default_data_collator(features), transformers.default_data_collator(features)
    assert plain(ours) == plain(theirs)


def test_set_seed_seeds_every_generator():
    import random

    draws = []
    for _ in range(2):
        mt.set_seed(3)
        draws.append((random.random(), float(np.random.rand()), float(torch.rand(1))))
    assert draws[0] == draws[1]


def test_a_tokenizer_is_made_of_an_object_or_a_file(folders):
    path = folders / "byte level"
    theirs = transformers.AutoTokenizer.from_pretrained(path)
    of_object = mt.PreTrainedTokenizerFast(tokenizer_object=theirs.backend_tokenizer, eos_token="<|endoftext|>")
    of_file = mt.PreTrainedTokenizerFast(tokenizer_file=path / "tokenizer.json", pad_token="[PAD]")
    assert of_object.encode(A) == of_file.encode(A) == theirs.encode(A)
    assert of_object.eos_token_id == 0 and of_file.pad_token_id == len(theirs)
    with pytest.raises(ConfigError, match="give one of them"):
        mt.PreTrainedTokenizerFast()
