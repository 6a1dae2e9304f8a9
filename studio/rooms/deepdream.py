"""The DeepDream room: what to wish for, live frames, the finished film."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from fermodels.data.dataset import FaceDataset
from fermodels.data.emotions import EMOTIONS
from studio import networks, snippets, state
from studio.components import download
from studio.components.text import plain
from studio.figures import dream, images, tables
from studio.state import BOUND, SelectedFace

if TYPE_CHECKING:
    from fermodels.xai.dream.dream import DreamStep
    from fermodels.xai.dream.objectives import Objective
    from fermodels.xai.dream.settings import DreamPreset

FILM, SEVEN = "dream-film", "dream-seven"
"""Where a visitor's films live in the session; never shared."""
USUAL = "the network's usual one"
REFRESH = 0.15
"""Seconds between two pictures of a dream in progress."""


@dataclass(eq=False)
class Film:
    """A dream as far as it has come; grows while it runs, so that Stop keeps what is there."""

    about: tuple[str, str, Wish]
    """Model, sample id and wish it belongs to."""
    face: SelectedFace
    """The face it was dreamed of."""
    frames: list[NDArray[np.uint8]] = field(default_factory=list)
    """uint8 ``(48, 48)`` each."""
    steps: list[int] = field(default_factory=list)
    """After how many steps each frame was taken."""
    done: bool = False

    @property
    def label(self) -> str:
        """What the data set calls the face."""
        return self.face.expression

    def probabilities(self, frame: int) -> NDArray[np.float32]:
        """Return the model's seven probabilities of one frame."""
        face = fit(self.frames[frame], FACE_SIDE)
        return networks.probabilities(self.about[0], face)


def pick_wish(name: str) -> Wish:
    """Return what to dream of and how; the whole wish lives in the URL."""
    presets = dream_presets()
    preset = st.selectbox(
        "Dream", list(presets), format_func=lambda key: presets[key].title, key="preset",
        **BOUND,
    )  # fmt: skip
    objective = Wish(preset).objective
    st.caption(objective.help)
    needs = objective.needs
    left, right = st.columns(2)
    with left:
        target = _pick_expression("Expression", "happy", "dream") if "target" in needs else None
        layer = _pick_layer(name) if "layer" in needs else None
        start = st.selectbox("Start from", STARTS, key="start", **BOUND)
    with right:
        contrast = _pick_expression("Not", "neutral", "not") if "contrast" in needs else None
        channel = _pick_channel() if "channel" in needs else None
        seed = st.number_input("Seed", 0, 9999, 0, key="seed", **BOUND)
    if target is not None and target == contrast:
        st.info(f"{target}, not {contrast}, is nothing to dream of: choose two expressions.")
        st.stop()
    return Wish(preset, target, contrast, layer, channel, str(start), int(seed))


def _pick_expression(label: str, default: str, key: str) -> str:
    chosen = st.selectbox(label, EMOTIONS, index=EMOTIONS.index(default), key=key, **BOUND)
    return str(chosen)


def _pick_layer(name: str) -> str | None:
    offered = [USUAL, *layers(name)]
    layer = st.selectbox("Layer", offered, key="dream-layer", **BOUND)
    return None if layer == USUAL else str(layer)


def _pick_channel() -> int | None:
    channel = st.number_input(
        "Channel", 0, None, None, key="dream-channel", **BOUND,
        placeholder="the strongest",
    )  # fmt: skip
    return None if channel is None else int(channel)


def is_new(film: str) -> bool:
    """Return whether this visitor has not dreamed yet: a room, or a permalink, opens with a dream.

    Args:
        film: FILM or SEVEN.
    """
    return film not in st.session_state


