"""Pushing and pulling over real HTTP: what arrives is what was sent, to those who may."""

from pathlib import Path

import numpy as np
import pytest
import yaml

import fermodels
from fermodels import hub
from fermodels.errors import CheckpointError, HubError
from fermodels.nets import catalog
from tests.hub_client import HubClient
from tests.hub_server import OWNER, STRANGER, HubServer
from tests.nets.hub_toys import REPO, failure
from train.push import push

pytestmark = pytest.mark.usefixtures("whole")


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
    assert {path.name for path in pulled.iterdir()} == set(catalog.FILES)
    for name in set(catalog.FILES) - {catalog.CARD}:
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
    _, head, body = files[catalog.CARD].decode().split("---\n", 2)
    data = yaml.safe_load(head)
    assert data["library_name"] == "fermodels" and data["license"] == "mit"
    assert data["pipeline_tag"] == "image-classification"
    assert {"facial-expression-recognition", "fer2013", "shallow"} <= set(data["tags"])
    results = data["model-index"][0]["results"]
    found = {(r["dataset"]["split"], m["type"]): m["value"] for r in results for m in r["metrics"]}
    wanted = catalog.read_metrics(folder)
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
    (folder / catalog.CARD).write_text("---\nlicense: mit\n---\n# other\n")
    client.call("push", str(folder), REPO, True, "trial", token=OWNER)
    assert set(server.repos[REPO].branches) == {"main", "trial"}
    cache = tmp_path / "cache"
    for revision, first in (("trial", "# other"), (main.rsplit("/", 1)[-1], "# shallow")):
        pulled = client.call("pull", REPO, revision, token=OWNER, cache=cache)
        assert first in Path(pulled, catalog.CARD).read_text()


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
    del server.repos[REPO].commits[server.repos[REPO].branches["main"]][catalog.CONFIG]
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
    weights = folder / catalog.WEIGHTS
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
