import math

import pytest
import torch

from fermodels.nets.config import FCSpec
from fermodels.nets.fernet import to_pixels
from tests.toys import striped_faces, tiny_net
from train.device import Runtime
from train.sanity import sanity_checks


def test_checks_pass_and_leave_net_and_randomness_alone() -> None:
    net, faces = tiny_net(fc=(FCSpec(64),)).train(), striped_faces(98)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    drawn = torch.get_rng_state()
    labels = torch.from_numpy(faces.labels)
    report = sanity_checks(
        net, to_pixels(faces.images), labels, Runtime(torch.device("cpu"), bf16=False)
    )
    assert report["initial_loss"] == pytest.approx(math.log(7), abs=0.03)
    assert report["overfit_accuracy"] == 1.0
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert torch.equal(drawn, torch.get_rng_state())
