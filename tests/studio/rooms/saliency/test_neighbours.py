"""Explanation by example in the Saliency room: the training faces a network takes for alike."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import fermodels
from fermodels.data.dataset import FaceDataset
from fermodels.data.emotions import EMOTIONS
from fermodels.data.readers.discover import read_faces
from fermodels.errors import CheckpointError
from fermodels.xai.inspect.features import penultimate
from studio import networks, predictions, snippets, state
from studio.figures import faces as figures_faces
from studio.rooms.saliency import neighbours
from studio.theme import EXPRESSION_COLORS
from tests.studio.toy_studio import healthy, html_of, open_room, write_studio

CHEAP = {"methods": ["Saliency"], "alike": "true"}


@pytest.fixture
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder, data = write_studio(tmp_path)
    monkeypatch.setenv("FER_CHECKPOINTS", str(folder))
    monkeypatch.setattr(snippets, "source", lambda: str(data))
    return data


def slow(name: str, faces: FaceDataset, sample: str) -> list[tuple[float, int]]:
    """Return distance and label of every other training face, nearest first, pair by pair."""
    net = fermodels.load(name)
    face = penultimate(net, faces.images[faces.ids == sample])[0].astype(float)
    found = []
    for image, label, split, other in zip(
        faces.images, faces.labels, faces.splits, faces.ids, strict=True
    ):
        if split == "train" and other != sample:
            one = penultimate(net, image[None])[0].astype(float)
            cosine = float(one @ face / np.sqrt((one @ one) * (face @ face)))
            found.append((1 - cosine, int(label)))
    return sorted(found)


def shown_in(app: AppTest) -> list[tuple[float, str]]:
    """Return distance and label of the training faces shown, in order."""
    found = re.findall(r'alt="Training face labelled (\w+), distance ([\d.]+)', html_of(app))
    return [(float(distance), label) for label, distance in found]


def words_of(app: AppTest) -> str:
    return "\n".join(element.value for element in (*app.markdown, *app.caption, *app.info))


def held(faces: FaceDataset, split: str) -> state.SelectedFace:
    return state.face_at(faces, int(np.flatnonzero(faces.splits == split)[0]))


def test_nothing_is_looked_for_until_it_is_asked_for(faces: Path) -> None:
    app = open_room("saliency", faces, methods=["Saliency"])
    assert shown_in(app) == []
    healthy(app.toggle(key="alike").set_value(True).run())
    assert shown_in(app)


@pytest.mark.parametrize("split", ["test", "train"])
def test_the_faces_shown_are_the_nearest_pair_by_pair(faces: Path, split: str) -> None:
    every = read_faces(faces)
    sample = held(every, split).sample_id
    app = open_room("saliency", faces, face=sample, **CHEAP)
    wanted = slow("shallow", every, sample)
    assert len(wanted) == {"test": 7, "train": 6}[split]
    assert [d for d, _ in shown_in(app)] == pytest.approx([d for d, _ in wanted], abs=2e-3)
    assert sorted(label for _, label in shown_in(app)) == sorted(EMOTIONS[k] for _, k in wanted)


def test_every_chosen_network_shows_its_own(faces: Path) -> None:
    every = read_faces(faces)
    app = open_room("saliency", faces, also=["hybrid-shallow"], **CHEAP)
    sample = app.query_params["face"]
    sample = sample[0] if isinstance(sample, list) else sample
    both = slow("shallow", every, sample) + slow("hybrid-shallow", every, sample)
    assert [d for d, _ in shown_in(app)] == pytest.approx([d for d, _ in both], abs=2e-3)
    assert words_of(app).count("are labelled") == 2


def test_a_visitors_own_network_finds_what_the_one_it_is_finds(faces: Path) -> None:
    app = open_room("saliency", faces, **CHEAP)
    bundled = shown_in(app)
    mine = networks.VisitorNetwork(
        "shallow (yours)", "upload", None, "toy", fermodels.load("shallow")
    )
    app.session_state["visitor-networks"] = {mine.name: mine}
    healthy(app.run())
    healthy(app.selectbox(key="model").select(mine.name).run())
    assert bundled and shown_in(app) == bundled
    assert "**shallow (yours)**: " in words_of(app)


def test_one_line_counts_the_labels_and_the_limits_are_said() -> None:
    labels = np.array([4, 3, 4, 2, 4, 3])
    assert neighbours.neighbour_labels(labels) == "3 of 6 are labelled **sad**, 2 happy, 1 fear"
    assert "Not nearest in who the people are" in neighbours.LIMITS


def test_the_line_agrees_with_the_faces_below_it(faces: Path) -> None:
    app = open_room("saliency", faces, **CHEAP)
    labels = [label for _, label in shown_in(app)]
    count, total, label = re.findall(r"(\d+) of (\d+) are labelled \*\*(\w+)", words_of(app))[0]
    assert int(total) == len(labels) and labels.count(label) == int(count)
    assert labels.count(label) == max(map(labels.count, labels))


def test_a_large_split_waits_for_its_button_and_gives_the_same(
    faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = shown_in(open_room("saliency", faces, **CHEAP))
    monkeypatch.setattr(predictions, "AT_ONCE", 3)
    monkeypatch.setattr(neighbours, "CHUNK", 3)
    app = open_room("saliency", faces, **CHEAP)
    assert shown_in(app) == []
    healthy(app.button(key="alike-1-start").click().run())
    assert [label for _, label in shown_in(app)] == [label for _, label in wanted]
    assert not [button for button in app.button if button.key == "alike-1-start"]
    assert shown_in(healthy(app.run()))


def test_what_is_interrupted_waits_for_its_button_again_and_goes_on(
    faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictions, "AT_ONCE", 3)
    monkeypatch.setattr(neighbours, "CHUNK", 3)
    asked: list[int] = []
    plain = networks.own_copy

    def copy_twice_then_stop(name: str) -> Any:
        asked.append(1)
        if len(asked) == 3:
            raise CheckpointError("stopped here")
        return plain(name)

    app = open_room("saliency", faces, **CHEAP)
    monkeypatch.setattr(networks, "own_copy", copy_twice_then_stop)
    healthy(app.button(key="alike-1-start").click().run())
    assert [box.value for box in app.error] == ["stopped here"] and shown_in(app) == []
    healthy(app.run())
    assert not app.error
    healthy(app.button(key="alike-1-start").click().run())
    assert len(shown_in(app)) == 7
    assert len(asked) == 5  # two chunks, the stop, the third chunk, and the face itself


def test_chunks_move_the_bar_to_its_end_and_find_repeated_faces(
    faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = read_faces(faces)
    twice = FaceDataset(
        np.concatenate([every.images, every.images]), np.tile(every.labels, 2),
        np.tile(every.splits, 2), "twice",
    )  # fmt: skip
    train, face = neighbours.training(twice), held(every, "train")
    assert train is not None
    monkeypatch.setattr(neighbours, "CHUNK", 4)
    told: list[float] = []
    found = neighbours.nearest("shallow", face, train, told.append)
    assert told == sorted(told) and told[-1] == 1 and len(told) == 4
    assert found.ids[0] == f"{face.sample_id}.2" and found.distances[0] == pytest.approx(
        0, abs=2e-3
    )
    assert face.sample_id not in found.ids


def test_without_training_faces_it_says_so(
    faces: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (faces / "train").rename(tmp_path / "elsewhere")
    app = open_room("saliency", faces, **CHEAP)
    assert "no other training face" in words_of(app) and shown_in(app) == []


def test_a_photo_of_ones_own_has_neighbours_too(faces: Path) -> None:
    every = read_faces(faces)
    train = neighbours.training(every)
    assert train is not None
    photo = replace(held(every, "test"), sample_id="upload-1", split="upload", label=None)
    found = neighbours.nearest("shallow", photo, train, lambda _share: None)
    assert len(found.ids) == len(train)
    code = snippets.neighbours("shallow", photo, "train", len(found.ids))
    assert "upload-1" not in code and "YOUR-PHOTO" in code


def test_the_code_finds_the_same_faces(faces: Path) -> None:
    every = read_faces(faces)
    train, face = neighbours.training(every), held(every, "train")
    assert train is not None
    shown = neighbours.nearest("shallow", face, train, lambda _share: None)
    names: dict[str, Any] = {}
    exec(snippets.neighbours("shallow", face, "train", len(shown.ids)), names)
    assert names["nearest_faces"].ids.tolist() == shown.ids.tolist()
    table = neighbours.table(shown)
    assert table["sample_id"].tolist() == shown.ids.tolist()
    assert table["label"].tolist() == [EMOTIONS[k] for k in shown.labels]


def test_a_line_in_the_labels_colour_is_under_an_untouched_face() -> None:
    face = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)
    (tile,) = figures_faces.neighbour_tiles(face[None], [4], [0.25], [True])
    assert (tile.pixels[:48] == face[:, :, None]).all()
    colour = EXPRESSION_COLORS["sad"]
    assert {tuple(p) for p in tile.pixels[48:].reshape(-1, 3)} == {
        tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
    }
    assert tile.caption == "sad" and tile.note == "0.250, a copy"
