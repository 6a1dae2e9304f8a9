from pathlib import Path

import numpy as np
import pytest

import fermodels
from fermodels.errors import ConfigError, DataError
from fermodels.evaluation.label_audit import exact_groups, groups, near_pairs
from tests.xai.conftest import smooth_faces


def planted(seed: int = 0) -> np.ndarray:
    """Sixty blobs; 60 and 61 copy face 3, 62 nearly face 5, 63 mirrors face 7, 64 is grey."""
    rng = np.random.default_rng(seed)
    faces = smooth_faces(60, seed)
    noisy = (faces[5] * 0.8 + 20 + rng.normal(0, 4, (48, 48))).clip(0, 255).astype(np.uint8)
    grey = np.full((48, 48), 90, np.uint8)
    extra = np.stack([faces[3], faces[3], noisy, faces[7][:, ::-1], grey])
    return np.concatenate([faces, extra])


def slow_pairs(faces: np.ndarray, threshold: float) -> dict[tuple[int, int], float]:
    """Compare every face with every other through numpy's corrcoef."""
    found = {}
    for i in range(len(faces)):
        for j in range(i + 1, len(faces)):
            if faces[i].std() > 0 and faces[j].std() > 0:
                r = np.corrcoef(faces[i].ravel(), faces[j].ravel())[0, 1]
                if r > threshold:
                    found[i, j] = r
    return found


@pytest.mark.parametrize("threshold", [0.6, 0.97])
def test_near_pairs_are_those_of_comparing_all_with_all(threshold: float) -> None:
    faces = planted()
    slow = slow_pairs(faces, threshold)
    pairs = near_pairs(faces, threshold)
    places = list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    assert set(places) == set(slow)
    assert pairs.correlation.tolist() == pytest.approx([slow[p] for p in places], abs=1e-5)
    assert (3, 60) in slow
    assert len(slow) >= 4


def test_mirror_images_are_found_when_asked_for() -> None:
    faces = planted()
    plain = near_pairs(faces)
    both = near_pairs(faces, flips=True)
    assert (7, 63) not in set(zip(plain.first, plain.second, strict=True))
    places = list(zip(both.first.tolist(), both.second.tolist(), strict=True))
    assert both.flipped[places.index((7, 63))]
    assert not both.flipped[places.index((3, 60))]
    assert len(places) == len(set(places))


def test_exact_groups_hold_equal_bytes_and_nothing_else() -> None:
    faces = planted()
    found = exact_groups(faces)
    for i, j in ((3, 60), (3, 61), (60, 61)):
        assert found[i] == found[j]
    assert len(np.unique(found)) == len(faces) - 2


def test_links_add_up_to_groups() -> None:
    found = groups(6, np.array([4, 1]), np.array([5, 4]))
    assert found.tolist() == [0, 1, 2, 3, 1, 1]


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        near_pairs(planted(), 1.5)
    with pytest.raises(DataError, match="float"):
        near_pairs(np.zeros((2, 48, 48)))


def test_first_look_loses_no_near_copy_among_real_faces(fer2013_dir: Path) -> None:
    faces = fermodels.read_faces(fer2013_dir).split("test").images[:1500]
    flat = faces.reshape(len(faces), -1).astype(np.float64)
    keep = flat.std(1) > 0
    r = np.corrcoef(flat[keep])
    rows = np.flatnonzero(keep)
    i, j = np.nonzero(np.triu(r > 0.9, k=1))
    pairs = near_pairs(faces, 0.9)
    found = set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    assert found == set(zip(rows[i].tolist(), rows[j].tolist(), strict=True))
    assert found
