"""How long offline work holds on to memory: page faults cost more than the bytes are worth."""

from __future__ import annotations

import ctypes
import platform


def keep_freed_memory() -> bool:
    """Tell glibc to reuse large freed blocks instead of giving them back to the kernel.

    Each batch frees and asks for the same few hundred megabytes of maps; page faults on fresh
    ones took a third of a shallow training step, and a third of predicting 256 faces at a time.
    For commands, not for servers: the process keeps its largest size until it ends. Returns
    False where the C library is not glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    trim_threshold, top_pad, mmap_max = -1, -2, -4  # malloc.h
    return bool(
        mallopt(mmap_max, 0) and mallopt(trim_threshold, 2**31 - 1) and mallopt(top_pad, 2**28)
    )
