"""A reading of a photo as HTML: picture with boxes, the crop, bars for every network.

Pictures are inlined, so that nothing of a photo is written for showing it.
"""

from __future__ import annotations

import base64
from collections import Counter
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS, parse_emotion
from fermodels.data.photos.crop import Face, read_photo, whole_picture
from fermodels.errors import ConfigError, PhotoError
from studio import networks as studio_networks
from studio import theme
from studio.classify_tab.reading import (
    ALL,
    LIMITS,
    Reading,
    accuracy,
    calibration,
    confidence,
    networks,
)
from studio.figures import images
from studio.figures.images import data_uri
from studio.theme import EXPRESSION_COLORS

if TYPE_CHECKING:
    from fermodels.xai.attribution.explain import Explanation

EMPTY = (
    '<div class="fer-empty"><p><b>Add a photo of a face.</b></p><p>Every network of the studio '
    "names the expression it sees in each face; try one of the examples.</p></div>"
)
Probabilities = dict[str, NDArray[np.float64]]
"""Network -> the probabilities shown, (F, 7): calibrated where the network is."""


def reading_html(reading: Reading) -> str:
    """Return the whole answer to a photo."""
    if reading.face is None:
        return (
            f'<div class="fer-result"><div class="fer-found">{_photo(reading)}'
            '<div class="fer-verdict"><p class="fer-title">No face found</p><p>The detector sees '
            "upright, roughly frontal faces of 80 pixels and more. If the picture is a face, tick "
            "<b>My picture is already a cropped face</b> to read its central "
            "square.</p></div></div></div>"
        )
    shown = {name: confidence(name, values) for name, values in reading.probabilities.items()}
    summary = _photo(reading) + _crop(reading.face) + _verdict(shown)
    cards = "".join(_card(name, values[0]) for name, values in shown.items())
    return (
        f'<div class="fer-result"><div class="fer-found">{summary}</div>'
        f'<div class="fer-models">{cards}</div>{_others(reading, shown)}</div>'
    )


def problem_html(sentence: str, title: str = "This file can't be read") -> str:
    """Return an error as a quiet box."""
    text = escape(sentence[:1].upper() + sentence[1:])
    return f'<div class="fer-empty" role="alert"><p><b>{title}</b></p><p>{text}.</p></div>'


def _photo(reading: Reading) -> str:
    """Return the photo with a box around every face, the one that counts drawn solid."""
    width, height = reading.size
    buffer = BytesIO()
    reading.picture.save(buffer, format="JPEG", quality=88)
    source = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
    boxes = "".join(_box(face, number) for number, face in enumerate(reading.faces, start=1))
    if len(reading.faces) > 1:
        boxes += "".join(_number(f, n, max(width, height)) for n, f in enumerate(reading.faces, 1))
    says = _says(reading)
    return (
        f'<figure class="fer-photo"><div style="aspect-ratio:{width}/{height}">'
        f'<img src="{source}" alt="Your photo. {says}">'
        f'<svg viewBox="0 0 {width} {height}" aria-hidden="true">{boxes}</svg></div>'
        f"<figcaption>{says}</figcaption></figure>"
    )


def _says(reading: Reading) -> str:
    n = len(reading.faces)
    if reading.face is None:
        return "No face was found."
    if reading.face.whole_picture:
        return "Taken whole: no face was looked for."
    detector = f"detector score {reading.face.score:.1f}; above 1 is clear"
    if n == 1:
        return f"One face found ({detector})."
    return f"{n} faces found, numbered from the largest ({detector})."


def _box(face: Face, number: int) -> str:
    left, top, right, bottom = face.box
    at = f'x="{left}" y="{top}" width="{right - left}" height="{bottom - top}"'
    kind = "fer-first" if number == 1 else "fer-other"
    says = f"<title>Face {number}, score {face.score:.2f}</title>"
    return f'<rect class="fer-halo" {at}/><rect class="{kind}" {at}>{says}</rect>'


def _number(face: Face, number: int, longest: int) -> str:
    """Return a face's number, in its box's upper left corner."""
    size = longest / 24
    at = f'x="{face.box[0] + size / 4:.0f}" y="{face.box[1] + size:.0f}"'
    return f'<text {at} font-size="{size:.0f}">{number}</text>'


