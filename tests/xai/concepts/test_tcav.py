"""Concept vectors: the direction, the score, the effect, the tests and their command.

`tests.null.test_concepts` has concepts that are none, and one that decides.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from fermodels.data.emotions import EMOTIONS
from fermodels.data.samples import sample_faces
from fermodels.data.synthetic import render_image
from fermodels.errors import ConfigError, DataError
from fermodels.nets.catalog import weights_hash
from fermodels.nets.fernet import FERNet
from fermodels.xai.concepts import record as concepts_record
from fermodels.xai.concepts import tcav as module
from fermodels.xai.concepts.statistics import (
    judge,
    score_concept,
    separable_pairs,
    sign_flip_test,
    two_way_interval,
)
from fermodels.xai.concepts.tcav import (
    ConceptSettings,
    class_gradients,
    concept_scores,
    person,
    render_pairs,
    rendered_recognition,
)
from tests.studio.toy_studio import write_checkpoint
from tests.toys import striped_faces

QUICK = ConceptSettings(people=6, permutations=199, resamples=100, faces_per_class=3)


def test_pairs_differ_by_the_unit_and_by_nothing_else() -> None:
    pairs = render_pairs("AU26", 3, seed=1)
    people = [render_image(person(number, seed=1)) for number in range(3)]
    changed = pairs.without.astype(int) - pairs.with_unit
    assert (np.abs(changed[:, :10]).max() == 0) and (np.abs(changed[:, 30:]).max((1, 2)) > 15).all()
    as_drawn = [(p == w).all() or (p == o).all() for p, w, o in
                zip(people, pairs.without, pairs.with_unit, strict=True)]  # fmt: skip
    assert any(as_drawn)


def test_a_person_is_told_apart_by_the_other_halfs_direction() -> None:
    rng = np.random.default_rng(0)
    differences = rng.normal([1, 0, 0, 0, 0], size=(9, 5))
    halves = differences[1::2].mean(0), differences[::2].mean(0)
    wanted = [bool(row @ halves[i % 2] > 0) for i, row in enumerate(differences)]
    assert separable_pairs(differences).tolist() == wanted
    assert 0 < sum(wanted) < 9, "the case can tell"


def test_without_a_concept_half_the_people_are_told_apart() -> None:
    rng = np.random.default_rng(5)
    shares = [separable_pairs(rng.normal(size=(20, 50))).mean() for _ in range(200)]
    assert abs(np.mean(shares) - 0.5) < 0.03


def test_p_values_are_those_of_all_sign_flips_counted_one_by_one() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal([0, 0.4, 3], 1, (8, 3))
    flips = np.array(list(itertools.product([-1, 1], repeat=8)))
    sums = np.abs(flips @ values)
    wanted = (sums >= np.abs(values.sum(0)) - 1e-9).mean(0)
    found, reach = sign_flip_test(values, 20_000, [0])
    np.testing.assert_allclose(found, wanted, atol=0.01)
    assert wanted[2] == 2 / 256, "all one way: only two of all flips reach it"
    np.testing.assert_allclose(reach, np.quantile(sums, 0.95, axis=0), rtol=0.03)


def test_values_that_cancel_exactly_have_a_p_of_one_and_no_p_is_zero() -> None:
    values = np.array([[1.0, 0.0, 5.0]] * 20 + [[-1.0, 0.0, 5.0]] * 20)
    found, _ = sign_flip_test(values, 99, [0])
    assert found.tolist() == [1, 1, 1 / 100]


def test_the_interval_knows_that_people_and_faces_are_both_samples() -> None:
    rng = np.random.default_rng(2)
    covered = 0
    for trial in range(100):
        rows, columns = rng.normal(0, 1, (12, 1)), rng.normal(0, 1, (1, 30))
        low, high = two_way_interval(0.5 + rows + columns, 300, [trial])
        covered += low < 0.5 < high
    assert covered >= 88, "95% but for few faces; one factor alone covers far fewer"


def test_score_and_effect_are_those_of_a_face_by_face_count() -> None:
    rng = np.random.default_rng(3)
    differences, gradients = rng.normal(0.3, 1, (10, 4)), rng.normal(size=(9, 4))
    labels = np.array([0, 0, 0, 3, 3, 3, 3, 6, 6])
    found = score_concept(
        "AU1", differences, gradients, labels, permutations=99, resamples=100, seed=0, alpha=0.05
    )
    for k in (0, 3, 6):
        slopes = [float(g @ differences.mean(0)) for g in gradients[labels == k]]
        assert found.effect[k] == pytest.approx(np.mean(slopes))
        assert found.score[k] == np.mean([slope > 0 for slope in slopes])
        assert found.low[k] <= found.effect[k] <= found.high[k]
    assert found.faces.tolist() == [3, 0, 0, 4, 0, 0, 2]
    for name in ("score", "effect", "low", "high", "by_chance", "p_people", "p_faces", "p_holm"):
        assert np.isnan(getattr(found, name)[[1, 2, 4, 5]]).all()
    assert not found.significant[[1, 2, 4, 5]].any()


def test_an_effect_must_pass_both_for_people_and_for_faces() -> None:
    labels = np.repeat(np.arange(7), 12)
    one_way, both_ways = np.ones((84, 1)), np.resize([1.0, -0.9], (84, 1))
    alike, at_odds = np.ones((24, 1)), np.resize([1.0, -0.9], (24, 1))
    settings = {"permutations": 999, "resamples": 100, "seed": 0, "alpha": 0.05}
    for differences, gradients, passes in (
        (alike, one_way, True), (alike, both_ways, False), (at_odds, one_way, False)
    ):  # fmt: skip
        (found,) = judge([score_concept("AU1", differences, gradients, labels, **settings)])
        assert found.significant.all() == found.significant.any() == passes


def test_the_correction_is_over_all_concepts_and_classes() -> None:
    rng = np.random.default_rng(4)
    labels = np.repeat(np.arange(7), 12)
    settings = {"permutations": 4999, "resamples": 100, "seed": 0, "alpha": 0.05}
    gradients = rng.normal(0, 0.05, (84, 2))
    gradients[labels == 3, 0] += 1.0
    noise = rng.normal(size=(24, 2))
    both = judge(
        [
            score_concept("AU1", noise, gradients, labels, **settings),
            score_concept("AU12", noise * 0.2 + [1, 0], gradients, labels, **settings),
        ]
    )
    assert both[1].p_holm[3] == pytest.approx(14 * both[1].p[3])
    assert both[1].significant[3] and not both[0].significant.any()
    assert all((scores.p_holm >= scores.p).all() for scores in both)


def test_gradients_are_those_of_each_faces_own_class(net: FERNet) -> None:
    faces = striped_faces(70).split("test")
    found = class_gradients(net, faces, "conv2.pool")
    x = torch.from_numpy(faces.images)[:, None].float() / 255
    maps = net.conv_maps(x).detach().requires_grad_()
    own = int(faces.labels[4])
    logits = net.classifier(net.fc1(net.flatten(maps.permute(0, 2, 3, 1))))
    (wanted,) = torch.autograd.grad(logits[4, own], maps)
    np.testing.assert_allclose(found.gradients[4], wanted[4].flatten(), rtol=1e-3, atol=1e-6)


def test_recognition_counts_rendered_faces_read_as_what_they_show(net: FERNet) -> None:
    faces, found = sample_faces().split("test"), rendered_recognition(net)
    said = net.predict(faces.images).argmax(1)
    for k, emotion in enumerate(EMOTIONS):
        shown = faces.labels == k
        assert found[emotion] == {"right": int((said[shown] == k).sum()), "n": int(shown.sum())}


def test_scores_repeat_by_their_seed_and_leave_the_model_alone(net: FERNet) -> None:
    before = {key: value.clone() for key, value in net.state_dict().items()}
    runs = [concept_scores(net, striped_faces(70), ["AU4"], settings=QUICK)[0] for _ in range(2)]
    assert runs[0].figures() == runs[1].figures()
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert not net.conv1.conv._forward_hooks


def test_the_command_writes_every_unit_and_class_and_whose_weights_they_are_of(
    tmp_path: Path, net: FERNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "toy"
    write_checkpoint(folder, net)
    monkeypatch.setenv("FER_RESULTS", str(tmp_path))
    monkeypatch.setattr(module, "read_faces", lambda source: striped_faces(70))
    flags = "--units AU4 AU12 --people 6 --permutations 299 --faces-per-class 2 --seed 5"
    assert module.main(["--model", str(folder), *flags.split()]) == 0
    found = json.loads((tmp_path / "concepts-toy.json").read_text())
    assert [entry["concept"] for entry in found["concepts"]] == ["AU4", "AU12"]
    assert set(found["concepts"][0]["classes"]) == set(EMOTIONS)
    assert found["settings"]["people"] == 6 and found["provenance"]["seed"] == 5
    record = concepts_record.read("toy")
    assert record is not None and record.units == ("AU4", "AU12")
    assert record.checkpoint_hash == weights_hash(folder)


def test_mistakes_are_named(net: FERNet) -> None:
    faces = striped_faces(70)
    with pytest.raises(ConfigError, match="people is 3: expected 6 or more"):
        ConceptSettings(people=3)
    with pytest.raises(ConfigError, match="0 < alpha < 1"):
        ConceptSettings(alpha=1.0)
    with pytest.raises(ConfigError, match=r"permutations is 99: with 7 tests .* 140 or more"):
        ConceptSettings(permutations=99).check(7)
    with pytest.raises(ConfigError, match="expected one of"):
        concept_scores(net, faces, ["AU4"], layer="fc1", settings=QUICK)
    with pytest.raises(DataError, match="unknown action unit"):
        concept_scores(net, faces, ["smile"], settings=QUICK)
