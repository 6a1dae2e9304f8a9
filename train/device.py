"""Where and in what precision a run computes: CUDA, MPS or CPU, one process or many."""

from __future__ import annotations

import os
import platform
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fermodels.memory import keep_freed_memory

Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True)
class Runtime:
    """The device, number format and place among the processes of this run."""

    device: torch.device
    """Device that holds network and faces."""
    bf16: bool
    """Whether the forward pass runs under bfloat16 autocast."""
    rank: int = 0
    """This process's number among `world`."""
    world: int = 1
    """Number of processes that share each batch."""

    def autocast(self) -> AbstractContextManager[None]:
        """Return the autocast context of the forward pass; bfloat16 needs no loss scaling."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    @property
    def leads(self) -> bool:
        """Whether this process evaluates, records and writes."""
        return self.rank == 0

    def place(self, net: Net) -> Net:
        """Move a network here, in the memory layout its convolutions prefer."""
        net.to(self.device)
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # in no stub
        return net


def _bf16_is_fast(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "mps":
        return False
    flags = torch.backends.cpu.get_cpu_capability()
    return flags.startswith("AVX512") or platform.machine() in ("arm64", "aarch64")


def start(precision: str) -> Runtime:
    """Choose the device and join the process group that `torchrun` announces, if any."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    rank, local = int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0"))
    if torch.cuda.is_available():
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
        torch.backends.cudnn.benchmark = True
    elif torch.backends.mps.is_available():
        device = torch.device("mps")
    else:
        device = torch.device("cpu")
        keep_freed_memory()
    if world > 1:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    bf16 = precision == "bf16" or (precision == "auto" and _bf16_is_fast(device))
    return Runtime(device, bf16, rank, world)


# --- Batch statistics over all processes, so that two halves of a batch are normalised as the whole
#
# CUDA has `nn.SyncBatchNorm`; it refuses other devices, where this one stands in. Source: Ioffe &
# Szegedy 2015, "Batch Normalization", Algorithm 1, the mini-batch being the global one.


class _Total(torch.autograd.Function):
    """The sum over processes; each addend's gradient is the sum of all processes' gradients."""

    @staticmethod
    def forward(ctx: Any, addend: Tensor) -> Tensor:
        """Return the sum of every process's `addend`."""
        total = addend.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Return the gradient that every addend gets."""
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total


class GlobalBatchNorm(_BatchNorm):
    """Batch normalisation by the mean and variance of the global batch, equal shares assumed."""

    @classmethod
    def of(cls, norm: _BatchNorm) -> GlobalBatchNorm:
        """Return one that shares the parameters and running statistics of `norm`."""
        replacement = cls(norm.num_features, norm.eps, norm.momentum, norm.affine)
        replacement.weight, replacement.bias = norm.weight, norm.bias
        replacement.running_mean, replacement.running_var = norm.running_mean, norm.running_var
        replacement.num_batches_tracked = norm.num_batches_tracked
        return replacement.train(norm.training)

    def _check_input_dim(self, input: Tensor) -> None:
        """Take what BatchNorm1d and BatchNorm2d take: ``(N, C)`` or ``(N, C, H, W)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C)`` or ``(N, C, H, W)`` to the same shape and dtype, computed in float32."""
        if not self.training:
            return super().forward(x)
        dims = [dim for dim in range(x.dim()) if dim != 1]
        shape = [1, -1, *[1] * (x.dim() - 2)]
        values, count = x.float(), x.numel() // x.shape[1] * dist.get_world_size()
        # in two passes: the mean of squares minus the square of the mean loses digits
        mean = _total(values.sum(dims)) / count
        centred = values - mean.view(shape)
        variance = _total(centred.square().sum(dims)) / count
        self._follow(mean.detach(), variance.detach() * (count / (count - 1)))
        normed = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            normed = normed * self.weight.view(shape) + self.bias.view(shape)
        return normed.to(x.dtype)

    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics, which are the same in every process."""
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
        self.num_batches_tracked += 1


def _total(addend: Tensor) -> Tensor:
    total: Tensor = _Total.apply(addend)  # type: ignore[no-untyped-call]  # typed in no stub
    return total


def share_batch_statistics(net: nn.Module, device: torch.device) -> nn.Module:
    """Make every batch norm of a network count over all processes; return the network.

    Parameters and buffers keep their names and identity, so an optimiser made before still holds.
    """
    if device.type == "cuda":
        synced: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(net)
        return synced
    for name, child in list(net.named_children()):
        if isinstance(child, _BatchNorm):
            net.add_module(name, GlobalBatchNorm.of(child))
        else:
            share_batch_statistics(child, device)
    return net
