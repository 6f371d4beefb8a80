"""Forward, and forward with backward, of every family: this package's model and transformers' in turn, as JSON.

    python benchmarks/models.py [--families gpt2 bert ...] [--rounds N] [--threads N] [--eager-only] [--out FILE]

Both have the same weights (written by transformers, read here) and get the same ids: 8 rows of 128 tokens through about
4 layers of 256 features, float32, no dropout, transformers with the attention it chooses by itself. The outputs, the
losses and the norms of the gradients are compared before anything is timed. Then the two programs run in turn, in
alternating order, as they are (eager) and through `torch.compile` with fixed shapes; a ratio is transformers' median
seconds over ours, above 1 where we are faster. PaLM has no twin in transformers and is left out.
"""

import argparse
import importlib.metadata
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # for both: threads that spin make a busy machine's numbers noise

import torch
from inputs import peer

import massivetext as mt
from massivetext.models.families.table import CLASSES
from massivetext.storage import write_json
from massivetext.training.machine import cpu_type, usable_threads

transformers = peer("transformers")
ROWS, TOKENS, VOCABULARY, FEATURES, LAYERS, HEADS = 8, 128, 8192, 256, 4, 4
DECODER = {
    "vocab_size": VOCABULARY, "hidden_size": FEATURES, "intermediate_size": 1024, "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS, "max_position_embeddings": 2 * TOKENS, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
OWN = {"openai-gpt": {"intermediate_size": None}, "mistral": {"sliding_window": TOKENS // 2}}
GROUPED = {"num_key_value_heads": HEADS // 2}
ENCODER = {key: value for key, value in DECODER.items() if not key.startswith(("bos", "eos"))} | {
    "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
}  # fmt: skip
T5 = {
    "vocab_size": VOCABULARY, "d_model": FEATURES, "d_kv": FEATURES // HEADS, "d_ff": 1024, "num_layers": LAYERS,
    "num_heads": HEADS, "dropout_rate": 0.0,
}  # fmt: skip
BART = {
    "vocab_size": VOCABULARY, "d_model": FEATURES, "encoder_layers": LAYERS, "encoder_ffn_dim": 1024, "dropout": 0.0,
    "encoder_attention_heads": HEADS, "decoder_layers": LAYERS, "decoder_ffn_dim": 1024,
    "decoder_attention_heads": HEADS, "max_position_embeddings": 2 * TOKENS, "decoder_start_token_id": 2,
    "pad_token_id": 1,
}  # fmt: skip
FAMILIES = {
    **dict.fromkeys(sorted(set(CLASSES["causal-lm"]) - {"palm"}), "AutoModelForCausalLM"),
    **dict.fromkeys(CLASSES["masked-lm"], "AutoModelForMaskedLM"),
    **dict.fromkeys(CLASSES["seq2seq-lm"], "AutoModelForSeq2SeqLM"),
}
PROGRAMS = ("massivetext", "transformers")


def sizes(family):
    """Return the fields of a family's configuration."""
    if FAMILIES[family] == "AutoModelForCausalLM":
        known = CLASSES["causal-lm"][family].config_class.model_fields
        values = {**DECODER, **GROUPED, **OWN.get(family, {})}
        return {name: value for name, value in values.items() if name in known}
    if FAMILIES[family] == "AutoModelForMaskedLM":
        return ENCODER
    return T5 if family in ("t5", "mt5") else BART


def pair(family):
    """Return our model and transformers', with the same weights."""
    config = mt.AutoConfig.for_model(family, **sizes(family))
    torch.manual_seed(0)
    values = transformers.AutoConfig.for_model(**config.to_hugging_face())
    peer = getattr(transformers, FAMILIES[family]).from_config(values)
    with tempfile.TemporaryDirectory() as folder:
        peer.save_pretrained(folder)
        return {"massivetext": getattr(mt, FAMILIES[family]).from_pretrained(folder), "transformers": peer}


def batches(family):
    """Return what each kind of work is given; every token is text and has a label."""
    generator = torch.Generator().manual_seed(1)
    ids, labels = torch.randint(5, VOCABULARY, (2, ROWS, TOKENS), generator=generator)
    written = {"decoder_input_ids": labels} if FAMILIES[family] == "AutoModelForSeq2SeqLM" else {}
    return {"forward": {"input_ids": ids, **written}, "forward_backward": {"input_ids": ids, "labels": labels}}


def forward(model, call, inputs):
    """Return the logits, without gradients; `call` is the model or what the compiler made of it."""
    model.eval()
    with torch.no_grad():
        return call(**inputs).logits


def forward_backward(model, call, inputs):
    """Return the loss; the gradients are in the parameters afterwards."""
    model.train()
    model.zero_grad(set_to_none=True)
    loss = call(**inputs).loss
    loss.backward()
    return loss


WORK = {"forward": forward, "forward_backward": forward_backward}


def check_equal(family, models, calls, inputs):
    """Return how far apart logits, losses and gradients are; stop where the two do not do the same work."""
    found = {}
    for name, model in models.items():
        logits = forward(model, calls[name], inputs["forward"])
        loss = forward_backward(model, calls[name], inputs["forward_backward"])
        squares = [parameter.grad.square().sum() for parameter in model.parameters() if parameter.grad is not None]
        found[name] = (logits, float(loss.detach()), float(torch.stack(squares).sum().sqrt()))
    ours, theirs = (found[name] for name in PROGRAMS)
    off = {
        "logits": float((ours[0] - theirs[0]).abs().max()),
        "loss": abs(ours[1] - theirs[1]),
        "gradient_norm_fraction": abs(ours[2] - theirs[2]) / theirs[2],
    }
    if off["logits"] > 1e-3 or off["loss"] > 1e-4 or off["gradient_norm_fraction"] > 1e-3:
        raise SystemExit(f"{family}: the two models are not equal: {off}")
    return {name: float(f"{value:.2g}") for name, value in off.items()}


def measure(models, calls, inputs, rounds):
    """Return the medians of both programs in seconds, by the clock and of the processor, and their ratios, by work."""
    found = {}
    for kind, work in WORK.items():
        times = {name: [] for name in PROGRAMS}
        for number in range(rounds):
            for name in PROGRAMS if number % 2 else PROGRAMS[::-1]:
                start = time.perf_counter(), time.process_time()
                work(models[name], calls[name], inputs[kind])
                times[name].append((time.perf_counter() - start[0], time.process_time() - start[1]))
        wall, processor = (
            {name: statistics.median(pair[which] for pair in pairs) for name, pairs in times.items()}
            for which in (0, 1)
        )
        found[kind] = {
            "seconds": {name: round(value, 4) for name, value in wall.items()},
            "ratio": round(wall["transformers"] / wall["massivetext"], 3),
            "ratio_by_processor_time": round(processor["transformers"] / processor["massivetext"], 3),
        }
    return found


def measure_family(family, options):
    """Return what a family reached, eager and compiled."""
    models, inputs = pair(family), batches(family)
    found = {"parameters": sum(parameter.numel() for parameter in models["massivetext"].parameters())}
    for mode in ("eager",) if options.eager_only else ("eager", "compiled"):
        torch.compiler.reset()
        made = {name: torch.compile(model, dynamic=False) for name, model in models.items()}
        calls = models if mode == "eager" else made
        off = check_equal(family, models, calls, inputs)  # also the warm-up, and where compiling happens
        found[mode] = {"differences": off, **measure(models, calls, inputs, options.rounds)}
        for kind in WORK:
            ratio, processor = (found[mode][kind][name] for name in ("ratio", "ratio_by_processor_time"))
            print(f"{family} {mode} {kind}: {ratio:.2f} x (by processor time {processor:.2f} x)", flush=True)
    return found


def main():
    """Measure the families asked for and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="+", choices=list(FAMILIES), default=list(FAMILIES))
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--threads", type=int, default=usable_threads())
    parser.add_argument("--eager-only", action="store_true", help="without torch.compile, which takes longest")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "models.json")
    options = parser.parse_args()
    torch.set_flush_denormal(True)
    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    results = {
        "what": f"{ROWS} rows of {TOKENS} tokens, {LAYERS} layers (each side) of {FEATURES} features, float32",
        "rounds": options.rounds,
        "families": {},
        "machine": {"processor": cpu_type(), "cores": usable_threads(), "threads": options.threads},
        "versions": {name: importlib.metadata.version(name) for name in ("torch", "transformers")}
        | {"python": platform.python_version()},
    }
    for family in options.families:
        results["families"][family] = measure_family(family, options)
        write_json(options.out, results)  # after each, as a run takes long


if __name__ == "__main__":
    main()
