"""T5, mT5, BART and Marian: parity with transformers on tiny random weights, both directions; generation; bad input."""

import json

import pytest
import safetensors.torch
import torch
import transformers

import massivetext as mt
from massivetext.errors import ConfigError, ModelError
from massivetext.models.families.t5 import distance_buckets
from massivetext.models.families.table import CLASSES
from massivetext.state import read_state, write_state

T5 = {
    "vocab_size": 97, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 3, "num_decoder_layers": 2, "num_heads": 4,
    "relative_attention_num_buckets": 8, "relative_attention_max_distance": 20, "dropout_rate": 0.0,
}  # fmt: skip
BART = {
    "vocab_size": 97, "d_model": 32, "encoder_layers": 3, "encoder_ffn_dim": 48, "encoder_attention_heads": 4,
    "decoder_layers": 2, "decoder_ffn_dim": 40, "decoder_attention_heads": 2, "max_position_embeddings": 40,
    "dropout": 0.0,
}  # fmt: skip
GATED = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, "scale_decoder_outputs": False}
VARIANTS = {
    "t5": ("t5", T5),
    "t5-gated-head-apart": ("t5", {**T5, **GATED}),
    "t5-gated-silu": ("t5", {**T5, "feed_forward_proj": "gated-silu"}),
    "mt5": ("mt5", T5),
    "bart": ("bart", BART),
    "bart-scaled": ("bart", {**BART, "scale_embedding": True, "activation_function": "relu"}),
    "marian": ("marian", {**BART, "pad_token_id": 96, "decoder_start_token_id": 96, "scale_embedding": True,
                          "activation_function": "silu"}),
}  # fmt: skip
NAMES = {"t5": "T5ForConditionalGeneration", "mt5": "MT5ForConditionalGeneration",
         "bart": "BartForConditionalGeneration", "marian": "MarianMTModel"}  # fmt: skip


@pytest.fixture(params=sorted(VARIANTS))
def variant(request):
    return request.param


def randomise(model):
    generator = torch.Generator().manual_seed(0)
    fixed = "embed_positions" if type(model).__name__ == "MarianMTModel" else "none of them"
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if fixed not in name:
                parameter.normal_(0.0, 0.2, generator=generator)
        if hasattr(model, "final_logits_bias"):
            model.final_logits_bias.normal_(0.0, 0.2, generator=generator)
    return model.eval()


def tiny_model(variant, **changes):
    family, sizes = VARIANTS[variant]
    model = CLASSES["seq2seq-lm"][family](mt.AutoConfig.for_model(family, **{**sizes, **changes}))
    return randomise(model)


def peer_of(variant, **changes):
    family, sizes = VARIANTS[variant]
    start = {"decoder_start_token_id": 2 if family == "bart" else 0}
    values = {key: value for key, value in {**start, **sizes, **changes}.items() if key != "scale_decoder_outputs"}
    config = transformers.AutoConfig.for_model(family, **values)
    peer = transformers.AutoModelForSeq2SeqLM.from_config(config, attn_implementation="eager")
    return randomise(peer)


def batch(side="right", seed=1, padding=1):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(2, 90, (3, 12), generator=generator)
    mask = torch.ones_like(ids)
    mask[0, slice(0, 4) if side == "left" else slice(8, 12)] = 0
    labels = torch.randint(2, 90, (3, 9), generator=generator)
    labels[1, 5:] = -100
    return {"input_ids": ids.masked_fill(mask == 0, padding), "attention_mask": mask, "labels": labels}


def assert_equal_outputs(ours, theirs):
    assert (ours.logits - theirs.logits).abs().max() <= 1e-5
    assert (ours.encoder_last_hidden_state - theirs.encoder_last_hidden_state).abs().max() <= 1e-5
    assert torch.allclose(ours.loss, theirs.loss, atol=1e-5)
    for name in ("encoder_hidden_states", "decoder_hidden_states"):
        for mine, other in zip(getattr(ours, name), getattr(theirs, name), strict=True):
            assert (mine - other).abs().max() <= 1e-5, name


