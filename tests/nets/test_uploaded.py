"""A checkpoint that comes as two files in memory is read as strictly as one on disk."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from fermodels.errors import CheckpointError
from fermodels.nets.checkpoint import FORMAT, half_weights, load_uploaded
from tests.toys import tiny_net

FACES = np.random.default_rng(0).integers(0, 256, (3, 48, 48), np.uint8)


def files(**changes: Any) -> tuple[bytes, bytes]:
    net = tiny_net()
    config = {"format": FORMAT, "name": "toy", "network": net.config.to_dict(), **changes}
    return json.dumps(config).encode(), save(half_weights(net))


def test_an_uploaded_network_answers_like_the_one_it_was_made_from() -> None:
    identity, net = load_uploaded(*files())
    assert identity["name"] == "toy" and not net.training
    rounded = tiny_net()
    rounded.load_state_dict({k: v.float() if v.is_floating_point() else v
                             for k, v in half_weights(rounded).items()})  # fmt: skip
    assert np.allclose(net.predict(FACES), rounded.predict(FACES), atol=1e-6)


@pytest.mark.parametrize(
    "config", [b"", b"[1]", b"{", b"\xff", b'{"format": "other"}', b"[" * 100_000]
)
def test_a_config_that_is_none_is_refused_in_a_sentence(config: bytes) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load_uploaded(config, files()[1])


@pytest.mark.parametrize("weights", [b"", b"junk" * 9, b"\x80\x04N."])
def test_weights_that_are_no_safetensors_are_refused(weights: bytes) -> None:
    with pytest.raises(CheckpointError, match="cannot read model"):
        load_uploaded(files()[0], weights)


def test_a_config_of_a_giant_network_is_refused_without_building_it() -> None:
    network = json.loads(files()[0])["network"]
    network["fc"] = [{"units": 16_384, "batch_norm": True, "dropout": 0.0}] * 30
    with pytest.raises(CheckpointError, match="do not belong together"):
        load_uploaded(files(network=network)[0], files()[1])


@pytest.mark.parametrize("wrong", ["missing", "shape", "nan"])
def test_weights_that_do_not_fit_are_refused(wrong: str) -> None:
    config, weights = files()
    state = load(weights)
    name = "conv1.conv.weight"
    if wrong == "missing":
        del state[name]
    else:
        fill = torch.full_like(state[name], float("nan"))
        state[name] = fill if wrong == "nan" else fill[:1]
    with pytest.raises(CheckpointError, match=name):
        load_uploaded(config, save(state))
