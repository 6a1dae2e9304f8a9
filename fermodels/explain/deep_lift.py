"""DeepLIFT: how each unit changed from its baseline activation, passed back; done by Captum.

A hybrid's HOG has no rule in DeepLIFT. There the rescale rule runs down to the HOG features, and
what each feature was given is shared out among the pixels by integrated gradients through HOG:
both steps add up, so their composition does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from fermodels.explain.hooked import Scorer, quiet_captum, require_relu_modules
from fermodels.explain.path import integrated_gradients
from fermodels.explain.question import Parts, Question, fixed, in_batches
from fermodels.nets.networks import FERNet

HOG_PATH = {"steps": 50, "tolerance": 0.025, "refine": 6.0}
"""How finely integrated gradients follow HOG; it costs little beside the network."""


def deep_lift(q: Question) -> Parts:
    """DeepLIFT's rescale rule: each unit's change from its baseline activation, passed back.

    Two passes instead of fifty, and it sums to the same difference as integrated gradients. It
    compares two faces only, so it does not notice what happens between them. In a hybrid,
    integrated gradients carry what the HOG features were given on to the pixels.
    """
    require_relu_modules(q.net)
    with _own_inputs(q.net):
        if len(q.inputs) == 2 and isinstance(q.net, FERNet):
            return _through_hog(q, q.net)
        multipliers = _multipliers(q, (q.faces,), (q.baselines,))
    return q.parts([(q.faces - q.baselines) * multiplier for multiplier in multipliers])


def deep_lift_shap(q: Question) -> Parts:
    """DeepLIFT averaged over several baselines: an estimate of Shapley values.

    Pass several faces as the baseline, say twenty of the training set: the map then says what
    sets this face apart from them on average, and sums to the average difference. With a single
    baseline it is DeepLIFT.
    """
    if q.paired:
        return deep_lift(q)
    count = len(q.baselines)
    totals = [torch.zeros_like(q.faces) for _ in q.inputs]
    for rows in in_batches(torch.arange(len(q.faces) * count, device=q.faces.device)):
        face, below = rows // count, rows % count
        pairs = replace(
            q,
            faces=q.faces[face],
            baselines=q.baselines[below],
            aim=fixed(q.directions[face]),
            paired=True,
        )
        for total, part in zip(totals, deep_lift(pairs).values(), strict=True):
            total.index_add_(0, face, part / count)
    return q.parts(totals)


def _multipliers(
    q: Question, inputs: tuple[Tensor, ...], baselines: tuple[Tensor, ...]
) -> list[Tensor]:
    """Return contribution per unit of change, shaped as each of the inputs."""
    from captum.attr import DeepLift

    leaves = tuple(tensor.detach().clone().requires_grad_() for tensor in inputs)
    with quiet_captum():
        found = DeepLift(Scorer(q.net), multiply_by_inputs=False).attribute(
            leaves, baselines, target=0, additional_forward_args=(q.directions,)
        )
    return [tensor.detach() for tensor in found]


def _through_hog(q: Question, net: FERNet) -> Parts:
    """Rescale down to the joint of the branches, then integrated gradients through HOG."""
    hog = net.hog
    with torch.no_grad():
        features, below = hog(q.faces), hog(q.baselines)
    net.set_submodule("hog", nn.Identity())  # a twin's HOG branch now takes features
    try:
        conv, joint = _multipliers(q, (q.faces, features), (q.baselines, below))
    finally:
        net.set_submodule("hog", hog)
    leaf = q.faces.clone().requires_grad_()
    linear = replace(q, net=hog, inputs=(leaf,), aim=fixed(joint), options=HOG_PATH)
    return q.parts([(q.faces - q.baselines) * conv, integrated_gradients(linear)["whole"]])


@contextmanager
def _own_inputs(net: nn.Module) -> Iterator[None]:
    """Give every nonlinearity of a twin an input tensor of its own.

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
