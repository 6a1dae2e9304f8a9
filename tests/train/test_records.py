import json
from pathlib import Path

import pytest

from fermodels.errors import CheckpointError
from fermodels.nets import catalog
from tests.train.claims.claim_toys import GOOD, write_run
from train.records import file_records, main


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run of `deep` by the paper's recipe, weights included."""
    monkeypatch.setenv("FER_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("FER_CHECKPOINTS", str(tmp_path / "checkpoints"))
    write_run(tmp_path / "deep", **GOOD["deep"])
    (tmp_path / "deep" / catalog.WEIGHTS).write_bytes(b"weights")
    return tmp_path / "deep"


def test_filed_run_is_found_whole_and_without_weights(finished: Path) -> None:
    assert main([str(finished)]) == 0
    place = catalog.paper_run("deep")
    assert place is not None
    assert {path.name for path in place.iterdir()} == set(catalog.RECORDS)
    for name in catalog.RECORDS:
        assert (place / name).read_bytes() == (finished / name).read_bytes()


def test_only_complete_runs_of_the_papers_recipe_are_filed(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (finished / catalog.HISTORY).unlink()
    with pytest.raises(CheckpointError, match=r"lacks history\.parquet"):
        file_records(finished)
    (finished / catalog.CONFIG).write_text(json.dumps({"recipe": "strong", "variant": "deep"}))
    assert main([str(finished)]) == 2
    assert "'strong'" in capsys.readouterr().err
    assert catalog.paper_run("deep") is None
