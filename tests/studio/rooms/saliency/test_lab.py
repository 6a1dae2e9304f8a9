"""Saliency's comparison over networks, its trust figures and its edit canvas."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from fermodels.data import edits
from fermodels.data.emotions import EMOTIONS
from fermodels.data.readers.discover import read_faces
from fermodels.nets import catalog
from fermodels.xai.trust import planted_cue_record, scorecard_record
from fermodels.xai.trust.faithfulness import face_curves
from fermodels.xai.trust.verdict import BLIND_TO_FACE, NOT_ENOUGH, PASSES, Verdict
from studio import explanations, networks
from studio.explanations import MapRequest
from studio.rooms.saliency import comparison
from studio.rooms.saliency.settings import RAW, SHARES, Options
from studio.state import SelectedFace
from tests.studio.shelf_of_toys import text_of
from tests.studio.toy_studio import chart, healthy, html_of, open_room, write_studio

IMAGE = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)
FACE = SelectedFace("upload-1", IMAGE, None, "upload")


@pytest.fixture
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shelf, folder = write_studio(tmp_path)
    monkeypatch.setenv("FER_CHECKPOINTS", str(shelf))
    monkeypatch.setenv("FER_RESULTS", str(tmp_path / "results"))
    return folder


def options(scale: str = SHARES) -> Options:
    return Options(3, "mean-face", None, scale, "both", 0.85, None)


def test_networks_stand_side_by_side_on_one_scale(faces: Path) -> None:
    app = open_room(
        "saliency", faces, model="shallow", also=["hybrid-shallow"], methods=["Saliency"]
    )
    assert html_of(app).count(">Saliency<") == 2 * 2 + 2, "both views of both, and two branches"
    names = ["shallow", "hybrid-shallow"]
    found = comparison.compute(FACE, names, ["saliency", "grad-cam"], options())
    everything = np.concatenate([np.abs(found.values(m)).ravel() for m in found.every])
    assert len(found.every) == 4
    assert found.limits["saliency"] == found.limits["grad-cam"]
    assert found.limits["saliency"] == pytest.approx(np.quantile(everything, 0.995))
    raw = comparison.compute(FACE, names, ["saliency", "grad-cam"], options(RAW))
    assert raw.limits["saliency"] != raw.limits["grad-cam"]


def test_a_methods_options_reach_the_method_and_the_address(faces: Path) -> None:
    app = open_room("saliency", faces, methods=["Occlusion"], **{"occlusion.patch": "12"})
    assert any("patch=12" in block.value for block in app.code)
    healthy(app.number_input(key="occlusion.stride").set_value(12).run())
    assert any("stride=12" in block.value for block in app.code)


def test_a_method_that_cannot_answer_is_said_and_the_others_are_drawn(faces: Path) -> None:
    app = open_room(
        "saliency", faces, methods=["Occlusion", "Saliency"],
        **{"occlusion.patch": "2", "occlusion.stride": "9"},
    )  # fmt: skip
    words = text_of(app)
    assert re.search(r"Occlusion has no map of shallow: .*stride", words)
    assert html_of(app).count(">Saliency<") == 2


def test_curves_are_those_of_the_library(faces: Path) -> None:
    asked = MapRequest("saliency", 3, "mean-face")
    found = explanations.attribution("shallow", IMAGE, asked)
    drawn = explanations.curves("shallow", IMAGE, asked, found.attribution)
    with networks.locked_network("shallow") as net:
        plain = face_curves(net, IMAGE, found.attribution, 3, "saliency", "mean-face")
    assert list(drawn) == list(plain) and len(drawn) > 1
    for name, curve in plain.items():
        assert np.allclose(drawn[name].deletion, curve.deletion, atol=1e-6)


def test_the_room_draws_curves_when_asked(faces: Path) -> None:
    app = open_room("saliency", faces, methods=["Saliency"], curves="true")
    lines = [line["name"] for line in chart(app, 2)["data"]]
    assert lines[0] == "Saliency" and "random" in lines
    assert "Insertion minus deletion area" in text_of(app)


SALIENCY = MapRequest("saliency", 3, "mean-face")


def test_an_unscored_network_says_how_to_score_it(faces: Path) -> None:
    found = explanations.badge("shallow", SALIENCY)
    assert found.words == explanations.UNSCORED and not found.fails
    assert "fermodels.xai.trust.scorecard --model shallow" in found.why


class Card:
    """A scorecard with one verdict for every method, for the weights at hand unless told."""

    methods = ("saliency", "grad-cam", "integrated-gradients")

    def __init__(self, trusted: bool | None, name: str, checkpoint_hash: str | None = None) -> None:
        self.trusted = trusted
        self.checkpoint_hash = checkpoint_hash or catalog.weights_hash(catalog.find(name))

    def verdict(self, _method: str) -> Verdict:
        words = {True: PASSES, None: NOT_ENOUGH, False: BLIND_TO_FACE}[self.trusted]
        return Verdict(self.trusted, words, ("0.99 of it stays", "0.01 of it goes"), {})

    def same_as(self, method: str) -> str | None:
        return "deep-lift" if method == "grad-cam" else None


@pytest.mark.parametrize("trusted", list(explanations.SIGNS))
def test_a_badge_is_the_scorecards_verdict_and_a_failing_map_is_pale(
    trusted: bool | None, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scorecard_record, "read", lambda name: Card(trusted, name))
    page = html_of(app := open_room("saliency", faces, methods=["Saliency"]))
    words = explanations.badge("shallow", SALIENCY).words
    assert page.count(f">{words}<") == 2 and len(words.split()) <= 4  # the sign and three words
    assert page.count("opacity:.35") == (2 if trusted is False else 0)
    assert "0.99 of it stays" in page
    assert "01 of it goes" in text_of(app)  # one click away


@pytest.mark.parametrize(
    "asked",
    [
        replace(SALIENCY, settings=(("smooth", 3),)),
        replace(SALIENCY, contrast_class=5),
        MapRequest("integrated-gradients", 3, "black"),
        MapRequest("grad-cam", 3, "mean-face", layer="conv1.relu"),
    ],
    ids=["options", "contrast", "baseline", "layer"],
)
def test_a_map_with_other_settings_than_the_scorecards_carries_no_verdict(
    asked: MapRequest, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scorecard_record, "read", lambda name: Card(True, name))
    assert explanations.badge("shallow", asked).words == explanations.UNSCORED
    usual = MapRequest(asked.method, 3, "mean-face")
    assert PASSES in explanations.badge("shallow", usual).words
    # a method that looks at no baseline is the same with any
    assert PASSES in explanations.badge("shallow", replace(SALIENCY, baseline="black")).words


def test_a_method_whose_maps_are_anothers_says_so(
    faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scorecard_record, "read", lambda name: Card(True, name))
    said = explanations.badge("shallow", MapRequest("grad-cam", 3, "mean-face")).reasons
    assert "those of deep-lift" in said[-1]


def test_a_scorecard_of_other_weights_judges_nothing(
    faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scorecard_record, "read", lambda name: Card(False, name, "0" * 64))
    found = explanations.badge("shallow", SALIENCY)
    assert found.words == explanations.UNSCORED and not found.fails
    assert "other weights" in found.why


@pytest.mark.parametrize("text", ["[", '{"format": 1}'], ids=["damaged", "of older rules"])
def test_a_scorecard_that_cannot_be_read_judges_nothing_and_says_why(
    text: str, faces: Path, tmp_path: Path
) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "scorecard-shallow.json").write_text(text)
    found = explanations.badge("shallow", SALIENCY)
    assert found.words == explanations.UNSCORED and "scorecard-shallow.json" in found.why


def test_where_a_method_is_chosen_stands_whether_it_found_the_planted_cue(
    faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FER_RESULTS")  # the bundled findings
    known = planted_cue_record.read()
    assert known is not None
    near = known.methods["occlusion"].near
    said = text_of(open_room("saliency", faces, methods=["Occlusion"]))
    assert (
        f"Occlusion {explanations.CUE[known.methods['occlusion'].verdict]} ({near.mean:.0%}" in said
    )
    assert f"of {near.n} faces" in said


def test_region_shares_of_a_map_are_signed_shares_of_its_whole(faces: Path) -> None:
    from fermodels.xai.attribution.occlusion import region_masks

    app = open_room("saliency", faces, methods=["Occlusion"])
    heat = chart(app, 1)["data"][0]
    every = read_faces(faces)
    face = every.images[np.flatnonzero(every.splits == "test")[0]]
    target = int(networks.probabilities("shallow", face).argmax())
    found = explanations.attribution("shallow", face, MapRequest("occlusion", target, "mean-face"))
    whole = np.abs(found.attribution).sum()
    by_hand = [100 * found.attribution[m].sum() / whole for m in region_masks().values()]
    assert np.allclose(decoded(heat["z"])[0], by_hand, atol=1e-3)


def decoded(z: object) -> np.ndarray:
    """Return plotly's matrix, which travels as base64."""
    import base64

    if isinstance(z, dict):
        rows, columns = (int(n) for n in z["shape"].split(","))
        return np.frombuffer(base64.b64decode(z["bdata"]), z["dtype"]).reshape(rows, columns)
    return np.array(z)


