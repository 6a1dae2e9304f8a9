"""Claims on accuracy: how high, deep against shallow, more layers, HOG."""

from __future__ import annotations

from collections.abc import Callable

from fermodels.evaluation.metrics import wilson_interval
from fermodels.evaluation.paired_tests import bootstrap_difference, holm, mcnemar
from fermodels.evaluation.paper import DEPTH_GAIN, REPORTED
from fermodels.nets.catalog import METRICS, PREDICTIONS
from train.claims.evidence import (
    LEVEL,
    MARGIN,
    ONE_SIDED,
    SPLITS,
    Claim,
    ClaimEvidence,
    Finding,
    Measure,
    Pair,
    no_better,
    p_text,
    percent,
    points,
    reaches,
    same,
    shown,
    span,
    unlike_training,
)

Z_ONE_SIDED = 1.6448536269514722
"""Normal quantile of a one-sided test at LEVEL."""


def reported_accuracy(name: str) -> Callable[[ClaimEvidence], Finding]:
    """Return the test of claims 3 and 4: a network is as accurate as reported."""

    def test(evidence: ClaimEvidence) -> Finding:
        run, quoted = evidence.run(name), REPORTED[name]
        measures = []
        for split, wanted in zip(SPLITS, (quoted.validation, quoted.test), strict=True):
            figures = run.metrics[split]
            interval = wilson_interval(figures["correct"], figures["n"], Z_ONE_SIDED)
            place = "below" if interval[1] < wanted else "above" if interval[0] > wanted else "at"
            measures.append(
                Measure(
                    part=f"{wanted:.0%} on {split}",
                    what=f"{name}: accuracy",
                    value=figures["accuracy"],
                    n=figures["n"],
                    holds=reaches(interval, wanted),
                    says=f"{percent(figures['accuracy'])} ({span(interval, ONE_SIDED)}), {place} "
                    f"the paper's {wanted:.0%}",
                    split=split,
                    interval=interval,
                    level=ONE_SIDED,
                )
            )
        return Finding(tuple(measures), (run.source(METRICS),))

    return test


def deep_gains(evidence: ClaimEvidence) -> Finding:
    """Claim 5: deep beats shallow on validation, by 18.46% of shallow's accuracy."""
    pairs = {split: evidence.pair("deep", "shallow", split) for split in SPLITS}
    sizes = [_relative_gain(pair, split, evidence.seed) for split, pair in pairs.items()]
    is_better = [_is_better(pair, split) for split, pair in pairs.items()]
    return Finding((*sizes, *is_better), _sources(evidence, "deep", "shallow"))


def _relative_gain(pair: Pair, split: str, seed: int) -> Measure:
    predictions = pair.labels, pair.first, pair.second
    gain = bootstrap_difference(*predictions, "relative-accuracy", level=ONE_SIDED, seed=seed)
    interval = gain.low, gain.high
    margin = MARGIN / REPORTED["shallow"].validation  # the same margin, relative to shallow's
    return Measure(
        part="by as much as reported",
        what="relative gain in accuracy, deep over shallow",
        value=gain.value,
        n=gain.n,
        holds=reaches(interval, DEPTH_GAIN, margin),
        says=f"{split} accuracy is {percent(gain.value)} higher in relative terms "
        f"({span(interval, ONE_SIDED)}) where the paper has {DEPTH_GAIN:.2%}",
        split=split,
        interval=interval,
        level=ONE_SIDED,
    )


def _is_better(pair: Pair, split: str) -> Measure:
    predictions = pair.labels, pair.first, pair.second
    better, worse = mcnemar(*predictions, "greater"), mcnemar(*predictions, "less")
    decided = better.only_first + better.only_second
    return Measure(
        part="deep is better",
        what="faces that only deep gets right, of those that one net gets right",
        value=better.only_first / max(1, decided),
        n=decided,
        holds=shown(better.p_value, worse.p_value),
        says=f"of the {split} faces {better.only_first} are right only by deep, "
        f"{better.only_second} only by shallow ({p_text(better.p_value)})",
        split=split,
        p_value=better.p_value,
    )


def more_layers_do_not_help(evidence: ClaimEvidence) -> Finding:
    """Claim 8: with 5 and 6 conv layers accuracy is no better than with 4."""
    names = ("deep-5", "deep-6")
    evidence.runs(*names, "deep")
    measures = []
    for split in SPLITS:
        pairs = {name: evidence.pair(name, "deep", split) for name in names}
        tests = [mcnemar(p.labels, p.first, p.second, "greater") for p in pairs.values()]
        corrected = holm([test.p_value for test in tests])
        for (name, pair), p_value in zip(pairs.items(), corrected, strict=True):
            value, interval = _difference(pair, evidence.seed)
            measures.append(
                Measure(
                    part=f"{name} against deep",
                    what=f"accuracy, {name} minus deep",
                    value=value,
                    n=len(pair.labels),
                    holds=no_better(interval, p_value),
                    says=f"{split} {points(value)} ({span(interval, ONE_SIDED, points)}; better: "
                    f"{p_text(p_value)})",
                    split=split,
                    interval=interval,
                    level=ONE_SIDED,
                    p_value=p_value,
                )
            )
    return Finding(tuple(measures), _sources(evidence, *names, "deep"))


