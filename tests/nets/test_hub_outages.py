"""A Hub that is away, breaks off or lies: the cache, another try, or one sentence."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from fermodels.nets import catalog
from tests.hub_client import ClientError, HubClient
from tests.hub_server import OWNER, HubServer
from tests.nets.hub_toys import REPO, failure

pytestmark = pytest.mark.usefixtures("whole")


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
    weights = (folder / catalog.WEIGHTS).read_bytes()
    for revision in (None, sha):
        cached = Path(client.call("pull", REPO, revision, token=OWNER, cache=tmp_path))
        blob = (cached / catalog.WEIGHTS).resolve()
        blob.write_bytes(bytes(255 - byte for byte in weights))
        again = Path(client.call("pull", REPO, revision, token=OWNER, cache=tmp_path))
        assert (again / catalog.WEIGHTS).read_bytes() == weights
    (again / catalog.CONFIG).resolve().write_bytes(b"{}")
    assert "not in the cache" in failure(dead, "pull", REPO, sha, cache=tmp_path)


def test_what_a_link_in_the_cache_leads_to_is_no_file_of_the_cache(
    client: HubClient, folder: Path, tmp_path: Path
) -> None:
    """A user may have put his own file in the place of a cached one: it is not removed."""
    sha = client.call("push", str(folder), REPO, token=OWNER).rsplit("/", 1)[-1]
    cached = Path(client.call("pull", REPO, sha, token=OWNER, cache=tmp_path / "cache"))
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes(b"mine")
    (cached / catalog.WEIGHTS).unlink()
    (cached / catalog.WEIGHTS).symlink_to(mine)
    again = Path(client.call("pull", REPO, sha, token=OWNER, cache=tmp_path / "cache"))
    weights = (folder / catalog.WEIGHTS).read_bytes()
    assert (again / catalog.WEIGHTS).read_bytes() == weights
    assert mine.read_bytes() == b"mine"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_upload_whose_connection_drops_is_taken_up_again(
    server: HubServer, client: HubClient, folder: Path, tmp_path: Path
) -> None:
    weights = sha256(folder / catalog.WEIGHTS)
    server.drops[weights] = 2
    client.call("push", str(folder), REPO, token=OWNER, patient=False)
    assert server.requests.count(f"PUT /lfs/{weights}") == 3
    assert len(server.repos[REPO].commits) == 1
    pulled = Path(client.call("pull", REPO, token=OWNER, cache=tmp_path))
    assert sha256(pulled / catalog.WEIGHTS) == weights


def test_after_a_broken_push_only_what_is_missing_is_sent(
    server: HubServer, client: HubClient, folder: Path
) -> None:
    weights = sha256(folder / catalog.WEIGHTS)
    server.drops[weights] = 99
    said = failure(client, "push", str(folder), REPO, token=OWNER, patient=False)
    assert said.startswith("cannot reach the Hub at")
    assert server.repos[REPO].commits == {}  # nothing is half there
    large = (catalog.WEIGHTS, catalog.HISTORY, catalog.PREDICTIONS)  # sent side by side
    missing = {sha256(folder / name) for name in large} - set(server.blobs)
    assert weights in missing
    server.drops.clear()
    server.requests.clear()
    client.call("push", str(folder), REPO, token=OWNER)
    sent = [request for request in server.requests if request.startswith("PUT")]
    assert sorted(sent) == sorted(f"PUT /lfs/{one}" for one in missing)
    assert len(server.repos[REPO].commits) == 1


def test_a_download_that_breaks_off_goes_on_where_it_broke(
    server: HubServer, client: HubClient, folder: Path, tmp_path: Path
) -> None:
    sha = client.call("push", str(folder), REPO, token=OWNER).rsplit("/", 1)[-1]
    large = np.random.default_rng(0).bytes(24_000_000)  # huggingface_hub reads 10 MB at a time
    server.repos[REPO].commits[sha][catalog.WEIGHTS] = large
    oid = hashlib.sha256(large).hexdigest()
    server.blobs[oid], server.drops[oid] = large, 1
    pulled = Path(client.call("pull", REPO, token=OWNER, cache=tmp_path, patient=False))
    assert (pulled / catalog.WEIGHTS).read_bytes() == large
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
