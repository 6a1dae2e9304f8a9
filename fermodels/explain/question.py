"""What an attribution method is asked: these faces, this class, against that baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fermodels.data.emotions import EMOTIONS, parse_emotion
from fermodels.errors import ConfigError, DataError
from fermodels.explain.guard import outputs_of
from fermodels.nets.networks import FERNet

ClassLike = int | str | Sequence[int | str] | NDArray[np.integer]
"""A class by index or name, or one per face."""

Options = Mapping[str, float]
"""A method's settings by name."""

Parts = dict[str, Tensor]
"""Attributions ``(N, 1, 48, 48)`` by branch: ``{"whole"}``, or ``{"conv", "hog"}`` in hybrids."""

ROWS = 32
"""Faces per forward pass: enough to fill the cores, few enough to fit the caches' neighbours."""


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


@dataclass(frozen=True, eq=False)
class Question:
    """A batch of faces on a private copy of the network, with one forward pass already done."""

    net: nn.Module
    """A twin: free to hook; eval mode; weights without gradients."""
    faces: Tensor
    """``(N, 1, 48, 48)`` in [0, 1]."""
    baselines: Tensor
    """``(N, 1, 48, 48)``, face by face; or, unless `paired`, any number to average over."""
    paired: bool
    """Whether ``baselines[i]`` belongs to ``faces[i]``."""
    inputs: tuple[Tensor, ...]
    """The faces once per branch: leaves of the graph that ends in `logits`."""
    logits: Tensor
    """``(N, 7)``, with graph."""
    directions: Tensor
    """``(N, 7)``: what to take from the logits; see `score`."""
    layer: str
    """Dotted name of the layer that class-activation methods weigh; empty for the others."""
    maps: Tensor | None
    """That layer's output ``(N, C, h, w)``, with graph."""
    options: Options

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
                [logits_of(self.net, (part,) * len(self.inputs)) for part in rows.split(ROWS)]
            )
            if not self.paired:
                below = below.mean(0, keepdim=True)
            return ((self.logits.detach() - below) * self.directions).sum(1)


def ask(
    net: nn.Module,
    faces: Tensor,
    baselines: Tensor,
    paired: bool,
    layer: str,
    directions: Callable[[Tensor], Tensor],
    options: Options,
) -> Question:
    """Run the network once on the faces and put everything a method needs into a Question.

    Args:
        net: a twin.
        faces: ``(N, 1, 48, 48)`` in [0, 1].
        baselines: see `Question`.
        paired: see `Question`.
        layer: a layer whose maps to keep, or empty.
        directions: makes ``(N, 7)`` from the logits ``(N, 7)``, since a target may be the winner.
        options: the method's settings.
    """
    branches = 2 if getattr(net, "has_hog", False) else 1
    inputs = tuple(faces.clone().requires_grad_() for _ in range(branches))
    with outputs_of(net, [layer] if layer else []) as seen:
        logits = logits_of(net, inputs)
    if logits.shape != (len(faces), len(EMOTIONS)):
        raise ConfigError(
            f"the model returned {tuple(logits.shape)} for {len(faces)} faces: "
            f"expected logits ({len(faces)}, {len(EMOTIONS)})"
        )
    return Question(
        net=net,
        faces=faces,
        baselines=baselines,
        paired=paired,
        inputs=inputs,
        logits=logits,
        directions=directions(logits.detach()).to(logits),
        layer=layer,
        maps=seen.get(layer),
        options=options,
    )


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
