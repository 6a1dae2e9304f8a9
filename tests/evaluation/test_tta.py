"""Averages over views: the views one would cut by hand, their probabilities averaged."""

import numpy as np
import pytest
import torch
from skimage.transform import resize

from fermodels.errors import ConfigError, DataError
from fermodels.evaluation.tta import VIEWS, predict_views
from fermodels.nets.fernet import FERNet
from tests.toys import striped_faces, tiny_net


@pytest.fixture(scope="module")
def net() -> FERNet:
    return tiny_net()


def by_hand(face: np.ndarray) -> list[np.ndarray]:
    """Return the ten views of a face in [0, 1], cut one by one and resized by scikit-image."""
    found = []
    for turned in (face, face[:, ::-1]):
        for row, column in ((0, 0), (0, 4), (4, 0), (4, 4), (2, 2)):
            # of the mirror image the left corner is the mirror image of the right corner
            left = 4 - column if turned is not face else column
            square = turned[row : row + 44, left : left + 44]
            found.append(resize(square, (48, 48), order=1, mode="edge", anti_aliasing=False))
    return found


def test_ten_views_are_corners_and_centre_and_their_mirror_images() -> None:
    face = striped_faces(7).images[3] / 255.0
    seen = VIEWS["ten"](torch.from_numpy(face).float()[None, None])
    assert seen.shape == (10, 1, 1, 48, 48)
    for got, expected in zip(seen[:, 0, 0].numpy(), by_hand(face), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-5)


def test_probabilities_are_the_mean_over_views_asked_one_by_one(net: FERNet) -> None:
    faces = striped_faces(7).images[:3]
    for views, count in (("one", 1), ("mirrored", 2), ("ten", 10)):
        cut = VIEWS[views](torch.from_numpy(faces).unsqueeze(1).float() / 255)
        assert len(cut) == count
        with torch.no_grad():
            each = [net(cut[v, i : i + 1]).softmax(1)[0] for i in range(3) for v in range(count)]
        expected = torch.stack(each).view(3, count, 7).mean(1).numpy()
        found = predict_views(net, faces, views, batch_size=2)
        np.testing.assert_allclose(found, expected, atol=1e-5)
        np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


def test_one_view_is_predict_and_mirroring_a_face_changes_no_mirrored_average(net: FERNet) -> None:
    faces = striped_faces(7).images
    np.testing.assert_allclose(predict_views(net, faces, "one"), net.predict(faces), atol=1e-6)
    turned = np.ascontiguousarray(faces[:, :, ::-1])
    for views in ("mirrored", "ten"):
        before, after = (predict_views(net, some, views) for some in (faces, turned))
        np.testing.assert_allclose(before, after, atol=1e-5)


def test_mistakes_are_named(net: FERNet) -> None:
    face = striped_faces(7).images[0]
    with pytest.raises(ConfigError, match="views is 'twelve': expected one of one, mirrored, ten"):
        predict_views(net, face, "twelve")
    with pytest.raises(DataError, match="expected uint8"):
        predict_views(net, face.astype(float), "ten")
    with pytest.raises(ConfigError, match=r"model\.eval"):
        predict_views(tiny_net().train(), face, "ten")
