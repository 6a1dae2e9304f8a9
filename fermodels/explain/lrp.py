"""Layer-wise relevance propagation: the score, handed back from layer to layer.

Written as a gradient: each layer's output gets a gradient of our making (its value stays), such
that input times gradient is the rule's relevance (Montavon et al. 2019, doi
10.1007/978-3-030-28954-6_10). ReLUs and max-pools need nothing: input times
gradient already hands on what they let through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from fermodels.errors import ConfigError
from fermodels.explain.folding import fold_batch_norms
from fermodels.explain.question import Parts, Question, logits_of
from fermodels.nets.networks import FERNet

Rule = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""``(layer, its input, its output)`` -> the output, with the rule's gradient."""

WITH_RULE = (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d)
"""Layers with weights whose relevance is defined; batch norms join the layer before them."""


def lrp(q: Question) -> Parts:
    """The score itself, shared out backwards: each unit hands on to what made it respond.

    Conv layers hand on to what excited them (alpha 1) or also, with a minus, to what inhibited
    them (alpha 2, beta 1); fully connected layers use the epsilon rule; alpha 0 uses that
    everywhere. Smooth, easy to read, but the alpha 1 rule depends little on the class. Biases
    keep their share, so the sum is not the score: it can be near zero or of the other sign. Of
    a hybrid it shows the conv branch only.
    """
    _require_rules(q.net)
    fold_batch_norms(q.net)
    _require_no_batch_norm(q.net)
    with _rules_on(q.net, int(q.options["alpha"]), float(q.options["epsilon"])):
        leaves = tuple(tensor.detach().clone().requires_grad_() for tensor in q.inputs)
        logits = logits_of(q.net, leaves)
    # input times gradient: at the output that is the score
    total = (logits * q.directions).sum()
    gradient = torch.autograd.grad(total, leaves[0], materialize_grads=True)[0]
    seen = q.faces - q.net.mean_face if isinstance(q.net, FERNet) else q.faces
    return {"conv": seen * gradient}


def epsilon_rule(epsilon: float) -> Rule:
    """Share by contribution, but let units that hardly responded keep theirs.

    Bach et al. 2015, doi 10.1371/journal.pone.0130140, eq. 58: ``z_ij / (z_j + e sign(z_j))``.
    """

    def rule(_layer: nn.Module, _x: Tensor, z: Tensor) -> Tensor:
        here = z.detach()
        return here + (z - here) * (here.abs() / (here.abs() + epsilon))

    return rule


def alpha_beta_rule(alpha: int) -> Rule:
    """Share `alpha` among positive contributions, ``1 - alpha`` among negative ones.

    Bach et al. 2015, eq. 60, without the biases' part, so that a conv layer passes on all it
    got: ``alpha z+_ij / z+_j - beta z-_ij / z-_j`` with ``beta = alpha - 1``.
    """

    def rule(layer: nn.Module, x: Tensor, z: Tensor) -> Tensor:
        assert isinstance(layer, nn.Conv2d)
        here = z.detach()
        excited, inhibited = _by_sign(layer, x)
        z = here + alpha * _same_gradient(excited, here)
        return z if alpha == 1 else z - (alpha - 1) * _same_gradient(inhibited, here)

    return rule


def _by_sign(layer: nn.Conv2d, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sums of a convolution's positive and of its negative contributions."""
    up, down = layer.weight.clamp_min(0), layer.weight.clamp_max(0)
    high, low = x.clamp_min(0), x.clamp_max(0)
    conv = partial(layer._conv_forward, bias=None)
    return conv(high, up) + conv(low, down), conv(high, down) + conv(low, up)


def _same_gradient(part: Tensor, z: Tensor) -> Tensor:
    """Return zero whose gradient is that of `part`, scaled as if `part` were all of z."""
    here = part.detach()
    return (part - here) * torch.where(here == 0, 0.0, z / here)


@contextmanager
def _rules_on(net: nn.Module, alpha: int, epsilon: float) -> Iterator[None]:
    """Hook the rules to a twin's layers for one forward pass."""
    dense = epsilon_rule(epsilon)
    conv = alpha_beta_rule(alpha) if alpha else dense
    handles = [
        module.register_forward_hook(_hook(conv if isinstance(module, nn.Conv2d) else dense))
        for module in net.modules()
        if isinstance(module, (nn.Conv2d, nn.Linear))
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hook(rule: Rule) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
    return lambda layer, inputs, output: rule(layer, inputs[0], output)


def _require_rules(net: nn.Module) -> None:
    """Weights of any other kind would silently get the plain gradient.

    Raises:
        ConfigError: names the module.
    """
    for name, module in net.named_modules():
        own = next(module.parameters(recurse=False), None)
        if own is not None and not isinstance(module, WITH_RULE):
            raise ConfigError(
                f"{name or type(net).__name__} is a {type(module).__name__} with weights: LRP has "
                "rules for Conv2d and Linear only; choose another method"
            )


def _require_no_batch_norm(net: nn.Module) -> None:
    """The alpha-beta rule looks at the signs of weights, which a batch norm left over changes.

    Behind fully connected layers nothing need be merged: input times gradient passes any affine
    layer as the epsilon rule would pass it and its neighbour as one.

    Raises:
        ConfigError: a 2-D batch norm could not be merged.
    """
    if any(isinstance(module, nn.BatchNorm2d) for module in net.modules()):
        raise ConfigError(
            f"{type(net).__name__} has a BatchNorm2d that does not follow a Conv2d in the same "
            "nn.Sequential: LRP cannot merge it; choose another method"
        )
