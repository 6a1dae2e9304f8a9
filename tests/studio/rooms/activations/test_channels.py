"""One channel in the Activations room: its strongest faces, whether it is dead, its dream."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

import fermodels
from fermodels import results as fermodels_results
from fermodels.data.dataset import FaceDataset
from fermodels.data.readers.discover import read_faces
from fermodels.errors import CheckpointError
from fermodels.files import write_json
from fermodels.xai.inspect import channels as command
from fermodels.xai.inspect.activations import activations
from studio import networks, predictions, snippets
from studio.figures import faces as figures_faces
from studio.rooms.activations import channels
from tests.studio.toy_studio import healthy, html_of, open_room, write_checkpoint, write_studio
from tests.toys import tiny_net

LAYER, SIDE = "conv2.relu", 24
"""The layer looked at, and the side of its map."""


@pytest.fixture
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder, data = write_studio(tmp_path)
    monkeypatch.setenv("FER_CHECKPOINTS", str(folder))
    monkeypatch.setenv("FER_RESULTS", str(tmp_path / "results"))
    monkeypatch.setattr(snippets, "source", lambda: str(data))
    return data


def slow(name: str, faces: FaceDataset, layer: str, channel: int) -> list[tuple[float, str]]:
    """Return every test face's peak and id, strongest first, one face after the other."""
    net, found = fermodels.load(name), []
    for image, split, sample in zip(faces.images, faces.splits, faces.ids, strict=True):
        if split == "test":
            found.append((float(activations(net, image)[layer][channel].max()), str(sample)))
    return sorted(found, key=lambda pair: -pair[0])


def words_of(app: AppTest) -> str:
    shown = (*app.markdown, *app.caption, *app.info, *app.error)
    return "\n".join(element.value for element in shown)


def peaks_of(app: AppTest) -> list[float]:
    """Return the peaks of the faces shown, in order."""
    return [float(p) for p in re.findall(r'alt="Face labelled \w+: peak ([\d.]+) at', html_of(app))]


def record(name: str, faces: Path) -> None:
    assert command.main(["--model", name, "--data", str(faces), "--top", "3"]) == 0


