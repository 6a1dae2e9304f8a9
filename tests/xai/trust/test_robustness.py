"""Infidelity and sensitivity, each against a loop over single perturbations."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fermodels.xai.trust.robustness import NOISY, RADIUS, infidelity, max_sensitivity, squares
from tests.xai.trust.trust_toys import Glow


@pytest.mark.parametrize("method", ["integrated-gradients", "saliency"])
def test_infidelity_equals_the_slow_way(net, faces, method: str) -> None:
    """One square at a time: (scale * sum of what it covers - logit's drop) squared, best scale."""
    rng = np.random.default_rng(0)
    maps, target = rng.normal(size=(3, 48, 48)).astype(np.float32), np.array([1, 4, 6])
    found = infidelity(net, faces, maps, target, method, count=6, seed=5)
    masks = squares(3, 6, 5).reshape(3, 6, 48, 48)
    mean = net.mean_face[0, 0].numpy()
    for i in range(3):
        x = faces[i].astype(np.float32) / 255
        foretold, dropped = [], []
        for mask in masks[i]:
            covered = np.where(mask, mean, x)
            pair = torch.from_numpy(np.stack([x, covered]).astype(np.float32))[:, None]
            with torch.no_grad():
                before, after = net(pair)[:, target[i]].tolist()
            dropped.append(before - after)
            moved = (x - covered) if method == "saliency" else mask
            foretold.append(float((moved * maps[i]).sum()))
        a, b = np.array(foretold), np.array(dropped)
        scale = (a * b).sum() / (a * a).sum()
        np.testing.assert_allclose(found[i], ((scale * a - b) ** 2).mean(), rtol=1e-3)


def test_the_true_map_has_no_infidelity_and_its_unit_does_not_matter(make_faces) -> None:
    faces, target = make_faces(3), np.zeros(3, np.int64)
    truth = Glow().truth(faces)
    blank = infidelity(Glow(), faces, np.zeros_like(truth), target, "occlusion")
    for scale in (1, 1000):
        found = infidelity(Glow(), faces, scale * truth, target, "occlusion")
        assert (found < 1e-6 * blank).all()
    assert (blank > 0).all()


def test_slopes_are_not_mistaken_for_contributions(make_faces) -> None:
    """The trap: the gradient of a linear model is exact if, and only if, it is told to be one."""
    faces, target = make_faces(3), np.zeros(3, np.int64)
    slope = np.repeat(Glow().weights.detach().numpy()[None], 3, axis=0)
    as_slope = infidelity(Glow(), faces, slope, target, "smoothgrad")
    as_contribution = infidelity(Glow(), faces, slope, target, "occlusion")
    assert (as_slope < 1e-3 * as_contribution).all()


def test_squares_lie_inside_and_repeat() -> None:
    masks = squares(20, 5, 3)
    np.testing.assert_array_equal(masks, squares(20, 5, 3))
    sides = masks.any(2).sum(1)
    assert (sides == masks.any(1).sum(1)).all() and sides.min() >= 8 and sides.max() <= 24
    np.testing.assert_array_equal(masks.sum((1, 2)), sides**2)


def test_sensitivity_is_the_largest_relative_change(net, faces) -> None:
    seen: list[np.ndarray] = []

    def brightness(_model, images: np.ndarray, _target: np.ndarray) -> np.ndarray:
        seen.append(images)
        return images.astype(np.float32)

    found = max_sensitivity(net, faces, brightness, np.zeros(3, np.int64))
    plain, noisy = seen[0].astype(float), seen[1].astype(float).reshape(3, NOISY, 48, 48)
    np.testing.assert_array_equal(seen[0], faces)
    assert seen[1].dtype == np.uint8
    assert 0 < np.abs(noisy - plain[:, None]).max() <= RADIUS
    change = np.sqrt(((noisy - plain[:, None]) ** 2).sum((2, 3)))
    wanted = (change / np.sqrt((plain**2).sum((1, 2)))[:, None]).max(1)
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_each_noisy_face_is_explained_for_its_own_class(net, faces) -> None:
    asked: list[list[int]] = []

    def classes(_model, images: np.ndarray, target: np.ndarray) -> np.ndarray:
        asked.append(target.tolist())
        return np.ones(images.shape, np.float32)

    found = max_sensitivity(net, faces, classes, np.array([2, 0, 5]), count=2)
    assert asked == [[2, 0, 5], [2, 2, 0, 0, 5, 5]]
    assert found.tolist() == [0, 0, 0]
