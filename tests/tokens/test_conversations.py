"""Chat templates: Hugging Face's arguments give its results; no template takes more time or memory than allowed."""

import os
import threading
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

import numpy as np
import pytest

from massivetext.errors import ConfigError, DataError
from massivetext.tokens import rendering
from massivetext.tokens.auto import AutoTokenizer
from massivetext.tokens.tools import function_schema

transformers = pytest.importorskip("transformers")

CHATML = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "{{ '<|im_start|>system\nBe helpful.<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' }}{% generation %}{{ message['content'] | trim }}{% endgeneration %}"
    "{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
    "{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}"
)
TOOLS = (
    "{%- if tools %}{{- '<|im_start|>system\n# Tools\n' }}{%- for tool in tools %}{{- tool | tojson }}\n{%- endfor %}"
    "{{- '<|im_end|>\n' }}{%- endif %}{%- for document in documents or [] %}[{{ document.title }}: {{ document.text }}]"
    "{%- endfor %}{%- for m in messages %}{{- '<|im_start|>' ~ m.role ~ '\n' ~ m.content ~ '<|im_end|>\n' }}"
    "{%- if m.tool_calls %}{{- m.tool_calls | tojson(indent=2) }}{%- endif %}{%- endfor %}"
)
HEADERS = (
    "{{- bos_token }}{%- set ns = namespace(seen=0) %}{%- for m in messages %}{%- set ns.seen = ns.seen + 1 %}"
    "{{- '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] | trim }}"
    "{{- '<|eot_id|>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}"
    "{{- ns.seen }}"
)
INSTRUCTION = (
    "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}{% if message['role'] == 'user' %}"
    "{{ '[INST] ' + message['content'] + ' [/INST]' }}{% else %}{{ message['content'] + eos_token }}{% endif %}"
    "{% endfor %}"
)
TURNS = (
    "{% for message in messages %}{% if message['role'] == 'assistant' %}{% set role = 'model' %}{% else %}"
    "{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'].strip() + "
    "'<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
TEMPLATES = {"chatml": CHATML, "tools": TOOLS, "headers": HEADERS, "instruction": INSTRUCTION, "turns": TURNS}
ENGLISH = [{"role": "user", "content": " Hello there "}, {"role": "assistant", "content": "Hi! I can help"}]
CHINESE = [{"role": "user", "content": "你好，北京在哪里？"}, {"role": "assistant", "content": "北京是中国的首都。\n"}]
SPECIAL = ["<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "[PAD]"]


@pytest.fixture(scope="module")
def pair(trained, tmp_path_factory):
    """One tokenizer as this package and as transformers opens it."""
    folder = tmp_path_factory.mktemp("chat")
    trained.save_pretrained(folder)
    ours = AutoTokenizer.from_pretrained(folder)
    ours.add_special_tokens({"additional_special_tokens": SPECIAL, "pad_token": "[PAD]", "bos_token": "<|im_start|>"})
    ours.save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder), transformers.AutoTokenizer.from_pretrained(folder)


def both(pair, *arguments, **options):
    """What both make of a call, as plain values."""

    def plain(value):
        if hasattr(value, "items"):
            return {name: plain(entry) for name, entry in sorted(value.items()) if name != "token_type_ids"}
        return value.tolist() if hasattr(value, "tolist") else value

    return [plain(one.apply_chat_template(*arguments, **options)) for one in pair]


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("conversation", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_templates_of_every_style_equal_transformers(pair, name, conversation):
    for options in ({"tokenize": False}, {}, {"tokenize": False, "add_generation_prompt": True}):
        ours, theirs = both(pair, conversation, chat_template=TEMPLATES[name], **options)
        assert ours == theirs


@pytest.mark.parametrize(
    "options",
    [
        {"tokenize": False},
        {},
        {"padding": True},
        {"padding": True, "return_tensors": "pt"},
        {"padding": "max_length", "max_length": 60, "truncation": True, "return_tensors": "np"},
        {"truncation": True, "max_length": 7},
        {"return_dict": False},
        {"return_assistant_tokens_mask": True},
        {"return_assistant_tokens_mask": True, "padding": True, "return_tensors": "pt"},
        {"return_assistant_tokens_mask": True, "truncation": True, "max_length": 20},
        {"continue_final_message": True, "tokenize": False},
        {"continue_final_message": True},
        {"enable_thinking": False, "add_generation_prompt": True, "tokenize": False},
        {"tokenizer_kwargs": {"padding_side": "left"}, "padding": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("given", [ENGLISH, [ENGLISH, CHINESE, ENGLISH[:1]]], ids=["one", "several"])
def test_arguments_equal_transformers(pair, options, given):
    ours, theirs = both(pair, given, chat_template=CHATML, **options)
    assert ours == theirs


def test_a_last_message_goes_on_as_in_transformers(pair):
    blocks = [{"role": "assistant", "content": [{"type": "text", "text": "Sure, "}]}]
    template = "{% for m in messages %}{% for b in m.content %}{{ b.text }}{% endfor %}<|im_end|>{% endfor %}"
    assert both(pair, blocks, chat_template=template, continue_final_message=True, tokenize=False) == ["Sure, "] * 2
    spaced = [{"role": "assistant", "content": "好的 \n"}]
    for shape in (TURNS, HEADERS):
        ours, theirs = both(pair, spaced, chat_template=shape, continue_final_message=True, tokenize=False)
        assert ours == theirs


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"continue_final_message": True, "add_generation_prompt": True}, "pass one of them"),
        ({"continue_final_message": "thoughts"}, "has no 'thoughts'"),
        ({"return_assistant_tokens_mask": True, "tokenize": False}, "needs tokenize=True"),
        ({"add_generation_promt": True}, "did you mean 'add_generation_prompt'"),
        ({"enable_thinkin": False}, "did you mean 'enable_thinking'"),
        ({"max_new_tokens": 5}, r"max_new_tokens=\.\.\.\) is neither an argument nor a variable"),
        ({"tokenizer_kwargs": {"pading": True}}, "did you mean 'padding'"),
        ({"chat_template": "tool_us"}, "unknown chat template 'tool_us'"),
    ],
    ids=str,
)
def test_arguments_that_cannot_be_used_are_refused_by_name(pair, options, said):
    with pytest.raises(ConfigError, match=said):
        pair[0].apply_chat_template(ENGLISH, **{"chat_template": CHATML, **options})


@pytest.mark.parametrize(
    ("conversation", "said"),
    [([], "is empty"), ("hello", "is a str"), (["hello"], "a message is a str"), (None, "is a NoneType")],
)
def test_a_conversation_of_another_form_is_refused(pair, conversation, said):
    with pytest.raises(DataError, match=said):
        pair[0].apply_chat_template(conversation, chat_template=CHATML)


def test_an_object_that_no_template_can_read_is_refused(pair):
    with pytest.raises(DataError, match="Object of type set"):
        pair[0].apply_chat_template([{"role": "user", "content": {"a", "b"}}], chat_template=CHATML)


def test_message_objects_empty_fields_and_reasoning_equal_transformers(pair):
    @dataclass
    class Message:
        role: str
        content: str
        tool_calls: Any = None

    template = "{% for m in messages %}{{ m | tojson }}{{ m.reasoning_content }}{% endfor %}"
    given = [Message("user", "你好"), {"role": "assistant", "content": "a", "thinking": "b", "number": np.int64(3)}]
    ours, theirs = both(pair, given, chat_template=template, tokenize=False)
    assert ours == theirs


# ---- tools and documents ---------------------------------------------------------------------------------------------


class Unit(Enum):
    CELSIUS = "celsius"
    KELVIN = "kelvin"


def weather(
    place: str, days: int = 1, unit: Unit = Unit.CELSIUS, names: list[str] | None = None, mode: Literal["a", 2] = "a"
) -> dict[str, float]:
    """Return the weather of a place.

    It knows every city.

    Args:
        place: The city, in any language
            (Chinese too)
        days (int): How many days
        unit: The unit of temperature
        names: Names of what is wanted
        mode: How to answer (choices: ["a", 2])

    Returns:
        The temperatures.
    """


def add(a: float, b: int | str, pairs: tuple[int, str], table: dict, anything: Any, several: int | list[int]):
    """加两个数。

    Args:
        a: 第一个数
        b: 第二个数
        pairs: 数对
        table: 表
        anything: 任何东西
        several: 一个或多个
    """


@pytest.mark.parametrize("function", [weather, add])
def test_the_schema_of_a_function_is_that_of_transformers(function):
    assert function_schema(function) == transformers.utils.get_json_schema(function)


def test_tools_and_documents_equal_transformers(pair):
    documents = [{"title": "标题", "text": "正文"}]
    schema = {"type": "function", "function": {"name": "x", "parameters": {}}}
    options = {"tools": [weather, schema], "documents": documents, "tokenize": False, "chat_template": TOOLS}
    ours, theirs = both(pair, ENGLISH, **options)
    assert ours == theirs and '"celsius"' in ours


def undescribed(a: int):
    """Do it."""


def untyped(a):
    """Do it.

    Args:
        a: A number
    """


def nameless(a: int):
    pass


def custom(a: threading.Thread):
    """Do it.

    Args:
        a: A thread
    """


@pytest.mark.parametrize(
    ("tool", "said"),
    [
        (undescribed, "does not describe the argument 'a'"),
        (untyped, "no type for the argument 'a'"),
        (nameless, "has no docstring"),
        (custom, "which JSON does not know"),
        (5, "a tool is a int"),
    ],
)
def test_a_tool_that_says_too_little_is_refused(pair, tool, said):
    with pytest.raises(ConfigError, match=said):
        pair[0].apply_chat_template(ENGLISH, tools=[tool], chat_template=TOOLS)


def test_tools_that_the_template_does_not_use_are_said(pair, capsys):
    pair[0].apply_chat_template(ENGLISH, tools=[weather], chat_template=CHATML)
    assert "the chat template does not use tools" in capsys.readouterr().err


def test_a_template_is_chosen_by_name(pair):
    tokenizer = pair[0]
    tokenizer.named_templates, tokenizer.chat_template = {"tool_use": "tools", "rag": "{{ 'rag' }}"}, "{{ 'plain' }}"
    texts = [tokenizer.apply_chat_template(ENGLISH, chat_template=name, tokenize=False) for name in (None, "rag")]
    with_tools = tokenizer.apply_chat_template(ENGLISH, tools=[weather], tokenize=False)
    tokenizer.named_templates, tokenizer.chat_template = {}, None
    assert [*texts, with_tools] == ["plain", "rag", "tools"]


# ---- what a template may take ----------------------------------------------------------------------------------------

DOUBLING = "{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x = X %}{% endfor %}{{ n.x }}"
MEMORY = [
    "{{ '%3000000000d' % 5 }}",
    "{{ 'a'.center(3000000000) }}",
    "{{ '甲' | center(3000000000) }}",
    "{{ 'a'.ljust(3000000000) | length }}",
    "{{ 'a\nb' | indent(2000000000) }}",
    "{{ 'a' * 10000000000 }}",
    "{{ [1] * 10000000000 }}",
    "{{ '{:>3000000000}'.format(1) }}",
    "{{ [1] | batch(10 ** 9, 'x') | list }}",
    "{{ 'a'.zfill(3000000000) }}",
    "{{ '\t'.expandtabs(2000000000) }}",
    "{{ ('ab' * 100000).replace('', 'x' * 100000) | length }}",
    "{{ ('x' * 3000000).join(['a'] * 1000) | length }}",
    DOUBLING.replace("X", "n.x + n.x"),
    DOUBLING.replace("X", "n.x ~ n.x"),
    DOUBLING.replace("X", "n.x | replace('a', 'aa')"),
    "{% set x = 'ab' %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * 60 + "{{ x }}",
]
SECONDS = [
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{{ 9 ** 999999999 }}",
    "{{ ([[1] * 100000] * 100000) | sum(start=[]) | length }}",
    "{{ 1.5 | round(100000000, 'ceil') }}",
    "{{ [[1]] | slice(10 ** 9) | list }}",
    "{{ lipsum(10 ** 7) }}",
    "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
]
REFUSED = {
    "{% include 'x' %}": "no loader",
    "{% import 'x' as y %}": "no loader",
    "{% extends 'x' %}": "no loader",
    "{{ range(100000000) }}": "Range too big",
    "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}": "calls itself",
    "{{ 'a' * 20000000 }}": "wrote 20,000,000 characters",
    "{{ 'a' + 1 }}": "TypeError",
    "{{ nothing.at.all }}": "'nothing' is undefined",
    "{{ {} | xmlattr(1) | nosuch }}": "No filter named 'nosuch'",
    "{{ ''.__class__.__mro__ }}": "SecurityError",
}


@pytest.fixture
def tight(monkeypatch):
    monkeypatch.setattr(rendering, "MOST_SECONDS", 0.5)
    monkeypatch.setattr(rendering, "MOST_MEMORY_BYTES", 2**28)


@pytest.mark.parametrize("template", [*MEMORY, *SECONDS])
def test_a_template_that_takes_too_much_is_stopped(tight, template):
    with pytest.raises(ConfigError, match=r"the chat template was stopped: it took more than|wrote .* characters"):
        rendering.render(template, {"messages": CHINESE})
    assert rendering.render("{{ messages[0].content }}", {"messages": CHINESE}).text == CHINESE[0]["content"]


@pytest.mark.parametrize(("template", "said"), REFUSED.items())
def test_a_template_that_cannot_be_rendered_says_why(template, said):
    with pytest.raises(ConfigError, match=said):
        rendering.render(template, {"messages": CHINESE})


def test_structures_without_end_are_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(DataError, match="a conversation is made of"):
        rendering.render("x", {"messages": endless})


def test_what_looks_like_the_marks_of_spans_stays_text():
    content = "".join(chr(plane * 65536 + low) for plane in range(4, 17) for low in (65534, 65535)) + "甲\ud800"
    found = rendering.render("{% generation %}{{ m }}{% endgeneration %}", {"m": content})
    assert found.text == content and found.spans == [(0, len(content))]


def test_many_threads_and_a_fork_each_get_their_own_answer():
    answers = {}

    def ask(number):
        answers[number] = [rendering.render("{{ m }}", {"m": number}).text for _ in range(20)]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: [str(number)] * 20 for number in range(8)}


def test_a_forked_process_has_a_renderer_of_its_own():
    rendering.render("x", {})
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, rendering.render("{{ m }}", {"m": "子"}).text.encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 100).decode() == "子" and rendering.render("{{ m }}", {"m": "父"}).text == "父"
    os.close(reader)
    os.close(writer)
