"""Compare causal training of a 6.9 M GPT-2 and a 6.8 M Llama with transformers.Trainer; write the results as JSON.

    python benchmarks/training.py [--shapes gpt2 llama] [--threads N] [--steps N] [--rounds N]
        [--data FOLDER] [--out FILE]

Both start from the same weights and see the same rows (real English text, one document per row) with the same AdamW.
The losses are compared, then the wall and processor seconds of each step after the warm-up. The peer runs twice: with
its defaults, and with its fastest settings (compiled, denormals flushed). The programs alternate, because other
processes disturb measurements. Each run is a separate process, so that it does not inherit thread settings. Each number
is the median over all rounds. Utilisation is the FLOPs of the parameters' matrix products and of causal attention,
divided by the best of the matmul peaks that are measured after each run.
"""

import argparse
import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # for both: spinning threads make timings on a busy machine noisy

import numpy as np
import torch
from inputs import add_data_option, english_texts, peer

from massivetext.models.auto import AutoConfig, AutoModelForCausalLM
from massivetext.state import read_json
from massivetext.storage import write_json
from massivetext.tokens.settings import TokenizerSettings
from massivetext.tokens.vocabulary import train_tokenizer
from massivetext.training.loop import train
from massivetext.training.machine import cpu_type, usable_threads
from massivetext.training.metrics import read_rows
from massivetext.training.settings import TrainSettings
from massivetext.training.utilisation import MatmulPeak, flops_per_token

transformers = peer("transformers")
CONTEXT, ROWS, WARM_UP_STEPS = 256, 16, 3
COMMON = {
    "vocab_size": 8192, "hidden_size": 256, "num_hidden_layers": 6, "num_attention_heads": 4,
    "max_position_embeddings": CONTEXT, "tie_word_embeddings": True, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
NO_DROPOUT = {"embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0}  # dropout would make the losses differ
SHAPES = {"gpt2": COMMON | NO_DROPOUT, "llama": COMMON | {"intermediate_size": 688}}
LEARNING_RATE = 3e-4
PROGRAMS = ("massivetext", "transformers_defaults", "transformers_compiled")


def token_rows(count, data):
    """Return (count, CONTEXT + 1) ids of real English text."""
    texts = english_texts(data)
    tokenizer = train_tokenizer(texts, TokenizerSettings(vocab_size=COMMON["vocab_size"]), quiet=True)
    ids = np.concatenate([np.asarray(tokenizer.encode_ordinary(text)) for text in texts])
    return np.resize(ids, count * (CONTEXT + 1)).reshape(count, CONTEXT + 1).astype(np.int64)


class Ticks:
    """Wall and processor time at the start of each step."""

    def __init__(self):
        self.times = []

    def tick(self):
        """Record the time."""
        self.times.append((time.perf_counter(), time.process_time()))

    def steps(self):
        """Return the (wall, processor) seconds of each step after the warm-up."""
        steps = np.diff(np.array(self.times[WARM_UP_STEPS:]), axis=0)
        return [tuple(step) for step in steps]


class Rows:
    """The rows as batches for our loop; every row is one document."""

    sources = ("text",)

    def __init__(self, rows, ticks):
        self.rows, self.ticks = rows, ticks

    def batch(self, step):
        """Return the rows of a step."""
        self.ticks.tick()
        part = self.rows[step * ROWS : (step + 1) * ROWS]
        shape = (ROWS, CONTEXT)
        return SimpleNamespace(
            input_ids=part[:, :-1].copy(),
            labels=np.where(np.arange(CONTEXT) < CONTEXT - 1, part[:, 1:], -100),  # the peer shifts its labels
            positions=np.broadcast_to(np.arange(CONTEXT), shape).copy(),
            segments=np.zeros(shape, np.int32),
            sources=np.zeros(ROWS, np.int32),
        )


def run_ours(family, rows, steps, options):
    """Return step times and losses of our loop."""
    ticks, model = Ticks(), fresh_model(family)
    settings = TrainSettings(
        steps=steps, context_tokens=CONTEXT, batch_tokens=ROWS * CONTEXT, optimiser="adamw", threads=options.threads,
        learning_rate=LEARNING_RATE, beta2=0.999, warmup_steps=0, decay="none", log_every_steps=1,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        train(model, Rows(rows, ticks), settings, Path(folder), quiet=True)
        losses = [row["loss"] for row in read_rows(Path(folder) / "metrics.jsonl")]
    return ticks.steps()[1:], losses  # the leak probe requests the first batch once more


def run_peer(family, rows, steps, best):
    """Return step times and losses of transformers.Trainer, with its defaults or its fastest settings."""
    ticks, losses = Ticks(), []
    torch.set_flush_denormal(best)
    model = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(family, **SHAPES[family]))
    ours = fresh_model(family).stored_weights()
    found = model.load_state_dict(ours, strict=False)
    assert found.missing_keys in ([], ["lm_head.weight"]) and not found.unexpected_keys, found

    class Record(transformers.TrainerCallback):
        def on_step_begin(self, *_, **__):
            ticks.tick()

        def on_log(self, args, state, control, logs=None, **_):
            losses.extend([logs["loss"]] if "loss" in logs else [])

    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            folder, max_steps=steps, per_device_train_batch_size=ROWS, learning_rate=LEARNING_RATE, logging_steps=1,
            lr_scheduler_type="constant", report_to="none", save_strategy="no", disable_tqdm=True, use_cpu=True,
            torch_compile=best, train_sampling_strategy="sequential",
        )  # fmt: skip
        ids = torch.from_numpy(rows[:, :-1])
        labels = ids.clone()
        labels[:, 0] = -100  # never predicted, but some of the peer's models include it in their mean
        dataset = [{"input_ids": row, "labels": label} for row, label in zip(ids, labels, strict=True)]
        trainer = transformers.Trainer(model=model, args=arguments, train_dataset=dataset, callbacks=[Record()])
        trainer.train()
    ticks.tick()
    return ticks.steps(), losses


def fresh_model(family):
    """Return the model with its initial weights; output projections are not zero, so that every part has an effect."""
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **SHAPES[family]))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.normal_(0.0, 0.02, generator=generator)
    return model


