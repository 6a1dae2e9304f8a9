"""The face carried from room to room, and the data it comes from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from fermodels.data.dataset import FaceDataset
from fermodels.errors import CheckpointError, DataError
from studio import networks
from studio.state import SelectedFace
from tests.studio.shelf_of_toys import text_of, write_faces


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FaceDataset]:
    folder = tmp_path_factory.mktemp("widgets")
    return folder, write_faces(folder)


def page() -> None:
    import streamlit as st

    from studio.components import face_picker

    face = face_picker.pick_face()
    st.markdown(f"holding {face.sample_id} {face.image.shape} {face.split}")


def run(folder: Path, **query: str) -> AppTest:
    app = AppTest.from_function(page, default_timeout=60)
    for key, value in {"data": str(folder), **query}.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception, app.exception[0].message
    return app


def test_first_visit_holds_the_first_test_face_and_names_it_in_the_url(
    source: tuple[Path, FaceDataset],
) -> None:
    folder, faces = source
    app = run(folder)
    first = str(faces.ids[np.flatnonzero(faces.splits == "test")[0]])
    assert f"holding {first} (48, 48) test" in text_of(app)
    assert app.query_params["face"] == first


@pytest.mark.parametrize(("button", "step"), [("face-next", 1), ("face-prev", -1)])
def test_next_and_previous_walk_the_data_and_wrap_around(
    source: tuple[Path, FaceDataset], button: str, step: int
) -> None:
    folder, faces = source
    start = len(faces) - 1 if step == 1 else 0
    app = run(folder, face=str(faces.ids[start]))
    app.button(button).click().run()
    expected = str(faces.ids[(start + step) % len(faces)])
    assert f"holding {expected}" in text_of(app)
    assert app.query_params["face"] == expected


def test_an_uploaded_face_is_held_but_never_enters_the_url(
    source: tuple[Path, FaceDataset],
) -> None:
    folder, faces = source
    app = AppTest.from_function(page, default_timeout=60)
    app.query_params["data"] = str(folder)
    app.session_state["selected-face"] = SelectedFace("upload-1", faces.images[0], None, "upload")
    app.run()
    assert "holding upload-1" in text_of(app)
    assert "unlabelled" in text_of(app)
    assert "face" not in app.query_params


def test_probabilities_refuse_bytes_that_are_no_face() -> None:
    with pytest.raises(DataError, match="2304"):
        networks.probabilities("shallow", b"123")


def test_content_hash_tells_shape_and_pixels_apart() -> None:
    flat = np.zeros((2, 48, 48), np.uint8)
    other = flat.copy()
    other[0, 0, 0] = 1
    keys = {networks.content_hash(a) for a in (flat, other, flat.reshape(48, 96), flat.astype(int))}
    assert len(keys) == 4


def test_an_unknown_checkpoint_is_named_with_those_that_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_CHECKPOINTS", str(tmp_path))
    with pytest.raises(CheckpointError, match=r"no checkpoint 'deeper'.*none"):
        networks.stamp("deeper")


@pytest.mark.parametrize("content", ["", "[1]", "{"])
def test_damaged_metrics_are_said_not_guessed(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_CHECKPOINTS", str(tmp_path))
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "config.json").write_text("{}")
    (tmp_path / "deep" / "metrics.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"metrics\.json of deep"):
        networks.metrics("deep")
