"""Dreams as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fermodels.errors import ConfigError
from studio.figures.dream import save_frames

FRAMES = np.random.default_rng(0).integers(0, 256, (4, 96, 96), np.uint8)


def test_a_png_is_the_last_frame_with_crisp_pixels(tmp_path: Path) -> None:
    seen = np.asarray(Image.open(save_frames(FRAMES, tmp_path / "dream.png", scale=3)))
    assert (seen == FRAMES[-1].repeat(3, 0).repeat(3, 1)).all()


def test_a_gif_holds_every_frame_and_rests_on_the_last(tmp_path: Path) -> None:
    film = Image.open(save_frames(FRAMES, tmp_path / "dream.gif", scale=1))
    assert film.n_frames == 4
    film.seek(3)
    assert film.info["duration"] == 1500


def test_another_suffix_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected \.gif or \.png"):
        save_frames(FRAMES, tmp_path / "dream.mp4")
    assert list(tmp_path.iterdir()) == []
