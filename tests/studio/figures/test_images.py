import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from studio.figures.images import Tile, as_rgb, crisp_side, grid, png, sheet


def decode(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def test_enlarged_pixels_are_exact_squares() -> None:
    face = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)
    big = decode(png(face, scale=5))
    assert big.shape == (240, 240)
    for row, column in [(0, 0), (17, 40), (47, 47)]:
        block = big[row * 5 : row * 5 + 5, column * 5 : column * 5 + 5]
        assert (block == face[row, column]).all()


@pytest.mark.parametrize(("side", "wanted"), [(48, 150), (6, 96), (3, 62), (5, 62), (12, 4)])
def test_crisp_sides_are_whole_multiples_near_the_wish(side: int, wanted: int) -> None:
    found = crisp_side(side, wanted)
    assert found % side == 0 and found > 0
    assert abs(found - wanted) <= max(side / 2, side - wanted)


def test_grid_shows_the_very_pixels_and_says_what_they_are() -> None:
    pixels = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    html = grid([Tile(pixels, "a <b>", 'said "so"', "quiet")], side=60, label="All <tiles>")
    encoded = re.search(r"base64,([^\"]+)", html)
    assert encoded is not None
    assert (decode(base64.b64decode(encoded[1])) == pixels).all()
    assert "image-rendering:pixelated" in html
    assert "a &lt;b&gt;" in html and "<b>" not in html
    assert 'alt="said &quot;so&quot;"' in html and "All &lt;tiles&gt;" in html


def test_contact_sheet_puts_every_picture_in_its_place() -> None:
    a, b, c = (np.full((4, 4), value, np.uint8) for value in (10, 20, 30))
    canvas = sheet([[a, b], [c]], scale=2, gap=1)
    assert canvas.shape == (2 * 9 + 1, 2 * 9 + 1, 3)
    assert (canvas[1, 1] == 10).all() and (canvas[1, 10] == 20).all()
    assert (canvas[10, 1] == 30).all()
    assert (canvas[10, 10] == 255).all(), "a short row is padded with white"
    assert (canvas[0] == 255).all(), "a white border"


def test_grey_becomes_rgb_without_change() -> None:
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert all((as_rgb(grey)[:, :, channel] == grey).all() for channel in range(3))