def test_an_edit_in_the_address_changes_answers_and_maps(faces: Path) -> None:
    chain = edits.read("erase:15.22.12.36")
    app = open_room(
        "saliency", faces, methods=["Saliency"], editing="true", edits=edits.write(chain)
    )
    every = read_faces(faces)
    face = every.images[np.flatnonzero(every.splits == "test")[0]]
    after = networks.probabilities("shallow", edits.apply(face, chain, {}))
    dots = chart(app, 2)["data"][-1]["x"]
    assert dots == pytest.approx(after.tolist())
    assert app.query_params["edits"] in ("erase:15.22.12.36", ["erase:15.22.12.36"])
    assert "erase (rows 15-21, columns 12-35)" in text_of(app)


def test_edits_are_kept_one_after_the_other_undone_and_dropped(faces: Path) -> None:
    app = open_room("saliency", faces, methods=["Saliency"], editing="true", edit="Blur")
    press(app, "Apply and continue")
    assert applied(app) == ["blur"]
    healthy(app.pills(key="edit").set_value("mirror").run())
    press(app, "Apply and continue")
    assert applied(app) == ["blur", "mirror"]
    press(app, "Undo")
    assert applied(app) == ["blur"]
    press(app, "Start over")
    assert applied(app) == [] and "edits" not in app.query_params


def applied(app: AppTest) -> list[str]:
    """Return the names of the edits in the address, in order."""
    text = str(app.session_state["edits"])
    return [step.edit for step in edits.read(text)]


def press(app, label: str) -> None:  # type: ignore[no-untyped-def]
    healthy(next(b for b in app.button if b.label == label).click().run())


def test_pasting_takes_a_typical_face_of_the_expression(faces: Path) -> None:
    app = open_room(
        "saliency", faces, methods=["Saliency"], editing="true", edit="Paste", donor="happy"
    )
    assert any("donor" in b.value or "'happy': faces.images" in b.value for b in app.code)


def test_a_broken_edit_in_the_address_is_said_and_the_face_stays(faces: Path) -> None:
    app = open_room("saliency", faces, methods=["Saliency"], editing="true", edits="melt:1")
    assert any("is no edit" in note.value for note in app.error)
    assert EMOTIONS[0] in str(chart(app, 2))
