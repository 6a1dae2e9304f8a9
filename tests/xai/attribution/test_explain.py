"""`explain`: its contract, for every method on every variant."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from fermodels.data.emotions import EMOTIONS
from fermodels.errors import ConfigError, DataError
from fermodels.nets.fernet import FERNet
from fermodels.xai.attribution.baselines import BASELINES
from fermodels.xai.attribution.explain import CHUNK, Explanation, explain
from fermodels.xai.attribution.registry import METHODS
from tests.xai.cheap import CHEAP


def test_methods_describe_themselves() -> None:
    for name, method in METHODS.items():
        assert name == method.name == name.lower()
        assert method.title and len(method.help) > 80 and "\n" in method.help
        assert method.formula and method.passes(method.settings({})) >= 1
        assert any(mark in method.reference for mark in ("arXiv", "doi")), name
        for option in method.options.values():
            assert option.low <= option.default <= option.high and option.help


def test_the_target_is_the_prediction_unless_told_otherwise(net: FERNet, faces: np.ndarray) -> None:
    found = explain(net, faces, "saliency")
    probabilities = net.predict(faces)
    np.testing.assert_array_equal(found.target_class, probabilities.argmax(1))
    softmax = torch.from_numpy(found.logits).softmax(1)
    np.testing.assert_allclose(softmax, probabilities, rtol=1e-4, atol=1e-6)


def test_a_class_can_be_given_in_any_form(net: FERNet, faces: np.ndarray) -> None:
    by_index = explain(net, faces, "saliency", 3).attribution
    for target in ("happy", "Happiness", np.int64(3), [3, "happy", 3], np.array([3, 3, 3])):
        np.testing.assert_array_equal(explain(net, faces, "saliency", target).attribution, by_index)
    mixed = explain(net, faces, "saliency", ["happy", 0, 6])
    assert mixed.target_class.tolist() == [3, 0, 6]
    np.testing.assert_allclose(mixed.attribution[0], by_index[0], rtol=1e-5)


def test_a_face_is_explained_alike_alone_and_in_a_batch(hybrid: FERNet, make_faces) -> None:
    many = make_faces(CHUNK + 2)
    for name in METHODS:
        options = CHEAP.get(name, {})
        batch = explain(hybrid, many, name, 1, **options).attribution
        for i in (0, CHUNK + 1):
            alone = explain(hybrid, many[i], name, 1, **options).attribution
            np.testing.assert_allclose(
                alone[0], batch[i], rtol=1e-3, atol=1e-4 * np.abs(alone).max(), err_msg=name
            )


@pytest.mark.parametrize("baseline", ["mean-face", "blur"])
def test_a_hybrids_parts_sum_to_the_logit_difference(
    baseline: str, hybrid: FERNet, faces: np.ndarray
) -> None:
    found = explain(hybrid, faces, target_class=[0, 3, 5], baseline=baseline, tolerance=0.005)
    x = torch.from_numpy(faces).float()[:, None] / 255
    below = BASELINES[baseline].build(hybrid, x)
    with torch.no_grad():
        drop = (hybrid(x) - hybrid(below))[[0, 1, 2], [0, 3, 5]].numpy()
    parts = sum(part.sum((1, 2)) for part in found.parts.values())
    assert np.abs(parts - drop).max() < 0.02 * np.abs(drop).min()
    assert found.completeness_error is not None and found.completeness_error.max() < 0.02


def test_a_hybrids_gradients_through_both_branches_add_up(
    hybrid: FERNet, faces: np.ndarray
) -> None:
    found = explain(hybrid, faces, "smoothgrad", 1, samples=1, noise=0.0)
    x = (torch.from_numpy(faces).float()[:, None] / 255).requires_grad_()
    (wanted,) = torch.autograd.grad(hybrid(x)[:, 1].sum(), x)
    np.testing.assert_allclose(found.attribution, wanted[:, 0], rtol=1e-3, atol=1e-4)
    assert all(np.abs(part).max() > 0 for part in found.parts.values())


def test_completeness_on_small_networks_is_within_one_percent(
    net: FERNet, faces: np.ndarray
) -> None:
    for baseline in BASELINES:
        found = explain(net, faces, target_class=2, baseline=baseline, tolerance=0.005)
        assert found.completeness_error is not None
        drop = np.abs(found.attribution.sum((1, 2)))
        # relative to the largest: some faces' own change is all but zero
        assert (found.completeness_error * drop).max() < 0.01 * drop.max(), baseline


def test_notes_warn_where_a_map_misleads(hybrid: FERNet, faces: np.ndarray) -> None:
    assert any("conv branch only" in note for note in explain(hybrid, faces, "grad-cam").notes)
    flat = explain(hybrid, faces, "occlusion", 0, "black", patch=48, stride=48)
    assert any("flat" in note for note in flat.notes)
    rough = explain(hybrid, faces, target_class=0, steps=2, refine=0.0)
    assert any("Incomplete" in note for note in rough.notes)


def test_an_explanation_is_frozen_and_says_how_it_was_made(net: FERNet, faces: np.ndarray) -> None:
    found = explain(net, faces[0], "integrated-gradients", 0)
    assert isinstance(found, Explanation) and found.attribution.shape == (1, 48, 48)
    assert (found.method, found.baseline) == ("integrated-gradients", "mean-face")
    assert found.options["steps"] == 50
    assert {"fermodels", "torch", "captum", "numpy"} == set(found.versions)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.method = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"method": "lime-light"}, "integrated-gradients, saliency"),
        ({"baseline": "white"}, "mean-face, black, blur"),
        ({"target_class": 7}, "angry, disgust"),
        ({"target_class": -1}, "angry, disgust"),
        ({"target_class": True}, "angry, disgust"),
        ({"target_class": "bored"}, "angry, disgust"),
        ({"target_class": [1, 2]}, "2 entries for 3 faces"),
        ({"target_class": 1, "contrast_class": "disgust"}, "both 'disgust'"),
        ({"steps": 1}, "from 2 to 1000"),
        ({"steps": 2.5}, "expected int"),
        ({"steps": float("nan")}, "expected int"),
        ({"stride": 3}, "no option 'stride': expected steps"),
    ],
)
def test_mistakes_are_named_with_the_choices(changes, says: str, net, faces) -> None:
    with pytest.raises(ConfigError, match=says):
        explain(net, faces, **changes)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((3, 48, 48), np.float32),
        np.zeros((3, 47, 48), np.uint8),
        np.zeros((0, 48, 48), np.uint8),
        np.zeros((1, 1, 48, 48), np.uint8),
    ],
)
def test_wrong_faces_are_refused(wrong: np.ndarray, net: FERNet) -> None:
    with pytest.raises(DataError, match=r"48"):
        explain(net, wrong)


def test_a_model_with_other_outputs_is_refused(faces: np.ndarray) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(2304, 5))
    with pytest.raises(ConfigError, match=rf"logits \(3, {len(EMOTIONS)}\)"):
        explain(model, faces, "saliency", baseline="black")
