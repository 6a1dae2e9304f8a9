"""Things made of a model's weights, kept as long as the model and these weights stay the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from operator import itemgetter
from threading import Lock
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


@dataclass(eq=False)
class _Entry:
    """What was made of weights, and when it was asked for last."""

    seals: list[_Seal]
    made: Any
    size: int
    """Bytes."""
    used: int
    """Number of the last question; the smallest goes first."""


MOST_BYTES = 400_000_000
"""What is kept for all models together: the six bundled ones would take half as much again, and
making it anew takes a tenth of the time of the explanation that needs it."""

_KEPT: WeakKeyDictionary[nn.Module, dict[str, _Entry]] = WeakKeyDictionary()
"""What was made, by model and name; a model's own are made under its lock (`guard.borrowed`)."""
_questions = count()
_ordering = Lock()
"""Held while entries come and go: room for one model's is made by taking another's away."""


def kept(model: nn.Module, name: str, weights: Sequence[Tensor], make: Callable[[], Made]) -> Made:
    """Return what `make` returned for these weights; ask it again if they changed since.

    Beyond MOST_BYTES, what was not asked for the longest is let go, and made again when it is.

    Args:
        model: what it is kept for, and goes with; its lock is held.
        name: what it is.
        weights: all that it is made of.
        make: makes it.
    """
    with _ordering:
        shelf = _KEPT.setdefault(model, {})
        entry = shelf.get(name)
    same = entry is not None and len(entry.seals) == len(weights)
    if entry is not None and same and all(map(_Seal.holds, entry.seals, weights)):
        entry.used = next(_questions)
        found: Made = entry.made
        return found
    made = make()
    seals = [_Seal.of(weight) for weight in weights]
    with _ordering:
        shelf[name] = _Entry(seals, made, _bytes_of(made), next(_questions))
        _make_room()
    return made


def forget() -> None:
    """Let go of everything; it is made again when it is asked for."""
    with _ordering:
        for shelf in _KEPT.values():
            shelf.clear()


def _make_room() -> None:
    """Let go of what was not asked for the longest; the newest stays, however large."""
    entries = [
        (entry.used, name, shelf) for shelf in _KEPT.values() for name, entry in shelf.items()
    ]
    entries.sort(key=itemgetter(0))
    held = sum(shelf[name].size for _, name, shelf in entries)
    for _, name, shelf in entries[:-1]:
        if held <= MOST_BYTES:
            break
        held -= shelf.pop(name).size


def _bytes_of(made: object) -> int:
    """Return the memory of the tensors in what was made."""
    if isinstance(made, Tensor):
        return made.nelement() * made.element_size()
    if isinstance(made, nn.Module):
        return sum(map(_bytes_of, made.state_dict().values()))
    parts = made if isinstance(made, list | tuple) else getattr(made, "__dict__", {}).values()
    return sum(map(_bytes_of, parts))
