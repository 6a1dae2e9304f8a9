"""The smallest movement that changes a network's mind."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from fermodels.data.emotions import EMOTIONS
from fermodels.data.synthetic import AU_NAMES
from fermodels.errors import ConfigError
from fermodels.nets.fernet import FERNet
from fermodels.xai.counterfactuals import smallest_change
from fermodels.xai.counterfactuals.response_curves import as_vector, frontal_person
from fermodels.xai.counterfactuals.smallest_change import SmallestChange, smallest_counterfactual

LIPS = ("AU12", "AU25", "AU26")
WEIGHTS = {"AU12": 3.0, "AU25": 2.0, "AU26": -4.0}


@pytest.fixture
def linear_in_units(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """A network whose logit of happy is 3 AU12 + 2 AU25 - 4 AU26, that of neutral `border`.

    Faces carry their units in their first pixels, so nothing is rendered.
    """
    settings = {"border": 1.2}

    def face(spec) -> np.ndarray:  # type: ignore[no-untyped-def]
        picture = np.zeros((48, 48))
        picture[0, : len(AU_NAMES)] = as_vector(spec.action_units)
        return picture

    def logits(_net: object, pictures: np.ndarray) -> np.ndarray:
        found = np.full((len(pictures), 7), -9.0)
        weights = as_vector(WEIGHTS)
        found[:, EMOTIONS.index("happy")] = pictures[:, 0, : len(AU_NAMES)] @ weights
        found[:, EMOTIONS.index("neutral")] = settings["border"]
        return found

    monkeypatch.setattr(smallest_change, "render_image", face)
    monkeypatch.setattr(smallest_change, "logits_of_faces", logits)
    return settings


def search(net: FERNet, norm: str, state: dict[str, float] | None = None) -> SmallestChange:
    found = smallest_counterfactual(net, frontal_person(0, state), "happy", norm, LIPS)
    assert found is not None
    assert found.probabilities.argmax() == EMOTIONS.index("happy")
    return found


def test_in_l1_the_strongest_unit_alone_goes_just_over_the_border(
    net: FERNet, linear_in_units: dict[str, float]
) -> None:
    found = search(net, "l1")
    assert list(found.moved) == ["AU12"]
    assert 0.4 < found.distance <= 0.4 + smallest_change.PRECISION
    assert found.distance == pytest.approx(found.moved["AU12"])


def test_in_l2_units_share_the_movement_by_their_weights(
    net: FERNet, linear_in_units: dict[str, float]
) -> None:
    found = search(net, "l2")
    wanted = 1.2 / np.hypot(3, 2)
    assert wanted < found.distance <= wanted + 2 * smallest_change.PRECISION
    assert found.moved["AU25"] / found.moved["AU12"] == pytest.approx(2 / 3, rel=0.02)


def test_a_unit_that_speaks_against_is_let_go(
    net: FERNet, linear_in_units: dict[str, float]
) -> None:
    found = search(net, "l1", {"AU26": 1.0, "AU12": 0.9})
    assert found.moved["AU26"] < 0
    assert found.distance == pytest.approx((1.2 - 2.7 + 4) / 4, abs=smallest_change.PRECISION)


@pytest.mark.parametrize("norm", smallest_change.NORMS)
def test_nothing_on_a_fine_grid_is_much_smaller_when_two_units_are_needed(
    norm: str, net: FERNet, linear_in_units: dict[str, float]
) -> None:
    linear_in_units["border"] = 3.7
    found = search(net, norm)
    grid = np.array(list(product(np.linspace(0, 1, 41), repeat=2)))
    over = grid[grid @ [3.0, 2.0] > 3.7]
    best = np.linalg.norm(over, smallest_change.NORMS[norm], axis=1).min()
    assert found.distance <= best + 0.06


def test_what_cannot_flip_gives_none(net: FERNet, linear_in_units: dict[str, float]) -> None:
    linear_in_units["border"] = 7.0
    assert smallest_counterfactual(net, frontal_person(0), "happy", units=LIPS) is None


def test_a_flip_is_rendered_and_asked_of_the_real_network(net: FERNet) -> None:
    found = smallest_counterfactual(net, frontal_person(2), units=("AU12", "AU27", "AU43"))
    if found is None:
        pytest.skip("this random network cannot be moved by these units")
    said = net.predict(np.stack([found.start_face, found.face]))
    assert said[0].argmax() != said[1].argmax()
    np.testing.assert_allclose(said[1], found.probabilities, atol=1e-4)
    assert found.distance == pytest.approx(sum(abs(v) for v in found.moved.values()))
    assert 0 < found.renderings < 150


def test_mistakes_are_named(net: FERNet, linear_in_units: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="l1 or l2"):
        smallest_counterfactual(net, frontal_person(0), norm="l3")
    with pytest.raises(ConfigError, match="says neutral already"):
        smallest_counterfactual(net, frontal_person(0), "neutral", units=LIPS)
