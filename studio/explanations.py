"""What the networks' explainers say, cached by content; torch is imported at the first question."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fermodels.errors import ConfigError
from studio import lending, models, public

if TYPE_CHECKING:
    from fermodels.explain.baselines import Baseline
    from fermodels.explain.registry import Method
    from fermodels.explain.trust_deletion import Curves

MOST_PASSES = 1_500
"""Passes through a network that one map may take in a public studio: under a minute."""

Settings = tuple[tuple[str, int | float | bool], ...]
"""A method's options that differ from its defaults, by name."""


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
    versions: dict[str, str] = field(default_factory=dict)
    """Versions of the libraries that computed it."""
    path_error: float | None = None
    """Estimated limit of the map's own error, as a share of its absolute sum; None without a
    path. See `fermodels.explain.attribution.Explanation`."""

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
    """For methods that weigh a layer; None lets the model choose."""
    settings: Settings = ()
    """The method's options, as far as they differ from its defaults."""


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
        name: one of `models.choices()`.
        face: uint8 ``(48, 48)``.
        asked: method, class, baseline, contrast, layer and options.

    Raises:
        ConfigError: the question has no answer, or takes too long for a public studio.
    """
    method = methods()[asked.method]
    passes = method.passes(method.settings(dict[str, Any](asked.settings)))
    if public.is_public() and passes > MOST_PASSES:
        raise ConfigError(
            f"{method.title} with these options takes up to {passes:,} passes through the network: "
            f"a public studio makes at most {MOST_PASSES:,}; choose fewer steps, samples or copies"
        )
    return _attribution(name, models.stamp(name), models.content_hash(face), asked, face)


@st.cache_data(max_entries=1024, show_spinner=False, hash_funcs={Asked: repr})
def _attribution(
    name: str, stamp: str, face_hash: str, asked: Asked, _face: NDArray[np.uint8]
) -> MethodMap:
    from fermodels.explain.attribution import explain

    method, settings = methods()[asked.method], dict[str, Any](asked.settings)
    with lending.computing():
        found = explain(
            models.shared(name),
            _face,
            asked.method,
            target_class=asked.target_class,
            baseline=asked.baseline,
            contrast_class=asked.contrast_class,
            layer=asked.layer if method.needs_layer else None,
            **settings,
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
        found.versions,
        None if found.path_error is None else float(found.path_error[0]),
    )


def curves(
    name: str, face: NDArray[np.uint8], asked: Asked, attribution: NDArray[np.float32]
) -> dict[str, Curves]:
    """Return a map's deletion and insertion curves and those of the controls.

    Args:
        name: one of `models.choices()`.
        face: uint8 ``(48, 48)``.
        asked: the question that `attribution` answers.
        attribution: ``(48, 48)``.
    """
    key = f"{models.content_hash(face)} {asked!r}"
    return _curves(name, models.stamp(name), key, asked, face, attribution)


@st.cache_data(max_entries=256, show_spinner=False, hash_funcs={Asked: repr})
def _curves(
    name: str,
    stamp: str,
    key: str,
    asked: Asked,
    _face: NDArray[np.uint8],
    _attribution: NDArray[np.float32],
) -> dict[str, Curves]:
    from fermodels.explain.trust_deletion import face_curves

    with lending.computing():
        return face_curves(
            models.shared(name), _face, _attribution, asked.target_class, asked.method,
            asked.baseline,
        )  # fmt: skip


def sees_hog(name: str) -> bool:
    """Return whether a network has a HOG branch."""
    with models.borrowed(name) as net:
        return bool(net.has_hog)


def conv_layers(name: str) -> list[str]:
    """Return a model's conv blocks, first to last."""
    with models.borrowed(name) as net:
        return net.conv_layers
