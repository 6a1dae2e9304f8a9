import math

import pytest
import torch

from fermodels.nets.fernet import to_pixels
from tests.toys import striped_faces, tiny_net
from train.device import Runtime
from train.evidence import activation_evidence, epoch_evidence, norms

CPU = Runtime(torch.device("cpu"), bf16=False)


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