class Screening:
    """A progress bar and a screen on which dreams are shown as they are dreamed."""

    def __init__(self, films: int = 1) -> None:
        self.films, self.finished, self.shown = films, 0, 0.0
        self.began = time.monotonic()
        self.bar, self.screen = st.progress(0.0, "Dreaming…"), st.empty()

    def roll(self, film: Film, face: NDArray[np.uint8]) -> None:
        """Dream one film from a face, uint8 ``(48, 48)``, keeping every frame in it."""

        def show(step: DreamStep) -> None:
            if time.monotonic() - self.shown > REFRESH:
                self._show(film, step.step, step.total)

        _dream_into(film, face, show)
        self.finished += 1

    def _show(self, film: Film, step: int, total: int) -> None:
        self.shown = time.monotonic()
        done = (self.finished + step / total) / self.films
        left = (self.shown - self.began) * (1 - done) / done
        words = f"{film.about[2].title}: step {step} of {total}"
        self.bar.progress(min(done, 1.0), f"{words}, {left:.0f} s left")
        live = images.Tile(film.frames[-1], "", f"The dream so far, {words}")
        self.screen.html(images.grid([live], side=288, label="The dream so far", columns=1))

    def close(self) -> None:
        """Take bar and screen away."""
        self.bar.empty()
        self.screen.empty()


def _dream_into(film: Film, face: NDArray[np.uint8], each: Callable[[DreamStep], None]) -> None:
    """Dream from a face, uint8 ``(48, 48)``, keeping every frame; `each` hears of every step."""
    name, _, wish = film.about
    if wish.start == THIS_FACE:
        film.frames.append(fit(face, canvas(wish)))
        film.steps.append(0)
    for step in dreaming(name, face, wish):
        film.frames.append(step.frame)
        film.steps.append(step.step)
        each(step)
    film.done = True


def run_one(name: str, face: SelectedFace, wish: Wish) -> None:
    """Dream of one face, live."""
    film = Film((name, face.sample_id, wish), face)
    st.session_state[FILM] = film
    screening = Screening()
    screening.roll(film, face.image)
    screening.close()


def open_with(name: str, face: SelectedFace, wish: Wish) -> None:
    """Show the room's first dream: of a face of the data, it is dreamed once for all visitors."""
    if face.split == "upload":
        run_one(name, face, wish)
        return
    with st.spinner("Dreaming…"):
        film = _first_dream(name, wish, face)
    st.session_state[FILM] = film


@networks.cached_per_weights(max_entries=16)
def _first_dream(name: str, wish: Wish, face: SelectedFace) -> Film:
    film = Film((name, face.sample_id, wish), face)
    _dream_into(film, face.image, lambda step: None)
    return film


def run_seven(name: str, faces: FaceDataset, wish: Wish) -> None:
    """Dream one face per expression, each towards its own label (or all of the chosen layer)."""
    films: list[Film] = []
    st.session_state[SEVEN] = films
    screening = Screening(len(EMOTIONS))
    for label in EMOTIONS:
        face = state.example(faces, label)
        films.append(Film((name, face.sample_id, wish.towards(label)), face))
        screening.roll(films[-1], face.image)
    screening.close()


def show_one(name: str, face: SelectedFace, wish: Wish) -> None:
    """Show the last film: its strip, what it did to the probabilities, and downloads."""
    film = st.session_state.get(FILM)
    if not isinstance(film, Film) or not film.frames:
        st.info("Stopped before the first step: press **Dream**.", icon=":material/auto_awesome:")
        return
    if film.about != (name, face.sample_id, wish):
        st.caption("The settings have changed since this dream.")
    if not film.done:
        st.caption(f"Stopped after step {film.steps[-1]}.")
    frames = np.stack(film.frames)
    st.subheader(
        f"Network “{plain(film.about[0])}”: dream towards {film.about[2].title}", anchor=False
    )
    strip = dream.filmstrip(frames, film.steps, most=6)
    st.html(images.grid(strip, side=144, label="The dream, first frame to last"))
    _downloads(film, frames, strip)
    st.subheader("Predictions before and after", anchor=False)
    fig = dream.before_after(
        film.probabilities(0), film.probabilities(-1), EMOTIONS, film.about[2].target
    )
    alt = "Seven probabilities before and after the dream"
    download.show(fig, "dream-probabilities", alt, code=_code(film))


def _code(film: Film) -> str:
    name, _, wish = film.about
    start = NAMED_STARTS.get(wish.start)
    return snippets.dream_code(name, film.face, start, wish.keywords())


