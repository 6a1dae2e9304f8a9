"""Deletion and insertion: against one image at a time, and on a model with a known answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fermodels.errors import DataError
from fermodels.xai.attribution.baselines import baseline_faces
from fermodels.xai.trust.faithfulness import FRACTIONS, Curves, deletion_insertion, face_curves
from fermodels.xai.trust.maps import edge_maps, random_maps
from tests.xai.test_model_access import assert_same, make_untidy, state_of
from tests.xai.trust.trust_toys import Glow


def one_by_one(net, face: np.ndarray, importance: np.ndarray, target: int, baseline: str):
    """Replace pixel after pixel in a Python loop and ask at each fraction."""
    x = torch.from_numpy(face).float()[None, None] / 255
    below = baseline_faces(net, x, baseline)[0, 0]
    order = np.argsort(-importance.ravel())
    found: dict[str, list[float]] = {"deletion": [], "insertion": []}
    for share in FRACTIONS:
        for kind, start, end in (
            ("deletion", x[0, 0], below),
            ("insertion", below, x[0, 0]),
        ):
            picture = start.clone()
            for pixel in order[: round(share * 48 * 48)]:
                picture[pixel // 48, pixel % 48] = end[pixel // 48, pixel % 48]
            with torch.no_grad():
                found[kind].append(float(net(picture[None, None]).softmax(1)[0, target]))
    return found


@pytest.mark.parametrize("baseline", ["mean-face", "blur"])
def test_curves_equal_the_slow_way(net, faces, baseline: str) -> None:
    maps = np.random.default_rng(0).random((3, 48, 48), dtype=np.float32)
    target = np.array([0, 3, 6])
    found = deletion_insertion(net, faces, maps, target, baseline)
    for i in range(3):
        wanted = one_by_one(net, faces[i], maps[i], target[i], baseline)
        np.testing.assert_allclose(found.deletion[i], wanted["deletion"], atol=1e-5)
        np.testing.assert_allclose(found.insertion[i], wanted["insertion"], atol=1e-5)


def test_areas_of_a_straight_line_are_halves() -> None:
    line = np.array(FRACTIONS)[None]
    curves = Curves(np.array(FRACTIONS), 1 - line, line)
    np.testing.assert_allclose([curves.deletion_auc, curves.insertion_auc], 0.5)
    np.testing.assert_allclose(curves.gap, 0, atol=1e-12)


def test_curves_of_a_monotone_model_are_monotone(make_faces) -> None:
    faces, target = make_faces(4), np.zeros(4, np.int64)
    for maps in (random_maps(Glow(), faces, target), Glow().truth(faces)):
        found = deletion_insertion(Glow(), faces, maps, target)
        assert (np.diff(found.deletion) <= 1e-6).all()
        assert (np.diff(found.insertion) >= -1e-6).all()
        np.testing.assert_allclose(found.deletion[:, 0], found.insertion[:, -1])
        np.testing.assert_allclose(found.deletion[:, -1], found.insertion[:, 0])


def test_the_true_map_beats_every_control_on_every_face(make_faces) -> None:
    faces, target = make_faces(8), np.zeros(8, np.int64)
    true = deletion_insertion(Glow(), faces, Glow().truth(faces), target)
    for control in (random_maps, edge_maps):
        theirs = deletion_insertion(Glow(), faces, control(Glow(), faces, target), target)
        assert (true.deletion_auc < theirs.deletion_auc).all()
        assert (true.insertion_auc > theirs.insertion_auc).all()


def test_random_maps_have_no_gap(net, make_faces) -> None:
    faces = make_faces(40)
    target = net.predict(faces).argmax(1)
    gap = deletion_insertion(net, faces, random_maps(net, faces, target), target).gap
    assert abs(gap.mean()) < 3 * gap.std() / np.sqrt(len(gap))


def test_one_faces_curves_come_with_the_controls(net, faces) -> None:
    drawn = np.random.default_rng(0).normal(size=(48, 48)).astype(np.float32)
    found = face_curves(net, faces[0], drawn, 2, "saliency")
    assert list(found) == ["method", "random", "edge"]
    alone = deletion_insertion(net, faces[:1], np.abs(drawn)[None], np.array([2]))
    np.testing.assert_allclose(found["method"].deletion, alone.deletion, atol=1e-5)
    random = deletion_insertion(
        net, faces[:1], random_maps(net, faces[:1], np.array([2])), np.array([2])
    )
    np.testing.assert_allclose(found["random"].insertion_auc, random.insertion_auc, atol=1e-5)


def test_the_model_is_not_touched(net, faces) -> None:
    make_untidy(net)
    before = state_of(net)
    layout = net.get_submodule("conv2.conv").weight.stride()
    deletion_insertion(net, faces, np.zeros((3, 48, 48), np.float32), np.zeros(3, np.int64))
    assert_same(before, state_of(net))
    assert net.get_submodule("conv2.conv").weight.stride() == layout


def test_what_does_not_fit_is_refused(net, faces) -> None:
    maps, target = np.zeros((3, 48, 48), np.float32), np.zeros(3, np.int64)
    with pytest.raises(DataError, match="2 classes"):
        deletion_insertion(net, faces, maps, target[:2])
    with pytest.raises(DataError, match="ascending"):
        deletion_insertion(net, faces, maps, target, fractions=(0.0, 0.6, 0.4, 1.0))
