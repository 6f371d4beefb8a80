"""How text is continued: one settings object, under the names that Hugging Face's `generate` uses."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import model_validator

from massivetext.errors import ConfigError
from massivetext.hugging_face import checked_options
from massivetext.settings import Settings

DEFAULT_NEW_TOKENS = 64
# Fields of generation_config.json that are not read: they never change the ids (LEFT_OUT), or not at a value (NEUTRAL).
LEFT_OUT = {"_from_model_config", "transformers_version", "bos_token_id", "use_cache", "cache_implementation"}
NEUTRAL: dict[str, Any] = {
    "assistant_early_exit": None, "diversity_penalty": 0.0, "encoder_no_repeat_ngram_size": 0,
    "encoder_repetition_penalty": 1.0,
    "epsilon_cutoff": 0.0, "eta_cutoff": 0.0, "num_beam_groups": 1, "output_attentions": False,
    "output_hidden_states": False, "output_logits": False, "output_scores": False, "remove_invalid_values": False,
    "return_dict_in_generate": False, "typical_p": 1.0,
}  # fmt: skip


class GenerationSettings(Settings):
    """How a model continues text."""

    max_new_tokens: int | None = None
    """The most tokens added to the prompt; None: as max_length says, or 64 where that is not given either."""
    max_length: int | None = None
    """The most tokens of prompt and continuation together; max_new_tokens goes before it."""
    do_sample: bool = False
    """False: always the likeliest token (greedy); True: drawn by probability."""
    temperature: float = 1.0
    """Logits are divided by it before drawing: below 1 sharper, above 1 flatter."""
    top_k: int = 50
    """Only the k likeliest tokens are drawn from; 0: all."""
    top_p: float = 1.0
    """Only the likeliest tokens that together reach this probability are drawn from (arXiv:1904.09751)."""
    repetition_penalty: float = 1.0
    """Logits of tokens that occurred are divided (positive) or multiplied (negative) by it (arXiv:1909.05858)."""
    num_beams: int = 1
    """Texts followed at once, for the one of highest probability (beam search); 1: one token after the other."""
    length_penalty: float = 1.0
    """Beams only: texts compare by log probability / length ** length_penalty; above 0 longer texts gain by it."""
    early_stopping: bool | Literal["never"] = False
    """Beams only. True: num_beams ended texts are enough; False: unless a running one is better at its length by now;
    never: unless it could become better by the greatest length."""
    no_repeat_ngram_size: int = 0
    """No run of so many ids stands in a text twice (arXiv:1705.04304); 0: free."""
    min_length: int = 0
    """No end before prompt and continuation together have so many tokens."""
    min_new_tokens: int | None = None
    """No end before so many tokens were added."""
    num_return_sequences: int = 1
    """Continuations of each prompt."""
    eos_token_id: int | list[int] | None = None
    """Id (or ids) after which a text ends; None: the model's own."""
    pad_token_id: int | None = None
    """Id that fills up rows that ended before the longest; None: the model's own, or the first end id."""
    decoder_start_token_id: int | None = None
    """Encoder-decoders only: id that starts the decoder's text; None: the model's own."""
    forced_bos_token_id: int | None = None
    """Id put first where the text begins with a single start id (the language, say); None: the model chooses."""
    forced_eos_token_id: int | None = None
    """Id put last when the length limit is reached; None: the model chooses."""
    bad_words_ids: list[list[int]] | None = None
    """Ids that are never chosen, each in a list of its own (words of several ids are not supported)."""
    renormalize_logits: bool = False
    """Whether probabilities are brought to a sum of 1 again after the rules above; it changes what beams find."""
    seed: int | None = None
    """Makes drawing repeatable; None: taken from PyTorch's generator, so `torch.manual_seed` governs it."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        bounds = {
            "max_new_tokens": (1, None), "max_length": (1, None), "top_k": (0, None), "num_return_sequences": (1, None),
            "top_p": (0, 1), "num_beams": (1, None), "no_repeat_ngram_size": (0, None), "min_length": (0, None),
            "min_new_tokens": (0, None),
        }  # fmt: skip
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if value is not None and (value < low or (high is not None and value > high)):
                raise ValueError(f"{name} is {value}; allowed: at least {low}" + (f", at most {high}" if high else ""))
        for word in self.bad_words_ids or []:
            if len(word) != 1:
                raise ValueError(f"bad_words_ids has the word {word}; allowed: words of one id")
        for name in ("temperature", "repetition_penalty"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; allowed: above 0 (do_sample=False is greedy)")
        if self.do_sample and self.num_beams > 1:
            raise ValueError(
                f"num_beams is {self.num_beams} with do_sample=True; allowed: one of the two; set num_beams=1"
            )
        if self.num_return_sequences > self.num_beams and not self.do_sample:
            raise ValueError(
                f"num_return_sequences is {self.num_return_sequences} without sampling: allowed are as many as "
                f"num_beams ({self.num_beams}), more would be the same; set do_sample=True or num_beams"
            )
        return self

    def new_tokens(self, prompt_tokens: int) -> int:
        """Return how many tokens may be added to a prompt; raise ConfigError when max_length leaves room for none."""
        if self.max_new_tokens is not None:
            return self.max_new_tokens
        if self.max_length is None:
            return DEFAULT_NEW_TOKENS
        if self.max_length <= prompt_tokens:
            raise ConfigError(
                f"max_length is {self.max_length} and the prompt alone has {prompt_tokens} tokens; raise max_length, "
                f"or set max_new_tokens instead, which counts the continuation only"
            )
        return self.max_length - prompt_tokens


def generation_settings(defaults: Mapping[str, Any], options: Mapping[str, Any]) -> GenerationSettings:
    """Return the settings from a folder's generation_config.json (`defaults`) overridden by a caller's `options`.

    An option generation_config (an object of that kind, or a dict) goes before the defaults and behind other options.
    Options that are not known raise ConfigError, and so do defaults that would change the ids and are not supported,
    unless an option sets them to the value at which they do not (num_beam_groups=1).
    """
    config = options.get("generation_config")
    if config is not None:
        values = config.to_dict() if hasattr(config, "to_dict") else dict(config)
        options = {**values, **{key: value for key, value in options.items() if key != "generation_config"}}
        options = {key: value for key, value in options.items() if key not in LEFT_OUT}
    off = {key for key, value in options.items() if key in NEUTRAL and value == NEUTRAL[key]}
    options = {key: value for key, value in options.items() if key not in off and key != "generation_config"}
    options = checked_options("generate", options, GenerationSettings.model_fields)
    defaults = {key: value for key, value in defaults.items() if key not in off}
    kept = {}
    for key, value in defaults.items():
        if value is None:
            continue
        if key in GenerationSettings.model_fields:
            kept[key] = value
        elif key not in LEFT_OUT and value != NEUTRAL.get(key):
            raise ConfigError(
                f"the model's generation_config.json asks for {key} = {value!r}, which is not supported; "
                f"remove it there to generate without it"
                + (f", or pass {key}={NEUTRAL[key]!r}" if key in NEUTRAL else "")
            )
    given = {key: value for key, value in options.items() if value is not None}
    if "max_length" in given and "max_new_tokens" not in given:
        kept.pop("max_new_tokens", None)
    return GenerationSettings.parse({**kept, **given}, where="generate")