def test_a_folder_written_by_transformers_gives_the_same_numbers_here(variant, tmp_path):
    peer = peer_of(variant)
    peer.save_pretrained(tmp_path)
    model = mt.AutoModelForSeq2SeqLM.from_pretrained(tmp_path)
    assert type(model).__name__ == NAMES[VARIANTS[variant][0]]
    for side in ("right", "left"):
        inputs = batch(side)
        with torch.no_grad():
            ours, theirs = (m(**inputs, output_hidden_states=True) for m in (model, peer))
        assert_equal_outputs(ours, theirs)


def test_a_folder_written_here_gives_the_same_numbers_in_transformers(variant, tmp_path):
    model = tiny_model(variant)
    model.save_pretrained(tmp_path)
    peer, report = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"] and not report["mismatched_keys"]
    again = mt.AutoModelForSeq2SeqLM.from_pretrained(tmp_path)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in model.state_dict().items())
    with torch.no_grad():
        assert_equal_outputs(*(m(**batch(), output_hidden_states=True) for m in (model, peer.eval())))
    peer.save_pretrained(tmp_path / "peer")  # transformers 5 says of every T5 that its head is tied
    back = mt.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "peer")
    assert all(torch.equal(tensor, back.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_gradients_are_those_of_transformers(variant, tmp_path):
    peer = peer_of(variant)
    peer.save_pretrained(tmp_path)
    model = mt.AutoModelForSeq2SeqLM.from_pretrained(tmp_path).double()  # the formulas are compared, not rounding
    peer.double()
    peer(**batch(padding=95)).loss.backward()
    model(**batch(padding=95)).loss.backward()
    theirs = dict(peer.named_parameters(remove_duplicate=False))
    whole = torch.stack([p.grad.norm() for p in theirs.values() if p.grad is not None]).norm()
    for name, parameter in model.named_parameters():
        mine, other = parameter.grad, theirs[name].grad
        if "shared" in name:  # transformers gives the padding row no gradient through the lookup
            kept = [row for row in range(97) if row != model.config.pad_token_id]
            mine, other = mine[kept], other[kept]
        assert (mine - other).norm() <= 2e-6 * whole, name


@pytest.mark.parametrize("side", ["right", "left"])
def test_greedy_ids_are_those_of_transformers(variant, side, tmp_path):
    peer = peer_of(variant)
    peer.save_pretrained(tmp_path)
    model = mt.AutoModelForSeq2SeqLM.from_pretrained(tmp_path)
    inputs = {name: value for name, value in batch(side).items() if name != "labels"}
    for options in ({"max_new_tokens": 20}, {"max_length": 12}, {"max_new_tokens": 15, "repetition_penalty": 1.3}):
        ours = model.generate(**inputs, **options)
        theirs = peer.generate(**inputs, **options, do_sample=False, num_beams=1)
        assert torch.equal(ours, theirs), options


BEAMS = {"num_beams": 4, "max_new_tokens": 14, "do_sample": False, "pad_token_id": 96}  # 0 would be taken for none


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"early_stopping": True, "length_penalty": 2.0, "num_return_sequences": 3},
        {"early_stopping": "never", "length_penalty": 0.6, "no_repeat_ngram_size": 2},
        {"length_penalty": -1.0, "repetition_penalty": 1.3, "min_length": 8},
        {"max_new_tokens": 2, "num_return_sequences": 4},
    ],
)
def test_beams_find_the_ids_that_those_of_transformers_find(variant, options, tmp_path):
    peer = peer_of(variant)
    peer.save_pretrained(tmp_path)
    model = mt.AutoModelForSeq2SeqLM.from_pretrained(tmp_path)
    inputs = {name: value for name, value in batch("left").items() if name != "labels"}
    ends = model.generate(**inputs, max_new_tokens=6)[:, 3].unique().tolist()  # ids that are chosen, so that texts end
    options = {**BEAMS, "eos_token_id": [1, *ends], **options}
    assert torch.equal(model.generate(**inputs, **options), peer.generate(**inputs, **options))