def main():
    """Measure the requested shapes and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--threads", type=int, default=usable_threads())
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=2)
    add_data_option(parser)
    parser.add_argument("--only", choices=PROGRAMS, help="one run of the first shape, as the processes of this one do")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "training.json")
    options = parser.parse_args()
    if options.only:
        write_json(options.out, run_one(options.only, options.shapes[0], options))
        return
    english_texts(options.data)  # exits before the first run if there is no text
    results = {
        "what": "causal training, batch of 16 rows of 256 tokens, AdamW, float32, no dropout",
        "shapes": {family: measure(family, options) for family in options.shapes},
        "machine": {"processor": cpu_type(), "cores": usable_threads(), "threads": options.threads},
        "versions": {name: importlib.metadata.version(name) for name in ("torch", "transformers")}
        | {"python": platform.python_version()},
    }
    write_json(options.out, results)
    print(options.out.read_text())


def run_one(program, family, options):
    """Run one program in this process; return its step times, its losses and the matmul peak measured afterwards."""
    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    rows = token_rows(ROWS * (options.steps + 1), options.data)
    if program == "massivetext":
        steps, losses = run_ours(family, rows, options.steps, options)
    else:
        steps, losses = run_peer(family, rows, options.steps, best=program == "transformers_compiled")
    peak = MatmulPeak(torch.device("cpu"), torch.float32).value()
    return {"steps": steps, "losses": losses, "peak": peak, "threads": torch.get_num_threads()}


def measure(family, options):
    """Run the three programs alternately, compare their losses, and return their results."""
    times, losses, peaks = {name: [] for name in PROGRAMS}, {}, []
    for _ in range(options.rounds):
        for name in PROGRAMS:
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder, "run.json")
                numbers = ["--steps", str(options.steps), "--threads", str(options.threads), "--out", str(out)]
                numbers += ["--data", str(options.data)] if options.data else []
                command = [sys.executable, __file__, "--only", name, "--shapes", family, *numbers]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                found = read_json(out)
            times[name] += found["steps"]
            losses[name] = found["losses"]
            peaks.append(found["peak"])
            print(family, name, f"{statistics.median(wall for wall, _ in found['steps']):.3f} s a step", flush=True)
    ours = losses["massivetext"]
    worst = max(abs(a - b) for name in losses for a, b in zip(ours, losses[name], strict=True))
    if worst > 0.01:
        raise SystemExit(f"the losses differ by {worst:.3f}: the work was not equal")
    return report(family, times, losses, peaks, worst)


def report(family, times, losses, peaks, worst):
    """Return the results: tokens per second, ratios, utilisation."""
    tokens, peak = ROWS * CONTEXT, max(peaks)
    wall = {name: statistics.median(step[0] for step in steps) for name, steps in times.items()}
    processor = {name: statistics.median(step[1] for step in steps) for name, steps in times.items()}
    flops = flops_per_token(fresh_model(family), CONTEXT)
    return {
        "parameters": sum(parameter.numel() for parameter in fresh_model(family).parameters()),
        "tokens_per_second": {name: round(tokens / seconds, 1) for name, seconds in wall.items()},
        "tokens_per_processor_second": {name: round(tokens / seconds, 1) for name, seconds in processor.items()},
        "ratio_to_defaults": round(wall["transformers_defaults"] / wall["massivetext"], 3),
        "ratio_to_best": round(wall["transformers_compiled"] / wall["massivetext"], 3),
        "ratio_to_defaults_by_processor_time": round(processor["transformers_defaults"] / processor["massivetext"], 3),
        "ratio_to_best_by_processor_time": round(processor["transformers_compiled"] / processor["massivetext"], 3),
        "utilisation_fraction": {name: round(flops * tokens / s / peak, 3) for name, s in wall.items()},
        "matmul_peak_gflops": [round(value / 1e9, 1) for value in peaks],
        "loss_of_the_last_step": {name: round(values[-1], 4) for name, values in losses.items()},
        "largest_difference_of_losses": round(worst, 5),
        "load_average": round(os.getloadavg()[0], 1),
    }


if __name__ == "__main__":
    main()