def _difference(pair: Pair, seed: int) -> tuple[float, tuple[float, float]]:
    """Return the difference in accuracy, first minus second, and its interval at ONE_SIDED."""
    gain = bootstrap_difference(pair.labels, pair.first, pair.second, level=ONE_SIDED, seed=seed)
    return gain.value, (gain.low, gain.high)


def hog_changes_nothing(name: str) -> Callable[[ClaimEvidence], Finding]:
    """Return the test of claims 13 and 14: with HOG a network is as accurate as without."""

    def test(evidence: ClaimEvidence) -> Finding:
        hybrid = f"hybrid-{name}"
        pairs = {split: evidence.pair(hybrid, name, split) for split in SPLITS}
        measures = [_same(hybrid, name, p, s, "paper", evidence.seed) for s, p in pairs.items()]
        sources = _sources(evidence, hybrid, name)
        if shipped := evidence.shipped_runs(hybrid, name):
            recipe = shipped[0].recipe
            for split in SPLITS:
                pair = evidence.pair_of(shipped[0], shipped[1], split)
                measures.append(_same(hybrid, name, pair, split, recipe, evidence.seed))
            sources += tuple(run.source(PREDICTIONS) for run in shipped)
        return Finding(tuple(measures), sources)

    return test


def _same(hybrid: str, name: str, pair: Pair, split: str, recipe: str, seed: int) -> Measure:
    differs = mcnemar(pair.labels, pair.first, pair.second)
    value, interval = _difference(pair, seed)
    by_paper = recipe == "paper"
    return Measure(
        part=f"{hybrid} against {name}" + ("" if by_paper else f" by the {recipe} recipe"),
        what=f"accuracy, {hybrid} minus {name}",
        value=value,
        n=differs.n,
        holds=same(interval, differs.p_value),
        says=f"{split} {points(value)} ({span(interval, ONE_SIDED, points)}; "
        f"{differs.only_first} faces right only with HOG, {differs.only_second} only without, "
        f"{p_text(differs.p_value)})",
        split=split,
        recipe=recipe,
        judged=by_paper,
        interval=interval,
        level=ONE_SIDED,
        p_value=differs.p_value,
    )


def _sources(evidence: ClaimEvidence, *names: str) -> tuple[str, ...]:
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
        rule=f"holds if the accuracy is shown to be at most {_MARGIN} below the paper's figure, "
        f"fails if shown to be below it (one-sided tests at {LEVEL:.0%})",
        test=reported_accuracy(name),
    )


def _hog_claim(number: int, name: str, figure: str) -> Claim:
    return Claim(
        number,
        f"HOG features do not change the accuracy of the {name} network.",
        where=figure,
        reported="about the same accuracy, no figure",
        statistic="accuracy with HOG minus without, paired",
        rule=f"holds if the difference is shown to lie within {_MARGIN} of 0 (two one-sided tests "
        f"at {LEVEL:.0%}); else fails if McNemar's exact two-sided test finds one at {LEVEL:.0%}",
        test=hog_changes_nothing(name),
        confounds=unlike_training(f"hybrid-{name}", name),
    )


_MARGIN = f"{100 * MARGIN:.0f} points"
CLAIMS = (
    _reach_claim(3, "shallow"),
    _reach_claim(4, "deep"),
    Claim(
        5,
        f"Depth raises validation accuracy by {DEPTH_GAIN:.2%}.",
        where="text, Figure 5",
        reported=f"{DEPTH_GAIN:.2%}, of {REPORTED['shallow'].validation:.0%}",
        statistic="relative gain in accuracy, paired bootstrap; McNemar's exact test",
        rule=f"holds if the gain is shown to be at most {_MARGIN} of accuracy below the paper's, "
        f"fails if shown to be below it (one-sided at {LEVEL:.0%}); and deep is better, or worse, "
        f"by McNemar's exact one-sided test at {LEVEL:.0%}",
        test=deep_gains,
        confounds=unlike_training("shallow", "deep"),
    ),
    Claim(
        8,
        "Five and six conv layers do not improve accuracy over four.",
        where="text",
        reported="no better, no figure",
        statistic="accuracy minus that of four layers, paired",
        rule=f"holds if the gain is shown to be below {_MARGIN} (one-sided at {LEVEL:.0%}); else "
        f"fails if McNemar's exact one-sided test finds a gain at {LEVEL:.0%}, Holm over the two",
        test=more_layers_do_not_help,
        confounds=unlike_training("deep-5", "deep-6", "deep"),
    ),
    _hog_claim(13, "shallow", "Figure 7"),
    _hog_claim(14, "deep", "Figure 8"),
)
