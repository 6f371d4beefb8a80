"""What a recipe alone decides is found before anything is read or written, by `run` and `doctor` alike."""

# ruff: noqa: E501 - a table

import copy
import os
from pathlib import Path

import pytest
from small_run import small_recipe, write_texts

import massivetext as mt
from massivetext.errors import ConfigError
from massivetext.models.memory import check_size, least_weights, memory_bytes
from massivetext.models.presets import PRESETS, parameter_count, preset_config
from massivetext.recipe import load_recipe
from massivetext.runs.checks import recipe_faults
from massivetext.runs.doctor import examine

FAILING = {
    "no test split": ({"corpus.split.test": 0}, r"corpus\.split\.test is 0"),
    "a source named total": ({"corpus.sources.0.name": "total"}, "named 'total'.*rename it"),
    "stride above the context": ({"evaluate.stride_tokens": 64}, r"evaluate\.stride_tokens is 64 and train\.context_tokens 32"),
    "unknown family": ({"model.family": "lama"}, "unknown model family 'lama'; did you mean 'llama'"),
    "family of encoders": ({"model": {"family": "bert"}}, "bert does not predict next tokens"),
    "unknown preset": ({"model": {"preset": "gpt5"}}, "unknown model preset 'gpt5'"),
    "unknown field": ({"model.hiden_size": 8}, "'hiden_size'; did you mean 'hidden_size'"),
    "heads that do not divide": ({"model.num_attention_heads": 3}, "hidden_size 32 is not a multiple of num_attention_heads 3"),
    "no inner features": ({"model.intermediate_size": 0}, "intermediate_size is 0; it must be above 0"),
    "no key heads": ({"model.num_key_value_heads": 0}, "num_key_value_heads is 0; it must be above 0"),
    "vocabulary of the model": ({"model.vocab_size": 9}, r"model\.vocab_size is given, and it follows from tokenizer\.vocab_size"),
    "start id of the model": ({"model.bos_token_id": 1}, r"model\.bos_token_id is given"),
    "short context": ({"model.max_position_embeddings": 16}, "context_tokens is 32 and the model reads at most 16"),
    "no base of frequencies": ({"model.rope_theta": 0}, "rope_theta is 0.0; it must be above 0"),
    "negative epsilon": ({"model.rms_norm_eps": -1}, "rms_norm_eps is -1.0; it must be above 0"),
    "first weights that are no number": ({"model.initializer_range": float("nan")}, "model.initializer_range.*finite"),
    "unknown source in the mixture": ({"mixture": {"weights": {"englsh": 1}}}, "source in the mixture: 'englsh'; did you mean 'english'"),
    "unknown source in prompts": ({"generate.prompts": {"chines": ["春"]}}, "generate.prompts: 'chines'; did you mean 'chinese'"),
    "missing checkpoint": ({"train.from": "nowhere"}, r"train\.from: no complete checkpoint at nowhere"),
    "tensorboard in a file": ({"train.tensorboard": __file__}, r"train\.tensorboard is .* is a file"),
    "missing tokenizer": ({"tokenizer.from": "./nowhere"}, r"tokenizer\.from: no model or tokenizer named"),
    "missing model": ({"model": {"from": "./nowhere"}}, r"model\.from: no model or tokenizer named"),
    "missing corpus": ({"corpus": {"from": "nowhere"}}, "nowhere"),
    "unknown objective": ({"train.objective": "masked"}, r"train\.objective"),
    "unknown step": ({"corpus.steps": ["normalize"]}, "unknown step 'normalize'; did you mean 'normalise'"),
    "step of no module": ({"corpus.steps": [":"]}, "corpus.steps.0..*cannot be imported"),
    "step outside a package": ({"corpus.steps": ["..:x"]}, "corpus.steps.0..*cannot be imported"),
    "deduplicate first": ({"corpus.steps": ["deduplicate", "normalise"]}, "must be the last step"),
    "missing word list": ({"corpus.steps": [{"word_list": {"path": "nowhere"}}]}, "word_list: the word list nowhere is not a file"),
    "device as word list": ({"corpus.steps": [{"word_list": {"path": "/dev/zero"}}]}, "is not a file"),
    "limits that nothing meets": ({"corpus.steps": [{"gopher_quality": {"min_words": 9, "max_words": 3}}]}, "so nothing is kept"),
    "endless page": ({"corpus.steps": [{"html_to_text": {"seconds_per_page": float("inf")}}]}, "seconds_per_page.*finite"),
    "a vocabulary that loses text": ({"tokenizer": {"kind": "wordpiece"}}, "wordpiece, which loses"),
    "a vocabulary beyond memory": ({"tokenizer.vocab_size": 10**12}, r"tokenizer\.vocab_size"),
    "too wide": ({"model.hidden_size": 10**5 * 32, "model.num_attention_heads": 5**5 * 32}, r"needs at least .* GiB .* lower .*hidden_size"),
    "far too wide": ({"model.hidden_size": 2 * 10**9, "model.num_attention_heads": 10**7}, "needs at least .*hidden_size"),
    "too many layers": ({"model.num_hidden_layers": 10**9}, "num_hidden_layers is 1,000,000,000; at most 10,000"),
    "long rows": ({"train.context_tokens": 2**22, "train.batch_tokens": 2**22}, r"needs at least .* lower train\.context_tokens"),
    "large batch": ({"train.batch_tokens": 2**31}, r"needs at least .* lower train\.batch_tokens"),
    "endless minutes": ({"train.steps": None, "train.minutes": float("inf")}, r"train\.minutes.*finite"),
    "endless tokens": ({"train.steps": None, "train.tokens": 10**30}, r"train\.tokens"),
    "endless epochs": ({"train.steps": None, "train.epochs": float("inf")}, r"train\.epochs.*finite"),
    "long record": ({"corpus.sources.0.max_record_bytes": 10**18}, "max_record_bytes"),
    "longest record": ({"corpus.sources.0.max_record_bytes": 2**63}, "max_record_bytes"),
    "long prompt of bytes": ({"tokenizer": {"kind": "byte"}, "generate.prompts": ["春" * 11]}, "has 34 tokens and the model reads 32"),
}  # fmt: skip


