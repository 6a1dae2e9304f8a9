from pathlib import Path

import pandas as pd
import pytest
import torch

from fermodels.nets import catalog, checkpoint
from fermodels.nets.config import ConvSpec, NetConfig
from fermodels.nets.fernet import FERNet
from fermodels.xai.dream.settings import DREAM_PRESETS
from tests.toys import striped_faces, tiny_config
from tests.xai.conftest import SMALL, settle, smooth_faces
from train.claims import insides
from train.claims.evidence import ClaimEvidence
from train.claims.insides import branch_shares
from train.claims.ledger import CLAIMS, row


@pytest.fixture
def shelf_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty shelves; returns that of checkpoints."""
    monkeypatch.setenv("FER_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("FER_CHECKPOINTS", str(tmp_path / "checkpoints"))
    return tmp_path / "checkpoints"


def put(shelf: Path, name: str, net: FERNet) -> None:
    """Save a network as a bundled checkpoint without figures."""
    nothing = pd.DataFrame({"step": [1]})
    history = catalog.History(nothing, nothing.rename(columns={"step": "epoch"}))
    identity = {"variant": name, "recipe": "strong"}
    checkpoint.save(shelf / name, net, identity, {}, history, nothing, "")


def hybrid_that_reads(branch: str) -> FERNet:
    """A hybrid whose first FC layer is blind to the other branch."""
    net = settle(tiny_config(hog=True))
    split = net.config.conv_features
    with torch.no_grad():
        weight = net.get_parameter("fc1.linear.weight")
        (weight[:, :split] if branch == "hog" else weight[:, split:]).zero_()
    return net


def lamp(strength: float = 4.0) -> FERNet:
    """A network that names the expression whose five of 36 squares are the brightest."""
    net = FERNet(NetConfig((ConvSpec(1, 1, batch_norm=False, pool=8),), ())).eval()
    with torch.no_grad():
        net.mean_face.fill_(0.3)
        net.get_parameter("conv1.conv.weight").fill_(1.0)
        net.get_parameter("conv1.conv.bias").zero_()
        net.classifier.weight.zero_()
        for label in range(7):
            net.classifier.weight[label, 5 * label : 5 * label + 5] = strength
    return net


def test_share_of_a_branch_that_alone_is_read_is_all() -> None:
    faces = smooth_faces(4)
    assert branch_shares(hybrid_that_reads("hog"), faces) == pytest.approx(1)
    assert branch_shares(hybrid_that_reads("conv"), faces) == pytest.approx(0)


@pytest.mark.parametrize(("branch", "holds"), [("conv", True), ("hog", False)])
def test_claim_15_follows_the_branch_that_is_read(
    branch: str, holds: bool, shelf_of: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_out = {"train": 20, "validation": 20, "test": 20}
    monkeypatch.setattr(insides, "HELD_OUT", held_out)
    monkeypatch.setattr(insides, "EXPLAINED", 6)
    put(shelf_of, "hybrid-shallow", hybrid_that_reads(branch))
    put(shelf_of, "deep", settle(SMALL))
    found = row(CLAIMS[15], ClaimEvidence(striped_faces(196)))
    share, _, probe, *_ = found["measures"]
    kinds = [(m["part"], m["split"], m["recipe"], m["judged"]) for m in found["measures"]]
    assert kinds[2:] == [
        (f"HOG from {kind}", split, recipe, recipe == "strong")
        for kind, recipe in (
            ("deep", "strong"),
            ("deep, untrained", "untrained"),
            ("raw pixels", "none"),
        )
        for split in ("validation", "test")
    ]
    assert share["holds"] is holds
    assert share["n"] == 6
    assert probe["interval"][0] <= probe["value"] <= 1
    judged = True if probe["interval"][0] > 0.5 else False if probe["interval"][1] < 0.5 else None
    assert probe["holds"] is judged
    assert found["sources"] == [
        "hybrid-shallow/model.safetensors",
        "deep/model.safetensors",
    ]


def test_claim_15_asks_for_networks_and_faces(shelf_of: Path) -> None:
    assert "hybrid-shallow or hybrid-deep" in row(CLAIMS[15], ClaimEvidence())["why"]
    put(shelf_of, "hybrid-deep", hybrid_that_reads("conv"))
    put(shelf_of, "shallow", settle(SMALL))
    found = row(CLAIMS[15], ClaimEvidence())
    assert found["verdict"] == "not testable yet"
    assert "--data" in found["why"]


def test_claim_18_a_twin_sees_the_dreams_and_a_blind_network_does_not(
    shelf_of: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DREAM_PRESETS, "portrait", DREAM_PRESETS["quick"])  # a fifth of the steps
    put(shelf_of, "deep", lamp())
    assert "second network" in row(CLAIMS[18], ClaimEvidence())["why"]
    put(shelf_of, "shallow", lamp(2.0))
    put(shelf_of, "hybrid-deep", lamp(0.0))
    found = row(CLAIMS[18], ClaimEvidence())
    twin, stranger, rise = found["measures"]
    assert rise["value"] == 1 and not rise["judged"]  # dreaming raises it: nothing is shown
    assert twin["what"].startswith("shallow")
    assert twin["holds"]
    assert not stranger["holds"]
    assert stranger["value"] == pytest.approx(1 / 7)  # it names the same class for all
    assert found["verdict"] == "inconclusive"
