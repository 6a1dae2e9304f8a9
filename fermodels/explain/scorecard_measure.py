"""Measure one attribution method on one model with every metric of METRICS."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fermodels.explain.attribution import METHODS
from fermodels.explain.trust import METRICS
from fermodels.explain.trust_captum import NOISY, infidelity, max_sensitivity
from fermodels.explain.trust_deletion import deletion_insertion
from fermodels.explain.trust_forward import completeness_error, passes_per_face
from fermodels.explain.trust_maps import (
    CONTROLS,
    Classes,
    Explainer,
    Faces,
    Maps,
    explainer,
    importance,
)
from fermodels.explain.trust_pointing import ENOUGH, KnownFaces, known_faces, pointing
from fermodels.explain.trust_road import road
from fermodels.explain.trust_sanity import SEEDS, Cascade, cascade, random_logit, randomisation
from fermodels.explain.trust_statistics import estimate

Row = dict[str, Any]
"""One method's measurements as JSON types; `scorecard.score_of` reads it back."""

LIGHT: Mapping[str, float] = {"steps": 12, "refine": 0.0, "samples": 32}
"""Options of methods while the random networks and noisy faces are explained: a coarser path is
as good for telling whether a map changed, and several times as fast."""


PER_PATCH = 3
"""Samples a patch that a light fit takes at least: a hybrid has two shares per patch to find."""


def lighter(settings: Mapping[str, float]) -> dict[str, float]:
    """Return the options for random networks and noisy faces: none dearer than asked."""
    light = {key: min(value, LIGHT.get(key, value)) for key, value in settings.items()}
    if "segments" in settings:
        fewest = max(LIGHT["samples"], PER_PATCH * settings["segments"])
        light["samples"] = min(settings["samples"], fewest)
    return light


