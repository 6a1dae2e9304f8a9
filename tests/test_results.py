"""Results are written and read in one way; a revision says whether the code was its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pandas as pd
import pytest

from fermodels import results
from fermodels.errors import CheckpointError, ConfigError
from fermodels.results import ResultFile

RESULT = ResultFile("some", "python -m some.command", format=2, columns=("face", "grey"))
CONTENT = {"value": 3, "provenance": {"data_name": "samples", "data_hash": "0"}}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of one file of code and one result."""
    monkeypatch.setattr(results, "ROOT", tmp_path)
    (tmp_path / "results").mkdir()
    for name in ("code.py", "results/claims.json"):
        (tmp_path / name).write_text("first")
    author = ["-c", "user.name=A", "-c", "user.email=a@b.c"]
    for words in (["init", "-q"], ["add", "."], [*author, "commit", "-qm", "first"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    return tmp_path


def test_a_new_result_leaves_the_revision_clean_and_changed_code_does_not(checkout: Path) -> None:
    commit = results.git_revision()
    assert len(commit) == 40
    (checkout / "results" / "claims.json").write_text("second")
    assert results.git_revision() == commit
    (checkout / "code.py").write_text("second")
    assert results.git_revision() == f"{commit}-dirty"


def test_a_folder_without_git_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "ROOT", tmp_path)
    assert results.git_revision() == "not a git checkout"


@pytest.fixture
def results_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FER_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


def test_a_result_is_read_back_as_it_was_written(results_folder: Path) -> None:
    assert RESULT.read(dict) is None
    table = pd.DataFrame({"face": [1], "grey": [2]})
    for _ in range(2):  # a second time over the first
        RESULT.check_free()
        RESULT.write(CONTENT, table)
    assert RESULT.read(list) == ["format", *CONTENT]
    pd.testing.assert_frame_equal(results.read_result_table("some"), table)
    assert sorted(path.name for path in results_folder.iterdir()) == ["some.json", "some.parquet"]


def test_another_format_and_a_missing_entry_name_the_command(results_folder: Path) -> None:
    RESULT.write(CONTENT)
    with pytest.raises(CheckpointError, match=r"some\.json is incomplete .*some\.command"):
        RESULT.read(lambda content: content["verdict"])
    newer = ResultFile("some", "python -m some.command", format=3)
    with pytest.raises(CheckpointError, match=r"has format 2: expected 3; run python -m some"):
        newer.read(dict)


@pytest.mark.parametrize("name", ["some.json", "some.parquet"])
def test_what_is_not_ours_is_in_the_way(results_folder: Path, name: str) -> None:
    results_folder.mkdir()
    (results_folder / name).write_text("mine")
    with pytest.raises(ConfigError, match=f"{name} is no"):
        RESULT.check_free()
