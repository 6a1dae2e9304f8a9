"""Freed memory: commands keep it, since page faults cost time; servers return it."""

from __future__ import annotations

import ctypes
import platform
from functools import cache


def keep_freed_memory() -> bool:
    """Tell glibc to reuse large freed blocks instead of giving them back to the kernel.

    Each batch frees and asks for the same few hundred megabytes of maps; page faults on fresh
    ones took a third of a shallow training step, and a third of predicting 256 faces at a time.
    For commands, not for servers: the process keeps its largest size until it ends. Returns
    False where the C library is not glibc.
    """
    library = _glibc()
    if library is None:
        return False
    mallopt = library.mallopt
    trim_threshold, top_pad, mmap_max = -1, -2, -4  # malloc.h
    return bool(
        mallopt(mmap_max, 0) and mallopt(trim_threshold, 2**31 - 1) and mallopt(top_pad, 2**28)
    )


def return_freed_memory() -> bool:
    """Give freed memory back to the kernel, wherever it lies in the heap.

    After large blocks came and went, glibc keeps their pages for as long as anything above them is
    in use: after some photos of 64 megapixels that was a third of a gigabyte. Takes milliseconds.
    Returns False where the C library is not glibc, or where there was nothing to give.
    """
    library = _glibc()
    return library is not None and bool(library.malloc_trim(0))


@cache
def _glibc() -> ctypes.CDLL | None:
    """Return the C library; None where it is another one."""
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
