"""Where and in what precision a run computes: CUDA, MPS or CPU, one process or many."""

from __future__ import annotations

import os
import platform
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn

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
