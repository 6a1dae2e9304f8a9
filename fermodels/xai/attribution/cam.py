"""Class activation maps: which places of a conv layer are evidence for the class."""

from __future__ import annotations

import torch
from torch import Tensor

from fermodels.xai.attribution.modified_backprop import guided_backprop
from fermodels.xai.attribution.request import AttributionRequest, Parts, enlarge
from fermodels.xai.model_access import in_batches


def grad_cam(q: AttributionRequest) -> Parts:
    """Where the chosen conv layer responded to what speaks for the class.

    Each channel counts by the average of its gradient, then the map is enlarged to the face:
    one cell of a 6x6 map covers 8 pixels. Robust, class-specific and coarse. Averaging over
    places ignores that the fully connected layers weigh each place differently: HiResCAM does
    not. Of a hybrid it shows the conv branch only.
    """
    return {"conv": enlarge(_clipped(q, _grad_cam_cells(q)))}


def hires_cam(q: AttributionRequest) -> Parts:
    """Where the chosen conv layer responded, each place weighed by its own gradient.

    Faithful where Grad-CAM is not: with fully connected layers behind it, every place and
    channel has a weight of its own. Signed: negative places speak against the class. Of a
    hybrid it shows the conv branch only.
    """
    maps, gradients = maps_and_gradients(q)
    return {"conv": enlarge(_clipped(q, weighted(maps, gradients)))}


def grad_cam_plus_plus(q: AttributionRequest) -> Parts:
    """Grad-CAM that counts the places that speak for the class, not their average.

    Finds several instances, or one large one, better than Grad-CAM, since places without a
    positive gradient do not dilute the average. As coarse as Grad-CAM, and it too ignores that
    the fully connected layers weigh each place differently. Of a hybrid it shows the conv branch
    only.
    """
    maps, gradients = maps_and_gradients(q)
    total = maps.sum((2, 3), keepdim=True)
    # eq. 19 for exp(score), whose second and third derivatives are powers of the first
    denominator = 2 * gradients**2 + total * gradients**3
    shares = torch.where(denominator == 0, 0.0, gradients**2 / denominator)
    weights = (shares * gradients.relu()).sum((2, 3), keepdim=True)
    return {"conv": enlarge(_clipped(q, weighted(maps, weights)))}


def layer_cam(q: AttributionRequest) -> Parts:
    """Where the chosen layer responded and more response would speak for the class.

    HiResCAM without the places that speak against, so that nothing cancels between channels;
    made for early layers, whose maps are sharp. Of a hybrid it shows the conv branch only.
    """
    maps, gradients = maps_and_gradients(q)
    return {"conv": enlarge(_clipped(q, weighted(maps, gradients.relu())))}


def guided_grad_cam(q: AttributionRequest) -> Parts:
    """Guided backprop's fine lines, kept only where Grad-CAM points.

    Pretty and class-specific in the large; in the small it has guided backprop's fault of
    drawing edges whatever the class. Of a hybrid it shows the conv branch only.
    """
    coarse = enlarge(_grad_cam_cells(q).relu())
    fine = next(iter(guided_backprop(q).values()))  # the conv branch comes first
    return {"conv": fine * coarse}


def _grad_cam_cells(q: AttributionRequest) -> Tensor:
    maps, gradients = maps_and_gradients(q)
    return weighted(maps, gradients.mean((2, 3), keepdim=True))


def maps_and_gradients(q: AttributionRequest) -> tuple[Tensor, Tensor]:
    """Return the layer's maps and the score's gradient there, both ``(N, C, h, w)``.

    Raises:
        ConfigError: the layer gave no maps.
    """
    total = (q.logits * q.target_vector).sum()
    (gradients,) = torch.autograd.grad(total, q.maps, retain_graph=True, materialize_grads=True)
    return q.maps.detach(), gradients


def weighted(maps: Tensor, weights: Tensor) -> Tensor:
    """Sum maps over channels with weights that broadcast to them: ``(N, 1, h, w)``."""
    return (maps * weights).sum(1, keepdim=True)


def _clipped(q: AttributionRequest, cam: Tensor) -> Tensor:
    return cam.relu() if q.options["relu"] else cam


# --- A class activation map without gradients: each channel is weighed by what it lets through


def score_cam(q: AttributionRequest) -> Parts:
    """Where the chosen layer responded, each channel weighed by the score it keeps alone.

    The face is shown only where a channel is active, the rest being the baseline; the better
    the score survives, the more the channel counts. No gradients, so no noise from them, but
    one pass for every channel: only those that vary most over the face are used. Of a hybrid it
    shows the conv branch only: HOG sees the whole face throughout.
    """
    with torch.no_grad():
        maps = q.maps.detach()
        chosen = maps.var((2, 3)).topk(min(int(q.options["channels"]), maps.shape[1])).indices
        maps = maps.gather(1, chosen[:, :, None, None].expand(-1, -1, *maps.shape[2:]))
        cam = weighted(maps, _increases(q, maps).softmax(1)[:, :, None, None])
        return {"conv": enlarge(cam.relu() if q.options["relu"] else cam)}


def _increases(q: AttributionRequest, maps: Tensor) -> Tensor:
    """Return the score ``(N, C)`` of each face seen through each of its maps.

    The paper subtracts the baseline's score, which softmax does not notice. A map without any
    variation lets nothing through.
    """
    smallest, largest = maps.amin((2, 3), keepdim=True), maps.amax((2, 3), keepdim=True)
    veils = (maps - smallest) / (largest - smallest).clamp_min(torch.finfo(maps.dtype).tiny)
    count, scores = maps.shape[1], []
    for rows in in_batches(torch.arange(maps.shape[0] * count, device=maps.device)):
        face, channel = rows // count, rows % count
        veil = enlarge(veils[face, channel].unsqueeze(1))
        veiled = torch.lerp(q.baselines[face], q.faces[face], veil)
        inputs = (veiled, *[q.faces[face]] * (len(q.inputs) - 1))
        scores.append(q.score(*inputs, rows=face))
    return torch.cat(scores).view(-1, count)
