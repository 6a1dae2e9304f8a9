import io

import numpy as np
from PIL import Image, ImageSequence

from studio.figures.dream import before_after, filmstrip, gif, to_pixels

FRAMES = np.random.default_rng(0).integers(0, 256, (5, 48, 48), np.uint8)


def test_gif_holds_every_frame_pixel_for_pixel() -> None:
    film = Image.open(io.BytesIO(gif(FRAMES, scale=2)))
    seen = [np.asarray(frame.convert("L")) for frame in ImageSequence.Iterator(film)]
    assert len(seen) == 5 and film.size == (96, 96)
    for frame, original in zip(seen, FRAMES, strict=True):
        assert np.abs(frame[::2, ::2].astype(int) - original).max() <= 1


def test_frames_in_unit_range_become_bytes() -> None:
    assert to_pixels(np.array([-0.2, 0.0, 0.5, 1.0, 7.0])).tolist() == [0, 0, 128, 255, 255]
    assert (to_pixels(FRAMES) == FRAMES).all()


def test_filmstrip_keeps_first_and_last_and_says_the_steps() -> None:
    strip = filmstrip(FRAMES, [0, 5, 10, 15, 20], most=3)
    assert [tile.caption for tile in strip] == ["start", "step 10", "step 20"]
    assert (strip[-1].pixels == FRAMES[-1]).all()


def test_before_and_after_are_drawn_as_given() -> None:
    before, after = np.full(7, 1 / 7), np.eye(7)[3]
    names = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
    fig = before_after(before, after, names, target="happy")
    drawn = {trace.name: list(trace.x) for trace in fig.data if trace.name}
    assert drawn == {"before": before.tolist(), "after": after.tolist()}
    assert "<b>happy</b>" in fig.data[-1].y
