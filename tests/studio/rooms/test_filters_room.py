from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from studio.rooms import filters
from tests.studio.toy_studio import chart, healthy, html_of, open_room, write_studio


@pytest.fixture
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shelf, folder = write_studio(tmp_path)
    monkeypatch.setenv("FER_CHECKPOINTS", str(shelf))
    return folder


def test_filters_of_the_first_and_of_the_chosen_epoch_are_shown(faces: Path) -> None:
    app = open_room("filters", faces)
    heads = [head.value for head in app.subheader]
    assert heads[0].startswith("After epoch 1") and heads[1] == "After epoch 3"
    assert html_of(app).count('alt="Filter ') == 8, "four filters, twice"


def test_the_slider_moves_the_filters_and_what_was_recorded(faces: Path) -> None:
    app = open_room("filters", faces)
    before = html_of(app)
    healthy(app.slider(key="epoch").set_value(2).run())
    assert any(head.value == "After epoch 2" for head in app.subheader)
    assert html_of(app) != before
    assert chart(app, 0)["data"][0]["name"] == "sparsity, epoch 2"


def test_the_address_holds_the_epoch(faces: Path) -> None:
    app = open_room("filters", faces, epoch="1", model="hybrid-shallow")
    assert any(head.value == "After epoch 1" for head in app.subheader)


def test_an_epoch_beyond_another_networks_last_becomes_its_last(
    faces: Path, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoints" / "hybrid-shallow" / "history.parquet"
    table = pd.read_parquet(path)
    table[(table["kind"] == "step") | (table["epoch"] < 3)].to_parquet(path)
    app = open_room("filters", faces, model="shallow")
    healthy(app.slider(key="epoch").set_value(2).run())
    healthy(app.slider(key="epoch").set_value(3).run())
    healthy(app.selectbox(key="model").select("hybrid-shallow").run())
    assert any(head.value == "After epoch 2" for head in app.subheader)


def test_growing_filters_keep_one_scale(faces: Path) -> None:
    record = filters.filter_record("shallow")
    assert record.epochs == (1, 2, 3)
    assert record.limit == pytest.approx(float(np.abs(record.at(3).weights).max()))
    assert np.allclose(record.at(1).weights * 3, record.at(3).weights, atol=1e-6)


def test_copies_and_inverses_are_named_once() -> None:
    kernel = np.arange(9, dtype=np.float32).reshape(3, 3) - 4
    other = np.eye(3, dtype=np.float32)
    found = filters._audit(np.stack([kernel, other, 2 * kernel, -kernel, 0 * kernel]))
    assert found.notes == {2: "like 0", 3: "inverse of 0", 4: "dead"}