def test_the_beams_that_a_folder_asks_for_are_used(tmp_path):
    tiny_model("bart").save_pretrained(tmp_path)
    path = tmp_path / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "num_beams": 4, "no_repeat_ngram_size": 3}))
    (tmp_path / "massivetext.json").unlink()  # the change is meant
    model, inputs = mt.AutoModelForSeq2SeqLM.from_pretrained(tmp_path), batch()["input_ids"]
    found = model.generate(inputs, max_new_tokens=12)
    assert torch.equal(found, model.generate(inputs, max_new_tokens=12, num_beams=4, no_repeat_ngram_size=3))
    assert not torch.equal(found, model.generate(inputs, max_new_tokens=12, num_beams=1))


def test_cached_ids_are_those_of_whole_passes(variant):
    model = tiny_model(variant, eos_token_id=1)
    inputs = {name: value for name, value in batch().items() if name != "labels"}
    cached = model.generate(**inputs, max_new_tokens=14, forced_eos_token_id=None, eos_token_id=95)
    ids = cached[:, :1]
    ends = torch.zeros(3, dtype=torch.bool)
    for step in range(cached.shape[1] - 1):
        chosen = model(**inputs, decoder_input_ids=ids).logits[:, -1].argmax(-1)
        if step == 13 and model.config.forced_eos_token_id is not None:
            chosen = torch.full_like(chosen, model.config.forced_eos_token_id)
        chosen = torch.where(ends, model.config.pad_token_id, chosen)
        ends |= chosen == 95
        ids = torch.cat([ids, chosen[:, None]], 1)
    assert torch.equal(cached, ids)


def test_sampling_repeats_by_its_seed_and_gives_each_source_its_own_texts(variant):
    model = tiny_model(variant)
    inputs = {name: value for name, value in batch().items() if name != "labels"}
    options = {"do_sample": True, "seed": 3, "max_new_tokens": 8, "num_return_sequences": 2}
    one, two = model.generate(**inputs, **options), model.generate(inputs, **options)
    assert one.shape == (6, 9) and torch.equal(one, two)
    assert not torch.equal(one, model.generate(**inputs, **{**options, "seed": 4}))
    alone = model.generate(inputs["input_ids"][2:], do_sample=False, max_new_tokens=8)
    assert torch.equal(alone[0], model.generate(**inputs, max_new_tokens=8)[2][: alone.shape[1]])


def test_forced_and_banned_ids_are_those_of_transformers(tmp_path):
    peer = peer_of("bart")
    peer.save_pretrained(tmp_path)
    (tmp_path / "generation_config.json").unlink()
    model = mt.AutoModelForSeq2SeqLM.from_pretrained(tmp_path)
    inputs = {name: value for name, value in batch().items() if name != "labels"}
    plain = model.generate(**inputs, max_new_tokens=6)
    options = {"forced_bos_token_id": 7, "bad_words_ids": [[int(plain[0, 2])], [9]], "max_new_tokens": 6}
    ours = model.generate(**inputs, **options)
    theirs = peer.generate(**inputs, **options, forced_eos_token_id=2, do_sample=False, num_beams=1)
    assert torch.equal(ours, theirs)
    assert (ours[:, 1] == 7).all() and int(plain[0, 2]) not in ours[:, 1:].tolist()[0]


def test_padding_of_the_source_changes_nothing(variant):
    model = tiny_model(variant)
    ids = batch()["input_ids"][1:2, :7]
    target = batch()["labels"][:1]
    padded = torch.cat([ids, torch.ones(1, 5, dtype=torch.long)], 1)
    mask = (torch.arange(12) < 7).long()[None]
    with torch.no_grad():
        alone = model(ids, decoder_input_ids=target).logits
        assert (alone - model(padded, mask, target).logits).abs().max() <= 1e-5


def test_later_target_tokens_change_nothing_before_them(variant):
    model, inputs = tiny_model(variant), batch()
    other = inputs["labels"].clamp(min=0).clone()
    other[:, 6:] += 1
    with torch.no_grad():
        one = model(inputs["input_ids"], decoder_input_ids=inputs["labels"].clamp(min=0)).logits
        two = model(inputs["input_ids"], decoder_input_ids=other).logits
    assert torch.equal(one[:, :6], two[:, :6]) and not torch.equal(one[:, 6:], two[:, 6:])


