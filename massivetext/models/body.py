"""The base of the bodies: what reads tokens into hidden states, whatever head stands on it."""

from typing import Any, ClassVar

from torch import Tensor, nn

from massivetext.models.files.naming import Stored


class Body(nn.Module):
    """Embeddings and blocks of a family, and what its files call them.

    A model holds its body under a name of its own, or is its body: a class is then derived from both.
    """

    prefixes: ClassVar[tuple[str, ...]] = ()
    """Beginnings that files of the family's classes put before the names of the body's tensors."""
    heads: ClassVar[tuple[str, ...]] = ()
    """Beginnings of the names of heads, which a file may hold and a class may lack, or the other way round."""
    inner_heads: ClassVar[tuple[str, ...]] = ()
    """The same for parts of the body: "pooler."."""
    derived: ClassVar[str] = r"(position_ids|token_type_ids)$"
    """Pattern of the names of tensors in old files that follow from the configuration."""
    tied: ClassVar[dict[str, str]] = {}
    """Copies that some files hold of other tensors: name of the copy, name of the original, both without prefix."""
    head_names: ClassVar[dict[str, str]] = {}
    """What files call a head's part, where it is not the model's name for it."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.build(config)

    def build(self, config: Any) -> None:
        """Make the modules; called on the meta device."""
        raise NotImplementedError

    def leave(self, hidden: Tensor) -> Tensor:
        """Return what a head reads, (B, T, D), of what the last block gave."""
        return hidden

    @classmethod
    def stored_names(cls, config: Any) -> tuple[Stored, ...]:
        """Return how files name and lay out the body's tensors, both without prefix; nothing where they do as it."""
        return ()

    @classmethod
    def told_by_weights(cls, config: Any, weights: dict[str, Tensor], task: str | None, where: str) -> Any:
        """Return the configuration with what only the weights of a file tell; `weights` may be changed."""
        return config
