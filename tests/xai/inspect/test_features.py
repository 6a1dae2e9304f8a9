"""Penultimate features and the maps made of them."""

from __future__ import annotations

import builtins
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from fermodels.data.dataset import FaceDataset
from fermodels.errors import ConfigError, DataError
from fermodels.nets.fernet import FERNet
from fermodels.xai.inspect import features as module
from fermodels.xai.inspect.features import (
    penultimate,
    principal_components,
    representation,
    shown_rows,
    umap_map,
)
from tests.toys import striped_faces, tiny_net


def test_the_last_layer_turns_penultimate_features_into_the_logits(
    hybrid: FERNet, faces: np.ndarray
) -> None:
    features = torch.from_numpy(penultimate(hybrid, faces))
    with torch.no_grad():
        wanted = hybrid(torch.from_numpy(faces)[:, None].float() / 255)
        torch.testing.assert_close(hybrid.classifier(features), wanted, rtol=1e-4, atol=1e-4)


def test_the_plane_is_that_of_a_singular_value_decomposition() -> None:
    data = np.random.default_rng(0).normal(size=(50, 9)) * np.arange(1, 10) + 3
    points, shares = principal_components(data)
    left, sizes, _ = np.linalg.svd(data - data.mean(0), full_matrices=False)
    np.testing.assert_allclose(np.abs(points), np.abs(left[:, :2] * sizes[:2]), rtol=1e-4)
    assert shares == pytest.approx(tuple((sizes**2 / (sizes**2).sum())[:2]))
    np.testing.assert_array_equal(points, principal_components(data)[0])


def test_points_on_a_line_have_all_their_variance_on_one_axis() -> None:
    line = np.outer(np.arange(5.0), [0.6, 0.8])
    points, shares = principal_components(line)
    np.testing.assert_allclose(points[:, 0], np.arange(5) - 2.0, atol=1e-6)
    assert shares == pytest.approx((1, 0), abs=1e-9)


def test_all_held_out_faces_are_shown_and_a_draw_of_training_faces() -> None:
    faces = striped_faces()
    rows = shown_rows(faces, 10, seed=1)
    kept = faces.splits[rows]
    assert (kept == "train").sum() == 10
    assert (kept != "train").sum() == (faces.splits != "train").sum()
    assert not np.array_equal(rows, shown_rows(faces, 10, seed=2))


def test_umap_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = builtins.__import__

    def refuse(name: str, *args: object, **kwargs: object) -> object:
        if name == "umap":
            raise ImportError("no module named umap")
        return plain(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ConfigError, match=r"pip install 'fer-studio\[umap\]'"):
        umap_map(np.zeros((20, 3)))


@pytest.mark.slow
def test_umap_keeps_two_far_groups_apart() -> None:
    pytest.importorskip("umap", reason="needs umap-learn: pip install 'fer-studio[umap]'")
    rng = np.random.default_rng(0)
    groups = np.repeat([[1.0, 0, 0, 0], [0, 0, 0, 1.0]], 30, axis=0) + rng.normal(0, 0.05, (60, 4))
    points = umap_map(groups, seed=3, neighbours=8)
    to_own = np.linalg.norm(points - points[:30].mean(0), axis=1)
    to_other = np.linalg.norm(points - points[30:].mean(0), axis=1)
    assert ((to_own < to_other) == (np.arange(60) < 30)).all()


def test_the_table_has_one_row_per_face_with_its_id(net: FERNet) -> None:
    faces = striped_faces(70)
    table, shares = representation(net, faces, umap=False)
    assert table["sample_id"].tolist() == faces.ids.tolist()
    assert list(table) == ["sample_id", "split", "label", "x_pca", "y_pca"]
    assert 0 < shares[1] <= shares[0] < 1


def test_the_command_writes_a_map_with_its_provenance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces: FaceDataset = striped_faces(70)
    monkeypatch.setenv("FER_RESULTS", str(tmp_path))
    monkeypatch.setattr(module, "read_faces", lambda source: faces)
    monkeypatch.setattr(module.checkpoint, "load", lambda name: tiny_net())
    assert module.main(["--model", "toy", "--no-umap", "--train", "5"]) == 0
    table = pd.read_parquet(tmp_path / "representation-toy.parquet")
    about = json.loads((tmp_path / "representation-toy.json").read_text())
    assert len(table) == sum(about["faces"].values())
    assert about["faces"]["train"] == 5
    assert about["provenance"]["data_hash"] == faces.content_hash


def test_mistakes_are_named(net: FERNet, faces: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="a Flatten"):
        penultimate(nn.Flatten(), faces)
    with pytest.raises(DataError, match=r"\(1, 4\)"):
        principal_components(np.zeros((1, 4)))
    with pytest.raises(ConfigError, match="15 neighbours among 9"):
        umap_map(np.zeros((9, 4)))
