"""Other people's packages and ours on the same faces: ``python -m benchmarks.peers``.

    FER2013_DIR=... python -m benchmarks.peers               # all PrivateTest faces, quiet machine
    FER2013_DIR=... python -m benchmarks.peers --faces 50    # a trial, printed and not kept

Every contender runs in a process of its own, peers in environments of their own under the user's
cache folder. In each round all take their turn, so a busy machine slows all of them; times are
medians over rounds, of which the first predicts all faces and the others a few hundred. Accuracy
is on the published crops, one view, by the package's own single-face way; ``photo`` is detection
and classification together. Writes ``results/peers.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from packaging.requirements import Requirement
from PIL import Image

from fermodels.data.emotions import EMOTIONS
from fermodels.data.readers.discover import read_faces
from fermodels.data.samples import sample_photos
from fermodels.errors import ConfigError, exit_status
from fermodels.evaluation.metrics import score
from fermodels.files import check_output, not_json_with, write_json
from fermodels.nets import catalog
from fermodels.results import ResultFile, provenance

WORKER = Path(__file__).with_name("peer_worker.py")
ROOT = Path(__file__).resolve().parents[1]
RESULT = ResultFile("peers", "python -m benchmarks.peers")
REPEATED = 500
"""Faces of the rounds after the first: enough to be timed, and to agree with."""
PHOTO_SIDES = (320, 512, 768, 1024)
"""Sides of the photo that faces are looked for in, in pixels."""


@dataclass(frozen=True)
class Peer:
    """A package to compare with."""

    packages: tuple[str, ...]
    """What pip installs, pinned."""
    borrows: bool
    """Use this environment's torch, OpenCV and NumPy; without, pip resolves everything anew."""
    note: str
    """What one should know of the comparison."""


_SETUP = "setuptools<80"  # they read their weights through pkg_resources
PEERS: dict[str, Peer] = {
    "fer-tflite": Peer(
        ("fer==25.10.3", "ai-edge-litert", "backports.strenum", "flatbuffers", _SETUP),
        True,
        "TFLite model through LiteRT instead of TensorFlow; margin of 10 pixels off for crops",
    ),
    "pyemotion": Peer(
        ("PyEmotion==1.0.0", "art", "termcolor", _SETUP),
        True,
        "its detector needs torchvision, so photos are left out",
    ),
    "what-the-face": Peer(
        ("what-the-face-classification==0.0.27", _SETUP), True, "photos with its own Haar cascade"
    ),
    "fer-keras": Peer(
        ("fer==25.10.3", _SETUP), False, "Keras model; installs TensorFlow, about 2 GB"
    ),
}
"""Name -> package; the names are those of `benchmarks.peer_worker.CONTENDERS`."""

LEFT_OUT = {
    "facial-emotion-recognition": "the weights of PyEmotion, and it loads them on a GPU only",
    "deepface, hsemotion, emotiefflib, rmn, py-feat": "download weights at the first use",
    "face-api, facex": "JavaScript: another runtime",
}
"""Peers not measured -> why."""


