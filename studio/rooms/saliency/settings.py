"""What the saliency room asks for: methods, their options, the comparison, how to draw."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import streamlit as st

from fermodels.data.emotions import EMOTIONS
from studio import explanations, networks
from studio.components import widgets
from studio.explanations import MapRequest, Settings
from studio.state import BOUND

if TYPE_CHECKING:
    from fermodels.xai.attribution.registry import Option

FIRST = ("saliency", "integrated-gradients", "grad-cam", "occlusion")
"""What a newcomer sees."""
SHARES, RAW = "share of each map", "raw values"
VIEWS = ("both", "on the face", "map alone")
SCALE_HELP = (
    "As shares of their own total, maps of different methods stand on one scale; raw values keep "
    "each method's unit, with a scale of its own."
)
PREDICTED, NO_CONTRAST = "the predicted expression", "none"
KEYS = ("baseline", "contrast", "cam", "opacity", "scale", "draw")
"""Keys of the settings under "More settings", besides the methods' own."""


@dataclass(frozen=True)
class Options:
    """How the maps are asked for and drawn."""

    target_class: int
    """The class whose logit is explained, 0..6."""
    baseline: str = "mean-face"
    """What counts as "nothing to see"; see `fermodels.xai.attribution.baselines`."""
    contrast: str | None = None
    """The class to set the target against, or None."""
    scale: str = SHARES
    """SHARES: one scale for all maps; RAW: each method in its own unit."""
    view: str = VIEWS[0]
    """One of VIEWS."""
    opacity: float = 0.85
    """Cover of the face at full colour, 0..1."""
    layer: str | None = None
    """The conv block that class-activation methods weigh; None for the model's own choice."""
    settings: dict[str, Settings] = field(default_factory=dict)
    """Method -> its options that differ from the defaults."""

    @property
    def question(self) -> str:
        """What the maps explain, as a heading."""
        contrast = f" rather than “{self.contrast}”" if self.contrast else ""
        return f"Evidence for “{EMOTIONS[self.target_class]}”{contrast}"

    def request(self, method: str) -> MapRequest:
        """Return the question to one method."""
        contrast = None if self.contrast is None else EMOTIONS.index(self.contrast)
        return MapRequest(
            method, self.target_class, self.baseline, contrast, self.layer,
            self.settings.get(method, ()),
        )  # fmt: skip


def pick_models() -> list[str]:
    """Return the networks chosen: the room's model, then those compared with it."""
    first, others = st.columns(2, gap="medium")
    with first:
        name = widgets.pick_model()
    with others:
        also = st.multiselect(
            "Compare with", [n for n in networks.choices() if n != name], key="also",
            placeholder="other networks", **BOUND,
        )  # fmt: skip
    return [name, *also]


def pick_methods() -> list[str]:
    """Return the chosen methods in the registry's order; the choice lives in the URL."""
    offered = explanations.methods()
    chosen = st.multiselect(
        "Methods",
        list(offered),
        default=[name for name in offered if name in FIRST],
        format_func=lambda name: offered[name].title,
        key="methods",
        **BOUND,
    )
    if not chosen:
        st.info("Choose at least one method.", icon=":material/arrow_upward:")
        st.stop()
    names = [name for name in offered if name in chosen]
    if cue := explanations.planted_cue({name: offered[name].title for name in names}):
        st.caption(cue)
    return names


def pick_target(predicted: int) -> int:
    """Return the class to explain; the prediction unless the visitor says otherwise."""
    target = st.selectbox("Evidence for", [PREDICTED, *EMOTIONS], key="target", **BOUND)
    return EMOTIONS.index(target) if target in EMOTIONS else predicted


def pick_options(name: str, methods: Sequence[str], target_class: int) -> Options:
    """Return how to ask and draw; every choice lives in the URL.

    The widgets are drawn once somebody asks for them, or comes with a choice: a click on the next
    face need not send them all again.
    """
    more = st.expander("More settings", icon=":material/tune:", key="more", on_change="rerun")
    if not more.open and not _chosen_before(methods):
        return Options(target_class)
    with more:
        return _pick_options(name, methods, target_class)


def _chosen_before(methods: Sequence[str]) -> bool:
    """Whether an address or an earlier run of this session holds any of the settings."""
    theirs = [f"{name}.{option}" for name in methods for option in _options(name)]
    return any(key in st.query_params or key in st.session_state for key in (*KEYS, *theirs))


def _options(method: str) -> Mapping[str, Option]:
    return explanations.methods()[method].options


def _pick_options(name: str, methods: Sequence[str], target_class: int) -> Options:
    left, middle, right = st.columns(3, gap="medium")
    with left:
        baseline, contrast = _pick_comparison()
    with middle:
        layer = _pick_layer(name)
        usual = round(100 * Options.opacity)
        opacity = st.slider("Opacity", 0, 100, usual, format="%d%%", key="opacity", **BOUND)
    with right:
        scale = _choice("Colours show", (SHARES, RAW), "scale", SCALE_HELP)
        view = _choice("Draw", VIEWS, "draw")
    settings = {method: _pick_settings(method) for method in methods}
    return Options(target_class, baseline, contrast, scale, view, opacity / 100, layer, settings)


def _pick_comparison() -> tuple[str, str | None]:
    offered = explanations.baselines()
    baseline = st.selectbox(
        "Baseline",
        list(offered),
        list(offered).index(Options.baseline),
        format_func=lambda name: offered[name].title,
        key="baseline",
        help="What counts as “nothing to see” for the methods that compare with it.",
        **BOUND,
    )
    contrast = st.selectbox(
        "Contrast class",
        [NO_CONTRAST, *EMOTIONS],
        key="contrast",
        help="Why angry rather than fear? Explains the difference of the two logits.",
        **BOUND,
    )
    return str(baseline), contrast if contrast in EMOTIONS else None


def _pick_layer(name: str) -> str | None:
    blocks = explanations.conv_layers(name)
    block = st.selectbox(
        "Layer for the CAM methods",
        ["the network's usual one", *blocks],
        key="cam",
        help="Whose maps Grad-CAM and its kin weigh; early layers are sharper, late ones clearer.",
        **BOUND,
    )
    return f"{block}.relu" if block in blocks else None


def _choice(label: str, options: Sequence[str], key: str, help_text: str | None = None) -> str:
    chosen = st.segmented_control(
        label, options, default=options[0], key=key, required=True, help=help_text, **BOUND
    )
    return str(chosen)


def _pick_settings(name: str) -> Settings:
    """Return a method's options that were changed, from one small widget each."""
    if not _options(name):
        return ()
    st.markdown(f"**{explanations.methods()[name].title}**")
    changed = []
    places = st.columns(4, gap="small")
    for number, (option, about) in enumerate(_options(name).items()):
        with places[number % 4]:
            value = _pick_setting(f"{name}.{option}", option, about)
        if value != about.default:
            changed.append((option, value))
    return tuple(changed)


def _pick_setting(key: str, label: str, option: Option) -> int | float | bool:
    words = label.replace("_", " ")
    if isinstance(option.default, bool):
        return bool(st.toggle(words, option.default, key=key, help=option.help, **BOUND))
    if isinstance(option.default, int):
        low, high = int(option.low), int(option.high)
        number = st.number_input(
            words, low, high, option.default, key=key, help=option.help, **BOUND
        )
        return int(number)
    step = 10.0 ** (math.floor(math.log10(abs(option.default) or 0.1)))
    value = st.number_input(
        words, float(option.low), float(option.high), option.default, step=step, format="%g",
        key=key, help=option.help, **BOUND,
    )  # fmt: skip
    return float(value)
