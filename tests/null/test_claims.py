"""Input in which there is nothing to find: no kind of measure may find something in it.

A rule that holds on noise in about 5 of 100 cases is a test at 5%; each kind is fed many draws of
what deserves to fail.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from fermodels.data.emotions import EMOTIONS, PROBABILITY_COLUMNS
from fermodels.evaluation.metrics import newcombe_interval, wilson_interval
from fermodels.evaluation.paired_tests import bootstrap_difference, mcnemar
from fermodels.nets import catalog
from tests.train.claims.claim_toys import write_world
from train.claims import insides, training
from train.claims.accuracy import CLAIMS as ACCURACY
from train.claims.evidence import (
    ONE_SIDED,
    ClaimEvidence,
    Pair,
    no_better,
    positive,
    reaches,
    rising,
    same,
    shown,
)
from train.claims.expressions import lead_of_the_two
from train.claims.insides import ridge_probe
from train.claims.ledger import CLAIMS, row
from train.claims.maps import smoother_than_noise
from train.claims.search import lead

DRAWS = 100


def share(
    judge: Callable[[np.random.Generator], bool | None], verdict: bool, draws: int = DRAWS
) -> tuple[int, int]:
    """Return in how many of some cases a rule came to a verdict, and of how many."""
    found = [judge(np.random.default_rng(seed)) for seed in range(draws)]
    return sum(one is verdict for one in found), draws


def at_most_5_percent(cases: tuple[int, int]) -> bool:
    """Whether a share is not shown to exceed 5% (exact binomial test at 0.1%)."""
    return float(binomtest(*cases, 0.05, alternative="greater").pvalue) > 0.001


@pytest.fixture
def shuffled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All six runs, with answers that have nothing to do with the labels."""
    monkeypatch.setenv("FER_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("FER_CHECKPOINTS", str(tmp_path / "checkpoints"))
    write_world(tmp_path / "results")
    from train.calibrate import calibrate

    for number, folder in enumerate(sorted(catalog.paper_runs_dir().iterdir())):
        table = catalog.read_predictions(folder)
        order = np.random.default_rng(number).permutation(len(table))
        columns = PROBABILITY_COLUMNS
        table[columns] = table[columns].to_numpy()[order]
        table.to_parquet(folder / catalog.PREDICTIONS)
        calibrate(folder)
    return tmp_path / "results"


@pytest.mark.parametrize("number", [3, 4, 5, 9, 10, 11, 12])
def test_no_claim_of_a_difference_holds_on_shuffled_labels(number: int, shuffled: Path) -> None:
    found = row(CLAIMS[number], ClaimEvidence())
    assert found["verdict"] in ("not reproduced", "inconclusive"), found["why"]
    assert not any(one["holds"] for one in found["measures"]), found["why"]


def answers(rng: np.random.Generator, n: int, gain: float = 0.0) -> Pair:
    """Two networks of 60% accuracy; the first better by `gain`."""
    labels = rng.integers(0, 7, n)
    first = np.where(rng.random(n) < 0.6 + gain, labels, (labels + 1) % 7)
    second = np.where(rng.random(n) < 0.6, labels, (labels + 1) % 7)
    return Pair(labels, first, second)


def test_direction_between_equal_networks_is_found_as_often_as_chance_says() -> None:
    def judge(rng: np.random.Generator) -> bool | None:
        pair = answers(rng, 500)
        tests = [mcnemar(pair.labels, pair.first, pair.second, s) for s in ("greater", "less")]
        return shown(tests[0].p_value, tests[1].p_value)

    assert at_most_5_percent(share(judge, True))
    assert at_most_5_percent(share(judge, False))


@pytest.mark.parametrize("gain", [0.0, 0.1])
def test_few_faces_show_no_equality(gain: float) -> None:
    """Not finding a difference on 100 faces is no proof that there is none."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        pair = answers(rng, 100, gain)
        two = bootstrap_difference(pair.labels, pair.first, pair.second, level=ONE_SIDED)
        differs = mcnemar(pair.labels, pair.first, pair.second)
        better = mcnemar(pair.labels, pair.first, pair.second, "greater")
        assert same((two.low, two.high), differs.p_value) is not True
        if gain:
            assert no_better((two.low, two.high), better.p_value) is not True


def test_a_difference_at_the_margin_passes_as_none_in_one_case_of_twenty() -> None:
    def judge(rng: np.random.Generator) -> bool | None:
        pair = answers(rng, 3589, gain=0.02)
        two = bootstrap_difference(pair.labels, pair.first, pair.second, level=ONE_SIDED)
        return no_better((two.low, two.high), 1.0)

    assert at_most_5_percent(share(judge, True, 60))


def test_accuracy_on_few_faces_neither_reaches_nor_misses_a_figure() -> None:
    assert reaches(wilson_interval(13, 20, 1.645), 0.65) is None


def test_accuracy_beyond_the_margin_below_a_figure_seldom_reaches_it() -> None:
    def judge(rng: np.random.Generator) -> bool | None:
        return reaches(wilson_interval(int(rng.binomial(3589, 0.63)), 3589, 1.645), 0.65)

    assert at_most_5_percent(share(judge, True))


def test_lead_of_an_expression_as_easy_as_the_next_is_not_found() -> None:
    def judge(rng: np.random.Generator) -> bool | None:
        hits = rng.binomial(500, 0.8, 7)
        interval = newcombe_interval((int(hits[0]), 500), (int(hits[1:].max()), 500))
        return positive(interval)

    assert at_most_5_percent(share(judge, True))


def test_errors_spread_evenly_are_not_above_all_for_fear_and_sad() -> None:
    names = [name for name in EMOTIONS if name != "angry"]

    def judge(rng: np.random.Generator) -> bool | None:
        wrong = dict(zip(names, map(int, rng.multinomial(250, [1 / 6] * 6)), strict=True))
        return shown(*lead_of_the_two(wrong))

    assert at_most_5_percent(share(judge, True))
    assert at_most_5_percent(share(judge, False))


def test_gap_of_equal_networks_is_not_smaller_for_one(shuffled: Path) -> None:
    for name in ("shallow", "deep"):
        path = catalog.paper_runs_dir() / name / catalog.HISTORY
        table = pd.read_parquet(path)
        table["train_clean_accuracy"] = 0.8
        table["validation_accuracy"] = 0.6
        table.to_parquet(path)
    found = row(CLAIMS[6], ClaimEvidence())
    by_validation = [m for m in found["measures"] if m["split"] == "validation"]
    assert [m["holds"] for m in by_validation] == [None, None]
    assert found["verdict"] != "reproduced"


def test_drifting_epochs_are_no_trend() -> None:
    """Neighbouring epochs of a random walk are alike, and counting them would find trends."""

    def judge(rng: np.random.Generator) -> bool | None:
        return shown(*rising(list(rng.normal(size=35).cumsum())))

    assert at_most_5_percent(share(judge, True))
    assert at_most_5_percent(share(judge, False))


def test_noise_about_a_level_is_no_trend() -> None:
    assert at_most_5_percent(share(lambda rng: shown(*rising(list(rng.normal(size=35)))), True))


def test_a_trend_is_a_trend() -> None:
    assert shown(*rising(list(np.linspace(0, 1, 30) ** 2))) is True
    assert shown(*rising(list(np.linspace(1, 0, 30) ** 2))) is False


@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_filters_of_noise_are_not_smoother_than_noise(offset: float) -> None:
    """Whatever their mean: an answer to flat grey is no smooth form."""

    def judge(rng: np.random.Generator) -> bool | None:
        _, _, above, below = smoother_than_noise(rng.normal(offset, 1, (32, 3, 3)), 0)
        return shown(above, below)

    assert at_most_5_percent(share(judge, True))


def test_hog_of_other_faces_is_not_read_from_a_faces_features() -> None:
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(n, 40)) for n in (200, 60, 100)]
    targets = [x @ rng.normal(size=(40, 5)) for x in inputs]
    others = [rng.permutation(rows) for rows in targets]
    probe = ridge_probe(tuple(inputs), tuple(others))  # type: ignore[arg-type]
    assert probe.r2 < 0.1


def test_networks_that_do_not_see_a_dream_name_it_as_often_as_chance() -> None:
    rng = np.random.default_rng(0)
    guesses = [int((rng.integers(0, 7, 7) == np.arange(7)).sum()) for _ in range(DRAWS)]
    held = [insides.named([k], 7)[0][0] is True for k in guesses]
    assert at_most_5_percent((sum(held), DRAWS))
    assert insides.named([1] * 5, 7) == [(None, 1.0)] * 5  # the same word for all
    assert insides.named([0], 7)[0][0] is False


def test_equal_trials_show_neither_a_best_setting_nor_a_better_one() -> None:
    labels = "0" * 400

    def trial(rng: np.random.Generator) -> dict[str, object]:
        said = (rng.random(400) > 0.5).astype(int)
        text = "".join(map(str, said))
        return {"correct": text.count("0"), "n": 400, "predicted": text}

    def judge(rng: np.random.Generator) -> bool | None:
        paper, *rivals = (trial(rng) for _ in range(6))
        best = max(rivals, key=lambda one: int(str(one["correct"])))
        (low, high), _ = lead(best, paper, labels, 1 - 0.1 / 5, 0)
        return True if high < 0.02 else False if low > 0 else None

    assert at_most_5_percent(share(judge, True, 40))
    assert at_most_5_percent(share(judge, False, 40))


def test_a_network_that_learns_nothing_by_heart_fails(shuffled: Path) -> None:
    path = catalog.paper_runs_dir() / "deep" / catalog.METRICS
    text = path.read_text().replace('"overfit_accuracy": 1.0', '"overfit_accuracy": 0.2')
    path.write_text(text)
    assert row(CLAIMS[2], ClaimEvidence())["verdict"] == "mixed"


def test_an_initial_loss_that_scatters_is_not_about_the_expected_one() -> None:
    losses = np.random.default_rng(0).normal(np.log(7), 0.3, training.DEFAULT_SEEDS)
    assert training._default_loss("deep", losses, 10).holds is None


def test_every_claim_of_accuracy_that_names_equality_asks_for_equivalence() -> None:
    """Claims 8, 13 and 14 say "no difference": all by two one-sided tests at one margin."""
    rules = [claim.rule for claim in ACCURACY if claim.number in (8, 13, 14)]
    assert len(rules) == 3 and all("shown to" in rule and "2 points" in rule for rule in rules)
