"""Attribution that changes how gradients pass through a ReLU, done by Captum."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from fermodels.errors import ConfigError
from fermodels.explain.question import Parts, Question, score


class Scorer(nn.Module):
    """A network whose output is the explained number, for Captum to hook."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map one input per branch, then directions ``(N, 7)``, to scores ``(N, 1)``."""
        return score(self.net, inputs[:-1], inputs[-1]).unsqueeze(1)


def guided_backprop(q: Question) -> Parts:
    """The gradient, but a ReLU lets back only what is positive.

    Crisp outlines of whatever excites the network. It fails the randomisation test of Adebayo
    et al.: much of what it draws are the edges of the face, whichever class is asked.
    """
    from captum.attr import GuidedBackprop

    return _through_relus(q, GuidedBackprop)


def deconvolution(q: Question) -> Parts:
    """The deconvnet: a ReLU lets back what is positive in the gradient, whether it fired or not.

    Shows which patterns the network could have responded to. Like guided backprop it depends
    little on the class.
    """
    from captum.attr import Deconvolution

    return _through_relus(q, Deconvolution)


def _through_relus(q: Question, method: type) -> Parts:
    require_relu_modules(q.net)
    with quiet_captum():
        found = method(Scorer(q.net)).attribute(
            q.inputs, target=0, additional_forward_args=(q.directions,)
        )
    return q.parts([tensor.detach() for tensor in found])


def require_relu_modules(net: nn.Module) -> None:
    """A functional ReLU cannot be hooked: the method would silently be the plain gradient.

    Raises:
        ConfigError: no ReLU module anywhere.
    """
    if not any(isinstance(module, nn.ReLU) for module in net.modules()):
        raise ConfigError(
            f"{type(net).__name__} has no nn.ReLU module to hook: this method would be the plain "
            "gradient; make every activation its own nn.ReLU"
        )


@contextmanager
def quiet_captum() -> Iterator[None]:
    """Hide Captum's notice that it sets hooks: they live on a twin and die with it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting (forward, )?backward hooks")
        yield
