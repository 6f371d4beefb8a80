"""Compare the greedy decoding speed of a 7 M GPT-2 and Llama with transformers.generate; write the results as JSON.

python benchmarks/generation.py [--threads N] [--tokens N]

Both run alternately, and their ids must be equal.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import torch
from inputs import peer

from massivetext.models.auto import AutoConfig, AutoModelForCausalLM

transformers = peer("transformers")
COMMON = {
    "vocab_size": 4096, "hidden_size": 256, "num_hidden_layers": 6, "num_attention_heads": 4,
    "max_position_embeddings": 1024, "eos_token_id": None,
}  # fmt: skip
SHAPES = {"gpt2": COMMON, "llama": COMMON | {"intermediate_size": 688}}
ROUNDS = 5


def timed(work):
    """Return the result of `work()`, its wall seconds and its processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - processor


def models(family):
    """Return a model and the same model in transformers."""
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **SHAPES[family]))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.05)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return model.eval(), transformers.AutoModelForCausalLM.from_pretrained(folder)


def measured(family, batch, tokens):
    """Measure both alternately; return their speeds and the ratio."""
    model, peer = models(family)
    ids = torch.randint(1, SHAPES[family]["vocab_size"], (batch, 16))
    mask = torch.ones_like(ids)
    model.generate(ids, max_new_tokens=4)  # compiles or loads the kernels
    rounds = []
    for _ in range(ROUNDS):
        ours, wall, processor = timed(lambda: model.generate(ids, max_new_tokens=tokens))
        theirs, peer_wall, peer_processor = timed(
            lambda: peer.generate(ids, attention_mask=mask, max_new_tokens=tokens, do_sample=False)
        )
        if not torch.equal(ours, theirs):
            raise SystemExit(f"{family}, batch {batch}: the ids differ: the work was not equal")
        rounds.append((wall, peer_wall, processor, peer_processor))
    wall, peer_wall, processor, peer_processor = (statistics.median(column) for column in zip(*rounds))
    return {
        "family": family,
        "batch": batch,
        "tokens_per_second": round(batch * tokens / wall, 1),
        "peer_tokens_per_second": round(batch * tokens / peer_wall, 1),
        "ratio": round(statistics.median(one[1] / one[0] for one in rounds), 2),
        "processor_ratio": round(peer_processor / processor, 2),
    }


def main():
    """Run both alternately and write benchmarks/results/generation.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--tokens", type=int, default=128)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    results = [measured(family, batch, options.tokens) for family in SHAPES for batch in (1, 16)]
    report = {
        "what": "greedy decoding, 5.8 to 6.8 M parameters, float32, prompt 16 tokens",
        "new_tokens": options.tokens,
        "peer": f"transformers {transformers.__version__} generate, defaults",
        "machine": {"processor": platform.processor() or platform.machine(), "threads": options.threads},
        "versions": {"torch": torch.__version__},
        "load_average": list(os.getloadavg()),
        "results": results,
    }
    text = json.dumps(report, indent=2)
    Path(__file__).with_name("results").joinpath("generation.json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
