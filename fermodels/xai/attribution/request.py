"""What an attribution method is asked: these faces, this class, against that baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from fermodels.data.dataset import FACE_SIDE
from fermodels.data.emotions import EMOTIONS, parse_emotion
from fermodels.errors import ConfigError, DataError
from fermodels.nets.fernet import FERNet
from fermodels.xai.model_access import in_batches, outputs_of

ClassLike = int | str | Sequence[int | str] | NDArray[np.integer]
"""A class by index or name, or one per face."""

Options = Mapping[str, float]
"""A method's settings by name."""

Aim = Callable[[Callable[[], Tensor]], Tensor]
"""Returns directions ``(N, 7)``, see `score`; may call for the logits ``(N, 7)`` it is given."""

Parts = dict[str, Tensor]
"""Attributions ``(N, 1, 48, 48)`` by branch: ``{"whole"}``, or ``{"conv", "hog"}`` in hybrids."""


def score(net: nn.Module, inputs: tuple[Tensor, ...], directions: Tensor) -> Tensor:
    """Return the explained number per face, ``(N,)``: a logit, or a difference of two logits.

    Args:
        net: the network.
        inputs: ``(x,)``, or ``(x_conv, x_hog)`` for a hybrid; each ``(N, 1, 48, 48)``.
        directions: ``(N, 7)``: +1 at the target, -1 at the class it is contrasted with.
    """
    return (logits_of(net, inputs) * directions).sum(1)