def changed(recipe: dict, changes: dict) -> dict:
    """Return a recipe with values changed at dotted keys."""
    recipe = copy.deepcopy(recipe)
    for key, value in changes.items():
        *path, last = key.split(".")
        node = recipe
        for part in path:
            node = node[int(part)] if part.isdigit() else node.setdefault(part, {})
        node[last] = value
    return recipe


@pytest.fixture
def texts(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    write_texts(tmp_path / "texts", 4)
    return tmp_path / "texts"


@pytest.mark.parametrize("name", FAILING)
def test_run_and_doctor_find_it_before_anything_is_written(name, texts, tmp_path):
    changes, message = FAILING[name]
    recipe = changed(small_recipe(texts), changes)
    with pytest.raises(ConfigError, match=message):
        mt.run(recipe, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()
    errors = [finding.found for finding in examine(recipe, out=tmp_path / "run") if finding.level == "error"]
    with pytest.raises(ConfigError, match=message):
        raise ConfigError("\n".join(errors))


def test_a_recipe_that_runs_has_no_faults(texts, tmp_path):
    assert recipe_faults(load_recipe(small_recipe(texts)), tmp_path / "run") == []
    assert not [finding for finding in examine(small_recipe(texts), out=tmp_path / "run") if finding.level == "error"]


def test_all_faults_are_named_at_once(texts, tmp_path):
    recipe = changed(
        small_recipe(texts), {"corpus.split.test": 0, "model.intermediate_size": 0, "train.from": "nowhere"}
    )
    with pytest.raises(ConfigError, match=r"(?s)intermediate_size.*train\.from.*split\.test"):
        mt.run(recipe, tmp_path / "run", quiet=True)


def test_what_only_later_stages_use_is_not_looked_at(texts, tmp_path):
    recipe = changed(small_recipe(texts), {"corpus.split.test": 0})
    assert recipe_faults(load_recipe(recipe), tmp_path / "run", until="train") == []


def test_a_run_folder_that_is_a_file_is_refused(texts, tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for out in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(ConfigError, match=r"the run folder is .* is a file; name another with --out"):
            mt.run(small_recipe(texts), out, quiet=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_run_folder_that_cannot_be_written_is_refused(texts, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(ConfigError, match="cannot be written"):
        mt.run(small_recipe(texts), tmp_path / "closed" / "run", quiet=True)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_the_formula_is_a_lower_bound_close_to_the_parameters(name):
    config = preset_config(name)
    least, exact = sum(least_weights(config).values()), parameter_count(config)
    assert 0.5 * exact < least <= exact


@pytest.mark.parametrize("family", ["bert", "roberta", "t5", "bart", "gpt2", "llama", "opt"])
def test_a_model_beyond_memory_is_refused_before_it_is_made(family):
    width = "d_model" if family in ("t5", "bart") else "hidden_size"
    heads = {"bart": ("encoder_attention_heads", "decoder_attention_heads"), "t5": ("num_heads",)}
    many = dict.fromkeys(heads.get(family, ("num_attention_heads",)), 12 * 10**3)
    config = mt.AutoConfig.for_model(family, **{width: 12 * 10**6}, **many)
    with pytest.raises(ConfigError, match=f"needs at least .* lower .*{width}"):
        check_size(config)
    with pytest.raises(ConfigError, match="at most 10,000 layers"):
        layers = {"t5": "num_layers", "bart": "encoder_layers"}.get(family, "num_hidden_layers")
        mt.AutoConfig.for_model(family, **{layers: 10**9})


def test_a_new_model_beyond_memory_is_refused():
    config = mt.AutoConfig.for_model("llama", hidden_size=10**6, num_attention_heads=100, num_hidden_layers=9000)
    with pytest.raises(ConfigError, match="lower num_hidden_layers or hidden_size"):
        mt.AutoModelForCausalLM.from_config(config)


def test_the_memory_that_is_available_is_that_of_this_machine():
    assert 2**28 < memory_bytes() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_experts_that_a_token_does_not_use_count_as_memory():
    with pytest.raises(ConfigError, match="lower num_experts or hidden_size, which accounts for 93%"):
        mt.AutoModelForCausalLM.from_config(preset_config("qwen3-235b-a22b"))
