"""Maps that nobody should trust, as attributions that `fermodels.judge` can try."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fermodels.xai.trust.maps import Explainer, edge_maps, explainer, random_maps
from fermodels.xai.trust.randomisation import random_copy

HONEST = "integrated-gradients"
"""The method whose maps are shown for another question than the one they answer."""


def bump(row: float, column: float, sigma: float) -> NDArray[np.float32]:
    """One Gaussian blob."""
    rows, columns = np.mgrid[:48, :48]
    squares = (rows - row) ** 2 + (columns - column) ** 2
    return np.exp(-squares / (2 * sigma**2)).astype(np.float32)


def fixed(one: NDArray[np.float32]) -> Explainer:
    """The same map for every face, class and network."""
    return lambda _model, faces, _target: np.repeat(one[None], len(faces), 0)


def noisy(one: NDArray[np.float32], spread: float) -> Explainer:
    """A fixed map under noise that is new each time, so that no two maps are much alike.

    Noise passes for dependence on the face, the class and the weights; what the map shows is
    the fixed map all the same.
    """
    rng = np.random.default_rng(0)
    return lambda _model, faces, _target: (one + rng.normal(0, spread, faces.shape)).astype(
        np.float32
    )


TEMPLATE = bump(18, 14, 4) + bump(18, 33, 4) + bump(36, 23.5, 5)
"""Eyes and mouth."""


def of_another_class(method: Explainer) -> Explainer:
    """The map of the next class, shown as this one's."""
    return lambda model, faces, target: method(model, faces, (target + 1) % 7)


def of_another_face(method: Explainer) -> Explainer:
    """The map of the face after it, shown as this one's."""
    return lambda model, faces, target: method(model, np.roll(faces, 1, 0), np.roll(target, 1))


def of_random_weights(method: Explainer, network: nn.Module) -> Explainer:
    """The maps of a network that never learned, whatever network is asked."""
    never = random_copy(network, seed=77).whole
    return lambda _model, faces, target: method(never, faces, target)


NULLS: dict[str, Callable[[nn.Module, Explainer], Explainer]] = {
    "constant": lambda _net, _method: fixed(np.ones((48, 48), np.float32)),
    "blank": lambda _net, _method: fixed(np.zeros((48, 48), np.float32)),
    "fixed blob": lambda _net, _method: fixed(bump(23.5, 23.5, 10)),
    "eyes and mouth": lambda _net, _method: fixed(TEMPLATE),
    "eyes and mouth, noisy": lambda _net, _method: noisy(TEMPLATE, 0.5),
    "random": lambda _net, _method: partial(random_maps, seed=9),  # not the control itself
    "edges": lambda _net, _method: edge_maps,
    "another class": lambda _net, method: of_another_class(method),
    "another face": lambda _net, method: of_another_face(method),
    "random weights": lambda net, method: of_random_weights(method, net),
}
"""Name -> what makes it, of a network and an honest method."""


def honest(steps: int) -> Explainer:
    """Return the honest method, as finely as there is time for."""
    return explainer(HONEST, {"steps": steps, "refine": 0.0})
