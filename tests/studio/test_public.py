"""A studio that strangers reach opens nothing of its machine that they name."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio import public
from tests.studio.toy_studio import open_room, write_studio

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shelf_folder, _ = write_studio(tmp_path)
    monkeypatch.setenv("FER_CHECKPOINTS", str(shelf_folder))
    monkeypatch.setenv(public.VARIABLE, "1")
    return tmp_path


def test_a_folder_named_in_the_address_is_refused_unopened(place: Path) -> None:
    folder = place / "checkpoints" / "shallow"
    app = open_room("activations", place / "faces", own=str(folder))
    assert len(app.error) == 1
    assert "public" in app.error[0].value and str(folder) in app.error[0].value
    assert "hub:owner/name" in app.error[0].value
    assert not any("(yours)" in name for name in app.selectbox(key="model").options)


def test_faces_named_in_the_address_are_not_read(place: Path) -> None:
    app = open_room("activations", place / "faces")
    assert "data" not in [field.key for field in app.text_input]
    assert any("ample" in note.value and "faces" in note.value for note in app.sidebar.caption)


@pytest.mark.parametrize("value", ["", "0"])
def test_ones_own_studio_reads_what_one_names(
    value: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(public.VARIABLE, value)
    app = open_room("activations", place / "faces", own=str(place / "checkpoints" / "shallow"))
    assert not app.error
    assert any("(yours)" in name for name in app.selectbox(key="model").options)


def test_the_container_and_the_space_are_public() -> None:
    assert f"{public.VARIABLE}=1" in (ROOT / "Dockerfile").read_text()
    assert f'"{public.VARIABLE}", "1"' in (ROOT / "app.py").read_text()
