"""The edit canvas: change a part of the face and see every network's answer and map follow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fermodels.data import edits
from fermodels.data.dataset import FACE_SIDE
from fermodels.data.edits import EDITS, Area, Step
from fermodels.data.emotions import EMOTIONS
from fermodels.errors import ConfigError
from studio import explanations, networks, snippets, state
from studio.components import download, face_picker, rectangle, widgets
from studio.components.text import plain, say_error
from studio.figures import dream, images, tables
from studio.rooms.saliency import comparison as saliency_comparison
from studio.rooms.saliency.settings import Options
from studio.state import BOUND, SelectedFace

NOTHING = "no edit"
MOUTH = (32, 43), (14, 34)
"""Rows and columns where FER-2013's framing puts the mouth: where the rectangle starts."""
EDITS_KEY = "edits"
"""The kept edits' key, in the address and in the session."""


@widgets.fragment
def edits_section(
    face: SelectedFace, names: Sequence[str], methods: Sequence[str], options: Options
) -> None:
    """Show, if switched on, the edit canvas."""
    st.subheader("What if this part looked different?", anchor=False)
    if st.toggle("Edit the face", key="editing", **BOUND):
        edit_lab(face, names, methods, options)


def edit_lab(
    face: SelectedFace, names: Sequence[str], methods: Sequence[str], options: Options
) -> None:
    """Draw the canvas and, beside it, face, probabilities and maps before and after."""
    applied = _applied()
    left, right = st.columns([2, 3], gap="large")
    with left:
        step = _pick_step(face, applied)
        chain = [*applied, step] if step else applied
        _buttons(applied, step)
    changed = SelectedFace(face.sample_id, _apply(face, chain), face.label, face.split)
    with right:
        hog = any(explanations.sees_hog(name) for name in names)
        _compare_faces(face, changed, hog=hog)
        donors = {name: donor.sample_id for name, donor in _donors(chain).items()}
        code = snippets.edited(names, face, chain, donors)
        _export_faces(face, changed, code)
        method = _pick_method(methods)
        _compare_maps(face, changed, names, method, options)
        if not chain:
            st.caption("Choose an edit and draw a rectangle: the maps and predictions follow.")
        _compare_predictions(face, changed, names, code)


def _applied() -> list[Step]:
    """Return the edits kept so far: those of the address, else of this session."""
    in_address = st.query_params.get(EDITS_KEY)
    text = str(st.session_state.get(EDITS_KEY, "")) if in_address is None else in_address
    try:
        steps = edits.read(text)
    except ConfigError as error:
        say_error(error)
        steps = []
    _store(steps)
    return steps


def _store(steps: Sequence[Step]) -> None:
    st.session_state[EDITS_KEY] = edits.write(steps)
    if steps:
        st.query_params[EDITS_KEY] = edits.write(steps)
    else:
        st.query_params.pop(EDITS_KEY, None)


def _pick_step(face: SelectedFace, applied: Sequence[Step]) -> Step | None:
    """Return the edit under the rectangle, None while no edit is chosen."""
    names = [NOTHING, *EDITS]
    chosen = st.pills(
        "Edit", names, default=NOTHING, key="edit", required=True,
        format_func=lambda name: EDITS[name].title if name in EDITS else name, wrap=True, **BOUND,
    )  # fmt: skip
    place = st.container()
    rows = st.slider("Rows", 0, FACE_SIDE, MOUTH[0], key="rows", **BOUND)
    columns = st.slider("Columns", 0, FACE_SIDE, MOUTH[1], key="columns", **BOUND)
    area, step = _area(rows, columns), None
    if chosen in EDITS:
        edit, donor = EDITS[str(chosen)], ""
        st.caption(edit.help)
        if edit.needs_donor:
            donor = str(st.selectbox("From a face labelled", EMOTIONS, key="donor", **BOUND))
        step = Step(edit.name, area, donor)
    with place:
        edited = _apply(face, [*applied, step] if step else applied)
        rectangle.draw(edited, area, key="canvas", on_draw=_move)
    return step


def _area(rows: tuple[int, int], columns: tuple[int, int]) -> Area:
    """Return a rectangle of at least one pixel: a slider's two ends may meet."""
    top, left = min(rows[0], FACE_SIDE - 1), min(columns[0], FACE_SIDE - 1)
    return Area(top, max(top + 1, rows[1]), left, max(left + 1, columns[1]))


def _move(area: Area) -> None:
    st.session_state["rows"] = (area.top, area.bottom)
    st.session_state["columns"] = (area.left, area.right)


