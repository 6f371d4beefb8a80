"""Names and layouts of stored weights: how the tensors in a family's files map to the tensors of the model.

The decoders use the module names of Hugging Face's Llama. A family whose files differ declares a table of `Stored`
rules; without one, tensors are stored as they are.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from massivetext.errors import ModelError

QUERY_KEY_VALUE = tuple(f"layers.*.self_attn.{name}_proj" for name in "qkv")


class Stored(NamedTuple):
    """One module in a file (its weight and bias) and the module or modules of the model it holds; * is a layer."""

    stored: str
    inside: tuple[str, ...]
    transposed: bool = False
    """Whether matrices are stored as (inputs, outputs), as in GPT-2."""
    heads: int = 0
    """0: several modules are stored one after the other. Otherwise: interleaved by head, for this number of heads."""

    def under(self, prefix: str, inside: str) -> "Stored":
        """Return the rule with `prefix` before the stored name and `inside` before the model's names."""
        return self._replace(stored=prefix + self.stored, inside=tuple(inside + part for part in self.inside))


class Place(NamedTuple):
    """One stored tensor: the names of the model's tensors that it holds, and the rule for its layout."""

    inside: list[str]
    rule: Stored


def layout(
    names: Iterable[str], rules: Iterable[Stored], plain: Callable[[str], str] = lambda name: name
) -> dict[str, Place]:
    """Return a `Place` for every stored tensor, by its stored name, for the model's tensor `names`.

    plain: maps the model's name of a tensor without a rule to its stored name; such a tensor is stored unchanged.
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
    """Return the stored tensors built from the model's; also works for meta tensors (shapes only) and gradients."""
    return {name: _joined([weights[part] for part in place.inside], place.rule) for name, place in places.items()}


def to_inside(
    stored: Mapping[str, Tensor], places: Mapping[str, Place], like: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the model's tensors extracted from the stored ones; `like` has the shapes of the model's tensors."""
    weights: dict[str, Tensor] = {}
    for name, place in places.items():
        parts = _parted(stored[name], place.rule, [like[part].shape[0] for part in place.inside])
        weights.update(zip(place.inside, parts, strict=True))
    return weights


def check_fit(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], where: str, model: str) -> None:
    """Raise ModelError that lists the tensors that are missing, unexpected or of the wrong shape."""
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


def drop_tied_head(weights: dict[str, Tensor], head: str, table: str, where: str) -> None:
    """Remove the stored copy of a head that is tied to the embedding; raise ModelError if the two differ."""
    if head not in weights or table not in weights:
        return
    if not torch.equal(weights[head], weights[table]):
        raise ModelError(
            f"{where}: config.json says tie_word_embeddings = true, but {head} is not {table}; set "
            f"tie_word_embeddings to false if the head was trained apart"
        )
    del weights[head]


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
