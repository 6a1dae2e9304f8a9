"""Access to a shared model while others use it: locks, shared-weight copies, hooks, layer names."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import NoneType
from typing import TypeVar, cast
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fermodels.errors import ConfigError
from fermodels.nets.config import NetConfig
from fermodels.nets.fernet import FERNet, to_pixels

Model = TypeVar("Model", bound=nn.Module)

_LOCKS: WeakKeyDictionary[nn.Module, threading.RLock] = WeakKeyDictionary()
_LOCKS_GUARD = threading.Lock()

HOOK_TABLES = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_backward_hooks",
    "_backward_pre_hooks",
)
"""Where torch keeps a module's hooks; `preserved` puts back exactly these tables."""

_EMPTY = vars(nn.Module())
"""What torch keeps in every module."""

_TABLES = tuple(
    name
    for name, value in _EMPTY.items()
    if isinstance(value, (dict, set)) and name not in ("_modules", "_parameters", "_buffers")
)
"""Where it keeps hooks and names, mostly none."""

_PLAIN = (bool, int, float, str, NoneType)
"""Kinds of values that cannot be changed."""


def lock_of(model: nn.Module) -> threading.RLock:
    """Return the one lock that everybody who explains `model` takes; it dies with the model."""
    with _LOCKS_GUARD:
        if model not in _LOCKS:
            _LOCKS[model] = threading.RLock()
        return _LOCKS[model]


@dataclass(frozen=True)
class _Snapshot:
    """What a model looked like: hooks and mode per module, requires_grad and grad per parameter."""

    hooks: list[tuple[nn.Module, str, dict[int, object]]]
    modes: list[tuple[nn.Module, bool, bool | None]]
    parameters: list[tuple[nn.Parameter, bool, Tensor | None, Tensor | None]]

    @classmethod
    def of(cls, model: nn.Module) -> _Snapshot:
        modules = list(model.modules())
        tables = [
            (module, table, dict(getattr(module, table)))
            for module in modules
            for table in HOOK_TABLES
        ]
        parameters = [
            (p, p.requires_grad, p.grad, None if p.grad is None else p.grad.clone())
            for p in model.parameters()
        ]
        modes = [(module, module.training, module._is_full_backward_hook) for module in modules]
        return cls(tables, modes, parameters)

    def restore(self) -> None:
        for module, table, before in self.hooks:
            now = getattr(module, table)
            now.clear()
            now.update(before)
        for module, training, kind_of_backward_hook in self.modes:
            module.training = training  # train() would overwrite the children's own modes
            module._is_full_backward_hook = kind_of_backward_hook
        for parameter, requires_grad, grad, values in self.parameters:
            parameter.requires_grad_(requires_grad)
            if grad is not None and values is not None:
                grad.copy_(values)  # backward() adds in place: the same tensor, its old values
            parameter.grad = grad


@contextmanager
def preserved(model: Model) -> Iterator[Model]:
    """Yield a model; afterwards its hooks, modes, requires_grad and gradients are as before.

    Inside, the model is in eval mode, autograd is on and autocast is off. The model's lock is
    held, so an explanation in another thread waits. It all comes back after exceptions too.
    """
    with lock_of(model):
        snapshot = _Snapshot.of(model)
        try:
            with exact(model):
                model.eval()
                yield model
        finally:
            with torch.no_grad():
                snapshot.restore()


@contextmanager
def exact(model: nn.Module) -> Iterator[None]:
    """Autograd on, inference mode and autocast off, whatever the caller had switched on."""
    device = next((p.device.type for p in model.parameters()), "cpu")
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autocast(device, enabled=False),
    ):
        yield


def shared_weight_copy(model: Model) -> Model:
    """Return a copy of the module tree that shares the weights: a place for hooks of one's own.

    Hooks on the copy are never met by another thread that predicts with `model` meanwhile, and
    nothing done to the copy shows in the original. Its weights need no gradients (they are the
    same memory, not a copy), it is in eval mode, and no ReLU works in place.

    Raises:
        ConfigError: the model holds weights that are not float32.
    """
    modules = list(model.modules())
    parameters = {id(p): p for m in modules for p in m._parameters.values() if p is not None}
    wrong = {str(p.dtype) for p in parameters.values() if p.dtype != torch.float32}
    if wrong:
        raise ConfigError(f"the model's weights are {sorted(wrong)}: call model.float() first")
    memo: dict[int, object] = {
        key: nn.Parameter(p.detach(), requires_grad=False) for key, p in parameters.items()
    }
    memo.update({id(b): b for m in modules for b in m._buffers.values()})
    with lock_of(model):
        fresh = _copied(model, memo)
    for module in fresh.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False  # in-place ReLUs corrupt what backward hooks see
    if any(module.training or _overrides_train(module) for module in modules):
        fresh.eval()
    return fresh


def _overrides_train(module: nn.Module) -> bool:
    """Whether switching modes does more to a module than setting its flag."""
    return type(module).train is not nn.Module.train or type(module).eval is not nn.Module.eval


