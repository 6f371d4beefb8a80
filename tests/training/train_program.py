"""The program that the crash tests kill: `train_program.py FOLDER COMPILE THREADS STEPS`."""

import sys
import time
from pathlib import Path

from training_parts import CountingBatches, tiny_model, tiny_settings

from massivetext.storage import clear_temporary, locked_folder
from massivetext.training.loop import train


class SlowBatches(CountingBatches):
    """A step takes a while, so that a kill finds the run at any of them."""

    def batch(self, step):
        time.sleep(0.01)
        return super().batch(step)


if __name__ == "__main__":
    folder, compiled, threads, steps = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    every = {"checkpoint_every_steps": 4, "keep_checkpoints": 2}
    settings = tiny_settings(steps=steps, compile=compiled, threads=threads, **every)
    with locked_folder(folder):
        clear_temporary(folder)
        train(tiny_model(), SlowBatches(), settings, folder, quiet=True)
