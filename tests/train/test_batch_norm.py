"""Two processes normalise, and so learn from, their halves as one process does from the whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.toys import ROOT

# Each process holds half of a batch; the mean of their losses is the loss of the whole.
LAYERS = """
for shape, kind in (((8, 3), nn.BatchNorm1d), ((8, 3, 5, 4), nn.BatchNorm2d)):
    torch.manual_seed(0)
    whole, weights = torch.randn(shape) * 3 + 7, torch.randn(shape)
    plain, ours = nn.Sequential(kind(3)), nn.Sequential(kind(3))
    nn.init.uniform_(plain[0].weight)
    ours.load_state_dict(plain.state_dict())
    share_batch_statistics(ours, CPU)
    assert isinstance(ours[0], GlobalBatchNorm)
    x, mine = whole.clone().requires_grad_(), slice(rank, None, 2)
    expected = plain(x)
    (expected * weights).square().mean().backward()
    half = whole[mine].clone().requires_grad_()
    found = ours(half)
    (found * weights[mine]).square().mean().backward()
    close = dict(rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found, expected[mine], **close)
    torch.testing.assert_close(half.grad / 2, x.grad[mine], **close)
    for a, b in zip(ours.parameters(), plain.parameters(), strict=True):
        dist.all_reduce(a.grad)
        torch.testing.assert_close(a.grad / 2, b.grad, **close)
    torch.testing.assert_close(ours.state_dict(), plain.state_dict(), **close)
    still = whole[mine]
    torch.testing.assert_close(ours.eval()(still), plain.eval()(still), **close)
"""

# Conv, FC and HOG branch norms, mirrored faces, an optimiser with memory: the trainer's own epoch.
EPOCH = """
from tests.toys import striped_faces, tiny_net
from train.config import TrainConfig
from train.device import Runtime
from train.loop import make_learner
from train.loop import TrainData, run_epoch
config = TrainConfig(epochs=1, batch_size=32, learning_rate=0.05)
data, ends = TrainData.of(striped_faces(490), CPU), []
for runtime in (Runtime(CPU, False), Runtime(CPU, False, rank, 2)):
    learner = make_learner(tiny_net(hog=True), config, runtime)
    rows = run_epoch(learner, data, config, runtime, 0)
    ends.append(([row["loss"] for row in rows], learner.net.state_dict()))
(alone, weights), (shared, same_weights) = ends
assert len(alone) == 10 and alone[-1] < alone[0]
torch.testing.assert_close(torch.tensor(shared), torch.tensor(alone), rtol=0, atol=5e-5)
torch.testing.assert_close(same_weights, weights, rtol=1e-2, atol=1e-3)
"""

HEAD = """
import sys, torch, torch.distributed as dist
from torch import nn
from train.device import GlobalBatchNorm, share_batch_statistics
torch.set_num_threads(1)
rank, CPU = int(sys.argv[1]), torch.device("cpu")
dist.init_process_group("gloo", init_method="file://" + sys.argv[2], rank=rank, world_size=2)
"""


def in_two_processes(body: str, meet: Path) -> list[str]:
    """Run `body` as ranks 0 and 1 of one gloo group; return what each has to complain about."""
    both = [
        subprocess.Popen(
            [sys.executable, "-c", HEAD + body, str(rank), str(meet)], cwd=ROOT,
            stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    said = [process.communicate(timeout=240)[1] for process in both]
    return [err for process, err in zip(both, said, strict=True) if process.returncode]


def test_halves_give_the_outputs_gradients_and_statistics_of_the_whole(tmp_path: Path) -> None:
    assert in_two_processes(LAYERS, tmp_path / "meet") == []


def test_two_processes_follow_one_with_batch_norm_everywhere(tmp_path: Path) -> None:
    assert in_two_processes(EPOCH, tmp_path / "meet") == []