def _downloads(film: Film, frames: NDArray[np.uint8], strip: Sequence[images.Tile]) -> None:
    with st.container(horizontal=True):
        st.download_button(
            "Last frame (PNG)", images.png(frames[-1], scale=8), "dream.png", "image/png",
            icon=":material/download:", on_click="ignore",
        )  # fmt: skip
        st.download_button(
            "Film (GIF)", lambda: dream.gif(frames), "dream.gif", "image/gif",
            icon=":material/movie:", on_click="ignore",
        )  # fmt: skip
        download.export(
            "dream", lambda: tables.of_maps({"start": frames[0], "dream": frames[-1]}),
            _code(film), pictures=strip, columns=6,
        )  # fmt: skip


def show_seven(name: str, wish: Wish) -> None:
    """Show each face beside its dream, with the probability of its label."""
    films = [film for film in st.session_state.get(SEVEN, []) if film.frames]
    if not films:
        st.info("Stopped before the first step: press **Dream**.", icon=":material/auto_awesome:")
        return
    if any(film.about[::2] != (name, wish.towards(film.label)) for film in films):
        st.caption("The settings have changed since these dreams.")
    if len(films) < len(EMOTIONS) or not films[-1].done:
        st.caption("Stopped before the last dream was finished.")
    st.subheader(
        f"{plain(films[0].about[0])}: one face per expression, and its dream", anchor=False
    )
    pictures = [tile for film in films for tile in _pair(film)]
    st.html(images.grid(pictures, side=144, label="Seven faces and their dreams"))
    rows = [[film.frames[0] for film in films], [film.frames[-1] for film in films]]
    st.download_button(
        "All (PNG)", images.png(images.sheet(rows, scale=4)), "dreams.png", "image/png",
        icon=":material/download:", on_click="ignore",
    )  # fmt: skip


def _pair(film: Film) -> list[images.Tile]:
    own = EMOTIONS.index(film.label)
    first, last = (f"{film.probabilities(i)[own]:.0%} {film.label}" for i in (0, -1))
    return [
        images.Tile(film.frames[0], film.label, f"The face labelled {film.label}", first),
        images.Tile(film.frames[-1], "its dream", f"The dream of the {film.label} face", last),
    ]


# --- What a visitor wants dreamed, and the dream as it happens; torch comes with the first wish


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
        from fermodels.xai.dream.objectives import OBJECTIVES

        return OBJECTIVES[str(dream_presets()[self.preset].settings["objective"])]

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
        """Return the keyword arguments of `fermodels.xai.dream.dream.dream`."""
        chosen = {
            "target": self.target,
            "contrast": self.contrast,
            "layer": self.layer,
            "channel": self.channel,
        }
        given = {key: value for key, value in chosen.items() if value is not None}
        return {**dream_presets()[self.preset].settings, **given, "seed": self.seed}


def dream_presets() -> dict[str, DreamPreset]:
    """Return the presets by name; the first call imports torch."""
    from fermodels.xai.dream.settings import DREAM_PRESETS

    return DREAM_PRESETS


def canvas(wish: Wish) -> int:
    """Return the side in pixels of the pictures that a wish makes."""
    return int(dream_presets()[wish.preset].settings.get("canvas", FACE_SIDE))


def fit(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return a grey picture ``(h, w)`` at ``(side, side)``, itself if it has that size."""
    if picture.shape == (side, side):
        return picture
    resized = Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(resized, np.uint8)


def layers(name: str) -> list[str]:
    """Return the dotted names of a model's layers that leave maps."""
    from fermodels.xai.model_access import layer_names

    with networks.locked_network(name) as net:
        return layer_names(net)


def dreaming(name: str, face: NDArray[np.uint8], wish: Wish) -> Iterator[DreamStep]:
    """Dream, handing out every step; the model is free for others meanwhile.

    Args:
        name: one of `networks.choices()`.
        face: uint8 ``(48, 48)``; where to start if the wish says so.
        wish: what to dream of.

    Raises:
        ConfigError: a wish that the model cannot fulfil; says why.
    """
    from fermodels.xai.dream.dream import dream_steps

    start = face if wish.start == THIS_FACE else NAMED_STARTS[wish.start]
    with networks.locked_network(name) as net:
        return dream_steps(
            net, start, **wish.keywords()
        )  # on a shared-weight copy: no lock is needed from here
