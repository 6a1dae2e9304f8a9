from __future__ import annotations

import httpx2
import huggingface_hub
import numpy as np
import pytest
from huggingface_hub import errors

from fermodels.data.readers.discover import read_faces
from fermodels.data.readers.hub_dataset import CONVERTED, download
from fermodels.errors import HubError
from tests.data.readers.writers import made_up, write_csv, write_parquet

FACES = made_up()
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """An empty Hub cache, and no network: any request fails the test at once."""

    def refuse(*_args, **_kwargs):
        raise httpx2.ConnectError("no network in this test")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.HfApi, "repo_info", refuse)
    return tmp_path


def snapshot(hub_cache, repo="someone/fer", revision="main"):
    """The folder in which huggingface_hub keeps a downloaded dataset revision."""
    home = hub_cache / f"datasets--{repo.replace('/', '--')}"
    reference = home / "refs" / revision
    reference.parent.mkdir(parents=True, exist_ok=True)
    reference.write_text(COMMIT)
    folder = home / "snapshots" / COMMIT
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_a_downloaded_dataset_is_read_without_the_network(hub_cache):
    folder = snapshot(hub_cache)
    for split in ("train", "validation", "test"):
        write_parquet(folder / f"data/{split}-00000-of-00001.parquet", FACES.split(split))
    faces = read_faces("hub:someone/fer")
    assert faces.name == "someone/fer"
    assert faces.content_hash == FACES.content_hash
    np.testing.assert_array_equal(faces.images, FACES.images)


def test_the_hubs_own_parquet_copy_is_found(hub_cache):
    folder = snapshot(hub_cache, revision=CONVERTED)
    write_parquet(folder / "default/train/0000.parquet", FACES.split("train"))
    assert download("someone/fer") == folder


def test_csv_datasets_are_read_too(hub_cache):
    write_csv(snapshot(hub_cache) / "fer2013.csv", FACES)
    assert read_faces("hub:someone/fer").content_hash == FACES.content_hash


def test_a_revision_can_be_named(hub_cache):
    write_csv(snapshot(hub_cache, revision="v2") / "fer2013.csv", FACES)
    assert read_faces("hub:someone/fer@v2").content_hash == FACES.content_hash


def test_no_network_and_no_copy_is_said(hub_cache):
    with pytest.raises(HubError, match="cannot reach the Hub at"):
        read_faces("hub:someone/fer")


def refusing_with(error):
    def snapshot_download(*_args, local_files_only, **_kwargs):
        if local_files_only:
            raise errors.LocalEntryNotFoundError("not here")
        raise error

    return snapshot_download


def http_error(kind):
    request = httpx2.Request("GET", "https://hub.invalid/api/datasets/someone/fer")
    return kind("refused", response=httpx2.Response(403, request=request))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (errors.GatedRepoError, "is gated: accept its terms"),
        (errors.RepositoryNotFoundError, "shows no dataset repository someone/fer"),
        (errors.RevisionNotFoundError, "has no revision 'v9'"),
        (errors.HfHubHTTPError, "has no right to do this with someone/fer"),
    ],
)
def test_each_refusal_has_its_own_sentence(monkeypatch, kind, message):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", refusing_with(http_error(kind)))
    with pytest.raises(HubError, match=message):
        read_faces("hub:someone/fer@v9")


def test_a_misspelt_name_is_said(hub_cache):
    with pytest.raises(HubError, match=r"no such name!.* on the Hub failed: Repo id must"):
        read_faces("hub:no such name!")


def test_a_dataset_without_tables_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(tmp_path))
    with pytest.raises(HubError, match="holds no parquet and no CSV"):
        read_faces("hub:someone/fer")
