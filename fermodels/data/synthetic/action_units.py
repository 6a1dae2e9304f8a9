"""The facial action units that the renderer can move (FACS, Ekman, Friesen & Hager 2002)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fermodels.errors import DataError


@dataclass(frozen=True)
class ActionUnit:
    """One unit of the Facial Action Coding System."""

    name: str
    """Code as FACS writes it, such as ``AU12``."""
    title: str
    """FACS title."""
    muscle: str
    """Muscles that do it, after the FACS manual."""


def _unit(number: int, title: str, muscle: str) -> tuple[str, ActionUnit]:
    return f"AU{number}", ActionUnit(f"AU{number}", title, muscle)


ACTION_UNITS: dict[str, ActionUnit] = dict(
    [
        _unit(1, "Inner brow raiser", "Frontalis, pars medialis"),
        _unit(2, "Outer brow raiser", "Frontalis, pars lateralis"),
        _unit(4, "Brow lowerer", "Corrugator supercilii, depressor supercilii, procerus"),
        _unit(5, "Upper lid raiser", "Levator palpebrae superioris"),
        _unit(6, "Cheek raiser", "Orbicularis oculi, pars orbitalis"),
        _unit(7, "Lid tightener", "Orbicularis oculi, pars palpebralis"),
        _unit(9, "Nose wrinkler", "Levator labii superioris alaeque nasi"),
        _unit(10, "Upper lip raiser", "Levator labii superioris"),
        _unit(12, "Lip corner puller", "Zygomaticus major"),
        _unit(15, "Lip corner depressor", "Depressor anguli oris"),
        _unit(16, "Lower lip depressor", "Depressor labii inferioris"),
        _unit(17, "Chin raiser", "Mentalis"),
        _unit(20, "Lip stretcher", "Risorius, platysma"),
        _unit(23, "Lip tightener", "Orbicularis oris"),
        _unit(24, "Lip pressor", "Orbicularis oris"),
        _unit(25, "Lips part", "Depressor labii inferioris, or relaxed mentalis"),
        _unit(26, "Jaw drop", "Masseter relaxed; temporalis and internal pterygoid relaxed"),
        _unit(27, "Mouth stretch", "Pterygoids, digastric"),
        _unit(43, "Eyes closed", "Levator palpebrae superioris relaxed; orbicularis oculi"),
    ]
)
"""Code -> unit, in the column order of every action-unit matrix of this package."""

AU_NAMES: tuple[str, ...] = tuple(ACTION_UNITS)
"""Column names of action-unit matrices."""


def check_action_units(action_units: Mapping[str, float]) -> dict[str, float]:
    """Return all units as floats, absent ones 0, in registry order.

    Raises:
        DataError: an unknown unit, or an intensity outside 0..1.
    """
    unknown = sorted(set(action_units) - set(ACTION_UNITS))
    if unknown:
        raise DataError(
            f"unknown action unit {unknown[0]!r}: choose among {', '.join(ACTION_UNITS)}"
        )
    for name, intensity in action_units.items():
        if not 0.0 <= intensity <= 1.0:
            raise DataError(
                f"{name} has intensity {intensity!r}: intensities run from 0 (absent) to 1 (FACS E)"
            )
    return {name: float(action_units.get(name, 0.0)) for name in ACTION_UNITS}
