"""The smallest movement of a rendered face that changes the network's mind.

A counterfactual (Wachter et al. 2018, arXiv 1711.00399) in terms a person can perform: action
units. The renderer has no gradient, so the search only renders and asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from torch import nn

from fermodels.data.emotions import EMOTIONS, parse_emotion
from fermodels.data.synthetic import FaceSpec, render_image
from fermodels.data.synthetic.action_units import AU_NAMES, check_action_units
from fermodels.errors import ConfigError
from fermodels.nets.fernet import FERNet
from fermodels.xai.counterfactuals.response_curves import as_units, as_vector, fernet_copy
from fermodels.xai.model_access import logits_of_faces

Vector = NDArray[np.float64]
"""Intensities ``(A,)`` 0..1, in the order of AU_NAMES."""

NORMS: dict[str, int] = {"l1": 1, "l2": 2}
"""Name -> order: l1 counts total movement and likes few units, l2 many small ones."""
LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Intensities tried in a scan; bisection then looks between them."""
PRECISION = 1 / 64
"""Bisection stops here: finer differences are below what FACS coders can tell."""
MOST_UNITS = 4
"""Longest combination that is grown."""
WIDTH = 6
"""How many of the most promising units a scan after the first tries."""


@dataclass(frozen=True, eq=False)
class SmallestChange:
    """A small movement after which the network says something else; the smallest found."""

    before: dict[str, float]
    """Intensities at the start, all units."""
    after: dict[str, float]
    """Intensities at the flip, all units."""
    start_face: NDArray[np.uint8]
    """``(48, 48)``."""
    face: NDArray[np.uint8]
    """``(48, 48)``: rendered with `after`."""
    start_probabilities: NDArray[np.float64]
    """``(7,)``."""
    probabilities: NDArray[np.float64]
    """``(7,)`` of `face`."""
    norm: str
    """A name in NORMS."""
    distance: float
    """Length of the movement in that norm; 1 is one unit from none to full."""
    renderings: int
    """How many faces the search looked at."""

    @property
    def moved(self) -> dict[str, float]:
        """Unit -> signed change, largest first; units that stay are left out."""
        changes = {name: self.after[name] - self.before[name] for name in AU_NAMES}
        order = sorted(changes, key=lambda name: -abs(changes[name]))
        return {name: changes[name] for name in order if changes[name] != 0}


def smallest_counterfactual(
    model: nn.Module,
    spec: FaceSpec,
    target: int | str | None = None,
    norm: str = "l1",
    units: Sequence[str] = AU_NAMES,
) -> SmallestChange | None:
    """Search for the smallest change of action units that changes the prediction.

    Every single unit, a greedily grown combination of up to four and the steepest direction of
    all units together are tried, then pulled back towards the start as far as the flip holds.
    The result is verified by rendering it; being a search, it is an upper bound: an even smaller
    change may exist.

    Args:
        model: a FERNet; it is not touched.
        spec: the face to start from.
        target: what the network should say instead; None for anything else.
        norm: a name in NORMS.
        units: which units may move.

    Returns:
        The flip, or None if the search found none.

    Raises:
        ConfigError: unknown norm or class, or the network says `target` already.
        DataError: an unknown unit.
    """
    if norm not in NORMS:
        raise ConfigError(f"norm is {norm!r}: expected {' or '.join(NORMS)}")
    check_action_units(dict.fromkeys(units, 0.0))
    search = _Search.begin(fernet_copy(model), spec, target, norm, units)
    return search.result(search.best())


