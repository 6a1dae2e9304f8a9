import numpy as np
import pytest
from scipy.stats import binomtest

from fermodels.data.emotions import EMOTIONS
from fermodels.evaluation.metrics import (
    confusion_matrix,
    correct_within,
    newcombe_interval,
    per_class,
    row_shares,
    score,
    wilson_interval,
)


@pytest.mark.parametrize(("correct", "n"), [(0, 5), (5, 5), (37, 100), (2000, 3589)])
def test_wilson_interval_is_scipys(correct: int, n: int) -> None:
    theirs = binomtest(correct, n).proportion_ci(method="wilson")
    assert wilson_interval(correct, n) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_no_faces_leave_everything_possible() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_figures_equal_a_slow_count() -> None:
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 7, 300), rng.integers(0, 6, 300)  # class 6 never named
    confusion = confusion_matrix(labels, predicted)
    slow = np.zeros((7, 7), int)
    for truth, guess in zip(labels, predicted, strict=True):
        slow[truth, guess] += 1
    assert np.array_equal(confusion, slow)
    rows = per_class(confusion)
    for index, name in enumerate(EMOTIONS):
        hits = sum((labels == index) & (predicted == index))
        named = sum(predicted == index)
        precision, recall = hits / named if named else 0.0, hits / sum(labels == index)
        f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
        assert rows[name]["accuracy"] == pytest.approx(recall)
        assert rows[name]["precision"] == pytest.approx(precision)
        assert rows[name]["f1"] == pytest.approx(f1)


def test_score_of_perfect_probabilities() -> None:
    labels = np.arange(21) % 7
    figures = score(labels, np.eye(7)[labels])
    assert figures["accuracy"] == figures["macro_f1"] == 1.0
    assert figures["interval"][0] < 1.0


def test_newcombes_interval_is_his_published_example() -> None:
    """Newcombe 1998, Statistics in Medicine 17, table II, example (a), method 10."""
    assert newcombe_interval((56, 70), (48, 80)) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert newcombe_interval((0, 0), (1, 2)) == (-1.0, 1.0)


def test_rows_are_shares_of_their_class() -> None:
    confusion = confusion_matrix(np.array([0, 0, 0, 1]), np.array([0, 2, 2, 1]))
    shares = row_shares(confusion)
    assert shares[0].tolist() == [1 / 3, 0, 2 / 3, 0, 0, 0, 0]
    assert shares[1, 1] == 1.0
    assert np.isnan(shares[2:]).all()


def test_top_2_equals_sorting_each_face() -> None:
    rng = np.random.default_rng(0)
    labels, p = rng.integers(0, 7, 200), rng.random((200, 7)).round(1)  # with ties
    slow = 0
    for label, row in zip(labels, p, strict=True):
        slow += label in sorted(range(7), key=lambda k: (-row[k], k))[:2]
    assert correct_within(labels, p, 2) == slow
    figures = score(labels, p)
    assert figures["top2_correct"] == slow
    assert figures["top2_interval"] == list(wilson_interval(slow, 200))
    assert correct_within(labels, p, 1) == figures["correct"]
    assert correct_within(labels, p, 7) == 200
