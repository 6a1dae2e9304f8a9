"""A reading of a photo as HTML: picture with boxes, the crop, bars for every network.

Pictures are inlined, so that nothing of a photo is written for showing it.
"""

from __future__ import annotations

import base64
from collections import Counter
from html import escape
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS
from fermodels.data.photo import Face
from studio.figures.tiles import data_uri
from studio.photo_reading import Reading, accuracy, calibration, confidence
from studio.theme import EXPRESSION_COLORS

EMPTY = (
    '<div class="fer-empty"><p><b>Add a photo of a face.</b></p><p>Every network of the studio '
    "names the expression it sees in each face; try one of the examples.</p></div>"
)
Answers = dict[str, NDArray[np.float64]]
"""Network -> the probabilities shown, (F, 7): calibrated where the network is."""


def reading_html(reading: Reading) -> str:
    """Return the whole answer to a photo."""
    if reading.face is None:
        return (
            f'<div class="fer-result"><div class="fer-found">{_photo(reading)}'
            '<div class="fer-verdict"><p class="fer-title">No face found</p><p>The detector sees '
            "upright, roughly frontal faces of 80 pixels and more. If the picture is a face, tick "
            "<b>Take the whole picture</b> to read its central square.</p></div></div></div>"
        )
    shown = {name: confidence(name, answers) for name, answers in reading.answers.items()}
    found = _photo(reading) + _crop(reading.face) + _verdict(shown)
    cards = "".join(_card(name, answers[0]) for name, answers in shown.items())
    return (
        f'<div class="fer-result"><div class="fer-found">{found}</div>'
        f'<div class="fer-models">{cards}</div>{_others(reading, shown)}</div>'
    )


def problem_html(sentence: str) -> str:
    """Return an error as a quiet box."""
    text = escape(sentence[:1].upper() + sentence[1:])
    return f'<div class="fer-empty" role="alert"><p><b>Not this one.</b></p><p>{text}.</p></div>'


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
    if n == 1:
        return f"One face found, score {reading.face.score:.1f}."
    return f"{n} faces found, numbered from the largest, whose score is {reading.face.score:.1f}."


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


def _others(reading: Reading, shown: Answers) -> str:
    """Return the faces after the first as a table: crop, place, score and each network's word."""
    if len(reading.faces) < 2:
        return ""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in shown)
    rows = "".join(
        _other(number, face, [answers[number] for answers in shown.values()])
        for number, face in enumerate(reading.faces)
        if number
    )
    return (
        '<table class="fer-others"><caption>The other faces</caption><thead><tr>'
        '<th scope="col">face</th><th scope="col">score</th><th scope="col">left, top, right, '
        f"bottom</th>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _other(number: int, face: Face, answers: list[NDArray[np.float64]]) -> str:
    said = "".join(
        f"<td>{EMOTIONS[int(a.argmax())]} {_percent(float(a.max()))}</td>" for a in answers
    )
    crop = f'<img src="{data_uri(face.image)}" width="48" height="48" alt="Face {number + 1}">'
    box = ", ".join(map(str, face.box))
    return f"<tr><td>{crop} {number + 1}</td><td>{face.score:.2f}</td><td>{box}</td>{said}</tr>"


def _crop(face: Face) -> str:
    return (
        f'<figure class="fer-crop"><img src="{data_uri(face.image)}" width="192" height="192" '
        'alt="The face as the networks see it, 48 by 48 grey pixels">'
        "<figcaption>What the networks see: 48&nbsp;×&nbsp;48 grey pixels</figcaption></figure>"
    )


def _verdict(shown: Answers) -> str:
    """Return the expression most networks name for the largest face, and how many do."""
    answers = {name: found[0] for name, found in shown.items()}
    if not answers:
        return (
            '<div class="fer-verdict"><p class="fer-title">No network yet</p><p>Train one: '
            "<code>python -m train.run</code>.</p></div>"
        )
    named = Counter(int(answer.argmax()) for answer in answers.values())
    mean = np.mean(list(answers.values()), axis=0)
    winner = max(named, key=lambda index: (named[index], mean[index]))
    emotion, n = EMOTIONS[winner], len(answers)
    who = f"says {escape(next(iter(answers)))}:"
    if n > 1:
        who = f"say {named[winner]} of {n} networks, on average"
    return (
        f'<div class="fer-verdict"><p class="fer-title" style="--c:{EXPRESSION_COLORS[emotion]}">'
        f"<i></i>{emotion}</p><p>{who} {_percent(float(mean[winner]))}.</p></div>"
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
