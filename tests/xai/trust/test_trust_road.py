"""ROAD: imputation against a dense system written with loops, scores against chance."""

from __future__ import annotations

import numpy as np
import pytest

from fermodels.errors import DataError
from fermodels.xai.trust.faithfulness import ROAD_FRACTIONS, impute, road
from fermodels.xai.trust.maps import edge_maps, random_maps
from tests.xai.trust.trust_toys import Glow


def impute_densely(face: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Write one equation per pixel: a missing one is the weighted mean of its neighbours."""
    height, width = face.shape
    matrix, right = np.eye(face.size), face.ravel().astype(float).copy()
    for row in range(height):
        for column in range(width):
            if not missing[row, column]:
                continue
            me, weights = row * width + column, {}
            for down in (-1, 0, 1):
                for along in (-1, 0, 1):
                    r, c = row + down, column + along
                    if (down, along) != (0, 0) and 0 <= r < height and 0 <= c < width:
                        weights[r * width + c] = 1 / 6 if 0 in (down, along) else 1 / 12
            total = sum(weights.values())
            right[me] = 0
            for other, weight in weights.items():
                matrix[me, other] = -weight / total
    return np.linalg.solve(matrix, right).reshape(face.shape)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_imputation_equals_the_dense_solution(share: float) -> None:
    rng = np.random.default_rng(0)
    face, missing = rng.random((14, 11)), rng.random((14, 11)) < share
    found = impute(face, missing)
    np.testing.assert_allclose(found, impute_densely(face, missing), atol=1e-6)
    np.testing.assert_array_equal(found[~missing], face[~missing].astype(np.float32))


def test_what_is_missing_leaves_no_trace() -> None:
    face, missing = np.full((48, 48), 0.3), np.zeros((48, 48), bool)
    missing[10:30, 5:40] = True
    face[missing] = 9.0
    np.testing.assert_allclose(impute(face, missing), 0.3, atol=1e-6)


def test_a_face_without_a_pixel_left_is_refused() -> None:
    with pytest.raises(DataError, match="every pixel"):
        impute(np.zeros((5, 5)), np.ones((5, 5), bool))


def test_noise_falls_on_missing_pixels_only() -> None:
    missing = np.zeros((48, 48), bool)
    missing[3] = True
    found = impute(np.full((48, 48), 0.5), missing, np.full((48, 48), 0.1))
    np.testing.assert_allclose(found, 0.5 + 0.1 * missing, atol=1e-6)
    np.testing.assert_allclose(impute(found, np.zeros_like(missing), 0.1), found)


def test_random_maps_score_nothing(net, make_faces) -> None:
    faces = make_faces(30)
    target = net.predict(faces).argmax(1)
    score = road(net, faces, random_maps(net, faces, target), target).score
    assert abs(score.mean()) < 3 * score.std() / np.sqrt(len(score))


def test_the_true_map_beats_every_control() -> None:
    # noise cannot be guessed from its neighbours; of a smooth face nothing would be lost
    faces = np.random.default_rng(0).integers(0, 256, (6, 48, 48), dtype=np.uint8)
    target = np.zeros(6, np.int64)
    true = road(Glow(), faces, Glow().truth(faces), target)
    assert true.most_first.shape == (6, len(ROAD_FRACTIONS))
    for control in (random_maps, edge_maps):
        theirs = road(Glow(), faces, control(Glow(), faces, target), target)
        assert (true.score > theirs.score).all()


def test_the_reversed_map_has_the_opposite_score(make_faces) -> None:
    faces, target = make_faces(2), np.zeros(2, np.int64)
    maps = random_maps(Glow(), faces, target)
    there, back = (road(Glow(), faces, sign * maps, target).score for sign in (1, -1))
    np.testing.assert_allclose(there, -back, atol=1e-6)
