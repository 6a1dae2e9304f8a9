"""Fuzz every reader for a stated time: ``python -m tests.fuzz --minutes 10``.

Uses atheris (coverage-guided, libFuzzer) where it is installed, else hypothesis. Ends with status 1
and the bytes that did it at the first finding of any target.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LONGEST = 65_536
"""Bytes of an input."""


def with_atheris(name: str, seconds: int, folder: Path) -> None:
    """Let libFuzzer grow inputs for a target; the process ends with it."""
    import atheris

    with atheris.instrument_imports(include=["fermodels"]):
        from tests.fuzz_targets import TARGETS, survives
    target = TARGETS[name]
    for number, seed in enumerate(target.seeds()):
        (folder / f"seed-{number}").write_bytes(seed)
    flags = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", f"-artifact_prefix={folder}/"]
    atheris.Setup([sys.argv[0], *flags, "-timeout=20", "-rss_limit_mb=4096", str(folder)],
                  lambda data: survives(target, data) and None)  # fmt: skip
    atheris.Fuzz()


def with_hypothesis(name: str, seconds: int) -> int:
    """Draw altered seeds until the time is over; return how many were tried."""
    from hypothesis import HealthCheck, given, settings
    from hypothesis import seed as seeded

    from tests.fuzz_targets import TARGETS, survives
    from tests.hostile.test_fuzz import altered

    target, tried, until = TARGETS[name], [0], time.monotonic() + seconds
    round_ = 0
    while time.monotonic() < until:

        @seeded(round_)
        @settings(max_examples=200, deadline=None, database=None,
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(altered(name))
        def trial(data: bytes) -> None:
            tried[0] += 1
            survives(target, data)

        trial()
        round_ += 1
    return tried[0]


def one(name: str, seconds: int, engine: str) -> None:
    """Fuzz one target in this process."""
    with tempfile.TemporaryDirectory(prefix="fer-fuzz-") as folder:
        os.environ["FER_CACHE"] = folder
        if engine == "atheris":
            place = Path(os.environ.get("FER_FUZZ_OUT", folder)) / name.replace(" ", "-")
            place.mkdir(parents=True, exist_ok=True)
            with_atheris(name, seconds, place)
        else:
            print(f"{name}: {with_hypothesis(name, seconds):,} inputs, no finding", flush=True)


def main() -> int:
    """Fuzz all targets, or the one named, each in a process of its own."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1.0, help="in all")
    parser.add_argument("--target", help="this one alone, of tests.fuzz_targets.TARGETS")
    parser.add_argument("--engine", choices=("atheris", "hypothesis"))
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    found = importlib.util.find_spec("atheris") is not None
    engine = asked.engine or ("atheris" if found else "hypothesis")
    if asked.here:
        one(asked.target, round(asked.minutes * 60), engine)
        return 0
    from tests.fuzz_targets import TARGETS

    names = [name for name in TARGETS if asked.target in (None, name)]
    seconds = max(1, round(asked.minutes * 60 / len(names)))
    bad = []
    for name in names:
        print(f"{name}: {seconds} s with {engine}", flush=True)
        words = ["--here", "--target", name, "--engine", engine, "--minutes", str(seconds / 60)]
        bad += (
            [name]
            if subprocess.run([sys.executable, "-m", "tests.fuzz", *words]).returncode
            else []
        )
    print(f"findings: {', '.join(bad) or 'none'}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
