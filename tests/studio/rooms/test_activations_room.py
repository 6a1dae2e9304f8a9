from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fermodels
from fermodels.data.dataset import FaceDataset
from fermodels.data.readers.discover import read_faces
from studio import snippets, state
from studio.rooms.activations import layers
from tests.studio.toy_studio import chart, healthy, html_of, open_room, write_studio

FACE = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)


@pytest.fixture
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shelf, folder = write_studio(tmp_path)
    monkeypatch.setenv("FER_CHECKPOINTS", str(shelf))
    return folder


def test_responses_are_those_of_the_network(faces: Path) -> None:
    import torch

    found = layers.responses("shallow", FACE)
    net = fermodels.load("shallow")
    with torch.no_grad():
        x = torch.from_numpy(FACE)[None, None].float() / 255 - net.mean_face
        for step in ("conv", "bn", "relu"):
            x = net.get_submodule(f"conv1.{step}")(x)
        after_relu = x[0].numpy()
    assert np.allclose(found.maps["conv1.relu"], after_relu, atol=1e-5)
    assert found.sparsity[0] == pytest.approx(float((after_relu == 0).mean()))
    assert all(0 <= value <= 1 for value in found.entropy)


def test_ranking_puts_the_strongest_channel_first(faces: Path) -> None:
    found = layers.responses("shallow", FACE)
    order = found.ranking("conv1.relu", strongest_first=True)
    means = found.maps["conv1.relu"].mean((1, 2))[order]
    assert (np.diff(means) <= 0).all() and sorted(order) == [0, 1, 2, 3]
    assert found.ranking("conv1.relu", strongest_first=False) == [0, 1, 2, 3]


def test_shared_responses_cannot_be_changed_by_a_visitor(faces: Path) -> None:
    with pytest.raises(ValueError, match="read-only"):
        layers.responses("shallow", FACE).maps["conv1.relu"][0, 0, 0] = 1


def test_a_room_shows_every_channel_and_both_figures(faces: Path) -> None:
    app = open_room("activations", faces)
    assert html_of(app).count('alt="Channel ') == 4
    for number in (0, 1):
        assert chart(app, number)["data"][0]["x"] == ["conv1", "conv2"]


def test_the_address_holds_layer_and_stage(faces: Path) -> None:
    app = open_room("activations", faces, layer="conv2", stage="pooling", sort="by channel")
    assert any(head.value.startswith("conv2 after pooling") for head in app.subheader)
    page = html_of(app)
    assert [page.index(f">#{n}<") for n in range(6)] == sorted(
        page.index(f">#{n}<") for n in range(6)
    )


def test_two_faces_stand_side_by_side_on_one_scale(faces: Path) -> None:
    app = open_room("activations", faces, beside="sad")
    assert html_of(app).count('alt="Channel ') == 8
    assert len(chart(app, 0)["data"]) == 2
    healthy(app.selectbox(key="beside").select("no other face").run())
    assert html_of(app).count('alt="Channel ') == 4


def test_likeness_by_layer_is_numpys_correlation_of_the_two_faces_maps(faces: Path) -> None:
    app = open_room("activations", faces, beside="sad", layer="conv2")
    drawn = {line["name"]: line["y"] for line in chart(app, 2)["data"]}
    every = read_faces(faces)
    held = every.images[every.ids == app.query_params["face"]][0]
    other = state.example(every, "sad").image
    answers = [layers.responses("shallow", one).maps for one in (held, other)]
    for place, layer in enumerate(("conv1.relu", "conv2.relu")):
        one, two = (maps[layer].ravel().astype(float) for maps in answers)
        assert drawn["correlation"][place] == pytest.approx(np.corrcoef(one, two)[0, 1], abs=1e-5)
        cosine = one @ two / np.sqrt((one @ one) * (two @ two))
        assert drawn["cosine"][place] == pytest.approx(cosine, abs=1e-5)
    assert any("channels of conv2" in caption.value for caption in app.caption)


def test_channels_least_alike_are_named_and_silent_ones_are_not() -> None:
    found = layers.unlike(np.array([0.9, np.nan, -0.25, 0.5], np.float32), "conv3", 2)
    assert found.endswith("#2 (-0.25), #3 (+0.50).")
    assert "No channel" in layers.unlike(np.full(3, np.nan, np.float32), "conv3")


def test_the_code_compares_the_same_two_faces(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snippets, "source", lambda: str(faces))
    every = read_faces(faces)
    pair = [state.example(every, label) for label in ("sad", "happy")]
    made: dict[str, Any] = {}
    exec(compile(snippets.similarity_code("shallow", *pair), "snippet", "exec"), made)
    shown = layers.layer_similarity("shallow", *(face.image for face in pair))
    assert [one.cosine for one in made["similarities"]] == pytest.approx(
        [one.cosine for one in shown]
    )


def test_the_example_is_a_face_not_the_odd_one_out() -> None:
    rng = np.random.default_rng(0)
    usual = rng.integers(60, 200, (48, 48))
    images = np.stack(
        [rng.integers(0, 256, (48, 48))] + [usual + rng.integers(-9, 9, (48, 48))] * 4
    )
    labels, splits = np.full(5, 3), np.array(["test"] * 5)
    found = state.example(FaceDataset(images.astype(np.uint8), labels, splits, "toys"), "happy")
    assert (found.image == images[1]).all() and found.label == 3