@dataclass(eq=False)
class _Search:
    """The renderings so far, and how far from flipping each is."""

    net: FERNet
    spec: FaceSpec
    start: Vector
    prediction: int
    target: int | None
    order: int
    columns: list[int]
    known: dict[bytes, float] = field(default_factory=dict)

    @classmethod
    def begin(
        cls, net: FERNet, spec: FaceSpec, target: int | str | None, norm: str, units: Sequence[str]
    ) -> _Search:
        logits = logits_of_faces(net, render_image(spec)[None])[0]
        prediction = int(logits.argmax())
        wanted_class = None if target is None else parse_emotion(target)
        if prediction == wanted_class:
            raise ConfigError(
                f"the network says {EMOTIONS[prediction]} already: choose another target, or None"
            )
        columns = [AU_NAMES.index(name) for name in units]
        return cls(
            net, spec, as_vector(spec.action_units), prediction, wanted_class, NORMS[norm], columns
        )

    def face(self, vector: Vector) -> NDArray[np.uint8]:
        return render_image(replace(self.spec, action_units=as_units(vector)))

    def margins(self, vectors: Sequence[Vector]) -> list[float]:
        """Return how far over the border each is, in logits: above 0 the prediction has flipped."""
        new = {v.tobytes(): v for v in vectors if v.tobytes() not in self.known}
        if new:
            logits = logits_of_faces(self.net, np.stack([self.face(v) for v in new.values()]))
            self.known |= dict(zip(new, self._margins(logits).tolist(), strict=True))
        return [self.known[v.tobytes()] for v in vectors]

    def _margins(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        goal = self.prediction if self.target is None else self.target
        others = np.delete(logits, goal, axis=1).max(1)
        ahead: NDArray[np.float64] = logits[:, goal] - others
        return -ahead if self.target is None else ahead

    def flipped(self, vector: Vector) -> bool:
        return self.margins([vector])[0] > 0

    def length(self, vector: Vector) -> float:
        return float(np.linalg.norm(vector - self.start, self.order))

    def best(self) -> Vector | None:
        """Return the smallest flip of all that were tried, pulled back."""
        singles = self.neighbours(self.start, self.columns)
        margins = self.margins(singles)
        flips = [v for v, margin in zip(singles, margins, strict=True) if margin > 0]
        flips += self.grow(singles, margins) + self.steepest(singles, margins)
        pulled = [self.shrink(vector) for vector in sorted(flips, key=self.length)[:WIDTH]]
        return min(pulled, key=self.length) if pulled else None

    def neighbours(self, vector: Vector, columns: Sequence[int]) -> list[Vector]:
        """Return the vector with one column set to each of LEVELS."""
        changed = []
        for column in columns:
            for level in LEVELS:
                if level != vector[column]:
                    moved = vector.copy()
                    moved[column] = level
                    changed.append(moved)
        return changed

    def grow(self, singles: list[Vector], margins: list[float]) -> list[Vector]:
        """Move the unit that brings the border nearest per length, again and again, until a flip.

        Rescans look at the units that promised most in the first scan.
        """
        began = self.margins([self.start])[0]
        reach = {
            c: max((m for v, m in zip(singles, margins, strict=True) if v[c] != self.start[c]))
            for c in self.columns
        }
        columns = sorted(self.columns, key=lambda c: -reach[c])[:WIDTH]
        current, candidates = self.start, singles
        for _ in range(MOST_UNITS):
            scores = [
                (margin - began) / max(self.length(v), PRECISION)
                for v, margin in zip(candidates, self.margins(candidates), strict=True)
            ]
            current = candidates[int(np.argmax(scores))]
            if self.flipped(current):
                return [current]
            candidates = self.neighbours(current, columns)
        ends = [v for v in candidates if self.flipped(v)]
        return sorted(ends, key=self.length)[:1]

    def steepest(self, singles: list[Vector], margins: list[float]) -> list[Vector]:
        """Move all units at once, each by as much as it helps: the straight way if all is linear.

        Slopes come from the scan: the best gain of each unit per intensity moved.
        """
        began = self.margins([self.start])[0]
        slopes = np.zeros_like(self.start)
        for vector, margin in zip(singles, margins, strict=True):
            (column,) = np.flatnonzero(vector != self.start)
            slope = (margin - began) / (vector[column] - self.start[column])
            if margin > began and abs(slope) > abs(slopes[column]):
                slopes[column] = slope
        if not slopes.any():
            return []
        direction = slopes / np.abs(slopes).max()
        ray = [np.clip(self.start + level * direction, 0, 1) for level in LEVELS[1:]]
        return [v for v, margin in zip(ray, self.margins(ray), strict=True) if margin > 0][:1]

    def shrink(self, vector: Vector) -> Vector:
        """Bring each moved unit, then all together, back towards the start while it stays flipped.

        For l1 unit by unit, the smallest movement first, since units that stay cost nothing; for
        l2 all together first. Repeated until nothing gives.
        """
        while True:
            before = self.length(vector)
            if self.order == NORMS["l2"]:
                vector = self.bisect(self.start, vector)
            moved = np.flatnonzero(vector != self.start)
            for column in sorted(moved, key=lambda c: abs(vector[c] - self.start[c])):
                home = vector.copy()
                home[column] = self.start[column]
                vector = self.bisect(home, vector)
            if before - self.length(vector) < PRECISION:
                return vector

    def bisect(self, home: Vector, flipped: Vector) -> Vector:
        """Return a flipped point between both, within PRECISION of one that is not."""
        if self.flipped(home):
            return home
        while np.abs(flipped - home).max() > PRECISION:
            middle = (home + flipped) / 2
            home, flipped = (home, middle) if self.flipped(middle) else (middle, flipped)
        return flipped

    def result(self, vector: Vector | None) -> SmallestChange | None:
        """Render the start and the flip once more and say what changed."""
        if vector is None:
            return None
        faces = np.stack([self.face(self.start), self.face(vector)])
        before, after = softmax(logits_of_faces(self.net, faces), axis=1)
        norm = next(name for name, order in NORMS.items() if order == self.order)
        return SmallestChange(
            before=as_units(self.start),
            after=as_units(vector),
            start_face=faces[0],
            face=faces[1],
            start_probabilities=before,
            probabilities=after,
            norm=norm,
            distance=self.length(vector),
            renderings=len(self.known),
        )
