"""Who is shown: the shape, skin and hair of an invented person, drawn from plain distributions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

HAIR_STYLES = ("bald", "short", "fringe", "long", "back")


@dataclass(frozen=True)
class Identity:
    """An invented person. Lengths are pixels of the 48x48 face; albedos are linear, 0..1."""

    seed: int = 0
    """Draws the small asymmetries, strands and skin texture."""
    face_width: float = 16.8
    """Half width at the cheekbones."""
    jaw: float = 2.4
    """Exponent of the lower outline: 2 an ellipse, 3 square."""
    taper: float = 0.12
    """How much the chin is narrower than the ellipse."""
    chin: float = 47.6
    """Row of the chin's tip."""
    eye_spacing: float = 7.6
    """From midline to the eye's centre."""
    eye_width: float = 3.5
    """Half length of the opening between the lids."""
    eye_opening: float = 1.0
    """Factor on the height of that opening."""
    eye_tilt: float = 0.05
    """Rise of the outer corner, per pixel."""
    lid_crease: float = 1.0
    """Height of the fold above the upper lid, 0 for a single lid."""
    lash: float = 0.6
    """Darkness of the lash line, 0..1."""
    iris: float = 0.06
    """Albedo of the iris."""
    brow_height: float = 13.6
    """Row of the brows."""
    brow_thickness: float = 0.75
    """Half thickness of a brow at its middle."""
    brow_arch: float = 0.9
    """Rise of the brow's peak."""
    brow_darkness: float = 0.75
    """Opacity of the brow, 0..1."""
    nose_width: float = 3.6
    """From midline to the outer edge of a nostril wing."""
    nose_tip: float = 28.4
    """Row of the tip."""
    nose_height: float = 4.6
    """How far the tip stands out."""
    mouth_width: float = 6.0
    """Half width of the resting mouth."""
    mouth_row: float = 36.6
    """Row where the resting lips meet."""
    lip_fullness: float = 1.0
    """Factor on the thickness of both lips."""
    lip_albedo: float = 0.66
    """Lip albedo as a fraction of the skin's."""
    cheek: float = 1.0
    """Fullness of the cheeks."""
    skin: float = 0.42
    """Albedo of the skin: about 0.10 (dark) to 0.60 (light)."""
    age: float = 0.2
    """Depth of the resting furrows, 0..1."""
    hair_style: str = "short"
    """One of HAIR_STYLES."""
    hair: float = 0.05
    """Albedo of hair and brows."""
    hairline: float = 1.5
    """Row of the hairline at the midline."""
    beard: float = 0.0
    """Opacity of moustache and beard, 0..1."""
    glasses: float = 0.0
    """Half thickness of a spectacle frame; 0 for none."""


def _between(rng: np.random.Generator, mean: float, spread: float, reach: float = 2.0) -> float:
    """Normal draw, clipped at ``reach`` spreads and rounded so that it prints exactly."""
    return round(mean + spread * float(np.clip(rng.standard_normal(), -reach, reach)), 4)


def random_identity(seed: int) -> Identity:
    """Return an invented person; equal seeds give equal people."""
    rng = np.random.default_rng([seed, 1])
    child = float(rng.random() < 0.14)
    male = float(rng.random() < 0.5) * (1.0 - child)
    age = 0.0 if child else round(float(rng.beta(1.3, 2.2)), 4)
    skin = float(rng.choice([0.50, 0.44, 0.36, 0.25, 0.14], p=[0.3, 0.3, 0.18, 0.12, 0.10]))
    person = Identity(seed=seed, age=age, skin=_between(rng, skin, 0.08 * skin))
    for feature in (_face, _eyes, _nose_and_mouth):
        person = replace(person, **feature(rng, male, child))
    return _with_hair(person, rng, male, child)


def _face(rng: np.random.Generator, male: float, child: float) -> dict[str, Any]:
    return {
        "face_width": _between(rng, 17.5 + 0.9 * child, 1.1),
        "jaw": _between(rng, 2.5 + 0.35 * male, 0.28),
        "taper": _between(rng, 0.15 - 0.08 * male - 0.04 * child, 0.06),
        "chin": _between(rng, 48.6 - 1.3 * child, 1.1),
        "cheek": _between(rng, 1.0 + 0.5 * child - 0.1 * male, 0.3),
    }


def _eyes(rng: np.random.Generator, male: float, child: float) -> dict[str, Any]:
    return {
        "eye_spacing": _between(rng, 7.5 + 0.2 * child, 0.4),
        "eye_width": _between(rng, 3.75 + 0.2 * child, 0.28),
        "eye_opening": _between(rng, 1.1 - 0.08 * male + 0.2 * child, 0.12),
        "eye_tilt": _between(rng, 0.06 - 0.02 * male, 0.04),
        "lid_crease": float(np.clip(_between(rng, 0.85, 0.35), 0.0, 1.3)),
        "lash": float(np.clip(_between(rng, 0.82 - 0.3 * male - 0.15 * child, 0.15), 0.15, 1.0)),
        "iris": round(float(rng.choice([0.025, 0.04, 0.07, 0.11], p=[0.4, 0.3, 0.15, 0.15])), 4),
        "brow_height": _between(rng, 13.4 + 0.35 * male, 0.45),
        "brow_thickness": _between(rng, 0.85 + 0.25 * male - 0.15 * child, 0.13),
        "brow_arch": _between(rng, 1.1 - 0.45 * male, 0.3),
        "brow_darkness": float(
            np.clip(_between(rng, 0.72 + 0.1 * male - 0.3 * child, 0.13), 0.2, 0.95)
        ),
    }


def _nose_and_mouth(rng: np.random.Generator, male: float, child: float) -> dict[str, Any]:
    return {
        "nose_width": _between(rng, 3.5 + 0.35 * male - 0.2 * child, 0.42),
        "nose_tip": _between(rng, 28.3 - 1.0 * child, 0.6),
        "nose_height": _between(rng, 4.5 + 0.4 * male - 1.2 * child, 0.4),
        "mouth_width": _between(rng, 6.3 + 0.2 * male - 0.5 * child, 0.35),
        "mouth_row": _between(rng, 36.6 - 0.8 * child, 0.5),
        "lip_fullness": _between(rng, 1.12 - 0.24 * male, 0.18),
        "lip_albedo": _between(rng, 0.44 + 0.1 * male + 0.06 * child, 0.06),
    }


def _with_hair(person: Identity, rng: np.random.Generator, male: float, child: float) -> Identity:
    age = person.age
    men, women = [0.14 + 0.25 * age, 0.66, 0.10, 0.02, 0.10], [0.0, 0.12, 0.26, 0.46, 0.16]
    weights = np.array(men if male else women)
    style = str(rng.choice(HAIR_STYLES, p=weights / weights.sum()))
    shade = float(rng.choice([0.035, 0.06, 0.12, 0.22, 0.34], p=[0.3, 0.3, 0.2, 0.12, 0.08]))
    if person.skin < 0.3:
        shade = 0.035
    if age > 0.6 and rng.random() < 0.6:
        shade = 0.32
    hairline = _between(rng, 2.4 - 1.0 * male - 2.5 * age * male, 1.2)
    hairline = {"bald": -7.0, "fringe": hairline + 5.0}.get(style, hairline)
    bearded, framed = float(rng.random() < 0.3) * male, float(rng.random() < 0.07) * (1.0 - child)
    return replace(
        person,
        hair_style=style,
        hair=shade,
        hairline=round(hairline, 4),
        beard=round(bearded * float(rng.uniform(0.2, 0.85)), 4),
        glasses=round(framed * float(rng.uniform(0.2, 0.4)), 4),
    )
