"""`set_seed`: one number for all generators that a program may draw from."""

import random

import numpy as np
import torch


def set_seed(seed: int, deterministic: bool = False) -> None:
    """Seed the generators of Python, NumPy and PyTorch; deterministic: PyTorch also refuses operations that vary."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    if deterministic:
        torch.use_deterministic_algorithms(True)
