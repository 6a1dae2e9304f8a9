"""Many files become one table: nothing lost, nothing twice, nothing a spreadsheet would run."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import fermodels
from fermodels.classify import journal as classify_journal
from fermodels.classify import pictures, sources
from fermodels.classify import table as classify_table
from fermodels.classify.table import COLUMNS, Row
from fermodels.data.emotions import EMOTIONS, PROBABILITY_COLUMNS
from fermodels.data.samples import sample_faces
from fermodels.errors import DataError
from tests.classify.classify_toys import NAMES, run

pytestmark = pytest.mark.usefixtures("two_networks")

CROPS = 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five rendered crops, one of them in a subfolder, and a file that is no picture."""
    place = tmp_path / "in"
    (place / "sub").mkdir(parents=True)
    for number in range(CROPS):
        name = "sub/4.png" if number == 4 else f"{number}.png"
        Image.fromarray(sample_faces().images[number]).save(place / name)
    (place / "=cmd|calc.jpg").write_bytes(b"no picture")
    (place / ".hidden.png").write_bytes(b"")
    (place / "notes.txt").write_text("not looked at")
    return place


def test_each_crop_is_told_as_python_tells_it(folder: Path, tmp_path: Path) -> None:
    assert run(folder, "--out", tmp_path / "out.parquet") == 1, "one file is no picture"
    table = pd.read_parquet(tmp_path / "out.parquet")
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == CROPS * len(NAMES) + 1
    for name in NAMES:
        wanted = fermodels.load(name).predict(sample_faces().images[:CROPS])
        told = table[table["model"] == name].sort_values("file", key=lambda f: f.str[-5:])
        np.testing.assert_allclose(told[PROBABILITY_COLUMNS], wanted, rtol=1e-6)
        assert list(told["prediction"]) == [EMOTIONS[i] for i in wanted.argmax(1)]
    bad = table[table["error"].notna()]
    assert list(bad["file"]) == [str(folder / "=cmd|calc.jpg")]
    assert bad["face"].isna().all() and "not a picture" in bad["error"].iloc[0]


