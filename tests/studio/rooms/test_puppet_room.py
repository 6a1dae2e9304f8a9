from pathlib import Path

import numpy as np
import pytest

import fermodels
from fermodels.data.emotions import EMOTIONS
from fermodels.data.synthetic import ACTION_UNITS, render_image
from fermodels.xai.counterfactuals.response_curves import frontal_person, response_curves
from studio import networks
from studio.rooms.puppet import sliders
from tests.studio.toy_studio import chart, healthy, html_of, open_room, write_studio


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One shelf for all tests: what was rendered and asked once stays cached."""
    return write_studio(tmp_path_factory.mktemp("puppet"))


@pytest.fixture
def faces(place: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FER_CHECKPOINTS", str(place[0]))
    monkeypatch.setenv("FER_RESULTS", str(place[0].parent / "results"))
    return place[1]


def test_every_unit_has_a_slider_with_its_facs_number_and_title(faces: Path) -> None:
    app = open_room("puppet", faces)
    assert {slider.label for slider in app.slider} == {
        f"{unit.name.removeprefix('AU')} {unit.title}" for unit in ACTION_UNITS.values()
    }
    assert {slider.key for slider in app.slider} == {unit.lower() for unit in ACTION_UNITS}


def test_the_address_holds_person_and_units_and_every_model_answers(faces: Path) -> None:
    app = open_room("puppet", faces, person="5", au12="80", au25="40")
    face = render_image(frontal_person(5, {"AU12": 0.8, "AU25": 0.4}))
    assert "AU12 80%, AU25 40%" in html_of(app)
    for trace, name in zip(chart(app, 0)["data"], networks.names(), strict=True):
        assert trace["name"] == name
        assert trace["x"] == pytest.approx(fermodels.load(name).predict(face)[0].tolist())


def test_a_preset_sets_all_sliders_and_neutral_lets_go(faces: Path) -> None:
    app = open_room("puppet", faces, au43="70")
    healthy(app.button(key="wear-surprise").click().run())
    worn = sliders.prototype("surprise")
    for unit in ACTION_UNITS:
        assert app.slider(key=unit.lower()).value == round(100 * worn.get(unit, 0))
    healthy(app.button(key="wear-neutral").click().run())
    assert {slider.value for slider in app.slider} == {0}


def test_curves_are_the_librarys_for_the_unit_and_state_asked(faces: Path) -> None:
    app = open_room("puppet", faces, unit="4 Brow lowerer", others="as above", au1="50")
    wanted = response_curves(fermodels.load("shallow"), "AU4", {"AU1": 0.5})
    lines = [trace for trace in chart(app, 1)["data"] if trace.get("name")]
    assert [trace["name"] for trace in lines] == list(EMOTIONS)
    np.testing.assert_allclose([trace["y"] for trace in lines], wanted.mean.T, atol=1e-6)
    assert any("**4 Brow lowerer** moves shallow most towards" in m.value for m in app.markdown)


def test_the_smallest_change_is_searched_on_demand_and_forgotten_when_the_face_moves(
    faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_room("puppet", faces)
    assert any("Press **Search**" in note.value for note in app.info)
    healthy(app.button(key="flip").click().run())
    found = sliders.smallest_change("shallow", 3, (), None, "l1")
    if found is None:
        assert any("No movement was found" in note.value for note in app.info)
    else:
        assert html_of(app).count('alt="The face that shallow calls') == 2
    healthy(app.slider(key="au12").set_value(30).run())
    assert any("Press **Search**" in note.value for note in app.info)


def test_an_expression_it_says_already_is_answered_with_a_sentence(faces: Path) -> None:
    said = EMOTIONS[int(networks.probabilities("shallow", sliders.face(3, ())).argmax())]
    app = open_room("puppet", faces, **{"flip-to": said})
    healthy(app.button(key="flip").click().run())
    assert any("choose another expression" in note.value for note in app.info)


def test_worn_flips_are_rounded_away_from_the_start() -> None:
    before, after = {"AU1": 0.5, "AU2": 0.5, "AU4": 0.2}, {"AU1": 0.503, "AU2": 0.497, "AU4": 0.2}
    worn = sliders.just_over(before, after)
    assert worn["AU1"] == 0.51 and worn["AU2"] == 0.49
    assert worn["AU4"] == 0.2
