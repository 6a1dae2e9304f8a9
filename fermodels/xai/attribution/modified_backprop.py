"""Attribution by changed backward passes: guided backprop, deconvolution, DeepLIFT and LRP.

All but LRP are computed by Captum, on a shared-weight copy.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from fermodels.errors import ConfigError
from fermodels.nets.fernet import FERNet
from fermodels.xai.attribution.path_integrals import pixel_paths
from fermodels.xai.attribution.request import AttributionRequest, Parts, logits_of, score
from fermodels.xai.fast_forward.prepare import fold_batch_norms
from fermodels.xai.model_access import in_batches


class Scorer(nn.Module):
    """A network whose output is the explained number, for Captum to hook."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map one input per branch, then the target vectors ``(N, 7)``, to scores ``(N, 1)``."""
        return score(self.net, inputs[:-1], inputs[-1]).unsqueeze(1)


def guided_backprop(q: AttributionRequest) -> Parts:
    """The gradient, but a ReLU lets back only what is positive.

    Crisp outlines of whatever excites the network. It fails the randomisation test of Adebayo
    et al.: much of what it draws are the edges of the face, whichever class is explained.
    """
    from captum.attr import GuidedBackprop

    return _through_relus(q, GuidedBackprop)


def deconvolution(q: AttributionRequest) -> Parts:
    """The deconvnet: a ReLU lets back what is positive in the gradient, whether it fired or not.

    Shows which patterns the network could have responded to. Like guided backprop it depends
    little on the class.
    """
    from captum.attr import Deconvolution

    return _through_relus(q, Deconvolution)


def _through_relus(q: AttributionRequest, method: type) -> Parts:
    require_relu_modules(q.net)
    with quiet_captum():
        gradients = method(Scorer(q.net)).attribute(
            q.inputs, target=0, additional_forward_args=(q.target_vector,)
        )
    return q.parts([gradient.detach() for gradient in gradients])


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
    """Hide Captum's notice that it sets hooks: they live on a copy and die with it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting (forward, )?backward hooks")
        yield


# --- DeepLIFT: how each unit changed from its baseline activation, passed back; done by Captum
#
# A hybrid's HOG has no rule in DeepLIFT. There the rescale rule runs down to the HOG features, and
# what each feature was given is shared out among the pixels by integrated gradients through HOG:
# both steps add up, so their composition does.


HOG_PATH = {"steps": 50, "tolerance": 0.025, "refine": 6.0}
"""How finely integrated gradients follow HOG; it costs little beside the network."""


def deep_lift(q: AttributionRequest) -> Parts:
    """DeepLIFT's rescale rule: each unit's change from its baseline activation, passed back.

    Two passes instead of fifty, and it sums to the same difference as integrated gradients. It
    compares two faces only, so it does not notice what happens between them. In a hybrid,
    integrated gradients carry what the HOG features were given on to the pixels.
    """
    return q.parts(_rescaled(q.net, q.faces, q.baselines, q.target_vector, len(q.inputs)))


def deep_lift_shap(q: AttributionRequest) -> Parts:
    """DeepLIFT averaged over several baselines: an estimate of Shapley values.

    Pass several faces as the baseline, say twenty of the training set: the map then says what
    distinguishes this face from them on average, and sums to the average difference. With a single
    baseline it is DeepLIFT.
    """
    if q.paired:
        return deep_lift(q)
    count = len(q.baselines)
    totals = [torch.zeros_like(q.faces) for _ in q.inputs]
    for rows in in_batches(torch.arange(len(q.faces) * count, device=q.faces.device)):
        face, baseline = rows // count, rows % count
        pairs = q.faces[face], q.baselines[baseline], q.target_vector[face]
        for total, part in zip(totals, _rescaled(q.net, *pairs, len(q.inputs)), strict=True):
            total.index_add_(0, face, part / count)
    return q.parts(totals)


def _rescaled(
    net: nn.Module, faces: Tensor, baselines: Tensor, target_vector: Tensor, branches: int
) -> list[Tensor]:
    """Return DeepLIFT's attributions of faces with a baseline each, per branch.

    A hybrid's HOG branch: the rescale rule runs down to the joint of the branches, where HOG is
    replaced by its features, then integrated gradients run through HOG.
    """
    require_relu_modules(net)
    delta = faces - baselines
    with _own_inputs(net):
        if branches == 1 or not isinstance(net, FERNet):
            inputs, references = (faces,) * branches, (baselines,) * branches
            multipliers = _multipliers(net, inputs, references, target_vector)
            return [delta * multiplier for multiplier in multipliers]
        hog = net.hog
        with torch.no_grad():
            inputs, references = (faces, hog(faces)), (baselines, hog(baselines))
        net.set_submodule("hog", nn.Identity())  # the copy's HOG branch now takes features
        try:
            conv, joint = _multipliers(net, inputs, references, target_vector)
        finally:
            net.set_submodule("hog", hog)
        paths = pixel_paths(hog, faces, baselines, joint, 1, HOG_PATH)
        return [delta * conv, torch.stack([path.integrals()[0] for path in paths])]


def _multipliers(
    net: nn.Module,
    inputs: tuple[Tensor, ...],
    baselines: tuple[Tensor, ...],
    target_vector: Tensor,
) -> list[Tensor]:
    """Return contribution per unit of change, shaped as each of the inputs."""
    from captum.attr import DeepLift

    leaves = tuple(tensor.detach().clone().requires_grad_() for tensor in inputs)
    with quiet_captum():
        multipliers = DeepLift(Scorer(net), multiply_by_inputs=False).attribute(
            leaves, baselines, target=0, additional_forward_args=(target_vector,)
        )
    return [tensor.detach() for tensor in multipliers]


@contextmanager
def _own_inputs(net: nn.Module) -> Iterator[None]:
    """Give every nonlinearity of a network copy an input tensor of its own.

    Captum 0.9 (issue 1104) hooks tensors: where a max-pool reads what a ReLU wrote, the ReLU's
    hook sees the gradient before the max-pool's rule has changed it, and credit is lost.
    """

    def own_input(_module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(tensor.view_as(tensor) for tensor in inputs)

    handles = [
        module.register_forward_pre_hook(own_input)
        for module in net.modules()
        if isinstance(module, (nn.ReLU, nn.MaxPool2d))
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


# --- Layer-wise relevance propagation: the score, propagated back from layer to layer
#
# Written as a gradient: each layer's output gets a gradient of our making (its value stays), such
# that input times gradient is the rule's relevance (Montavon et al. 2019, doi
# 10.1007/978-3-030-28954-6_10). ReLUs and max-pools need nothing: input times
# gradient already hands on what they let through.


Rule = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""``(layer, its input, its output)`` -> the output, with the rule's gradient."""