def run(code: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    exec(compile(code, "snippet", "exec"), found)
    return found


def test_the_faces_shown_are_those_whose_peaks_are_highest_one_by_one(faces: Path) -> None:
    app = open_room("activations", faces, layer="conv2", channel="3")
    wanted = [peak for peak, _ in slow("shallow", read_faces(faces), LAYER, 3) if peak > 0]
    assert wanted
    assert peaks_of(app) == pytest.approx(wanted[:9], abs=2e-3)
    assert f"of 7 test faces of {read_faces(faces).name}" in words_of(app)


def test_the_share_is_that_of_faces_with_any_answer(faces: Path) -> None:
    every = read_faces(faces)
    known = channels.channels("shallow", LAYER, every)
    assert known is not None and not known.recorded and known.faces == 7
    for channel, share in enumerate(known.active):
        peaks = [peak for peak, _ in slow("shallow", every, LAYER, channel)]
        assert share == pytest.approx(np.mean([peak > 0 for peak in peaks]))
        assert (channel in known.dead) == (max(peaks) == 0)


def test_without_a_choice_the_channel_is_the_one_that_answers_this_face_most(faces: Path) -> None:
    app = open_room("activations", faces, layer="conv2")
    face = read_faces(faces)
    held = face.images[face.ids == app.query_params["face"]][0]
    maps = activations(fermodels.load("shallow"), held)[LAYER]
    strongest = int(maps.mean((1, 2)).argmax())
    assert f"In the face above, channel {strongest} peaks at {maps[strongest].max():.2f}" in (
        words_of(app)
    )
    assert app.number_input(key="channel").max == len(maps) - 1


def test_a_dead_channel_is_called_dead_and_no_face_is_said_to_excite_it(
    faces: Path, tmp_path: Path
) -> None:
    net = fermodels.load("shallow")
    with torch.no_grad():
        net.get_parameter("conv1.bn.weight")[2] = 0
        net.get_parameter("conv1.bn.bias")[2] = -1
    write_checkpoint(tmp_path / "checkpoints" / "shallow", net)
    app = open_room("activations", faces, channel="2")
    assert "Channel 2 is **dead**: above 0 nowhere" in words_of(app) and peaks_of(app) == []
    healthy(app.number_input(key="channel").set_value(1).run())
    assert "Channel 1 is not dead" in words_of(app) and peaks_of(app)


def test_stages_other_than_relu_are_told_where_to_look(faces: Path) -> None:
    app = open_room("activations", faces, stage="pooling")
    assert "after ReLU" in words_of(app) and peaks_of(app) == []
    assert not [box for box in app.number_input if box.key == "channel"]


def test_a_record_of_these_faces_is_used_and_said(faces: Path) -> None:
    record("shallow", faces)
    app = open_room("activations", faces, layer="conv2", channel="3")
    table = pd.read_parquet(fermodels_results.results_dir() / "channels-shallow.parquet")
    stored = table[(table["layer"] == LAYER) & (table["channel"] == 3)]["peak"]
    assert peaks_of(app) == pytest.approx(stored[stored > 0].tolist(), abs=2e-3)
    assert "Its strongest of all 7, as recorded" in words_of(app)
    stored_there = channels.recorded("shallow", LAYER, read_faces(faces))
    counted_now = command.channel_census(fermodels.load("shallow"), read_faces(faces).split("test"))
    assert stored_there is not None
    assert stored_there.active == pytest.approx(counted_now[LAYER].active, abs=1e-6)
    assert stored_there.dead == set(counted_now[LAYER].dead)


def test_a_record_of_other_faces_is_not_used(faces: Path) -> None:
    record("shallow", faces)
    every = read_faces(faces)
    fewer = every.select(np.arange(len(every)) != np.flatnonzero(every.splits == "test")[0])
    assert channels.recorded("shallow", LAYER, every) is not None
    assert channels.recorded("shallow", LAYER, fewer) is None
    changed = FaceDataset(255 - every.images, every.labels, every.splits, every.name)
    assert channels.recorded("shallow", LAYER, changed) is None


def test_a_record_of_other_weights_is_not_used(faces: Path, tmp_path: Path) -> None:
    record("shallow", faces)
    write_checkpoint(tmp_path / "checkpoints" / "shallow", tiny_net())
    assert channels.recorded("shallow", LAYER, read_faces(faces)) is None


def test_a_visitors_own_network_is_looked_at_like_the_one_it_is(faces: Path) -> None:
    app = open_room("activations", faces, channel="1")
    bundled = peaks_of(app)
    mine = networks.VisitorNetwork(
        "shallow (yours)", "upload", None, "toy", fermodels.load("shallow")
    )
    record("shallow", faces)  # is the bundled one's: never that of a namesake
    app.session_state["visitor-networks"] = {mine.name: mine}
    healthy(app.run())
    healthy(app.selectbox(key="model").select(mine.name).run())
    assert bundled and peaks_of(app) == bundled
    assert "Its strongest of all" not in words_of(app)


def test_a_damaged_record_is_one_sentence(faces: Path) -> None:
    record("shallow", faces)
    write_json(fermodels_results.results_dir() / "channels-shallow.json", {"model": "shallow"})
    with pytest.raises(CheckpointError, match=r"incomplete .* run python -m"):
        channels.recorded("shallow", LAYER, read_faces(faces))
    app = open_room("activations", faces)
    assert len(app.error) == 1 and "incomplete" in app.error[0].value


def test_too_many_faces_are_looked_at_by_a_command(
    faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictions, "AT_ONCE", 6)
    app = open_room("activations", faces)
    assert "python -m fermodels.xai.inspect.channels --model shallow --data PATH" in words_of(app)
    assert peaks_of(app) == []
    sentence = channels.remedy("shallow (yours)", read_faces(faces))
    assert "is yours" in sentence and "python" not in sentence


def test_a_dream_is_dreamed_when_asked_for_and_is_the_commands(faces: Path) -> None:
    app = open_room("activations", faces, channel="1")
    assert "Dream of channel" not in html_of(app)
    healthy(app.button(key="channel-dream").click().run())
    assert html_of(app).count('alt="Dream of channel 1"') == 1
    healthy(app.number_input(key="channel").set_value(2).run())
    assert "Dream of channel" not in html_of(app)
    known = channels.dream("shallow", "conv1.relu", 1, 0)
    again = command.channel_dream(fermodels.load("shallow"), "conv1.relu", 1, 0)
    assert (known.frames == again.frames).all()


def test_the_code_makes_the_same_faces_and_the_same_dream(faces: Path) -> None:
    known = channels.channels("shallow", LAYER, read_faces(faces))
    assert known is not None
    table = run(snippets.channel_code("shallow", LAYER, 3, known.split))["table"]
    assert table["peak"].tolist() == pytest.approx(
        known.table[known.table["channel"] == 3]["peak"].tolist()
    )
    film = run(snippets.channel_dream_code("shallow", LAYER, 3, 1))["film"]
    assert (film.frames == channels.dream("shallow", LAYER, 3, 1).frames).all()


def test_the_frame_stands_where_the_layer_peaks(faces: Path) -> None:
    every = read_faces(faces)
    known = channels.channels("shallow", LAYER, every)
    assert known is not None and known.cell == 48 / SIDE
    best = known.strongest(3)
    image = every.images[every.ids == best["sample_id"].iloc[0]][0]
    answer = activations(fermodels.load("shallow"), image)[LAYER][3]
    row, column = known.pixels(best)[0]
    blown_up = answer.repeat(2, 0).repeat(2, 1)
    assert blown_up[int(row), int(column)] == blown_up[int(row + 1), int(column + 1)]
    assert blown_up[int(row), int(column)] == pytest.approx(answer.max())


def test_a_frame_hides_no_pixel_inside_it_and_none_outside() -> None:
    face = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)
    drawn = figures_faces.framed(face, 20, 30, 12)
    changed = np.zeros((48, 48), bool)
    changed[14:27, 24:37] = True
    changed[15:26, 25:36] = False
    assert (drawn[~changed] == face[~changed][:, None]).all()
    assert {tuple(p) for p in drawn[changed]} == {tuple(p) for p in figures_faces.DASHES}


def test_a_frame_at_the_edge_is_cut_off_and_not_moved() -> None:
    drawn = figures_faces.framed(np.full((48, 48), 99, np.uint8), 0, 47, 1)
    rows, columns = np.nonzero((drawn != 99).any(2))
    assert rows.max() == figures_faces.SMALLEST and columns.min() == 47 - figures_faces.SMALLEST
    Image.fromarray(drawn).save(io.BytesIO(), format="PNG")
