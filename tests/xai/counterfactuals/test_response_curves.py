"""What a network says when a muscle of a rendered face moves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from fermodels.data.synthetic import AU_NAMES, render_image
from fermodels.errors import ConfigError, DataError
from fermodels.nets.fernet import FERNet
from fermodels.xai.counterfactuals.response_curves import (
    as_units,
    as_vector,
    frontal_person,
    response_curves,
)


def test_a_puppet_is_the_same_person_whatever_it_wears() -> None:
    resting, smiling = frontal_person(4), frontal_person(4, {"AU12": 1.0})
    assert resting.identity == smiling.identity and resting.light == smiling.light
    changed = np.abs(render_image(resting).astype(int) - render_image(smiling)) > 8
    assert changed[26:46].sum() > 40, "the mouth moves"
    assert changed[:12].sum() == 0, "the forehead does not"
    assert frontal_person(5).identity != resting.identity


def test_curves_equal_predictions_face_by_face(net: FERNet) -> None:
    people, state = (1, 2, 3), {"AU25": 0.5}
    found = response_curves(net, "AU26", state, people, steps=3)
    for row, level in enumerate((0.0, 0.5, 1.0)):
        looks = [frontal_person(person, state | {"AU26": level}) for person in people]
        slow = np.stack([net.predict(render_image(look))[0] for look in looks]).astype(float)
        np.testing.assert_allclose(found.mean[row], slow.mean(0), atol=1e-5)
        low, _high = stats.t.interval(0.95, 2, slow.mean(0), stats.sem(slow))
        np.testing.assert_allclose(found.low[row], np.maximum(low, 0), atol=1e-4)
    assert (found.low <= found.mean).all() and (found.mean <= found.high).all()
    np.testing.assert_allclose(found.effect, found.mean[2] - found.mean[0])


def test_a_network_blind_to_the_face_has_flat_curves(net: FERNet) -> None:
    with torch.no_grad():
        net.classifier.weight.zero_()
    found = response_curves(net, "AU12", people=(0, 1), steps=2)
    np.testing.assert_allclose(found.effect, 0, atol=1e-12)


def test_vectors_and_names_are_the_same_thing() -> None:
    vector = as_vector({"AU12": 0.3, "AU1": 1.0})
    assert vector[AU_NAMES.index("AU12")] == 0.3 and vector.sum() == pytest.approx(1.3)
    np.testing.assert_array_equal(as_vector(as_units(vector)), vector)


def test_mistakes_are_named(net: FERNet) -> None:
    with pytest.raises(DataError, match="unknown action unit 'AU99'"):
        response_curves(net, "AU99")
    with pytest.raises(DataError, match=r"intensity 1\.5"):
        frontal_person(0, {"AU12": 1.5})
    with pytest.raises(ConfigError, match="1 people and 9 steps"):
        response_curves(net, "AU12", people=(0,))
    with pytest.raises(ConfigError, match="expected a FERNet"):
        response_curves(nn.Flatten(), "AU12", people=(0, 1), steps=2)  # type: ignore[arg-type]
