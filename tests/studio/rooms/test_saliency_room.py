import re
from pathlib import Path

import pytest

from fermodels.data.emotions import EMOTIONS
from tests.studio.toy_studio import chart, healthy, html_of, open_room, write_studio


@pytest.fixture
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shelf, folder = write_studio(tmp_path)
    monkeypatch.setenv("FER_CHECKPOINTS", str(shelf))
    return folder


def test_four_methods_greet_a_newcomer_each_on_the_face_and_alone(faces: Path) -> None:
    app = open_room("saliency", faces)
    page = html_of(app)
    for title in ("Saliency", "Integrated gradients", "Grad-CAM", "Occlusion"):
        assert page.count(f">{title}<") == 2
    assert re.search(r"completeness gap \d+\.\d%", page)


def test_the_label_is_marked_in_the_probabilities(faces: Path) -> None:
    words = chart(open_room("saliency", faces), 0)["data"][0]["text"]
    assert len(words) == 7 and sum("label" in word for word in words) == 1


def test_the_address_holds_the_question(faces: Path) -> None:
    app = open_room(
        "saliency", faces, model="hybrid-shallow", methods=["DeepLIFT"], target="fear",
        contrast="sad",
    )  # fmt: skip
    assert any("“fear” rather than “sad”" in head.value for head in app.subheader)
    page = html_of(app)
    assert page.count(">DeepLIFT<") == 4, "on the face, alone, through conv, through HOG"
    assert ">Saliency<" not in page


def test_settings_are_drawn_once_somebody_opens_them_and_kept_when_closed(faces: Path) -> None:
    app = open_room("saliency", faces, methods=["Occlusion"])
    assert not [one for one in app.slider if one.key == "opacity"]
    app.session_state["more"] = True
    healthy(app.run())
    healthy(app.number_input(key="occlusion.patch").set_value(12).run())
    app.session_state["more"] = False
    healthy(app.run())
    assert any("patch=12" in block.value for block in app.code)


def test_the_faces_to_choose_from_are_drawn_once_somebody_opens_them(faces: Path) -> None:
    app = open_room("saliency", faces, methods=["Saliency"])
    assert not [one for one in app.pills if one.key == "face-expression"]
    app.session_state["face-others"] = True
    healthy(app.run())
    assert app.pills(key="face-expression").options == list(EMOTIONS)


def test_a_class_against_itself_is_answered_with_a_sentence(faces: Path) -> None:
    app = open_room("saliency", faces, target="happy", contrast="happy")
    assert any("choose another" in note.value for note in app.info)


def test_no_method_chosen_asks_for_one(faces: Path) -> None:
    app = open_room("saliency", faces)
    app.multiselect(key="methods").set_value([])
    healthy(app.run())
    assert any("at least one method" in note.value for note in app.info)


def test_every_expression_can_be_asked_for(faces: Path) -> None:
    app = open_room("saliency", faces, methods=["Saliency"])
    for name in EMOTIONS[:2]:
        healthy(app.selectbox(key="target").select(name).run())
        assert any(head.value.endswith(f" “{name}”") for head in app.subheader)


def test_a_method_blind_to_hog_is_given_no_share_and_says_so(faces: Path) -> None:
    app = open_room("saliency", faces, model="hybrid-shallow", methods=["Saliency", "Grad-CAM"])
    page = html_of(app)
    assert page.count(">Saliency<") == 4 and page.count(">Grad-CAM<") == 2
    assert any(
        "Grad-CAM" in note.value and "conv branch only" in note.value for note in app.caption
    )
