"""A Hub on this machine with its clients and a checkpoint to push; torch on one thread."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fermodels.evaluation.metrics import score
from fermodels.nets import checkpoint
from tests.hub_client import HubClient
from tests.hub_server import HubServer
from tests.toys import tiny_history, tiny_net, tiny_predictions
from train.export import model_card


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Let torch use one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="package")
def server() -> Iterator[HubServer]:
    """A Hub, started once for all files that a worker runs in a row."""
    with HubServer() as running:
        yield running


@pytest.fixture(scope="package")
def dead(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubClient]:
    """A client whose Hub is a port where nobody listens."""
    started = HubClient("http://127.0.0.1:9", tmp_path_factory.mktemp("dead"))
    yield started
    started.close()


@pytest.fixture(scope="package")
def client(
    server: HubServer, dead: HubClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HubClient]:
    """A client of the server; asks for `dead` so that both processes start at the same time."""
    started = HubClient(server.endpoint, tmp_path_factory.mktemp("home"))
    yield started
    started.close()


@pytest.fixture
def whole(server: HubServer) -> Iterator[None]:
    """Start every test with a working, empty Hub."""
    server.fault, server.repos, server.blobs, server.drops = "", {}, {}, {}
    server.requests.clear()
    server.ranges.clear()
    yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint of an untrained net with real figures."""
    probabilities = tiny_net().predict(np.zeros((14, 48, 48), dtype=np.uint8))
    figures = score(np.arange(14) % 7, probabilities)
    identity = {"variant": "shallow", "name": "tiny", "recipe": "paper"}
    versions = {"torch": "2"}
    origin = {"seed": 0, "data_name": "stripes", "data_hash": "00", "git_revision": "none"}
    metrics: dict[str, Any] = {
        "parameters": 9, "best_epoch": 1, "epochs": 1, "validation": figures, "test": figures,
        "provenance": {**origin, "versions": versions, "created": "2026-01-01"},
    }  # fmt: skip
    checkpoint.save(
        tmp_path / "tiny", tiny_net(), identity, metrics, tiny_history(),
        tiny_predictions(), model_card(identity, metrics),
    )  # fmt: skip
    return tmp_path / "tiny"
