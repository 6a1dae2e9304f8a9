"""A wrong path or name ends a command in one sentence and status 2, before any work is done."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from fermodels.xai.concepts import tcav
from fermodels.xai.inspect import channels, features
from tests.studio.toy_studio import write_checkpoint
from tests.toys import striped_faces, tiny_net

COMMANDS = pytest.mark.parametrize("command", [channels, tcav, features])


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_checkpoint(tmp_path / "checkpoints" / "toy", tiny_net())
    monkeypatch.setenv("FER_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("FER_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


@COMMANDS
def test_a_wrong_data_path_is_one_sentence_and_status_2(
    command: ModuleType, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--model", "toy", "--data", "/no/such/faces"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and "/no/such/faces" in said and said.count("\n") == 1
    assert not results.exists()


@COMMANDS
def test_a_wrong_model_is_one_sentence_and_status_2(
    command: ModuleType,
    results: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(command, "read_faces", lambda source: striped_faces(70))
    assert command.main(["--model", "no-such-network"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: no checkpoint 'no-such-network': bundled are toy")
    assert said.count("\n") == 1 and not results.exists()
