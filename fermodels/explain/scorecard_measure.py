"""Measure one attribution method on one model: all that its verdict needs, and more figures.

What the verdict needs is measured by `fermodels.explain.judge`, the same for the scorecards as
for anybody's own method.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fermodels.explain.attribution import METHODS
from fermodels.explain.judge import PAIRS, Trial, predicted, what_was_learned
from fermodels.explain.scorecard_record import written
from fermodels.explain.trust_captum import NOISY, infidelity, max_sensitivity
from fermodels.explain.trust_forward import passes_per_face
from fermodels.explain.trust_maps import CONTROLS, Explainer, Faces, explainer, importance
from fermodels.explain.trust_pointing import ENOUGH, KnownFaces, known_faces, pointing
from fermodels.explain.trust_sanity import RandomCopy, random_copies
from fermodels.explain.verdict import Floats, Learned

Row = dict[str, Any]
"""One method's measurements as JSON types; `scorecard_record` reads it back."""


@dataclass(frozen=True)
class Budget:
    """Network passes that a method may spend per metric: slow methods get fewer faces."""

    explain: int = 6000
    """For the maps that are judged."""
    pointing: int = 1200
    """For maps of rendered faces."""
    sensitivity: int = 2400
    """For maps of noisy faces."""

    def faces(self, what: str, passes: int, low: int, high: int) -> int:
        """Return how many faces of so many passes each fit, at least `low`, at most `high`."""
        return int(np.clip(getattr(self, what) // max(1, passes), min(low, high), high))


@dataclass(frozen=True, eq=False)
class Bench:
    """One model and the faces on which every method is measured."""

    trial: Trial
    learned: Learned
    known: KnownFaces
    """Rendered faces that the model reads right."""
    copies: tuple[RandomCopy, ...]
    """Random networks, one for each pair of faces."""
    blank: NDArray[np.float64]
    """``(N,)``: infidelity of a map of zeros, the unit in which infidelity is given."""
    budget: Budget

    @classmethod
    def of(cls, net: nn.Module, faces: Faces, seed: int, budget: Budget) -> Bench:
        """Predict the classes and make the random networks."""
        target = predicted(net, faces)
        zeros = np.zeros(faces.shape, np.float32)
        return cls(
            Trial(net, faces, target, seed), what_was_learned(net),
            known_faces(max(len(faces), ENOUGH), seed, net),
            tuple(random_copies(net, range(seed, seed + min(PAIRS, len(faces) // 2)))),
            infidelity(net, faces, zeros, target, "", seed=seed), budget,
        )  # fmt: skip


def measure(bench: Bench, name: str) -> Row:
    """Measure a method of METHODS with the settings it has unless told otherwise.

    The random networks and other classes are asked with the same settings as the faces: a coarser
    map is a noisier one, and noise makes maps look as if they differed.
    """
    trial, method = bench.trial, METHODS[name]
    maps_of = explainer(name)
    passes = passes_per_face(trial.net, maps_of)
    n = bench.budget.faces("explain", passes, 2 * PAIRS, len(trial.faces))
    started = time.process_time()
    measured, maps = trial.measure(maps_of, name, bench.copies, n)
    seconds = time.process_time() - started
    asked = trial.net, trial.faces[:n], maps, trial.target_class[:n]
    missed = infidelity(*asked, name, seed=trial.seed)
    values = measured.values | _pointing(bench, name, maps_of, passes)
    values["infidelity"] = missed / np.maximum(bench.blank[:n], 1e-12)
    values["max-sensitivity"] = _sensitivity(bench, maps_of, passes)
    return {
        "values": written(values),
        "template": written(measured.rivals["template"]),
        "cpu_seconds": round(seconds, 1),
        "passes_per_face": passes,
        "options": method.settings({}),
    }


def measure_control(bench: Bench, name: str) -> Row:
    """Measure maps that no model had a part in: what they score by altering faces, and pointing."""
    trial, maps_of = bench.trial, CONTROLS[name]
    maps = maps_of(trial.net, trial.faces, trial.target_class)
    return {"values": written(trial.faithfulness(maps) | _pointing(bench, name, maps_of, 1))}


def _pointing(bench: Bench, name: str, maps_of: Explainer, passes: int) -> dict[str, Floats]:
    """Return nothing where the model reads fewer than ENOUGH rendered faces right."""
    n = bench.budget.faces("pointing", passes, ENOUGH, len(bench.known.faces))
    if n < ENOUGH:
        return {}
    maps = maps_of(bench.trial.net, bench.known.faces[:n], bench.known.labels[:n])
    found = pointing(importance(maps, name), bench.known.regions[:n], bench.trial.seed)
    return {"pointing": found.hit, "relevance-mass": found.mass}


def _sensitivity(bench: Bench, maps_of: Explainer, passes: int) -> Floats:
    """Return max-sensitivity of a dozen faces; no verdict needs it, so slow methods get fewer."""
    trial = bench.trial
    n = bench.budget.faces("sensitivity", (NOISY + 1) * passes, 2, min(12, len(trial.faces)))
    return max_sensitivity(
        trial.net, trial.faces[:n], maps_of, trial.target_class[:n], seed=trial.seed
    )
