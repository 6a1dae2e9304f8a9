import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from fermodels.errors import ConfigError, DataError
from fermodels.evaluation.metrics import confusion_matrix, score
from fermodels.evaluation.paired_tests import (
    COMPARISONS,
    accuracies,
    bootstrap_difference,
    holm,
    macro_f1s,
    mcnemar,
)

Classes = NDArray[np.int64]


def answers(n: int = 400, seed: int = 0) -> tuple[Classes, Classes, Classes]:
    """Labels, and two models right on about 70% and 60% of them."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 7, n)
    first = np.where(rng.random(n) < 0.7, labels, rng.integers(0, 7, n))
    second = np.where(rng.random(n) < 0.6, labels, rng.integers(0, 7, n))
    return labels, first, second


def test_mcnemar_is_the_share_of_coin_toss_sequences_at_least_as_uneven() -> None:
    labels = np.zeros(10, int)
    first, second = labels.copy(), labels.copy()
    first[0], second[1:6] = 1, 1  # 5 faces only the first gets right, 1 only the second
    tosses = [sum(toss) for toss in itertools.product((0, 1), repeat=6)]
    found = mcnemar(labels, first, second, "greater")
    assert (found.only_first, found.only_second, found.n) == (5, 1, 10)
    assert found.p_value == pytest.approx(np.mean([heads >= 5 for heads in tosses]))
    both = mcnemar(labels, first, second).p_value
    assert both == pytest.approx(np.mean([heads >= 5 or heads <= 1 for heads in tosses]))
    assert mcnemar(labels, first, second, "less").p_value > 0.9


def test_models_that_agree_are_not_told_apart() -> None:
    labels, first, _ = answers()
    assert mcnemar(labels, first, first).p_value == 1.0
    same = bootstrap_difference(labels, first, first)
    assert (same.low, same.value, same.high) == (0.0, 0.0, 0.0)


def test_holm_equals_its_step_down_definition() -> None:
    p_values = [0.01, 0.04, 0.03, 0.005]
    by_size = sorted(p_values)
    slow = {
        p: min(1, max((4 - k) * by_size[k] for k in range(by_size.index(p) + 1))) for p in p_values
    }
    assert holm(p_values) == pytest.approx([slow[p] for p in p_values])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_bootstrap_equals_drawing_faces_one_by_one() -> None:
    labels, first, second = answers()
    rng = np.random.default_rng(1)
    for comparison, compare in COMPARISONS.items():
        found = bootstrap_difference(labels, first, second, comparison)
        slow = []
        for _ in range(1500):
            rows = rng.integers(0, len(labels), len(labels))
            pair = (confusion_matrix(labels[rows], model[rows]) for model in (first, second))
            slow.append(float(compare(*pair)))
        spread = np.std(slow)
        low, high = np.quantile(slow, [0.025, 0.975])
        assert found.low == pytest.approx(low, abs=0.25 * spread)
        assert found.high == pytest.approx(high, abs=0.25 * spread)


def test_interval_of_a_paired_difference_is_the_textbook_one() -> None:
    labels, first, second = answers(2000)
    found = bootstrap_difference(labels, first, second)
    gains = (first == labels).astype(float) - (second == labels)
    reach = 1.96 * gains.std() / math.sqrt(len(gains))
    assert found.value == pytest.approx(gains.mean())
    assert found.low == pytest.approx(gains.mean() - reach, abs=0.003)
    assert found.high == pytest.approx(gains.mean() + reach, abs=0.003)


def test_narrower_confidence_gives_a_narrower_interval_and_seeds_repeat() -> None:
    labels, first, second = answers()
    wide = bootstrap_difference(labels, first, second, seed=3)
    narrow = bootstrap_difference(labels, first, second, level=0.9, seed=3)
    assert wide == bootstrap_difference(labels, first, second, seed=3)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_accuracy_and_macro_f1_are_those_of_score() -> None:
    labels, first, _ = answers()
    figures = score(labels, np.eye(7)[first])
    confusion = confusion_matrix(labels, first)
    assert float(accuracies(confusion)) == pytest.approx(figures["accuracy"])
    assert float(macro_f1s(confusion)) == pytest.approx(figures["macro_f1"])


def test_unpaired_answers_and_unknown_comparisons_are_refused() -> None:
    labels, first, second = answers()
    with pytest.raises(DataError, match="400 labels, 400 and 399"):
        mcnemar(labels, first, second[1:])
    with pytest.raises(DataError, match="at least one"):
        bootstrap_difference(labels[:0], first[:0], second[:0])
    with pytest.raises(ConfigError, match="macro-f1"):
        bootstrap_difference(labels, first, second, "speed")
