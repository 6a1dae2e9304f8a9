"""A studio that strangers reach opens nothing of its machine that they name."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit import config

from fermodels import hub
from fermodels.errors import CheckpointError
from fermodels.nets import catalog
from studio import networks, public
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
    assert app.error[0].value == networks.FETCHES_NOTHING
    assert "own" not in [field.key for field in app.text_input]
    assert not any("(yours)" in name for name in app.selectbox(key="model").options)


def test_a_hub_id_named_in_the_address_is_refused_and_nothing_is_fetched(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetched(*_: object) -> None:
        raise AssertionError("the Hub was asked")

    monkeypatch.setattr(hub, "pull", fetched)
    app = open_room("activations", place / "faces", own="hub:alice/net")
    assert [error.value for error in app.error] == [networks.FETCHES_NOTHING]


def test_an_upload_to_a_public_studio_may_cost_less_than_one_to_ones_own(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = place / "checkpoints" / "shallow"
    files = [(folder / name).read_bytes() for name in (catalog.CONFIG, catalog.WEIGHTS)]
    assert networks.invite_upload(*files).net is not None
    monkeypatch.setattr(networks, "MOST_VALUES", 100)
    with pytest.raises(CheckpointError, match="a public studio runs at most 100"):
        networks.invite_upload(*files)
    monkeypatch.setenv(public.VARIABLE, "0")
    assert networks.invite_upload(*files).net is not None


@pytest.mark.parametrize(("value", "shown"), [("1", "none"), ("0", "full")])
def test_only_ones_own_studio_shows_tracebacks(
    value: str, shown: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.set_option("client.showErrorDetails", "none")  # as .streamlit/config.toml has it
    assert 'showErrorDetails = "none"' in (ROOT / ".streamlit" / "config.toml").read_text()
    monkeypatch.setenv(public.VARIABLE, value)
    open_room("home", place / "faces")
    assert config.get_option("client.showErrorDetails") == shown


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
