"""Claims on accuracy: how high, deep against shallow, more layers, HOG."""

from __future__ import annotations

from collections.abc import Callable

from fermodels.nets.paired import bootstrap_difference, holm, mcnemar
from fermodels.nets.paper import DEPTH_GAIN, REPORTED
from fermodels.nets.shelf import METRICS, PREDICTIONS
from train.claim_evidence import (
    LEVEL,
    Claim,
    Evidence,
    Finding,
    Measure,
    p_text,
    percent,
    points,
    span,
)

MARGIN = 0.02
"""Accuracies closer than this count as about the same; the paper gives its own in whole percent,
and one standard error of an accuracy on 3,589 faces is 0.008."""


def reaches(name: str) -> Callable[[Evidence], Finding]:
    """Return the test of claims 3 and 4: a network is as accurate as reported."""

    def test(evidence: Evidence) -> Finding:
        run, quoted = evidence.run(name), REPORTED[name]
        measures = []
        for split, wanted in (("validation", quoted.validation), ("test", quoted.test)):
            figures = run.metrics[split]
            interval = figures["interval"][0], figures["interval"][1]
            place = "below" if interval[1] < wanted else "above" if interval[0] > wanted else "at"
            measures.append(
                Measure(
                    what=f"{name}: {split} accuracy",
                    value=figures["accuracy"],
                    n=figures["n"],
                    holds=interval[1] >= wanted,
                    says=f"{split} accuracy is {percent(figures['accuracy'])} "
                    f"({span(interval)}), {place} the paper's {wanted:.0%}",
                    interval=interval,
                )
            )
        return Finding(tuple(measures), (run.source(METRICS),))

    return test


def deep_gains(evidence: Evidence) -> Finding:
    """Claim 5: deep beats shallow on validation, by 18.46% of shallow's accuracy."""
    pair = evidence.pair("deep", "shallow", "validation")
    answers = pair.labels, pair.first, pair.second
    gain = bootstrap_difference(*answers, "relative-accuracy", seed=evidence.seed)
    better = mcnemar(*answers, "greater")
    interval = gain.low, gain.high
    size = Measure(
        what="relative gain in validation accuracy, deep over shallow",
        value=gain.value,
        n=gain.n,
        holds=gain.low <= DEPTH_GAIN <= gain.high,
        says=f"deep's validation accuracy is {percent(gain.value)} higher in relative terms "
        f"({span(interval)}) where the paper has {DEPTH_GAIN:.2%}",
        interval=interval,
    )
    direction = Measure(
        what="faces that only deep gets right, of those that one net gets right",
        value=better.only_first / max(1, better.only_first + better.only_second),
        n=better.only_first + better.only_second,
        holds=better.p_value < LEVEL,
        says=f"{better.only_first} faces are right only by deep, {better.only_second} only by "
        f"shallow ({p_text(better.p_value)})",
        p_value=better.p_value,
    )
    return Finding((size, direction), _sources(evidence, "deep", "shallow"))


def more_layers_do_not_help(evidence: Evidence) -> Finding:
    """Claim 8: with 5 and 6 conv layers accuracy is no better than with 4."""
    names = ("deep-5", "deep-6")
    evidence.runs(*names, "deep")
    pairs = {name: evidence.pair(name, "deep", "test") for name in names}
    tests = {n: mcnemar(p.labels, p.first, p.second, "greater") for n, p in pairs.items()}
    corrected = holm([found.p_value for found in tests.values()])
    measures = []
    for (name, pair), p_value in zip(pairs.items(), corrected, strict=True):
        gain = bootstrap_difference(pair.labels, pair.first, pair.second, seed=evidence.seed)
        interval = gain.low, gain.high
        measures.append(
            Measure(
                what=f"test accuracy, {name} minus deep",
                value=gain.value,
                n=gain.n,
                holds=p_value >= LEVEL,
                says=f"{name} differs from deep by {points(gain.value)} "
                f"({span(interval, points)}; better: {p_text(p_value)})",
                interval=interval,
                p_value=p_value,
            )
        )
    return Finding(tuple(measures), _sources(evidence, *names, "deep"))


def hog_changes_nothing(name: str) -> Callable[[Evidence], Finding]:
    """Return the test of claims 13 and 14: with HOG a network is as accurate as without."""

    def test(evidence: Evidence) -> Finding:
        hybrid = f"hybrid-{name}"
        pair = evidence.pair(hybrid, name, "test")
        answers = pair.labels, pair.first, pair.second
        differs = mcnemar(*answers)
        # two one-sided tests at 5% are a 90% interval within the margin (Schuirmann 1987)
        gain = bootstrap_difference(*answers, level=1 - 2 * LEVEL, seed=evidence.seed)
        interval = gain.low, gain.high
        size = f"90% {points(gain.low)} to {points(gain.high)}"
        same = Measure(
            what=f"test accuracy, {hybrid} minus {name}",
            value=gain.value,
            n=gain.n,
            holds=gain.low > -MARGIN and gain.high < MARGIN,
            says=f"HOG changes {name}'s test accuracy by {points(gain.value)} ({size})",
            interval=interval,
        )
        unseen = Measure(
            what=f"McNemar's test of {hybrid} against {name}",
            value=differs.only_first - differs.only_second,
            n=differs.n,
            holds=differs.p_value >= LEVEL,
            says=f"{differs.only_first} faces are right only with HOG, {differs.only_second} only "
            f"without ({p_text(differs.p_value)})",
            p_value=differs.p_value,
        )
        return Finding((same, unseen), _sources(evidence, hybrid, name))

    return test


def _sources(evidence: Evidence, *names: str) -> tuple[str, ...]:
    return tuple(run.source(PREDICTIONS) for run in evidence.runs(*names))


def _reach_claim(number: int, name: str) -> Claim:
    quoted = REPORTED[name]
    figures = f"{quoted.validation:.0%} on validation and {quoted.test:.0%} on test"
    return Claim(
        number,
        f"The {name} network reaches {figures}.",
        where="text, Figure 5",
        reported=figures,
        statistic="accuracy with its Wilson interval",
        rule="the 95% interval is not below the paper's figure",
        test=reaches(name),
    )


def _hog_claim(number: int, name: str, figure: str) -> Claim:
    return Claim(
        number,
        f"HOG features do not change the accuracy of the {name} network.",
        where=figure,
        reported="about the same accuracy, no figure",
        statistic="test accuracy with HOG minus without, paired",
        rule=f"90% interval within {100 * MARGIN:.0f} points of 0 (equivalence at 5%); and no "
        "difference by McNemar's exact test",
        test=hog_changes_nothing(name),
    )


CLAIMS = (
    _reach_claim(3, "shallow"),
    _reach_claim(4, "deep"),
    Claim(
        5,
        f"Depth raises validation accuracy by {DEPTH_GAIN:.2%}.",
        where="text, Figure 5",
        reported=f"{DEPTH_GAIN:.2%}, of {REPORTED['shallow'].validation:.0%}",
        statistic="relative gain in validation accuracy, paired bootstrap",
        rule="its 95% interval holds the paper's figure; and deep is better by McNemar's exact "
        "one-sided test at 5%",
        test=deep_gains,
    ),
    Claim(
        8,
        "Five and six conv layers do not improve accuracy over four.",
        where="text",
        reported="no better, no figure",
        statistic="test accuracy minus that of four layers, paired",
        rule="not better by McNemar's exact one-sided test at 5%, Holm over the two",
        test=more_layers_do_not_help,
    ),
    _hog_claim(13, "shallow", "Figure 7"),
    _hog_claim(14, "deep", "Figure 8"),
)
