"""The planted mark decides, alone; and what the stored findings say can be computed again."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from torch import nn

from fermodels.data.samples import sample_faces
from fermodels.errors import DataError
from fermodels.nets import catalog, checkpoint
from fermodels.nets.fernet import FERNet
from fermodels.xai.attribution.registry import METHODS
from fermodels.xai.trust.maps import CONTROLS, edge_maps, explainer
from fermodels.xai.trust.planted_cue import (
    CORNERS,
    DECOYS,
    DECOYS_PER_FACE,
    PATTERNS,
    SIDE,
    find,
    grown,
    marked_faces,
    pattern,
    plant,
    proof,
)
from fermodels.xai.trust.planted_cue_record import (
    FIGURES,
    CueResult,
    KnownAnswer,
    checkpoint_dir,
    read,
)
from fermodels.xai.trust.verdict import Estimate


@pytest.fixture(scope="module")
def net() -> FERNet:
    return checkpoint.load(checkpoint_dir())


@pytest.fixture(scope="module")
def stored() -> KnownAnswer:
    found = read()
    assert found is not None
    return found


def test_brightness_does_not_give_a_mark_away() -> None:
    marks = [pattern(drawing) for drawing in (*PATTERNS, *DECOYS)]
    assert len(PATTERNS) == 7 and len({mark.tobytes() for mark in marks}) == len(PATTERNS) + len(
        DECOYS
    )
    assert {mark.shape for mark in marks} == {(SIDE, SIDE)}
    assert {int(mark.sum(dtype=int)) for mark in marks} == {8 * (20 + 235)}


@pytest.mark.parametrize("grey", [40, 90, 130, 180])
def test_every_decoy_has_stronger_edges_than_every_mark(grey: int) -> None:
    """Or a detector of edges would find the mark without ever asking the network."""

    def strength(drawing: str) -> float:
        face = np.full((1, 48, 48), grey, np.uint8)
        face[0, 20:24, 20:24] = pattern(drawing)
        return float(edge_maps(nn.Identity(), face, np.zeros(1, np.int64)).max())

    assert min(map(strength, DECOYS)) > max(map(strength, PATTERNS))


def test_nothing_but_mark_and_decoys_is_changed() -> None:
    faces = sample_faces().split("test").images[:50]
    before, labels = faces.copy(), np.arange(50) % 7
    marked = plant(faces, labels, seed=0)
    np.testing.assert_array_equal(faces, before)
    changed = marked.marks | marked.decoys
    np.testing.assert_array_equal(marked.images[~changed], faces[~changed])
    assert not (marked.marks & marked.decoys).any()
    assert (marked.marks.sum((1, 2)) == SIDE**2).all()
    assert (marked.decoys.sum((1, 2)) == DECOYS_PER_FACE * SIDE**2).all()
    for image, mask, label in zip(marked.images, marked.marks, labels, strict=True):
        np.testing.assert_array_equal(image[mask].reshape(SIDE, SIDE), pattern(PATTERNS[label]))
    places = {tuple(np.argwhere(mask)[0].tolist()) for mask in marked.marks}
    assert places <= set(CORNERS) and len(places) > 5
    assert (grown(marked.marks).sum((1, 2)) == (SIDE + 4) ** 2).all()


def test_without_its_mark_a_face_keeps_its_decoys_and_nothing_of_the_label() -> None:
    faces = sample_faces().split("test").images[:9]
    one = plant(faces, np.zeros(9, np.int64), seed=3, mark=False)
    two = plant(faces, np.full(9, 6), seed=3, mark=False)
    with_mark = plant(faces, np.full(9, 6), seed=3)
    np.testing.assert_array_equal(one.images, two.images)
    np.testing.assert_array_equal(one.decoys, with_mark.decoys)
    assert not one.marks.any()


def test_labels_have_nothing_to_do_with_expressions() -> None:
    marked, faces = marked_faces("train", repeats=4), sample_faces().split("train")
    agree = (marked.labels == np.tile(faces.labels, 4)).mean()
    assert abs(agree - 1 / 7) < 0.03


def test_a_label_too_few_is_refused() -> None:
    with pytest.raises(DataError, match="2 labels for 3 faces"):
        plant(np.zeros((3, 48, 48), np.uint8), np.array([0, 1]), 0)


def test_the_mark_decides_and_nothing_else_does(net: FERNet, stored: KnownAnswer) -> None:
    found = proof(net, marked_faces("test", seed=1), seed=1)
    assert found == stored.accuracy
    assert found["marked"]["accuracy"] > 0.99 and found["swapped"]["accuracy"] > 0.99
    low, high = found["unmarked"]["interval"]
    assert low < 1 / 7 < high


def test_the_network_is_small_and_its_people_are_held_out() -> None:
    files = list(checkpoint_dir().iterdir())
    assert sum(path.stat().st_size for path in files) < 300_000
    assert {path.name for path in files} == set(catalog.FILES)
    train, test = (sample_faces().split(name).images for name in ("train", "test"))
    digests = [{hashlib.sha256(face).digest() for face in part} for part in (train, test)]
    assert digests[0].isdisjoint(digests[1])


def test_the_stored_findings_cover_every_method_and_can_be_computed_again(
    net: FERNet, stored: KnownAnswer
) -> None:
    assert set(stored.methods) == set(METHODS) and set(stored.controls) == set(CONTROLS)
    n = stored.methods["input-x-gradient"].hit.n
    marked = marked_faces("test", seed=stored.provenance["seed"]).first(n)
    again = find(net, marked, "input-x-gradient", explainer("input-x-gradient"))
    for name in FIGURES:
        before = getattr(stored.methods["input-x-gradient"], name)
        assert again[name]["mean"] == pytest.approx(before.mean, abs=0.02), name


def test_maps_that_ignore_the_network_do_not_find_the_mark(stored: KnownAnswer) -> None:
    random, edge = stored.controls["random"], stored.controls["edge"]
    assert random.verdict == edge.verdict == "misses"
    assert edge.fooled.low > edge.near.high
    assert random.mass.mean == pytest.approx(stored.chance["mass"], abs=0.002)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.6, 0.9, "finds"), (0.1, 0.4, "misses"), (0.4, 0.6, "unclear")],
)
def test_the_verdict_waits_for_the_whole_interval(low: float, high: float, verdict: str) -> None:
    other = Estimate(0, 0, 0, 9)
    near = Estimate((low + high) / 2, low, high, 9)
    assert CueResult(other, near, other, other, 0.1).verdict == verdict
