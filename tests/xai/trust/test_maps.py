"""Maps and controls: what is a slope, what comes first."""

from __future__ import annotations

import numpy as np

from fermodels.xai.attribution.explain import explain
from fermodels.xai.attribution.registry import METHODS
from fermodels.xai.trust.maps import edge_maps, importance, random_maps, ranks
from tests.xai.trust.trust_toys import straight

CHEAP = {"steps": 2, "refine": 0.0, "samples": 40, "segments": 9, "follow": False}


def test_slopes_are_the_methods_whose_map_of_a_linear_model_is_the_same_for_every_face(
    make_faces,
) -> None:
    """A new method that fails here has the wrong `kind`."""
    faces = make_faces(2) // 4 + 96  # far from black, where a ReLU bends
    for name, method in METHODS.items():
        if method.needs_layer:  # its values are a layer's, spread over the face
            continue
        options = {key: CHEAP[key] for key in method.options if key in CHEAP}
        one, two = explain(straight(), faces, name, 3, baseline="black", **options).attribution
        assert np.allclose(one, two, rtol=1e-3, atol=1e-6) == (method.kind == "sensitivity"), name


def test_the_size_of_a_slope_and_the_sign_of_a_contribution_count() -> None:
    maps = np.array([[[-2.0, 1.0]]], np.float32)
    assert ranks(importance(maps, "smoothgrad")).tolist() == [[[0, 1]]]
    assert ranks(importance(maps, "integrated-gradients")).tolist() == [[[1, 0]]]


def test_equal_pixels_come_in_random_order() -> None:
    places = ranks(np.zeros((300, 8, 8), np.float32))
    assert sorted(places[0].ravel().tolist()) == list(range(64))
    # in reading order the first row would hold the places 0 to 7
    assert abs(places[:, 0].mean() - 31.5) < 2
    np.testing.assert_array_equal(places, ranks(np.zeros((300, 8, 8), np.float32)))
    assert (places != ranks(np.zeros((300, 8, 8), np.float32), seed=1)).any()


def test_controls_do_not_look_at_the_model(make_faces, net, hybrid) -> None:
    faces, target = make_faces(2), np.array([0, 1])
    for control in (random_maps, edge_maps):
        mine = control(net, faces, target)
        assert mine.dtype == np.float32 and mine.shape == (2, 48, 48) and mine.std() > 0
        np.testing.assert_array_equal(mine, control(hybrid, faces, target[::-1]))
    assert (random_maps(net, faces, target)[0] != random_maps(net, faces, target)[1]).any()


def test_the_edge_map_is_brightest_at_an_edge(net) -> None:
    face = np.zeros((1, 48, 48), np.uint8)
    face[:, :, 24:] = 200
    assert set(edge_maps(net, face, np.zeros(1, int))[0].argmax(1)) <= {23, 24}
