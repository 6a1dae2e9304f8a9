"""What an attribution method says of itself: its name, its promises and its options."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from fermodels.errors import ConfigError
from fermodels.explain.question import Parts, Question
from fermodels.explain.smoothing import smoothable

Number = int | float | bool
Prepare = Callable[[nn.Module, nn.Module], None]
"""``(twin, model)``: rearrange the twin, the function stays the same."""


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
    source: str
    """The paper that introduced it."""
    run: Callable[[Question], Parts]
    signed: bool = True
    """Whether values below zero mean "spoke against"; picks the colour scale."""
    needs_layer: bool = False
    """Whether a conv layer is to be chosen."""
    uses_baseline: bool = False
    """Whether the answer depends on the baseline."""
    complete: bool = False
    """Whether the map should sum to score(face) - score(baseline); then the error is reported."""
    conv_only: bool = False
    """Whether a hybrid's HOG branch stays unexplained."""
    magnitude: bool = False
    """Whether only the size of what `run` returns is shown, after adding up the branches."""
    averages: bool = False
    """Whether it may be given any number of baselines, to average over."""
    prepare: Prepare | None = None
    """How the twin is made fast; None for methods that look inside it or change its layers."""
    passes_faces: bool = False
    """Whether the faces' logits are met on its way, so that they need no pass of their own."""
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
        if "steps" in settings:
            points = settings["steps"] * (1 + settings.get("refine", 0))
        elif "samples" in settings:
            points = settings["samples"]
        elif "stride" in settings:
            points = (48 // settings["stride"] + 1) ** 2
        else:
            points = settings.get("channels", settings.get("segments", 1))
        return math.ceil(points * max(1, settings.get("smooth", 0)))


SEED = Option(0, 0, 2**31 - 1, "Seed of the noise.")
SMOOTHING = {
    "smooth": Option(0, 0, 1000, "Noisy copies of the face to average over; 0 for none."),
    "smooth_noise": Option(0.15, 0.0, 1.0, "Their noise, as a share of the face's contrast."),
    "seed": SEED,
}
"""What `smoothable` reads."""


def describe(run: Callable[[Question], Parts], title: str, source: str, **fields: Any) -> Method:
    """Build a Method whose name and help are the function's.

    Args:
        run: the method itself.
        title: what people call it.
        source: the paper, and where in it.
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
        source=source,
        run=run,
        options=options,
        **rest,
    )
