"""Attribution by a linear model fitted to the network's scores of partly covered faces.

Captum fits with scikit-learn, one coalition at a time and per batch; here all coalitions of a
face go through the network together, and a hybrid's branches are players of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fermodels.data.dataset import FACE_SIDE
from fermodels.errors import ConfigError
from fermodels.xai.attribution.occlusion import spread
from fermodels.xai.attribution.request import AttributionRequest, Parts
from fermodels.xai.model_access import in_batches

_Fit = Callable[[AttributionRequest, int, Tensor], Tensor]
"""``(request, row, masks (M, 48, 48))`` -> one value per branch and patch, branch by branch."""

LIME_WIDTH = 0.25
"""Width of LIME's kernel on the cosine distance: the authors' own for pictures."""


def kernel_shap(q: AttributionRequest) -> Parts:
    """Shapley values of patches: each one's fair share of the score's change.

    Many copies of the face, with random patches replaced by the baseline, go through the network.
    A linear model is fitted to their scores (KernelSHAP); it equals the score exactly at the whole
    face and at the baseline, so the map sums to their difference. With few samples the
    shares are rough: change the seed to see how rough. In a hybrid each branch's patches are
    players of their own.
    """
    return _by_patches(q, _shapley)


def lime(q: AttributionRequest) -> Parts:
    """The weights of a linear model that was fitted to the network near this face.

    Random patches are replaced by the baseline; faces that keep most of their patches count
    most. The ridge pulls all values towards zero and makes them steadier; they need not sum to
    anything. Patches and seed change the map: look at several.
    """
    return _by_patches(q, _lime)


def _by_patches(q: AttributionRequest, fit: _Fit) -> Parts:
    """Explain face by face, since each may be cut into patches of its own."""
    maps = []
    with torch.no_grad():
        for row in range(len(q.faces)):
            masks = patches_of(q.faces[row], int(q.options["segments"]), bool(q.options["follow"]))
            values = fit(q, row, masks).to(q.faces).view(len(q.inputs), -1)
            maps.append([spread(branch[None], masks) for branch in values])
    return q.parts([torch.cat(branch) for branch in zip(*maps, strict=True)])


def _shapley(q: AttributionRequest, row: int, masks: Tensor) -> Tensor:
    """Return Shapley values ``(players,)``; see Lundberg & Lee 2017, theorem 2."""
    players = len(masks) * len(q.inputs)
    present, weights = coalitions(players, int(q.options["samples"]), int(q.options["seed"]))
    ends = torch.tensor([[0.0], [1.0]]).double().expand(2, players)
    scores = _scores(q, row, masks, torch.cat([ends, present]))
    drop, gains = scores[1] - scores[0], scores[2:] - scores[0]
    # the last player takes what the others leave of the drop, which makes the sum exact
    others, root = present[:, :-1] - present[:, -1:], weights.sqrt()
    values = _least_squares(others * root[:, None], (gains - present[:, -1] * drop) * root)
    return torch.cat([values, (drop - values.sum()).view(1)])


def _lime(q: AttributionRequest, row: int, masks: Tensor) -> Tensor:
    """Return the ridge regression's slopes ``(players,)``; see Ribeiro et al. 2016, eq. 1."""
    players, samples = len(masks) * len(q.inputs), int(q.options["samples"])
    random = torch.Generator().manual_seed(int(q.options["seed"]))
    present = torch.randint(2, (samples, players), generator=random).double()
    present[0] = 1.0  # the face itself
    distance = 1 - (present.mean(1)).sqrt()  # cosine distance to all ones
    weights = torch.exp(-(distance**2) / LIME_WIDTH**2)
    scores = _scores(q, row, masks, present)
    share = weights / weights.sum()
    centred, responses = present - share @ present, scores - share @ scores  # a free intercept
    gram = (centred.T * weights) @ centred
    ridge = float(q.options["ridge"]) * torch.eye(players).double()
    return _least_squares(gram + ridge, centred.T @ (weights * responses))


