"""The training loop: forward, loss, backward, step, schedule, all on one screen in `run_epoch`."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from fermodels.data.dataset import FaceDataset
from fermodels.errors import ConfigError
from fermodels.nets.fernet import FERNet, to_pixels
from train.augment import augment
from train.config import TrainConfig
from train.device import Runtime, share_batch_statistics
from train.evidence import epoch_evidence, norms, to_floats
from train.state import STATE_FILE, Progress, copy_of, load_state, save_state, show_progress

TRAIN_PROBE = 2048


@dataclass(frozen=True)
class TrainData:
    """Faces resident on the run's device: uint8 ``(N, 1, 48, 48)`` with int64 labels."""

    train: tuple[Tensor, Tensor]
    """What is learned from."""
    validation: tuple[Tensor, Tensor]
    """What epochs are chosen by."""

    @classmethod
    def of(cls, faces: FaceDataset, device: torch.device) -> TrainData:
        """Put a dataset's train and validation splits on a device."""
        parts = [faces.split("train"), faces.split("validation")]
        pairs = [
            (to_pixels(p.images).to(device), torch.from_numpy(p.labels).to(device)) for p in parts
        ]
        return cls(pairs[0], pairs[1])

    @property
    def train_probe(self) -> tuple[Tensor, Tensor]:
        """The same evenly spaced training faces every epoch."""
        step = max(1, len(self.train[0]) // TRAIN_PROBE)
        return self.train[0][::step][:TRAIN_PROBE], self.train[1][::step][:TRAIN_PROBE]


def learning_rate(step: int, steps_per_epoch: int, config: TrainConfig) -> float:
    """Return the learning rate of a step (from 0): linear warm-up, then constant or cosine."""
    warmup = config.warmup_epochs * steps_per_epoch
    if step < warmup:
        return config.learning_rate * (step + 1) / (warmup + 1)
    if config.schedule == "constant":
        return config.learning_rate
    share = (step - warmup) / max(1, config.epochs * steps_per_epoch - warmup)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def seed_epoch(config: TrainConfig, epoch: int, runtime: Runtime) -> torch.Generator:
    """Seed dropout (per process) and return the generator of data order and views (shared).

    Each epoch's randomness depends on (seed, epoch) alone, so a resumed run needs no saved
    generator state to repeat an unbroken one bit for bit.
    """
    base = config.seed * 1_000_003 + epoch
    torch.manual_seed(base * 1_009 + runtime.rank)
    return torch.Generator().manual_seed(base)


def batches(
    data: TrainData, config: TrainConfig, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield shuffled global batches; the last incomplete one is left out."""
    faces, labels = data.train
    order = torch.randperm(len(faces), generator=generator).to(faces.device)
    for start in range(0, len(order) - config.batch_size + 1, config.batch_size):
        rows = order[start : start + config.batch_size]
        yield to_floats(faces[rows]), labels[rows]


def run_epoch(
    learner: Learner, data: TrainData, config: TrainConfig, runtime: Runtime, epoch: int
) -> list[dict[str, float]]:
    """Train one epoch (from 0); return a row per step."""
    generator = seed_epoch(config, epoch, runtime)
    steps = len(data.train[0]) // config.batch_size
    mine = slice(runtime.rank, None, runtime.world)
    rows, measured = [], []
    learner.forward.train()
    bar = tqdm(
        batches(data, config, generator), f"epoch {epoch + 1}/{config.epochs}", steps,
        leave=False, disable=not runtime.leads, mininterval=1, unit="batch",
    )  # fmt: skip
    for number, (faces, labels) in enumerate(bar, start=epoch * steps):
        faces = augment(faces, learner.net.mean_face, config, generator)[mine]
        labels = labels[mine]
        rate = learning_rate(number, steps, config)
        for group in learner.optimizer.param_groups:
            group["lr"] = rate

        with runtime.autocast():
            logits = learner.forward(faces)
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=config.label_smoothing)
        learner.optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(learner.net.parameters(), config.gradient_clip or math.inf)
        learner.optimizer.step()
        learner.update_average(config.ema_decay, number)

        correct = (logits.argmax(1) == labels).float().mean()
        measured.append(torch.stack([loss.detach(), correct, norm.float()]))
        rows.append({"step": number + 1, "epoch": epoch + 1, "learning_rate": rate})
    return _with_measurements(rows, torch.stack(measured), runtime)


def _with_measurements(
    rows: list[dict[str, float]], measured: Tensor, runtime: Runtime
) -> list[dict[str, float]]:
    """Add each step's loss, accuracy and gradient norm, averaged over processes, to its row.

    They stay on the device until the epoch's end, so that no step waits for a transfer.
    """
    if runtime.world > 1:
        dist.all_reduce(measured)
        measured /= runtime.world
    for row, (loss, accuracy, norm) in zip(rows, measured.tolist(), strict=True):
        row.update(loss=loss, accuracy=accuracy, gradient_norm=norm)
    return rows


def close_epoch(
    learner: Learner, data: TrainData, runtime: Runtime, progress: Progress,
    rows: list[dict[str, float]],
) -> None:  # fmt: skip
    """Evaluate, record the epoch's evidence and keep the weights if they are the best yet."""
    evidence = epoch_evidence(learner.judged, runtime, data.validation, data.train_probe)
    progress.epoch += 1
    progress.steps += rows
    progress.epochs.append(
        {
            "epoch": progress.epoch,
            "train_loss": sum(row["loss"] for row in rows) / len(rows),
            "train_accuracy": sum(row["accuracy"] for row in rows) / len(rows),
            "learning_rate": rows[-1]["learning_rate"],
            "gradient_norms": norms(learner.net, lambda p: p.grad),
            **evidence,
        }
    )
    if evidence["validation_accuracy"] > progress.best_accuracy:
        progress.best_accuracy = evidence["validation_accuracy"]
        progress.best_epoch = progress.epoch
        progress.best_weights = copy_of(learner.judged)


def _check_sizes(data: TrainData, config: TrainConfig, runtime: Runtime) -> None:
    if len(data.train[0]) < config.batch_size:
        raise ConfigError(
            f"batch_size is {config.batch_size} but there are {len(data.train[0])} training "
            "faces: choose a smaller --batch-size"
        )
    if config.batch_size % runtime.world:
        raise ConfigError(
            f"batch_size is {config.batch_size}: expected a multiple of {runtime.world} processes"
        )


def train(
    net: FERNet, data: TrainData, config: TrainConfig, runtime: Runtime,
    folder: Path, settings: dict[str, Any],
) -> Progress:  # fmt: skip
    """Train to the last epoch, going on from `folder`'s saved state if there is one.

    Args:
        net: the network; afterwards it holds the last epoch's weights.
        data: faces on the runtime's device.
        config: the recipe.
        runtime: device, precision and processes.
        folder: where the resumable state is written after every epoch.
        settings: what a resumed run must share with the first.

    Raises:
        ConfigError: the batch does not fit the data or the processes.
        CheckpointError: the saved state was made with other settings.
    """
    _check_sizes(data, config, runtime)
    learner, progress = make_learner(net, config, runtime), Progress()
    if (folder / STATE_FILE).exists():
        progress, parts = load_state(folder, settings)
        learner.restore(parts)
    for epoch in range(progress.epoch, config.epochs):
        started = time.perf_counter()
        rows = run_epoch(learner, data, config, runtime, epoch)
        progress.step_seconds += time.perf_counter() - started
        if runtime.leads:
            close_epoch(learner, data, runtime, progress, rows)
            progress.seconds += time.perf_counter() - started
            save_state(folder, settings, progress, learner.parts())
            show_progress(folder, progress, config.epochs)
            _say(progress, config, len(rows))
        if runtime.world > 1:
            dist.barrier()
    return progress


def _say(progress: Progress, config: TrainConfig, steps: int) -> None:
    last = progress.epochs[-1]
    rate = progress.epoch * steps * config.batch_size / progress.step_seconds
    left = (config.epochs - progress.epoch) * progress.seconds / progress.epoch / 60
    tqdm.write(
        f"epoch {progress.epoch}/{config.epochs}  loss {last['train_loss']:.3f}  "
        f"train {last['train_clean_accuracy']:.1%}  validation {last['validation_accuracy']:.1%}  "
        f"best {progress.best_accuracy:.1%} (epoch {progress.best_epoch})  "
        f"{rate:.0f} faces/s  {left:.0f} min left"
    )


# --- What learns: a network with its optimiser, its processes and the average of its weights


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
