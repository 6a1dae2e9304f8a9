"""A network of one's own: in every picker of one's session, in nobody else's, read strictly."""

from __future__ import annotations

import json
import re
import shutil
import threading
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fermodels.errors import CheckpointError
from fermodels.nets import catalog, checkpoint
from fermodels.nets.fernet import FERNet
from studio import networks
from studio.rooms.compare import tables
from tests.studio import shelf_of_toys
from tests.studio.shelf_of_toys import text_of
from tests.studio.toy_studio import healthy, open_room, write_studio
from tests.toys import tiny_net

MINE = "shallow (yours)"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shelf_folder, _ = write_studio(tmp_path)
    monkeypatch.setenv("FER_CHECKPOINTS", str(shelf_folder))
    return tmp_path


def two_files(folder: Path) -> list[tuple[str, bytes, str]]:
    return [
        (catalog.CONFIG, (folder / catalog.CONFIG).read_bytes(), "application/json"),
        (catalog.WEIGHTS, (folder / catalog.WEIGHTS).read_bytes(), "application/octet-stream"),
    ]


def uploader(app: AppTest):  # type: ignore[no-untyped-def]
    return next(one for one in app.file_uploader if "model.safetensors" in one.label)


def upload(app: AppTest, files: list[tuple[str, bytes, str]]) -> AppTest:
    return healthy(uploader(app).set_value(files).run())


def offered(app: AppTest) -> list[str]:
    return list(app.selectbox(key="model").options)


def test_an_upload_is_offered_to_its_own_session_only(place: Path) -> None:
    app = open_room("activations", place / "faces")
    other = open_room("activations", place / "faces")
    upload(app, two_files(place / "checkpoints" / "shallow"))
    assert MINE in offered(app)
    assert MINE not in offered(healthy(other.run()))
    assert MINE not in networks.choices()
    with pytest.raises(CheckpointError):
        networks.stamp(MINE)


def test_an_upload_answers_like_the_network_it_is(place: Path) -> None:
    app = upload(
        open_room("saliency", place / "faces", methods=["Saliency"]),
        two_files(place / "checkpoints" / "shallow"),
    )
    bundled = app.get("plotly_chart")[0].proto.spec
    healthy(app.selectbox(key="model").select(MINE).run())
    assert app.get("plotly_chart")[0].proto.spec == bundled
    assert "not scored" in "\n".join(e.proto.body for e in app.get("html"))


@pytest.mark.parametrize("room", ["filters", "activations"])
def test_rooms_say_what_an_upload_lacks_and_stand(room: str, place: Path) -> None:
    app = upload(
        open_room(room, place / "faces"), two_files(place / "checkpoints" / "hybrid-shallow")
    )
    healthy(app.selectbox(key="model").select("hybrid-shallow (yours)").run())
    assert "came without" in text_of(app)


