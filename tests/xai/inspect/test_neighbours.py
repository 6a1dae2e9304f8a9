"""The training faces a network takes for most like a face."""

from __future__ import annotations

import numpy as np
import pytest

from fermodels.data.dataset import FaceDataset
from fermodels.errors import DataError
from fermodels.nets.fernet import FERNet
from fermodels.xai.inspect.features import penultimate
from fermodels.xai.inspect.neighbours import FeatureBank, feature_bank, nearest
from tests.toys import striped_faces, tiny_net


@pytest.fixture
def known() -> FaceDataset:
    return striped_faces(140)


@pytest.fixture
def bank(net: FERNet, known: FaceDataset) -> FeatureBank:
    return feature_bank(net, known)


def test_neighbours_equal_a_loop_over_all_cosines(
    net: FERNet, known: FaceDataset, bank: FeatureBank, faces: np.ndarray
) -> None:
    found = nearest(bank, net, faces[0], 10)
    query = penultimate(net, faces[:1])[0].astype(float)
    slow = np.array(
        [
            1 - row @ query / (np.linalg.norm(row) * np.linalg.norm(query))
            for row in penultimate(net, known.images).astype(float)
        ]
    )
    np.testing.assert_allclose(found.distances, np.sort(slow)[:10], atol=2e-3)
    np.testing.assert_allclose(slow[found.rows], found.distances, atol=2e-3)
    assert (np.diff(found.distances) >= 0).all()
    np.testing.assert_array_equal(found.ids, known.ids[found.rows])
    np.testing.assert_array_equal(found.labels, known.labels[found.rows])


def test_a_known_face_is_its_own_nearest_unless_left_out(
    net: FERNet, known: FaceDataset, bank: FeatureBank
) -> None:
    own = str(known.ids[5])
    assert nearest(bank, net, known.images[5], 1).distances[0] < 2e-3
    assert own in nearest(bank, net, known.images[5], len(bank)).ids
    assert own not in nearest(bank, net, known.images[5], len(bank) - 1, besides=own).ids


def test_the_bank_takes_two_bytes_a_feature(bank: FeatureBank) -> None:
    assert bank.unit_features.nbytes == 2 * len(bank) * 16


def test_the_share_of_a_label_is_counted(
    net: FERNet, known: FaceDataset, bank: FeatureBank
) -> None:
    found = nearest(bank, net, known.images[0], 20)
    assert found.share(2) == sum(label == 2 for label in found.labels) / 20


def test_a_bank_of_another_model_or_too_many_neighbours_are_refused(
    net: FERNet, bank: FeatureBank, faces: np.ndarray
) -> None:
    with pytest.raises(DataError, match="same model"):
        nearest(bank, tiny_net(), faces[0])
    with pytest.raises(DataError, match="3 faces"):
        nearest(bank, net, faces)
    with pytest.raises(DataError, match="expected 1 to 140"):
        nearest(bank, net, faces[0], 141)
