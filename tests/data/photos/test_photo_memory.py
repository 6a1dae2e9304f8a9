"""What photos of 64 megapixels take, measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from fermodels.data.photos.crop import read_photo
from fermodels.data.samples import sample_photos
from tests.toys import ROOT

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="the peak is read from Linux's /proc"
)

SIDE = 8000
ALONE, TOGETHER, AFTERWARDS = 350, 700, 150
"""Megabytes that one photo may add, eight at once, and what may stay."""

MEASURE = """
import sys, threading
from pathlib import Path
from fermodels.data.photos.crop import read_photo

def now(field):
    line = next(l for l in open("/proc/self/status") if l.startswith(field))
    return int(line.split()[1]) / 1024

read_photo(Path(sys.argv[1]))  # the libraries are loaded
data, boxes = [Path(p).read_bytes() for p in sys.argv[3:]], []
before = now("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
threads = [
    threading.Thread(target=lambda d=d: boxes.append(read_photo(d)[0].box))
    for d in data * int(sys.argv[2])
]
[t.start() for t in threads]
[t.join() for t in threads]
print(now("VmHWM") - before, now("VmRSS") - before, *boxes[0], len(boxes))
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the same photo of 64 megapixels in several formats, and a small one."""
    folder = tmp_path_factory.mktemp("large")
    small = Image.fromarray(sample_photos()["astronaut"])
    small.save(folder / "small.png")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 3
    large = small.quantize(64, dither=0).resize((SIDE, SIDE))
    large.save(folder / "palette.png", compress_level=1, transparency=9)
    large = large.convert("RGB")
    large.save(folder / "plain.jpg", quality=60)
    large.save(folder / "scans.jpg", quality=60, progressive=True)
    large.rotate(180).save(folder / "turned.jpg", quality=60, exif=exif)
    large.save(folder / "plain.png", compress_level=1)
    large.save(folder / "packed.tiff", compression="tiff_lzw")
    grey = np.asarray(large.convert("L")).astype(np.uint16) * 257
    Image.fromarray(grey).save(folder / "deep.png", compress_level=1)
    large.putalpha(255)
    large.save(folder / "alpha.png", compress_level=1)
    return folder


def measured(folder: Path, times: int, name: str) -> tuple[float, float, list[int]]:
    """Return the peak and what stayed, in megabytes above the start, and the first face's box."""
    command = [sys.executable, "-c", MEASURE, str(folder / "small.png"), str(times)]
    done = subprocess.run(
        [*command, str(folder / name)], capture_output=True, text=True, cwd=ROOT, check=True
    )
    peak, stays, *rest = map(float, done.stdout.split())
    assert rest[-1] == times
    return peak, stays, [int(end) for end in rest[:-1]]


@pytest.mark.parametrize(
    "name",
    ["plain.jpg", "scans.jpg", "turned.jpg", "plain.png", "alpha.png", "palette.png", "deep.png",
     "packed.tiff"],
)  # fmt: skip
def test_one_photo_of_64_megapixels_costs_little_and_its_face_is_where_it_is(
    photos: Path, name: str
) -> None:
    peak, stays, box = measured(photos, 1, name)
    assert peak < ALONE and stays < AFTERWARDS
    small = read_photo(photos / "small.png")[0].box
    zoom = SIDE / sample_photos()["astronaut"].shape[0]
    side = (small[2] - small[0]) * zoom
    assert np.abs(np.array(box) - np.array(small) * zoom).max() < side / 8


@pytest.mark.parametrize("name", ["plain.jpg", "alpha.png"])
def test_eight_photos_of_64_megapixels_at_once_take_turns(photos: Path, name: str) -> None:
    peak, stays, _ = measured(photos, 8, name)
    assert peak < TOGETHER and stays < 2 * AFTERWARDS
