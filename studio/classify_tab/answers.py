"""What the tab's events and its API answer: Gradio's values in, HTML or JSON types out."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import gradio as gr

from fermodels.classify.table import COLUMNS, Row, to_csv
from fermodels.errors import ConfigError, FerError, PhotoError
from studio.classify_tab import html, reading
from studio.classify_tab.html import (
    METHOD,
    NOTHING,
    PREDICTED,
    Why,
    explain_photo,
    why_html,
    why_json,
)
from studio.classify_tab.reading import (
    ALL,
    Reading,
    accuracy,
    as_json,
    check_count,
    read,
    read_many,
)
from studio.classify_tab.uploads import Upload, photo_bytes, photo_name

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def answered(
    work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Result:
    """Return what `work` returns; an error of ours becomes Gradio's, one sentence, no trace.

    Raises:
        gr.Error: what was wrong, the value seen, the next step.
    """
    try:
        return work(*args, **kwargs)
    except FerError as error:
        raise gr.Error(str(error), print_exception=False) from error


def _word(value: object, what: str) -> str:
    """Return a value that should be a name; anything else is said by its kind, never printed.

    Raises:
        ConfigError: it is no short string.
    """
    if not isinstance(value, str) or len(value) > 100:
        kind = f"{len(value):,} characters" if isinstance(value, str) else type(value).__name__
        raise ConfigError(f"{what} is given as {kind}: expected a name")
    return value


def _switch(value: object, what: str) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{what} is given as {type(value).__name__}: expected true or false")
    return value


def _given(photo: object) -> bytes:
    if photo is None:
        raise PhotoError("no photo was given: pass a picture file")
    return photo_bytes(photo)


def _read_one(photo: object, whole: object, model: object) -> Reading:
    return read(_given(photo), _switch(whole, "whole_picture"), _word(model, "model"))


def _explain(
    photo: object, model: object, expression: object, instead_of: object, method: object,
    whole: object,
) -> Why:  # fmt: skip
    return explain_photo(
        _given(photo), _word(model, "model"), _word(expression, "expression"),
        _word(instead_of, "instead_of"), _word(method, "method"), _switch(whole, "whole_picture"),
    )  # fmt: skip


def show(photo: Upload | None, model: str, whole: bool) -> str:
    """Return the answer to a photo as HTML, for the page."""
    if photo is None:
        return html.EMPTY
    try:
        return html.reading_html(_read_one(photo, whole, model))
    except FerError as error:
        return html.problem_html(str(error))


def show_why(
    photo: Upload | None, model: str, expression: str, instead_of: str, method: str, whole: bool
) -> str:
    """Return an explanation as HTML, for the page."""
    try:
        return why_html(_explain(photo, model, expression, instead_of, method, whole))
    except FerError as error:
        return html.problem_html(str(error), "No explanation")


def show_many(
    photos: list[Upload] | None, model: str, all_faces: bool
) -> tuple[list[list[object]], str]:
    """Return the table of many photos, and a link that saves it as CSV; nothing is written."""
    if not photos:
        return [], ""
    try:
        rows = _read_many(photos, model, all_faces)
    except FerError as error:
        return [], html.problem_html(str(error), "These files can't be read")
    return [[_shown(row[column]) for column in COLUMNS] for row in rows], csv_link(rows)


def _shown(cell: str | int | float | None) -> str | int | float:
    if cell is None:
        return ""
    return round(cell, 4) if isinstance(cell, float) else cell


def csv_link(rows: list[Row]) -> str:
    """Return a link with the whole CSV inside, so that the server need not write a file."""
    content = base64.b64encode(to_csv(rows).encode()).decode()
    failed = len({row["file"] for row in rows if row["error"]})
    note = f" {failed} could not be read; the last column says why." if failed else ""
    return (
        f'<p><a class="fer-save" download="expressions.csv" '
        f'href="data:text/csv;charset=utf-8;base64,{content}">Save as CSV</a>{note}</p>'
    )


def _read_many(photos: list[Upload], model: str, all_faces: bool) -> list[Row]:
    if not isinstance(photos, list):
        raise PhotoError("no list of photos was given: pass 1 to 50 picture files")
    check_count(len(photos))  # before a byte is read
    named = [(photo_name(photo), photo_bytes(photo)) for photo in photos]
    return read_many(named, _word(model, "model"), _switch(all_faces, "all_faces"))


def classify(
    photo: Upload | None, model: str = ALL, whole_picture: bool = False
) -> dict[str, object]:
    """Name the expression of every face in a photo, largest face first.

    Args:
        photo: a picture file: JPEG, PNG, WebP, GIF, BMP or TIFF, at most 10 MB.
        model: a network's name, or "all".
        whole_picture: take the central square for the face instead of looking for one.

    Returns:
        faces: a list of box (left, top, right, bottom), score, angle, whole_picture and models:
        name -> expression, confidence, temperature (null if none is used), probabilities, and
        calibrated probabilities or null.
    """
    return answered(lambda: as_json(_read_one(photo, whole_picture, model)))


def classify_many(
    photos: list[Upload] | None, model: str = ALL, all_faces: bool = False
) -> list[dict[str, object]]:
    """Classify up to 50 photos.

    Args:
        photos: picture files, each at most 10 MB.
        model: a network's name, or "all".
        all_faces: every face; otherwise the largest alone.

    Returns:
        One row per face and network: file, frame_time, face, left, top, right, bottom, score,
        model, prediction, p_angry ... p_neutral, error.
    """
    return answered(lambda: [dict(row) for row in _read_many(photos or [], model, all_faces)])


def explain(
    photo: Upload | None,
    model: str,
    expression: str = PREDICTED,
    instead_of: str = NOTHING,
    method: str = METHOD,
    whole_picture: bool = False,
) -> dict[str, object]:
    """Explain what a network says of the largest face in a photo, or why not something else.

    Args:
        photo: a picture file, at most 10 MB.
        model: a network's name.
        expression: the expression to explain; "predicted" for the network's own answer.
        instead_of: the expression it is set against; "none" for none.
        method: an attribution method's name.
        whole_picture: take the central square for the face instead of looking for one.

    Returns:
        model, method, expression, instead_of, score (the logit, or difference of two, explained),
        logits, attribution (48 rows of 48), signed, completeness_error, path_error, notes,
        versions.
    """
    arguments = (photo, model, expression, instead_of, method, whole_picture)
    return answered(lambda: why_json(_explain(*arguments)))


def networks_with_accuracy() -> dict[str, float | None]:
    """Return the networks that answer, each with its accuracy on its test faces (0 to 1)."""
    scored = {name: accuracy(name) for name in reading.networks()}
    return {name: figures and figures[0] for name, figures in scored.items()}


def best_network() -> str | None:
    """Return the network that is explained unless another is chosen: the most accurate."""
    scored = networks_with_accuracy()
    return max(scored, key=lambda name: scored[name] or 0.0) if scored else None


def method_titles() -> dict[str, str]:
    """Return the attribution methods: name -> title."""
    from fermodels.xai.attribution.registry import METHODS

    return {name: method.title for name, method in METHODS.items()}
