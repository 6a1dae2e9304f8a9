"""Claims on what training makes of activation maps and first-layer filters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fermodels.nets import catalog
from fermodels.xai.inspect.filters import epoch_filters, smoothness
from train.claims.evidence import (
    BLOCKS,
    CONFIDENT,
    LEVEL,
    Claim,
    ClaimEvidence,
    Finding,
    Measure,
    RecordedRun,
    mean_interval,
    p_text,
    relative,
    rising,
    shown,
    span,
)
from train.claims.training import NETS

TRENDS = {"sparsity": 1, "entropy": -1}
"""Recorded quantity -> the direction that the claim expects of it."""
WORDS = {"sparsity": "share of zeros", "entropy": "spatial entropy"}

NOISE_FILTERS = 5_000
"""Filters of white noise whose mean smoothness is the null's."""

LINE = np.array([[-1.0, 2.0, -1.0]] * 3)
"""A line detector: as clean a filter as there is, and not smooth by this measure."""


@dataclass(frozen=True)
class Trend:
    """How one layer's sparsity or entropy moved over the epochs."""

    layer: str
    quantity: str
    first: float
    last: float
    n: int
    towards: float
    """P-value that it moves in the expected direction, see `rules.rising`."""
    away: float
    """P-value that it moves in the other."""


def trend(layer: str, quantity: str, values: Sequence[float]) -> Trend:
    """Test whether a quantity rises (or falls, see TRENDS) over the epochs."""
    finite = [value for value in values if math.isfinite(value)]
    towards, away = rising([TRENDS[quantity] * value for value in finite])
    ends = (finite[0], finite[-1]) if finite else (math.nan, math.nan)
    return Trend(layer, quantity, *ends, len(finite), towards, away)


def sparser_and_more_local(evidence: ClaimEvidence) -> Finding:
    """Claim 16: maps grow sparser and more localised with training, and with depth."""
    runs = evidence.runs(*NETS)
    trained = {run.name: _with_training(run) for run in runs}
    deep = {run.name: _with_depth(run) for run in runs}
    measures = [m for run in runs for m in (*trained[run.name], *deep[run.name])]
    sources = tuple(run.source(catalog.HISTORY) for run in runs)
    why = "; ".join(_in_short(trained[run.name], deep[run.name], run.name) for run in runs)
    return Finding(tuple(measures), sources, why)


def _in_short(trained: list[Measure], deep: list[Measure], name: str) -> str:
    """Return a clause on one network: in how many layers it holds with training, and depth."""
    layers = len(trained) // len(TRENDS)
    zeros, entropy = (
        [sum(m.holds is clear for m in part) for clear in (True, False)]
        for part in (trained[:layers], trained[layers:])
    )
    return (
        f"with training zeros increase in {zeros[0]} and decrease in {zeros[1]}, entropy falls in "
        f"{entropy[0]} and rises in {entropy[1]} of {name}'s {layers} conv layers, else it cannot "
        f"be told; {'; '.join(m.says for m in deep)}"
    )


def _trends(run: RecordedRun) -> list[Trend]:
    layers = [str(name) for name in run.epochs["layers"].iloc[-1]]
    return [
        trend(layer, quantity, [float(row[place]) for row in run.epochs[quantity]])
        for quantity in TRENDS
        for place, layer in enumerate(layers)
    ]


def _with_training(run: RecordedRun) -> list[Measure]:
    """Return, per quantity and layer, whether it moved as expected over the epochs."""
    return [
        Measure(
            part=f"{run.name} {trend.layer}'s {WORDS[trend.quantity]} with training",
            what=f"{run.name} {trend.layer}: {WORDS[trend.quantity]}, last minus first epoch",
            value=trend.last - trend.first,
            n=trend.n,
            holds=shown(trend.towards, trend.away),
            says=f"from {trend.first:.2f} to {trend.last:.2f} in {trend.n} epochs "
            f"({p_text(trend.towards)})",
            split="validation",
            p_value=trend.towards,
        )
        for trend in _trends(run)
    ]


def _with_depth(run: RecordedRun) -> list[Measure]:
    """Return whether the last conv layer is sparser and more local than the first."""
    measures = []
    for quantity, sign in TRENDS.items():
        values = [float(value) for value in run.epochs[quantity].iloc[-1]]
        measures.append(
            Measure(
                part=f"{run.name}'s {WORDS[quantity]} with depth",
                what=f"{run.name}: {WORDS[quantity]}, last minus first conv layer, last epoch",
                value=values[-1] - values[0],
                n=len(values),
                holds=sign * (values[-1] - values[0]) > 0,
                says=f"after training {run.name}'s {WORDS[quantity]} is {values[0]:.2f} in its "
                f"first and {values[-1]:.2f} in its last conv layer",
                split="validation",
            )
        )
    return measures