def cache_dir() -> Path:
    """Return the folder of the peers' environments (``FER_PEERS`` overrides it)."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("FER_PEERS") or Path(home) / "fer-studio" / "peers")


def environment(name: str) -> Path:
    """Return the Python of a peer's environment, made at the first use.

    Raises:
        CalledProcessError: pip could not install it.
        ConfigError: something else is in its place.
    """
    folder = cache_dir() / name
    python = folder / "bin" / "python"
    ready = folder / "ready.json"
    wanted = asdict(PEERS[name])
    if ready.is_file() and json.loads(ready.read_text()) == json.loads(json.dumps(wanted)):
        return python
    check_output(folder, not_an_environment)
    _call(sys.executable, "-m", "venv", "--clear", str(folder))
    flags = ["--no-deps"] if PEERS[name].borrows else []
    _call(str(python), "-m", "pip", "install", "--quiet", *flags, *PEERS[name].packages)
    if PEERS[name].borrows:
        # Its own packages come first on the path, what it lacks is found in ours.
        (_site_of(folder) / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    write_json(ready, wanted, not_json_with(*wanted))
    return python


def not_an_environment(folder: Path) -> str | None:
    """Object to clearing all but an empty folder or a virtual environment."""
    made = folder.is_dir() and ((folder / "pyvenv.cfg").is_file() or not any(folder.iterdir()))
    return None if made else "is no virtual environment that could be made anew"


def _site_of(folder: Path) -> Path:
    return next(folder.glob("lib/python*/site-packages"))


def _call(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True)


def installed_mb(name: str) -> float:
    """Return what a contender puts on the disk, in MB; shared libraries included."""
    if name.startswith("ours:"):
        return _closure_mb(["fer-studio"])
    size = sum(f.stat().st_size for f in _site_of(cache_dir() / name).rglob("*") if f.is_file())
    torch = ["torch"] if name in ("pyemotion", "what-the-face") else []
    shared = [*torch, "numpy", "opencv-python-headless", "pillow"]
    return size / 1e6 + (_closure_mb(shared) if PEERS[name].borrows else 0)


def _closure_mb(names: list[str]) -> float:
    """Return the size of distributions and all that they require, in MB."""
    sizes: dict[str, float] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in sizes:
            continue
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue
        files = [Path(str(f.locate())) for f in package.files or ()]
        sizes[name] = sum(f.stat().st_size for f in files if f.is_file()) / 1e6
        needs = [Requirement(line) for line in package.requires or ()]
        waiting += [n.name for n in needs if n.marker is None or n.marker.evaluate({"extra": ""})]
    return sum(sizes.values())


def run(name: str, arrays: Path, threads: int) -> dict[str, Any]:
    """Measure one contender in a process of its own.

    Raises:
        CalledProcessError: it failed.
    """
    ours = name.startswith("ours:")
    python = sys.executable if ours else str(environment(name))
    limits = {key: str(threads) for key in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")}
    path = {"PYTHONPATH": str(ROOT)} if ours else {}
    out = arrays.with_name("out.json")
    subprocess.run(
        [python, str(WORKER), name, str(arrays), str(out)],
        check=True, capture_output=True, text=True, cwd=arrays.parent,
        env=os.environ | limits | path,
    )  # fmt: skip
    measured: dict[str, Any] = json.loads(out.read_text())
    return measured


def write_arrays(path: Path, faces: NDArray[np.uint8]) -> None:
    """Store the faces, and the photo at several sizes, for the workers."""
    astronaut = Image.fromarray(sample_photos()["astronaut"])
    photos = {
        f"photo{side}": np.asarray(astronaut.resize((side, side), Image.Resampling.BICUBIC))
        for side in PHOTO_SIDES
    }
    np.savez(path, faces=faces, **photos)  # type: ignore[arg-type]


def compare(
    names: list[str], faces: NDArray[np.uint8], labels: NDArray[np.int64], rounds: int, threads: int
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return each contender's figures, and why the others have none."""
    rounds_of: dict[str, list[dict[str, Any]]] = {}
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        every, some = (Path(folder) / name for name in ("every.npz", "some.npz"))
        write_arrays(every, faces)
        write_arrays(some, faces[:REPEATED])
        for number in range(rounds):
            arrays = some if number else every
            for name in [n for n in names if n not in failed]:
                print(f"round {number + 1}: {name}", file=sys.stderr, flush=True)
                try:
                    rounds_of.setdefault(name, []).append(run(name, arrays, threads))
                except subprocess.CalledProcessError as error:
                    failed[name] = (error.stderr or str(error)).strip().splitlines()[-1][:300]
                except ConfigError as error:
                    failed[name] = str(error)
    whole = {name: summary(name, rounds_of[name], labels) for name in names if name not in failed}
    return whole, failed


def summary(name: str, rounds: list[dict[str, Any]], labels: NDArray[np.int64]) -> dict[str, Any]:
    """Return medians over rounds, and the accuracy of what was predicted."""
    predicted = np.array(rounds[0]["predicted"])
    figures = score(labels, np.eye(len(EMOTIONS))[predicted])
    shown = ("n", "correct", "accuracy", "interval", "macro_f1")
    times = ("face_ms", "faces_per_second", "photo_ms", "peak_memory_mb")
    medians = {
        key: None if rounds[0][key] is None else median(r[key] for r in rounds) for key in times
    }
    same = {key: rounds[0][key] for key in ("batched", "agreement", "photos_with_a_face")}
    note = "" if name.startswith("ours:") else PEERS[name].note
    size = {"installed_mb": installed_mb(name), "note": note}
    return {key: figures[key] for key in shown} | medians | same | size


def table(whole: dict[str, Any], failed: dict[str, str]) -> str:
    """Return the figures as text."""
    head = f"{'':16s}{'accuracy':>10s}{'F1':>7s}{'ms/face':>9s}{'faces/s':>9s}{'ms/photo':>10s}"
    lines = [head + f"{'MB used':>9s}{'MB disk':>9s}"]
    for name, row in whole.items():
        photo = "-" if row["photo_ms"] is None else f"{row['photo_ms']:.0f}"
        lines.append(
            f"{name:16s}{row['accuracy']:>10.1%}{row['macro_f1']:>7.3f}{row['face_ms']:>9.2f}"
            f"{row['faces_per_second']:>9,.0f}{photo:>10s}{row['peak_memory_mb']:>9.0f}"
            f"{row['installed_mb']:>9,.0f}"
        )
    return "\n".join([*lines, *(f"{name}: skipped, {why}" for name, why in failed.items())])


def main() -> int:
    """Compare, print, and keep the figures of a whole run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--faces", type=int, help="a trial on so many faces; nothing is kept")
    parser.add_argument("--only", nargs="+", choices=list(PEERS), help="these peers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of every contender")
    args = parser.parse_args()
    source = os.environ.get("FER2013_DIR")
    if not source:
        print("peers: set FER2013_DIR to FER-2013's parquet files")
        return 2
    complete = args.faces is None and not args.only
    if complete and (status := exit_status(RESULT.check_free)):
        return status
    test = read_faces(source).split("test")
    n = args.faces or len(test)
    names = [f"ours:{name}" for name in catalog.available()] + (args.only or list(PEERS))
    whole, failed = compare(names, test.images[:n], test.labels[:n], args.rounds, args.threads)
    print(table(whole, failed))
    if complete:
        settings = {"rounds": args.rounds, "threads": args.threads, "photo_sides": PHOTO_SIDES}
        content = {"settings": settings, "contenders": whole, "skipped": failed | LEFT_OUT}
        origin = provenance(0, test.name, test.content_hash)
        RESULT.write(content | {"provenance": origin})
    return 0


if __name__ == "__main__":
    sys.exit(main())
