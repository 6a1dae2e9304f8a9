"""Tables of pictures: with and without Ray the same function gives the same answers."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import fermodels
from fermodels.classify import pictures, shards
from fermodels.classify.shards import classify_batch
from fermodels.classify.table import COLUMNS
from fermodels.data.emotions import PROBABILITY_COLUMNS
from fermodels.data.samples import sample_faces
from fermodels.errors import DataError
from fermodels.nets import catalog, checkpoint
from tests.toys import tiny_net

FACES = 9


@pytest.fixture(scope="module", autouse=True)
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One untrained network as the bundled one."""
    folder, none = tmp_path_factory.mktemp("checkpoints"), pd.DataFrame({"step": [1]})
    checkpoint.save(
        folder / "deep", tiny_net(), {"variant": "deep", "recipe": "toy"}, {},
        catalog.History(none, none), none, "card",
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_CHECKPOINTS", str(folder))
        pictures.network.cache_clear()
        yield
    pictures.network.cache_clear()


def cells() -> list[dict[str, Any]]:
    """Nine encoded faces, then bytes that are none."""
    found: list[dict[str, Any]] = []
    for number, image in enumerate(sample_faces().images[:FACES]):
        buffer = BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        found.append({"bytes": buffer.getvalue(), "path": f"{number}.png"})
    return [*found, {"bytes": b"none", "path": None}]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """The cells as a parquet table, as on the Hub."""
    pd.DataFrame({"image": cells(), "label": range(FACES + 1)}).to_parquet(tmp_path / "t.parquet")
    return tmp_path / "t.parquet"


def wanted() -> np.ndarray:
    found: np.ndarray = fermodels.load("deep").predict(sample_faces().images[:FACES])
    return found


@pytest.mark.parametrize("kind", [list, lambda c: np.array(c, dtype=object)])
def test_a_batch_is_answered_as_python_answers(kind: Any) -> None:
    told = classify_batch({"image": kind(cells())})
    assert list(told) == list(COLUMNS)
    probabilities = np.array([told[name][:FACES] for name in PROBABILITY_COLUMNS]).T
    np.testing.assert_allclose(probabilities, wanted(), rtol=1e-6)
    assert told["file"] == [*(f"{n}.png" for n in range(FACES)), "row 9"]
    assert told["error"][:FACES] == [None] * FACES and "not a picture" in told["error"][FACES]


@pytest.mark.parametrize("cell", [None, 7, {"bytes": None, "path": "x"}, {"bytes": "text"}])
def test_a_cell_that_holds_no_bytes_is_one_error_row(cell: object) -> None:
    told = classify_batch({"image": [cell]})
    assert "expected an encoded picture" in told["error"][0]


def test_a_table_becomes_a_table_batch_by_batch(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "BATCH_ROWS", 4)
    assert shards.main([str(table), "--out", str(tmp_path / "out")]) == 0
    told = pd.read_parquet(tmp_path / "out" / "t.parquet")
    np.testing.assert_allclose(told[PROBABILITY_COLUMNS][:FACES], wanted(), rtol=1e-6)
    assert told["file"].iloc[-1] == "row 9"


def test_finished_shards_are_skipped(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [str(table), "--out", str(tmp_path / "out")]
    shards.main(asked)
    before = (tmp_path / "out" / "t.parquet").stat().st_mtime_ns
    assert shards.main(asked) == 0
    assert "skipped" in capsys.readouterr().out
    assert (tmp_path / "out" / "t.parquet").stat().st_mtime_ns == before


@pytest.mark.parametrize("content", [b"", b"PAR1" + bytes(20), b"a,b\n"])
def test_a_table_that_is_none_gives_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    (tmp_path / "x.parquet").write_bytes(content)
    assert shards.main([str(tmp_path / "x.parquet"), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_table_without_pictures_names_its_columns(tmp_path: Path) -> None:
    pd.DataFrame({"face": [1]}).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(DataError, match="has the columns face"):
        shards.classify_parquet(tmp_path / "x.parquet", tmp_path / "y.parquet")
    with pytest.raises(DataError, match="has the columns face"):
        classify_batch({"face": [1]})


@pytest.mark.slow
def test_ray_gives_what_one_process_gives(table: Path, tmp_path: Path) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'fer-studio[ray]'")
    pytest.importorskip("ray.data", reason="Ray's data library is not installed")
    alone = shards.classify_parquet(table, tmp_path / "alone.parquet").to_pandas()
    try:
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        shards.classify_with_ray([table], tmp_path / "ray")
    finally:
        ray.shutdown()
    told = pd.read_parquet(tmp_path / "ray").sort_values("file", ignore_index=True)
    pd.testing.assert_frame_equal(told, alone.sort_values("file", ignore_index=True))
