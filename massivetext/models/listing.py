"""List the presets: which of them this machine has the memory to train or run, and what each is suited for."""

from typing import Any

from massivetext.models.presets import PRESETS, cache_bytes, parameter_count, preset_config
from massivetext.translations import tr

TRAINED_BYTES = 16  # float32 weight and gradient, two optimiser moments
USABLE_SHARE = 0.8  # of the memory; the rest is for activations, the data and the system


def preset_rows(memory_bytes: int, run_bytes: int = 4) -> list[dict[str, Any]]:
    """Return one row for each preset: its shape, parameters, memory in bytes, and whether it fits this machine.

    memory_bytes: memory of the machine or its GPU. run_bytes: bytes of one weight when running, 4 (float32) or 2
    (bfloat16). The memory to train excludes activations. The memory to run includes the keys and values of one row of
    2,048 tokens, or of the model's context if that is shorter.
    """
    rows = []
    for name, preset in PRESETS.items():
        config = preset_config(name)
        parameters = parameter_count(config)
        read = config.model_copy(update={"max_position_embeddings": min(config.max_position_embeddings, 2048)})
        train, run = parameters * TRAINED_BYTES, parameters * run_bytes + cache_bytes(read, run_bytes)
        rows.append(
            {
                "name": name, "family": preset.family, "parameters": parameters, "layers": config.num_hidden_layers,
                "hidden_size": config.hidden_size, "heads": config.num_attention_heads,
                "context_tokens": config.max_position_embeddings, "vocab_size": config.vocab_size,
                "train_bytes": train, "run_bytes": run, "trains_here": train <= USABLE_SHARE * memory_bytes,
                "runs_here": run <= USABLE_SHARE * memory_bytes, "fit_for": fit_for(preset.family),
                "source": preset.source,
            }
        )  # fmt: skip
    return rows


def fit_for(family: str) -> str:
    """Return a short text about what a family is suited for."""
    texts = {
        "gemma3_text": tr("generation in many languages; most blocks read a short window of the past"),
        "gpt2": tr("generation and fine-tuning; the baseline that most papers compare with"),
        "gpt_neox": tr("scaling and memorisation studies: all sizes saw the same data in the same order"),
        "llama": tr("generation and fine-tuning; the format most tools read"),
        "mistral": tr("generation over long texts: tokens read a sliding window (v0.1), keys are shared"),
        "openai-gpt": tr("history: pre-training, then fine-tuning on a task"),
        "opt": tr("open reproduction of GPT-3: zero-shot and few-shot studies"),
        "palm": tr("large-scale training: parallel blocks, one key head; no weights were published"),
        "qwen2": tr("generation in Chinese and English, code and mathematics"),
        "qwen3": tr("generation in Chinese and English, reasoning"),
        "qwen3_moe": tr("generation in Chinese and English, reasoning; each token uses a few of many experts"),
    }
    return texts[family]


def listing(memory_bytes: int, run_bytes: int, machine: str) -> dict[str, Any]:
    """Return what `massivetext models` shows."""
    return {"memory_bytes": memory_bytes, "machine": machine, "presets": preset_rows(memory_bytes, run_bytes)}


def listing_text(found: dict[str, Any]) -> str:
    """Return the list as a table with sizes in GiB; sizes above this machine's memory are marked with !."""
    head = (tr("preset"), tr("family"), tr("parameters"), tr("context"), tr("to train"), tr("to run"), tr("fit for"))
    table = [head]
    for row in found["presets"]:
        train = f"{row['train_bytes'] / 2**30:,.1f}" + ("" if row["trains_here"] else " !")
        run = f"{row['run_bytes'] / 2**30:,.1f}" + ("" if row["runs_here"] else " !")
        size = f"{row['parameters']:,}"
        table.append((row["name"], row["family"], size, f"{row['context_tokens']:,}", train, run, row["fit_for"]))
    widths = [max(len(line[column]) for line in table) for column in range(len(head) - 1)]
    lines = []
    for line in table:
        cells = [line[0].ljust(widths[0]), line[1].ljust(widths[1])]
        cells += [cell.rjust(width) for cell, width in zip(line[2:-1], widths[2:], strict=True)]
        lines.append("  ".join([*cells, line[-1]]))
    note = tr(
        "Memory in GiB: to train (float32, Adam, without activations) and to run (one row of 2,048 tokens). "
        "! is more than this machine has: {gigabytes} GiB, {machine}. "
        "Use one: mt.AutoConfig.from_preset(NAME), or model: {{preset: NAME}} in a recipe.",
        gigabytes=f"{found['memory_bytes'] / 2**30:.0f}",
        machine=found["machine"],
    )
    return "\n".join([*lines, "", note])
