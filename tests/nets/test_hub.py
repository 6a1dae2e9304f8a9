"""Pushing and pulling over real HTTP, against the Hub's routes served on this machine."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import fermodels
from fermodels.data.emotions import EMOTIONS
from fermodels.errors import CheckpointError, HubError
from fermodels.nets import checkpoint, hub
from fermodels.nets.evaluate import score
from tests.hub_client import ClientError, HubClient
from tests.hub_server import OWNER, STRANGER, HubServer
from tests.toys import tiny_net
from train.card import model_card
from train.push import push

REPO = "alice/tiny"


@pytest.fixture(scope="module")
def server() -> Iterator[HubServer]:
    with HubServer() as running:
        yield running


@pytest.fixture(scope="module")
def dead(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubClient]:
    """A client whose Hub is a port where nobody listens."""
    started = HubClient("http://127.0.0.1:9", tmp_path_factory.mktemp("dead"))
    yield started
    started.close()


@pytest.fixture(scope="module")
def client(
    server: HubServer, dead: HubClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HubClient]:
    """A client of the server; asks for `dead` so that both processes start at the same time."""
    started = HubClient(server.endpoint, tmp_path_factory.mktemp("home"))
    yield started
    started.close()


@pytest.fixture(autouse=True)
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
    steps = pd.DataFrame({"step": [1], "epoch": [1], "loss": [1.9]})
    epochs = pd.DataFrame({"epoch": [1], "train_loss": [1.9]})
    columns = {f"p_{name}": [1 / 7] for name in EMOTIONS}
    checkpoint.save(
        tmp_path / "tiny", tiny_net(), identity, metrics, checkpoint.History(steps, epochs),
        pd.DataFrame({"split": ["test"], "sample_id": ["x"], "label": [3], **columns}),
        model_card(identity, metrics),
    )  # fmt: skip
    return tmp_path / "tiny"


def failure(client: HubClient, *words: Any, **settings: Any) -> str:
    """Return the one sentence with which a call fails."""
    with pytest.raises(ClientError) as caught:
        client.call(*words, **settings)
    assert caught.value.kind in {"HubError", "HubUnreachableError", "CheckpointError"}
    assert "\n" not in caught.value.sentence
    return caught.value.sentence


def test_what_was_pushed_is_what_is_pulled(
    server: HubServer, client: HubClient, folder: Path, tmp_path: Path
) -> None:
    url = client.call("push", str(folder), REPO, token=OWNER)
    sha = url.rsplit("/", 1)[-1]
    assert url == f"{server.endpoint}/{REPO}/tree/{sha}"
    assert server.repos[REPO].private and len(server.repos[REPO].commits) == 1
    # Somebody else's file in the repository is none of ours and is not fetched.
    server.repos[REPO].commits[sha]["malware.py"] = b"import os"
    pulled = Path(client.call("pull", REPO, token=OWNER, cache=tmp_path / "cache"))
    assert {path.name for path in pulled.iterdir()} == set(checkpoint.FILES)
    for name in set(checkpoint.FILES) - {checkpoint.CARD}:
        assert (pulled / name).read_bytes() == (folder / name).read_bytes()


def test_a_model_loaded_from_the_hub_predicts_as_the_local_one(
    client: HubClient, folder: Path, tmp_path: Path
) -> None:
    sha = client.call("push", str(folder), REPO, False, token=OWNER).rsplit("/", 1)[-1]
    faces = np.random.default_rng(0).integers(0, 256, (4, 48, 48), dtype=np.uint8)
    here = fermodels.load(folder).predict(faces)
    for revision in (None, "main", sha):
        there = client.call("predict", f"hub:{REPO}", revision, cache=tmp_path / "cache")
        np.testing.assert_array_equal(np.float32(there), here)


def test_the_pushed_card_holds_the_results_as_model_index(
    server: HubServer, client: HubClient, folder: Path
) -> None:
    client.call("push", str(folder), REPO, token=OWNER)
    files = server.repos[REPO].commits[server.repos[REPO].branches["main"]]
    _, head, body = files[checkpoint.CARD].decode().split("---\n", 2)
    data = yaml.safe_load(head)
    assert data["library_name"] == "fermodels" and data["license"] == "mit"
    assert data["pipeline_tag"] == "image-classification"
    assert {"facial-expression-recognition", "fer2013", "shallow"} <= set(data["tags"])
    results = data["model-index"][0]["results"]
    found = {(r["dataset"]["split"], m["type"]): m["value"] for r in results for m in r["metrics"]}
    wanted = checkpoint.read_metrics(folder)
    assert found["test", "accuracy"] == pytest.approx(wanted["test"]["accuracy"])
    assert found["validation", "f1"] == pytest.approx(wanted["validation"]["macro_f1"])
    assert f'fermodels.load("hub:{REPO}")' in body and "owner/repo" not in body
    assert "FER-2013 was collected for research" in body and "its terms apply" in body


def test_pushing_the_same_again_makes_no_commit(
    server: HubServer, client: HubClient, folder: Path
) -> None:
    first = client.call("push", str(folder), REPO, token=OWNER)
    again = client.call("push", str(folder), REPO, token=OWNER)
    assert first == again and len(server.repos[REPO].commits) == 1


def test_a_branch_and_a_commit_can_be_pushed_to_and_pulled_from(
    server: HubServer, client: HubClient, folder: Path, tmp_path: Path
) -> None:
    main = client.call("push", str(folder), REPO, token=OWNER)
    (folder / checkpoint.CARD).write_text("---\nlicense: mit\n---\n# other\n")
    client.call("push", str(folder), REPO, True, "trial", token=OWNER)
    assert set(server.repos[REPO].branches) == {"main", "trial"}
    cache = tmp_path / "cache"
    for revision, first in (("trial", "# other"), (main.rsplit("/", 1)[-1], "# shallow")):
        pulled = client.call("pull", REPO, revision, token=OWNER, cache=cache)
        assert first in Path(pulled, checkpoint.CARD).read_text()


def test_a_cached_commit_needs_no_request_and_a_cached_branch_no_network(
    server: HubServer, client: HubClient, dead: HubClient, folder: Path, tmp_path: Path
) -> None:
    sha = client.call("push", str(folder), REPO, token=OWNER).rsplit("/", 1)[-1]
    cache = tmp_path / "cache"
    pulled = client.call("pull", REPO, token=OWNER, cache=cache)
    server.requests.clear()
    assert client.call("pull", REPO, sha, cache=cache) == pulled
    assert server.requests == []
    assert dead.call("pull", REPO, cache=cache) == pulled
    server.fault = "broken"
    assert client.call("pull", REPO, token=OWNER, cache=cache) == pulled


def test_without_network_and_cache_the_sentence_comes_within_seconds(
    dead: HubClient, folder: Path, tmp_path: Path
) -> None:
    for words in (("pull", REPO), ("push", str(folder), REPO)):
        with pytest.raises(ClientError, match=r"cannot reach the Hub at .*:9 ") as caught:
            dead.call(*words, token=OWNER, cache=tmp_path)
        assert caught.value.seconds < 3
    assert "is not in the cache" in failure(dead, "pull", REPO, cache=tmp_path)


def test_a_damaged_cache_is_noticed_and_fetched_again(
    client: HubClient, dead: HubClient, folder: Path, tmp_path: Path
) -> None:
    sha = client.call("push", str(folder), REPO, token=OWNER).rsplit("/", 1)[-1]
    weights = (folder / checkpoint.WEIGHTS).read_bytes()
    for revision in (None, sha):
        cached = Path(client.call("pull", REPO, revision, token=OWNER, cache=tmp_path))
        blob = (cached / checkpoint.WEIGHTS).resolve()
        blob.write_bytes(bytes(255 - byte for byte in weights))
        again = Path(client.call("pull", REPO, revision, token=OWNER, cache=tmp_path))
        assert (again / checkpoint.WEIGHTS).read_bytes() == weights
    (again / checkpoint.CONFIG).resolve().write_bytes(b"{}")
    assert "not in the cache" in failure(dead, "pull", REPO, sha, cache=tmp_path)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_upload_whose_connection_drops_is_taken_up_again(
    server: HubServer, client: HubClient, folder: Path, tmp_path: Path
) -> None:
    weights = sha256(folder / checkpoint.WEIGHTS)
    server.drops[weights] = 2
    client.call("push", str(folder), REPO, token=OWNER, patient=False)
    assert server.requests.count(f"PUT /lfs/{weights}") == 3
    assert len(server.repos[REPO].commits) == 1
    pulled = Path(client.call("pull", REPO, token=OWNER, cache=tmp_path))
    assert sha256(pulled / checkpoint.WEIGHTS) == weights


def test_after_a_broken_push_only_what_is_missing_is_sent(
    server: HubServer, client: HubClient, folder: Path
) -> None:
    weights = sha256(folder / checkpoint.WEIGHTS)
    server.drops[weights] = 99
    said = failure(client, "push", str(folder), REPO, token=OWNER, patient=False)
    assert said.startswith("cannot reach the Hub at")
    assert server.repos[REPO].commits == {}  # nothing is half there
    others = {sha256(folder / name) for name in (checkpoint.HISTORY, checkpoint.PREDICTIONS)}
    assert others <= set(server.blobs) and weights not in server.blobs
    server.drops.clear()
    server.requests.clear()
    client.call("push", str(folder), REPO, token=OWNER)
    sent = [request for request in server.requests if request.startswith("PUT")]
    assert sent == [f"PUT /lfs/{weights}"]
    assert len(server.repos[REPO].commits) == 1


def test_a_download_that_breaks_off_goes_on_where_it_broke(
    server: HubServer, client: HubClient, folder: Path, tmp_path: Path
) -> None:
    sha = client.call("push", str(folder), REPO, token=OWNER).rsplit("/", 1)[-1]
    large = np.random.default_rng(0).bytes(24_000_000)  # huggingface_hub reads 10 MB at a time
    server.repos[REPO].commits[sha][checkpoint.WEIGHTS] = large
    oid = hashlib.sha256(large).hexdigest()
    server.blobs[oid], server.drops[oid] = large, 1
    pulled = Path(client.call("pull", REPO, token=OWNER, cache=tmp_path, patient=False))
    assert (pulled / checkpoint.WEIGHTS).read_bytes() == large
    (resumed,) = server.ranges
    assert 0 < int(resumed.removeprefix("bytes=").removesuffix("-")) <= len(large) // 2


def test_offline_mode_reads_the_cache_and_asks_nobody(
    server: HubServer, client: HubClient, folder: Path, tmp_path: Path
) -> None:
    client.call("push", str(folder), REPO, token=OWNER)
    pulled = client.call("pull", REPO, token=OWNER, cache=tmp_path)
    server.requests.clear()
    assert client.call("pull", REPO, cache=tmp_path, offline=True) == pulled
    said = failure(client, "pull", "alice/other", cache=tmp_path, offline=True)
    assert "HF_HUB_OFFLINE" in said and "is not in the cache" in said
    assert "HF_HUB_OFFLINE" in failure(client, "push", str(folder), REPO, token=OWNER, offline=True)
    assert server.requests == []


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("broken", "the Hub answered 500 for alice/tiny"),
        ("forged", "came twice with other bytes than the Hub lists"),
        ("cut", "alice/tiny|cannot reach"),
        ("huge", "lists model.safetensors with 5000000000 bytes"),
    ],
)
def test_a_faulty_hub_gives_a_sentence_and_no_model(
    server: HubServer, client: HubClient, folder: Path, tmp_path: Path, fault: str, sentence: str
) -> None:
    client.call("push", str(folder), REPO, token=OWNER)
    server.fault = fault
    with pytest.raises(ClientError, match=sentence):
        client.call("pull", REPO, token=OWNER, cache=tmp_path, patient=False)
    server.fault = ""
    client.call("pull", REPO, token=OWNER, cache=tmp_path)


def test_refusals_say_what_to_do(
    server: HubServer, client: HubClient, folder: Path, tmp_path: Path
) -> None:
    client.call("push", str(folder), REPO, token=OWNER)
    at = {"cache": tmp_path}
    assert "no token is set (HF_TOKEN)" in failure(client, "pull", REPO, **at)
    assert "may not see it" in failure(client, "pull", REPO, token=STRANGER, **at)
    assert "no model repository alice/none" in failure(client, "pull", "alice/none", **at)
    assert "does not accept the token (401)" in failure(client, "pull", REPO, token="hf_x", **at)
    assert "no revision 'v9'" in failure(client, "pull", REPO, "v9", token=OWNER, **at)
    del server.repos[REPO].commits[server.repos[REPO].branches["main"]][checkpoint.CONFIG]
    assert "has no config.json" in failure(client, "pull", REPO, token=OWNER, **at)


def test_a_push_without_token_or_right_says_so(
    server: HubServer, client: HubClient, folder: Path
) -> None:
    client.call("push", str(folder), REPO, False, token=OWNER)
    assert "no token to push" in failure(client, "push", str(folder), REPO)
    assert "does not accept the token" in failure(client, "push", str(folder), REPO, token="hf_x")
    for repo in (REPO, "alice/new"):
        assert "no right to do this" in failure(client, "push", str(folder), repo, token=STRANGER)


def test_a_checkpoint_that_does_not_load_is_not_sent(server: HubServer, folder: Path) -> None:
    weights = folder / checkpoint.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(CheckpointError, match=r"cannot read .*model\.safetensors"):
        push(folder, REPO)
    assert server.requests == []


@pytest.mark.parametrize(
    "name",
    ["", "deep", "a/b/c", "../x/y", "a/..", "a/.b", "a/b--c", "a/b.git", "a/b\n", "ä/b", "a/b?"],
)
def test_names_that_are_no_repository_are_refused(name: str) -> None:
    with pytest.raises(HubError, match="is not the name of a Hub repository"):
        hub.check_repo_id(name)


@pytest.mark.parametrize("name", ["../../x", "/etc", "a//b", "-x", "a b", "refs/../x", "a\n"])
def test_revisions_that_could_be_paths_are_refused(name: str) -> None:
    with pytest.raises(HubError, match="is not a revision"):
        hub.check_revision(name)
