"""The API reference is made from docstrings."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import reference


@pytest.mark.slow
def test_every_module_has_a_page_with_its_docstrings(tmp_path: Path) -> None:
    assert reference.main([str(tmp_path / "reference")]) == 0
    pages = {p.relative_to(tmp_path / "reference").as_posix() for p in tmp_path.rglob("*.html")}
    assert {name.replace(".", "/") + ".html" for name in reference.modules()} <= pages
    explain = (tmp_path / "reference/fermodels/xai/attribution/explain.html").read_text("utf-8")
    assert "ConfigError" in explain and "(N, 48, 48)" in explain


def test_a_folder_with_something_in_it_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert reference.main([str(tmp_path)]) == 2
    assert "not an empty folder" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