def _copied(module: Model, memo: dict[int, object]) -> Model:
    """Deep-copy a module tree, a tenth as slowly as `copy.deepcopy`: most of it is empty tables.

    A module that defines how it is copied does so. Whatever is not a table of hooks,
    weights or children is deep-copied with the same `memo`.
    """
    known = memo.get(id(module))
    if known is not None:
        return cast(Model, known)
    kind = type(module)
    if hasattr(kind, "__deepcopy__") or kind.__reduce_ex__ is not object.__reduce_ex__:
        return copy.deepcopy(module, memo)
    fresh = kind.__new__(kind)
    memo[id(module)] = fresh
    own = vars(fresh)
    own.update(vars(module))
    own["_modules"] = {
        key: child and _copied(child, memo) for key, child in own["_modules"].items()
    }
    for name in ("_parameters", "_buffers"):
        own[name] = {key: memo.get(id(one), one) for key, one in own[name].items()}
    for name in _TABLES:
        table = own[name]
        own[name] = copy.deepcopy(table, memo) if table else table.copy()
    for name in own.keys() - _EMPTY.keys():
        value = own[name]
        if type(value) not in _PLAIN and not _is_plain(value):
            own[name] = copy.deepcopy(value, memo)
    return fresh


def _is_plain(value: object) -> bool:
    """Whether nothing can change a value, so that two modules may hold the same one."""
    if isinstance(value, tuple):
        return all(_is_plain(one) for one in value)
    return isinstance(value, (*_PLAIN, NetConfig))


@contextmanager
def locked_copy(model: Model) -> Iterator[Model]:
    """Yield a `shared_weight_copy` of a model while holding the model's lock."""
    with lock_of(model), exact(model):
        yield shared_weight_copy(model)


@contextmanager
def outputs_of(
    net: nn.Module, names: list[str], graph_starts: bool = False
) -> Iterator[dict[str, Tensor]]:
    """Collect the outputs of named modules during forward passes; the last pass counts.

    Args:
        net: a shared-weight copy, so that nobody else's forward pass is recorded.
        names: dotted module names that exist in `net`.
        graph_starts: require gradients at these outputs, which saves those of the layers before
            if nothing else requires any.
    """
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> torch.utils.hooks.RemovableHandle:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            outputs[name] = output.requires_grad_() if graph_starts else output

        return net.get_submodule(name).register_forward_hook(hook)

    handles = [keep(name) for name in names]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


ROWS = 52
"""Faces per pass, at most: enough to be worth the reading of the weights, few enough for memory to
be found again; a path of 50 steps goes at once."""


def in_batches(rows: Tensor) -> tuple[Tensor, ...]:
    """Split into even batches of at most ROWS."""
    return evenly(rows, ROWS)


def logits_of_faces(net: FERNet, faces: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return logits ``(N, 7)`` of faces uint8 ``(N, 48, 48)``; in float64, for differences."""
    with exact(net), torch.no_grad():
        rows = [net(batch).double().cpu() for batch in batches(net, faces)]
    return torch.cat(rows).numpy()


def batches(net: FERNet, faces: NDArray[np.uint8], size: int = ROWS) -> Iterator[Tensor]:
    """Yield faces as floats in [0, 1], ``(size, 1, 48, 48)`` or the rest, where the network is."""
    for part in to_pixels(faces).split(size):
        yield part.to(net.mean_face.device).float() / 255


# --- Names of the layers one can look into


KINDS = (nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d)


def map_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Return all layers that output maps, first to last, by dotted name.

    These are the convolutions and the batch norms, ReLUs and max-pools that sit in the same
    block as one: ``conv1.conv``, ``conv1.bn``, ``conv1.relu``, ``conv1.pool``, ...
    """
    layers: dict[str, nn.Module] = {}
    for block, module in model.named_modules():
        children = dict(module.named_children())
        if any(isinstance(child, nn.Conv2d) for child in children.values()):
            for name, child in children.items():
                if isinstance(child, KINDS):
                    layers[f"{block}.{name}" if block else name] = child
    return layers


def layer_names(model: nn.Module) -> list[str]:
    """Return the names of `map_layers`."""
    return list(map_layers(model))


def target_layer(model: nn.Module) -> str:
    """Return the layer that class-activation methods weigh by default.

    The last ReLU among the conv blocks, or else their last layer.

    Raises:
        ConfigError: the model has no conv layer.
    """
    layers = map_layers(model)
    if not layers:
        raise ConfigError(f"{type(model).__name__} has no conv layer: choose another method")
    relus = [name for name, layer in layers.items() if isinstance(layer, nn.ReLU)]
    return (relus or list(layers))[-1]


def check_layer(model: nn.Module, layer: str) -> str:
    """Return `layer` if it outputs maps.

    Raises:
        ConfigError: it does not exist, or outputs no maps; lists the choices.
    """
    names = layer_names(model)
    if layer not in names:
        raise ConfigError(f"layer {layer!r} is unknown: expected one of {', '.join(names)}")
    return layer


# --- Splitting many faces into batches


def evenly(rows: Tensor, most: int) -> tuple[Tensor, ...]:
    """Split along the first dimension into as few parts of at most `most` as do, even in size."""
    return rows.tensor_split(max(1, -(-len(rows) // most)))
