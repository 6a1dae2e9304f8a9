"""Covering squares: fast answers against slow, obvious ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import Occlusion

from fermodels.errors import ConfigError
from fermodels.nets.fernet import FERNet, to_pixels
from fermodels.xai.attribution.explain import explain
from fermodels.xai.attribution.occlusion import crossed_logits, windows_of

pytestmark = pytest.mark.filterwarnings("ignore:Input Tensor")  # Captum's own notice


def slow_occlusion(net: FERNet, face: np.ndarray, target: int, patch: int, stride: int):
    """One square at a time, in plain Python."""
    x = torch.from_numpy(face).float()[None, None] / 255
    total, count = np.zeros((48, 48)), np.zeros((48, 48))
    last = 48 - patch
    starts = [*range(0, last, stride), -(-last // stride) * stride]
    with torch.no_grad():
        whole = net(x)[0, target].item()
        for row in starts:
            for column in starts:
                covered = x.clone()
                square = (0, 0, slice(row, row + patch), slice(column, column + patch))
                covered[square] = net.mean_face[square]
                total[square[2:]] += whole - net(covered)[0, target].item()
                count[square[2:]] += 1
    return total / count


@pytest.mark.parametrize(("patch", "stride"), [(8, 8), (10, 7), (16, 16)])
def test_occlusion_equals_a_slow_loop(
    patch: int, stride: int, net: FERNet, faces: np.ndarray
) -> None:
    found = explain(net, faces, "occlusion", 2, patch=patch, stride=stride).attribution
    for face, ours in zip(faces, found, strict=True):
        wanted = slow_occlusion(net, face, 2, patch, stride)
        np.testing.assert_allclose(ours, wanted, rtol=1e-3, atol=1e-5)


def test_occlusion_equals_captums(net: FERNet, faces: np.ndarray) -> None:
    x = to_pixels(faces[:1]).float() / 255
    wanted = Occlusion(net).attribute(
        x, (1, 8, 8), strides=(1, 4, 4), baselines=net.mean_face, target=1
    )
    ours = explain(net, faces[:1], "occlusion", 1).attribution
    np.testing.assert_allclose(ours, wanted[:, 0].detach(), rtol=1e-3, atol=1e-5)


def test_every_pixel_is_covered() -> None:
    for patch, stride in ((8, 4), (7, 5), (48, 48), (1, 1), (5, 5)):
        assert windows_of(patch, stride).any(0).all(), (patch, stride)
    with pytest.raises(ConfigError, match="stride is 9"):
        windows_of(8, 9)


def test_crossed_logits_equal_separate_forwards(hybrid: FERNet, faces: np.ndarray) -> None:
    plain = to_pixels(faces).float() / 255
    face = torch.tensor([1, 1, 2, 2])
    covered = torch.rand(4, 1, 48, 48)
    with torch.no_grad():
        found = crossed_logits(hybrid, covered, plain, face)
        wanted = [
            hybrid.forward_branches(covered, plain[face]),
            hybrid.forward_branches(plain[face], covered),
            hybrid(covered),
        ]
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_hybrids_branches_share_the_whole_drop(hybrid: FERNet, faces: np.ndarray) -> None:
    found = explain(hybrid, faces, "occlusion", 0, patch=16, stride=16)
    for face, whole in zip(faces, found.attribution, strict=True):
        np.testing.assert_allclose(
            whole, slow_occlusion(hybrid, face, 0, 16, 16), rtol=1e-3, atol=1e-4
        )
    np.testing.assert_allclose(sum(found.parts.values()), found.attribution, rtol=1e-4, atol=1e-5)
    assert all(np.abs(part).max() > 0 for part in found.parts.values())
