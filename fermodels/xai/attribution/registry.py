"""METHODS: every attribution method, with all facts about it. One dict feeds pickers and tests.

A new method is one function ``(AttributionRequest) -> Parts`` and one `describe` entry below.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import nn

from fermodels.errors import ConfigError
from fermodels.xai.attribution import cam, gradients, modified_backprop
from fermodels.xai.attribution.cam import score_cam
from fermodels.xai.attribution.gradients import smoothable
from fermodels.xai.attribution.modified_backprop import deep_lift, deep_lift_shap, lrp
from fermodels.xai.attribution.occlusion import REGIONS, feature_ablation, occlusion
from fermodels.xai.attribution.path_integrals import (
    integrated_gradients,
    internal_influence,
    layer_conductance,
)
from fermodels.xai.attribution.request import AttributionRequest, Parts
from fermodels.xai.attribution.surrogates import kernel_shap, lime
from fermodels.xai.fast_forward.convolution import pack
from fermodels.xai.fast_forward.prepare import quicken

Number = int | float | bool
Prepare = Callable[[nn.Module, nn.Module], None]
"""``(copy, model)``: rearrange the shared-weight copy for speed; its function stays the same."""
Cost = Callable[[Mapping[str, float]], float]
"""``(settings)`` -> faces through the network, at most, for one face's map."""


@dataclass(frozen=True)
class Option:
    """One setting of a method."""

    default: Number
    low: Number
    high: Number
    help: str

    def check(self, name: str, value: object) -> Number:
        """Return the value, as this option's type, if it lies in range.

        Raises:
            ConfigError: another type, or out of range.
        """
        kind = type(self.default)
        if (
            isinstance(value, (int, float))
            and isinstance(value, bool) == (kind is bool)
            and self.low <= value <= self.high  # NaN is not
            and (kind is float or value == int(value))
        ):
            return kind(value)
        raise ConfigError(
            f"option {name} is {value!r}: expected {kind.__name__} from {self.low} to {self.high}"
        )


@dataclass(frozen=True)
class Method:
    """One attribution method, and everything that is known about it."""

    name: str
    title: str
    help: str
    """For a person who picks: what the map shows and when to distrust it."""
    formula: str
    """What a pixel's value is. S: the score; x: the face; x': the baseline; A: a layer's maps,
    channels k; up: enlarged to the face."""
    reference: str
    """The paper that introduced it."""
    run: Callable[[AttributionRequest], Parts]
    kind: Literal["contribution", "sensitivity"] = "contribution"
    """A contribution is what a pixel added to the score. A sensitivity is a slope, how the score
    would move if the pixel got brighter: its sign is about the pixel's brightness, not for or
    against the class."""
    signed: bool = True
    """Whether values below zero are evidence against the class; picks the colour scale."""
    needs_layer: bool = False
    """Whether a conv layer is to be chosen."""
    uses_baseline: bool = False
    """Whether the map depends on the baseline."""
    complete: bool = False
    """Whether the map should sum to score(face) - score(baseline); then the error is reported."""
    conv_only: bool = False
    """Whether a hybrid's HOG branch stays unexplained."""
    magnitude: bool = False
    """Whether only the size of what `run` returns is shown, after adding up the branches."""
    averages: bool = False
    """Whether it may be given any number of baselines, to average over."""
    prepare: Prepare | None = None
    """How the copy is made fast; None for methods that look inside it or change its layers."""
    cost: Cost = lambda settings: 1
    """Faces that go through the network for one face's map, without smoothing."""
    options: Mapping[str, Option] = field(default_factory=dict)
    """Settings by name."""

    def settings(self, given: Mapping[str, object]) -> dict[str, Number]:
        """Return all options, the given ones checked, the others at their defaults.

        Raises:
            ConfigError: unknown option, or a value out of range.
        """
        unknown = sorted(set(given) - set(self.options))
        if unknown:
            raise ConfigError(
                f"{self.name} has no option {unknown[0]!r}: "
                f"expected {', '.join(self.options) or 'none'}"
            )
        return {
            name: option.check(name, given.get(name, option.default))
            for name, option in self.options.items()
        }

    def passes(self, settings: Mapping[str, float]) -> int:
        """Return about how many faces at most go through the network for one face's map.

        Args:
            settings: all of the method's options, as `settings` returns them.
        """
        return math.ceil(self.cost(settings) * max(1, settings.get("smooth", 0)))


