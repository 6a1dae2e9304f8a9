import math

import numpy as np
import pytest
import torch

from fermodels.nets.networks import to_pixels
from tests.toys import striped_faces, tiny_net
from train.device import Runtime
from train.record import activation_evidence, epoch_evidence, norms, spatial_entropy

CPU = Runtime(torch.device("cpu"), bf16=False)


def test_entropy_of_a_point_is_0_and_of_a_flat_map_1() -> None:
    point = torch.zeros(1, 1, 6, 6)
    point[..., 2, 3] = 5
    assert spatial_entropy(point) == pytest.approx(0, abs=1e-6)
    assert spatial_entropy(torch.ones(2, 3, 6, 6)) == pytest.approx(1, abs=1e-5)
    assert math.isnan(spatial_entropy(torch.zeros(1, 1, 6, 6)))


def test_entropy_equals_a_slow_loop_over_living_maps() -> None:
    maps = torch.rand(3, 4, 5, 5).sub(0.5).relu()
    maps[0, 0] = 0
    slow = []
    for row in maps.flatten(0, 1):
        if row.sum() > 0:
            shares = [float(v / row.sum()) for v in row.flatten() if v > 0]
            slow.append(-sum(s * math.log(s) for s in shares) / math.log(25))
    assert spatial_entropy(maps) == pytest.approx(np.mean(slow), abs=1e-5)


def test_looking_leaves_no_hook_and_no_mode_behind() -> None:
    net = tiny_net().train()
    sparsity, entropy = activation_evidence(net, to_pixels(striped_faces(21).images))
    assert net.training
    assert len(sparsity) == len(entropy) == 2
    assert all(0 <= share <= 1 for share in sparsity)
    assert not any(module._forward_hooks for module in net.modules())


def test_evidence_of_an_epoch_agrees_with_predict() -> None:
    net, faces = tiny_net(), striped_faces(49)
    pair = (to_pixels(faces.images), torch.from_numpy(faces.labels))
    evidence = epoch_evidence(net, CPU, pair, pair)
    right = net.predict(faces.images).argmax(1) == faces.labels
    assert evidence["validation_accuracy"] == pytest.approx(right.mean())
    assert evidence["train_clean_accuracy"] == pytest.approx(right.mean())
    assert sum(evidence["confusion_matrix"]) == 49
    weights = net.get_parameter("conv1.conv.weight")
    assert evidence["filters_shape"] == list(weights.shape)
    assert evidence["weight_norms"][0] == pytest.approx(float(weights.detach().norm()))
    assert all(math.isnan(value) for value in norms(net, lambda p: p.grad))
