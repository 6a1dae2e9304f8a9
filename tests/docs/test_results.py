"""The README's tables say what the artefacts say."""

import json
from pathlib import Path

import pytest

from docs import results
from fermodels import results as fermodels_results
from fermodels.evaluation import paper
from fermodels.files import write_json
from fermodels.nets import catalog

FIGURES = {
    "accuracy": 0.625, "interval": [0.609, 0.641], "face_ms": 3.26, "photo_ms": None,
    "faces_per_second": 1234.5, "peak_memory_mb": 300.4, "installed_mb": 812.0,
}  # fmt: skip


@pytest.mark.parametrize("page", results.pages(), ids=lambda page: page.name)
def test_pages_are_those_of_the_committed_artefacts(page: Path) -> None:
    text = page.read_text("utf-8")
    assert results.refreshed(text, results.pages()[page]) == text, "run python -m docs.results"


def cells(table: str) -> dict[str, list[str]]:
    """Return a Markdown table's lines: first cell -> all cells."""
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    return {row[0]: row for row in rows}


def test_the_papers_figures_stand_beside_networks_of_its_recipe_alone() -> None:
    theirs, ours = cells(results.paper_table()), cells(results.table())
    for name in ("shallow", "deep"):
        metrics = catalog.read_metrics(catalog.paper_runs_dir() / name)
        quoted = paper.REPORTED[name]
        assert theirs[name][2].startswith(f"{metrics['validation']['accuracy']:.1%} (")
        assert theirs[name][3] == f"{quoted.validation:.0%}"
        assert theirs[name][4].startswith(f"{metrics['test']['accuracy']:.1%} (")
        assert theirs[name][5] == f"{quoted.test:.0%}"
    assert "paper" not in "".join(results.COLUMNS)
    assert {row[1] for row in ours.values()} == {"strong"}


def test_tables_count_without_copies_and_views_on_both_splits() -> None:
    row = cells(results.table())["deep"]
    metrics = catalog.read_metrics(catalog.available()["deep"])
    counted = fermodels_results.read_result("duplicates")
    assert counted is not None
    unseen = counted["accuracy"]["deep"]["test"]["without_exact_copies"]["share"]
    at = {name: results.COLUMNS.index(name) for name in results.COLUMNS}
    assert row[at["test without copies"]].startswith(f"{unseen:.1%} (")
    for split in ("validation", "test"):
        views = metrics["views"]["ten"][split]["accuracy"]
        assert row[at[f"ten views, {split}"]].startswith(f"{views:.1%} (")
    assert row[at["epoch kept"]] == f"{metrics['best_epoch']} of {metrics['epochs']}"
    assert "not computed" in cells(results.paper_table())["deep"]


def test_notes_tell_seeds_last_epochs_and_what_views_cost() -> None:
    told = results.notes()
    assert "One network and one seed a row" in told
    for name, folder in results.shipped().items():
        metrics = catalog.read_metrics(folder)
        last = metrics["best_epoch"] == metrics["epochs"]
        assert (f"The epoch kept of {name} is its last" in told) is last
        lost = metrics["validation"]["correct"] - metrics["views"]["ten"]["validation"]["correct"]
        word = f"{abs(lost)} validation faces {'fewer' if lost > 0 else 'more'}"
        assert f"{name} is right on {word}" in told


def test_the_apis_example_is_what_the_best_network_answers() -> None:
    block = results.answer_example().strip().removeprefix("```json").removesuffix("```")
    (face,) = json.loads(block)["faces"]
    ((name, answer),) = face["models"].items()
    folder = catalog.available()[name]
    assert name == results.best()
    recorded = catalog.read_metrics(folder)["calibration"]["temperature"]
    assert answer["temperature"] == (None if recorded is None else round(recorded, 2))
    accuracy = catalog.read_metrics(folder)["test"]["accuracy"]
    assert f'"{name}": {accuracy:.4f}' in results.call_example()


def test_peers_stand_by_accuracy_and_ours_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_RESULTS", str(tmp_path))
    assert "make bench-peers" in results.peers_table()
    recorded = catalog.read_metrics(catalog.available()["deep"])["test"]["accuracy"]
    ours = FIGURES | {"accuracy": recorded, "photo_ms": 41.2}
    earlier = {"ours:deep-5": FIGURES, "ours:gone": FIGURES}
    contenders = {"fer": FIGURES, "ours:deep": ours} | earlier
    write_json(tmp_path / "peers.json", {"contenders": contenders})
    *head, first, second = results.peers_table().splitlines()
    assert len(head) == 2, "rows of networks that were replaced since, or are gone, are left out"
    assert first.startswith(f"| **ours, deep** | {recorded:.1%} (60.9% to 64.1%) | 3.3 | 41 |")
    assert second == "| fer | 62.5% (60.9% to 64.1%) | 3.3 | cannot here | 1,234 | 300 | 812 |"
