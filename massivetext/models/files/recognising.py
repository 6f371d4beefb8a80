"""Advice for files that are not model folders, and for families that are not supported: what to open or use instead."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from massivetext.errors import unknown_name

# File name patterns, what such files are, and how to open or convert them.
FILES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("*.gguf",), "a GGUF file (llama.cpp's format)", "open the file itself: from_pretrained({first!r})"),
    (
        ("adapter_config.json", "adapter_model.safetensors"),
        "a LoRA adapter, which is no model of its own",
        "merge it into its base model once, where peft is installed (merge_and_unload, save_pretrained), and open that",
    ),
    (
        ("consolidated.*.pth", "params.json", "consolidated.safetensors"),
        "weights in the format of their first publisher",
        "take the same model in Hugging Face's format, a folder with config.json and model.safetensors",
    ),
    (
        ("pytorch_model*.bin", "*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl"),
        "pickles, which can run any program when opened, so they are not read",
        "if you trust them, convert them once, where transformers is installed:\n"
        'python -c "from transformers import {opener} as A; '
        'A.from_pretrained({folder!r}).save_pretrained({folder!r})"',
    ),
    (
        ("*.onnx", "onnx"),
        "an ONNX graph, which onnxruntime runs",
        "take the model's own folder with model.safetensors, which ONNX files are made from",
    ),
    (
        ("*.h5", "*.keras", "*.msgpack", "*.ckpt.*", "*.pb", "*.tflite"),
        "weights of Keras, TensorFlow or Flax",
        "convert them once with a transformers before version 5: {opener}.from_pretrained({folder!r}, from_tf=True) or "
        "from_flax=True, then save_pretrained",
    ),
    (("*.npz", "*.nemo", "*.mlmodel", "*.mlpackage"), "weights of another framework", "take them as safetensors"),
    (
        ("*.tiktoken",),
        "a vocabulary of tiktoken",
        "take the model's tokenizer.json, which holds the same vocabulary in the form that is read here",
    ),
    (
        ("tokenizer.json", "vocab.txt", "tokenizer.model", "vocab.json"),
        "a tokenizer without a model",
        "open it with AutoTokenizer, or fetch the model's config.json and model.safetensors too",
    ),
)
# Unsupported families, and the most similar supported one.
NEAR = {
    "albert": "bert", "electra": "bert", "ernie": "bert", "roformer": "bert", "mobilebert": "bert",
    "squeezebert": "bert", "nezha": "bert", "modernbert": "bert", "nomic_bert": "bert", "deberta": "roberta",
    "deberta-v2": "roberta", "camembert": "roberta", "mpnet": "roberta", "longformer": "roberta",
    "xlm-roberta-xl": "xlm-roberta", "xlm": "xlm-roberta", "xlnet": "bert", "gemma": "llama", "gemma2": "llama",
    "gemma3": "gemma3_text", "phi": "llama", "phi3": "llama", "falcon": "llama", "mpt": "llama",
    "stablelm": "llama", "internlm2": "llama", "baichuan": "llama", "chatglm": "llama", "glm": "llama",
    "deepseek_v2": "llama", "deepseek_v3": "llama", "olmo": "llama", "olmo2": "llama", "granite": "llama",
    "smollm3": "llama", "starcoder2": "mistral", "mixtral": "mistral", "cohere": "llama", "qwen": "qwen2",
    "qwen2_moe": "qwen2", "qwen3_next": "qwen3", "gpt_neo": "gpt2", "gptj": "gpt_neox",
    "codegen": "gpt_neox", "bloom": "gpt2", "gpt_bigcode": "gpt2", "ctrl": "gpt2", "umt5": "mt5", "longt5": "t5",
    "switch_transformers": "t5", "pegasus": "bart", "pegasus_x": "bart", "mbart": "bart", "m2m_100": "bart",
    "blenderbot": "bart", "led": "bart", "prophetnet": "bart", "encoder-decoder": "bart",
}  # fmt: skip
INNER = ("text_config", "llm_config", "language_config", "thinker_config", "text_encoder", "decoder")


def what_holds(folder: Path, opener: str = "AutoModel") -> str:
    """Return a sentence that says what a folder holds instead of a model, and how to open it if that is known.

    opener: the Hugging Face class that the suggested conversion uses.
    """
    for patterns, what, remedy in FILES:
        found = sorted(path.name for pattern in patterns for path in folder.glob(pattern))
        if found:
            first = str(folder / found[0])
            names = ", ".join(found[:3]) + (", ..." if len(found) > 3 else "")
            return f" It holds {names}: {what}; {remedy.format(first=first, folder=str(folder), opener=opener)}"
    inner = sorted(path.parent.name for path in folder.glob("*/config.json"))
    if inner:
        return f" Folders in it hold models: {', '.join(inner[:5])}; give one of them: {str(folder / inner[0])!r}"
    present = sorted(path.name for path in folder.iterdir())[:8]
    return f" It holds {', '.join(present) if present else 'nothing'}"


def what_is(file: Path) -> str:
    """Return a sentence about a single file given instead of a model folder, "" if its kind is unknown."""
    for patterns, what, remedy in FILES:
        if any(file.match(pattern) for pattern in patterns):
            words = {"first": str(file), "folder": str(file.parent), "opener": "AutoModel"}
            return f" It is {what}; {remedy.format(**words)}"
    return ""


def unknown_family(values: Mapping[str, Any], allowed: list[str]) -> str:
    """Return the error text for a config.json whose model_type is not in `allowed`."""
    family = values.get("model_type")
    if family is None:
        names = ", ".join(map(str, values.get("architectures") or ())) or "none"
        return (
            f"it says no model_type (architectures: {names}); add the family's name, for example "
            f'"model_type": {sorted(allowed)[0]!r}. Allowed: {", ".join(sorted(allowed))}'
        )
    inner = next((name for name in INNER if isinstance(values.get(name), Mapping)), None)
    reason = unknown_name("model_type", str(family), allowed)
    if inner is not None:
        kind = values[inner].get("model_type")
        return (
            f"model_type {family!r} puts a language model ({kind or 'of a family it does not name'}) together with "
            f"others, in the field {inner}; only language models by themselves are read: take the folder of the "
            f"language model alone. {reason[0].upper()}{reason[1:]}"
        )
    near = NEAR.get(str(family))
    return reason if near is None else f"the family {family!r} is not supported; the nearest that is: {near}. {reason}"
