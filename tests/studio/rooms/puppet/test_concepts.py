"""Concept vectors in the Puppet room, on a small file made by hand."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from fermodels.data.emotions import EMOTIONS
from fermodels.errors import CheckpointError
from fermodels.files import write_json
from fermodels.nets import catalog
from fermodels.xai.concepts import record as concepts_record
from fermodels.xai.concepts.record import ConceptRecord
from studio import networks, theme
from studio.figures import concepts as figures
from studio.rooms.puppet import concepts
from tests.studio.concept_toys import ANGRY, FEAR, HAPPY, SAD, content
from tests.studio.toy_studio import chart, open_room, write_studio
from tests.toys import ROOT

SHOWN = "Effect on each expression's logit"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_studio(tmp_path_factory.mktemp("concepts"))


@pytest.fixture
def faces(place: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FER_CHECKPOINTS", str(place[0]))
    monkeypatch.setenv("FER_RESULTS", str(tmp_path))
    return place[1]


def store(tmp_path: Path, **changed: Any) -> ConceptRecord:
    write_json(tmp_path / "concepts-shallow.json", content(**changed))
    found = concepts_record.read("shallow")
    assert found is not None
    return found


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConceptRecord:
    monkeypatch.setenv("FER_RESULTS", str(tmp_path))
    return store(tmp_path)


def words_of(app: AppTest) -> str:
    shown = (*app.markdown, *app.caption, *app.info)
    return "\n".join(element.value for element in shown)


def test_the_record_holds_what_the_file_says(record: ConceptRecord) -> None:
    cell = content()["concepts"][0]["classes"]
    for column, name in enumerate(EMOTIONS):
        for figure in concepts_record.CELLS:
            held = getattr(record, figure)[0, column]
            assert held == cell[name][figure] or (np.isnan(held) and cell[name][figure] is None)
        assert record.significant[0, column] == cell[name]["significant"]
    assert record.units == ("AU12", "AU4") and record.titles[1] == "Brow lowerer"
    for figure in concepts_record.ACCURACY:
        assert getattr(record, figure)[1] == content()["concepts"][1][figure]
    assert record.rendered["happy"] == (5 * HAPPY, 40)
    assert np.isnan(record.score[:, FEAR]).all() and not record.significant[:, FEAR].any()


def test_the_table_has_one_row_per_unit_and_expression(record: ConceptRecord) -> None:
    table = record.table().set_index(["unit", "expression"])
    assert len(table) == 2 * 7
    assert table.loc[("AU12", "happy"), "score"] == 1
    assert table.loc[("AU4", "sad"), "accuracy"] == record.accuracy[1]
    assert table["significant"].sum() == 2


@pytest.mark.parametrize("stored", [None, 1, concepts_record.FORMAT + 1])
def test_a_file_of_another_format_is_refused_with_the_command_that_makes_a_new_one(
    stored: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_RESULTS", str(tmp_path))
    write_json(tmp_path / "concepts-shallow.json", content(format=stored))
    with pytest.raises(CheckpointError, match=r"format .*expected 2; run python -m .*--model sh"):
        concepts_record.read("shallow")


@pytest.mark.parametrize("lost", ["concepts", "notes", "provenance", "rendered"])
def test_an_incomplete_file_is_named_with_the_command_that_makes_it(
    lost: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_RESULTS", str(tmp_path))
    damaged = {key: value for key, value in content().items() if key != lost}
    write_json(tmp_path / "concepts-shallow.json", damaged)
    with pytest.raises(CheckpointError, match=r"concepts-shallow.json is incomplete .*--model sh"):
        concepts_record.read("shallow")


@pytest.mark.parametrize("cells", figures.CELLS.values())
def test_cells_drawn_are_the_files_and_only_chance_is_pale(
    record: ConceptRecord, cells: str
) -> None:
    pale, sure = figures.scores(record, cells=cells).data
    drawn = np.where(np.isnan(pale.z), sure.z, pale.z)
    np.testing.assert_array_equal(drawn, getattr(record, cells))
    assert (np.isfinite(sure.z) == record.significant).all()
    assert not (np.isfinite(pale.z) & np.isfinite(sure.z)).any()
    assert pale.opacity < 0.5 and sure.opacity in (None, 1)
    for ink in theme.INK.values():
        written = figures.scores(record, ink, cells).layout.annotations
        bracketed = [note for note in written if note.text.startswith("(")]
        chance = ~record.significant & np.isfinite(record.score)
        assert len(bracketed) == int(chance.sum())
        assert {note.font.color for note in bracketed} <= {ink}


def test_a_single_unit_has_an_empty_second_row_for_plotly_to_draw_it(tmp_path: Path) -> None:
    record = one_unit(tmp_path)
    one, other = figures.scores(record), figures.probe_accuracy(record)
    assert np.shape(one.data[0].z) == (2, 7) and np.isnan(one.data[0].z[1]).all()
    assert one.layout.yaxis.categoryarray == other.layout.yaxis.categoryarray


def one_unit(tmp_path: Path) -> ConceptRecord:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_RESULTS", str(tmp_path))
        return store(tmp_path, concepts=content()["concepts"][:1])


def test_ink_is_the_text_colour_of_the_configured_themes() -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
    assert {name: config[name]["textColor"] for name in ("light", "dark")} == theme.INK


def test_grey_means_no_change_or_that_as_many_faces_rise_as_fall(record: ConceptRecord) -> None:
    largest = np.nanmax(np.abs(record.effect))
    for trace in figures.scores(record).data:
        assert (trace.zmin, trace.zmid, trace.zmax) == (-largest, 0, largest)
    for trace in figures.scores(record, cells="score").data:
        assert (trace.zmin, trace.zmid, trace.zmax) == (0, 0.5, 1)


def test_numbers_that_may_be_chance_stand_in_brackets(record: ConceptRecord) -> None:
    puller = figures.titles(record)[0]
    for cells, sure, chance in (
        ("effect", record.effect[0, HAPPY], record.effect[0, ANGRY]),
        ("score", record.score[0, HAPPY], record.score[0, ANGRY]),
    ):
        notes = figures.scores(record, cells=cells).layout.annotations
        texts = {(note.y, note.x): note.text for note in notes}
        word = "{:+.1f}".format if cells == "effect" else lambda value: f"{100 * value:.0f}"
        assert texts[puller, "happy"] == word(sure)
        assert texts[puller, "angry"] == f"({word(chance)})"
        assert (puller, "fear") not in texts, "no face, no number"
        assert len(texts) == len(notes) == 2 * 6


def test_the_hover_gives_effect_interval_chance_score_and_p(record: ConceptRecord) -> None:
    said = figures.scores(record).data[0].hovertext[0][HAPPY]
    for figure in (record.effect, record.low, record.high):
        assert f"{figure[0, HAPPY]:+.3f}" in said
    assert f"{record.by_chance[0, HAPPY]:.3f}" in said and "100.0% of faces rise" in said
    assert f"{figures.DIFFERS}: p {record.p_holm[0, HAPPY]:.2g} (Holm)" in said
    assert figures.CHANCE in figures.scores(record).data[0].hovertext[1][HAPPY]


def test_rows_of_both_figures_stand_level_and_accuracies_are_the_files(
    record: ConceptRecord,
) -> None:
    one, other = figures.scores(record), figures.probe_accuracy(record)
    np.testing.assert_allclose(other.data[0].x, 100 * record.accuracy)
    bars = other.data[0].error_x
    np.testing.assert_allclose(np.add(other.data[0].x, bars.array), 100 * record.accuracy_high)
    np.testing.assert_allclose(
        np.subtract(other.data[0].x, bars.arrayminus), 100 * record.accuracy_low
    )
    assert one.layout.height == other.layout.height
    assert one.layout.yaxis.categoryarray == other.layout.yaxis.categoryarray
    assert (one.layout.margin.t, one.layout.margin.b) == (
        other.layout.margin.t, other.layout.margin.b
    )  # fmt: skip
    low, high = other.layout.xaxis.range
    assert low < 100 * record.accuracy_low.min() < 100 < high


def test_agreement_counts_only_scores_that_are_not_chance(record: ConceptRecord) -> None:
    effect = np.zeros(7)
    effect[HAPPY] = effect[SAD] = 0.3
    said = concepts.agreement(record, "AU12", effect)
    assert "the same way for happy and the other way for sad." in said
    assert "nothing to compare" in concepts.agreement(record, "AU4", effect)


def heatmap(app: AppTest) -> dict[str, Any]:
    return next(
        spec
        for number in range(len(app.get("plotly_chart")))
        if (spec := chart(app, number))["data"][0]["type"] == "heatmap"
    )


def test_the_cells_show_what_the_visitor_chose(faces: Path, tmp_path: Path) -> None:
    record = store(tmp_path, checkpoint_hash=catalog.weights_hash(catalog.find("shallow")))
    for words, written in (
        ("logit change", f"{record.effect[0, HAPPY]:+.1f}"), ("share that rises", "100")
    ):  # fmt: skip
        app = open_room("puppet", faces, **{"concept-cells": words})
        notes = heatmap(app)["layout"]["annotations"]
        assert next(note["text"] for note in notes if note["x"] == "happy") == written


def test_the_room_draws_the_file_with_its_numbers_and_notes(faces: Path, tmp_path: Path) -> None:
    record = store(tmp_path, checkpoint_hash=catalog.weights_hash(catalog.find("shallow")))
    app = open_room("puppet", faces)
    heat = heatmap(app)
    assert heat["data"][0]["y"][:2] == figures.titles(record)
    said = words_of(app)
    assert "2 of 12 effects differ" in said and "A note of the file." in said
    assert "neutral 30 of 40" in said and "angry 0 of 40" in said
    assert "family-wise" not in said
    for words in (
        "`conv2.pool`",
        "31 rendered people",
        "4,999 swaps",
        "p to 13 validation",
        "0123456",
    ):
        assert words in said
    assert "before hashes were kept" not in said
    assert "the curves of faces at rest go the same way" in said


def test_a_file_without_a_hash_is_shown_and_says_so(faces: Path, tmp_path: Path) -> None:
    store(tmp_path)
    said = words_of(open_room("puppet", faces))
    assert SHOWN in said and "made before hashes were kept" in said


def test_scores_of_other_weights_are_not_shown(faces: Path, tmp_path: Path) -> None:
    store(tmp_path, checkpoint_hash="0" * 64)
    said = words_of(open_room("puppet", faces))
    assert SHOWN not in said and "A note of the file." not in said
    assert "made for other weights" in said
    assert "`python -m fermodels.xai.concepts.tcav --model shallow --data PATH`" in said


def test_without_a_file_one_sentence_names_the_command(faces: Path, tmp_path: Path) -> None:
    store(tmp_path)
    said = words_of(open_room("puppet", faces, model="hybrid-shallow"))
    assert SHOWN not in said and "has no concept vectors yet" in said
    assert "`python -m fermodels.xai.concepts.tcav --model hybrid-shallow --data PATH`" in said


def test_a_damaged_file_is_said_in_a_sentence(faces: Path, tmp_path: Path) -> None:
    write_json(tmp_path / "concepts-shallow.json", content(concepts=[]))
    assert "is incomplete" in words_of(open_room("puppet", faces))


def test_a_guest_is_told_that_this_is_for_bundled_networks(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(tmp_path)
    guest = networks.VisitorNetwork(
        f"shallow{networks.SUFFIX}", "folder", catalog.find("shallow"), ""
    )
    monkeypatch.setattr(networks, "mine", lambda: {guest.name: guest})
    said = concepts.scores_of(guest.name)
    assert isinstance(said, str) and "is yours" in said
    assert "python -m fermodels.xai.concepts.tcav" in said