SEED = Option(0, 0, 2**31 - 1, "Seed of the noise.")
SMOOTHING = {
    "smooth": Option(0, 0, 1000, "Noisy copies of the face to average over; 0 for none."),
    "smooth_noise": Option(0.15, 0.0, 1.0, "Their noise, as a share of the face's contrast."),
    "seed": SEED,
}
"""What `smoothable` reads."""


def describe(
    run: Callable[[AttributionRequest], Parts],
    title: str,
    formula: str,
    reference: str,
    **fields: Any,
) -> Method:
    """Build a Method whose name and help are the function's.

    Args:
        run: the method itself.
        title: what people call it.
        formula: what a pixel's value is; see `Method.formula`.
        reference: the paper, and where in it.
        **fields: other fields of Method, and any Option under its own name. With ``smooth=True``
            the method gains the options of `smoothable`.
    """
    options = {name: value for name, value in fields.items() if isinstance(value, Option)}
    rest = {name: value for name, value in fields.items() if name not in options}
    if rest.pop("smooth", False):
        options, run = options | SMOOTHING, smoothable(run)
    return Method(
        name=run.__name__.replace("_", "-"),
        title=title,
        help=inspect.getdoc(run) or "",
        formula=formula,
        reference=reference,
        run=run,
        options=options,
        **rest,
    )


_CLIP = "Show only evidence for the class (ReLU)."
_STEPS = Option(50, 2, 1000, "Points on the path at first, somewhat denser near the baseline.")
_TOLERANCE = Option(0.025, 0.0, 1.0, "Path error below which no point is added.")
_REFINE = Option(6.0, 0.0, 20.0, "Points that may be added, as a multiple of steps.")
_SEGMENTS = Option(36, 4, 144, "About how many patches the face is cut into.")
_FOLLOW = Option(True, False, True, "Cut along the face's edges (SLIC), not into squares.")
_SAMPLES = Option(256, 8, 8192, "Partly covered faces to score.")


def _points(settings: Mapping[str, float]) -> float:
    return settings["steps"] * (1 + settings.get("refine", 0))


def _samples(settings: Mapping[str, float]) -> float:
    return settings["samples"]


