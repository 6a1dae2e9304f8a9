"""Claims on single expressions: which are easy, which gain by depth, which are confused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS
from fermodels.evaluation.metrics import Z_95, newcombe_interval, wilson_interval
from fermodels.evaluation.paired_tests import Difference, bootstrap_difference, holm, mcnemar
from fermodels.evaluation.paper import REPORTED
from fermodels.nets.catalog import METRICS, PREDICTIONS
from train.claims.evidence import (
    CONFIDENT,
    LEVEL,
    SPLITS,
    Claim,
    ClaimEvidence,
    Finding,
    Measure,
    RecordedRun,
    p_text,
    percent,
    points,
    positive,
    shown,
    span,
    unlike_training,
)
from train.claims.training import NETS

GAINS = {
    name: REPORTED["deep"].per_expression[name] - REPORTED["shallow"].per_expression[name]
    for name in EMOTIONS
}
"""Table 3: what depth brings to each expression."""
RISING = tuple(name for name, gain in GAINS.items() if gain > 0)
FALLING = tuple(name for name, gain in GAINS.items() if gain < 0)


MISTAKEN_FOR = ("fear", "sad")
"""What angry faces are said to be confused with above all."""


def happy_is_easiest(evidence: ClaimEvidence) -> Finding:
    """Claim 9: both networks are best at happy faces."""
    runs = evidence.runs(*NETS)
    measures = [_lead_of_happy(run, split) for run in runs for split in SPLITS]
    return Finding(tuple(measures), tuple(run.source(METRICS) for run in runs))


def _lead_of_happy(run: RecordedRun, split: str) -> Measure:
    confusion = np.array(run.metrics[split]["confusion_matrix"])
    rows = run.metrics[split]["per_class"]
    rival = max((n for n in EMOTIONS if n != "happy"), key=lambda n: float(rows[n]["accuracy"]))
    happy, next_best = rows["happy"], rows[rival]
    interval = newcombe_interval(
        (happy["correct"], happy["n"]), (next_best["correct"], next_best["n"])
    )
    lead = happy["accuracy"] - next_best["accuracy"]
    fair, fair_interval = lead_less_false_alarms(confusion)
    both = {positive(interval), positive(fair_interval)}
    return Measure(
        part=run.name,
        what=f"{run.name}: accuracy on happy minus that on {rival}, its nearest rival",
        value=lead,
        n=happy["n"] + next_best["n"],
        holds=False if False in both else None if None in both else True,
        says=f"{split} {percent(happy['accuracy'])} of happy faces, "
        f"{percent(next_best['accuracy'])} of {rival} ones ({points(lead)}, "
        f"{span(interval, CONFIDENT, points)}; less false alarms {points(fair)}, "
        f"{span(fair_interval, CONFIDENT, points)})",
        split=split,
        interval=interval,
        level=CONFIDENT,
    )


def lead_less_false_alarms(confusion: NDArray[np.int64]) -> tuple[float, tuple[float, float]]:
    """Return by how much happy leads the next best in Youden's index, and its interval.

    A network that says "happy" more often than any other word is right on more happy faces,
    even if it sees nothing. The index takes that off: the share of a class's faces that are given
    its word, less the share of all other faces that are (Youden 1950). 0 for guessing.

    Args:
        confusion: counts ``(7, 7)``, rows are true classes; every class has faces.
    """
    faces, n = confusion.sum(1), int(confusion.sum())
    hits = np.diag(confusion) / faces
    alarms = (confusion.sum(0) - np.diag(confusion)) / (n - faces)
    index, happy = hits - alarms, EMOTIONS.index("happy")
    rival = int(np.argmax(np.where(np.arange(len(index)) == happy, -np.inf, index)))
    variance = hits * (1 - hits) / faces + alarms * (1 - alarms) / (n - faces)
    lead = float(index[happy] - index[rival])
    reach = Z_95 * float(np.sqrt(variance[happy] + variance[rival]))
    return lead, (lead - reach, lead + reach)


@dataclass(frozen=True)
class Gain:
    """What depth does to one expression."""

    name: str
    split: str
    difference: Difference
    """Accuracy of deep minus shallow on the expression's faces."""
    p_value: float
    """McNemar's exact two-sided test, Holm over the seven."""

    def measure(self, sign: int) -> Measure:
        """Return whether accuracy moved, beyond chance, in the direction of `sign` or against."""
        moved = sign * self.difference.value > 0
        return Measure(
            part=self.name,
            what=f"{self.name}: accuracy, deep minus shallow",
            value=self.difference.value,
            n=self.difference.n,
            holds=moved if self.p_value < LEVEL else None,
            says=f"{self.split} {points(self.difference.value)} ({p_text(self.p_value)}; paper "
            f"{points(GAINS[self.name])})",
            split=self.split,
            interval=(self.difference.low, self.difference.high),
            level=self.difference.level,
            p_value=self.p_value,
        )


def gains_by_depth(evidence: ClaimEvidence, split: str) -> dict[str, Gain]:
    """Compare deep with shallow on a split's faces of each expression."""
    pair = evidence.pair("deep", "shallow", split)
    parts = {name: pair.of_class(label) for label, name in enumerate(EMOTIONS)}
    tests = [mcnemar(part.labels, part.first, part.second) for part in parts.values()]
    corrected = holm([test.p_value for test in tests])
    return {
        name: Gain(
            name,
            split,
            bootstrap_difference(part.labels, part.first, part.second, seed=evidence.seed),
            p_value,
        )
        for (name, part), p_value in zip(parts.items(), corrected, strict=True)
    }


