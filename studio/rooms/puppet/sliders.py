"""The Puppet room's sliders, its face, what the models say, and what one unit does."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS
from fermodels.data.synthetic.action_units import ACTION_UNITS
from fermodels.data.synthetic.emfacs import EMFACS
from studio import networks
from studio.components import download, widgets
from studio.components.text import plain
from studio.figures import charts as figures
from studio.figures import images
from studio.state import BOUND

if TYPE_CHECKING:
    from fermodels.xai.counterfactuals.response_curves import ResponseCurves
    from fermodels.xai.counterfactuals.smallest_change import SmallestChange

UPPER = ("AU1", "AU2", "AU4", "AU5", "AU6", "AU7", "AU43")
"""The units that FACS counts to the upper face; all others belong to the lower."""
REST, AS_ABOVE = "at rest", "as above"
ANYTHING = "anything else"
NORMS = {"L1": "l1", "L2": "l2"}
"""What counts as small: words -> name in `fermodels.xai.counterfactuals.smallest_change`."""
REQUESTED = "puppet-flip"
"""Where the last question for a smallest change lives in the session."""


def key_of(unit: str) -> str:
    """Return a slider's key, also its name in the URL: ``AU12`` -> ``au12``."""
    return unit.lower()


def name_of(unit: str) -> str:
    """Return number and FACS title: ``12 Lip corner puller``."""
    return f"{unit.removeprefix('AU')} {ACTION_UNITS[unit].title}"


def pick_person() -> int:
    """Return who is shown; the choice lives in the URL."""
    return int(
        st.number_input(
            "Person", 0, 9999, 3, key="person", help="Each number is another invented person.",
            **BOUND,
        )
    )  # fmt: skip


def presets() -> None:
    """Offer the seven expressions as EMFACS describes them: each sets all sliders."""
    st.markdown("**Presets**")
    with st.container(horizontal=True, gap="small"):
        for felt in EMOTIONS:
            st.button(felt, key=f"wear-{felt}", on_click=set_sliders, args=(prototype(felt),))


def prototype(expression: str) -> dict[str, float]:
    """Return the most frequent way an expression is worn, unit -> intensity 0..1."""
    return max(EMFACS[expression], key=lambda variant: variant.weight).action_units


def set_sliders(units: dict[str, float]) -> None:
    """Set every slider; units left out go to rest."""
    for unit in ACTION_UNITS:
        st.session_state[key_of(unit)] = round(100 * units.get(unit, 0.0))


