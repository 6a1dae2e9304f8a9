"""Things made of a model's weights, kept as long as the model and these weights stay the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class _Seal:
    """What a tensor looked like: enough to notice any change that people make to weights."""

    address: int
    version: int
    """torch counts in-place changes."""
    sums: Tensor
    """Sum of each filter: writing through ``.data`` is counted by nobody."""

    @classmethod
    def of(cls, weight: Tensor) -> _Seal:
        return cls(weight.data_ptr(), weight._version, _sums(weight))

    def holds(self, weight: Tensor) -> bool:
        return (self.address, self.version) == (weight.data_ptr(), weight._version) and torch.equal(
            self.sums, _sums(weight)
        )


def _sums(weight: Tensor) -> Tensor:
    plain = weight.detach()
    return plain.flatten(1).sum(1) if plain.dim() > 1 else plain.clone()


_KEPT: WeakKeyDictionary[nn.Module, dict[str, tuple[list[_Seal], Any]]] = WeakKeyDictionary()
"""What was made, by model and name; read and written under the model's lock (`guard.borrowed`)."""


def kept(model: nn.Module, name: str, weights: Sequence[Tensor], make: Callable[[], Made]) -> Made:
    """Return what `make` returned for these weights; ask it again if they changed since.

    Args:
        model: what it is kept for, and goes with; its lock is held.
        name: what it is.
        weights: all that it is made of.
        make: makes it.
    """
    shelf = _KEPT.setdefault(model, {})
    seals, made = shelf.get(name, ([], None))
    if len(seals) != len(weights) or not all(map(_Seal.holds, seals, weights)):
        made = make()
        shelf[name] = ([_Seal.of(weight) for weight in weights], made)
    found: Made = made
    return found
