import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fermodels.errors import ConfigError, DataError
from fermodels.nets.config import ConvSpec
from fermodels.nets.fernet import FERNet, conv_block, to_pixels
from fermodels.nets.variants import VARIANTS
from tests.toys import tiny_net

PAPER_WIDTHS = {
    "shallow": ([(32, 3), (64, 3)], [512]),
    "deep": ([(64, 3), (128, 5), (512, 3), (512, 3)], [256, 512]),
}


@pytest.mark.parametrize("name", PAPER_WIDTHS)
@pytest.mark.parametrize("hybrid", [False, True])
def test_variants_have_the_papers_widths(name: str, hybrid: bool) -> None:
    config = VARIANTS[f"hybrid-{name}" if hybrid else name].config
    conv, fc = PAPER_WIDTHS[name]
    assert [(spec.filters, spec.kernel) for spec in config.conv] == conv
    assert [spec.units for spec in config.fc] == fc
    assert config.hog is hybrid


def test_shallow_pools_once_and_deep_after_every_layer() -> None:
    assert VARIANTS["shallow"].config.map_sides == (48, 24)
    assert VARIANTS["deep"].config.map_sides == (24, 12, 6, 3)
    assert [len(VARIANTS[f"deep-{n}"].config.conv) for n in (5, 6)] == [5, 6]


@pytest.mark.parametrize("name", VARIANTS)
def test_every_relu_is_its_own(name: str) -> None:
    net = FERNet(VARIANTS[name].config)
    relus = [m for m in net.modules() if isinstance(m, nn.ReLU)]
    assert len(relus) == len(net.conv_layers) + len(net.fc_layers)
    assert not any(relu.inplace for relu in relus)


@pytest.mark.parametrize("hog", [False, True])
def test_forward_is_both_branches_fed_the_same_faces(hog: bool) -> None:
    net, faces = tiny_net(hog=hog), torch.rand(3, 1, 48, 48)
    assert torch.equal(net(faces), net.forward_branches(faces, faces))
    changed = not torch.equal(net(faces), net.forward_branches(faces, faces.flip(2)))
    assert changed is hog


def test_both_branches_bring_the_same_energy() -> None:
    net = tiny_net(hog=True).train()
    faces = torch.rand(64, 1, 48, 48)
    conv = net.conv_norm(net.conv_maps(faces).permute(0, 2, 3, 1).flatten(1))
    hog = net.hog_norm(net.hog(faces))
    alive = (conv.var(0) > 0.5).float().mean()  # features constant over the batch stay zero
    assert conv.square().sum(1).mean().item() == pytest.approx(
        hog.square().sum(1).mean().item() * alive.item(), rel=0.1
    )


def test_untrained_loss_is_ln_7() -> None:
    net, labels = tiny_net(), torch.arange(70) % 7
    loss = F.cross_entropy(net.train()(torch.rand(70, 1, 48, 48)), labels)
    assert loss.item() == pytest.approx(math.log(7), abs=0.02)


def test_channel_dropout_after_the_pool_is_dropout_before_it() -> None:
    block = conv_block(1, ConvSpec(5, dropout=0.5), "channel").eval()
    maps = block.relu(block.bn(block.conv(torch.rand(2, 1, 48, 48))))  # type: ignore[operator]
    mask = torch.tensor([0.0, 2.0, 2.0, 0.0, 2.0])[None, :, None, None]
    assert list(dict(block.named_children())) == ["conv", "bn", "relu", "pool", "dropout"]
    assert torch.equal(F.max_pool2d(maps * mask, 2), F.max_pool2d(maps, 2) * mask)


def test_predict_gives_float32_probabilities_whatever_the_batch() -> None:
    net = tiny_net()
    faces = np.random.default_rng(0).integers(0, 256, (9, 48, 48), dtype=np.uint8)
    whole = net.predict(faces)
    assert whole.dtype == np.float32
    assert whole.shape == (9, 7)
    np.testing.assert_allclose(whole.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(net.predict(faces, batch_size=2), whole, atol=1e-6)
    np.testing.assert_allclose(net.predict(faces[3]), whole[3:4], atol=1e-6)


def test_predict_refuses_a_net_in_training_mode() -> None:
    with pytest.raises(ConfigError, match=r"call model\.eval"):
        tiny_net().train().predict(np.zeros((1, 48, 48), np.uint8))


@pytest.mark.parametrize(
    "faces",
    [np.zeros((1, 48, 48)), np.zeros((1, 32, 32), np.uint8), np.zeros((0, 48, 48), np.uint8)],
)
def test_wrong_faces_are_named(faces: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"uint8|no faces"):
        to_pixels(faces)
