"""Random copies are random where they should be, awake, and leave the model alone."""

from __future__ import annotations

import pytest
import torch

from fermodels.xai.trust.randomisation import random_copies, random_copy
from tests.xai.test_model_access import assert_same, make_untidy, state_of
from tests.xai.trust.trust_toys import Glow, straight


@pytest.mark.parametrize("kind", ["net", "hybrid"])
def test_what_is_above_the_convolutions_becomes_random_then_all(kind: str, request) -> None:
    net = request.getfixturevalue(kind)
    copy = random_copy(net, seed=0)
    for random, parts in (
        (copy.top, {"classifier", "fc1"}),
        (copy.whole, {"classifier", "fc1", "conv2", "conv1"}),
    ):
        for name, weights in net.named_parameters():
            changed = not torch.equal(weights, random.get_parameter(name))
            # a batch norm's gains and shifts start at one value each, which stays
            replaced = name.split(".")[0] in parts and bool(weights.std(correction=0) > 0)
            assert changed == replaced, name
        assert torch.isfinite(random(torch.rand(2, 1, 48, 48))).all()
    one, two = (part.classifier.weight.data_ptr() for part in (copy.whole, copy.top))
    assert one == two, "a gigabyte for a dozen copies"


def test_the_model_is_not_touched(hybrid) -> None:
    make_untidy(hybrid)
    before = state_of(hybrid)
    for copy in random_copies(hybrid, (0, 1)):
        copy.whole(torch.rand(2, 1, 48, 48))
        copy.top(torch.rand(2, 1, 48, 48))
    assert_same(before, state_of(hybrid))


def test_random_networks_stay_awake(net) -> None:
    """Batch statistics are measured anew: the last layer's outputs keep a trained net's size."""
    faces = torch.rand(16, 1, 48, 48)
    copy = random_copy(net, seed=1)
    with torch.no_grad():
        for random in (copy.top, copy.whole):
            assert 0.2 < random(faces).std() / net(faces).std() < 5


def test_seeds_decide_the_weights(net) -> None:
    one, same, other = (c.whole.classifier.weight for c in random_copies(net, (0, 0, 1)))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_a_model_without_parts_or_with_convolutions_only_is_random_as_a_whole() -> None:
    copy = random_copy(Glow(), seed=0)
    assert copy.top is copy.whole and not torch.equal(copy.whole.weights, Glow().weights)
    only = random_copy(torch.nn.Sequential(straight()[0], torch.nn.Flatten()), seed=0)
    assert only.top is only.whole


def test_a_decision_by_lot_sees_as_before() -> None:
    net = straight()
    copy = random_copy(net, seed=0)
    assert torch.equal(copy.top.conv1.conv.weight, net.conv1.conv.weight)
    assert not torch.equal(copy.top.classifier.weight, net.classifier.weight)
