"""What learns: a network with its optimiser, its processes and the average of its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from fermodels.nets.fernet import FERNet
from train.config import TrainConfig
from train.device import Runtime, share_batch_statistics


@dataclass
class Learner:
    """What learns: the network, its possibly wrapped forward, optimiser and weight average."""

    net: FERNet
    forward: nn.Module
    optimizer: torch.optim.Optimizer
    average: FERNet | None

    @property
    def judged(self) -> FERNet:
        """The network whose accuracy counts: the weight average where there is one."""
        return self.net if self.average is None else self.average

    def parts(self) -> dict[str, Any]:
        """Return everything of it that a resume needs."""
        average = None if self.average is None else self.average.state_dict()
        return {
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": average,
        }

    def restore(self, parts: dict[str, Any]) -> None:
        """Take back what `parts` gave."""
        self.net.load_state_dict(parts["net"])
        self.optimizer.load_state_dict(parts["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(parts["average"])

    @torch.no_grad()
    def update_average(self, decay: float, step: int) -> None:
        """Move the weight average towards the current weights and batch statistics.

        Young averages move faster, or they would hold on to the initial weights and variances.
        """
        if self.average is None:
            return
        decay = min(decay, (1 + step) / (10 + step))
        pairs = zip(self.average.state_dict().values(), self.net.state_dict().values(), strict=True)
        for slow, fast in pairs:
            if slow.is_floating_point():
                slow.lerp_(fast, 1 - decay)
            else:
                slow.copy_(fast)


def make_learner(net: FERNet, config: TrainConfig, runtime: Runtime) -> Learner:
    """Place a network and give it an optimiser; biases and norms are not decayed."""
    runtime.place(net)
    groups = [
        {
            "params": [p for p in net.parameters() if p.dim() > 1],
            "weight_decay": config.weight_decay,
        },
        {"params": [p for p in net.parameters() if p.dim() <= 1], "weight_decay": 0.0},
    ]
    optimizer: torch.optim.Optimizer
    fused = runtime.device.type in ("cpu", "cuda")
    if config.optimizer == "sgd":
        optimizer = torch.optim.SGD(
            groups, config.learning_rate, config.momentum, nesterov=config.momentum > 0, fused=fused
        )
    else:
        optimizer = torch.optim.AdamW(
            groups, config.learning_rate, (config.momentum, 0.999), fused=fused
        )
    average = None
    if config.ema_decay:
        average = runtime.place(FERNet(net.config))
        average.load_state_dict(net.state_dict())
        average.requires_grad_(False).eval()
    forward: nn.Module = net
    if config.compile:
        net.compile()
    if runtime.world > 1:
        forward = share_batch_statistics(forward, runtime.device)
        forward = DistributedDataParallel(forward, forward_sync_buffers=False)
    return Learner(net, forward, optimizer, average)
