"""The README's tables say what the artefacts say."""

from pathlib import Path

import pytest

from docs import results
from fermodels.nets import checkpoint
from fermodels.nets.files import write_json

FIGURES = {
    "accuracy": 0.625, "interval": [0.609, 0.641], "face_ms": 3.26, "photo_ms": None,
    "faces_per_second": 1234.5, "peak_memory_mb": 300.4, "installed_mb": 812.0,
}  # fmt: skip


def test_the_readme_is_that_of_the_committed_artefacts() -> None:
    text = results.README.read_text("utf-8")
    assert results.refreshed(text) == text, "run python -m docs.results"


def test_peers_stand_by_accuracy_and_ours_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_RESULTS", str(tmp_path))
    assert "make bench-peers" in results.peers_table()
    recorded = checkpoint.read_metrics(checkpoint.available()["deep"])["test"]["accuracy"]
    ours = FIGURES | {"accuracy": recorded, "photo_ms": 41.2}
    earlier = {"ours:deep-5": FIGURES, "ours:gone": FIGURES}
    contenders = {"fer": FIGURES, "ours:deep": ours} | earlier
    write_json(tmp_path / "peers.json", {"contenders": contenders})
    *head, first, second = results.peers_table().splitlines()
    assert len(head) == 2, "rows of networks that were replaced since, or are gone, are left out"
    assert first.startswith(f"| **ours, deep** | {recorded:.1%} (60.9% to 64.1%) | 3.3 | 41 |")
    assert second == "| fer | 62.5% (60.9% to 64.1%) | 3.3 | cannot here | 1,234 | 300 | 812 |"
