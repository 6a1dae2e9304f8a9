"""Datasets with hostile names and contents: one sentence, and nothing written beside them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from fermodels.data.emotions import parse_emotion
from fermodels.data.faces import read_faces
from fermodels.errors import DataError, FerError
from tests.hostile.pictures import BAD


@pytest.fixture
def crop(tmp_path: Path) -> bytes:
    path = tmp_path / "crop.png"
    Image.fromarray(np.zeros((48, 48), np.uint8)).save(path)
    return path.read_bytes()


@pytest.mark.parametrize("name", ["../angry", "angry/../../x", "..", "/etc", "angry\0", "9", "-1",
                                  "0x1", "=angry", "a" * 5000, "１0"])  # fmt: skip
def test_a_class_name_is_an_expression_or_refused(name: str) -> None:
    with pytest.raises(DataError):
        parse_emotion(name)


@pytest.mark.parametrize("name", ["angry!", "=HYPERLINK()", "angry; rm -rf", "<script>"])
def test_a_class_folder_of_a_strange_name_is_refused(
    tmp_path: Path, crop: bytes, name: str
) -> None:
    for folder in ("happy", name):
        (tmp_path / "train" / folder).mkdir(parents=True)
        (tmp_path / "train" / folder / "0.png").write_bytes(crop)
    with pytest.raises(DataError) as caught:
        read_faces(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", ["zip", "tar.gz", "7z"])
def test_an_archive_is_never_unpacked(tmp_path: Path, ending: str) -> None:
    place = tmp_path / "data"
    place.mkdir()
    with zipfile.ZipFile(place / f"faces.{ending}", "w") as archive:
        archive.writestr("../../evil.txt", "evil")
    for source in (place, place / f"faces.{ending}"):
        with pytest.raises(DataError, match="unpack"):
            read_faces(source)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["data", f"faces.{ending}"]


def test_a_path_inside_a_table_opens_no_file(tmp_path: Path, crop: bytes) -> None:
    cells = [{"bytes": crop, "path": "../../../etc/hostname"}, {"bytes": crop, "path": "/etc/x"}]
    pd.DataFrame({"image": cells, "label": [3, 4]}).to_parquet(tmp_path / "train.parquet")
    assert read_faces(tmp_path).images.shape == (2, 48, 48)
    lost = [{"bytes": None, "path": "/etc/hostname"}]
    pd.DataFrame({"image": lost, "label": [3]}).to_parquet(tmp_path / "train.parquet")
    with pytest.raises(DataError, match="no bytes"):
        read_faces(tmp_path)


@pytest.mark.parametrize("text", [b"label", b"0.png", b"image"])
def test_text_in_a_table_that_is_no_utf8_ends_in_one_sentence(
    tmp_path: Path, crop: bytes, text: bytes
) -> None:
    """Found by fuzzing: Arrow hands over such names and fails when they are looked at."""
    path = tmp_path / "train.parquet"
    table = pd.DataFrame({"image": [{"bytes": crop, "path": "0.png"}], "label": [3]})
    table.to_parquet(path, compression=None)
    path.write_bytes(path.read_bytes().replace(text, text[:-1] + b"\xd0"))
    with pytest.raises(DataError) as caught:
        read_faces(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("notes", [b"[]", b"{", b'{"info": 3}', b'{"info": {"features": []}}',
                                   b'{"info": {"features": {"label": {"names": 3}}}}'])  # fmt: skip
def test_strange_notes_of_a_table_tell_no_names(tmp_path: Path, crop: bytes, notes: bytes) -> None:
    table = pa.table({"image": [{"bytes": crop, "path": "0.png"}], "label": [3]})
    pq.write_table(table.replace_schema_metadata({b"huggingface": notes}), tmp_path / "t.parquet")
    assert read_faces(tmp_path / "t.parquet").labels.tolist() == [3]


@pytest.mark.parametrize("name", BAD)
def test_a_bad_picture_among_faces_names_its_file(tmp_path: Path, crop: bytes, name: str) -> None:
    (tmp_path / "happy").mkdir()
    (tmp_path / "happy" / "0.png").write_bytes(crop)
    (tmp_path / "happy" / "1.png").write_bytes(BAD[name])
    with pytest.raises(DataError, match=r"1\.png") as caught:
        read_faces(tmp_path)
    assert "\n" not in str(caught.value)


ROW = "0 " * 2303 + "0"
TABLES = {
    "empty": "",
    "header alone": "emotion,pixels,Usage\n",
    "pixels too few": "emotion,pixels,Usage\n3,0 0 0,Training\n",
    "pixels too large": f"emotion,pixels,Usage\n3,{ROW[:-1]}256,Training\n",
    "pixels negative": f"emotion,pixels,Usage\n3,{ROW[:-1]}-1,Training\n",
    "pixels not numbers": f"emotion,pixels,Usage\n3,{ROW[:-1]}x,Training\n",
    "label outside": f"emotion,pixels,Usage\n7,{ROW},Training\n",
    "label a formula": f"emotion,pixels,Usage\n=1+1,{ROW},Training\n",
    "usage unknown": f"emotion,pixels,Usage\n3,{ROW},../x\n",
    "a NUL inside": f"emotion,pixels,Usage\n3,{ROW}\0,Training\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_a_bad_table_ends_in_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "fer2013.csv").write_text(TABLES[name])
    with pytest.raises(FerError) as caught:
        read_faces(tmp_path)
    assert "\n" not in str(caught.value)
