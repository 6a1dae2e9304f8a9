"""What a visitor wants dreamed, and the dream as it happens; torch comes with the first wish."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from studio import models

if TYPE_CHECKING:
    from fermodels.explain.dream import DreamStep
    from fermodels.explain.dream_settings import DreamPreset
    from fermodels.explain.objectives import Objective

THIS_FACE, MEAN_FACE, NOISE = "this face", "the average face", "noise"
FACE_SIDE = 48
STARTS = (THIS_FACE, MEAN_FACE, NOISE)
NAMED_STARTS = {MEAN_FACE: "mean-face", NOISE: "noise"}
"""What `fermodels.dream` calls the starts that are no face."""


@dataclass(frozen=True)
class Wish:
    """A dream's settings as far as the room offers them."""

    preset: str
    """A name in `presets`."""
    target: str | None = None
    """Expression to strengthen, for objectives that need one."""
    contrast: str | None = None
    """Expression to weaken, likewise."""
    layer: str | None = None
    """Dotted layer name; None for the model's usual one."""
    channel: int | None = None
    """Channel; None for the one that responds most."""
    start: str = THIS_FACE
    """One of STARTS."""
    seed: int = 0
    """Fixes shifts and noise."""

    @property
    def objective(self) -> Objective:
        """What the dream maximises."""
        from fermodels.explain.objectives import OBJECTIVES

        return OBJECTIVES[str(presets()[self.preset].settings["objective"])]

    @property
    def title(self) -> str:
        """A few words: what is dreamed of."""
        if self.target is None:
            place = self.layer or "its usual layer"
            return place if self.channel is None else f"{place}, channel {self.channel}"
        return self.target if self.contrast is None else f"{self.target}, not {self.contrast}"

    def towards(self, label: str) -> Wish:
        """Return the same wish for another expression, if it is about expressions at all."""
        return self if self.target is None else replace(self, target=label)

    def keywords(self) -> dict[str, Any]:
        """Return the keyword arguments of `fermodels.explain.dream.dream`."""
        chosen = {
            "target": self.target,
            "contrast": self.contrast,
            "layer": self.layer,
            "channel": self.channel,
        }
        given = {key: value for key, value in chosen.items() if value is not None}
        return {**presets()[self.preset].settings, **given, "seed": self.seed}


def presets() -> dict[str, DreamPreset]:
    """Return the presets by name; the first call imports torch."""
    from fermodels.explain.dream_settings import DREAM_PRESETS

    return DREAM_PRESETS


def canvas(wish: Wish) -> int:
    """Return the side in pixels of the pictures that a wish makes."""
    return int(presets()[wish.preset].settings.get("canvas", FACE_SIDE))


def fit(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return a grey picture ``(h, w)`` at ``(side, side)``, itself if it has that size."""
    if picture.shape == (side, side):
        return picture
    resized = Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(resized, np.uint8)


def layers(name: str) -> list[str]:
    """Return the dotted names of a model's layers that leave maps."""
    from fermodels.explain.layers import layer_names

    with models.borrowed(name) as net:
        return layer_names(net)


def dreaming(name: str, face: NDArray[np.uint8], wish: Wish) -> Iterator[DreamStep]:
    """Dream, handing out every step; the model is free for others meanwhile.

    Args:
        name: one of `models.choices()`.
        face: uint8 ``(48, 48)``; where to start if the wish says so.
        wish: what to dream of.

    Raises:
        ConfigError: a wish that the model cannot fulfil; says why.
    """
    from fermodels.explain.dream import dream_steps

    start = face if wish.start == THIS_FACE else NAMED_STARTS[wish.start]
    with models.borrowed(name) as net:
        return dream_steps(net, start, **wish.keywords())  # on a twin: needs no lock from here
