from pathlib import Path

import numpy as np
import pytest

import fermodels
from fermodels.data.emotions import EMOTIONS
from fermodels.xai.dream.dream import dream
from studio.rooms import deepdream
from studio.rooms.deepdream import FILM, MEAN_FACE, SEVEN, Wish
from tests.studio.toy_studio import chart, healthy, html_of, open_room, write_studio

FACE = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)


@pytest.fixture
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shelf, folder = write_studio(tmp_path)
    monkeypatch.setenv("FER_CHECKPOINTS", str(shelf))
    return folder


def press(app, label: str):  # type: ignore[no-untyped-def]
    button = next(button for button in app.button if button.label == label)
    return healthy(button.click().run())


@pytest.mark.parametrize(
    "wish",
    [
        Wish("quick", target="sad", seed=3),
        Wish("turn", target="sad", contrast="fear"),
        Wish("deepdream", layer="conv1.conv", start=MEAN_FACE),
        Wish("channel", channel=1),
    ],
)
def test_a_wish_is_dreamed_as_the_library_dreams_it(faces: Path, wish: Wish) -> None:
    steps = list(deepdream.dreaming("shallow", FACE, wish))
    start = "mean-face" if wish.start == MEAN_FACE else FACE
    plain = dream(fermodels.load("shallow"), start, **wish.keywords())
    assert (steps[-1].frame == plain.frames[-1]).all()
    assert steps[-1].step == steps[-1].total == plain.frame_steps[-1]


def test_the_room_opens_with_a_dream_and_the_next_waits_for_the_button(faces: Path) -> None:
    app = open_room("deepdream", faces, preset="Fast preview", dream="sad")
    film = app.session_state[FILM]
    assert film.done and film.about[2].target == "sad"
    healthy(next(box for box in app.selectbox if box.label == "Expression").select("fear").run())
    assert app.session_state[FILM] is film
    assert press(app, "Dream").session_state[FILM].about[2].target == "fear"


def test_a_dream_shows_strip_probabilities_and_downloads(faces: Path) -> None:
    app = press(open_room("deepdream", faces, preset="Fast preview", dream="sad"), "Dream")
    film = app.session_state[FILM]
    assert film.done and film.steps == list(range(len(film.frames)))
    assert html_of(app).count('alt="Dream, step') == 6
    after = chart(app, 0)["data"][-1]["x"]
    assert after == pytest.approx(film.probabilities(-1).tolist())
    assert (
        film.probabilities(-1)[EMOTIONS.index("sad")] > film.probabilities(0)[EMOTIONS.index("sad")]
    ), "it dreamed of sad"
    offered = [button.proto.label for button in app.get("download_button")]
    assert offered[:2] == ["Last frame (PNG)", "Film (GIF)"]


def test_the_same_seed_gives_the_same_dream_another_seed_another(faces: Path) -> None:
    def last(seed: int) -> np.ndarray:
        return list(deepdream.dreaming("shallow", FACE, Wish("quick", "sad", seed=seed)))[-1].frame

    assert (last(1) == last(1)).all()
    assert (last(1) != last(2)).any()


def test_changed_settings_are_said_beside_an_old_dream(faces: Path) -> None:
    app = press(open_room("deepdream", faces, preset="Fast preview"), "Dream")
    assert not any("have changed" in note.value for note in app.caption)
    healthy(app.selectbox(key="dream").select("fear").run())
    assert any("have changed" in note.value for note in app.caption)


def test_seven_faces_are_dreamed_towards_their_labels(faces: Path) -> None:
    app = press(open_room("deepdream", faces, preset="Fast preview", seven="true"), "Dream")
    films = app.session_state[SEVEN]
    assert [film.about[2].target for film in films] == list(EMOTIONS)
    assert html_of(app).count('alt="The dream of the ') == 7


def test_an_expression_against_itself_is_refused_in_a_sentence(faces: Path) -> None:
    app = open_room(
        "deepdream", faces, preset="Turn one expression into another", dream="sad", **{"not": "sad"}
    )
    assert any("choose two expressions" in note.value for note in app.info)
