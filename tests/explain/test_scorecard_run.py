"""A scorecard of a small network: what is measured, resumed, ranked and read back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fermodels.data.samples import sample_faces
from fermodels.errors import CheckpointError
from fermodels.explain import scorecard, scorecard_record, scorecard_run
from fermodels.explain.attribution import explain
from fermodels.explain.scorecard_measure import Budget
from fermodels.explain.scorecard_run import agreement, ranks_of, sample
from fermodels.explain.trust import METRICS
from fermodels.explain.trust_forward import completeness_error, passes_per_face
from fermodels.explain.trust_maps import explainer
from fermodels.nets import checkpoint
from tests.explain.conftest import SMALL, settle

EVERYWHERE = set(METRICS) - {"completeness-error"}
METHODS = ("input-x-gradient", "saliency")


def run(model: Path, *words: str) -> None:
    args = scorecard.parse(["--model", str(model), "--faces", "6", *words])
    scorecard_run.run(args)


def write_checkpoint(folder: Path, seed: int = 0) -> Path:
    history = checkpoint.History(pd.DataFrame({"step": [1]}), pd.DataFrame({"epoch": [1]}))
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


def test_a_scorecard_holds_every_metric_with_its_interval(scored, results) -> None:
    card = scorecard_record.read(str(scored[0]))
    assert card is not None and len(card.faces) == 6 and set(card.methods) == set(METHODS)
    for name in METHODS:
        score = card.methods[name]
        assert set(score.metrics) == EVERYWHERE, name
        assert all(one.low <= one.mean <= one.high for one in score.metrics.values())
        assert score.metrics["gap"].n == 6 and score.passes_per_face == 1
        assert score.sanity is not None and score.sanity.layers[0] == "classifier"
        assert card.badge(name).level in {"trusted", "doubtful", "fails"}
        assert set(score.ranks.values()) <= {1, 2}
    assert {"versions", "git_revision", "data_hash", "seed"} <= set(card.provenance)
    for control in card.controls.values():
        assert control.beats[control.name]["gap"].mean == 0
    with pytest.raises(CheckpointError, match="has no method 'lime'"):
        card.badge("lime")


def test_a_second_sitting_measures_only_what_is_new(scored, results, monkeypatch) -> None:
    asked: list[str] = []
    original = scorecard_run.measure

    def watched(bench, name, *rest):
        asked.append(name)
        return original(bench, name, *rest)

    monkeypatch.setattr(scorecard_run, "measure", watched)
    before = scorecard_record.read(str(scored[0]))
    run(scored[0], "--methods", "saliency", "grad-cam")
    after = scorecard_record.read(str(scored[0]))
    assert asked == ["random", "edge", "grad-cam"]
    assert before is not None and after is not None
    assert set(after.methods) == {*METHODS, "grad-cam"}
    assert after.methods["saliency"].metrics == before.methods["saliency"].metrics
    assert set(after.agreement["spearman"]["grad-cam"]) == set(after.methods)
    assert after.agreement["spearman"]["saliency"]["saliency"] == pytest.approx(1)


def test_equal_seeds_give_equal_figures_and_other_weights_start_anew(
    scored, results, monkeypatch, tmp_path: Path, capsys
) -> None:
    first = scorecard_record.read(str(scored[0]))
    monkeypatch.setenv("FER_RESULTS", str(tmp_path / "again"))
    run(scored[0], "--methods", "saliency")
    again = scorecard_record.read(str(scored[0]))
    assert first is not None and again is not None
    assert again.methods["saliency"].metrics == first.methods["saliency"].metrics
    run(write_checkpoint(tmp_path / "toy", seed=1), "--methods", "input-x-gradient")
    assert "other checkpoint_hash: starting anew" in capsys.readouterr().out
    other = scorecard_record.read("toy")
    assert other is not None and set(other.methods) == {"input-x-gradient"}


def test_the_file_is_json_with_the_question_it_answers(scored, results) -> None:
    raw = json.loads((results / "scorecard-toy.json").read_text())
    assert raw["faces"] == sample(sample_faces(), 6, 0).ids.tolist()
    assert (
        raw["methods"]["saliency"]["light_options"].keys()
        == raw["methods"]["saliency"]["options"].keys()
    )


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


def test_ranks_follow_each_metrics_direction() -> None:
    rows = {
        "a": {"metrics": {"gap": {"mean": 0.9}, "infidelity": {"mean": 0.9}}},
        "b": {"metrics": {"gap": {"mean": 0.1}, "infidelity": {"mean": 0.1}}},
        "c": {"metrics": {"gap": {"mean": 0.9}}},
    }
    assert ranks_of(rows) == {
        "a": {"gap": 1, "infidelity": 2}, "b": {"gap": 3, "infidelity": 1}, "c": {"gap": 1},
    }  # fmt: skip


def test_agreement_is_one_with_itself_and_minus_one_with_its_opposite() -> None:
    maps = np.random.default_rng(0).random((2, 48, 48), dtype=np.float32)
    found = agreement({"mine": maps, "opposite": -maps[:1]})
    assert found["spearman"]["mine"]["mine"] == pytest.approx(1)
    assert found["spearman"]["mine"]["opposite"] == pytest.approx(-1)
    assert found["top-overlap"]["mine"]["opposite"] == 0