@pytest.mark.parametrize("room", ["training", "compare"])
def test_rooms_of_records_do_not_offer_an_upload_and_say_why(
    room: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored = shelf_of_toys.write_faces(place / "scored")
    shelf_of_toys.write_shelf(place / "shelf", scored)
    monkeypatch.setenv("FER_CHECKPOINTS", str(place / "shelf"))
    app = upload(
        shelf_of_toys.open_room(room, place / "scored"),
        two_files(place / "checkpoints" / "hybrid-shallow"),
    )
    words = text_of(app)
    assert "hybrid-shallow (yours) came without metrics.json" in words
    assert list(app.pills(key="models").options) == ["shallow", "deep"]


def test_files_that_do_not_fit_are_one_sentence_and_nobody_is_let_in(place: Path) -> None:
    app = open_room("activations", place / "faces")
    checkpoints = place / "checkpoints"
    config = two_files(checkpoints / "shallow")[0]
    weights = two_files(checkpoints / "hybrid-shallow")[1]
    upload(app, [config, weights])
    assert len(app.error) == 1 and "unknown ones" in app.error[0].value
    assert all("(yours)" not in name for name in offered(app))


def test_one_file_asks_for_the_other(place: Path) -> None:
    app = open_room("activations", place / "faces")
    upload(app, two_files(place / "checkpoints" / "shallow")[:1])
    assert any("model.safetensors" in note.value for note in app.caption)


def test_a_folder_in_the_address_is_a_guest_with_all_its_records(place: Path) -> None:
    folder = place / "checkpoints" / "shallow"
    elsewhere = place / "my net!"
    folder.rename(elsewhere)
    app = open_room("filters", place / "faces", own=str(elsewhere), model="my-net (yours)")
    assert any(head.value == "After epoch 3" for head in app.subheader)
    code = "\n".join(block.value for block in app.code)
    assert f"catalog.find({str(elsewhere)!r})" in code


def test_a_folder_that_is_none_is_said_once_in_the_sidebar(place: Path) -> None:
    app = open_room("activations", place / "faces", own=str(place / "nowhere"))
    assert len(app.error) == 1 and "no checkpoint" in app.error[0].value


def test_a_guest_can_be_let_go(place: Path) -> None:
    app = open_room("activations", place / "faces", own=str(place / "checkpoints" / "shallow"))
    healthy(app.button(key=f"dismiss-{MINE}").click().run())
    assert MINE not in offered(app)


def test_visitors_together_cannot_fill_the_memory(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = networks.VisitorNetwork("x", "upload", None, "x", tiny_net())
    assert one.bytes == sum(t.numel() * t.element_size() for t in tiny_net().state_dict().values())
    monkeypatch.setattr(networks, "MOST_BYTES", one.bytes // 2)
    files = two_files(place / "checkpoints" / "shallow")
    with pytest.raises(CheckpointError, match="try again later"):
        networks.invite_upload(files[0][1], files[1][1])


def test_names_from_a_config_are_made_harmless(place: Path) -> None:
    config, weights = (content for _, content, _ in two_files(place / "checkpoints" / "shallow"))
    raw = json.loads(config) | {"name": "../<b>evil</b>"}
    guest = networks.invite_upload(json.dumps(raw).encode(), weights)
    assert guest.name == "b-evil-b" + networks.SUFFIX


def test_the_lender_keeps_a_bounded_number_of_networks(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "MOST_LOADED", 1)
    for name in ("shallow", "hybrid-shallow", "shallow"):
        with networks.locked_checkpoint(name) as net:
            assert net.has_hog == name.startswith("hybrid")
        assert len(networks._loaded) == 1


def test_one_network_that_loads_keeps_nobody_else_waiting(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks._loaded.clear()
    load, go_on, loading = checkpoint.load, threading.Event(), threading.Event()
    times = []

    def slow(folder: Path) -> FERNet:
        times.append(folder.name)
        if folder.name == "shallow":
            loading.set()
            assert go_on.wait(20)
        return load(folder)

    monkeypatch.setattr(checkpoint, "load", slow)

    def ask() -> None:
        with networks.locked_checkpoint("shallow"):
            pass

    waiting = [threading.Thread(target=ask) for _ in range(3)]
    try:
        for thread in waiting:
            thread.start()
        assert loading.wait(20)
        with networks.locked_checkpoint("hybrid-shallow") as net:  # another one, while it loads
            assert net.has_hog
    finally:
        go_on.set()
        for thread in waiting:
            thread.join(20)
    assert sorted(times) == ["hybrid-shallow", "shallow"]  # once each, however many ask


def size_of(net: FERNet) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in net.state_dict().values())


def test_the_lender_keeps_a_bounded_number_of_bytes_and_bundled_networks_rather_than_brought(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks._loaded.clear()
    mine = [shutil.copytree(place / "checkpoints" / "shallow", place / f"mine{k}") for k in "12"]
    with networks.locked_checkpoint("shallow") as net:
        one = size_of(net)
    with networks.locked_checkpoint("hybrid-shallow") as net:
        both = one + size_of(net)
    monkeypatch.setattr(networks, "MOST_LOADED_BYTES", max(both + one, 2 * one))
    names = []
    for folder in mine:
        with networks.locked_checkpoint(folder):
            names.append(sorted(path.name for path in networks._loaded))
    assert names == [["hybrid-shallow", "mine1", "shallow"], ["hybrid-shallow", "mine2", "shallow"]]
    monkeypatch.setattr(networks, "MOST_LOADED_BYTES", 2 * one - 1)
    with networks.locked_checkpoint(mine[0]) as net:  # alone more than half: lent, and not kept
        assert size_of(net) == one
    assert not [path for path in networks._loaded if path.name.startswith("mine1")]


def test_a_network_that_cannot_be_loaded_takes_no_place(place: Path) -> None:
    networks._loaded.clear()
    (place / "checkpoints" / "shallow" / catalog.WEIGHTS).write_bytes(b"junk")
    for _ in range(2):
        with pytest.raises(CheckpointError), networks.locked_checkpoint("shallow"):
            pass
    assert not networks._loaded


def test_odd_records_are_said_at_the_door(place: Path) -> None:
    mine = (place / "checkpoints" / "shallow").rename(place / "mine")
    (mine / catalog.METRICS).write_text('{"epochs": -1}')
    app = open_room("activations", place / "faces", own=str(mine))
    assert len(app.error) == 1
    assert app.error[0].value.startswith("metrics.json of mine: epochs")
    assert all("(yours)" not in name for name in offered(app))


def test_a_guest_with_records_stands_in_the_difference(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored = shelf_of_toys.write_faces(place / "scored")
    shelf_of_toys.write_shelf(place / "shelf", scored)
    mine = (place / "checkpoints" / "shallow").rename(place / "mine")
    for record in tables.NEEDS:
        (place / "shelf" / "deep" / record).replace(mine / record)
    monkeypatch.setenv("FER_CHECKPOINTS", str(place / "shelf"))
    app = open_room("compare", place / "scored", own=str(mine), view="difference")
    assert list(app.selectbox(key="first").options) == ["shallow", "mine (yours)"]
    assert len(app.get("plotly_chart")) >= 1


def test_an_upload_is_asked_about_the_faces_of_the_dataset_room(place: Path) -> None:
    app = upload(
        open_room("dataset", place / "faces"), two_files(place / "checkpoints" / "shallow")
    )
    every = shown(app)
    healthy(app.selectbox(key="asked").select(MINE).run())
    counts = [
        shown(healthy(app.segmented_control(key="outcome").select(outcome).run()))
        for outcome in ("right", "wrong")
    ]
    assert sum(counts) == every and max(counts) < every


def shown(app: AppTest) -> int:
    found = re.search(r"\*\*(\d+)\*\* faces", text_of(app))
    return int(found[1]) if found else 0
