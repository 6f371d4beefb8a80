"""The pipeline and streaming: Hugging Face's shapes, whole characters."""

import pytest
from transformers import AutoTokenizer as PeerTokenizer

import massivetext as mt
from massivetext.errors import ConfigError
from massivetext.generation.streaming import TextStream, stream_text
from massivetext.tasks.pipelines import pipeline


@pytest.fixture(scope="module")
def generator(folder):
    return pipeline("text-generation", model=folder)


def test_one_prompt_gives_one_list(generator):
    found = generator("the cat", max_new_tokens=5)
    assert [list(entry) for entry in found] == [["generated_text"]]
    assert found[0]["generated_text"].startswith("the cat")


def test_several_prompts_give_a_list_each(generator):
    found = generator(["the cat", "北京"], max_new_tokens=5, do_sample=True, num_return_sequences=2, seed=1)
    assert [len(entries) for entries in found] == [2, 2]
    assert found[1][0]["generated_text"].startswith("北京")


def test_a_prompt_among_others_is_continued_as_alone(generator):
    together = generator(["t", "北京是 the cat"], max_new_tokens=12)
    assert together == [generator(text, max_new_tokens=12) for text in ("t", "北京是 the cat")]


def test_the_prompt_can_be_left_out(generator):
    full, new = (
        generator("the", max_new_tokens=6, return_full_text=flag)[0]["generated_text"] for flag in (True, False)
    )
    assert full == "the" + new


def test_an_empty_prompt_starts_a_text(generator):
    assert generator("", max_new_tokens=3)[0]["generated_text"]


def test_pieces_of_a_stream_make_the_text_of_the_pipeline(generator):
    for prompt in ("the cat", "北京"):
        options = {"max_new_tokens": 40, "do_sample": True, "seed": 3}
        pieces = list(stream_text(generator.model, generator.tokenizer, prompt, **options))
        whole = generator(prompt, return_full_text=False, **options)[0]["generated_text"]
        assert "".join(pieces) == whole and len(pieces) > 1


@pytest.mark.parametrize("text", ["the cat", "北京是中国的首都。", "a北b京🙂c", "naïve é", " lead", "𠮷野家"])
def test_a_stream_shows_whole_characters_only(folder, text):
    tokenizer = PeerTokenizer.from_pretrained(folder)
    stream = TextStream(tokenizer)
    pieces = [stream.push([number]) for number in tokenizer.encode(text)] + [stream.finish()]
    assert "".join(pieces) == text and not any("\ufffd" in piece for piece in pieces)


def test_a_character_that_is_never_finished_is_not_shown(folder):
    tokenizer = PeerTokenizer.from_pretrained(folder)
    ids = tokenizer.encode("好🙂")[:-1]
    stream = TextStream(tokenizer)
    assert "".join([stream.push([number]) for number in ids] + [stream.finish()]) == "好"


def test_an_unknown_task_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'text-generation'"):
        pipeline("text-generaton", model="x")


def test_a_model_without_a_folder_needs_a_tokenizer(generator):
    folder, generator.model.tokenizer_folder = generator.model.tokenizer_folder, None
    with pytest.raises(ConfigError, match="pass tokenizer="):
        pipeline("text-generation", model=generator.model)
    generator.model.tokenizer_folder = folder


def test_prompts_must_be_texts(generator):
    with pytest.raises(ConfigError, match="takes a text"):
        generator([1, 2])
    with pytest.raises(ConfigError, match="takes a text"):
        generator([])


def test_the_program_of_the_seed_document_runs(folder):
    model = mt.AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = mt.AutoTokenizer.from_pretrained(folder)
    input_ids = tokenizer.encode("大规模语言模型", return_tensors="pt")
    output = model.generate(input_ids, max_length=50, num_return_sequences=1)
    assert tokenizer.decode(output[0], skip_special_tokens=True).startswith("大规模语言模型")
