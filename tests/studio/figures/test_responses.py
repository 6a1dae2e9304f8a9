import numpy as np

from studio.figures.faces import channel_tiles


def test_channels_come_in_the_order_asked_and_on_one_scale() -> None:
    maps = np.stack([np.full((6, 6), value) for value in (1.0, 2.0, 0.0)])
    strong, weak, silent = channel_tiles(maps, [1, 0, 2], limit=2.0)
    assert [tile.caption for tile in (strong, weak, silent)] == ["#1", "#0", "#2"]
    assert strong.pixels.mean() > weak.pixels.mean() > silent.pixels.mean()
    assert silent.faded and silent.note == "silent" and not weak.faded
