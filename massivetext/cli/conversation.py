"""Talk to a model in the terminal.

A model with a chat template answers in turns. A model without one was trained on running text: it continues what has
been written so far, yours and its own.
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
    """What has been said, and the ids that the model reads next."""

    model: Any
    tokenizer: Any
    max_new_tokens: int
    messages: list[dict[str, str]] = field(default_factory=list)
    text: str = ""

    @property
    def takes_turns(self) -> bool:
        """Whether the model has a chat template."""
        return bool(self.tokenizer.chat_template)

    def prompt_ids(self, said: str) -> list[int]:
        """Return the ids to go on from after `said`; the oldest turns, or text, are left out where there is no room.

        What people type is text: a special token's name in it stays characters.
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
        """Remember what the model wrote."""
        self.text += reply
        if self.takes_turns:
            self.messages.append({"role": "assistant", "content": reply})


def chat(name: str, temperature: float = TEMPERATURE, max_new_tokens: int = 256, seed: int = 0) -> None:
    """Read lines from the terminal (or stdin) and write the model's replies, until /quit or the end of input."""
    from massivetext.generation.streaming import stream_text
    from massivetext.models.auto import AutoModelForCausalLM
    from massivetext.tokens.tokenizer import AutoTokenizer

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
    """Write the pieces as they come and return them together; Ctrl-C ends the reply, not the conversation."""
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
    """Yield what the user types, line by line; editing and history where the terminal has them."""
    if not sys.stdin.isatty():
        for line in sys.stdin:
            yield line.rstrip("\n")
        return
    import readline  # noqa: F401  (importing it is what gives input() editing and history)

    while True:
        try:
            yield input("> ")
        except (EOFError, KeyboardInterrupt):
            return
