"""What the networks' explainers say, cached by content; torch is imported at the first question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from studio import models

if TYPE_CHECKING:
    from fermodels.explain.baselines import Baseline
    from fermodels.explain.registry import Method


@dataclass(frozen=True, eq=False)
class MethodMap:
    """One method's map of one face, ready to draw."""

    method: str
    title: str
    """What people call the method."""
    signed: bool
    """Whether values below zero mean "spoke against"."""
    attribution: NDArray[np.float32]
    """``(48, 48)`` in the method's own unit."""
    parts: dict[str, NDArray[np.float32]]
    """``conv`` and ``hog`` for hybrids, each ``(48, 48)``; else empty."""
    completeness_error: float | None
    """Share of the logit difference that the map misses; None where no sum is promised."""
    notes: tuple[str, ...]
    """What a person should know before believing it."""

    def part_share(self, part: str) -> float:
        """Return a part's share of all parts' absolute evidence, 0..1."""
        total = sum(float(np.abs(values).sum()) for values in self.parts.values())
        return float(np.abs(self.parts[part]).sum()) / total if total > 0 else 0.0


@dataclass(frozen=True)
class Asked:
    """A question to one attribution method, but for model and face."""

    method: str
    target_class: int
    baseline: str
    contrast_class: int | None = None
    layer: str | None = None
    """For class-activation methods; None lets the model choose."""


def methods() -> dict[str, Method]:
    """Return the attribution methods by name; the first call imports torch."""
    from fermodels.explain.attribution import METHODS

    return METHODS


def baselines() -> dict[str, Baseline]:
    """Return what can count as "nothing to see", by name; the first call imports torch."""
    from fermodels.explain.attribution import BASELINES

    return BASELINES


def attribution(name: str, face: NDArray[np.uint8], asked: Asked) -> MethodMap:
    """Return one method's map of one face, computed once per model, face and question.

    Args:
        name: one of `models.names()`.
        face: uint8 ``(48, 48)``.
        asked: method, class, baseline, contrast and layer.

    Raises:
        ConfigError: the question has no answer; lists the choices.
    """
    return _attribution(name, models.stamp(name), models.content_hash(face), asked, face)


@st.cache_data(max_entries=1024, show_spinner=False, hash_funcs={Asked: repr})
def _attribution(
    name: str, stamp: str, face_hash: str, asked: Asked, _face: NDArray[np.uint8]
) -> MethodMap:
    from fermodels.explain.attribution import explain

    method = methods()[asked.method]
    with models.borrowed(name) as net:
        found = explain(
            net,
            _face,
            asked.method,
            target_class=asked.target_class,
            baseline=asked.baseline,
            contrast_class=asked.contrast_class,
            layer=asked.layer if method.needs_layer else None,
        )
    error = found.completeness_error
    return MethodMap(
        asked.method,
        method.title,
        found.signed,
        found.attribution[0],
        {part: values[0] for part, values in found.parts.items()},
        None if error is None else float(error[0]),
        found.notes,
    )


def conv_layers(name: str) -> list[str]:
    """Return a model's conv blocks, first to last."""
    with models.borrowed(name) as net:
        return net.conv_layers
