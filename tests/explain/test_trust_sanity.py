"""Randomisation really randomises, leaves the model alone, and tells blind maps from others."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fermodels.errors import DataError
from fermodels.explain.scorecard_record import Sanity
from fermodels.explain.trust_maps import edge_maps, explainer
from fermodels.explain.trust_sanity import Randomisation, cascade, random_logit, randomisation
from fermodels.explain.trust_statistics import estimate
from tests.explain.test_guard import assert_same, make_untidy, state_of
from tests.explain.trust_toys import Glow


def as_sanity(found: Randomisation) -> Sanity:
    return Sanity(
        found.layers,
        found.top,
        tuple(estimate(stage.ravel()) for stage in found.spearman),
        tuple(estimate(stage.ravel()) for stage in found.ssim),
        estimate(found.unrelated.ravel()),
    )


@pytest.mark.parametrize("kind", ["net", "hybrid"])
def test_layers_become_random_from_the_classifier_down(kind: str, request) -> None:
    net = request.getfixturevalue(kind)
    found = cascade(net, seed=0)
    assert found.layers == ("classifier", "fc1", "conv2", "conv1") and found.top == 1
    for stage, random in enumerate(found.networks):
        for name, weights in net.named_parameters():
            changed = not torch.equal(weights, random.get_parameter(name))
            replaced = name.split(".")[0] in found.layers[: stage + 1]
            # a batch norm's gains and shifts start at one value each, which stays
            assert changed == (replaced and bool(weights.std(correction=0) > 0)), name
        assert torch.isfinite(random(torch.rand(2, 1, 48, 48))).all()


def test_the_model_is_not_touched(hybrid) -> None:
    make_untidy(hybrid)
    before = state_of(hybrid)
    for random in cascade(hybrid, seed=0).networks:
        random(torch.rand(2, 1, 48, 48))
    assert_same(before, state_of(hybrid))


def test_random_networks_stay_awake(net) -> None:
    """Batch statistics are measured anew: the last layer's outputs keep a trained net's size."""
    faces = torch.rand(16, 1, 48, 48)
    with torch.no_grad():
        for random in cascade(net, seed=1).networks:
            assert 0.2 < random(faces).std() / net(faces).std() < 5


def test_seeds_decide_the_weights(net) -> None:
    one, same, other = (cascade(net, seed).networks[-1].classifier.weight for seed in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_a_model_without_parts_is_one_block() -> None:
    found = cascade(Glow(), seed=0)
    assert found.layers == ("Glow",) and found.top == 0
    assert not torch.equal(found.networks[0].weights, Glow().weights)


def test_a_map_that_ignores_the_model_fails_and_the_gradient_passes(net, make_faces) -> None:
    faces = make_faces(6)
    target = net.predict(faces).argmax(1)
    cascades = [cascade(net, seed) for seed in (0, 1)]
    edges = as_sanity(randomisation(net, faces, edge_maps, target, cascades))
    assert edges.failure and all(stage.mean > 0.999 for stage in (*edges.spearman, *edges.ssim))
    for method in ("saliency", "input-x-gradient"):
        found = randomisation(net, faces, explainer(method), target, cascades)
        assert found.spearman.shape == found.ssim.shape == (4, 2, 6)
        assert found.unrelated.shape == (2, 6)
        assert as_sanity(found).failure is None, method


def test_sizes_alone_would_excuse_the_input(net, make_faces) -> None:
    """The trap: |gradient x input| stays alike with any network, since the input does."""
    faces = make_faces(6)
    target = net.predict(faces).argmax(1)
    cascades = [cascade(net, 0)]
    signed = explainer("input-x-gradient")

    def unsigned(*asked):
        return np.abs(signed(*asked))

    kept = randomisation(net, faces, signed, target, cascades).spearman[-1].mean()
    excused = randomisation(net, faces, unsigned, target, cascades).spearman[-1].mean()
    assert excused > 0.2 > abs(kept)


def test_one_face_cannot_be_compared_with_another(net, faces) -> None:
    with pytest.raises(DataError, match="two or more"):
        randomisation(net, faces[:1], edge_maps, np.zeros(1, np.int64))


def test_the_random_logit_test_asks_another_class(net, faces) -> None:
    asked: list[np.ndarray] = []

    def blind(model, images, target):
        asked.append(target)
        return edge_maps(model, images, target)

    found = random_logit(net, faces, blind, np.array([0, 3, 6]))
    np.testing.assert_allclose(found, 1)
    other, mine = asked
    assert mine.tolist() == [0, 3, 6] and (other != mine).all() and set(other) <= set(range(7))
