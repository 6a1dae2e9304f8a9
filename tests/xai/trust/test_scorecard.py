"""A scorecard of a small network: what is measured, resumed, judged and read back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fermodels
from fermodels.data.samples import sample_faces
from fermodels.errors import CheckpointError
from fermodels.nets import catalog, checkpoint
from fermodels.xai.attribution.explain import explain
from fermodels.xai.trust import scorecard, scorecard_record
from fermodels.xai.trust.maps import CONTROLS, completeness_error, explainer, passes_per_face
from fermodels.xai.trust.metrics import METRICS
from fermodels.xai.trust.scorecard import Budget, sample
from tests.xai.conftest import SMALL, settle

EVERYWHERE = set(METRICS) - {"completeness-error"}
METHODS = ("input-x-gradient", "saliency")


def run(model: Path, *words: str) -> None:
    args = scorecard.parse(["--model", str(model), "--faces", "6", *words])
    scorecard.run(args)


def write_checkpoint(folder: Path, seed: int = 0) -> Path:
    history = catalog.History(pd.DataFrame({"step": [1]}), pd.DataFrame({"epoch": [1]}))
    checkpoint.save(folder, settle(SMALL, seed), {}, {}, history, pd.DataFrame(), "")
    return folder


@pytest.fixture(scope="module")
def scored(tmp_path_factory) -> tuple[Path, Path]:
    """A small checkpoint and the folder of its results, two methods measured."""
    root = tmp_path_factory.mktemp("scored")
    model = write_checkpoint(root / "toy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_RESULTS", str(root / "results"))
        run(model, "--methods", *METHODS)
    return model, root / "results"


@pytest.fixture
def results(scored, monkeypatch) -> Path:
    monkeypatch.setenv("FER_RESULTS", str(scored[1]))
    return scored[1]


def test_a_scorecard_holds_every_metric_face_by_face_and_judges_from_them(scored, results) -> None:
    card = scorecard_record.read(str(scored[0]))
    assert card is not None and len(card.faces) == 6 and set(card.methods) == set(METHODS)
    for name in METHODS:
        score = card.methods[name]
        assert set(score.values) >= EVERYWHERE, name
        assert all(one.low <= one.mean <= one.high for one in score.metrics.values())
        assert score.metrics["gap"].n == 6 and score.passes_per_face == 1
        assert card.verdict(name).trusted is not True  # of six faces
        assert set(score.template) == {"gap", "road"}
    assert {"versions", "git_revision", "data_hash", "seed"} <= set(card.provenance)
    assert set(card.controls) == set(CONTROLS) and card.learned.n == 280
    with pytest.raises(CheckpointError, match="has no method 'lime'"):
        card.verdict("lime")


def test_the_scorecards_verdict_is_that_of_judge(scored, results, monkeypatch) -> None:
    card = scorecard_record.read(str(scored[0]))
    assert card is not None
    faces, net = sample(sample_faces(), 6, 0).images, checkpoint.load(scored[0])
    alone = fermodels.judge(net, "saliency", faces).figures
    for name, one in card.verdict("saliency").figures.items():
        assert one.mean == pytest.approx(alone[name].mean, abs=2e-4), name
        assert one.n == alone[name].n


def test_a_second_sitting_measures_only_what_is_new(scored, results, monkeypatch) -> None:
    asked: list[str] = []
    original = scorecard.measure

    def watched(bench, name):
        asked.append(name)
        return original(bench, name)

    monkeypatch.setattr(scorecard, "measure", watched)
    before = (results / "scorecard-toy.json").read_text()
    run(scored[0], "--methods", "saliency", "grad-cam")
    assert asked == ["grad-cam"]
    after = json.loads((results / "scorecard-toy.json").read_text())
    assert set(after["methods"]) == {*METHODS, "grad-cam"}
    assert after["methods"]["saliency"] == json.loads(before)["methods"]["saliency"]
    run(scored[0], "--methods", "grad-cam", "--fresh")
    assert asked == ["grad-cam"] * 2  # and nothing else is thrown away
    again = json.loads((results / "scorecard-toy.json").read_text())
    assert set(again["methods"]) == set(after["methods"])


def test_what_was_measured_with_other_settings_is_measured_again(
    scored, results, monkeypatch, tmp_path: Path
) -> None:
    raw = json.loads((results / "scorecard-toy.json").read_text())
    raw["methods"]["saliency"]["options"]["smooth"] = 9
    monkeypatch.setenv("FER_RESULTS", str(tmp_path))
    (tmp_path / "scorecard-toy.json").write_text(json.dumps(raw))
    asked: list[str] = []
    original = scorecard.measure
    monkeypatch.setattr(
        scorecard, "measure", lambda bench, name: asked.append(name) or original(bench, name)
    )
    run(scored[0], "--methods", *METHODS)
    assert asked == ["saliency"]


def test_other_weights_or_older_rules_start_anew(
    scored, results, monkeypatch, tmp_path: Path, capsys
) -> None:
    raw = json.loads((results / "scorecard-toy.json").read_text())
    for changed, said in (({"format": 1}, "other format"), ({"checkpoint_hash": "0"}, "other che")):
        monkeypatch.setenv("FER_RESULTS", str(tmp_path))
        (tmp_path / "scorecard-toy.json").write_text(json.dumps(raw | changed))
        run(scored[0], "--methods", "input-x-gradient")
        assert said in capsys.readouterr().out
        again = scorecard_record.read("toy")
        assert again is not None and set(again.methods) == {"input-x-gradient"}
        mine = json.loads((tmp_path / "scorecard-toy.json").read_text())["methods"]
        assert mine["input-x-gradient"]["values"] == raw["methods"]["input-x-gradient"]["values"]


def test_the_file_is_small_json_with_the_question_it_answers(scored, results) -> None:
    path = results / "scorecard-toy.json"
    raw = json.loads(path.read_text())
    assert raw["faces"] == sample(sample_faces(), 6, 0).ids.tolist()
    assert len(json.dumps(raw["methods"]["saliency"])) < 3000  # of 48 faces eight times as much


def test_the_sample_depends_on_content_not_on_order() -> None:
    faces = sample_faces()
    shuffled = faces.select(np.random.default_rng(0).permutation(len(faces)))
    assert sample(faces, 9, 0).ids.tolist() == sample(shuffled, 9, 0).ids.tolist()
    assert sample(faces, 9, 0).ids.tolist() != sample(faces, 9, 1).ids.tolist()
    assert sample(faces, 20, 0).ids.tolist()[:9] == sample(faces, 9, 0).ids.tolist()


def test_passes_are_counted_on_every_branch(net, hybrid) -> None:
    for model in (net, hybrid):
        assert passes_per_face(model, explainer("saliency")) == 1
        assert passes_per_face(model, explainer("smoothgrad", {"samples": 7})) == 8
        assert not any(module._forward_pre_hooks for module in model.modules())


def test_slow_methods_get_fewer_faces_but_never_too_few() -> None:
    budget = Budget(explain=100)
    assert [budget.faces("explain", cost, 8, 48) for cost in (1, 5, 50)] == [48, 20, 8]
    assert budget.faces("explain", 50, 8, 6) == 6


def test_completeness_equals_what_explain_reports(net, faces) -> None:
    found = explain(net, faces, "integrated-gradients", 2, steps=3, refine=0.0)
    mine = completeness_error(net, faces, found.attribution, found.target_class)
    np.testing.assert_allclose(mine, found.completeness_error, rtol=1e-2, atol=1e-4)