@pytest.mark.parametrize("ending", sorted(classify_table.FORMS))
def test_every_form_holds_the_same_rows_and_resumes_to_the_same_file(
    folder: Path, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / f"out{ending}"
    run(folder, "--out", out, "--model", "deep")
    first = out.read_bytes()
    told = classify_table.read(out)
    assert [row["file"] for row in told] == [row["file"] for row in sorted(told, key=_file)]
    assert run(folder, "--out", out, "--model", "deep", "--resume") == 1
    assert classify_table.read(out) == told
    assert ending == ".parquet" or out.read_bytes() == first


def _file(row: Row) -> str:
    return str(row["file"])


def test_resuming_reads_only_what_is_new_or_failed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.csv"
    run(folder, "--out", out)
    looked: list[str] = []
    plain = pictures.find_faces

    def look(source: sources.Source, settings: pictures.Settings) -> list[pictures.SearchedPicture]:
        looked.append(Path(source.name).name)
        return plain(source, settings)

    monkeypatch.setattr(pictures, "find_faces", look)
    Image.fromarray(sample_faces().images[7]).save(folder / "new.png")
    Image.fromarray(sample_faces().images[8]).save(folder / "=cmd|calc.jpg")
    assert run(folder, "--out", out, "--resume") == 0
    assert sorted(looked) == ["=cmd|calc.jpg", "new.png"]
    assert len(classify_table.read(out)) == (CROPS + 2) * len(NAMES)


def test_a_run_killed_half_way_loses_nothing_it_had_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    run(folder, "--out", whole)
    monkeypatch.setattr(pictures, "CHUNK", 2)
    plain, calls = pictures.predict_rows, []

    def answer(*given: object) -> list[Row]:
        calls.append(given)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return plain(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(pictures, "predict_rows", answer)
    assert run(folder, "--out", out) == 130
    journal = out.with_name("out.csv.journal")
    assert not out.exists() and len(journal.read_text().splitlines()) == 1 + 4
    with journal.open("a") as stream:
        stream.write('{"file": "cut sho')  # as a crash leaves it
    assert run(folder, "--out", out) == 2, "without --resume an earlier run is not touched"
    assert run(folder, "--out", out, "--resume") == 1
    assert sorted(out.read_text().splitlines()) == sorted(whole.read_text().splitlines())
    assert not journal.exists()


@pytest.mark.parametrize("content", ["{}\n", "[" * 100_000 + "\n", "\0\n", '{"models": ["x"]}\n'])
def test_a_strange_journal_is_refused_in_a_sentence(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    (tmp_path / "out.csv.journal").write_text(content)
    assert run(folder, "--out", tmp_path / "out.csv", "--resume") == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1


@pytest.mark.parametrize("ending", sorted(classify_table.FORMS))
@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"[1]", b"[" * 100_000, b"PAR1\xff\0"])
def test_results_that_are_not_ours_are_never_overwritten(
    folder: Path, tmp_path: Path, ending: str, content: bytes
) -> None:
    out = tmp_path / f"out{ending}"
    out.write_bytes(content)
    assert run(folder, "--out", out, "--resume") == 2
    assert run(folder, "--out", out) == 2
    assert out.read_bytes() == content


def test_other_networks_do_not_go_on_with_the_results(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    run(folder, "--out", out, "--model", "deep")
    assert run(folder, "--out", out, "--resume") == 2


NAMES_OF_FILES = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'=1", "''", "a,b", 'a"b',
                  "a\nb", "ä€", "plain"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES_OF_FILES)
def test_no_cell_of_the_csv_is_a_formula_and_every_name_comes_back(name: str) -> None:
    row: Row = dict.fromkeys(COLUMNS) | {"file": name, "error": name}
    text = classify_table.to_csv([row])
    _, cells = csv.reader(StringIO(text, newline=""))
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in cells)
    assert classify_table.from_csv(text) == [row]


def test_names_that_are_no_utf8_are_written_as_escapes(folder: Path, tmp_path: Path) -> None:
    strange = bytes(folder) + b"/\xff.png"
    try:
        Path(strange.decode("utf-8", "surrogateescape")).write_bytes(
            (folder / "0.png").read_bytes()
        )
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    run(folder, "--out", tmp_path / "out.csv", "--model", "deep")
    told = [row["file"] for row in classify_table.read(tmp_path / "out.csv")]
    assert f"{folder}/\\xff.png" in told


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("/nowhere/at/all",), "does not exist"),
        (("{empty}",), "holds no picture"),
        (("{empty}/t.parquet",), "fermodels.classify.shards"),
        (("{folder}", "--out", "{empty}/x.txt"), "ends otherwise"),
        (("{folder}", "--every", "-1"), "every is -1.0"),
        (("{folder}", "--every", "nan"), "every is nan"),
        (("{folder}", "--model", "../../etc"), "no checkpoint"),
        (("{folder}", "--resume"), "--resume needs --out"),
    ],
)
def test_a_wrong_command_ends_in_one_sentence_and_status_2(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...],
    says: str,
) -> None:  # fmt: skip
    (tmp_path / "empty").mkdir()
    filled = [w.format(folder=folder, empty=tmp_path / "empty") for w in words]
    assert run(*filled) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and says in said and said.count("\n") == 1


def test_without_out_the_csv_goes_to_stdout(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(folder / "0.png", "--model", "deep")
    told = classify_table.from_csv(capsys.readouterr().out)
    assert [row["model"] for row in told] == ["deep"]


def test_the_journal_refuses_a_form_it_cannot_write(tmp_path: Path) -> None:
    with (
        pytest.raises(fermodels.errors.ConfigError, match="ends otherwise"),
        classify_journal.Journal(tmp_path / "x.xls", {"models": []}, resume=False),
    ):
        pass
    with pytest.raises(DataError):
        classify_table.from_csv("file\nx\n")
