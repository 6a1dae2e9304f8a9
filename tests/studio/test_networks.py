"""What is cached of a network: by the files of its checkpoint and the content of arguments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fermodels.data.dataset import FaceDataset
from studio import networks
from tests.studio.toy_studio import write_checkpoint, write_studio
from tests.toys import tiny_net

FACE = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)
computed: list[str] = []


@networks.cached_per_weights(max_entries=8)
def mean(name: str, face: NDArray[np.uint8], _ignored: str = "") -> float:
    computed.append(name)
    return float(face.mean())


@networks.cached_per_weights(max_entries=8)
def largest(name: str, face: NDArray[np.uint8]) -> int:
    computed.append(name)
    return int(face.max())


@networks.cached_per_weights(max_entries=8)
def first_label(name: str, faces: FaceDataset) -> int:
    return int(faces.labels[0])


@networks.cached_per_weights(max_entries=8, copies=True)
def values(name: str) -> list[int]:
    return [1]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two small networks."""
    computed.clear()
    folder, _ = write_studio(tmp_path)
    monkeypatch.setenv("FER_CHECKPOINTS", str(folder))
    return folder


def test_an_array_with_the_same_bytes_is_not_computed_again() -> None:
    assert mean("shallow", FACE) == mean("shallow", FACE.copy(), "other") == FACE.mean()
    assert computed == ["shallow"]
    mean("shallow", 255 - FACE)
    mean("hybrid-shallow", FACE)
    assert computed == ["shallow", "shallow", "hybrid-shallow"]


def test_two_functions_of_equal_arguments_have_results_of_their_own() -> None:
    assert (mean("shallow", FACE), largest("shallow", FACE)) == (FACE.mean(), FACE.max())


def test_a_changed_checkpoint_is_noticed(folder: Path) -> None:
    before = networks.probabilities("shallow", FACE)
    mean("shallow", FACE)
    write_checkpoint(folder / "shallow", tiny_net())
    mean("shallow", FACE)
    assert computed == ["shallow", "shallow"]
    assert (networks.probabilities("shallow", FACE) != before).any()


def test_faces_in_another_order_are_another_data_set() -> None:
    images = np.stack([FACE, 255 - FACE])
    faces = FaceDataset(images, np.array([2, 5]), np.array(["test", "test"]), "toy")
    turned = faces.select(np.array([1, 0]))
    assert faces.content_hash == turned.content_hash
    assert (first_label("shallow", faces), first_label("shallow", turned)) == (2, 5)


def test_copies_are_the_callers_own() -> None:
    values("shallow").append(2)
    assert values("shallow") == [1]


def test_a_changed_results_file_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "result.txt"

    @networks.cached_per_weights(max_entries=8, reads=lambda _name: file)
    def content(name: str) -> str:
        return file.read_text() if file.is_file() else ""

    assert content("shallow") == ""
    file.write_text("new")
    assert content("shallow") == "new"