def pick_units() -> Intensities:
    """Return what the sliders say; each lives in the URL."""
    lower = tuple(unit for unit in ACTION_UNITS if unit not in UPPER)
    intensities: dict[str, float] = {}
    for title, units in (("Upper face", UPPER), ("Lower face", lower)):
        st.markdown(f"**{title}**")
        columns = st.columns(2, gap="medium")
        for place, unit in enumerate(units):
            with columns[place * 2 // len(units)]:
                intensities[unit] = _slider(unit) / 100
    return tuple((unit, intensities[unit]) for unit in ACTION_UNITS if intensities[unit] > 0)


def _slider(unit: str) -> int:
    return int(
        st.slider(
            name_of(unit), 0, 100, 0, format="%d%%", key=key_of(unit),
            help=ACTION_UNITS[unit].muscle, **BOUND,
        )
    )  # fmt: skip


def draw_face(person: int, intensities: Intensities) -> None:
    """Draw the puppet, every pixel a square."""
    names = ", ".join(f"{unit} {level:.0%}" for unit, level in intensities) or "at rest"
    pixels = face(person, intensities)
    tile = images.Tile(pixels, f"person {person}", f"A rendered face, {names}", names)
    st.html(images.grid([tile], side=336, label="The puppet", columns=1))


def draw_predictions(person: int, intensities: Intensities) -> None:
    """Draw what every model says to this face."""
    pixels = face(person, intensities)
    predictions = {name: networks.probabilities(name, pixels) for name in networks.choices()}
    summary = ", ".join(f"{name}: {EMOTIONS[int(p.argmax())]}" for name, p in predictions.items())
    fig = figures.probability_bars(predictions)
    download.show(fig, "puppet-answers", f"Seven probabilities of each network. {summary}")


def draw_curves(name: str, intensities: Intensities) -> None:
    """Draw how all expressions follow one unit, on eight people."""
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        offered = list(ACTION_UNITS)
        unit = st.selectbox(
            "Action unit", offered, index=offered.index("AU12"), format_func=name_of, key="unit",
            width=300, **BOUND,
        )  # fmt: skip
        others = widgets.pick_one("All other units", (REST, AS_ABOVE), key="others")
    response = curves(name, str(unit), intensities if others == AS_ABOVE else ())
    fig = figures.response_curves(response, at=dict(intensities).get(str(unit), 0.0))
    up, down = int(response.effect.argmax()), int(response.effect.argmin())
    st.markdown(
        f"From none to full, **{name_of(response.unit)}** moves {plain(name)} most towards "
        f"**{EMOTIONS[up]}** ({response.effect[up]:+.0%}) and away from **{EMOTIONS[down]}** "
        f"({response.effect[down]:+.0%})."
    )
    download.show(fig, "puppet-curves", f"Probability of each expression as {unit} rises")
    st.caption(
        f"Mean over {len(response.people)} people, each {others}; bands are 95% t intervals of "
        "that mean. The dotted line is the slider above."
    )


def counterfactual(name: str, person: int, intensities: Intensities) -> None:
    """Ask for the smallest movement that changes a model's mind, and show it."""
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        goal = st.selectbox(
            "Target expression", [ANYTHING, *EMOTIONS], key="flip-to", width=220, **BOUND
        )
        size = widgets.pick_one("Distance", tuple(NORMS), key="flip-norm")
        pressed = st.button("Search", type="primary", icon=":material/search:", key="flip")
    request = (name, person, intensities, None if goal == ANYTHING else str(goal), NORMS[size])
    if pressed:
        st.session_state[REQUESTED] = request
    if st.session_state.get(REQUESTED) != request:
        st.info("Press **Search**: it renders and classifies many faces.", icon=":material/search:")
        return
    predicted = EMOTIONS[int(networks.probabilities(name, face(person, intensities)).argmax())]
    if predicted == goal:
        st.info(f"{plain(name)} predicts {goal} already: choose another expression.")
        return
    _show_counterfactual(predicted, request)


def _show_counterfactual(
    predicted: str, request: tuple[str, int, Intensities, str | None, str]
) -> None:
    change = smallest_change(*request)
    if change is None:
        st.info(
            f"No movement was found that makes {plain(request[0])} predict "
            f"{request[3] or ANYTHING}."
        )
        return
    now = EMOTIONS[int(change.probabilities.argmax())]
    moved = [f"{name_of(unit)} {amount:+.0%}" for unit, amount in change.moved.items()]
    st.markdown(f"**{predicted}** becomes **{now}** with: " + ", ".join(moved) + ".")
    pictures = [
        images.Tile(pixels, name, f"The face that {request[0]} calls {name}", f"{p.max():.0%}")
        for pixels, name, p in (
            (change.start_face, predicted, change.start_probabilities),
            (change.face, now, change.probabilities),
        )
    ]
    st.html(images.grid(pictures, side=192, label="Before and after the smallest change"))
    st.button(
        "Apply to the face", on_click=set_sliders, args=(just_over(change.before, change.after),),
        key="wear-flip", icon=":material/face:",
    )  # fmt: skip
    st.caption(
        f"Distance {change.distance:.2f}, where 1 is one unit from none to full; verified by "
        "rendering. "
        f"The smallest of {change.renderings} faces tried: a smaller change may exist."
    )


def just_over(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Return the intensities in whole percent, rounded away from the start: still past the border.

    Sliders hold whole percents, and a smallest change ends right behind the border.
    """
    return {
        unit: (math.ceil if level > before[unit] else math.floor)(100 * level) / 100
        for unit, level in after.items()
    }


# --- Rendered faces and what networks make of them, cached; torch comes with the first question


Intensities = tuple[tuple[str, float], ...]
"""Action units worn and their intensities 0..1: a state that can be a cache key."""


@st.cache_data(max_entries=512, show_spinner=False)
def face(person: int, intensities: Intensities) -> NDArray[np.uint8]:
    """Return a person wearing action units, uint8 ``(48, 48)``; about 10 ms."""
    from fermodels.data.synthetic import render_image
    from fermodels.xai.counterfactuals.response_curves import frontal_person

    return render_image(frontal_person(person, dict(intensities)))


def curves(name: str, unit: str, intensities: Intensities) -> ResponseCurves:
    """Return how a model's probabilities follow one unit, over eight people.

    Args:
        name: one of `networks.choices()`.
        unit: which one is turned from 0 to 1.
        intensities: what the faces wear besides.
    """
    besides = tuple((other, level) for other, level in intensities if other != unit)
    return _curves(name, unit, besides)


@networks.cached_per_weights(max_entries=128, show_spinner="Rendering 72 faces…")
def _curves(name: str, unit: str, intensities: Intensities) -> ResponseCurves:
    from fermodels.xai.counterfactuals.response_curves import response_curves

    with networks.computing():
        return response_curves(networks.own_copy(name), unit, dict(intensities))


@networks.cached_per_weights(max_entries=64, show_spinner="Searching for the smallest change…")
def smallest_change(
    name: str, person: int, intensities: Intensities, target: str | None, norm: str
) -> SmallestChange | None:
    """Return the smallest movement found that flips a network's prediction; None if none was.

    Args:
        name: one of `networks.choices()`.
        person: who is moved.
        intensities: where the movement starts.
        target: expression to reach, or None for any other.
        norm: ``l1`` or ``l2``.

    Raises:
        ConfigError: the model says `target` already.
    """
    from fermodels.xai.counterfactuals.response_curves import frontal_person
    from fermodels.xai.counterfactuals.smallest_change import smallest_counterfactual

    with networks.computing():
        return smallest_counterfactual(
            networks.own_copy(name), frontal_person(person, dict(intensities)), target, norm
        )
