"""`apply_chat_template`: conversations as text or ids, with Hugging Face's arguments."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from massivetext.errors import ConfigError, DataError, unknown_name
from massivetext.progress import log
from massivetext.tokens import chat, encodings
from massivetext.tokens.encodings import BatchEncoding
from massivetext.tokens.rendering import Rendered, render
from massivetext.tokens.special import Vocabulary
from massivetext.tokens.tools import tool_schema
from massivetext.translations import tr

REASONING = ("reasoning_content", "thinking", "reasoning")  # names of a message's reasoning; templates read the first
# Put behind the message that the model goes on with (noncharacters); its space shows whether the template trims ends.
OPEN_END = "\U0001fffe\U0001ffff "
FURTHER = ("padding", "truncation", "max_length", "padding_side", "pad_to_multiple_of", "return_attention_mask")


class Conversations(Vocabulary):
    """The part of a tokenizer that knows chat templates."""

    chat_template: str | None
    named_templates: dict[str, str]

    def apply_chat_template(
        self,
        conversation: Any,
        tools: Sequence[Any] | None = None,
        documents: Sequence[Mapping[str, Any]] | None = None,
        chat_template: str | None = None,
        add_generation_prompt: bool = False,
        continue_final_message: bool | str = False,
        tokenize: bool = True,
        padding: bool | str = False,
        truncation: bool = False,
        max_length: int | None = None,
        return_tensors: str | None = None,
        return_dict: bool = True,
        return_assistant_tokens_mask: bool = False,
        tokenizer_kwargs: Mapping[str, Any] | None = None,
        **variables: Any,
    ) -> Any:
        """Return a conversation as input_ids and attention_mask (return_dict), as ids, or as text (tokenize=False).

        conversation: messages with role and content, or several such lists. tools: functions or JSON schemas.
        chat_template: a template, or the name of one of the tokenizer's. continue_final_message: the last message is
        left open; a text names its field. return_assistant_tokens_mask: the column assistant_masks says which tokens
        `{% generation %}` blocks wrote. variables: further names that the template uses; others are refused. Only
        special tokens that the template writes become control ids; those inside messages are text.
        """
        if return_assistant_tokens_mask and (continue_final_message or not (tokenize and return_dict)):
            raise ConfigError(
                "return_assistant_tokens_mask needs tokenize=True and return_dict=True, and no continue_final_message"
            )
        if continue_final_message and add_generation_prompt:
            raise ConfigError(
                "continue_final_message leaves the last message open and add_generation_prompt begins another one; "
                "pass one of them"
            )
        variables.pop("sanitize_control_tokens", None)  # those in messages are always text
        template = self._chosen_template(chat_template, tools)
        several, conversations = list_conversations(conversation)
        fixed = {**self.specials, "add_generation_prompt": add_generation_prompt}
        fixed = {name: value for name, value in fixed.items() if name not in variables}
        shared = plain(
            {
                "tools": None if tools is None else [tool_schema(tool) for tool in tools],
                "documents": None if documents is None else list(documents),
                **variables,
            }
        )
        how = _Manner(template, fixed, tuple(variables), continue_final_message, return_assistant_tokens_mask)
        if not tokenize:
            texts = [self._rendered({"messages": c, **shared}, how).text for c in conversations]
            return texts if several else texts[0]
        rows = [self._encoded_conversation({"messages": messages, **shared}, how) for messages in conversations]
        options = {"padding": padding, "truncation": truncation, "max_length": max_length, **(tokenizer_kwargs or {})}
        columns = self._finished(rows, options)
        if return_tensors is not None:
            columns = encodings.as_tensors(columns, return_tensors)
        elif not several:
            columns = {name: column[0] for name, column in columns.items()}
        return BatchEncoding(columns) if return_dict else columns["input_ids"]

    def _chosen_template(self, chat_template: str | None, tools: Any) -> str:
        """Return the template that is meant; raise ConfigError where there is none."""
        if chat_template is None:
            found = self.named_templates.get("tool_use") if tools is not None else None
            found = found or self.chat_template
            if found is None:
                raise ConfigError(
                    f"the tokenizer {self.name_or_path!r} has no chat template; pass chat_template=..., or use a model "
                    f"trained on conversations"
                )
            return found
        names = {**self.named_templates, **({"default": self.chat_template} if self.chat_template else {})}
        if "{" not in chat_template and chat_template not in names:
            raise ConfigError(unknown_name("chat template", chat_template, names))
        return names.get(chat_template, chat_template)

    def _rendered(self, given: Mapping[str, Any], how: "_Manner") -> Rendered:
        """Return a conversation as text, its last message left open where that is wanted."""
        messages = [add_reasoning(message) for message in given["messages"]]
        final = None
        if how.open_end:
            messages, final = open_last_message(messages, how)
        found = render(how.template, {**given, "messages": messages, **how.fixed}, how.optional)
        for name in found.unused:
            log(tr("the chat template does not use {name}: they have no effect", name=name))
        return found if final is None else found._replace(text=cut_open(found.text, final))

    def _encoded_conversation(self, given: Mapping[str, Any], how: "_Manner") -> dict[str, list[int]]:
        """Return the columns of one conversation."""
        mark = chat.chosen_mark([given, how.template])
        marked = chat.protect(given, self.all_special_tokens, mark)
        text, spans, _ = self._rendered(marked, how)
        encode = self._ordinary_encoding
        pieces = chat.encode_rendered(text, mark, self.added_specials, self.convert_tokens_to_ids, encode)
        columns = {"input_ids": [piece.id for piece in pieces], "attention_mask": [1] * len(pieces)}
        if how.spans:
            spans = chat.without_marks(text, mark, spans)
            if not spans:
                log(tr("the chat template marks nothing as generated: assistant_masks is all 0"))
            within = [any(piece.start < end and piece.end > start for start, end in spans) for piece in pieces]
            columns["assistant_masks"] = [int(one) for one in within]
        return columns

    def _ordinary_encoding(self, text: str) -> Any:
        """Return the backend's encoding of text in which nothing is special; a tokenizer has it."""
        raise NotImplementedError

    def _finished(self, rows: list[dict[str, list[int]]], options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the columns of several conversations, cut and padded as a tokenizer call does it; it has it."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class _Manner:
    """How conversations are rendered."""

    template: str
    fixed: Mapping[str, Any]
    optional: tuple[str, ...]
    open_end: bool | str
    spans: bool


def list_conversations(conversation: Any) -> tuple[bool, list[list[dict[str, Any]]]]:
    """Return whether several conversations are given, and their messages as plain dicts without empty fields."""
    given = getattr(conversation, "messages", conversation)
    if not isinstance(given, (list, tuple)) or not given:
        what = "empty" if isinstance(given, (list, tuple)) else f"a {type(given).__name__}"
        raise DataError(f"the conversation is {what}; give a list of messages, each {{'role': 'user', 'content': ...}}")
    several = isinstance(given[0], (list, tuple)) or hasattr(given[0], "messages")
    found: list[list[dict[str, Any]]] = []
    for messages in given if several else [given]:
        found.append([])
        for message in plain(getattr(messages, "messages", messages)):
            if not isinstance(message, dict):
                raise DataError(
                    f"a message is a {type(message).__name__} ({str(message)[:60]!r}); give dicts with 'role' and "
                    f"'content'"
                )
            found[-1].append({name: value for name, value in message.items() if value is not None})
    return several, found


def plain(value: Any) -> Any:
    """Return a structure of what JSON knows: dataclasses and pydantic models as dicts, NumPy numbers as numbers."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if callable(getattr(value, "model_dump", None)):
        return plain(value.model_dump())
    if isinstance(value, str):
        return str.__str__(value)
    return value.item() if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0 else value


def add_reasoning(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message whose reasoning stands under the names that templates read."""
    found = next((message[name] for name in REASONING if message.get(name) is not None), None)
    return message if found is None else {"thinking": found, **message, "reasoning_content": found}


def open_last_message(messages: list[dict[str, Any]], how: _Manner) -> tuple[list[dict[str, Any]], str]:
    """Return the messages with a sign behind the last one, and the text that it stands behind."""
    name = how.open_end if isinstance(how.open_end, str) else "content"
    last = dict(messages[-1])
    names = [field for field in REASONING if last.get(field) == last.get(name)] if name in REASONING else [name]
    content = last.get(name)
    if content is None or not any(field in how.template for field in names):
        raise ConfigError(
            f"continue_final_message: the {'last message' if content is None else 'chat template'} has no {name!r}; "
            f"pass the name of the field to continue, e.g. continue_final_message='content'"
        )
    if isinstance(content, list):
        blocks = [dict(block) for block in content]
        block = next((block for block in reversed(blocks) if "text" in block), None)
        if block is None:
            raise ConfigError("continue_final_message: the last message has no text to continue; give it one")
        content, block["text"] = block["text"], block["text"] + OPEN_END
        last[name] = blocks
    else:
        last |= {field: content + OPEN_END for field in names}
    return [*messages[:-1], last], str(content)


def cut_open(text: str, final: str) -> str:
    """Return a rendered conversation up to the sign behind its last message; ConfigError where that is not there."""
    sign = OPEN_END.strip()
    if sign not in text or final.strip() not in text:
        raise ConfigError(
            f"continue_final_message: the chat template does not write the last message as it is "
            f"({json.dumps(final.strip()[:60], ensure_ascii=False)}); leave it out for this template"
        )
    place = text.rindex(sign)
    kept = text[:place]
    return kept if text[place : place + len(OPEN_END)] == OPEN_END else kept.rstrip()
