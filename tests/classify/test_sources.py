"""A video's frames come at their times, a photo's faces largest first."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from fermodels.classify import table
from fermodels.classify.sources import video_frames
from fermodels.data.emotions import PROBABILITY_COLUMNS
from fermodels.data.photos.decode import PhotoLimits
from fermodels.data.samples import sample_photos
from fermodels.errors import PhotoError
from tests.classify.classify_toys import run

pytestmark = pytest.mark.usefixtures("two_networks")

PLAYLIST = b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n#EXT-X-ENDLIST\n"
CONCAT = b"ffconcat version 1.0\nfile '/etc/hostname'\n"


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
    assert all(
        math.isclose(sum(row[p] for p in PROBABILITY_COLUMNS), 1, abs_tol=1e-5) for row in rows
    )


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
    both = table.read(tmp_path / "all.json")
    assert [row["face"] for row in both] == [0, 1]
    widths = [int(row["right"] or 0) - int(row["left"] or 0) for row in both]
    assert widths[0] > widths[1]
    assert min(float(row["score"] or 0) for row in both) > 0.3
    assert table.read(tmp_path / "one.json") == both[:1]
