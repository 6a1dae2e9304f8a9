"""What follows from measurements of an attribution: whether to trust it, and why.

The one place where the rules stand. `fermodels.xai.trust.judge` measures, the scorecards keep what
was measured, and both ask here. Every check can fail and every check can find too little to go
by; the interval decides, never the mean alone. Nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fermodels.evaluation.metrics import wilson_interval

Floats = NDArray[np.float64]

LIMIT = 0.5
"""Rank correlation above which two maps count as similar: a quarter of the variance is shared."""
MARGINS: Mapping[str, float] = {"gap": 0.02, "road": 0.04}
"""Smallest lead over a control that counts. Two maps of pure noise differ by up to this much on
48 faces of FER-2013 (1.96 standard errors of their difference on the network deep)."""
INCOMPLETE = 0.05
"""Mean completeness error above which a map breaks the promise of its sum."""
MIN_FACES = 12
"""Faces that every check asks for."""
SKILL = 1 / 6
"""Share of the way from chance to perfect that a network must surely have come. Networks of
random weights came up to 0.12 on the sample faces (accuracy 0.25 of 60 networks): their answers
to like faces are alike, so that a binomial test would call some of them better than chance."""
ALPHA = 0.05
"""Probability with which a method, or any of a family of methods, is trusted by luck."""
RESAMPLES = 2000
"""Bootstrap resamples behind an interval."""

PASSES, NOT_ENOUGH = "passes all checks", "not enough evidence"
UNTRAINED = "network learned nothing"
BLIND_TO_FACE, BLIND_TO_CLASS = "ignores the face", "ignores the class"
BLIND_TO_WEIGHTS = "fails randomisation"
NOT_ABOVE: Mapping[str, str] = {
    "random": "not above chance", "edge": "not above edges", "template": "not above template",
}  # fmt: skip
"""Control -> what a badge says of a map that does not beat it."""
BROKEN_SUM = "sum is off"
WORDS = (
    PASSES, NOT_ENOUGH, UNTRAINED, BLIND_TO_FACE, BLIND_TO_CLASS, BLIND_TO_WEIGHTS,
    *NOT_ABOVE.values(), BROKEN_SUM,
)  # fmt: skip
"""Everything a badge can say; three words at most."""

RIVALS = (("gap", "random"), ("gap", "edge"), ("gap", "template"),
          ("road", "random"), ("road", "template"))  # fmt: skip
"""(metric, control) that a map must beat, all of them.

Deletion and insertion leave holes that no face has; ROAD fills them in, but by its filling favours
maps along edges, which are what neighbours cannot give back. An artefact of one is not one of the
other: a map must win by both, but need not beat edges where edges win by the filling alone.
"""
PAIRED = ("other-face", "random-logit", "randomisation-top", "randomisation")
"""Values of which two consecutive ones belong to one pair of faces."""
_CONTROL = {
    "random": "random maps", "edge": "the edges of the face",
    "template": "one fixed map, the mean of its own maps of the other faces",
}  # fmt: skip
_METRIC = {"gap": "insertion minus deletion", "road": "ROAD"}


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95% interval."""

    mean: float
    low: float
    high: float
    n: int
    """Faces behind it."""

    def __str__(self) -> str:
        return f"{self.mean:.2f} (95% {self.low:.2f} to {self.high:.2f}, {self.n} faces)"