WITH_RULE = (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d)
"""Layers with weights whose relevance is defined; batch norms join the layer before them."""


def lrp(q: AttributionRequest) -> Parts:
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
    total = (logits * q.target_vector).sum()
    gradient = torch.autograd.grad(total, leaves[0], materialize_grads=True)[0]
    x = q.faces - q.net.mean_face if isinstance(q.net, FERNet) else q.faces
    return {"conv": x * gradient}


def epsilon_rule(epsilon: float) -> Rule:
    """Share by contribution, but let units that hardly responded keep theirs.

    Bach et al. 2015, doi 10.1371/journal.pone.0130140, eq. 58: ``z_ij / (z_j + e sign(z_j))``.
    """

    def rule(_layer: nn.Module, _x: Tensor, z: Tensor) -> Tensor:
        value = z.detach()
        return value + (z - value) * (value.abs() / (value.abs() + epsilon))

    return rule


def alpha_beta_rule(alpha: int) -> Rule:
    """Share `alpha` among positive contributions, ``1 - alpha`` among negative ones.

    Bach et al. 2015, eq. 60, without the biases' part, so that a conv layer passes on all it
    got: ``alpha z+_ij / z+_j - beta z-_ij / z-_j`` with ``beta = alpha - 1``.
    """

    def rule(layer: nn.Module, x: Tensor, z: Tensor) -> Tensor:
        assert isinstance(layer, nn.Conv2d)
        up, down = layer.weight.clamp_min(0), layer.weight.clamp_max(0)
        positive, negative = x.clamp_min(0), x.clamp_max(0)
        conv = partial(layer._conv_forward, bias=None)
        excited = conv(positive, up) + conv(negative, down)
        value = z.detach()
        z = value + alpha * _same_gradient(excited, value)
        if alpha == 1:
            return z
        inhibited = conv(positive, down) + conv(negative, up)
        return z - (alpha - 1) * _same_gradient(inhibited, value)

    return rule


def _same_gradient(part: Tensor, z: Tensor) -> Tensor:
    """Return zero whose gradient is that of `part`, scaled as if `part` were all of z."""
    value = part.detach()
    return (part - value) * torch.where(value == 0, 0.0, z / value)


@contextmanager
def _rules_on(net: nn.Module, alpha: int, epsilon: float) -> Iterator[None]:
    """Hook the rules to a network copy's layers for one forward pass."""
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
