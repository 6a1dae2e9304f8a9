"""A network's first filters through the epochs, and its layers' answers to a face."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS
from fermodels.data.faces import FaceDataset
from fermodels.nets import shelf
from studio import models, widgets
from studio.figures.maps import common_limit
from studio.plain import plain
from studio.widgets import CarriedFace

if TYPE_CHECKING:
    from fermodels.explain.channels import LayerLikeness

CANDIDATES = 200
"""Faces among which `example` looks for a typical one."""


@dataclass(frozen=True, eq=False)
class Responses:
    """What a network's conv blocks make of one face."""

    blocks: tuple[str, ...]
    """Conv blocks, first to last."""
    maps: dict[str, NDArray[np.float32]]
    """Dotted layer name, such as ``conv1.relu`` -> ``(C, h, w)``; shared, so read-only."""
    sparsity: tuple[float, ...]
    """Per block after ReLU, the share of exact zeros."""
    entropy: tuple[float, ...]
    """Per block after ReLU, how widely a map spreads: 0 a point, 1 flat; NaN if all silent."""

    def stages(self, block: str) -> list[str]:
        """Return the steps within a block that leave maps, such as ``conv``, ``bn``, ``relu``."""
        return [name.split(".")[1] for name in self.maps if name.startswith(f"{block}.")]

    def ranking(self, layer: str, *, strongest_first: bool) -> list[int]:
        """Return a layer's channels by mean absolute response, or in their own order."""
        strength = np.abs(self.maps[layer]).mean((1, 2))
        order = np.argsort(-strength, kind="stable") if strongest_first else range(len(strength))
        return [int(channel) for channel in order]


def responses(name: str, face: NDArray[np.uint8]) -> Responses:
    """Return what a network makes of one face, computed once per model and face.

    Args:
        name: one of `models.choices()`.
        face: uint8 ``(48, 48)``.
    """
    return _responses(name, models.stamp(name), models.content_hash(face), face)


@st.cache_resource(max_entries=12, show_spinner=False)  # 3 to 5 MB each
def _responses(name: str, stamp: str, face_hash: str, _face: NDArray[np.uint8]) -> Responses:
    import torch

    from fermodels.explain.activations import activations, sparsity, spatial_entropy

    with models.borrowed(name) as net:
        maps, blocks = activations(net, _face), tuple(net.conv_layers)
    for values in maps.values():
        values.flags.writeable = False
    rectified = [maps[f"{block}.relu"] for block in blocks]
    spread = tuple(spatial_entropy(torch.tensor(values)[None]) for values in rectified)
    return Responses(blocks, maps, tuple(sparsity(values) for values in rectified), spread)


def likeness(name: str, first: CarriedFace, second: CarriedFace) -> list[LayerLikeness]:
    """Return how alike a network's layers find two faces, layer by layer, computed once."""
    key = f"{models.content_hash(first.image)} {models.content_hash(second.image)}"
    return _likeness(name, models.stamp(name), key, first.image, second.image)


@st.cache_resource(max_entries=64, show_spinner=False)
def _likeness(
    name: str, stamp: str, key: str, _first: NDArray[np.uint8], _second: NDArray[np.uint8]
) -> list[LayerLikeness]:
    from fermodels.explain.channels import face_against_face

    with models.borrowed(name) as net:
        return face_against_face(net, _first, _second)


def common_response(answers: Iterable[Responses], layer: str) -> float:
    """Return the response at the palest colour, the same for all faces and channels of a layer."""
    return common_limit([found.maps[layer] for found in answers])