@dataclass(frozen=True)
class Budget:
    """Network passes that a method may spend per metric: slow methods get fewer faces."""

    explain: int = 1200
    """For the maps that are judged."""
    pointing: int = 800
    """For maps of rendered faces."""
    sanity: int = 1000
    """For maps by random networks."""
    other: int = 400
    """For maps of other classes."""
    sensitivity: int = 400
    """For maps of noisy faces."""

    def faces(self, what: str, passes: int, low: int, high: int) -> int:
        """Return how many faces of so many passes each fit, at least `low`, at most `high`."""
        return int(np.clip(getattr(self, what) // max(1, passes), min(low, high), high))


@dataclass(frozen=True, eq=False)
class Bench:
    """One model and the faces on which every method is measured."""

    net: nn.Module
    faces: Faces
    target_class: Classes
    """What the model predicts for each face: the class whose explanation is judged."""
    known: KnownFaces
    """Rendered faces that the model reads right."""
    cascades: tuple[Cascade, ...]
    blank: NDArray[np.float64]
    """``(N,)``: infidelity of a map of zeros, the unit in which infidelity is given."""
    seed: int
    budget: Budget

    @classmethod
    def of(cls, net: nn.Module, faces: Faces, seed: int, budget: Budget) -> Bench:
        """Predict the classes and make the random networks."""
        with torch.no_grad():
            target = net.predict(faces).argmax(1)  # type: ignore[operator]
        zeros = np.zeros(faces.shape, np.float32)
        return cls(
            net, faces, target, known_faces(max(len(faces), ENOUGH), seed, net),
            tuple(cascade(net, seed + number) for number in SEEDS),
            infidelity(net, faces, zeros, target, "", seed=seed), seed, budget,
        )  # fmt: skip


def faithfulness(bench: Bench, importances: Maps) -> dict[str, NDArray[np.float64]]:
    """Return the metrics that alter the face by the map, ``(n,)`` each, for the first n faces."""
    n = len(importances)
    faces, target = bench.faces[:n], bench.target_class[:n]
    values, gaps = {}, []
    for baseline in ("mean-face", "blur"):
        found = deletion_insertion(bench.net, faces, importances, target, baseline, seed=bench.seed)
        values[f"deletion-{baseline}"] = found.deletion_auc
        values[f"insertion-{baseline}"] = found.insertion_auc
        gaps.append(found.gap)
    values["gap"] = np.mean(gaps, axis=0)
    values["road"] = road(bench.net, faces, importances, target, seed=bench.seed).score
    return values


def measure(
    bench: Bench, name: str, options: Mapping[str, float] | None = None
) -> tuple[Row, dict[str, NDArray[np.float64]], Maps]:
    """Measure a method, or a control, on the bench.

    Args:
        bench: model and faces.
        name: in METHODS or CONTROLS.
        options: the method's settings; None for its defaults.

    Returns:
        The row (without what it beats), the values behind its figures, and its maps.
    """
    control = name in CONTROLS
    settings = {} if control else METHODS[name].settings(options or {})
    light = lighter(settings)
    maps_of = CONTROLS[name] if control else explainer(name, settings)
    quick = CONTROLS[name] if control else explainer(name, light)
    passes = passes_per_face(bench.net, maps_of)
    n = bench.budget.faces("explain", passes, 8, len(bench.faces))
    started = time.perf_counter()
    maps = maps_of(bench.net, bench.faces[:n], bench.target_class[:n])
    seconds = (time.perf_counter() - started) / n
    values = _of_maps(bench, name, maps) | _pointing(bench, name, maps_of, passes)
    values |= _stability(bench, quick, passes_per_face(bench.net, quick))
    sanity = None if control else _sanity(bench, quick, values)
    row = {
        "metrics": {key: asdict(estimate(values[key])) for key in METRICS if key in values},
        "sanity": sanity,
        "seconds_per_face": seconds,
        "passes_per_face": passes,
        "options": settings,
        "light_options": light,
    }
    return row, values, maps


def _of_maps(bench: Bench, name: str, maps: Maps) -> dict[str, NDArray[np.float64]]:
    """Return the metrics of maps already drawn, of the bench's first faces."""
    n = len(maps)
    asked = bench.net, bench.faces[:n], maps, bench.target_class[:n]
    values = faithfulness(bench, importance(maps, name))
    missed = infidelity(*asked, name, seed=bench.seed)
    values["infidelity"] = missed / np.maximum(bench.blank[:n], 1e-12)
    if name in METHODS and METHODS[name].complete:
        values["completeness-error"] = completeness_error(*asked)
    return values


def _pointing(
    bench: Bench, name: str, maps_of: Explainer, passes: int
) -> dict[str, NDArray[np.float64]]:
    """Return nothing where the model reads fewer than ENOUGH rendered faces right."""
    n = bench.budget.faces("pointing", passes, ENOUGH, len(bench.known.faces))
    if n < ENOUGH:
        return {}
    maps = maps_of(bench.net, bench.known.faces[:n], bench.known.labels[:n])
    found = pointing(importance(maps, name), bench.known.regions[:n], bench.seed)
    return {"pointing": found.hit, "relevance-mass": found.mass}


def _stability(bench: Bench, quick: Explainer, passes: int) -> dict[str, NDArray[np.float64]]:
    high = len(bench.faces)
    other = bench.budget.faces("other", 2 * passes, 4, high)
    noisy = bench.budget.faces("sensitivity", (NOISY + 1) * passes, 2, min(12, high))
    return {
        "random-logit": random_logit(
            bench.net, bench.faces[:other], quick, bench.target_class[:other], bench.seed
        ),
        "max-sensitivity": max_sensitivity(
            bench.net, bench.faces[:noisy], quick, bench.target_class[:noisy], seed=bench.seed
        ),
    }


def _sanity(bench: Bench, quick: Explainer, values: dict[str, NDArray[np.float64]]) -> Row:
    """Run the randomisation check; the similarity at its end is also a metric."""
    stages = sum(len(one.networks) for one in bench.cascades)
    passes = passes_per_face(bench.net, quick) * (stages + 1)
    n = bench.budget.faces("sanity", passes, 2, min(12, len(bench.faces)))
    found = randomisation(bench.net, bench.faces[:n], quick, bench.target_class[:n], bench.cascades)
    values["randomisation"] = found.spearman[-1].ravel()
    return {
        "layers": list(found.layers),
        "top": found.top,
        "spearman": [asdict(estimate(stage.ravel())) for stage in found.spearman],
        "ssim": [asdict(estimate(stage.ravel())) for stage in found.ssim],
        "unrelated": asdict(estimate(found.unrelated.ravel())),
    }


def against_controls(
    values: Mapping[str, NDArray[np.float64]],
    controls: Mapping[str, Mapping[str, NDArray[np.float64]]],
) -> Row:
    """Return by how much a map beats each control on ``gap`` and ``road``, face by face."""
    return {
        control: {
            metric: asdict(estimate(values[metric] - theirs[metric][: len(values[metric])]))
            for metric in ("gap", "road")
        }
        for control, theirs in controls.items()
    }
