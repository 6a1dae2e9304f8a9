"""Datasets with hostile names and contents: one sentence, and nothing written beside them."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from fermodels.data.emotions import parse_emotion
from fermodels.data.readers import bounded_parquet, parquet
from fermodels.data.readers.discover import read_faces
from fermodels.errors import DataError, FerError
from tests.hostile.pictures import BAD
from tests.toys import ROOT


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


READ = """
import re, sys
from fermodels.data.readers.discover import read_faces
try:
    print("read", len(read_faces(sys.argv[1])))
except Exception as error:
    print(type(error).__name__, error)
print(re.search("VmHWM:\\s+([0-9]+)", open("/proc/self/status").read())[1])
"""


@pytest.mark.parametrize("as_dictionary", [False, True])
def test_a_table_that_grows_ten_thousandfold_does_not_fill_the_memory(
    tmp_path: Path, as_dictionary: bool
) -> None:
    """Each row holds the same megabyte of text; kept as a dictionary it may be read, in parts."""
    texts = pa.DictionaryArray.from_arrays(
        np.zeros(2_000, np.int32), pa.array([("0 " * 2304).ljust(1_000_000)])
    )
    table = pa.table({"pixels": texts, "label": np.zeros(2_000, np.int64)})
    path = tmp_path / "train.parquet"
    pq.write_table(table, path, store_schema=as_dictionary)
    assert path.stat().st_size < 200_000
    words = [sys.executable, "-c", READ, str(path)]
    said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120).stdout
    message, peak = said.splitlines()
    assert message == "read 2000" if as_dictionary else "once decoded: at most" in message
    assert int(peak) < 700_000  # KiB; it would be 2 GB


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let a dataset come to a megabyte."""
    monkeypatch.setattr(parquet, "LEAST_DECODED", 1_000_000)
    monkeypatch.setattr(parquet, "MOST_GROWTH", 1)
    return 1_000_000


def bombs() -> dict[str, pa.Table]:
    many = np.zeros(2_000_000, np.int8)
    return {
        "one page of zeros": pa.table({"label": [0], "image": [bytes(9_000_000)]}),
        "rows without end": pa.table({"label": many, "image": pa.nulls(len(many), pa.binary())}),
        "a list without end": pa.table({"label": [many], "image": [b""]}),
        "text without end": pa.table({"label": ["0"] * 900, "pixels": ["0 " * 2304] * 900}),
    }


@pytest.mark.parametrize("name", list(bombs()))
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_what_pages_come_to_is_counted_before_and_while_they_are_decoded(
    tmp_path: Path, name: str, version: str, little: int
) -> None:
    path = tmp_path / "train.parquet"
    table = bombs()[name]
    pq.write_table(table, path, compression="zstd", data_page_version=version)
    assert path.stat().st_size < 300_000
    allocated = pa.total_allocated_bytes()
    with pytest.raises(DataError, match="once decoded: at most"):
        parquet.read([path])
    assert pa.total_allocated_bytes() - allocated < 20 * little


def test_a_footer_that_lies_about_sizes_is_not_believed(tmp_path: Path, little: int) -> None:
    path = tmp_path / "train.parquet"
    pq.write_table(bombs()["one page of zeros"], path, compression="zstd")
    true = pq.ParquetFile(path).metadata.row_group(0).column(1).total_uncompressed_size
    path.write_bytes(path.read_bytes().replace(varint(true), varint(5, len(varint(true)))))
    assert pq.ParquetFile(path).metadata.row_group(0).column(1).total_uncompressed_size == 5
    with pytest.raises(DataError, match="once decoded: at most"):
        parquet.read([path])


def varint(number: int, length: int = 0) -> bytes:
    """Return a number as parquet's footer spells it, with idle bytes up to a length."""
    number, found = 2 * number, bytearray()
    while number > 127 or len(found) + 1 < length:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def test_many_small_bombs_are_counted_together(tmp_path: Path, little: int, crop: bytes) -> None:
    paths = [tmp_path / f"train{number}.parquet" for number in range(3)]
    for path in paths:
        pq.write_table(pa.table({"label": [3] * 200, "image": [crop] * 200}), path)
    assert len(parquet.read(paths[:2])) == 400
    with pytest.raises(DataError, match="rows or more"):
        parquet.read(paths)


@pytest.mark.parametrize("name", [5, "x" * 5000])
def test_a_picture_of_a_strange_name_is_refused(tmp_path: Path, crop: bytes, name: object) -> None:
    table = pa.table({"image": [{"bytes": crop, "path": name}], "label": [3]})
    pq.write_table(table, tmp_path / "train.parquet")
    with pytest.raises(DataError, match="path is"):
        read_faces(tmp_path)


def test_errors_of_a_later_batch_count_rows_from_the_files_start(
    tmp_path: Path, crop: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_parquet, "BATCH_ROWS", 2)
    labels = [3, 3, 3, 3, 9]
    pq.write_table(pa.table({"image": [crop] * 5, "label": labels}), tmp_path / "train.parquet")
    with pytest.raises(DataError, match="row 5"):
        read_faces(tmp_path)


def test_two_columns_of_one_name_are_refused(tmp_path: Path, crop: bytes) -> None:
    table = pa.Table.from_arrays([pa.array([3]), pa.array([crop]), pa.array([b"x"])],
                                 names=["label", "image", "image"])  # fmt: skip
    pq.write_table(table, tmp_path / "train.parquet")
    with pytest.raises(DataError, match="several columns called 'image'"):
        read_faces(tmp_path)


def test_damaged_bytes_anywhere_in_a_table_end_in_one_sentence(tmp_path: Path, crop: bytes) -> None:
    path = tmp_path / "train.parquet"
    pq.write_table(pa.table({"image": [crop] * 9, "label": [3] * 9}), path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for at in rng.integers(4, len(whole) - 8, 300):
        spoilt = bytearray(whole)
        spoilt[at] ^= int(rng.integers(1, 256))
        path.write_bytes(spoilt)
        try:
            parquet.read([path])
        except DataError as error:
            assert "\n" not in str(error)


def test_pipes_and_devices_are_no_datasets_and_no_pictures(tmp_path: Path) -> None:
    """Whoever opens a pipe waits for its other end."""
    os.mkfifo(tmp_path / "faces.csv")
    for path in (tmp_path / "faces.csv", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(DataError, match="a pipe or a device"):
            read_faces(path)
    for split in ("train", "test"):
        place = tmp_path / "folder" / split / "angry"
        place.mkdir(parents=True)
        for number in range(3):
            pixels = np.random.default_rng(number).integers(0, 255, (48, 48), np.uint8)
            Image.fromarray(pixels).save(place / f"{number}.png")
        os.mkfifo(place / "pipe.png")
    assert len(read_faces(tmp_path / "folder")) == 6