def _moved(evidence: ClaimEvidence, names: tuple[str, ...], sign: int) -> Finding:
    gains = [gains_by_depth(evidence, split) for split in SPLITS]
    sources = tuple(run.source(PREDICTIONS) for run in evidence.runs(*NETS))
    return Finding(tuple(g[name].measure(sign) for name in names for g in gains), sources)


def depth_helps_most(evidence: ClaimEvidence) -> Finding:
    """Claim 10: deep is better for five expressions."""
    return _moved(evidence, RISING, +1)


def depth_hurts_some(evidence: ClaimEvidence) -> Finding:
    """Claim 11: deep is worse for fear and surprise."""
    return _moved(evidence, FALLING, -1)


def angry_looks_like_fear_and_sad(evidence: ClaimEvidence) -> Finding:
    """Claim 12: angry faces are mistaken above all for fear and sad."""
    runs = evidence.runs(*NETS)
    measures = [_confusions_of_angry(run, split) for run in runs for split in SPLITS]
    return Finding(tuple(measures), tuple(run.source(METRICS) for run in runs))


def _confusions_of_angry(run: RecordedRun, split: str) -> Measure:
    row = run.metrics[split]["confusion_matrix"][EMOTIONS.index("angry")]
    wrong = {name: int(n) for name, n in zip(EMOTIONS, row, strict=True) if name != "angry"}
    both, errors = sum(wrong[name] for name in MISTAKEN_FOR), sum(wrong.values())
    leads, lags = lead_of_the_two(wrong)
    ranked = sorted(wrong, key=lambda name: -wrong[name])
    listed = ", ".join(f"{name} {wrong[name]}" for name in ranked[:3])
    return Measure(
        part=run.name,
        what=f"{run.name}: share of angry's errors that are fear or sad",
        value=both / errors if errors else 0.0,
        n=errors,
        holds=shown(leads, lags),
        says=f"{split} {errors} angry faces mistaken, most often for {listed} (both lead: "
        f"{p_text(leads)}; one is behind: {p_text(lags)})",
        split=split,
        interval=wilson_interval(both, errors),
        level=CONFIDENT,
        p_value=leads,
    )


def lead_of_the_two(wrong: dict[str, int]) -> tuple[float, float]:
    """Return the p-values that fear and sad both lead all other errors, and that one does not.

    Exact one-sided binomial tests of two counts. Both lead if each beats each rival, so the
    largest p-value counts; one is behind if any rival beats it, so the smallest does, times the
    number of comparisons.

    Args:
        wrong: wrong answer -> how often it was given.
    """
    from scipy.stats import binomtest

    rivals = [name for name in wrong if name not in MISTAKEN_FOR]
    ahead, behind = [], []
    for name in MISTAKEN_FOR:
        for rival in rivals:
            one, other = wrong[name], wrong[rival]
            if not one + other:
                ahead.append(1.0)
                behind.append(1.0)
                continue
            ahead.append(float(binomtest(one, one + other, alternative="greater").pvalue))
            behind.append(float(binomtest(other, one + other, alternative="greater").pvalue))
    return max(ahead), min(1.0, min(behind) * len(behind))


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}"


def _table_3(names: tuple[str, ...]) -> str:
    shallow, deep = (REPORTED[net].per_expression for net in NETS)
    return ", ".join(f"{name} {shallow[name]:.1%} to {deep[name]:.1%}" for name in names)


_BY_EXPRESSION = (
    f"by McNemar's exact two-sided test on its faces at {LEVEL:.0%}, Holm over all seven, on "
    "either split"
)
CLAIMS = (
    Claim(
        9,
        "Happy is the easiest expression for both networks.",
        where="Table 3, Figures 4 and 6",
        reported=", ".join(f"{n} {REPORTED[n].per_expression['happy']:.1%}" for n in NETS),
        statistic="accuracy on happy minus that on the next best expression; the same less false "
        "alarms (Youden's index), as a word said more often is more often right",
        rule="holds if the intervals of both differences lie above 0, fails if one lies below "
        "(Newcombe; normal)",
        test=happy_is_easiest,
    ),
    Claim(
        10,
        f"The deep network is better for most expressions: {_listed(RISING)}.",
        where="Table 3",
        reported=_table_3(RISING),
        statistic="accuracy per expression, deep minus shallow",
        rule=f"an expression holds if deep is better, fails if it is worse, {_BY_EXPRESSION}",
        test=depth_helps_most,
        confounds=unlike_training(*NETS),
    ),
    Claim(
        11,
        f"The deep network is worse for {_listed(FALLING)}.",
        where="Table 3",
        reported=_table_3(FALLING),
        statistic="accuracy per expression, deep minus shallow",
        rule=f"an expression holds if deep is worse, fails if it is better, {_BY_EXPRESSION}",
        test=depth_hurts_some,
        confounds=unlike_training(*NETS),
    ),
    Claim(
        12,
        "Angry is confused above all with fear and sad.",
        where="Figures 4 and 6",
        reported="two confusion matrices",
        statistic="how often angry faces are called each wrong expression",
        rule="holds if fear and sad are each named more often than any other wrong answer, fails "
        f"if one is named less often than one of them (exact binomial tests at {LEVEL:.0%})",
        test=angry_looks_like_fear_and_sad,
    ),
)
