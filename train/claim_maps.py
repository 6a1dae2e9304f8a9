"""Claims on what training makes of activation maps and first-layer filters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fermodels.explain.filters import WHITE_SMOOTHNESS, epoch_filters, smoothness
from fermodels.nets import shelf
from fermodels.nets.paired import holm
from train.claim_evidence import (
    LEVEL,
    Claim,
    Evidence,
    Finding,
    Measure,
    Run,
    mean_interval,
    p_text,
    span,
)
from train.claim_training import NETS

TRENDS = {"sparsity": 1, "entropy": -1}
"""Recorded quantity -> the direction that the claim expects of it."""
WORDS = {"sparsity": "share of zeros", "entropy": "spatial entropy"}


@dataclass(frozen=True)
class Trend:
    """How one layer's sparsity or entropy moved over the epochs."""

    layer: str
    quantity: str
    first: float
    last: float
    n: int
    p_value: float
    """Spearman's rank correlation with the epoch, one-sided in the expected direction."""

    @property
    def towards(self) -> bool:
        """Whether it moved in the expected direction."""
        return TRENDS[self.quantity] * (self.last - self.first) > 0


def trend(layer: str, quantity: str, values: Sequence[float]) -> Trend:
    """Test whether a quantity rises (or falls, see TRENDS) over the epochs."""
    from scipy.stats import spearmanr

    seen = [value for value in values if math.isfinite(value)]
    p_value = 1.0
    if len(set(seen)) > 1:
        side = "greater" if TRENDS[quantity] > 0 else "less"
        p_value = float(spearmanr(np.arange(len(seen)), seen, alternative=side).pvalue)
    ends = (seen[0], seen[-1]) if seen else (math.nan, math.nan)
    return Trend(layer, quantity, *ends, len(seen), p_value)


def sparser_and_more_local(evidence: Evidence) -> Finding:
    """Claim 16: maps grow sparser and more localised with training, and with depth."""
    runs = evidence.runs(*NETS)
    trained = {run.name: _with_training(run) for run in runs}
    deep = {run.name: _with_depth(run) for run in runs}
    measures = [m for run in runs for m in (*trained[run.name], *deep[run.name])]
    sources = tuple(run.source(shelf.HISTORY) for run in runs)
    why = "; ".join(_in_short(trained[run.name], deep[run.name], run.name) for run in runs) + "."
    return Finding(tuple(measures), sources, why)


def _in_short(trained: list[Measure], deep: list[Measure], name: str) -> str:
    """Return a clause on one network: in how many layers it holds with training, and depth."""
    layers = len(trained) // len(TRENDS)
    sparser, closer = (sum(m.holds for m in part) for part in (trained[:layers], trained[layers:]))
    return (
        f"with training zeros increase in {sparser} and entropy falls in {closer} of {name}'s "
        f"{layers} conv layers; {'; '.join(m.says for m in deep)}"
    )


def _trends(run: Run) -> list[Trend]:
    layers = [str(name) for name in run.epochs["layers"].iloc[-1]]
    return [
        trend(layer, quantity, [float(row[place]) for row in run.epochs[quantity]])
        for quantity in TRENDS
        for place, layer in enumerate(layers)
    ]


def _with_training(run: Run) -> list[Measure]:
    """Return, per quantity and layer, whether it moved as expected over the epochs."""
    trends = _trends(run)
    corrected = holm([found.p_value for found in trends])
    return [
        Measure(
            what=f"{run.name} {found.layer}: {WORDS[found.quantity]}, last minus first epoch",
            value=found.last - found.first,
            n=found.n,
            holds=found.towards and p_value < LEVEL,
            says=f"{run.name} {found.layer}'s {WORDS[found.quantity]} goes from {found.first:.2f} "
            f"to {found.last:.2f} in {found.n} epochs ({p_text(p_value)})",
            p_value=p_value,
        )
        for found, p_value in zip(trends, corrected, strict=True)
    ]


def _with_depth(run: Run) -> list[Measure]:
    """Return whether the last conv layer is sparser and more local than the first."""
    measures = []
    for quantity, sign in TRENDS.items():
        values = [float(value) for value in run.epochs[quantity].iloc[-1]]
        measures.append(
            Measure(
                what=f"{run.name}: {WORDS[quantity]}, last minus first conv layer, last epoch",
                value=values[-1] - values[0],
                n=len(values),
                holds=sign * (values[-1] - values[0]) > 0,
                says=f"after training {run.name}'s {WORDS[quantity]} is {values[0]:.2f} in its "
                f"first and {values[-1]:.2f} in its last conv layer",
            )
        )
    return measures


def filters_are_smooth(evidence: Evidence) -> Finding:
    """Claim 17: first-layer filters are smoother than noise."""
    runs = evidence.runs(*NETS)
    measures = [_smoothness_of(run, evidence.seed) for run in runs]
    return Finding(tuple(measures), tuple(run.source(shelf.HISTORY) for run in runs))


def _smoothness_of(run: Run, seed: int) -> Measure:
    from scipy.stats import ttest_1samp

    every = smoothness(epoch_filters(shelf.read_history(run.folder))[-1])
    values = every[np.isfinite(every)].astype(float)
    mean, interval = float(values.mean()), mean_interval(values, seed)
    p_value = float(ttest_1samp(values, WHITE_SMOOTHNESS, alternative="greater").pvalue)
    return Measure(
        what=f"{run.name}: mean smoothness of the first layer's filters",
        value=mean,
        n=len(values),
        holds=p_value < LEVEL,
        says=f"{run.name}'s {len(values)} filters have a smoothness of {mean:.2f} "
        f"({span(interval, '{:.2f}'.format)}) where white noise has {WHITE_SMOOTHNESS:.2f} "
        f"(smoother: {p_text(p_value)})",
        interval=interval,
        p_value=p_value,
    )


CLAIMS = (
    Claim(
        16,
        "Activation maps grow sparser and more localised as training advances, and with depth.",
        where="Figure 9",
        reported="pictures only",
        statistic="share of exact zeros and spatial entropy after each conv layer's ReLU",
        rule="zeros rise and entropy falls over the epochs (Spearman, one-sided, 5%, Holm within "
        "each network; epochs are not independent); and the last conv layer exceeds the first",
        test=sparser_and_more_local,
    ),
    Claim(
        17,
        "First-layer filters are smooth and without noise.",
        where="Figure 10",
        reported="pictures only",
        statistic="mean share of a filter's spectral energy below 1/4 cycle per pixel",
        rule="above that of white noise (one-sided t-test over filters, 5%)",
        test=filters_are_smooth,
    ),
)
