"""Threads, denormals, compilers, and how utilisation is counted."""

import threading

import pytest
import torch
from training_parts import tiny_model, tiny_settings

from massivetext.errors import ConfigError
from massivetext.training import machine
from massivetext.training.machine import compile_wanted, environment, prepare_compiler, run_with_threads
from massivetext.training.utilisation import MatmulPeak, flops_per_token, matmul_parameters

CPU = torch.device("cpu")


def denormals_left():
    """Count denormal products that stay; large enough that all threads take part."""
    return int((torch.full((2**20,), 1e-39) * 0.5).count_nonzero())


def test_training_threads_flush_denormals_whatever_ran_before():
    assert denormals_left() == 2**20  # this thread's workers exist now, and keep denormals
    assert run_with_threads(lambda stop: denormals_left(), 2) == 0
    assert denormals_left() == 2**20


def test_threads_are_those_asked_for_and_an_error_comes_through():
    assert run_with_threads(lambda stop: torch.get_num_threads(), 1) == 1

    def fail(stop):
        raise ConfigError("said inside")

    with pytest.raises(ConfigError, match="said inside"):
        run_with_threads(fail, 1)


def test_the_stop_flag_is_an_event_that_is_not_set():
    assert run_with_threads(lambda stop: isinstance(stop, threading.Event) and not stop.is_set(), 1)


def test_without_a_compiler_auto_is_off_and_on_is_an_error(monkeypatch):
    monkeypatch.setattr(machine, "compiler_found", lambda kind: None)
    assert not compile_wanted(tiny_settings(compile="auto"), CPU)
    with pytest.raises(ConfigError, match="apt-get install"):
        compile_wanted(tiny_settings(compile="on"), CPU)


def test_with_a_compiler_auto_is_on_and_off_is_off(monkeypatch):
    monkeypatch.setattr(machine, "compiler_found", lambda kind: "g++")
    assert compile_wanted(tiny_settings(compile="auto"), CPU)
    assert not compile_wanted(tiny_settings(compile="off"), CPU)


def test_the_environment_names_threads_and_precision():
    found = environment(tiny_settings(threads=2), CPU)
    assert (found["threads"], found["precision"], found["compiled"]) == ("2", "float32", "no")


@pytest.mark.parametrize(("tied", "tables"), [(True, 1), (False, 1)])
def test_the_head_counts_once_and_a_lookup_not_at_all(tied, tables):
    model = tiny_model(tie_word_embeddings=tied, intermediate_size=48)
    block = 4 * 32 * 32 + 3 * 32 * 48
    assert matmul_parameters(model) == 2 * block + tables * 64 * 32


def test_flops_of_a_token_are_six_per_parameter_and_causal_attention():
    model = tiny_model(intermediate_size=48)
    attention = 2 * 2 * 2 * 100 * 32 / 2  # layers, products, multiply and add, keys, features; half for the mask
    assert flops_per_token(model, 100) == 6 * matmul_parameters(model) + 3 * attention


def test_the_peak_is_measured_and_kept_for_a_while():
    peak = MatmulPeak(CPU, torch.float32)
    assert peak.value() > 1e8
    assert peak.value() == peak.value()


def test_more_models_than_pytorch_allows_by_default_can_be_compiled_in_one_process():
    prepare_compiler()

    def run(layer, values):
        return layer(values)

    for width in range(2, 14):
        compiled = torch.compile(run, dynamic=False, fullgraph=True, backend="eager")
        assert compiled(torch.nn.Linear(width, width), torch.ones(3, width)).shape == (3, width)
