"""Pointing: on regions known by construction, and at chance for maps that know nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from fermodels.data.emotions import EMOTIONS
from fermodels.data.samples import sample_faces
from fermodels.xai.trust.localisation import ENOUGH, known_faces, pointing, read_right
from fermodels.xai.trust.maps import random_maps
from fermodels.xai.trust.scorecard import Bench, Budget, measure_control


def test_peaks_and_mass_are_counted_by_hand() -> None:
    maps = np.zeros((2, 48, 48), np.float32)
    regions = np.zeros((2, 48, 48), bool)
    regions[:, :24] = True
    maps[0, 3, 3], maps[0, 40, 3], maps[0, 41, 3] = 3.0, 1.0, -5.0
    maps[1, 40, 40] = 2.0
    found = pointing(maps, regions)
    assert found.hit.tolist() == [1, 0]
    assert found.mass.tolist() == [0.75, 0]  # what speaks against is no evidence for
    assert found.chance.tolist() == [0.5, 0.5]


def test_random_maps_point_at_chance(net) -> None:
    known = known_faces(12)
    faces, regions = np.tile(known.faces, (100, 1, 1)), np.tile(known.regions, (100, 1, 1))
    found = pointing(random_maps(net, faces, np.zeros(len(faces))), regions)
    assert abs(found.hit.mean() - found.chance.mean()) < 0.04
    assert abs(found.mass.mean() - found.chance.mean()) < 0.01


def test_a_blank_map_has_no_mass() -> None:
    regions = np.ones((1, 48, 48), bool)
    assert pointing(np.zeros((1, 48, 48), np.float32), regions).mass.tolist() == [0]


def test_known_faces_are_the_sample_faces_with_the_regions_their_muscles_moved() -> None:
    known, samples = known_faces(6, seed=3), sample_faces().split("test")
    stored = {
        image.tobytes(): label for image, label in zip(samples.images, samples.labels, strict=True)
    }
    for face, label in zip(known.faces, known.labels, strict=True):
        assert stored[face.tobytes()] == label != EMOTIONS.index("neutral")
    share = known.regions.mean((1, 2))
    assert known.regions.shape == (6, 48, 48) and 0.03 < share.min() < share.max() < 0.6


class Sure(torch.nn.Module):
    """Calls every face one expression."""

    def __init__(self, label: int) -> None:
        super().__init__()
        self.label = label

    def predict(self, faces: np.ndarray) -> np.ndarray:
        return np.eye(7)[np.full(len(faces), self.label)]


def test_only_faces_that_the_network_reads_right_are_asked_why() -> None:
    happy = Sure(EMOTIONS.index("happy"))
    known = known_faces(6, net=happy)
    assert len(known.labels) == 6 and set(known.labels) == {happy.label}
    assert read_right(happy, known.faces, known.labels).all()
    assert set(known_faces(6).labels) != {happy.label}, "without a network, all are asked"


def test_a_network_that_reads_no_face_right_has_no_known_faces() -> None:
    known = known_faces(6, net=Sure(EMOTIONS.index("neutral")))
    assert known.faces.shape == known.regions.shape == (0, 48, 48)


def test_a_scorecard_leaves_pointing_out_where_too_few_faces_are_read_right(net) -> None:
    faces = sample_faces().split("test").images[:2]
    for right, wanted in ((ENOUGH - 1, False), (ENOUGH, True)):
        bench = replace(Bench.of(net, faces, 0, Budget()), known=known_faces(right))
        values = measure_control(bench, "random")["values"]
        assert ("pointing" in values) == ("relevance-mass" in values) == wanted
        assert "gap" in values