def _map_of_layer(
    run: Callable[[AttributionRequest], Parts],
    title: str,
    formula: str,
    reference: str,
    signed: bool = False,
) -> Method:
    """Describe a method that weighs one layer's maps; unsigned ones clip negative evidence."""
    return describe(
        run, title, formula, reference, needs_layer=True, conv_only=True, smooth=True,
        prepare=pack, signed=signed, relu=Option(not signed, False, True, _CLIP),
    )  # fmt: skip


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        describe(
            integrated_gradients,
            "Integrated gradients",
            "(x - x') · ∫₀¹ ∂S/∂x(x' + α (x - x')) dα",
            "Sundararajan et al. 2017, arXiv 1703.01365, eq. 1",
            cost=_points,
            uses_baseline=True,
            complete=True,
            smooth=True,
            steps=_STEPS,
            tolerance=_TOLERANCE,
            refine=_REFINE,
            prepare=quicken,
        ),
        describe(
            gradients.saliency,
            "Saliency",
            "|∂S/∂x|",
            "Simonyan et al. 2014, arXiv 1312.6034, section 3",
            kind="sensitivity",
            signed=False,
            magnitude=True,
            smooth=True,
            prepare=pack,
        ),
        describe(
            gradients.input_x_gradient,
            "Input x gradient",
            "(x - x') · ∂S/∂x",
            "Shrikumar et al. 2016, arXiv 1605.01713",
            uses_baseline=True,
            smooth=True,
            prepare=pack,
        ),
        describe(
            gradients.smoothgrad,
            "SmoothGrad",
            "mean of ∂S/∂x(x + ε), ε normal",
            "Smilkov et al. 2017, arXiv 1706.03825, section 2",
            kind="sensitivity",
            cost=_samples,
            samples=Option(25, 1, 1000, "Noisy copies of the face."),
            noise=Option(0.15, 0.0, 1.0, "Noise, as a share of the face's brightness range."),
            seed=SEED,
            prepare=quicken,
        ),
        describe(
            gradients.gradient_shap,
            "GradientSHAP",
            "mean of (x + ε - x') · ∂S/∂x(x' + α (x + ε - x')), α uniform",
            "Lundberg & Lee 2017, arXiv 1705.07874; Erion et al. 2021, arXiv 1906.10670, eq. 3",
            cost=_samples,
            uses_baseline=True,
            complete=True,
            averages=True,
            samples=Option(50, 1, 1000, "Random points between baseline and noisy face."),
            noise=Option(0.0, 0.0, 1.0, "Noise on the face; 1 is black to white."),
            seed=SEED,
            prepare=quicken,
        ),
        describe(
            deep_lift,
            "DeepLIFT",
            "(x - x') · m, m by the chain rule with Δy / Δz in place of every ReLU's slope",
            "Shrikumar et al. 2017, arXiv 1704.02685, section 3.5.1 (rescale rule)",
            uses_baseline=True,
            complete=True,
            smooth=True,
        ),
        describe(
            deep_lift_shap,
            "DeepLIFT SHAP",
            "mean of DeepLIFT over the baselines x'",
            "Lundberg & Lee 2017, arXiv 1705.07874, section 4.2",
            uses_baseline=True,
            complete=True,
            averages=True,
            smooth=True,
        ),
        describe(
            lrp,
            "LRP",
            "R_i = Σ_j z_ij / Σ_i z_ij · R_j, layer by layer from R = S",
            "Bach et al. 2015, doi 10.1371/journal.pone.0130140, eq. 58 and 60",
            conv_only=True,
            smooth=True,
            alpha=Option(1, 0, 4, "Weight of what excites, in conv layers; 0: epsilon rule."),
            epsilon=Option(1e-3, 0.0, 10.0, "What a unit keeps, in logits or activations."),
        ),
        describe(
            modified_backprop.guided_backprop,
            "Guided backprop",
            "∂S/∂x, every ReLU passing only positive gradients where it was active",
            "Springenberg et al. 2015, arXiv 1412.6806, section 3.4",
            kind="sensitivity",
            smooth=True,
        ),
        describe(
            modified_backprop.deconvolution,
            "Deconvolution",
            "∂S/∂x, every ReLU passing only positive gradients",
            "Zeiler & Fergus 2014, arXiv 1311.2901, section 2.1",
            kind="sensitivity",
            smooth=True,
        ),
        _map_of_layer(
            cam.grad_cam,
            "Grad-CAM",
            "up(relu(Σ_k mean(∂S/∂A_k) · A_k))",
            "Selvaraju et al. 2017, arXiv 1610.02391, eq. 1-2",
        ),
        _map_of_layer(
            cam.grad_cam_plus_plus,
            "Grad-CAM++",
            "up(relu(Σ_k w_k A_k)), w_k = Σ g² / (2 g² + g³ Σ A_k) · relu(g), g = ∂S/∂A_k",
            "Chattopadhay et al. 2018, arXiv 1710.11063, eq. 19",
        ),
        _map_of_layer(
            cam.hires_cam,
            "HiResCAM",
            "up(Σ_k ∂S/∂A_k · A_k)",
            "Draelos & Carin 2020, arXiv 2011.08891, eq. 3",
            signed=True,
        ),
        _map_of_layer(
            cam.layer_cam,
            "LayerCAM",
            "up(relu(Σ_k relu(∂S/∂A_k) · A_k))",
            "Jiang et al. 2021, doi 10.1109/TIP.2021.3089943",
        ),
        describe(
            score_cam,
            "Score-CAM",
            "up(relu(Σ_k softmax_k(S(x masked by A_k)) · A_k))",
            "Wang et al. 2020, arXiv 1910.01279, algorithm 1",
            cost=lambda settings: settings["channels"],
            signed=False,
            needs_layer=True,
            uses_baseline=True,
            conv_only=True,
            channels=Option(64, 1, 4096, "Channels to use: those that vary most."),
            relu=Option(True, False, True, _CLIP),
        ),
        describe(
            cam.guided_grad_cam,
            "Guided Grad-CAM",
            "guided backprop · up(relu(Grad-CAM))",
            "Selvaraju et al. 2017, arXiv 1610.02391, section 3.2",
            kind="sensitivity",
            needs_layer=True,
            conv_only=True,
            smooth=True,
        ),
        describe(
            layer_conductance,
            "Layer conductance",
            "up(Σ_k ∫ ∂S/∂A_k dA_k), along the path from x' to x",
            "Dhamdhere et al. 2018, arXiv 1805.12233 (conductance of a hidden unit)",
            cost=_points,
            needs_layer=True,
            uses_baseline=True,
            complete=True,
            conv_only=True,
            smooth=True,
            steps=_STEPS,
            tolerance=_TOLERANCE,
            refine=_REFINE,
        ),
        describe(
            internal_influence,
            "Internal influence",
            "up(Σ_k ∫₀¹ ∂S/∂A_k dα), along the path from x' to x",
            "Leino et al. 2018, arXiv 1802.03788, definition 1",
            cost=_points,
            needs_layer=True,
            uses_baseline=True,
            conv_only=True,
            smooth=True,
            steps=_STEPS,
        ),
        describe(
            occlusion,
            "Occlusion",
            "mean over the squares that cover the pixel of S(x) - S(x, square from x')",
            "Zeiler & Fergus 2014, arXiv 1311.2901, section 4.2",
            cost=lambda settings: (48 // settings["stride"] + 1) ** 2,
            uses_baseline=True,
            patch=Option(8, 1, 48, "Side of the square, in pixels."),
            stride=Option(4, 1, 48, "Step of the square, in pixels; at most its side."),
            prepare=quicken,
        ),
        describe(
            feature_ablation,
            "Face parts",
            "(S(x) - S(x, the pixel's part from x')) / pixels of the part",
            "Covert et al. 2021, arXiv 2011.14878 (removing features, one group at a time)",
            cost=lambda _settings: len(REGIONS),
            uses_baseline=True,
            prepare=quicken,
        ),
        describe(
            kernel_shap,
            "KernelSHAP",
            "Shapley value of the pixel's patch / its pixels",
            "Lundberg & Lee 2017, arXiv 1705.07874, theorem 2",
            cost=_samples,
            uses_baseline=True,
            complete=True,
            segments=_SEGMENTS,
            follow=_FOLLOW,
            samples=_SAMPLES,
            seed=SEED,
            prepare=quicken,
        ),
        describe(
            lime,
            "LIME",
            "ridge weight of the pixel's patch / its pixels",
            "Ribeiro et al. 2016, arXiv 1602.04938, eq. 1-2",
            cost=_samples,
            uses_baseline=True,
            segments=_SEGMENTS,
            follow=_FOLLOW,
            samples=_SAMPLES,
            ridge=Option(1.0, 0.0, 1000.0, "Pull of all values towards zero."),
            seed=SEED,
            prepare=quicken,
        ),
    )
}
"""Attribution methods by name, in the order a picker shows them."""
