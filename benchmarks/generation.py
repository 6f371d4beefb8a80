"""Greedy decoding of a 7 M Llama shape: ours and transformers.generate in turn, ids checked equal, results as JSON.

python benchmarks/generation.py [--threads N] [--tokens N]
"""

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path

import torch
import transformers

from massivetext.models.auto import AutoConfig, AutoModelForCausalLM

SHAPE = {
    "vocab_size": 4096, "hidden_size": 256, "intermediate_size": 688, "num_hidden_layers": 6, "num_attention_heads": 4,
    "max_position_embeddings": 1024,
}  # fmt: skip
ROUNDS = 5


def timed(work):
    """Return the result of `work()`, wall seconds, processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - processor


def main():
    """Run both in turn and write benchmarks/results/generation.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--tokens", type=int, default=128)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    config = AutoConfig.for_model("llama", **SHAPE)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.05)
    model.eval()
    peer = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(**config.to_hugging_face()))
    peer.load_state_dict(model.state_dict())
    peer.eval()
    results = []
    for batch in (1, 16):
        ids = torch.randint(0, 4096, (batch, 16))
        mask = torch.ones_like(ids)
        model.generate(ids, max_new_tokens=4)  # compiles the kernels, or loads them
        rounds = []
        for _ in range(ROUNDS):
            ours, wall, processor = timed(lambda ids=ids: model.generate(ids, max_new_tokens=options.tokens))
            theirs, peer_wall, peer_processor = timed(
                lambda ids=ids, mask=mask: peer.generate(
                    ids, attention_mask=mask, max_new_tokens=options.tokens, do_sample=False
                )
            )
            assert torch.equal(ours, theirs), "the ids differ"
            rounds.append((wall, peer_wall, processor, peer_processor))
        wall, peer_wall, processor, peer_processor = (statistics.median(column) for column in zip(*rounds))
        results.append(
            {
                "batch": batch,
                "tokens_per_second": batch * options.tokens / wall,
                "peer_tokens_per_second": batch * options.tokens / peer_wall,
                "ratio": statistics.median(one[1] / one[0] for one in rounds),
                "processor_ratio": peer_processor / processor,
            }
        )
    report = {
        "what": "greedy decoding, 6.8 M parameters, float32, prompt 16 tokens",
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
