"""Why did a network say that of a photo's face, and why not something else? Map, words, numbers."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS, parse_emotion
from fermodels.data.photo import read_photo, whole_picture
from fermodels.errors import ConfigError, PhotoError
from studio import lending, theme
from studio.figures import maps
from studio.figures.tiles import data_uri
from studio.photo_reading import ALL, LIMITS, networks

if TYPE_CHECKING:
    from fermodels.explain.attribution import Explanation

METHOD = "integrated-gradients"
"""The method asked unless another is chosen: its map adds up to the score it explains."""

PREDICTED, NOTHING = "predicted", "none"
"""Stand for the expression that the network itself names, and for no contrast."""

OPACITY = 0.85


@dataclass(frozen=True, eq=False)
class Why:
    """One network's explanation of one face."""

    model: str
    face: NDArray[np.uint8]
    """``(48, 48)``."""
    found: Explanation
    """Of that face alone."""

    @property
    def target(self) -> str:
        """The expression explained."""
        return EMOTIONS[int(self.found.target_class[0])]

    @property
    def contrast(self) -> str | None:
        """The expression it is set against, if any."""
        classes = self.found.contrast_class
        return None if classes is None else EMOTIONS[int(classes[0])]

    @property
    def score(self) -> float:
        """The number explained: a logit, or the difference of two."""
        logits = self.found.logits[0]
        against = 0.0 if self.contrast is None else logits[EMOTIONS.index(self.contrast)]
        return float(logits[EMOTIONS.index(self.target)] - against)


def ask_why(
    photo: bytes,
    model: str,
    expression: str = PREDICTED,
    instead_of: str = NOTHING,
    method: str = METHOD,
    whole: bool = False,
) -> Why:
    """Explain what a network says of the largest face in a photo.

    Args:
        photo: the picture file.
        model: a bundled network's name.
        expression: the expression to explain, or `PREDICTED`.
        instead_of: "why not this one?": explain the difference to it, or `NOTHING`.
        method: a name in `fermodels.METHODS`.
        whole: take the central square for the face.

    Raises:
        PhotoError: the picture cannot be read, or shows no face.
        CheckpointError: no such network.
        ConfigError: unknown method, or an expression against itself.
        DataError: unknown expression.
    """
    if model == ALL:
        raise ConfigError(f"one network is explained at a time: name one of {networks()}")
    (name,) = networks(model)
    faces = [whole_picture(photo, limits=LIMITS)] if whole else read_photo(photo, limits=LIMITS)
    if not faces:
        raise PhotoError("no face was found to explain: take the whole picture instead")
    face = faces[0].image
    return Why(name, face, _explanation(name, face, expression, instead_of, method))


def _explanation(
    name: str, face: NDArray[np.uint8], expression: str, instead_of: str, method: str
) -> Explanation:
    from fermodels.explain.attribution import explain

    with lending.borrowed(name) as net:
        pass  # `explain` works on a copy of its own: others use the network meanwhile
    with lending.computing():
        said = int(net.predict(face)[0].argmax())
        target = said if expression == PREDICTED else parse_emotion(expression)
        contrast = None if instead_of == NOTHING else parse_emotion(instead_of)
        if target == contrast:
            raise ConfigError(
                f"{EMOTIONS[target]} rather than {EMOTIONS[target]} has no answer: choose another"
            )
        return explain(net, face, method, target_class=target, contrast_class=contrast)


def why_json(why: Why) -> dict[str, object]:
    """Return an explanation as JSON types: the documented answer of the API's ``/explain``."""
    error, off = why.found.completeness_error, why.found.path_error
    return {
        "model": why.model,
        "method": why.found.method,
        "expression": why.target,
        "instead_of": why.contrast,
        "score": why.score,
        "logits": {e: float(v) for e, v in zip(EMOTIONS, why.found.logits[0], strict=True)},
        "attribution": why.found.attribution[0].astype(float).tolist(),
        "signed": why.found.signed,
        "completeness_error": None if error is None else float(error[0]),
        "path_error": None if off is None else float(off[0]),
        "notes": list(why.found.notes),
        "versions": why.found.versions,
    }


def why_html(why: Why) -> str:
    """Return the face, the map over it and what it means, as HTML."""
    values, signed = why.found.attribution[0], why.found.signed
    table = maps.colour_table(theme.DIVERGING if signed else theme.SEQUENTIAL)
    limit = maps.common_limit([values])
    laid = maps.overlay(why.face, values, limit, table, OPACITY, signed=signed)
    unit = _unit(why)
    return (
        '<div class="fer-found fer-why">'
        f"{_figure(why.face, 'The face as the network sees it', 'The face')}"
        f"{_figure(laid, f'The map over the face: {unit}', 'What counted')}"
        f'<div class="fer-verdict"><p class="fer-title">{_question(why)}</p>'
        f"<p>{_sums(why)}</p>{_notes(why)}"
        f"{maps.scale_bar(limit, table, signed=signed, unit=unit)}</div></div>"
    )


def _figure(pixels: NDArray[np.uint8], alt: str, caption: str) -> str:
    return (
        f'<figure class="fer-crop"><img src="{data_uri(pixels)}" width="192" height="192" '
        f'alt="{escape(alt, quote=True)}"><figcaption>{escape(caption)}</figcaption></figure>'
    )


def _question(why: Why) -> str:
    rather = f", not {why.contrast}" if why.contrast else ""
    return f"Why {why.target}{rather}?"


def _unit(why: Why) -> str:
    if not why.found.signed:
        return f"how much each pixel matters to {escape(why.model)}, in the method's own unit"
    against = f" and for {why.contrast}" if why.contrast else ""
    return f"amber spoke for {why.target}, blue against it{against}"


def _sums(why: Why) -> str:
    """Return what was explained in numbers, and whether the map adds up to it."""
    what = (
        f"{why.target}'s logit"
        if why.contrast is None
        else (f"{why.target}'s logit less {why.contrast}'s")
    )
    text = f"{escape(why.model)}, {escape(why.found.method)}: {what} is {why.score:+.2f}."
    error = why.found.completeness_error
    if error is None:
        return f"{text} This method does not promise that the map adds up."
    text = f"{text} The map adds up to the change from the baseline within {error[0]:.2%}"
    off = why.found.path_error
    return (
        f"{text}." if off is None else f"{text}; its pixels are off by about {off[0]:.1%} at most."
    )


def _notes(why: Why) -> str:
    return "".join(f"<p>{escape(note)}</p>" for note in why.found.notes)