def filters_are_smooth(evidence: ClaimEvidence) -> Finding:
    """Claim 17: first-layer filters are smoother than noise."""
    runs = evidence.runs(*NETS)
    measures = [_smoothness_of(run, evidence.seed) for run in runs]
    sources = [run.source(catalog.HISTORY) for run in runs]
    for run in evidence.shipped_runs(*NETS):
        if has_filters(run.folder):
            measures.append(_smoothness_of(run, evidence.seed))
            sources.append(relative(run.folder / catalog.HISTORY))
    return Finding(tuple(measures), tuple(sources))


def has_filters(folder: Path) -> bool:
    """Return whether a run's history kept the first layer's filters."""
    return "filters" in catalog.read_history(folder).epochs


def without_mean(filters: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return filters ``(..., k, k)`` less each one's mean: its answer to a flat grey, no form."""
    wide = np.asarray(filters, float)
    return np.asarray(wide - wide.mean((-2, -1), keepdims=True))


@cache
def noise_smoothness(side: int, seed: int) -> float:
    """Return the mean smoothness of white noise without its mean, for filters of a side."""
    noise = np.random.default_rng(seed).normal(size=(NOISE_FILTERS, side, side))
    return float(smoothness(without_mean(noise)).mean())


def smoother_than_noise(
    filters: NDArray[np.floating], seed: int
) -> tuple[NDArray[np.float64], float, float, float]:
    """Return smoothness per filter, that of noise, and p-values of being above and below it.

    Both are taken without their mean, which every measure of smoothness counts as smooth.

    Args:
        filters: ``(F, k, k)``.
        seed: of the noise.
    """
    from scipy.stats import ttest_1samp

    every = smoothness(without_mean(filters))
    values, null = (
        every[np.isfinite(every)].astype(float),
        noise_smoothness(filters.shape[-1], seed),
    )
    p_above, p_below = (
        float(ttest_1samp(values, null, alternative=side).pvalue) for side in ("greater", "less")
    )
    return values, null, p_above, p_below


def _smoothness_of(run: RecordedRun, seed: int) -> Measure:
    filters = epoch_filters(catalog.read_history(run.folder))[-1]
    values, null, p_above, p_below = smoother_than_noise(filters, seed)
    mean, interval = float(values.mean()), mean_interval(values, seed)
    by_paper = run.recipe == "paper"
    return Measure(
        part=run.name + ("" if by_paper else f" by the {run.recipe} recipe"),
        what=f"{run.name}: mean smoothness of the first layer's filters, without their mean",
        value=mean,
        n=len(values),
        holds=shown(p_above, p_below),
        says=f"{len(values)} filters have a smoothness of {mean:.3f} "
        f"({span(interval, CONFIDENT, '{:.3f}'.format)}) where white noise has {null:.3f} "
        f"(smoother: {p_text(p_above)})",
        recipe=run.recipe,
        judged=by_paper,
        interval=interval,
        level=CONFIDENT,
        p_value=p_above,
    )


def _small_filters(evidence: ClaimEvidence) -> list[str]:
    line = float(smoothness(without_mean(LINE)))
    noise = noise_smoothness(len(LINE), evidence.seed)
    return [
        f"Three by three weights are few: a clean line detector has a smoothness of {line:.2f}, "
        f"noise {noise:.2f}, so the measure tells broad forms from fine ones, not learned ones "
        "from noise."
    ]


CLAIMS = (
    Claim(
        16,
        "Activation maps grow sparser and more localised as training advances, and with depth.",
        where="Figure 9",
        reported="pictures only",
        statistic="share of exact zeros and spatial entropy after each conv layer's ReLU",
        rule=f"with training: zeros rise and entropy falls (fails if the other way) over {BLOCKS} "
        f"stretches of epochs (exact sign-flip test of their changes, one-sided, {LEVEL:.0%}; "
        "single epochs are not independent and are not counted); with depth: the last conv layer "
        "exceeds the first",
        test=sparser_and_more_local,
    ),
    Claim(
        17,
        "First-layer filters are smooth and without noise.",
        where="Figure 10",
        reported="pictures only",
        statistic="mean share of a filter's spectral energy below 1/4 cycle per pixel, its mean "
        "taken off",
        rule="holds if above that of white noise without its mean, fails if below (one-sided "
        f"t-tests over filters, {LEVEL:.0%})",
        test=filters_are_smooth,
        confounds=_small_filters,
    ),
)