def coalitions(players: int, samples: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return which players are present, ``(S, players)`` of 0 and 1, and row weights ``(S,)``.

    Both float64. All proper coalitions with the Shapley kernel's weights, if there are no more
    than `samples`; then Shapley values come out exactly. Else `samples` of them drawn from that
    kernel, each beside its complement, which steadies the fit (Covert & Lee 2021, arXiv
    2012.01536).

    Raises:
        ConfigError: fewer samples than players: the values would not be determined.
    """
    if 2**players - 2 <= samples:
        every = torch.tensor(list(product((0.0, 1.0), repeat=players))[1:-1]).double()
        kernel = [1 / (math.comb(players, k) * k * (players - k)) for k in range(1, players)]
        return every, torch.tensor(kernel).double()[every.sum(1).long() - 1]
    if samples <= players:
        raise ConfigError(
            f"samples is {samples} for {players} patches: expected more samples than patches"
        )
    random = torch.Generator().manual_seed(seed)
    sizes = torch.arange(1, players).double()
    half = -(-samples // 2)
    size = 1 + torch.multinomial(1 / (sizes * (players - sizes)), half, True, generator=random)
    rank = torch.rand(half, players, generator=random).argsort(1).argsort(1)
    present = (rank < size[:, None]).double()
    paired = torch.stack([present, 1 - present], 1).flatten(0, 1)[:samples]
    return paired, torch.ones(samples).double()


def _scores(q: AttributionRequest, row: int, masks: Tensor, present: Tensor) -> Tensor:
    """Return the score, float64 ``(S,)``, of one face of which only some patches are shown."""
    face, baseline = q.faces[row : row + 1], q.baselines[row : row + 1]
    flat = masks.flatten(1).to(face)
    scores = []
    for some in in_batches(present.to(face)):
        shares = some.view(len(some), len(q.inputs), -1) @ flat  # (S, branches, pixels)
        shown = [share.view(-1, *face.shape[1:]) for share in shares.unbind(1)]
        inputs = [torch.lerp(baseline, face, share) for share in shown]
        scores.append(q.score(*inputs, rows=row))
    return torch.cat(scores).double().cpu()


def _least_squares(rows: Tensor, values: Tensor) -> Tensor:
    """Solve ``rows @ x = values`` by least squares; the shortest x if there are many."""
    solution: Tensor = torch.linalg.lstsq(rows, values[:, None], driver="gelsd").solution
    return solution[:, 0]


# --- A face cut into patches that are switched on and off together


COMPACTNESS = 0.1
"""How square SLIC's patches are, against how closely they follow grey levels in [0, 1]."""


def patches_of(face: Tensor, count: int, follow: bool) -> Tensor:
    """Cut a face into about `count` patches.

    Args:
        face: ``(1, 48, 48)`` in [0, 1].
        count: number of patches; as near to it as a square grid, or SLIC, comes.
        follow: cut along the face's edges (SLIC: Achanta et al. 2012,
            doi 10.1109/TPAMI.2012.120); else into equal squares.

    Returns:
        Masks, bool ``(M, 48, 48)`` on the face's device; each pixel is in exactly one.
    """
    labels = _slic(face[0].cpu().numpy(), count) if follow else _squares(count)
    numbers = torch.from_numpy(np.unique(labels, return_inverse=True)[1].astype(np.int64))
    masks = torch.nn.functional.one_hot(numbers.view(FACE_SIDE, FACE_SIDE)).permute(2, 0, 1)
    return masks.bool().to(face.device)


def _slic(face: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    from skimage.segmentation import slic

    labels: NDArray[np.int64] = slic(
        face.astype(np.float64),
        n_segments=count,
        compactness=COMPACTNESS,
        sigma=0.5,
        channel_axis=None,
        start_label=0,
    )
    return labels


def _squares(count: int) -> NDArray[np.int64]:
    side = max(1, round(math.sqrt(count)))
    strip = np.arange(FACE_SIDE) * side // FACE_SIDE
    return strip[:, None] * side + strip