def _others(reading: Reading, shown: Probabilities) -> str:
    """Return the faces after the first as a table: crop, place, score and each network's word."""
    if len(reading.faces) < 2:
        return ""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in shown)
    rows = "".join(
        _other(number, face, [values[number] for values in shown.values()])
        for number, face in enumerate(reading.faces)
        if number
    )
    return (
        '<table class="fer-others"><caption>The other faces</caption><thead><tr>'
        '<th scope="col">face</th><th scope="col">score</th><th scope="col">left, top, right, '
        f"bottom</th>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _other(number: int, face: Face, predictions: list[NDArray[np.float64]]) -> str:
    cells = "".join(
        f"<td>{EMOTIONS[int(a.argmax())]} {_percent(float(a.max()))}</td>" for a in predictions
    )
    crop = f'<img src="{data_uri(face.image)}" width="48" height="48" alt="Face {number + 1}">'
    box = ", ".join(map(str, face.box))
    return f"<tr><td>{crop} {number + 1}</td><td>{face.score:.2f}</td><td>{box}</td>{cells}</tr>"


def _crop(face: Face) -> str:
    return (
        f'<figure class="fer-crop"><img src="{data_uri(face.image)}" width="192" height="192" '
        'alt="The face as the networks see it, 48 by 48 grey pixels">'
        "<figcaption>What the networks see: 48&nbsp;×&nbsp;48 grey pixels</figcaption></figure>"
    )


def _verdict(shown: Probabilities) -> str:
    """Return the expression most networks name for the largest face, and how many do."""
    predictions = {name: values[0] for name, values in shown.items()}
    if not predictions:
        return (
            '<div class="fer-verdict"><p class="fer-title">No network yet</p><p>Train one: '
            "<code>python -m train.run</code>.</p></div>"
        )
    named = Counter(int(answer.argmax()) for answer in predictions.values())
    mean = np.mean(list(predictions.values()), axis=0)
    winner = max(named, key=lambda index: (named[index], mean[index]))
    emotion, n = EMOTIONS[winner], len(predictions)
    share = _percent(float(mean[winner]))
    verdict = f"{escape(next(iter(predictions)))} predicts <b>{emotion}</b> ({share})"
    if n > 1:
        verdict = f"{named[winner]} of {n} networks say <b>{emotion}</b> (mean probability {share})"
    return (
        f'<div class="fer-verdict"><p class="fer-title" style="--c:{EXPRESSION_COLORS[emotion]}">'
        f"<i></i>{emotion}</p><p>{verdict}.</p></div>"
    )


def _card(name: str, answer: NDArray[np.float64]) -> str:
    """Return one network's seven bars, as a table that reads aloud."""
    top = int(answer.argmax())
    rows = "".join(_row(EMOTIONS[i], float(p), i == top) for i, p in enumerate(answer))
    return (
        f'<table class="fer-card"><caption>{_heading(name)}</caption><tbody>{rows}</tbody></table>'
    )


def _heading(name: str) -> str:
    scored = accuracy(name)
    note = f"<small>{scored[0]:.1%} on {scored[1]:,} test faces</small>" if scored else ""
    return f'<b>{escape(name)}</b>{note}<em class="fer-heat">{calibration(name)}</em>'


def _row(emotion: str, probability: float, top: bool) -> str:
    bar = f'<span style="width:{100 * probability:.2f}%;background:{EXPRESSION_COLORS[emotion]}">'
    return (
        f'<tr class="{"fer-top" if top else ""}"><th scope="row">{emotion}</th>'
        f'<td class="fer-track">{bar}</span></td><td>{_percent(probability)}</td></tr>'
    )


def _percent(probability: float) -> str:
    """Return a probability in whole percent; what is neither 0 nor 1 never looks so."""
    if probability < 0.005:
        return "&lt;1%"
    return "&gt;99%" if probability > 0.995 else f"{probability:.0%}"


# --- Why did a network say that of a photo's face, and why not something else? Map, words, numbers


METHOD = "integrated-gradients"
"""The method used unless another is chosen: its map adds up to the score it explains."""

PREDICTED, NOTHING = "predicted", "none"
"""Stand for the expression that the network itself names, and for no contrast."""

OPACITY = 0.85


@dataclass(frozen=True, eq=False)
class Why:
    """One network's explanation of one face."""

    model: str
    face: NDArray[np.uint8]
    """``(48, 48)``."""
    explanation: Explanation
    """Of that face alone."""

    @property
    def target(self) -> str:
        """The expression explained."""
        return EMOTIONS[int(self.explanation.target_class[0])]

    @property
    def contrast(self) -> str | None:
        """The expression it is set against, if any."""
        classes = self.explanation.contrast_class
        return None if classes is None else EMOTIONS[int(classes[0])]

    @property
    def score(self) -> float:
        """The number explained: a logit, or the difference of two."""
        logits = self.explanation.logits[0]
        against = 0.0 if self.contrast is None else logits[EMOTIONS.index(self.contrast)]
        return float(logits[EMOTIONS.index(self.target)] - against)


def explain_photo(
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
        raise PhotoError("no face was found to explain: if the picture is a cropped face, say so")
    face = faces[0].image
    return Why(name, face, _explanation(name, face, expression, instead_of, method))


def _explanation(
    name: str, face: NDArray[np.uint8], expression: str, instead_of: str, method: str
) -> Explanation:
    from fermodels.xai.attribution.explain import explain

    with studio_networks.locked_checkpoint(name) as net:
        pass  # `explain` works on a copy of its own: others use the network meanwhile
    with studio_networks.computing():
        predicted = int(net.predict(face)[0].argmax())
        target = predicted if expression == PREDICTED else parse_emotion(expression)
        contrast = None if instead_of == NOTHING else parse_emotion(instead_of)
        if target == contrast:
            raise ConfigError(
                f"{EMOTIONS[target]} rather than {EMOTIONS[target]} has no answer: choose another"
            )
        return explain(net, face, method, target_class=target, contrast_class=contrast)


def why_json(why: Why) -> dict[str, object]:
    """Return an explanation as JSON types: the documented answer of the API's ``/explain``."""
    error, off = why.explanation.completeness_error, why.explanation.path_error
    return {
        "model": why.model,
        "method": why.explanation.method,
        "expression": why.target,
        "instead_of": why.contrast,
        "score": why.score,
        "logits": {e: float(v) for e, v in zip(EMOTIONS, why.explanation.logits[0], strict=True)},
        "attribution": why.explanation.attribution[0].astype(float).tolist(),
        "signed": why.explanation.signed,
        "completeness_error": None if error is None else float(error[0]),
        "path_error": None if off is None else float(off[0]),
        "notes": list(why.explanation.notes),
        "versions": why.explanation.versions,
    }


def why_html(why: Why) -> str:
    """Return the face, the map over it and what it means, as HTML."""
    values, signed = why.explanation.attribution[0], why.explanation.signed
    table = images.colour_table(theme.DIVERGING if signed else theme.SEQUENTIAL)
    limit = images.common_limit([values])
    laid = images.overlay(why.face, values, limit, table, OPACITY, signed=signed)
    unit = _unit(why)
    return (
        '<div class="fer-found fer-why">'
        f"{_figure(why.face, 'The face as the network sees it', 'The face')}"
        f"{_figure(laid, f'The map over the face: {unit}', 'Explanation')}"
        f'<div class="fer-verdict"><p class="fer-title">{_question(why)}</p>'
        f"<p>{_sums(why)}</p>{_notes(why)}"
        f"{images.scale_bar(limit, table, signed=signed, unit=unit)}</div></div>"
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
    if not why.explanation.signed:
        return f"how much each pixel matters to {escape(why.model)}, in the method's own unit"
    against = f" and for {why.contrast}" if why.contrast else ""
    return f"amber is evidence for {why.target}, blue against it{against}"


def _sums(why: Why) -> str:
    """Return what was explained in numbers, and whether the map adds up to it."""
    what = (
        f"{why.target}'s logit"
        if why.contrast is None
        else (f"{why.target}'s logit less {why.contrast}'s")
    )
    text = f"{escape(why.model)}, {escape(why.explanation.method)}: {what} is {why.score:+.2f}."
    error = why.explanation.completeness_error
    if error is None:
        return f"{text} This method does not promise that the map adds up."
    text = f"{text} The map adds up to the change from the baseline within {error[0]:.2%}"
    off = why.explanation.path_error
    return (
        f"{text}." if off is None else f"{text}; its pixels are off by about {off[0]:.1%} at most."
    )


def _notes(why: Why) -> str:
    return "".join(f"<p>{escape(note)}</p>" for note in why.explanation.notes)
