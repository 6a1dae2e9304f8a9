"""A convolution of a twin, computed some other way: what all such ways share."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, pairwise
from operator import itemgetter
from threading import Lock
from typing import Any, TypeGuard, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from fermodels.xai.model_access import HOOK_TABLES

Made = TypeVar("Made")


class TwinConv2d(nn.Module, ABC):
    """The same function as a plain nn.Conv2d; gradients reach its input, not its weights."""

    def __init__(self, layer: nn.Conv2d, model: nn.Module, name: str) -> None:
        """Take a layer's place.

        Args:
            layer: a plain one, see `is_plain`.
            model: what is made of its weights is kept for this.
            name: the layer's, in `model`.
        """
        super().__init__()
        self.taps = (layer.kernel_size[0], layer.kernel_size[1])
        self.padding = [int(pad) for pad in layer.padding]
        self.weight = layer.weight.detach()
        self.bias = None if layer.bias is None else layer.bias.detach()
        self._kept = partial(kept, model)
        self._name = name
        self._found: dict[str, Any] = {}

    @abstractmethod
    def maps(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` float32 to ``(N, O, h, w)``, without a graph."""

    @abstractmethod
    def lead_back(self, gradient: Tensor, sides: torch.Size) -> Tensor:
        """Return the gradient at the input, ``(N, C, *sides)``, of one at the maps."""

    @abstractmethod
    def faces_at_a_time(self, sides: torch.Size) -> int:
        """Return for how many inputs of these sides the work fits the processor's caches."""

    def sides_of_maps(self, sides: torch.Size) -> tuple[int, int]:
        """Return the maps' height and width for an input's."""
        high, wide = (
            side + 2 * pad - taps + 1
            for side, pad, taps in zip(sides, self.padding, self.taps, strict=True)
        )
        return high, wide

    def _once(self, name: str, weights: Sequence[Tensor], make: Callable[[], Made]) -> Made:
        """Return what `make` made of these weights, which is looked up once and kept."""
        if name not in self._found:
            self._found[name] = self._kept(f"{name} of {self._name}", weights, make)
        found: Made = self._found[name]
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` float32 as the nn.Conv2d did, up to rounding."""
        if not (x.requires_grad and torch.is_grad_enabled()):
            return self.maps(x)
        maps: Tensor = _Convolution.apply(x, self)  # type: ignore[no-untyped-call]  # untyped
        return maps


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, conv: TwinConv2d) -> Tensor:
        ctx.conv, ctx.sides = conv, x.shape[2:]
        return conv.maps(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.conv.lead_back(gradient, ctx.sides), None


def is_plain(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a layer is a plain same-stride convolution on the CPU that nobody hooked."""
    return (
        type(layer) is nn.Conv2d
        and layer.weight.device.type == "cpu"
        and not layer.weight.is_inference()  # counts no versions: a change would go unseen
        and layer.stride == layer.dilation == (1, 1)
        and layer.groups == 1
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
        and all(pad < side for pad, side in zip(layer.padding, layer.kernel_size, strict=True))
        and not is_hooked(layer)
    )


def is_hooked(layer: nn.Module) -> bool:
    """Whether somebody listens to a layer, and would miss it."""
    return any(getattr(layer, table) for table in HOOK_TABLES)


# --- Things made of a model's weights, kept as long as the model and these weights stay the same


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
"""What was made, by model and name; a model's own are made under its lock."""
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


# --- Convolutions whose weights are laid out once for the processor, forwards and backwards
#
# For one face a CPU spends a third of a pass rearranging weights: oneDNN's kernels want them in
# blocks, and torch lays them out anew in every call. Explaining asks the same network again and
# again, so the blocks are kept, and with them those of the transposed convolution, which leads a
# gradient back to the input.


CACHE = 4_000_000
"""Bytes of maps at a time: steps of 2 to 8 MB are equally soon, more or less take longer."""


def pack(net: nn.Module, model: nn.Module) -> None:
    """Let a twin's convolutions use blocks kept for its model; the same function, sooner.

    Layers that oneDNN has no blocks for, or that somebody hooked, stay as they are.

    Args:
        net: a twin of `model`, whose lock is held.
        model: what the blocks are kept for; they go when it goes.
    """
    if not torch.backends.mkldnn.is_available():
        return
    for name, layer in list(net.named_modules()):
        if name and is_plain(layer):
            net.set_submodule(name, PackedConv2d(layer, model, name))


@dataclass(frozen=True, eq=False)
class _Blocks:
    """A convolution's weights in oneDNN's own layout, for maps of one size."""

    forward: Tensor
    backward: Tensor
    padding: list[int]
    padding_back: list[int]

    @classmethod
    def of(cls, weight: Tensor, padding: list[int], size: list[int]) -> _Blocks:
        """Lay out weights ``(O, I, r, s)`` for maps of `size` ``(N, I, H, W)``."""
        plain = weight.detach()
        back = [taps - 1 - pad for taps, pad in zip(plain.shape[2:], padding, strict=True)]
        turned = plain.flip(2, 3).transpose(0, 1).contiguous()
        sides = [side + pad - gone for side, pad, gone in zip(size[2:], padding, back, strict=True)]
        size_back = [size[0], len(plain), *sides]
        return cls(
            _laid_out(plain, padding, size), _laid_out(turned, back, size_back), padding, back
        )


def _laid_out(weight: Tensor, padding: list[int], size: list[int]) -> Tensor:
    # without the size oneDNN guesses, and where it guessed wrong it lays out anew in every call
    blocks: Tensor = torch.ops.mkldnn._reorder_convolution_weight(
        weight, padding, [1, 1], [1, 1], 1, size
    )
    return blocks


def _convolve(x: Tensor, blocks: Tensor, bias: Tensor | None, padding: list[int]) -> Tensor:
    rows = x.contiguous(memory_format=torch.channels_last)
    maps: Tensor = torch.ops.mkldnn._convolution_pointwise(
        rows, blocks, bias, padding, [1, 1], [1, 1], 1, "none", [], ""
    )
    return maps


class PackedConv2d(TwinConv2d):
    """A convolution of a twin whose weights are laid out once."""

    def blocks(self, faces: int, sides: torch.Size) -> _Blocks:
        """Return the weights laid out for maps like these, once per model and size.

        One face takes another layout than several; how many they are makes no difference.
        """
        size = (min(faces, 2), self.weight.shape[1], *sides)
        make = partial(_Blocks.of, self.weight, self.padding, list(size))
        return self._once(f"blocks {size}", [self.weight], make)

    def maps(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` float32 to ``(N, O, h, w)``, without a graph."""
        blocks = self.blocks(len(x), x.shape[2:])
        return _convolve(x, blocks.forward, self.bias, blocks.padding)

    def lead_back(self, gradient: Tensor, sides: torch.Size) -> Tensor:
        """Return the gradient at the input, ``(N, C, *sides)``, of one at the maps."""
        if self.weight.shape[1] == 1:
            return self._sum_of_taps(gradient, sides)
        blocks = self.blocks(len(gradient), sides)
        return _convolve(gradient, blocks.backward, None, blocks.padding_back)

    def faces_at_a_time(self, sides: torch.Size) -> int:
        """Return how many faces' maps fit in CACHE."""
        return max(1, CACHE // (4 * len(self.weight) * math.prod(self.sides_of_maps(sides))))

    def _sum_of_taps(self, gradient: Tensor, sides: torch.Size) -> Tensor:
        """Return every tap's share of the gradient at one channel, summed in place."""
        (high, wide), (top, left), (rows, columns) = gradient.shape[2:], self.padding, self.taps
        shares = self.weight.flatten(1).T @ gradient.permute(0, 2, 3, 1).flatten(0, 2).T
        shares = shares.view(rows, columns, len(gradient), high, wide)
        padded = gradient.new_zeros(len(gradient), high + rows - 1, wide + columns - 1)
        for row in range(rows):
            for column in range(columns):
                padded[:, row : row + high, column : column + wide] += shares[row, column]
        return padded[:, None, top : top + sides[0], left : left + sides[1]]


# --- Layers that follow each other in a network's blocks, for rearranging a twin


Named = tuple[str, nn.Module]
"""A layer and its name in its block."""

IDLE = (nn.Identity, nn.Dropout, nn.Dropout2d)
"""Layers that do nothing in eval mode."""


def adjacent(
    net: nn.Module, skip: tuple[type[nn.Module], ...] = ()
) -> Iterator[tuple[str, nn.Sequential, Named, Named]]:
    """Yield each pair of successive layers of each nn.Sequential, which may change meanwhile.

    Args:
        net: a twin in eval mode.
        skip: kinds of layers to look past, such as IDLE.

    Yields:
        The block's dotted name, the block, the first layer, the second.
    """
    for path, block in list(net.named_modules()):
        if not isinstance(block, nn.Sequential):
            continue
        kept = [(name, one) for name, one in block.named_children() if not isinstance(one, skip)]
        for first, second in pairwise(kept):
            yield path, block, first, second
