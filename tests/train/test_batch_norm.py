"""Two processes normalise their halves as one process normalises the whole batch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from fermodels.nets import checkpoint
from tests.toys import ROOT, run_training, striped_faces, write_csv

# Each process holds half of a batch; the losses' mean is the loss of the whole.
HALVES = """
import sys, torch, torch.distributed as dist
from torch import nn
from train.batch_norm import GlobalBatchNorm, share_batch_statistics

rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method="file://" + sys.argv[2], rank=rank, world_size=2)
for shape, kind in (((8, 3), nn.BatchNorm1d), ((8, 3, 5, 4), nn.BatchNorm2d)):
    torch.manual_seed(0)
    whole, weights = torch.randn(shape, dtype=torch.float32) * 3 + 7, torch.randn(shape)
    plain, ours = nn.Sequential(kind(3)), nn.Sequential(kind(3))
    nn.init.uniform_(plain[0].weight)
    ours.load_state_dict(plain.state_dict())
    share_batch_statistics(ours, whole.device)
    assert isinstance(ours[0], GlobalBatchNorm)
    x, mine = whole.clone().requires_grad_(), slice(rank, None, 2)
    (plain(x) * weights).square().mean().backward()
    y = whole[mine].clone().requires_grad_()
    out = ours(y)
    (out * weights[mine]).square().mean().backward()
    close = dict(rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(out, plain.train()(whole)[mine], **close)
    torch.testing.assert_close(y.grad / 2, x.grad[mine], **close)  # the mean of two losses
    for a, b in zip(ours.parameters(), plain.parameters()):
        dist.all_reduce(a.grad)
        torch.testing.assert_close(a.grad / 2, b.grad, **close)
    fresh = kind(3)
    fresh(whole)
    torch.testing.assert_close(ours[0].running_mean, fresh.running_mean, **close)
    torch.testing.assert_close(ours[0].running_var, fresh.running_var, **close)
    assert int(ours[0].num_batches_tracked) == 1
print("same")
"""


def test_halves_give_the_output_gradients_and_statistics_of_the_whole(tmp_path: Path) -> None:
    both = [
        subprocess.Popen(
            [sys.executable, "-c", HALVES, str(rank), str(tmp_path / "meet")], cwd=ROOT,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    said = [process.communicate(timeout=120) for process in both]
    assert [out.strip() for out, _ in said] == ["same", "same"], said


def test_two_processes_follow_one_with_batch_norm_in_conv_fc_and_hog(tmp_path: Path) -> None:
    csv = write_csv(tmp_path / "fer2013.csv", striped_faces(245))
    words = f"--data {csv} --epochs 2 --hog --fc-dropout 0 --conv-dropout 0 --optimizer sgd".split()
    losses = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        done = run_training(*words, "--run-dir", str(folder), processes=processes)
        assert done.returncode == 0, done.stderr
        losses.append(checkpoint.read_history(folder / "checkpoint").steps["loss"].to_numpy())
    assert len(losses[0]) == 10
    np.testing.assert_allclose(losses[0], losses[1], atol=5e-5)
