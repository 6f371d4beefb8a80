"""What happens between the matrix products of one decoding step, compiled: PyTorch would spend its time on dispatch.

Legend: B rows, D features, H query heads, K key and value heads, S slots. All arrays are float32 and C-contiguous.
Sums may be reordered (`reassoc`), as any BLAS does; on one machine the result is always the same.
"""

import math

import numpy as np
from numpy.typing import NDArray

from massivetext.text.compiling import Function, kernel

Floats = NDArray[np.float32]
NO_NORM, NORM_BEFORE, NORM_AFTER = 0, 1, 2
GELU, GELU_TANH, RELU, RELU_SQUARED, SILU = 0, 1, 2, 3, 4
ACTIVATION_CODES = {
    "gelu": GELU, "gelu_accurate": GELU_TANH, "gelu_fast": GELU_TANH, "gelu_new": GELU_TANH, "gelu_python": GELU,
    "gelu_python_tanh": GELU_TANH, "gelu_pytorch_tanh": GELU_TANH, "relu": RELU, "relu2": RELU_SQUARED, "silu": SILU,
    "swish": SILU,
}  # fmt: skip
FAST = {"reassoc", "contract", "nsz"}


def step_kernel(function: Function) -> Function:
    """Return `function` compiled as every kernel is, with sums in any order and division as NumPy does it."""
    return kernel(function, fastmath=FAST, error_model="numpy")


@step_kernel
def times_vector(weight: Floats, bias: Floats, vector: Floats, output: Floats) -> None:
    """Put vector @ weight^T + bias into `output` (1, outputs), for one row: weight (outputs, inputs)."""
    for place in range(weight.shape[0]):
        total = np.float32(0.0)
        for feature in range(weight.shape[1]):
            total += weight[place, feature] * vector[0, feature]
        output[0, place] = total + bias[place]


@step_kernel
def add_norm(
    hidden: Floats, added: Floats, scale: Floats, shift: Floats, centred: bool, epsilon: float, normed: Floats
) -> None:
    """Add `added` to `hidden` in place and put its norm times `scale` plus `shift` (D,) into `normed`; the rest (B, D).

    centred: the mean is taken off first (a layer norm); else the norm is by root mean square.
    """
    rows, features = hidden.shape
    for row in range(rows):
        mean = np.float32(0.0)
        for place in range(features):
            hidden[row, place] += added[row, place]
            mean += hidden[row, place]
        mean = mean / np.float32(features) if centred else np.float32(0.0)
        total = np.float32(0.0)
        for place in range(features):
            value = hidden[row, place] - mean
            total += value * value
        factor = np.float32(1.0 / math.sqrt(total / features + epsilon))
        for place in range(features):
            normed[row, place] = (hidden[row, place] - mean) * factor * scale[place] + shift[place]


@step_kernel
def norm_vector(vector: Floats, scale: Floats, epsilon: float) -> None:
    """Bring `vector` to root mean square one, times `scale`, in place."""
    total = np.float32(0.0)
    for place in range(vector.shape[0]):
        total += vector[place] * vector[place]
    factor = np.float32(1.0 / math.sqrt(total / vector.shape[0] + epsilon))
    for place in range(vector.shape[0]):
        vector[place] *= factor * scale[place]


@step_kernel
def turn_and_store(
    projected: Floats,
    tables: Floats,
    scales: Floats,
    norm: int,
    epsilon: float,
    cache: tuple[Floats, Floats],
    slot: int,
) -> None:
    """Norm and rotate queries and keys in place, and write keys and values into the cache at `slot`.

    projected: (B, (H + 2 K) * head_dim), queries, keys, values side by side. tables: (2, B, turned features / 2),
    cosine and sine; a head's features behind those turned stay as they are. scales: (2, head_dim), of the query and
    the key norm. cache: keys and values, (B, K, S, head_dim) each.
    """
    keys, values = cache
    head_dim = keys.shape[3]
    half, key_heads = tables.shape[2], keys.shape[1]
    heads = projected.shape[1] // head_dim - 2 * key_heads
    for row in range(projected.shape[0]):
        for head in range(heads + key_heads):
            vector = projected[row, head * head_dim : (head + 1) * head_dim]
            scale = scales[0] if head < heads else scales[1]
            if norm == NORM_BEFORE:
                norm_vector(vector, scale, epsilon)
            for place in range(half):
                first, second = vector[place], vector[place + half]
                cosine, sine = tables[0, row, place], tables[1, row, place]
                vector[place] = first * cosine - second * sine
                vector[place + half] = second * cosine + first * sine
            if norm == NORM_AFTER:
                norm_vector(vector, scale, epsilon)
        for head in range(key_heads):
            for place in range(head_dim):
                keys[row, head, slot, place] = projected[row, (heads + head) * head_dim + place]
                values[row, head, slot, place] = projected[row, (heads + key_heads + head) * head_dim + place]


@step_kernel
def attend_slots(
    projected: Floats, keys: Floats, values: Floats, first: NDArray[np.int64], slot: int, scores: Floats, mixed: Floats
) -> None:
    """Put softmax(q k^T / sqrt(head_dim)) v over slots first[row]..slot into `mixed` (B, H * head_dim).

    projected: as `turn_and_store` left it. scores: (S,) scratch.
    """
    head_dim, key_heads = keys.shape[3], keys.shape[1]
    heads = mixed.shape[1] // head_dim
    factor = np.float32(1.0 / math.sqrt(head_dim))
    for row in range(projected.shape[0]):
        for head in range(heads):
            query = projected[row, head * head_dim : (head + 1) * head_dim]
            output = mixed[row, head * head_dim : (head + 1) * head_dim]
            group = head // (heads // key_heads)
            largest = np.float32(-np.inf)
            for place in range(first[row], slot + 1):
                score = np.float32(0.0)
                for feature in range(head_dim):
                    score += query[feature] * keys[row, group, place, feature]
                scores[place] = score * factor
                largest = max(largest, scores[place])
            output[:] = 0.0
            total = np.float32(0.0)
            for place in range(first[row], slot + 1):
                weight = np.float32(math.exp(scores[place] - largest))
                total += weight
                for feature in range(head_dim):
                    output[feature] += weight * values[row, group, place, feature]
            for feature in range(head_dim):
                output[feature] /= total


@step_kernel
def activate_value(value: float, code: int) -> float:
    """Return the activation `code` of one value."""
    if code == RELU_SQUARED:
        return value * value if value > 0 else 0.0
    if code == SILU:
        return value / (1.0 + math.exp(-value))
    if code == RELU:
        return max(value, 0.0)
    if code == GELU:
        return 0.5 * value * (1.0 + math.erf(value / math.sqrt(2.0)))
    return 0.5 * value * (1.0 + math.tanh(math.sqrt(2.0 / math.pi) * (value + 0.044715 * value**3)))


@step_kernel
def activate(inner: Floats, code: int, output: Floats) -> None:
    """Put act(inner) into `output` (B, F); where inner is twice as wide (B, 2 F), act(first half) * second half."""
    features = output.shape[1]
    gated = inner.shape[1] > features
    for row in range(output.shape[0]):
        for place in range(features):
            value = np.float32(activate_value(inner[row, place], code))
            output[row, place] = value * inner[row, features + place] if gated else value