def hog_pictures(faces: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return faces' histograms of oriented gradients as strokes, on one scale.

    Args:
        faces: uint8 ``(N, 48, 48)``.

    Returns:
        uint8 ``(N, 48, 48)``, drawn by scikit-image with the settings of the HOG branch.
    """
    from skimage.feature import hog

    size = {"orientations": 9, "pixels_per_cell": (8, 8), "cells_per_block": (2, 2)}
    drawn = np.stack([hog(face, visualize=True, **size)[1] for face in faces])
    return (drawn * (255 / max(float(drawn.max()), 1e-9))).round().astype(np.uint8)


def faces_shown() -> FaceDataset:
    """Return the faces named in the sidebar, once `face_choice.pick_face` has asked for them.

    `widgets.dataset` draws the sidebar's field, which may happen once per run only.
    """
    faces = widgets.read_or_say(widgets.source()) or widgets.read_or_say(widgets.SAMPLES)
    if faces is None:
        st.stop()
    return faces


def example(faces: FaceDataset, label: str) -> CarriedFace:
    """Return a typical test face of that label: of the first 200, the most like their mean.

    The first of all would do, were it not that FER-2013 holds pictures of no face.
    """
    rows = np.flatnonzero(faces.labels == EMOTIONS.index(label))
    test = rows[faces.splits[rows] == "test"]
    rows = (test if len(test) else rows)[:CANDIDATES]
    if len(rows) == 0:
        st.info(f"{plain(faces.name)} has no face labelled {label}.")
        st.stop()
    pixels = faces.images[rows].reshape(len(rows), -1).astype(np.float32)
    pixels -= pixels.mean(1, keepdims=True)  # neither brightness nor contrast should decide
    pixels /= np.linalg.norm(pixels, axis=1, keepdims=True) + 1e-6
    return widgets.face_at(faces, int(rows[(pixels @ pixels.mean(0)).argmax()]))


@dataclass(frozen=True, eq=False)
class Filters:
    """The first layer after one epoch."""

    weights: NDArray[np.float32]
    """``(F, k, k)``."""
    smoothness: float
    """Mean share of spectral energy at low frequencies, 0..1."""
    dead: tuple[int, ...]
    """Filters with next to no weight."""
    likenesses: dict[int, str]
    """Filter -> which earlier one it copies, or is the negative of, in a word or two."""

    @property
    def notes(self) -> dict[int, str]:
        """What is amiss, filter by filter."""
        return self.likenesses | dict.fromkeys(self.dead, "dead")


@dataclass(frozen=True, eq=False)
class FilterRecord:
    """The first layer at every recorded epoch."""

    epochs: tuple[int, ...]
    """Epoch numbers, ascending."""
    filters: tuple[Filters, ...]
    """One per epoch."""
    limit: float
    """The largest absolute weight of all epochs: full colour."""
    noise: float
    """The smoothness that white noise has."""

    def at(self, epoch: int) -> Filters:
        """Return the filters after the recorded epoch nearest to `epoch`."""
        return self.filters[int(np.abs(np.array(self.epochs) - epoch).argmin())]

    @property
    def smoothness(self) -> list[float]:
        """Per epoch."""
        return [found.smoothness for found in self.filters]

    @property
    def dead(self) -> list[int]:
        """Number of dead filters per epoch."""
        return [len(found.dead) for found in self.filters]

    @property
    def copies(self) -> list[int]:
        """Number of copies per epoch."""
        return [len(found.likenesses) for found in self.filters]


def filter_record(name: str) -> FilterRecord:
    """Return a model's recorded first-layer filters, audited; without a history, those it has.

    Raises:
        CheckpointError: its history holds none.
    """
    return _filter_record(name, models.stamp(name))


@st.cache_resource(max_entries=16, show_spinner=False)
def _filter_record(name: str, stamp: str) -> FilterRecord:
    from fermodels.explain.filters import WHITE_SMOOTHNESS, epoch_filters, first_layer_filters
    from fermodels.nets.checkpoint import History

    if models.has(name, shelf.HISTORY):
        history = models.history(name)
        stack = epoch_filters(History(history.steps, history.epochs))
        numbers = tuple(int(epoch) for epoch in history.epochs["epoch"])
    else:
        with models.borrowed(name) as net:
            stack = first_layer_filters(net)[None]
        numbers = (0,)
    audited = tuple(_audit(weights) for weights in stack)
    return FilterRecord(numbers, audited, float(np.abs(stack).max()), WHITE_SMOOTHNESS)


def _audit(weights: NDArray[np.float32]) -> Filters:
    from fermodels.explain.filters import dead_filters, duplicate_filters, smoothness

    dead = dead_filters(weights)
    likenesses: dict[int, str] = {}
    for first, second, cosine in duplicate_filters(weights):
        if first not in dead and second not in dead:
            likenesses.setdefault(second, f"like {first}" if cosine > 0 else f"inverse of {first}")
    return Filters(weights, float(np.nanmean(smoothness(weights))), dead, likenesses)