def _buttons(applied: Sequence[Step], step: Step | None) -> None:
    with st.container(horizontal=True, gap="small"):
        more = [*applied, step] if step else [*applied]
        st.button("Apply and continue", on_click=_go_on, args=(more,), disabled=step is None)
        st.button("Undo", on_click=_store, args=(applied[:-1],), disabled=not applied)
        st.button("Start over", on_click=_go_on, args=([],), disabled=not (applied or step))
    if applied:
        st.caption("Applied: " + ", then ".join(_words(s) for s in applied) + ".")


def _go_on(steps: Sequence[Step]) -> None:
    _store(steps)
    st.session_state["edit"] = NOTHING


def _words(step: Step) -> str:
    area = step.area
    donor = f" from {step.donor}" if step.donor else ""
    place = f"rows {area.top}-{area.bottom - 1}, columns {area.left}-{area.right - 1}"
    return f"{EDITS[step.edit].title.lower()}{donor} ({place})"


def _apply(face: SelectedFace, steps: Sequence[Step]) -> NDArray[np.uint8]:
    donors = {name: donor.image for name, donor in _donors(steps).items()}
    return edits.apply(face.image, steps, donors)


def _donors(steps: Sequence[Step]) -> dict[str, SelectedFace]:
    """Return a typical face per expression that is pasted from."""
    wanted = sorted({step.donor for step in steps if step.donor})
    return {name: state.example(state.faces_shown(), name) for name in wanted}


def _compare_faces(face: SelectedFace, changed: SelectedFace, *, hog: bool) -> None:
    both = np.stack([face.image, changed.image])
    titles = ("before", "after")
    pictures = [
        images.Tile(image, title, f"The face {title}")
        for image, title in zip(both, titles, strict=True)
    ]
    if hog:
        pictures += [
            images.Tile(glyphs, f"{title}, as HOG sees it", f"HOG of the face {title}")
            for glyphs, title in zip(face_picker.hog_pictures(both), titles, strict=True)
        ]
    st.html(images.grid(pictures, side=144, label="The face before and after the edit"))


def _pick_method(methods: Sequence[str]) -> str:
    offered = explanations.methods()
    return str(
        st.selectbox(
            "Map to follow",
            list(methods),
            format_func=lambda name: offered[name].title,
            key="follow",
            **BOUND,
        )
    )


def _compare_maps(
    face: SelectedFace, changed: SelectedFace, names: Sequence[str], method: str, options: Options
) -> None:
    """Draw one method's map of both faces per network, all on one scale."""
    both = {
        title: saliency_comparison.compute(one_face, names, [method], options)
        for title, one_face in (("before", face), ("after", changed))
    }
    drawn = [one.values(method_map) for one in both.values() for method_map in one.every]
    if not drawn:
        st.caption("This method has no map of this network: choose another.")
        return
    limit = images.common_limit(drawn)
    pictures = [
        saliency_comparison.picture(
            comparison, name, method_map, on_face=True, limit=limit, caption=f"{title}, {name}"
        )
        for name in names
        for title, comparison in both.items()
        for method_map in comparison.maps[name]
    ]
    st.html(images.grid(pictures, side=192, label="Maps before and after the edit"))


def _compare_predictions(
    face: SelectedFace, changed: SelectedFace, names: Sequence[str], code: str
) -> None:
    places = st.columns(min(2, len(names)), gap="large")
    for number, name in enumerate(names):
        before, after = (networks.probabilities(name, one.image) for one in (face, changed))
        with places[number % len(places)]:
            st.caption(f"**{plain(name)}**: {_verdict(before, after)}")
            fig = dream.before_after(before, after, EMOTIONS)
            alt = f"{name}'s probabilities before and after the edit"
            download.show(fig, f"edited-{number}", alt, code=code)


def _export_faces(face: SelectedFace, changed: SelectedFace, code: str) -> None:
    download.export(
        "edited-face", lambda: tables.of_maps({"before": face.image, "after": changed.image}),
        code,
        pictures=[images.Tile(face.image, "before", ""), images.Tile(changed.image, "after", "")],
    )  # fmt: skip


def _verdict(before: NDArray[np.floating], after: NDArray[np.floating]) -> str:
    first, last = (EMOTIONS[int(values.argmax())] for values in (before, after))
    if first == last:
        return f"still {first}, {before.max():.0%} before, {after.max():.0%} after"
    return f"{first} became {last}"
