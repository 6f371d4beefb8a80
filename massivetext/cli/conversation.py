"""Chats with a model in the terminal.

A model with a chat template answers in turns. A model without one was trained on plain text: it continues the whole
text so far, both yours and its own.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from massivetext.generation.defaults import TEMPERATURE, TOP_P
from massivetext.progress import log
from massivetext.translations import tr
from massivetext.visible import visible

COMMANDS = ("/new", "/temperature", "/quit")


@dataclass
class Conversation:
    """The messages or text so far, from which the model's next input is made."""

    model: Any
    tokenizer: Any
    max_new_tokens: int
    messages: list[dict[str, str]] = field(default_factory=list)
    text: str = ""

    @property
    def takes_turns(self) -> bool:
        """Return whether the model has a chat template."""
        return bool(self.tokenizer.chat_template)

    def prompt_ids(self, said: str) -> list[int]:
        """Add the user's text `said` and return the ids to continue from, without the oldest turns or text if too long.

        User input is encoded as plain text: the name of a special token in it is not a special token.
        """
        room = max(self.model.config.max_position_embeddings - self.max_new_tokens, 32)
        if not self.takes_turns:
            self.text += said
            ids = self.tokenizer.encode_ordinary(self.text)[-(room - 1) :]
            return [self.tokenizer.bos_token_id, *ids] if self.tokenizer.bos_token_id is not None else ids
        self.messages.append({"role": "user", "content": said})
        while True:
            ids = self.tokenizer.apply_chat_template(self.messages, add_generation_prompt=True, return_dict=False)
            if len(ids) <= room or len(self.messages) == 1:
                return list(ids)[-room:]
            del self.messages[0]

    def note_reply(self, reply: str) -> None:
        """Add the model's reply to the conversation."""
        self.text += reply
        if self.takes_turns:
            self.messages.append({"role": "assistant", "content": reply})


def chat(name: str, temperature: float = TEMPERATURE, max_new_tokens: int = 256, seed: int = 0) -> None:
    """Read lines from the terminal (or stdin) and write the model's replies, until /quit or the end of input."""
    from massivetext.generation.streaming import stream_text
    from massivetext.models.auto import AutoModelForCausalLM
    from massivetext.tokens.auto import AutoTokenizer

    conversation = Conversation(
        AutoModelForCausalLM.from_pretrained(name), AutoTokenizer.from_pretrained(name), max_new_tokens
    )
    if not conversation.takes_turns:
        log(tr("This model was trained on running text, not on conversations: it continues what you write."))
    log(tr("/new starts over, /temperature 0.9 changes it, /quit ends."))
    for turn, line in enumerate(_lines()):
        if line.startswith("/"):
            if line.strip() == "/quit":
                return
            temperature = _command(line, conversation, temperature)
            continue
        if not line.strip():
            continue
        options: dict[str, Any] = {"max_new_tokens": max_new_tokens}
        if temperature > 0:
            options |= {"do_sample": True, "temperature": temperature, "top_p": TOP_P, "seed": seed + turn}
        pieces = stream_text(conversation.model, conversation.tokenizer, conversation.prompt_ids(line), **options)
        conversation.note_reply(_written(pieces))


def _command(line: str, conversation: Conversation, temperature: float) -> float:
    """Carry out a line that begins with a slash and return the temperature to use from now on."""
    word, _, value = line.strip().partition(" ")
    if word == "/new":
        conversation.messages.clear()
        conversation.text = ""
        return temperature
    if word == "/temperature":
        try:
            chosen = float(value)
        except ValueError:
            chosen = -1.0
        if chosen >= 0:
            return chosen
    log(tr("{line}: not a command here. There are {commands}", line=line.strip(), commands=", ".join(COMMANDS)))
    return temperature


def _written(pieces: Iterator[str], write: Callable[[str], object] = sys.stdout.write) -> str:
    """Write the pieces as they arrive and return the whole reply. Ctrl-C ends the reply, not the conversation."""
    reply = ""
    try:
        for piece in pieces:
            reply += piece
            write(visible(piece))
            sys.stdout.flush()
    except KeyboardInterrupt:
        pass
    write("\n")
    return reply


def _lines() -> Iterator[str]:
    """Yield the user's input line by line, with editing and history if the terminal supports them."""
    if not sys.stdin.isatty():
        for line in sys.stdin:
            yield line.rstrip("\n")
        return
    import readline  # noqa: F401  (the import adds editing and history to input())

    while True:
        try:
            yield input("> ")
        except (EOFError, KeyboardInterrupt):
            return
