"""Many files become one table: nothing lost, nothing twice, nothing a spreadsheet would run."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import fermodels
from fermodels import classify, classify_journal, classify_table
from fermodels.classify_sources import video_frames
from fermodels.classify_table import COLUMNS, PROBABILITIES, Row
from fermodels.data.emotions import EMOTIONS
from fermodels.data.photo import PhotoLimits
from fermodels.data.samples import sample_faces, sample_photos
from fermodels.errors import DataError, PhotoError
from fermodels.nets import checkpoint
from tests.toys import tiny_net

NAMES = ("shallow", "deep")
CROPS = 5


@pytest.fixture(scope="module", autouse=True)
def networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two untrained networks as the bundled ones."""
    folder, none = tmp_path_factory.mktemp("checkpoints"), pd.DataFrame({"step": [1]})
    for seed, name in enumerate(NAMES):
        checkpoint.save(
            folder / name, tiny_net(seed), {"variant": name, "recipe": "toy"}, {},
            checkpoint.History(none, none), none, "card",
        )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_CHECKPOINTS", str(folder))
        classify.network.cache_clear()
        yield folder
    classify.network.cache_clear()


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


def run(*words: object) -> int:
    return classify.main([str(word) for word in words])


def test_each_crop_is_told_as_python_tells_it(folder: Path, tmp_path: Path) -> None:
    assert run(folder, "--out", tmp_path / "out.parquet") == 1, "one file is no picture"
    table = pd.read_parquet(tmp_path / "out.parquet")
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == CROPS * len(NAMES) + 1
    for name in NAMES:
        wanted = fermodels.load(name).predict(sample_faces().images[:CROPS])
        told = table[table["model"] == name].sort_values("file", key=lambda f: f.str[-5:])
        np.testing.assert_allclose(told[list(PROBABILITIES)], wanted, rtol=1e-6)
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
    plain = classify.look

    def look(source: classify.Source, settings: classify.Settings) -> list[classify.Seen]:
        looked.append(Path(source.name).name)
        return plain(source, settings)

    monkeypatch.setattr(classify, "look", look)
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
    monkeypatch.setattr(classify, "CHUNK", 2)
    plain, calls = classify.answer, []

    def answer(*given: object) -> list[Row]:
        calls.append(given)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return plain(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(classify, "answer", answer)
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


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds at ten frames a second: a grey level a frame."""
    path = tmp_path_factory.mktemp("video") / "grey.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 64))
    for number in range(30):
        writer.write(np.full((64, 64, 3), 8 * number, np.uint8))
    writer.release()
    return path


@pytest.mark.parametrize(("every", "wanted"), [(1.0, [0, 10, 20]), (0.5, range(0, 30, 5)),
                                               (0.0, range(30)), (0.25, [0, 3, 6, 9, 12, 15, 18,
                                                21, 24, 27])])  # fmt: skip
def test_a_video_gives_the_frames_at_their_times(
    video: Path, every: float, wanted: list[int]
) -> None:
    frames = list(video_frames(video, every))
    assert [round(frame.time * 10) for frame in frames if frame.time is not None] == list(wanted)
    greys = [float(np.asarray(frame.picture).mean()) / 8 for frame in frames]
    np.testing.assert_allclose(greys, list(wanted), atol=0.5)


def test_a_video_is_classified_frame_by_frame(video: Path, tmp_path: Path) -> None:
    assert run(video, "--out", tmp_path / "out.json", "--model", "deep", "--every", 1) == 0
    rows = json.loads((tmp_path / "out.json").read_text())
    assert [row["frame_time"] for row in rows] == pytest.approx([0, 1, 2])
    assert all(math.isclose(sum(row[p] for p in PROBABILITIES), 1, abs_tol=1e-5) for row in rows)


PLAYLIST = b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n#EXT-X-ENDLIST\n"
CONCAT = b"ffconcat version 1.0\nfile '/etc/hostname'\n"


@pytest.mark.parametrize("content", [PLAYLIST, CONCAT, b"", b"\0\0\0\x18ftypisom" + bytes(99),
                                     b"\x1aE\xdf\xa3" + bytes(50)])  # fmt: skip
@pytest.mark.parametrize("name", ["x.mp4", "%03d.mkv"])
def test_a_video_that_is_none_gives_one_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PhotoError) as caught:
        list(video_frames(tmp_path / name, 1.0))
    assert "\n" not in str(caught.value) and 30 < len(str(caught.value)) < 400


def test_a_video_of_huge_frames_is_refused_before_one_is_decoded(video: Path) -> None:
    with pytest.raises(PhotoError, match="64 x 64"):
        next(video_frames(video, 1.0, PhotoLimits(max_pixels=64 * 63)))


def test_all_faces_come_largest_first_with_box_and_score(tmp_path: Path) -> None:
    astronaut = Image.fromarray(sample_photos()["astronaut"])
    canvas = Image.new("RGB", (900, 512), (90, 90, 90))
    canvas.paste(astronaut.resize((300, 300)), (0, 0))
    canvas.paste(astronaut, (350, 0))
    canvas.save(tmp_path / "two.png")
    asked = (tmp_path / "two.png", "--model", "deep", "--out")
    run(*asked, tmp_path / "all.json", "--all-faces")
    run(*asked, tmp_path / "one.json")
    both = classify_table.read(tmp_path / "all.json")
    assert [row["face"] for row in both] == [0, 1]
    widths = [int(row["right"] or 0) - int(row["left"] or 0) for row in both]
    assert widths[0] > widths[1]
    assert min(float(row["score"] or 0) for row in both) > 0.3
    assert classify_table.read(tmp_path / "one.json") == both[:1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("/nowhere/at/all",), "does not exist"),
        (("{empty}",), "holds no picture"),
        (("{empty}/t.parquet",), "classify_shards"),
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
