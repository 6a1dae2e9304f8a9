"""A run that is to be pushed is refused early, or is on the Hub at its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from fermodels.errors import HubError
from fermodels.nets import catalog
from tests.hub_server import OWNER, HubServer
from tests.toys import run_training, striped_faces, write_csv
from train.run import parse, run

REPO = "alice/tiny"


def test_a_finished_run_pushes_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    csv = write_csv(tmp_path / "fer2013.csv", striped_faces(98))
    words = f"--data {csv} --epochs 1 --run-dir {tmp_path / 'r'} --push {REPO}".split()
    with HubServer() as server:
        for name, value in (
            ("HF_ENDPOINT", server.endpoint), ("HF_TOKEN", OWNER), ("HF_HUB_DISABLE_XET", "1"),
            ("HF_HUB_DISABLE_TELEMETRY", "1"), ("HF_HOME", str(tmp_path / "home")),
        ):  # fmt: skip
            monkeypatch.setenv(name, value)
        done = run_training(*words)
    assert done.returncode == 0, done.stderr
    assert server.repos[REPO].private
    (files,) = server.repos[REPO].commits.values()
    assert set(files) == set(catalog.FILES)
    for name in set(catalog.FILES) - {catalog.CARD}:
        assert files[name] == (tmp_path / "r" / "checkpoint" / name).read_bytes()


def test_a_run_that_could_not_push_ends_before_it_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.push.get_token", lambda: None)
    words = ["--variant", "shallow", "--data", "samples", "--run-dir", str(tmp_path / "r")]
    with pytest.raises(HubError, match="no token to push alice/tiny with: set HF_TOKEN"):
        run(parse([*words, "--push", REPO]))
    assert not (tmp_path / "r").exists()
