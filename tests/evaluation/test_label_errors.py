import numpy as np
import pytest
from numpy.typing import NDArray

from fermodels.data.readers.ferplus import VOTE_COLUMNS
from fermodels.errors import DataError
from fermodels.evaluation.label_audit import find_label_errors, majority_votes, top_votes


def confused(n: int = 700, seed: int = 0) -> tuple[NDArray, NDArray, NDArray]:
    """Labels of which about 10% are wrong, which these are, and probabilities of the truth."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 7
    wrong = rng.random(n) < 0.1
    labels = np.where(wrong, (truth + 3) % 7, truth)
    logits = 3 * np.eye(7)[truth] + rng.normal(0, 1, (n, 7))
    return labels, wrong, np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


def test_label_errors_equal_the_confident_joint_counted_slowly() -> None:
    labels, _, p = confused()
    thresholds = [np.mean([p[i, k] for i in range(700) if labels[i] == k]) for k in range(7)]
    slow = []
    for i, label in enumerate(labels):
        reached = [k for k in range(7) if p[i, k] >= thresholds[k] - 1e-6]
        slow.append(bool(reached) and max(reached, key=lambda k: p[i, k]) != label)
    assert find_label_errors(labels, p).likely_error.tolist() == slow


def test_planted_errors_are_found_and_right_labels_are_not() -> None:
    labels, wrong, p = confused()
    found = find_label_errors(labels, p)
    assert found.likely_error[wrong].mean() > 0.6
    assert found.likely_error[~wrong].mean() < 0.05
    assert found.score == pytest.approx(p[np.arange(700), labels])
    assert found.score[wrong].mean() < 0.2 < found.score[~wrong].mean()
    assert np.array_equal(found.suggested, p.argmax(1))


def test_a_class_without_faces_is_named() -> None:
    labels, _, p = confused()
    with pytest.raises(DataError, match="happy"):
        find_label_errors(np.where(labels == 3, 0, labels), p)


def test_votes_count_only_where_they_decide() -> None:
    def face(**votes: int) -> list[int]:
        return [votes.get(name, 0) for name in VOTE_COLUMNS]

    votes = np.array(
        [
            face(happiness=6, neutral=4),  # a majority
            face(anger=5, sadness=3, fear=2),  # most, but not more than half
            face(surprise=5, fear=5),  # a tie
            face(contempt=8, neutral=2),  # no expression of the seven
        ],
        np.uint8,
    )
    assert top_votes(votes).tolist() == [3, 0, -1, -1]
    assert majority_votes(votes).tolist() == [3, -1, -1, -1]
