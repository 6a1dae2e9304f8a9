"""Concept vectors: the classifier, the score, the tests, and a network with a planted concept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from fermodels.data.emotions import EMOTIONS
from fermodels.errors import ConfigError, DataError
from fermodels.explain import concept_record
from fermodels.explain import concepts as module
from fermodels.explain.concept_faces import render_pairs, render_people
from fermodels.explain.concept_tests import judge, ridge_direction, sign_scores, welch
from fermodels.explain.concepts import ConceptSettings, class_gradients, concept_scores
from fermodels.nets.networks import FERNet
from fermodels.nets.shelf import weights_hash
from tests.studio.toy_studio import write_checkpoint
from tests.toys import striped_faces

QUICK = ConceptSettings(people=6, repeats=4, faces_per_class=3)


def test_pairs_differ_by_the_unit_and_by_nothing_else() -> None:
    pairs = render_pairs("AU26", 3, seed=1)
    people = render_people(3, seed=1)
    changed = pairs.without.astype(int) - pairs.with_unit
    assert (np.abs(changed[:, :10]).max() == 0) and (np.abs(changed[:, 30:]).max((1, 2)) > 15).all()
    as_drawn = [(p == w).all() or (p == o).all() for p, w, o in
                zip(people, pairs.without, pairs.with_unit, strict=True)]  # fmt: skip
    assert any(as_drawn)


def test_the_dual_classifier_is_ridge_regression() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 5)) + np.repeat([[1.0], [-1.0]], 15, axis=0) * [1, 0, 0, 2, 0]
    rows = np.arange(30)
    weights, border = ridge_direction(x @ x.T, rows[:15], rows[15:], ridge=0.1)
    centred, signs = x - x.mean(0), np.repeat([1.0, -1.0], 15)
    penalty = 0.1 * (centred**2).sum(1).mean()
    primal = np.linalg.solve(centred.T @ centred + penalty * np.eye(5), centred.T @ signs)
    np.testing.assert_allclose(weights @ x, primal, rtol=1e-9)
    assert border == pytest.approx((x @ primal).mean())


def test_the_score_is_the_share_of_a_classs_faces_that_rise() -> None:
    slopes, labels = np.array([1.0, -2, 0, 3, 4]), np.array([0, 0, 0, 3, 3])
    scores = sign_scores(slopes, labels)
    assert scores[0] == pytest.approx(1 / 3) and scores[3] == 1
    assert np.isnan(scores[[1, 2, 4, 5, 6]]).all()


def test_welch_equals_scipy_and_knows_columns_that_do_not_vary() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(9, 7)), rng.normal(0.5, 2, size=(12, 7))
    a[:, 0] = b[:, 0] = 1.0
    a[:, 1], b[:, 1] = 1.0, 0.0
    b[:, 2] = np.nan
    found = welch(a, b)
    assert found[0] == 1 and found[1] == 0 and np.isnan(found[2])
    wanted = stats.ttest_ind(a[:, 3:], b[:, 3:], equal_var=False).pvalue
    np.testing.assert_allclose(found[3:], wanted)


def test_the_correction_is_over_all_concepts_and_classes() -> None:
    rng = np.random.default_rng(1)
    random, other = rng.random((10, 7)), rng.random((10, 7))
    planted = other.copy()
    planted[:, 3] = 0.9 + 0.1 * planted[:, 3]
    one, two = judge([("AU1", np.ones(10), other), ("AU12", np.ones(10), planted)], random, 0.05)
    assert two.p[3] == pytest.approx(14 * welch(planted, random)[3])
    assert two.significant.tolist() == [False] * 3 + [True] + [False] * 3
    assert not one.significant.any()


def test_gradients_are_those_of_each_faces_own_class(net: FERNet) -> None:
    faces = striped_faces(70).split("test")
    found = class_gradients(net, faces, "conv2.pool")
    x = torch.from_numpy(faces.images)[:, None].float() / 255
    maps = net.conv_maps(x).detach().requires_grad_()
    own = int(faces.labels[4])
    logits = net.classifier(net.fc1(net.flatten(maps.permute(0, 2, 3, 1))))
    (wanted,) = torch.autograd.grad(logits[4, own], maps)
    np.testing.assert_allclose(found.gradients[4], wanted[4].flatten(), rtol=1e-3, atol=1e-6)


def test_a_planted_concept_is_found_and_its_contrary_denied(net: FERNet) -> None:
    """Happy is made to read, at the pool, what AU26 adds there; sad reads its negative."""
    pairs = render_pairs("AU26", 24, seed=7)
    with torch.no_grad():
        shown = [
            torch.from_numpy(f)[:, None].float() / 255 for f in (pairs.with_unit, pairs.without)
        ]
        change = (net.conv_maps(shown[0]) - net.conv_maps(shown[1])).mean(0)
        net.fc1 = torch.nn.Identity()
        net.classifier = torch.nn.Linear(change.numel(), 7)
        net.classifier.weight.zero_()
        direction = net.flatten(change.permute(1, 2, 0)[None])[0]
        net.classifier.weight[EMOTIONS.index("happy")] = direction
        net.classifier.weight[EMOTIONS.index("sad")] = -direction
    settings = ConceptSettings(people=24, repeats=8, faces_per_class=4)
    (found,) = concept_scores(net, striped_faces(), ["AU26"], settings=settings)
    assert found.accuracy > 0.65, "chance is 0.5"
    assert found.mean[EMOTIONS.index("happy")] == 1 and found.mean[EMOTIONS.index("sad")] == 0
    assert found.mean[EMOTIONS.index("fear")] == 0, "a slope of zero is no rise"


def test_scores_repeat_by_their_seed_and_leave_the_model_alone(net: FERNet) -> None:
    before = {key: value.clone() for key, value in net.state_dict().items()}
    runs = [concept_scores(net, striped_faces(70), ["AU4"], settings=QUICK)[0] for _ in range(2)]
    np.testing.assert_array_equal(runs[0].scores, runs[1].scores)
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert not net.conv1.conv._forward_hooks


def test_the_command_writes_every_unit_and_class_and_whose_weights_they_are_of(
    tmp_path: Path, net: FERNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "toy"
    write_checkpoint(folder, net)
    monkeypatch.setenv("FER_RESULTS", str(tmp_path))
    monkeypatch.setattr(module, "read_faces", lambda source: striped_faces(70))
    flags = "--units AU4 AU12 --people 6 --repeats 3 --faces-per-class 2 --seed 5"
    assert module.main(["--model", str(folder), *flags.split()]) == 0
    found = json.loads((tmp_path / "concepts-toy.json").read_text())
    assert [entry["concept"] for entry in found["concepts"]] == ["AU4", "AU12"]
    assert set(found["concepts"][0]["classes"]) == set(EMOTIONS)
    assert found["settings"]["people"] == 6 and found["provenance"]["seed"] == 5
    record = concept_record.read("toy")
    assert record is not None and record.units == ("AU4", "AU12")
    assert record.checkpoint_hash == weights_hash(folder)


def test_mistakes_are_named(net: FERNet) -> None:
    faces = striped_faces(70)
    with pytest.raises(ConfigError, match="people is 3: expected 6 or more"):
        ConceptSettings(people=3)
    with pytest.raises(ConfigError, match="0 < alpha < 1"):
        ConceptSettings(alpha=1.0)
    with pytest.raises(ConfigError, match="expected one of"):
        concept_scores(net, faces, ["AU4"], layer="fc1", settings=QUICK)
    with pytest.raises(DataError, match="unknown action unit"):
        concept_scores(net, faces, ["smile"], settings=QUICK)