def logits_of(net: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    """Return logits ``(N, 7)`` of one input per branch."""
    if len(inputs) == 2 and isinstance(net, FERNet):
        return net.forward_branches(*inputs)
    logits: Tensor = net(*inputs)
    return logits


def expect(logits: Tensor, rows: int, width: int) -> Tensor:
    """Return logits that are ``(rows, width)``.

    Raises:
        ConfigError: they are not.
    """
    if logits.shape != (rows, width):
        raise ConfigError(
            f"the model returned {tuple(logits.shape)} for {rows} faces: "
            f"expected logits ({rows}, {width})"
        )
    return logits


def fixed(directions: Tensor) -> Aim:
    """Aim in the same directions whatever the logits are."""
    return lambda _logits: directions


@dataclass(frozen=True, eq=False)
class AttributionRequest:
    """A batch of faces on a private copy of the network, which they pass once if need be."""

    net: nn.Module
    """A twin: free to hook; eval mode; weights without gradients."""
    faces: Tensor
    """``(N, 1, 48, 48)`` in [0, 1]."""
    baselines: Tensor
    """``(N, 1, 48, 48)``, face by face; or, unless `paired`, any number to average over."""
    paired: bool
    """Whether ``baselines[i]`` belongs to ``faces[i]``."""
    inputs: tuple[Tensor, ...]
    """The faces once per branch: leaves of the graph that ends in `logits` if no layer is asked."""
    aim: Aim
    """Makes the directions."""
    layer: str
    """Dotted name of the layer that class-activation methods weigh; empty for the others."""
    options: Options

    @cached_property
    def _passed(self) -> tuple[Tensor, Tensor | None]:
        inputs = tuple(x.detach() for x in self.inputs) if self.layer else self.inputs
        layers = [self.layer] if self.layer else []
        with outputs_of(self.net, layers, graph_starts=True) as seen:
            logits = logits_of(self.net, inputs)
        return expect(logits, len(self.faces), len(EMOTIONS)), seen.get(self.layer)

    @cached_property
    def logits(self) -> Tensor:
        """The faces' logits ``(N, 7)``, with graph: back to `inputs`, or to `maps` if any."""
        return self._passed[0]

    @property
    def maps(self) -> Tensor | None:
        """The layer's output ``(N, C, h, w)``, where the graph starts; None without a layer."""
        return self._passed[1]

    @cached_property
    def directions(self) -> Tensor:
        """``(N, 7)``: what to take from the logits; see `score`."""
        return self.aim(lambda: self.logits.detach()).to(self.faces)

    @property
    def branches(self) -> tuple[str, ...]:
        """Names of the paths on which a face enters the network."""
        return ("conv", "hog") if len(self.inputs) == 2 else ("whole",)

    def parts(self, tensors: Sequence[Tensor]) -> Parts:
        """Name one tensor per branch."""
        return dict(zip(self.branches, tensors, strict=True))

    def gradients(self) -> tuple[Tensor, ...]:
        """Return the score's gradient at the faces, per branch, without another forward pass."""
        total = (self.logits * self.directions).sum()
        return torch.autograd.grad(total, self.inputs, materialize_grads=True)

    def score(self, *inputs: Tensor, directions: Tensor) -> Tensor:
        """Score faces: one tensor for all branches, or one per branch; see `score`."""
        every = inputs * len(self.inputs) if len(inputs) == 1 else inputs
        return score(self.net, every, directions)

    @cached_property
    def drop(self) -> Tensor:
        """``score(faces) - score(baselines)``, ``(N,)``: what complete attributions sum to."""
        with torch.no_grad():
            rows = self.baselines
            if self.paired and bool((rows == rows[:1]).all()):
                rows = rows[:1]  # the same baseline for every face is scored once
            below = torch.cat(
                [logits_of(self.net, (part,) * len(self.inputs)) for part in in_batches(rows)]
            )
            if not self.paired:
                below = below.mean(0, keepdim=True)
            return ((self.logits.detach() - below) * self.directions).sum(1)

    def pass_faces(self) -> None:
        """Let the faces pass the network now, if they have not."""
        _ = self._passed

    def settle(self, logits: Tensor, below: Tensor) -> None:
        """Take the faces' logits ``(N, 7)`` and the baselines' from a method that met both."""
        vars(self).update(logits=logits)  # before the directions, which may ask for them
        expect(logits, len(self.faces), self.directions.shape[1])
        vars(self).update(drop=((logits - below) * self.directions).sum(1))

    @cached_property
    def path_miss(self) -> Tensor | None:
        """How far each map may be off for want of points on its path, ``(N,)``, if it has one.

        In the unit of the map: the sum of its pixels' absolute errors.
        """
        return None

    def report(self, path_miss: Tensor) -> None:
        """Take `path_miss` from a method that follows a path."""
        vars(self).update(path_miss=path_miss.to(self.faces))


def ask(
    net: nn.Module,
    faces: Tensor,
    baselines: Tensor,
    paired: bool,
    layer: str,
    aim: Aim,
    options: Options,
) -> AttributionRequest:
    """Put everything a method needs into a Question.

    Args:
        net: a twin.
        faces: ``(N, 1, 48, 48)`` in [0, 1].
        baselines: see `Question`.
        paired: see `Question`.
        layer: a layer whose maps to keep, or empty.
        aim: makes directions; given the faces' logits, since a target may be the winner.
        options: the method's settings.
    """
    branches = 2 if getattr(net, "has_hog", False) else 1
    inputs = tuple(faces.clone().requires_grad_() for _ in range(branches))
    return AttributionRequest(net, faces, baselines, paired, inputs, aim, layer, options)


def class_indices(wanted: ClassLike, n: int, what: str) -> NDArray[np.int64]:
    """Return class indices ``(n,)`` of one class for all faces, or one per face.

    Raises:
        ConfigError: no such class, or not one per face; lists the choices.
    """
    many = not isinstance(wanted, (int, str, np.integer))
    each = list(wanted) if not isinstance(wanted, (int, str, np.integer)) else [wanted] * n
    if many and len(each) != n:
        raise ConfigError(f"{what} has {len(each)} entries for {n} faces: expected one per face")
    return np.array([_class_index(one, what) for one in each], np.int64)


def _class_index(wanted: int | str | np.integer, what: str) -> int:
    choices = f"expected one of {', '.join(EMOTIONS)}, or 0 to {len(EMOTIONS) - 1}"
    if isinstance(wanted, str):
        try:
            return parse_emotion(wanted)
        except DataError as error:
            raise ConfigError(f"{what} is {wanted!r}: {choices}") from error
    if isinstance(wanted, bool) or not isinstance(wanted, (int, np.integer)):
        raise ConfigError(f"{what} is {wanted!r}: {choices}")
    if not 0 <= wanted < len(EMOTIONS):
        raise ConfigError(f"{what} is {wanted}: {choices}")
    return int(wanted)


def directions_of(target: NDArray[np.int64], contrast: NDArray[np.int64] | None) -> Tensor:
    """Return ``(N, 7)``: +1 at each face's target and, if contrasted, -1 at the other class.

    Raises:
        ConfigError: a face's target is also its contrast, so there is nothing to explain.
    """
    directions = torch.zeros(len(target), len(EMOTIONS))
    directions[torch.arange(len(target)), torch.from_numpy(target)] = 1.0
    if contrast is not None:
        same = np.flatnonzero(target == contrast)
        if len(same):
            raise ConfigError(
                f"face {same[0]}: target and contrast class are both "
                f"{EMOTIONS[target[same[0]]]!r}; contrast it with another class"
            )
        directions[torch.arange(len(target)), torch.from_numpy(contrast)] = -1.0
    return directions


def require_maps(q: AttributionRequest) -> Tensor:
    """Return the layer's maps ``(N, C, h, w)``, with graph.

    Raises:
        ConfigError: the layer gave no maps.
    """
    if q.maps is None or q.maps.ndim != 4:
        shape = None if q.maps is None else tuple(q.maps.shape)
        raise ConfigError(f"layer {q.layer!r} gave {shape}: expected maps (N, C, h, w)")
    return q.maps


def enlarge(cam: Tensor) -> Tensor:
    """Resize ``(N, 1, h, w)`` to 48x48, cells centred on the pixels they come from.

    Aligning corners instead would shift the outer cells of a 6x6 map by 3.5 pixels.
    """
    return F.interpolate(cam, size=(FACE_SIDE, FACE_SIDE), mode="bilinear", align_corners=False)
