"""What each channel responds to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from fermodels.errors import ConfigError
from fermodels.nets.catalog import weights_hash
from fermodels.nets.fernet import FERNet
from fermodels.xai.inspect import channels as module
from fermodels.xai.inspect.activations import activations
from fermodels.xai.inspect.channels import (
    channel_census,
    channel_dream,
    face_against_face,
    relu_layers,
)
from tests.studio.toy_studio import write_checkpoint
from tests.toys import striped_faces


def test_the_census_equals_sorting_every_faces_maps(net: FERNet) -> None:
    faces = striped_faces(140)
    found = channel_census(net, faces, ["conv2.relu"], top=5)["conv2.relu"]
    maps = np.stack([activations(net, image)["conv2.relu"] for image in faces.images])
    peaks = maps.max((2, 3))
    order = np.argsort(-peaks, axis=0, kind="stable")[:5].T
    np.testing.assert_allclose(found.peaks, np.take_along_axis(peaks.T, order, 1), atol=1e-4)
    for channel, rank in ((0, 0), (3, 4), (7, 2)):
        row = int(np.flatnonzero(faces.ids == found.ids[channel, rank])[0])
        at = tuple(found.positions[channel, rank])
        assert maps[row, channel][at] == pytest.approx(peaks[row, channel], abs=1e-4)
    np.testing.assert_allclose(found.active, (peaks > 0).mean(0), atol=1e-6)
    np.testing.assert_allclose(found.mean, maps.mean((0, 2, 3)), atol=1e-4)


def test_a_peak_is_found_where_it_was_planted(net: FERNet) -> None:
    with torch.no_grad():  # channel 0 of the first layer becomes brightness itself
        net.conv1.conv.weight[0] = 0
        net.conv1.conv.weight[0, 0, 1, 1] = 1
    faces = striped_faces(14)
    faces.images[:] = 90
    faces.images[9, 30, 12] = 255
    found = channel_census(net, faces, ["conv1.conv"], top=1)["conv1.conv"]
    assert found.ids[0, 0] == faces.ids[9]
    assert found.pixels(0, 0) == (30, 12)


def test_a_dead_channel_is_named(net: FERNet) -> None:
    with torch.no_grad():
        net.conv2.bn.bias[5] = -1e4
    found = channel_census(net, striped_faces(70))
    assert list(found) == relu_layers(net) == ["conv1.relu", "conv2.relu"]
    assert 5 in found["conv2.relu"].dead


def test_fewer_faces_than_asked_are_all_kept(net: FERNet) -> None:
    found = channel_census(net, striped_faces(7), top=20)["conv1.relu"]
    assert found.ids.shape == (4, 7)
    assert all(len(set(row)) == 7 for row in found.ids)


def test_a_channels_dream_raises_it_even_where_its_relu_is_silent(net: FERNet) -> None:
    with torch.no_grad():
        net.conv2.bn.bias[3] = -50.0
    found = channel_dream(net, "conv2.relu", 3)
    assert found.dream_target.layer == "conv2.bn" and found.dream_target.channel == 3
    assert found.after > found.before


def test_a_face_is_like_itself_in_every_layer(net: FERNet, faces: np.ndarray) -> None:
    for likeness in face_against_face(net, faces[0], faces[0]):
        assert likeness.cosine == pytest.approx(1) and likeness.correlation == pytest.approx(1)


def test_likeness_equals_numpys_correlation(net: FERNet, faces: np.ndarray) -> None:
    maps = [activations(net, face) for face in faces[:2]]
    for likeness in face_against_face(net, faces[0], faces[1]):
        one, other = (m[likeness.layer] for m in maps)
        assert likeness.correlation == pytest.approx(
            np.corrcoef(one.ravel(), other.ravel())[0, 1], abs=1e-5
        )
        wanted = np.corrcoef(one[1].ravel(), other[1].ravel())[0, 1]
        assert likeness.channels[1] == pytest.approx(wanted, abs=1e-5, nan_ok=True)


def test_the_command_writes_every_channels_faces_and_whose_weights_answered(
    tmp_path: Path, net: FERNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = striped_faces(70)
    folder = tmp_path / "toy"
    write_checkpoint(folder, net)
    monkeypatch.setenv("FER_RESULTS", str(tmp_path))
    monkeypatch.setattr(module, "read_faces", lambda source: faces)
    assert module.main(["--model", str(folder), "--split", "test", "--top", "3"]) == 0
    table = pd.read_parquet(tmp_path / "channels-toy.parquet")
    assert len(table) == (4 + 8) * 3
    assert set(table["sample_id"]) <= set(faces.split("test").ids)
    about = json.loads((tmp_path / "channels-toy.json").read_text())
    assert about["sides"]["conv2.relu"] == 24
    assert about["checkpoint_hash"] == weights_hash(folder)
    assert about["faces_hash"] == faces.split("test").content_hash
    counted = channel_census(net, faces.split("test"))
    for layer, active in about["active"].items():
        np.testing.assert_allclose(active, counted[layer].active, atol=1e-6)


def test_mistakes_are_named(net: FERNet) -> None:
    with pytest.raises(ConfigError, match="expected one of"):
        channel_census(net, striped_faces(7), ["fc1.relu"])
    with pytest.raises(ConfigError, match="top is 0"):
        channel_census(net, striped_faces(7), top=0)
