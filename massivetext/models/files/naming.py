"""Names and layouts of stored weights: how a family's files hold what the model has under one set of names.

The decoders name their parts as Hugging Face's Llama does. A family whose files differ declares a table of `Stored`;
families without one store tensors as they are.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from massivetext.errors import ModelError

QUERY_KEY_VALUE = tuple(f"layers.*.self_attn.{name}_proj" for name in "qkv")


class Stored(NamedTuple):
    """One part of a file (its weight and bias) and the part, or parts, of the model that it holds; * is a layer."""

    stored: str
    inside: tuple[str, ...]
    transposed: bool = False
    """Whether matrices are kept as (inputs, outputs), as GPT-2's are."""
    heads: int = 0
    """Several parts lie one after the other (0), or in turn for each of so many heads."""

    def under(self, prefix: str, inside: str) -> "Stored":
        """Return the rule with what files put before the name, and the model before its parts'."""
        return self._replace(stored=prefix + self.stored, inside=tuple(inside + part for part in self.inside))


class Place(NamedTuple):
    """One stored tensor: the tensors of the model that it holds, and how."""

    inside: list[str]
    rule: Stored


def layout(
    names: Iterable[str], rules: Iterable[Stored], plain: Callable[[str], str] = lambda name: name
) -> dict[str, Place]:
    """Return every stored tensor by name, for the model's `names`.

    plain: the name of a stored tensor for which there is no rule, of the model's name; it is stored as it is.
    """
    by_part = {part: rule for rule in rules for part in rule.inside}
    places: dict[str, Place] = {}
    for name in names:
        part, _, kind = name.rpartition(".")
        pieces = part.split(".")
        layer = next((piece for piece in pieces if piece.isdigit()), "")
        rule = by_part.get(".".join("*" if piece == layer else piece for piece in pieces))
        if rule is None:
            places[plain(name)] = Place([name], Stored(part, (part,)))
        else:
            inside = [f"{part.replace('*', layer)}.{kind}" for part in rule.inside]
            places[f"{rule.stored.replace('*', layer)}.{kind}"] = Place(inside, rule)
    return places


def to_stored(weights: Mapping[str, Tensor], places: Mapping[str, Place]) -> dict[str, Tensor]:
    """Return the stored tensors made of the model's (also of meta tensors, for their shapes, and of gradients)."""
    return {name: _joined([weights[part] for part in place.inside], place.rule) for name, place in places.items()}


def to_inside(
    stored: Mapping[str, Tensor], places: Mapping[str, Place], like: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the model's tensors taken out of the stored ones; `like` has the model's shapes."""
    weights: dict[str, Tensor] = {}
    for name, place in places.items():
        parts = _parted(stored[name], place.rule, [like[part].shape[0] for part in place.inside])
        weights.update(zip(place.inside, parts, strict=True))
    return weights


def check_fit(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], where: str, model: str) -> None:
    """Raise ModelError that names every tensor that is missing, not expected, or of another shape."""
    problems = [f"missing: {name} {tuple(expected[name].shape)}" for name in expected if name not in found]
    problems += [f"not expected: {name} {tuple(found[name].shape)}" for name in found if name not in expected]
    for name, tensor in expected.items():
        if name in found and found[name].shape != tensor.shape:
            given, wanted = tuple(found[name].shape), tuple(tensor.shape)
            problems.append(f"{name} has shape {given}, the configuration says {wanted}")
    if problems:
        shown = "\n".join(f"  - {problem}" for problem in problems[:20])
        more = f"\n  - and {len(problems) - 20} more" if len(problems) > 20 else ""
        raise ModelError(
            f"{where} do not fit this {model} configuration:\n{shown}{more}\n"
            f"Use the config.json that was saved with the weights."
        )


def _joined(parts: list[Tensor], rule: Stored) -> Tensor:
    if len(parts) > 1 and rule.heads:
        turns = [part.reshape(rule.heads, -1, *part.shape[1:]) for part in parts]  # (H, head_dim, ...)
        joined = torch.cat(turns, dim=1).flatten(0, 1)
    else:
        joined = torch.cat(parts) if len(parts) > 1 else parts[0]
    return joined.t().contiguous() if rule.transposed and joined.ndim == 2 else joined


def _parted(stored: Tensor, rule: Stored, rows: list[int]) -> list[Tensor]:
    joined = stored.t().contiguous() if rule.transposed and stored.ndim == 2 else stored
    if len(rows) == 1:
        return [joined]
    if not rule.heads:
        return [part.contiguous() for part in torch.split(joined, rows)]
    turns = joined.reshape(rule.heads, -1, *joined.shape[1:])  # (H, 3 * head_dim, ...)
    sizes = [row // rule.heads for row in rows]
    return [part.flatten(0, 1).contiguous() for part in torch.split(turns, sizes, dim=1)]
