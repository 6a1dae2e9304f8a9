"""Rendered faces and what networks make of them, cached; torch comes with the first question."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from studio import lending, models

if TYPE_CHECKING:
    from fermodels.explain.flips import Flip
    from fermodels.explain.puppet import ResponseCurves

Worn = tuple[tuple[str, float], ...]
"""Action units worn and their intensities 0..1: a state that can be a cache key."""


@st.cache_data(max_entries=512, show_spinner=False)
def face(person: int, worn: Worn) -> NDArray[np.uint8]:
    """Return a person wearing action units, uint8 ``(48, 48)``; about 10 ms."""
    from fermodels.data.synthetic import render_image
    from fermodels.explain.puppet import puppet

    return render_image(puppet(person, dict(worn)))


def curves(name: str, unit: str, worn: Worn) -> ResponseCurves:
    """Return how a model's probabilities follow one unit, over eight people.

    Args:
        name: one of `models.choices()`.
        unit: which one is turned from 0 to 1.
        worn: what the faces wear besides.
    """
    besides = tuple((other, level) for other, level in worn if other != unit)
    return _curves(name, models.stamp(name), unit, besides)


@st.cache_resource(max_entries=128, show_spinner="Rendering 72 faces…")
def _curves(name: str, stamp: str, unit: str, worn: Worn) -> ResponseCurves:
    from fermodels.explain.puppet import response_curves

    with lending.computing():
        return response_curves(models.own_copy(name), unit, dict(worn))


def flip(name: str, person: int, worn: Worn, target: str | None, norm: str) -> Flip | None:
    """Return the smallest movement found that changes a model's mind; None if none was found.

    Args:
        name: one of `models.choices()`.
        person: who is moved.
        worn: where the movement starts.
        target: expression to reach, or None for any other.
        norm: ``l1`` or ``l2``.

    Raises:
        ConfigError: the model says `target` already.
    """
    return _flip(name, models.stamp(name), person, worn, target, norm)


@st.cache_resource(max_entries=64, show_spinner="Moving muscles, one after another…")
def _flip(
    name: str, stamp: str, person: int, worn: Worn, target: str | None, norm: str
) -> Flip | None:
    from fermodels.explain.flips import smallest_flip
    from fermodels.explain.puppet import puppet

    with lending.computing():
        return smallest_flip(models.own_copy(name), puppet(person, dict(worn)), target, norm)
