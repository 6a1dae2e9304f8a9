"""Rendered people with and without an action unit: what a concept is learned from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fermodels.data.synthetic import FaceSpec, random_spec, render_image
from fermodels.data.synthetic.action_units import check_action_units


@dataclass(frozen=True, eq=False)
class Pairs:
    """The same people twice; everything but the unit is equal within a pair."""

    without: NDArray[np.uint8]
    """``(N, 48, 48)``."""
    with_unit: NDArray[np.uint8]
    """``(N, 48, 48)``, the unit at full intensity."""


def person(number: int, seed: int) -> FaceSpec:
    """Return the specification of one of a set's people: expression, pose and light at random."""
    drawn = np.random.default_rng([seed, 4, number])
    return random_spec(int(drawn.integers(2**31)))


def render_pairs(unit: str, people: int, seed: int) -> Pairs:
    """Render people with and without one action unit.

    Args:
        unit: a name in ACTION_UNITS.
        people: how many, each with an expression, pose and light of its own.
        seed: equal seeds give equal people, for every unit.

    Raises:
        DataError: an unknown unit.
    """
    check_action_units({unit: 1.0})
    faces = [[_worn(n, seed, unit, level) for n in range(people)] for level in (0.0, 1.0)]
    return Pairs(np.stack(faces[0]), np.stack(faces[1]))


def _worn(number: int, seed: int, unit: str, level: float) -> NDArray[np.uint8]:
    spec = person(number, seed)
    if spec.action_units[unit] == level:
        return _render(number, seed)
    return render_image(replace(spec, action_units={**spec.action_units, unit: level}))


@lru_cache(maxsize=512)
def _render(number: int, seed: int) -> NDArray[np.uint8]:
    """Keep people as they were drawn: most lack most units, so one picture serves many pairs."""
    return render_image(person(number, seed))
