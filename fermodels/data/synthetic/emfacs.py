"""Action-unit combinations of the seven expressions.

Sources, named at each prototype:
  FACS: Ekman, Friesen & Hager (2002), FACS Investigator's Guide, table 10-2 (emotion prediction).
  EMFACS: Friesen & Ekman (1983), EMFACS-7, unpublished manual.
  M&E: Matsumoto & Ekman (2008), Facial expression analysis, Scholarpedia 3(5):4237, table 1.
  CK+: Lucey et al. (2010), The Extended Cohn-Kanade Dataset, CVPR workshops, table 2.
The combinations are published; their mean intensities are this project's, chosen so that faces
read as people wear them in FER-2013.
"""

from __future__ import annotations

from dataclasses import dataclass

from fermodels.data.emotions import EMOTIONS
from fermodels.data.synthetic.action_units import check_action_units
from fermodels.errors import DataError


@dataclass(frozen=True)
class Prototype:
    """One way an expression is worn."""

    action_units: dict[str, float]
    """Mean intensity per unit, 0..1."""
    source: str
    """Publications that list the combination."""
    weight: float = 1.0
    """How often it is drawn, relative to its siblings."""


def _worn(units: str, source: str, weight: float = 1.0) -> Prototype:
    """Read ``"1:1.0 4:0.5"`` as AU1 at 1.0 and AU4 at 0.5."""
    pairs = (pair.split(":") for pair in units.split())
    named = {f"AU{number}": float(intensity) for number, intensity in pairs}
    check_action_units(named)
    return Prototype(named, source, weight)


EMFACS: dict[str, tuple[Prototype, ...]] = {
    "angry": (
        _worn("4:1.0 5:0.6 7:0.75 23:0.8", "FACS 4+5+7+23; M&E; CK+ (23 with 4)", 1.5),
        _worn("4:1.0 5:0.55 7:0.75 17:0.5 24:0.9", "FACS 4+5+7+17+24; CK+ (24 with 4)", 2.0),
        _worn("4:1.0 5:0.6 7:0.75 10:0.7 23:0.3 25:0.9", "FACS 4+5+7+10+23+25", 1.0),
        _worn("4:1.0 5:0.6 7:0.75 10:0.5 23:0.3 25:1.0 26:0.95", "FACS 4+5+7+10+23+26", 1.5),
    ),
    "disgust": (
        _worn("9:1.0 15:0.9 17:0.9", "FACS 9+17; CK+ (9); EMFACS 9+15", 0.7),
        _worn("9:1.0 15:1.0 16:0.7 25:0.9 26:1.0", "FACS 9+16+15+26; EMFACS 9+15+16", 3.0),
        _worn("9:0.7 10:1.0 15:0.8 16:0.8 25:0.9 26:0.9", "FACS 10+16+26; CK+ (9 or 10)", 3.0),
        _worn("9:0.95 10:1.0 15:0.9 17:0.9", "FACS 10+17; M&E 9, 10; EMFACS 15", 1.5),
        _worn("9:1.0 10:1.0 15:0.7 17:0.6 43:0.5", "FACS 9+17, eyes narrowed", 0.4),
    ),
    "fear": (
        _worn("1:1.0 2:0.5 4:0.55 5:1.0 20:0.85 25:0.8", "FACS 1+2+4+5+20+25; M&E", 1.5),
        _worn("1:1.0 2:0.5 4:0.55 5:1.0 20:0.85 25:0.9 26:0.6", "FACS 1+2+4+5+20+26; CK+", 2.0),
        _worn("1:1.0 2:0.5 4:0.55 5:1.0 20:0.6 25:1.0 27:0.5", "FACS 1+2+4+5+20+27", 0.5),
    ),
    "happy": (
        _worn("6:0.7 12:0.85", "FACS 6+12; M&E; CK+ (12)", 1.0),
        _worn("6:0.8 12:1.0 25:0.8", "EMFACS 6+12, lips parted (25)", 2.5),
        _worn("6:0.9 12:1.0 25:1.0 26:0.7", "EMFACS 6+12, laughing (26)", 1.0),
    ),
    "sad": (
        _worn("1:1.0 4:0.5 15:0.8 43:0.35", "FACS 1+4+15; M&E; lids drooping", 1.5),
        _worn("1:1.0 4:0.6 15:0.8 17:0.6 43:0.2", "FACS 1+4+15+17; CK+ (1+4+15)", 2.0),
        _worn("1:0.8 4:0.4 6:0.6 15:0.8 43:0.2", "FACS 6+15", 0.5),
        _worn("1:1.0 4:0.5 15:0.7 43:0.65", "FACS 1+4+15+64: eyes lowered", 1.5),
    ),
    "surprise": (
        _worn("1:0.9 2:1.0 5:0.9 25:1.0 26:1.0", "FACS 1+2+5+26; M&E; CK+ (1+2)", 1.5),
        _worn("1:1.0 2:1.0 5:1.0 25:1.0 27:0.8", "FACS 1+2+5+27; CK+ (1+2)", 2.5),
    ),
    "neutral": (
        _worn("", "FACS: no unit", 4.0),
        _worn("25:0.25", "FACS: no unit but lips slightly parted", 0.7),
    ),
}
"""Expression -> the ways it is worn, in index order of EMOTIONS."""


def prototypes(emotion: str | int) -> tuple[Prototype, ...]:
    """Return the variants of an expression given by name or label.

    Raises:
        DataError: no such expression.
    """
    name = EMOTIONS[emotion] if isinstance(emotion, int) and 0 <= emotion < 7 else emotion
    if name not in EMFACS:
        raise DataError(f"unknown expression {emotion!r}: expected one of {', '.join(EMOTIONS)}")
    return EMFACS[str(name)]
