"""A revision says whether the code was the commit's own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fermodels import results


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
