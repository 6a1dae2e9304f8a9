import json
from pathlib import Path

import pandas as pd
import pytest

from fermodels import results
from fermodels.errors import CheckpointError
from fermodels.nets import catalog


@pytest.fixture
def shelves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty results and checkpoints below one folder."""
    monkeypatch.setenv("FER_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("FER_CHECKPOINTS", str(tmp_path / "checkpoints"))
    return tmp_path


def put(folder: Path, recipe: str) -> Path:
    folder.mkdir(parents=True)
    (folder / catalog.CONFIG).write_text(json.dumps({"recipe": recipe}))
    return folder


def test_paper_run_prefers_filed_records_to_the_bundled_checkpoint(shelves: Path) -> None:
    assert catalog.paper_run("deep") is None
    bundled = put(shelves / "checkpoints" / "deep", "paper")
    assert catalog.paper_run("deep") == bundled
    filed = put(shelves / "results" / "paper-runs" / "deep", "paper")
    assert catalog.paper_run("deep") == filed


def test_a_checkpoint_of_another_recipe_is_no_paper_run(shelves: Path) -> None:
    put(shelves / "checkpoints" / "deep", "strong")
    assert catalog.paper_run("deep") is None


def test_result_tables_are_read_or_known_to_be_absent(shelves: Path) -> None:
    assert results.read_result_table("label_doubt") is None
    place = shelves / "results"
    place.mkdir()
    table = pd.DataFrame({"sample_id": ["test-1"], "score": [0.5]})
    table.to_parquet(place / "label_doubt.parquet")
    found = results.read_result_table("label_doubt")
    assert found is not None
    assert found.equals(table)
    (place / "label_doubt.parquet").write_text("not a table")
    with pytest.raises(CheckpointError, match="label_doubt"):
        results.read_result_table("label_doubt")
