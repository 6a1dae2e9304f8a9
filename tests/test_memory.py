"""Commands keep what they freed, for the next batch; servers give it back."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import torch
from fermodels.memory import keep_freed_memory

def work():
    torch.zeros(8 << 20).add(1).sum()  # two blocks of 32 MB, freed at once

if sys.argv[1] == "keep":
    assert keep_freed_memory()
for _ in range(3):
    work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], check=True, capture_output=True, text=True
    )
    return int(told.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_freed_blocks_are_reused_without_page_faults() -> None:
    # not none: the heap may still grow once, by a block that finds no gap
    assert 5 * faults("keep") < faults("give back")


RETURN = """
import numpy as np
from fermodels.memory import return_freed_memory

def resident():
    line = next(l for l in open("/proc/self/status") if l.startswith("VmRSS"))
    return int(line.split()[1]) / 1024

blocks = [np.ones(10_000) for _ in range(4000)]  # 80 kB each: in the heap, not mapped
top = np.ones(10_000)
del blocks
before = resident()
return_freed_memory()
print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_freed_blocks_below_one_in_use_go_back_to_the_kernel() -> None:
    told = subprocess.run(
        [sys.executable, "-c", RETURN], check=True, capture_output=True, text=True
    )
    assert float(told.stdout) > 250, "of 320 MB"
