"""The rules, case by case: each check can pass, fail and find too little to go by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fermodels.xai.trust.verdict import (
    ALPHA,
    LIMIT,
    MARGINS,
    MIN_FACES,
    NOT_ENOUGH,
    PAIRED,
    PASSES,
    RIVALS,
    ReadingScore,
    TrustEvidence,
    estimate,
    proportion,
    verdict_of,
)

N = 24


def around(mean: float, spread: float = 0.05, n: int = N) -> np.ndarray:
    """Values, pairwise of one cluster, whose mean is exactly this."""
    values = np.random.default_rng(1).normal(0, spread, n)
    return mean + values - values.mean()


def evidence(**changes: np.ndarray) -> TrustEvidence:
    """Measurements of a method that passes, but for what is changed."""
    values = {name: around(0.1) for name in PAIRED}
    values |= {"gap": around(0.6), "road": around(0.7), "completeness-error": around(0.01, 0.002)}
    rivals = {
        control: {"gap": around(0.2, 0.01), "road": around(0.2, 0.01)}
        for control in ("random", "edge", "template")
    }
    return TrustEvidence(values | changes, rivals, ReadingScore(150, 280, 1 / 7))


def against(control: str, **theirs: np.ndarray) -> TrustEvidence:
    good = evidence()
    return replace(good, rivals=good.rivals | {control: dict(good.rivals[control]) | theirs})


def test_what_passes_every_check_is_trusted_and_says_why() -> None:
    found = verdict_of(evidence())
    assert (found.trusted, found.words) == (True, PASSES)
    assert len(found.reasons) == 11 and "150 of 280" in found.reasons[0]
    assert any("+0.40" in reason and "24 faces" in reason for reason in found.reasons)


@pytest.mark.parametrize(
    ("judged", "words"),
    [
        (evidence(**{"other-face": around(0.9)}), "ignores the face"),
        (evidence(**{"other-face": around(-0.9)}), "ignores the face"),
        (evidence(**{"random-logit": around(0.9)}), "ignores the class"),
        (evidence(**{"randomisation-top": around(0.8)}), "fails randomisation"),
        (evidence(**{"randomisation": around(0.8)}), "fails randomisation"),
        (against("random", gap=around(0.7)), "not above chance"),
        (against("random", road=around(0.8)), "not above chance"),
        (against("edge", gap=around(0.7)), "not above edges"),
        (against("template", gap=around(0.7)), "not above template"),
        (against("template", road=around(0.8)), "not above template"),
        (evidence(**{"completeness-error": around(0.3)}), "sum is off"),
        (replace(evidence(), learned=ReadingScore(45, 280, 1 / 7)), "network learned nothing"),
    ],
)
def test_every_check_can_fail_alone(judged: TrustEvidence, words: str) -> None:
    found = verdict_of(judged)
    assert (found.trusted, found.words) == (False, words), found.reasons


@pytest.mark.parametrize(
    "judged",
    [
        evidence(**{"other-face": around(LIMIT - 0.001)}),
        evidence(**{"random-logit": around(LIMIT + 0.001)}),
        evidence(**{"randomisation": around(LIMIT - 0.001)}),
        against("edge", gap=evidence().values["gap"] - MARGINS["gap"] - around(0.001, 0.1)),
        against("template", road=evidence().values["road"] - MARGINS["road"] - around(0, 0.2)),
        evidence(**{"completeness-error": around(0.0499, 0.03)}),
        replace(evidence(), learned=ReadingScore(80, 280, 1 / 7)),
    ],
)
def test_a_thousandth_decides_nothing(judged: TrustEvidence) -> None:
    found = verdict_of(judged)
    assert (found.trusted, found.words) == (None, NOT_ENOUGH), found.reasons


def test_signs_that_cancel_over_faces_hide_nothing() -> None:
    turned = np.repeat([1, -1], N // 2) * around(0.9)
    assert abs(turned.mean()) < 0.1
    found = verdict_of(evidence(randomisation=turned))
    assert found.words == "fails randomisation"
    assert (
        abs(found.figures["randomisation-signed"].mean) < 0.1 < found.figures["randomisation"].low
    )


def test_the_opposite_map_does_depend_on_the_class_but_cancels_nobody_elses() -> None:
    assert verdict_of(evidence(**{"random-logit": around(-0.9)})).trusted is True
    half = np.where(np.arange(N) % 2 == 0, -1.0, 1.0)
    assert verdict_of(evidence(**{"random-logit": half})).trusted is None


@pytest.mark.parametrize("name", [*PAIRED, "gap", "road", "completeness-error"])
def test_every_check_asks_for_a_dozen_faces(name: str) -> None:
    few = {name: evidence().values[name][: MIN_FACES - 2]}
    found = verdict_of(evidence(**few))
    assert found.trusted is None and f"10 faces only: {MIN_FACES} are asked" in found.reasons[0]


def test_edges_need_not_be_beaten_by_filling_in() -> None:
    assert verdict_of(against("edge", road=around(0.9))).trusted is True
    assert ("road", "edge") not in RIVALS


def test_a_method_among_many_needs_a_surer_lead() -> None:
    close = against("edge", gap=evidence().values["gap"] - around(0.1, 0.3))
    alone = verdict_of(close)
    assert ALPHA / 22 < close.luck < ALPHA and alone.trusted is True
    among = verdict_of(close, luck=min(1.0, 22 * close.luck), family=22)
    assert among.trusted is None and "in 22 methods" in among.reasons[0]


def test_luck_is_that_of_the_least_sure_lead() -> None:
    assert evidence().luck < 1e-6
    assert against("edge", gap=evidence().values["gap"]).luck == 1


def test_eight_of_eight_is_not_certainty() -> None:
    found = proportion(8, 8)
    assert found.mean == found.high == 1 and 0.6 < found.low < 0.7


def test_the_interval_covers_the_truth_in_about_19_of_20_samples_of_a_dozen() -> None:
    rng = np.random.default_rng(0)
    found = [estimate(rng.normal(3, 1, 12)) for _ in range(200)]
    assert 182 <= sum(one.low <= 3 <= one.high for one in found) <= 198
    assert all(one.low < one.mean < one.high and one.n == 12 for one in found)


def test_faces_of_one_cluster_are_no_more_than_one() -> None:
    """Two values of a pair that say the same must not count as two."""
    values = np.random.default_rng(0).normal(0, 1, 12)
    once, twice = estimate(values), estimate(np.repeat(values, 2), each=2)
    assert (twice.low, twice.high, twice.n) == (once.low, once.high, 24)
    pooled = estimate(np.repeat(values, 2))
    assert pooled.high - pooled.low < 0.8 * (once.high - once.low)


def test_one_value_is_its_own_interval() -> None:
    alone = estimate(np.array([0.5]))
    assert (alone.mean, alone.low, alone.high, alone.n) == (0.5, 0.5, 0.5, 1)