def estimate(values: NDArray[np.floating], each: int = 1) -> Estimate:
    """Return the mean with its 95% cluster bootstrap interval.

    Percentiles are widened for few clusters as Student's t is against the normal (Hesterberg
    2015, section 5.3.1), or an interval from a dozen would hold the truth too rarely. Resampling
    is seeded. Where all values agree the interval is that value.

    Args:
        values: one per face.
        each: consecutive values that form one cluster; they are resampled together.
    """
    from scipy.stats import bootstrap, norm, t

    values = np.asarray(values, np.float64)
    clusters = values.reshape(-1, each).mean(1)
    mean, k = float(clusters.mean()), len(clusters)
    if k < 2 or np.ptp(clusters) < 1e-12:
        return Estimate(mean, mean, mean, len(values))
    level = 2 * norm.cdf(np.sqrt(k / (k - 1)) * t.ppf(0.975, k - 1)) - 1
    interval = bootstrap(
        (clusters,), np.mean, n_resamples=RESAMPLES, method="percentile",
        confidence_level=float(level), rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    return Estimate(mean, float(interval.low), float(interval.high), len(values))


def proportion(count: int, n: int) -> Estimate:
    """Return a share with its Wilson interval: 8 of 8 is not certainty."""
    return Estimate(count / n if n else 0.0, *wilson_interval(count, n), n)


@dataclass(frozen=True)
class ReadingScore:
    """How a network reads labelled faces: one that learned nothing has nothing to explain."""

    correct: int
    n: int
    chance: float
    """What the best constant answer scores."""

    @property
    def accuracy(self) -> Estimate:
        """The share read right."""
        return proportion(self.correct, self.n)

    @property
    def needed(self) -> float:
        """The accuracy that must surely be exceeded; see SKILL."""
        return self.chance + SKILL * (1 - self.chance)


@dataclass(frozen=True, eq=False)
class TrustEvidence:
    """What was measured of one attribution on one network: enough to judge it anew."""

    values: Mapping[str, Floats]
    """``gap``, ``road``, those of PAIRED (signed rank correlations) and, where a sum is promised,
    ``completeness-error``: one value per face, of the first faces."""
    rivals: Mapping[str, Mapping[str, Floats]]
    """Control (``random``, ``edge``, ``template``) -> ``gap`` and ``road``, of as many faces or
    more."""
    learned: ReadingScore

    def lead(self, metric: str, control: str) -> Floats:
        """Return by how much the map beats a control, face by face."""
        mine = self.values[metric]
        return np.asarray(mine - self.rivals[control][metric][: len(mine)])

    @property
    def luck(self) -> float:
        """The probability that a map which does not beat every rival would seem to do so.

        The largest of the one-sided p-values of RIVALS (t-tests against MARGINS): all must be
        beaten, so that the largest holds for all of them together (Berger 1982).
        """
        return max(_p_value(self.lead(m, control), MARGINS[m]) for m, control in RIVALS)


def _p_value(lead: Floats, margin: float) -> float:
    """Return the p-value of "the mean lead is at most the margin"."""
    from scipy.stats import ttest_1samp

    if len(lead) < 2:
        return 1.0
    if np.ptp(lead) < 1e-12:
        return 0.0 if lead.mean() > margin else 1.0
    return float(ttest_1samp(lead, margin, alternative="greater").pvalue)


@dataclass(frozen=True)
class Verdict:
    """Whether an attribution's maps of one network deserve belief."""

    trusted: bool | None
    """True: every check is passed. False: one is failed. None: not enough evidence for either."""
    words: str
    """The verdict for a badge, one of WORDS."""
    reasons: tuple[str, ...]
    """A sentence for each check with its figures: failed ones first, then open, then passed."""
    figures: Mapping[str, Estimate]
    """What was measured, by name, with intervals."""


@dataclass(frozen=True)
class _Check:
    words: str
    """For the badge of what fails it."""
    passed: bool | None
    sentence: str


def verdict_of(evidence: TrustEvidence, luck: float | None = None, family: int = 1) -> Verdict:
    """Judge what was measured.

    Args:
        evidence: of one attribution.
        luck: ``evidence.luck`` corrected by Holm for the methods judged together; by itself if
            None.
        family: how many are judged together.
    """
    checks = [
        _learned(evidence.learned),
        _low_similarity(evidence, "other-face", BLIND_TO_FACE, "two faces' maps of one expression"),
        _low_similarity(
            evidence, "random-logit", BLIND_TO_CLASS, "one face's maps of two expressions"
        ),
        _low_similarity(
            evidence, "randomisation-top", BLIND_TO_WEIGHTS,
            "maps before and after all layers above the convolutions were made random",
        ),
        _low_similarity(
            evidence, "randomisation", BLIND_TO_WEIGHTS,
            "maps before and after all weights were made random",
        ),
        *_leads(evidence, evidence.luck if luck is None else luck, family),
    ]  # fmt: skip
    if "completeness-error" in evidence.values:
        checks.append(_complete(evidence.values["completeness-error"]))
    ordered = sorted(checks, key=lambda check: (check.passed is not False, check.passed is True))
    worst = ordered[0]
    return Verdict(
        worst.passed,
        {True: PASSES, False: worst.words, None: NOT_ENOUGH}[worst.passed],
        tuple(check.sentence for check in ordered),
        figures(evidence),
    )


def figures(evidence: TrustEvidence) -> dict[str, Estimate]:
    """Return the figures behind a verdict: sizes of correlations, leads, and what they are of.

    ``NAME-signed`` are correlations with their signs, which cancel over faces and judge nothing.
    """
    values = evidence.values
    estimates = {"accuracy": evidence.learned.accuracy}
    if len(values[PAIRED[0]]):  # of one face there is no pair
        estimates |= {name: estimate(_size(name, values[name]), 2) for name in PAIRED}
        estimates |= {f"{name}-signed": estimate(values[name], 2) for name in PAIRED}
    estimates |= {
        f"{metric}-over-{control}": estimate(evidence.lead(metric, control))
        for metric, control in RIVALS
    }
    also = [name for name in ("gap", "road", "completeness-error") if name in values]
    return estimates | {name: estimate(values[name]) for name in also}


def _size(name: str, correlations: Floats) -> Floats:
    """Return the similarity of maps, 0 to 1.

    Random weights may turn a map's sign, which leaves the picture as it was; another class's
    map that is the opposite does depend on the class.
    """
    return np.clip(correlations, 0, None) if name == "random-logit" else np.abs(correlations)


def _learned(learned: ReadingScore) -> _Check:
    sentence = (
        f"The network reads {learned.correct} of {learned.n} labelled faces right; a constant "
        f"answer scores {learned.chance:.0%}."
    )
    if learned.n < MIN_FACES:
        return _Check(UNTRAINED, None, _few("Whether the network learned anything", learned.n))
    accuracy = learned.accuracy
    passed = _decide(pass_=accuracy.low > learned.needed, fail=accuracy.high < learned.needed)
    opening = {
        True: "", False: "The network hardly beats chance: there is nothing to explain. ",
        None: "Whether the network learned anything is open. ",
    }[passed]  # fmt: skip
    return _Check(UNTRAINED, passed, opening + sentence)


def _low_similarity(evidence: TrustEvidence, name: str, words: str, what: str) -> _Check:
    if (n := len(evidence.values[name])) < MIN_FACES:
        return _Check(words, None, _few(f"How alike {what} are", n))
    correlation = estimate(_size(name, evidence.values[name]), 2)
    passed = _decide(pass_=correlation.high < LIMIT, fail=correlation.low > LIMIT)
    sentence = f"{what} correlate {correlation}; the limit is {LIMIT}."
    if passed is None:
        return _Check(words, None, f"Too close to call: {sentence}")
    opening = "The maps differ as they should" if passed else f"It {_third(words)}"
    return _Check(words, passed, f"{opening}: {sentence}")


def _third(words: str) -> str:
    return words if words.startswith("ignores") else "survives randomisation"


def _leads(evidence: TrustEvidence, luck: float, family: int) -> list[_Check]:
    checks = []
    for metric, control in RIVALS:
        lead, margin = evidence.lead(metric, control), MARGINS[metric]
        mean_lead = estimate(lead)
        against = f"{_CONTROL[control]} by {_METRIC[metric]}"
        if mean_lead.n < MIN_FACES:
            checks.append(
                _Check(NOT_ABOVE[control], None, _few(f"Its lead over {against}", mean_lead.n))
            )
            continue
        alone = min(1.0, family * _p_value(lead, margin))
        sentence = (
            f"its best pixels lead {against} by {mean_lead.mean:+.2f} (95% {mean_lead.low:+.2f} to "
            f"{mean_lead.high:+.2f}, {mean_lead.n} faces); {margin} is asked."
        )
        if luck < ALPHA or alone < ALPHA:
            checks.append(_Check(NOT_ABOVE[control], True, f"It beats a control: {sentence}"))
        elif mean_lead.high <= margin:
            checks.append(_Check(NOT_ABOVE[control], False, f"It is no better: {sentence}"))
        else:
            tests = f" in {family} methods" if family > 1 else ""
            checks.append(_Check(NOT_ABOVE[control], None, f"Too close to call{tests}: {sentence}"))
    return checks


def _complete(errors: Floats) -> _Check:
    error = estimate(errors)
    if error.n < MIN_FACES:
        return _Check(BROKEN_SUM, None, _few("Whether its sum comes out", error.n))
    sentence = (
        f"its sum misses the score's change by {error.mean:.1%} (95% {error.low:.1%} to "
        f"{error.high:.1%}, {error.n} faces); the limit is {INCOMPLETE:.0%}."
    )
    passed = _decide(pass_=error.high < INCOMPLETE, fail=error.low > INCOMPLETE)
    opening = {True: "It adds up", False: "It does not add up", None: "Too close to call"}[passed]
    return _Check(BROKEN_SUM, passed, f"{opening}: {sentence}")


def _decide(*, pass_: bool, fail: bool) -> bool | None:
    """Return what the interval says; None where it spans the limit."""
    return True if pass_ else False if fail else None


def _few(what: str, n: int) -> str:
    return f"{what} was measured on {n} faces only: {MIN_FACES} are asked."
