"""Convolutions of a shared-weight copy, computed faster than torch does; the same function.

`FastConv2d` is what all of them share; `cached_per_weights` keeps what is computed from a model's
weights; `PackedConv2d` uses weights laid out once for the processor.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, pairwise
from threading import Lock
from typing import Any, TypeGuard, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from fermodels.xai.model_access import HOOK_TABLES

Made = TypeVar("Made")


class FastConv2d(nn.Module, ABC):
    """The same function as a plain nn.Conv2d; gradients reach its input, not its weights."""

    def __init__(self, layer: nn.Conv2d, model: nn.Module, name: str) -> None:
        """Take a layer's place.

        Args:
            layer: a plain one, see `is_plain`.
            model: what is computed from its weights is cached for it.
            name: the layer's, in `model`.
        """
        super().__init__()
        self.kernel_size = (layer.kernel_size[0], layer.kernel_size[1])
        self.padding = [int(pad) for pad in layer.padding]
        self.weight = layer.weight.detach()
        self.bias = None if layer.bias is None else layer.bias.detach()
        self._per_weights = partial(cached_per_weights, model)
        self._name = name
        self._cache: dict[str, Any] = {}

    @abstractmethod
    def maps(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` float32 to ``(N, O, h, w)``, without a graph."""

    @abstractmethod
    def backward_input(self, gradient: Tensor, size: torch.Size) -> Tensor:
        """Return the gradient at the input, ``(N, C, *size)``, of one at the maps."""

    @abstractmethod
    def faces_at_a_time(self, size: torch.Size) -> int:
        """Return for how many inputs ``(H, W)`` the work fits the processor's caches."""

    def map_size(self, size: torch.Size) -> tuple[int, int]:
        """Return the maps' height and width for an input's."""
        height, width = (
            side + 2 * pad - kernel + 1
            for side, pad, kernel in zip(size, self.padding, self.kernel_size, strict=True)
        )
        return height, width

    def _cached(self, name: str, weights: Sequence[Tensor], make: Callable[[], Made]) -> Made:
        """Return what `make` computes from these weights, looked up once per layer."""
        if name not in self._cache:
            self._cache[name] = self._per_weights(f"{name} of {self._name}", weights, make)
        made: Made = self._cache[name]
        return made

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` float32 as the nn.Conv2d did, up to rounding."""
        if not (x.requires_grad and torch.is_grad_enabled()):
            return self.maps(x)
        maps: Tensor = _Convolution.apply(x, self)  # type: ignore[no-untyped-call]  # untyped
        return maps


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, conv: FastConv2d) -> Tensor:
        ctx.conv, ctx.size = conv, x.shape[2:]
        return conv.maps(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.conv.backward_input(gradient, ctx.size), None


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


# --- Cache of what is computed from a model's weights, valid while these weights stay the same


@dataclass(frozen=True, eq=False)
class _Fingerprint:
    """What a tensor looked like: enough to notice any change that people make to weights."""

    address: int
    version: int
    """torch counts in-place changes."""
    sums: Tensor
    """Sum of each filter: writing through ``.data`` is counted by nobody."""

    @classmethod
    def of(cls, weight: Tensor) -> _Fingerprint:
        return cls(weight.data_ptr(), weight._version, _sums(weight))

    def matches(self, weight: Tensor) -> bool:
        return (self.address, self.version) == (weight.data_ptr(), weight._version) and torch.equal(
            self.sums, _sums(weight)
        )


def _sums(weight: Tensor) -> Tensor:
    plain = weight.detach()
    return plain.flatten(1).sum(1) if plain.dim() > 1 else plain.clone()


@dataclass(eq=False)
class _Entry:
    """What was computed from weights, and when it was used last."""

    fingerprints: list[_Fingerprint]
    made: Any
    size: int
    """Bytes."""
    used: int
    """Number of the last use; the smallest goes first."""


MOST_BYTES = 400_000_000
"""Limit for all models together: the six bundled ones would take half as much again, and
recomputing takes a tenth of the time of the explanation that needs it."""

_CACHE: WeakKeyDictionary[nn.Module, dict[str, _Entry]] = WeakKeyDictionary()
"""Entries by model and name; a model's own are computed under its lock."""
_uses = count()
_ordering = Lock()
"""Held while entries come and go: an entry of one model can displace one of another."""


def cached_per_weights(
    model: nn.Module, name: str, weights: Sequence[Tensor], make: Callable[[], Made]
) -> Made:
    """Return what `make` returned for these weights; call it again if they have changed.

    Beyond MOST_BYTES the least recently used entries are dropped.

    Args:
        model: whose entry it is; entries go with their model. Its lock is held.
        name: the entry's.
        weights: all tensors that the result depends on.
        make: computes the result.
    """
    with _ordering:
        entries = _CACHE.setdefault(model, {})
        entry = entries.get(name)
    same = entry is not None and len(entry.fingerprints) == len(weights)
    if entry is not None and same and all(map(_Fingerprint.matches, entry.fingerprints, weights)):
        entry.used = next(_uses)
        cached: Made = entry.made
        return cached
    made = make()
    fingerprints = [_Fingerprint.of(weight) for weight in weights]
    with _ordering:
        entries[name] = _Entry(fingerprints, made, _bytes_of(made), next(_uses))
        _make_room()
    return made


def forget() -> None:
    """Empty the cache of all models."""
    with _ordering:
        for entries in _CACHE.values():
            entries.clear()


def _make_room() -> None:
    """Drop the least recently used entries; the newest stays, however large."""
    every = [(entry, name, own) for own in _CACHE.values() for name, entry in own.items()]
    every.sort(key=lambda item: item[0].used)
    total = sum(entry.size for entry, _, _ in every)
    for entry, name, own in every[:-1]:
        if total <= MOST_BYTES:
            break
        total -= entry.size
        del own[name]


def _bytes_of(made: object) -> int:
    """Return the memory of the tensors in a result."""
    if isinstance(made, Tensor):
        return made.nelement() * made.element_size()
    if isinstance(made, nn.Module):
        return sum(map(_bytes_of, made.state_dict().values()))
    parts = made if isinstance(made, list | tuple) else getattr(made, "__dict__", {}).values()
    return sum(map(_bytes_of, parts))


# --- Convolutions whose weights are laid out once for the processor, forwards and backwards
#
# For one face a CPU spends a third of a pass rearranging weights: oneDNN's kernels want them in
# blocks, and torch lays them out anew in every call. Explaining runs the same network many times,
# so the blocks are cached, and with them those of the transposed convolution, which computes the
# gradient at the input.


CACHE_BYTES = 4_000_000
"""Bytes of maps at a time: steps of 2 to 8 MB are equally fast, more or less take longer."""


def pack(net: nn.Module, model: nn.Module) -> None:
    """Let a copy's convolutions use blocks cached for its model; the same function, faster.

    Layers that oneDNN has no blocks for, or that somebody hooked, stay as they are.

    Args:
        net: a shared-weight copy of `model`, whose lock is held.
        model: whose cache the blocks go to.
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
    backward_padding: list[int]

    @classmethod
    def of(cls, weight: Tensor, padding: list[int], shape: list[int]) -> _Blocks:
        """Lay out weights ``(O, I, r, s)`` for maps of `shape` ``(N, I, H, W)``."""
        plain = weight.detach()
        backward = [side - 1 - pad for side, pad in zip(plain.shape[2:], padding, strict=True)]
        rotated = plain.flip(2, 3).transpose(0, 1).contiguous()
        pads = zip(shape[2:], padding, backward, strict=True)
        maps = [shape[0], len(plain), *(side + pad - less for side, pad, less in pads)]
        return cls(
            _laid_out(plain, padding, shape), _laid_out(rotated, backward, maps), padding, backward
        )


def _laid_out(weight: Tensor, padding: list[int], shape: list[int]) -> Tensor:
    # without the shape oneDNN guesses, and where it guessed wrong it lays out anew in every call
    blocks: Tensor = torch.ops.mkldnn._reorder_convolution_weight(
        weight, padding, [1, 1], [1, 1], 1, shape
    )
    return blocks


def _convolve(x: Tensor, blocks: Tensor, bias: Tensor | None, padding: list[int]) -> Tensor:
    rows = x.contiguous(memory_format=torch.channels_last)
    maps: Tensor = torch.ops.mkldnn._convolution_pointwise(
        rows, blocks, bias, padding, [1, 1], [1, 1], 1, "none", [], ""
    )
    return maps


class PackedConv2d(FastConv2d):
    """A convolution of a shared-weight copy whose weights are laid out once."""

    def blocks(self, faces: int, size: torch.Size) -> _Blocks:
        """Return the weights laid out for maps like these, once per model and size.

        One face takes another layout than several; how many they are makes no difference.
        """
        shape = (min(faces, 2), self.weight.shape[1], *size)
        make = partial(_Blocks.of, self.weight, self.padding, list(shape))
        return self._cached(f"blocks {shape}", [self.weight], make)

    def maps(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` float32 to ``(N, O, h, w)``, without a graph."""
        blocks = self.blocks(len(x), x.shape[2:])
        return _convolve(x, blocks.forward, self.bias, blocks.padding)

    def backward_input(self, gradient: Tensor, size: torch.Size) -> Tensor:
        """Return the gradient at the input, ``(N, C, *size)``, of one at the maps."""
        if self.weight.shape[1] == 1:
            return self._sum_of_shares(gradient, size)
        blocks = self.blocks(len(gradient), size)
        return _convolve(gradient, blocks.backward, None, blocks.backward_padding)

    def faces_at_a_time(self, size: torch.Size) -> int:
        """Return how many faces' maps fit in CACHE_BYTES."""
        return max(1, CACHE_BYTES // (4 * len(self.weight) * math.prod(self.map_size(size))))

    def _sum_of_shares(self, gradient: Tensor, size: torch.Size) -> Tensor:
        """Return the gradient at one input channel: every kernel place's share, summed in place."""
        (height, width), (top, left) = gradient.shape[2:], self.padding
        rows, columns = self.kernel_size
        shares = self.weight.flatten(1).T @ gradient.permute(0, 2, 3, 1).flatten(0, 2).T
        shares = shares.view(rows, columns, len(gradient), height, width)
        padded = gradient.new_zeros(len(gradient), height + rows - 1, width + columns - 1)
        for row in range(rows):
            for column in range(columns):
                padded[:, row : row + height, column : column + width] += shares[row, column]
        return padded[:, None, top : top + size[0], left : left + size[1]]


# --- Layers that follow each other in a network's blocks, for rearranging a copy


Named = tuple[str, nn.Module]
"""A layer and its name in its block."""

IDLE = (nn.Identity, nn.Dropout, nn.Dropout2d)
"""Layers that do nothing in eval mode."""


def adjacent(
    net: nn.Module, skip: tuple[type[nn.Module], ...] = ()
) -> Iterator[tuple[str, nn.Sequential, Named, Named]]:
    """Yield each pair of successive layers of each nn.Sequential, which may change meanwhile.

    Args:
        net: a shared-weight copy in eval mode.
        skip: kinds of layers to look past, such as IDLE.

    Yields:
        The block's dotted name, the block, the first layer, the second.
    """
    for path, block in list(net.named_modules()):
        if not isinstance(block, nn.Sequential):
            continue
        layers = [(name, one) for name, one in block.named_children() if not isinstance(one, skip)]
        for first, second in pairwise(layers):
            yield path, block, first, second
