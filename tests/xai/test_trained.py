"""The same promises on the trained networks that the repository ships, with the sample faces."""

from __future__ import annotations

import numpy as np
import pytest

from fermodels.data.emotions import EMOTIONS
from fermodels.data.readers.discover import read_faces
from fermodels.nets import catalog, checkpoint
from fermodels.nets.fernet import FERNet
from fermodels.xai.attribution.explain import Explanation, explain
from fermodels.xai.dream.dream import dream

BUNDLED = list(catalog.available())


@pytest.fixture(scope="module", params=BUNDLED)
def trained(request: pytest.FixtureRequest) -> FERNet:
    return checkpoint.load(request.param)


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    return read_faces("samples").images[1:3]


def assert_sum_within_path_error(found: Explanation) -> None:
    """The sum misses the score's change by no more than the map's pixels may be off in all."""
    assert found.completeness_error is not None and found.path_error is not None
    sums, sizes = found.attribution.sum((1, 2)), np.abs(found.attribution).sum((1, 2))
    miss = np.abs(sums) * found.completeness_error / (1 + found.completeness_error)  # or more
    assert (miss < found.path_error * sizes).all()


def test_integrated_gradients_are_complete(trained: FERNet, samples: np.ndarray) -> None:
    """The map is within 2.5%, and its sum misses no more than its pixels may."""
    found = explain(trained, samples)
    assert found.completeness_error is not None and found.path_error is not None
    assert found.path_error.max() < 0.025
    assert_sum_within_path_error(found)


@pytest.mark.parametrize("baseline", ["mean-face", "blur"])
def test_deep_lift_is_complete(trained: FERNet, samples: np.ndarray, baseline: str) -> None:
    """Within 4%, hybrids too."""
    found = explain(trained, samples, "deep-lift", baseline=baseline)
    assert found.completeness_error is not None
    assert found.completeness_error.max() < 0.04


def test_conductance_is_complete(trained: FERNet, samples: np.ndarray) -> None:
    """As nearly as its path is; a hybrid's error is what its HOG adds, and is said so."""
    found = explain(trained, samples, "layer-conductance")
    assert found.completeness_error is not None
    if trained.has_hog:
        assert any("conv branch only" in note for note in found.notes)
    else:
        assert_sum_within_path_error(found)


def test_a_dream_makes_its_class_the_prediction(trained: FERNet) -> None:
    for target in ("happy", "surprise"):
        found = dream(trained, target=target, steps=6, octaves=(34, 48), every=0)
        index = EMOTIONS.index(target)
        assert found.probabilities[index] > max(0.9, found.start_probabilities[index])
        assert found.after > found.before
