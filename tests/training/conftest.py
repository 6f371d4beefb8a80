"""Fixtures of the tests of training; what they are made from is in training_parts.py."""

import os
import sys
from pathlib import Path

import pytest

# Tests share the machine with whatever else runs on it: worker threads must not spin while they wait for each other.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def batches():
    from training_parts import CountingBatches

    return CountingBatches()


@pytest.fixture
def model():
    from training_parts import tiny_model

    return tiny_model()
