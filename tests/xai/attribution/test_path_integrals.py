"""The path of integrated gradients: where it is looked at, and what it says of its own error."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.path_error import disagreement, midpoint_map, relative
from fermodels.data.readers.discover import read_faces
from fermodels.nets import checkpoint
from fermodels.nets.fernet import FERNet
from fermodels.xai.attribution.explain import explain
from fermodels.xai.attribution.path_integrals import (
    SAFETY,
    added_points,
    expected_error,
    open_points,
    variances,
    with_ends,
    worst_gaps,
)


def real_faces(count: int) -> np.ndarray:
    """Faces of FER-2013 where FER2013_DIR says where they are, else sample faces."""
    return read_faces(os.environ.get("FER2013_DIR") or "samples").split("validation").images[:count]


DIFFERENTIATED: list[Tensor] = []
"""Where a gradient of `Tied` was taken; a copy of it would have a list of its own."""


class Tied(nn.Module):
    """logit 0 = max(a, b) of two pixels that are equal at the baseline."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean_face", torch.full((1, 1, 48, 48), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        if x.requires_grad:
            x.register_hook(lambda _: DIFFERENTIATED.append(x.detach()))
        a, b = x[:, 0, 0, 0], x[:, 0, 0, 1]
        return torch.stack([torch.maximum(a, b), *[torch.zeros_like(a)] * 6], 1)


@pytest.mark.parametrize("steps", [2, 20])
def test_no_gradient_is_taken_at_the_baseline_or_the_face(steps: int) -> None:
    face = np.full((48, 48), 204, np.uint8)
    face[0, 1] = 51
    DIFFERENTIATED.clear()
    found = explain(Tied().eval(), face, target_class=0, steps=steps, tolerance=0.0, refine=4.0)
    points = torch.cat(DIFFERENTIATED)
    assert not (points[:, 0, 0, 0] == 0.5).any() and not (points[:, 0, 0, 0] == 0.8).any()
    # only the brighter pixel ever decides; half of a tie's gradient would go to the other
    np.testing.assert_allclose(found.attribution[0, 0, :2], [0.3, 0], atol=1e-6)


def test_points_lie_inside_and_weigh_one_in_all() -> None:
    for steps in (2, 3, 50):
        points = open_points(steps)
        assert len(points) == steps and points[0] > 0 and points[-1] < 1
        assert (points.diff() > 0).all()
    ends = with_ends(open_points(3))
    added = added_points(torch.stack([ends[:-1], ends[1:]], 1))
    assert ((added > ends[:-1]) & (added < ends[1:])).all()


@pytest.mark.parametrize("steps", [10, 50])
def test_a_random_walks_error_is_the_expected_one(steps: int) -> None:
    random = torch.Generator().manual_seed(0)
    fine = 20_000
    walk = torch.randn(fine, 400, generator=random).cumsum(0) / fine**0.5
    alphas = open_points(steps)
    values = walk[(alphas * fine).long()]
    weights = with_ends((alphas[1:] + alphas[:-1]) / 2).diff()
    error = (torch.einsum("k,kp->p", weights.float(), values) - walk.mean(0)).abs().sum()
    expected = (
        expected_error(variances(alphas, with_ends(alphas)[:, None, None], values[:, None]))
        / SAFETY
    )
    assert 0.8 < float(error / expected) < 1.2


def test_a_map_that_misses_with_a_right_sum_is_not_called_near() -> None:
    """Two pixels' misses cancel: completeness sees nothing, the path error does."""

    class Opposed(nn.Module):
        """logit 0 = 10 |a - .55| - 10 |b - .55| + a, of two pixels."""

        def forward(self, x: Tensor) -> Tensor:
            a, b = x[:, 0, 0, 0], x[:, 0, 0, 1]
            first = 10 * ((a - 0.55).abs() - (b - 0.55).abs()) + a
            return torch.stack([first, *[torch.zeros_like(a)] * 6], 1)

    face = np.zeros((48, 48), np.uint8)
    face[0, :2] = 255
    found = explain(Opposed(), face, target_class=0, baseline="black", steps=8, refine=0.0)
    true = np.array([10 * (0.45 - 0.55) + 1, -10 * (0.45 - 0.55)])
    miss = np.abs(found.attribution[0, 0, :2] - true).sum() / np.abs(true).sum()
    assert found.completeness_error is not None and found.path_error is not None
    assert found.completeness_error[0] < 1e-5 and miss > 0.1
    assert found.path_error[0] > miss
    assert any("Coarse" in note for note in found.notes)
    more = explain(Opposed(), face, target_class=0, baseline="black", steps=8, refine=20.0)
    better = np.abs(more.attribution[0, 0, :2] - true).sum() / np.abs(true).sum()
    assert more.path_error is not None and better < more.path_error[0] < 0.1


def test_the_budget_is_kept_to(net: FERNet, faces: np.ndarray) -> None:
    rows: list[int] = []
    net.classifier.register_forward_hook(lambda _m, inputs, _o: rows.append(len(inputs[0])))
    explain(net, faces[0], target_class=1, steps=8, tolerance=0.0, refine=1.5)
    assert sum(rows) == 2 + 8 + 12, "both ends once, and every point allowed"


def test_the_worst_gaps_err_more_than_the_average_one() -> None:
    variance = torch.tensor([1.0, 9.0, 4.0, 0.0])[:, None]
    assert worst_gaps(variance, 10).tolist() == [1, 2]
    assert worst_gaps(variance, 1).tolist() == [1]
    assert worst_gaps(variance, 0).tolist() == []


@pytest.mark.parametrize("method", ["layer-conductance", "internal-influence"])
@pytest.mark.parametrize("layer", ["conv1.relu", "conv2.pool"])
def test_path_methods_of_a_layer_bound_their_error(
    method: str, layer: str, net: FERNet, faces: np.ndarray
) -> None:
    exact = explain(net, faces, method, 1, layer=layer, steps=1000)
    for steps in (20, 50):
        found = explain(net, faces, method, 1, layer=layer, steps=steps)
        assert found.path_error is not None and exact.path_error is not None
        for one, true, error in zip(
            found.attribution, exact.attribution, found.path_error, strict=True
        ):
            assert relative(one, true) < error


def test_noise_averages_report_a_path_error_too(net: FERNet, faces: np.ndarray) -> None:
    found = explain(net, faces, target_class=1, smooth=3, steps=20, refine=0.0)
    exact = explain(net, faces, target_class=1, smooth=3, steps=600, refine=0.0)
    assert found.path_error is not None
    for one, true, error in zip(
        found.attribution, exact.attribution, found.path_error, strict=True
    ):
        assert relative(one, true) < error


def test_methods_without_a_path_report_no_path_error(net: FERNet, faces: np.ndarray) -> None:
    for method in ("saliency", "occlusion", "deep-lift"):
        assert explain(net, faces, method, 1).path_error is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["deep", "hybrid-deep"])
@pytest.mark.parametrize("steps", [20, 50])
def test_quick_and_plain_networks_agree_to_a_thousandth(name: str, steps: int) -> None:
    net = checkpoint.load(name)
    for face in real_faces(2):
        assert disagreement(net, face, steps) < 0.001


@pytest.mark.slow
@pytest.mark.parametrize("name", ["deep", "hybrid-deep", "shallow"])
def test_the_reported_error_bounds_that_against_2000_midpoints(name: str) -> None:
    net = checkpoint.load(name)
    face = real_faces(1)[0]
    for steps, refine in ((20, 0.0), (50, 6.0)):
        found = explain(net, face, steps=steps, refine=refine)
        if steps == 20:
            truth = midpoint_map(net, face, int(found.target_class[0]))
        assert found.path_error is not None
        assert relative(found.attribution[0], truth) < found.path_error[0]
