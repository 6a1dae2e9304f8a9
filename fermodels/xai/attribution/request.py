"""AttributionRequest: the faces, the explained score and the baselines that a method works on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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

Classes = NDArray[np.int64]
"""Class indices, one per face."""

Options = Mapping[str, float]
"""A method's settings by name."""

Parts = dict[str, Tensor]
"""Attributions ``(N, 1, 48, 48)`` by branch: ``{"whole"}``, or ``{"conv", "hog"}`` in hybrids."""


def score(net: nn.Module, inputs: tuple[Tensor, ...], target_vector: Tensor) -> Tensor:
    """Return the explained number per face, ``(N,)``: a logit, or a difference of two logits.

    Args:
        net: the network.
        inputs: ``(x,)``, or ``(x_conv, x_hog)`` for a hybrid; each ``(N, 1, 48, 48)``.
        target_vector: ``(N, 7)``, or ``(7,)`` for all: +1 at the target, -1 at the contrast class.
    """
    return (logits_of(net, inputs) * target_vector).sum(1)


def logits_of(net: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    """Return logits ``(N, 7)`` of one input per branch."""
    if len(inputs) == 2 and isinstance(net, FERNet):
        return net.forward_branches(*inputs)
    logits: Tensor = net(*inputs)
    return logits


@dataclass(eq=False)
class AttributionRequest:
    """A batch of faces on a copy of the network, and the score to attribute to their pixels.

    Raises:
        ConfigError: the network does not return 7 logits per face, or a face's target is also its
            contrast class.
    """

    net: nn.Module
    """A shared-weight copy: free to hook; eval mode; weights without gradients."""
    faces: Tensor
    """``(N, 1, 48, 48)`` in [0, 1]."""
    baselines: Tensor
    """``(N, 1, 48, 48)``, face by face; or, unless `paired`, any number to average over."""
    paired: bool
    """Whether ``baselines[i]`` belongs to ``faces[i]``."""
    options: Options
    """The method's settings, all of them."""
    layer: str = ""
    """Dotted name of the layer whose maps the method weighs; empty for methods without one."""
    target: Classes | None = None
    """The class to explain, ``(N,)``; None for what the network predicts."""
    contrast: Classes | None = None
    """The class whose logit is subtracted, ``(N,)``, if any."""
    complete: bool = False
    """Whether the method's maps should sum to `drop`: faces and baselines are then scored in one
    pass, without graph; no complete method takes its gradient at the face itself."""
    path_error: Tensor | None = field(default=None, init=False)
    """Set by methods that follow a path: the estimated sum of each map's absolute errors,
    ``(N,)``, in the map's unit."""

    def __post_init__(self) -> None:
        branches = 2 if getattr(self.net, "has_hog", False) else 1
        self.inputs = tuple(self.faces.clone().requires_grad_() for _ in range(branches))
        """The faces once per branch: where the graph of `logits` starts if there is no layer."""
        self.target_class: Classes = (
            self.logits.argmax(1).cpu().numpy() if self.target is None else self.target
        )
        """``(N,)``: the class that is explained."""
        self.target_vector = target_vectors(self.target_class, self.contrast).to(self.faces)
        """``(N, 7)``: +1 at the target, -1 at the contrast class; the score is its product with
        the logits."""

    @cached_property
    def _forward(self) -> tuple[Tensor, Tensor | None]:
        inputs = tuple(x.detach() for x in self.inputs) if self.layer else self.inputs
        layers = [self.layer] if self.layer else []
        with outputs_of(self.net, layers, graph_starts=True) as outputs:
            logits = logits_of(self.net, inputs)
        return self._checked(logits), outputs.get(self.layer)

    def _checked(self, logits: Tensor) -> Tensor:
        if logits.shape != (len(self.faces), len(EMOTIONS)):
            raise ConfigError(
                f"the model returned {tuple(logits.shape)} for {len(self.faces)} faces: "
                f"expected logits ({len(self.faces)}, {len(EMOTIONS)})"
            )
        return logits

    @cached_property
    def _ends(self) -> tuple[Tensor, Tensor]:
        """Logits of the faces and of the baselines, without graph; one baseline for all is
        scored once."""
        baselines = self.baselines
        if self.paired and bool((baselines == baselines[:1]).all()):
            baselines = baselines[:1]
        rows = in_batches(torch.cat([self.faces, baselines]))
        with torch.no_grad():
            logits = torch.cat([logits_of(self.net, (part,) * len(self.inputs)) for part in rows])
        return self._checked(logits[: len(self.faces)]), logits[len(self.faces) :]

    @property
    def logits(self) -> Tensor:
        """The faces' logits ``(N, 7)``; unless `complete` with graph: back to `inputs`, or to
        `maps` if any."""
        return self._ends[0] if self.complete else self._forward[0]

    @property
    def maps(self) -> Tensor:
        """The layer's output ``(N, C, h, w)``, where the graph starts.

        Raises:
            ConfigError: the layer gave no maps.
        """
        return check_maps(self._forward[1], self.layer)

    @cached_property
    def scores(self) -> Tensor:
        """The faces' scores ``(N,)``, without graph."""
        return (self.logits.detach() * self.target_vector).sum(1)

    @cached_property
    def drop(self) -> Tensor:
        """``score(faces) - score(baselines)``, ``(N,)``: what complete attributions sum to."""
        faces, baselines = self._ends
        if not self.paired:
            baselines = baselines.mean(0, keepdim=True)
        return ((faces - baselines) * self.target_vector).sum(1)

    def gradients(self) -> tuple[Tensor, ...]:
        """Return the score's gradient at the faces, per branch, without another forward pass."""
        total = (self.logits * self.target_vector).sum()
        return torch.autograd.grad(total, self.inputs, materialize_grads=True)

    def score(self, *inputs: Tensor, rows: Tensor | int) -> Tensor:
        """Score changed faces, ``(M,)``.

        Args:
            *inputs: ``(M, 1, 48, 48)``: one tensor for all branches, or one per branch.
            rows: which face of the request each one is, ``(M,)``; or one index for all.
        """
        per_branch = inputs * len(self.inputs) if len(inputs) == 1 else inputs
        return score(self.net, per_branch, self.target_vector[rows])

    def parts(self, tensors: Sequence[Tensor]) -> Parts:
        """Name one tensor per branch: the paths on which a face enters the network."""
        names = ("conv", "hog") if len(self.inputs) == 2 else ("whole",)
        return dict(zip(names, tensors, strict=True))


def class_indices(wanted: ClassLike, n: int, what: str) -> Classes:
    """Return class indices ``(n,)`` of one class for all faces, or one per face.

    Raises:
        ConfigError: no such class, or not one per face; lists the choices.
    """
    if isinstance(wanted, (int, str, np.integer)):
        return np.full(n, _class_index(wanted, what), np.int64)
    if len(wanted) != n:
        raise ConfigError(f"{what} has {len(wanted)} entries for {n} faces: expected one per face")
    return np.array([_class_index(one, what) for one in wanted], np.int64)


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


def target_vectors(target: Classes, contrast: Classes | None) -> Tensor:
    """Return ``(N, 7)``: +1 at each face's target and, if contrasted, -1 at the other class.

    Raises:
        ConfigError: a face's target is also its contrast, so there is nothing to explain.
    """
    vectors = torch.zeros(len(target), len(EMOTIONS))
    vectors[torch.arange(len(target)), torch.from_numpy(target)] = 1.0
    if contrast is not None:
        same = np.flatnonzero(target == contrast)
        if len(same):
            raise ConfigError(
                f"face {same[0]}: target and contrast class are both "
                f"{EMOTIONS[target[same[0]]]!r}; contrast it with another class"
            )
        vectors[torch.arange(len(target)), torch.from_numpy(contrast)] = -1.0
    return vectors


def check_maps(output: Tensor | None, layer: str) -> Tensor:
    """Return a layer's output if it is maps ``(N, C, h, w)``.

    Raises:
        ConfigError: it is not.
    """
    if output is None or output.ndim != 4:
        shape = None if output is None else tuple(output.shape)
        raise ConfigError(f"layer {layer!r} gave {shape}: expected maps (N, C, h, w)")
    return output


def enlarge(cells: Tensor) -> Tensor:
    """Resize ``(N, 1, h, w)`` to 48x48, cells centred on the pixels they come from.

    Aligning corners instead would shift the outer cells of a 6x6 map by 3.5 pixels.
    """
    return F.interpolate(cells, size=(FACE_SIDE, FACE_SIDE), mode="bilinear", align_corners=False)