def test_padding_inside_the_target_is_masked_as_in_transformers(tmp_path):
    peer = peer_of("t5")
    peer.save_pretrained(tmp_path)
    model, inputs = mt.T5ForConditionalGeneration.from_pretrained(tmp_path), batch()
    mask = torch.ones(3, 9, dtype=torch.long)
    mask[1, :4] = 0
    arguments = {"decoder_input_ids": inputs["labels"].clamp(min=0), "decoder_attention_mask": mask}
    with torch.no_grad():
        ours, theirs = (m(inputs["input_ids"], **arguments).logits for m in (model, peer))
    assert (ours - theirs)[mask.bool()].abs().max() <= 1e-5


@pytest.mark.parametrize("both_ways", [True, False])
def test_distance_buckets_are_those_of_transformers(both_ways):
    distances = torch.arange(-200, 201)
    theirs = transformers.models.t5.modeling_t5.T5Attention._relative_position_bucket(distances, both_ways, 32, 128)
    assert torch.equal(distance_buckets(distances, both_ways, 32, 128), theirs)


def test_a_compiled_model_gives_the_same_numbers(variant):
    model = tiny_model(variant)
    compiled = torch.compile(model, backend="eager", fullgraph=True, dynamic=False)
    with torch.no_grad():
        assert (compiled(**batch()).logits - model(**batch()).logits).abs().max() <= 1e-6


def test_one_batch_is_learnt():
    model = mt.T5ForConditionalGeneration(mt.AutoConfig.for_model("t5", **T5))
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(80):
        loss = model(**batch()).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.5


@pytest.mark.parametrize(("name", "changes", "parameters"), [
    ("t5", {}, 60_506_624),  # facts.md 4: T5 v1.0 small
    ("t5", {"d_model": 768, "d_ff": 3072, "num_layers": 12, "num_heads": 12}, 222_903_552),
    ("t5", {"d_ff": 1024, "num_layers": 8, "num_heads": 6, **GATED}, 76_961_152),  # v1.1 small
])  # fmt: skip
def test_published_sizes_have_the_published_number_of_parameters(name, changes, parameters):
    model = CLASSES["seq2seq-lm"][name](mt.AutoConfig.for_model(name, **changes), seed=None)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_old_files_with_copies_and_static_positions_are_read(tmp_path):
    model = tiny_model("marian")
    model.save_pretrained(tmp_path)
    (tmp_path / "massivetext.json").unlink()
    weights = safetensors.torch.load_file(tmp_path / "model.safetensors")
    for name in ("model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", "lm_head.weight"):
        weights[name] = weights["model.shared.weight"].clone()
    weights["model.encoder.embed_positions.weight"] = torch.zeros(40, 32)
    safetensors.torch.save_file(weights, tmp_path / "model.safetensors")
    loaded = mt.MarianMTModel.from_pretrained(tmp_path)
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_the_probes_of_a_folder_notice_another_computation(tmp_path, tokenizer):
    tiny_model("t5", vocab_size=300).save_pretrained(tmp_path, tokenizer)
    mt.AutoModelForSeq2SeqLM.from_pretrained(tmp_path, verify=True)
    record = read_state(tmp_path / "massivetext.json", (), "")
    record["probes"][1]["top_logits"][0] += 1
    write_state(tmp_path / "massivetext.json", record)
    with pytest.raises(ModelError, match="top logits differ"):
        mt.AutoModelForSeq2SeqLM.from_pretrained(tmp_path, verify=True)


def test_half_precision_is_close(variant, tmp_path):
    model = tiny_model(variant)
    model.save_pretrained(tmp_path)
    half = mt.AutoModelForSeq2SeqLM.from_pretrained(tmp_path, dtype="bfloat16")
    with torch.no_grad():
        one, two = model(**batch()), half(**batch())
    assert two.logits.dtype == torch.bfloat16
    assert (one.logits - two.logits).norm() <= 0.05 * one.logits.norm()
    assert half.generate(batch()["input_ids"], max_new_tokens=4).shape[0] == 3


