"""`set_seed`: seed all random number generators that a program may use."""

import random

import numpy as np
import torch


def set_seed(seed: int, deterministic: bool = False) -> None:
    """Seed the generators of Python, NumPy and PyTorch.

    deterministic: PyTorch also refuses operations whose results vary.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    if deterministic:
        torch.use_deterministic_algorithms(True)
