"""METHODS: every way to attribute a prediction. One dict feeds pickers, docs and tests."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fermodels.errors import ConfigError
from fermodels.explain import cams, hooked, methods
from fermodels.explain.occlusion import occlusion
from fermodels.explain.path import integrated_gradients
from fermodels.explain.question import Parts, Question

Number = int | float | bool


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
    """One attribution method, describing itself."""

    name: str
    title: str
    help: str
    """For a person who picks: what the map shows and when to distrust it."""
    signed: bool
    """Whether values below zero mean "spoke against"; picks the colour scale."""
    needs_layer: bool
    """Whether a conv layer is to be chosen."""
    uses_baseline: bool
    """Whether the answer depends on the baseline."""
    source: str
    """The paper that introduced it."""
    run: Callable[[Question], Parts]
    complete: bool = False
    """Whether the map should sum to score(face) - score(baseline); then the error is reported."""
    conv_only: bool = False
    """Whether a hybrid's HOG branch stays unexplained."""
    magnitude: bool = False
    """Whether only the size of what `run` returns is shown, after adding up the branches."""
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


def _method(
    run: Callable[[Question], Parts],
    title: str,
    source: str,
    *,
    signed: bool = True,
    needs_layer: bool = False,
    uses_baseline: bool = False,
    complete: bool = False,
    conv_only: bool = False,
    magnitude: bool = False,
    **options: Option,
) -> Method:
    """Build a Method whose name and help are the function's."""
    return Method(
        name=run.__name__.replace("_", "-"),
        title=title,
        help=inspect.getdoc(run) or "",
        signed=signed,
        needs_layer=needs_layer,
        uses_baseline=uses_baseline,
        source=source,
        run=run,
        complete=complete,
        conv_only=conv_only,
        magnitude=magnitude,
        options=options,
    )


_SEED = Option(0, 0, 2**31 - 1, "Seed of the noise.")
_CLIP = "Show only what speaks for the class (ReLU)."

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        _method(
            integrated_gradients,
            "Integrated gradients",
            "Sundararajan et al. 2017, arXiv 1703.01365, eq. 1",
            uses_baseline=True,
            complete=True,
            steps=Option(50, 1, 1000, "Equal steps on the path."),
            tolerance=Option(0.005, 0.0, 1.0, "Completeness error below which no point is added."),
            refine=Option(6.0, 0.0, 20.0, "Points that may be added, as a multiple of steps."),
        ),
        _method(
            methods.saliency,
            "Saliency",
            "Simonyan et al. 2014, arXiv 1312.6034, section 3",
            signed=False,
            magnitude=True,
        ),
        _method(
            methods.input_x_gradient,
            "Input x gradient",
            "Shrikumar et al. 2016, arXiv 1605.01713",
            uses_baseline=True,
        ),
        _method(
            methods.smoothgrad,
            "SmoothGrad",
            "Smilkov et al. 2017, arXiv 1706.03825, section 2",
            samples=Option(25, 1, 1000, "Noisy copies of the face."),
            noise=Option(0.15, 0.0, 1.0, "Noise, as a share of the face's brightness range."),
            seed=_SEED,
        ),
        _method(
            methods.gradient_shap,
            "GradientSHAP",
            "Lundberg & Lee 2017, arXiv 1705.07874; Erion et al. 2021, arXiv 1906.10670, eq. 3",
            uses_baseline=True,
            complete=True,
            samples=Option(50, 1, 1000, "Random points between baseline and noisy face."),
            noise=Option(0.0, 0.0, 1.0, "Noise on the face; 1 is black to white."),
            seed=_SEED,
        ),
        _method(
            hooked.deep_lift,
            "DeepLIFT",
            "Shrikumar et al. 2017, arXiv 1704.02685, section 3.5.1 (rescale rule)",
            uses_baseline=True,
            complete=True,
        ),
        _method(
            hooked.guided_backprop,
            "Guided backprop",
            "Springenberg et al. 2015, arXiv 1412.6806, section 3.4",
        ),
        _method(
            hooked.deconvolution,
            "Deconvolution",
            "Zeiler & Fergus 2014, arXiv 1311.2901, section 2.1",
        ),
        _method(
            cams.grad_cam,
            "Grad-CAM",
            "Selvaraju et al. 2017, arXiv 1610.02391, eq. 1-2",
            signed=False,
            needs_layer=True,
            conv_only=True,
            relu=Option(True, False, True, _CLIP),
        ),
        _method(
            cams.hires_cam,
            "HiResCAM",
            "Draelos & Carin 2020, arXiv 2011.08891, eq. 3",
            needs_layer=True,
            conv_only=True,
            relu=Option(False, False, True, _CLIP),
        ),
        _method(
            cams.guided_grad_cam,
            "Guided Grad-CAM",
            "Selvaraju et al. 2017, arXiv 1610.02391, section 3.2",
            needs_layer=True,
            conv_only=True,
        ),
        _method(
            occlusion,
            "Occlusion",
            "Zeiler & Fergus 2014, arXiv 1311.2901, section 4.2",
            uses_baseline=True,
            patch=Option(8, 1, 48, "Side of the square, in pixels."),
            stride=Option(4, 1, 48, "Step of the square, in pixels; at most its side."),
        ),
    )
}
"""Attribution methods by name, in the order a picker shows them."""