class TestBadInput:
    def test_a_head_that_is_said_to_be_tied_and_is_not_is_refused(self, tmp_path):
        tiny_model("t5").save_pretrained(tmp_path)
        (tmp_path / "massivetext.json").unlink()
        weights = safetensors.torch.load_file(tmp_path / "model.safetensors")
        weights["lm_head.weight"] = weights["shared.weight"] + 1
        safetensors.torch.save_file(weights, tmp_path / "model.safetensors")
        with pytest.raises(ModelError, match=r"lm_head\.weight is not shared\.weight"):
            mt.AutoModelForSeq2SeqLM.from_pretrained(tmp_path)

    def test_a_source_longer_than_the_context_is_told_the_ways_out(self):
        with pytest.raises(ModelError, match="41 tokens and the model reads at most 40; cut it"):
            tiny_model("bart").generate(torch.full((1, 41), 5))

    def test_more_new_tokens_than_the_decoder_reads_are_refused(self):
        with pytest.raises(ConfigError, match="set max_new_tokens to at most 39"):
            tiny_model("bart").generate(torch.full((1, 4), 5), max_new_tokens=40)

    def test_ids_outside_the_vocabulary_are_named(self):
        with pytest.raises(ModelError, match="input_ids has the id 97"):
            tiny_model("t5").generate(torch.tensor([[97]]))
        with pytest.raises(ModelError, match="labels has the value 99"):
            tiny_model("t5")(torch.tensor([[5]]), labels=torch.tensor([[99]]))

    def test_neither_labels_nor_decoder_inputs_is_refused(self):
        with pytest.raises(ModelError, match="decoder_input_ids or labels"):
            tiny_model("t5")(torch.tensor([[5]]))

    @pytest.mark.parametrize("variant", ["bart", "marian"])
    def test_fields_that_would_change_the_numbers_are_refused_by_name(self, variant, tmp_path):
        tiny_model(variant).save_pretrained(tmp_path)
        (tmp_path / "massivetext.json").unlink()
        values = json.loads((tmp_path / "config.json").read_text())
        fields = {"normalize_before": True, "encoder_layerdrop": 0.1, "tie_word_embeddings": False, "unheard_of": 1}
        if variant == "marian":
            fields["share_encoder_decoder_embeddings"] = False
        for field, value in fields.items():
            (tmp_path / "config.json").write_text(json.dumps({**values, field: value}))
            with pytest.raises(ModelError, match=field):
                mt.AutoModelForSeq2SeqLM.from_pretrained(tmp_path)

    def test_words_of_several_ids_cannot_be_banned(self):
        with pytest.raises(ConfigError, match=r"word \[5, 6\]; allowed: words of one id"):
            tiny_model("t5").generate(torch.tensor([[5]]), bad_words_ids=[[5, 6]])


def test_without_its_head_it_gives_the_hidden_states_of_transformers(variant, tmp_path):
    peer_of(variant).save_pretrained(tmp_path)  # with its head, which is left out
    peer = transformers.AutoModel.from_pretrained(tmp_path, attn_implementation="eager").eval()
    peer.save_pretrained(tmp_path / "bare")
    inputs = {**batch(), "decoder_input_ids": batch(seed=2)["input_ids"][:, :7]}
    del inputs["labels"]
    with torch.no_grad():
        theirs = peer(**inputs)
        for folder in (tmp_path, tmp_path / "bare"):
            model = mt.AutoModel.from_pretrained(folder)
            assert type(model) is getattr(mt, type(peer).__name__)
            ours = model(**inputs)
            for name in ("last_hidden_state", "encoder_last_hidden_state"):
                assert (getattr(ours, name) - getattr(theirs, name)).abs().max() <= 1e-5, name
        model.save_pretrained(tmp_path / "ours")
        back, report = transformers.AutoModel.from_pretrained(tmp_path / "ours", output_loading_info=True)
        computed = "embed_positions" if variant == "marian" else "none"  # transformers misses them in its own file too
        assert all(computed in name for name in report["missing_keys"]) and not report["unexpected_keys"]
        assert (back.eval()(**inputs)[0] - theirs[0]).abs().max() <= 1e-5
    with pytest.raises(ModelError, match="AutoModelForSeq2SeqLM"):
        model.generate(inputs["input_ids"])
    with pytest.raises(ModelError, match="needs decoder_input_ids"):
        model(inputs["input_ids"])
