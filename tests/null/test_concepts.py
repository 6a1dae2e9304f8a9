"""Concepts that are none are not believed; one that decides is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fermodels.data.emotions import EMOTIONS
from fermodels.evaluation.metrics import wilson_interval
from fermodels.nets.fernet import FERNet
from fermodels.xai.concepts.tcav import (
    ConceptSettings,
    class_gradients,
    concept_scores,
    layer_for_concepts,
    pair_differences,
    render_pairs,
)
from tests.null import concepts as full
from tests.null.concepts import judge_empty
from tests.studio.toy_studio import write_checkpoint
from tests.toys import striped_faces, tiny_net

HAPPY, SAD, FEAR = (EMOTIONS.index(name) for name in ("happy", "sad", "fear"))
SETTINGS = ConceptSettings(people=24, permutations=999, resamples=100, faces_per_class=12, seed=7)


def test_empty_concepts_are_found_in_at_most_one_case_of_twenty() -> None:
    net = tiny_net()
    layer = layer_for_concepts(net)
    differences = {u: pair_differences(net, u, layer, SETTINGS) for u in ("AU12", "AU27")}
    asked = class_gradients(net, striped_faces(140), layer)
    found = judge_empty(differences, asked, 300, SETTINGS)
    for wrong, tests in (
        (int(found.people[:, HAPPY].sum()), 300),
        (int(found.both[:, HAPPY].sum()), 300),
        (int(found.family.sum()), 300),
    ):
        assert wilson_interval(wrong, tests)[0] <= SETTINGS.alpha
    # swaps alone are exact, not merely careful: they do reject, about as often as promised
    assert 0.02 < found.people.mean() < 0.08
    assert (found.both <= found.people).all(), "the second test only takes away"


def planted(net: FERNet) -> FERNet:
    """Make happy read, at the pool, what AU26 adds there; sad its negative, the rest nothing."""
    pairs = render_pairs("AU26", SETTINGS.people, SETTINGS.seed)
    with torch.no_grad():
        with_unit, without = (
            net.conv_maps(torch.from_numpy(f)[:, None].float() / 255)
            for f in (pairs.with_unit, pairs.without)
        )
        change = (with_unit - without).mean(0)
        net.fc1 = torch.nn.Identity()
        net.classifier = torch.nn.Linear(change.numel(), 7)
        net.classifier.weight.zero_()
        direction = net.flatten(change.permute(1, 2, 0)[None])[0]
        net.classifier.weight[HAPPY], net.classifier.weight[SAD] = direction, -direction
    return net


def test_a_planted_concept_is_found_with_its_size_and_sign_and_nothing_else() -> None:
    net = planted(tiny_net())
    faces = striped_faces(140)
    (found,) = concept_scores(net, faces, ["AU26"], settings=SETTINGS)
    assert np.flatnonzero(found.significant).tolist() == [HAPPY, SAD]
    length = float((net.classifier.weight[HAPPY].detach() ** 2).sum())
    assert found.effect[HAPPY] == pytest.approx(length, rel=1e-3)
    assert found.effect[SAD] == pytest.approx(-length, rel=1e-3)
    assert found.low[HAPPY] > 0 > found.high[SAD]
    assert found.score[[HAPPY, SAD, FEAR]].tolist() == [1, 0, 0], "a slope of zero is no rise"
    assert found.p[FEAR] == 1


def test_a_planted_concept_with_swapped_labels_is_lost() -> None:
    net = planted(tiny_net())
    layer = layer_for_concepts(net)
    differences = {"AU26": pair_differences(net, "AU26", layer, SETTINGS)}
    asked = class_gradients(net, striped_faces(140), layer)
    found = judge_empty(differences, asked, 100, SETTINGS)
    assert wilson_interval(int(found.family.sum()), 100)[0] <= SETTINGS.alpha


def test_the_full_form_prints_false_positives_with_an_interval(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(full, "AU_NAMES", ("AU26",))
    write_checkpoint(tmp_path / "toy", tiny_net())
    flags = f"--model {tmp_path / 'toy'} --empty 5 --permutations 199"
    assert full.main(flags.split()) == 0
    said = capsys.readouterr().out
    assert said.count("95%") == 3 and "of 5 concepts" in said
