"""Claims on single expressions: which are easy, which gain by depth, which are confused."""

from __future__ import annotations

from dataclasses import dataclass

from fermodels.data.emotions import EMOTIONS
from fermodels.nets.evaluate import newcombe_interval, wilson_interval
from fermodels.nets.paired import Difference, bootstrap_difference, holm, mcnemar
from fermodels.nets.paper import REPORTED
from fermodels.nets.shelf import METRICS, PREDICTIONS
from train.claim_evidence import (
    LEVEL,
    Claim,
    Evidence,
    Finding,
    Measure,
    Run,
    p_text,
    percent,
    points,
    span,
)
from train.claim_training import NETS

GAINS = {
    name: REPORTED["deep"].per_expression[name] - REPORTED["shallow"].per_expression[name]
    for name in EMOTIONS
}
"""Table 3: what depth brings to each expression."""
RISING = tuple(name for name, gain in GAINS.items() if gain > 0)
FALLING = tuple(name for name, gain in GAINS.items() if gain < 0)


def happy_is_easiest(evidence: Evidence) -> Finding:
    """Claim 9: both networks are best at happy faces."""
    measures = [_lead_of_happy(run) for run in evidence.runs(*NETS)]
    return Finding(tuple(measures), tuple(run.source(METRICS) for run in evidence.runs(*NETS)))


def _lead_of_happy(run: Run) -> Measure:
    rows = run.metrics["test"]["per_class"]
    rival = max((n for n in EMOTIONS if n != "happy"), key=lambda n: float(rows[n]["accuracy"]))
    happy, next_best = rows["happy"], rows[rival]
    interval = newcombe_interval(
        (happy["correct"], happy["n"]), (next_best["correct"], next_best["n"])
    )
    lead = happy["accuracy"] - next_best["accuracy"]
    return Measure(
        what=f"{run.name}: test accuracy on happy minus that on {rival}, its nearest rival",
        value=lead,
        n=happy["n"] + next_best["n"],
        holds=interval[0] > 0,
        says=f"{run.name} is right on {percent(happy['accuracy'])} of happy faces and on "
        f"{percent(next_best['accuracy'])} of {rival} ones ({points(lead)}, "
        f"{span(interval, points)})",
        interval=interval,
    )


@dataclass(frozen=True)
class Gain:
    """What depth does to one expression."""

    name: str
    difference: Difference
    """Test accuracy of deep minus shallow on the expression's faces."""
    p_value: float
    """McNemar's exact two-sided test, Holm over the seven."""

    def measure(self, sign: int) -> Measure:
        """Return whether accuracy moved, beyond chance, in the direction of `sign`."""
        interval = self.difference.low, self.difference.high
        return Measure(
            what=f"{self.name}: test accuracy, deep minus shallow",
            value=self.difference.value,
            n=self.difference.n,
            holds=sign * self.difference.value > 0 and self.p_value < LEVEL,
            says=f"{self.name} {points(self.difference.value)} ({p_text(self.p_value)}; paper "
            f"{points(GAINS[self.name])})",
            interval=interval,
            p_value=self.p_value,
        )


def gains_by_depth(evidence: Evidence) -> dict[str, Gain]:
    """Compare deep with shallow on the test faces of each expression."""
    pair = evidence.pair("deep", "shallow", "test")
    parts = {name: pair.of_class(label) for label, name in enumerate(EMOTIONS)}
    tests = [mcnemar(part.labels, part.first, part.second) for part in parts.values()]
    corrected = holm([found.p_value for found in tests])
    return {
        name: Gain(
            name,
            bootstrap_difference(part.labels, part.first, part.second, seed=evidence.seed),
            p_value,
        )
        for (name, part), p_value in zip(parts.items(), corrected, strict=True)
    }


def _moved(evidence: Evidence, names: tuple[str, ...], sign: int) -> Finding:
    gains = gains_by_depth(evidence)
    sources = tuple(run.source(PREDICTIONS) for run in evidence.runs(*NETS))
    return Finding(tuple(gains[name].measure(sign) for name in names), sources)


def depth_helps_most(evidence: Evidence) -> Finding:
    """Claim 10: deep is better for five expressions."""
    return _moved(evidence, RISING, +1)


def depth_hurts_some(evidence: Evidence) -> Finding:
    """Claim 11: deep is worse for fear and surprise."""
    return _moved(evidence, FALLING, -1)


def angry_looks_like_fear_and_sad(evidence: Evidence) -> Finding:
    """Claim 12: angry faces are mistaken above all for fear and sad."""
    measures = [_confusions_of_angry(run) for run in evidence.runs(*NETS)]
    return Finding(tuple(measures), tuple(run.source(METRICS) for run in evidence.runs(*NETS)))


def _confusions_of_angry(run: Run) -> Measure:
    from scipy.stats import binomtest

    row = run.metrics["test"]["confusion_matrix"][EMOTIONS.index("angry")]
    wrong = {name: int(n) for name, n in zip(EMOTIONS, row, strict=True) if name != "angry"}
    ranked = sorted(wrong, key=lambda name: -wrong[name])
    rival = next(name for name in ranked if name not in ("fear", "sad"))
    weaker = min(wrong["fear"], wrong["sad"])
    both, errors = wrong["fear"] + wrong["sad"], sum(wrong.values())
    tied = weaker + wrong[rival]
    p_value = float(binomtest(weaker, tied, alternative="greater").pvalue) if tied else 1.0
    listed = ", ".join(f"{name} {wrong[name]}" for name in ranked[:3])
    return Measure(
        what=f"{run.name}: share of angry's test errors that are fear or sad",
        value=both / errors if errors else 0.0,
        n=errors,
        holds=weaker > wrong[rival],
        says=f"{run.name} mistakes {errors} angry faces, most often for {listed} "
        f"(lead of the weaker of fear and sad over {rival}: {p_text(p_value)})",
        interval=wilson_interval(both, errors),
        p_value=p_value,
    )


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}"


def _table_3(names: tuple[str, ...]) -> str:
    shallow, deep = (REPORTED[net].per_expression for net in NETS)
    return ", ".join(f"{name} {shallow[name]:.1%} to {deep[name]:.1%}" for name in names)


_BY_EXPRESSION = (
    "McNemar's exact two-sided test on the expression's test faces, Holm over all seven, 5%"
)
CLAIMS = (
    Claim(
        9,
        "Happy is the easiest expression for both networks.",
        where="Table 3, Figures 4 and 6",
        reported=", ".join(f"{n} {REPORTED[n].per_expression['happy']:.1%}" for n in NETS),
        statistic="accuracy on happy minus that on the next best expression",
        rule="95% interval of the difference above 0 (Newcombe)",
        test=happy_is_easiest,
    ),
    Claim(
        10,
        f"The deep network is better for most expressions: {_listed(RISING)}.",
        where="Table 3",
        reported=_table_3(RISING),
        statistic="accuracy per expression, deep minus shallow",
        rule=f"deep higher; {_BY_EXPRESSION}",
        test=depth_helps_most,
    ),
    Claim(
        11,
        f"The deep network is worse for {_listed(FALLING)}.",
        where="Table 3",
        reported=_table_3(FALLING),
        statistic="accuracy per expression, deep minus shallow",
        rule=f"deep lower; {_BY_EXPRESSION}",
        test=depth_hurts_some,
    ),
    Claim(
        12,
        "Angry is confused above all with fear and sad.",
        where="Figures 4 and 6",
        reported="two confusion matrices",
        statistic="share of angry's errors that are fear or sad",
        rule="fear and sad are each named more often than any other wrong answer",
        test=angry_looks_like_fear_and_sad,
    ),
)
