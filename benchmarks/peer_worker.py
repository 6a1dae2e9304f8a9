"""One contender of `benchmarks.peers`, in a process and an environment of its own.

Imports nothing of this project but for ``ours:NAME``: it runs in the peers' environments. A peer's
own code is called as it stands. What it imports and cannot have here is replaced by a stand-in that
does the same (`TRANSFORMS`, `LITE`), or by one that says so when it is called.
"""

# mypy: ignore-errors

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
import types
from collections.abc import Callable
from statistics import median

import numpy as np

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
WARM, TIMED, BATCH = 10, 200, 256


class Contender:
    """What is measured: `one` face, a `batch` of faces, a `photo` with a face to be found."""

    def __init__(self, one: Callable, batch: Callable | None, photo: Callable | None) -> None:
        self.one, self.batch, self.photo = one, batch, photo


def module(name: str, **members: object) -> types.ModuleType:
    """Put a stand-in module where an import will find it."""
    made = types.ModuleType(name)
    made.__dict__.update(members)
    sys.modules[name] = made
    return made


def stand_in_for_torchvision() -> None:
    """PyPI's torchvision does not load beside the CPU build of torch; these six transforms do."""
    import torch
    from PIL import Image

    class Compose:
        def __init__(self, steps: list) -> None:
            self.steps = steps

        def __call__(self, image: object) -> object:
            for step in self.steps:
                image = step(image)
            return image

    def resize(size: int | tuple) -> Callable:
        def step(image: Image.Image) -> Image.Image:
            if isinstance(size, tuple):
                return image.resize(size[::-1], Image.Resampling.BILINEAR)
            scale = size / min(image.size)
            wanted = tuple(max(size, int(side * scale)) for side in image.size)
            return image.resize(wanted, Image.Resampling.BILINEAR)

        return step

    def centre_crop(size: int) -> Callable:
        def step(image: Image.Image) -> Image.Image:
            left, top = (round((side - size) / 2) for side in image.size)
            return image.crop((left, top, left + size, top + size))

        return step

    def to_tensor(image: Image.Image) -> torch.Tensor:
        pixels = np.atleast_3d(np.asarray(image, np.float32) / 255)
        return torch.from_numpy(pixels.transpose(2, 0, 1).copy())

    transforms = module(
        "torchvision.transforms",
        Compose=Compose,
        Resize=resize,
        CenterCrop=centre_crop,
        Grayscale=lambda: lambda image: image.convert("L"),
        ToPILImage=lambda: Image.fromarray,
        ToTensor=lambda: to_tensor,
        Normalize=lambda mean, std: lambda x: (x - mean[0]) / std[0],
    )
    module("torchvision", transforms=transforms)


def stand_in_for_tensorflow() -> None:
    """`fer` asks TensorFlow for a TFLite interpreter alone; LiteRT is that interpreter."""
    from ai_edge_litert.interpreter import Interpreter

    models = module("tensorflow.keras.models", load_model=None)
    keras = module("tensorflow.keras", models=models)
    module("tensorflow", lite=types.SimpleNamespace(Interpreter=Interpreter), keras=keras)


def fer(lite: bool = True) -> Contender:
    """`fer`, with its margin of 10 pixels switched off for crops and on for photos."""
    if lite:
        stand_in_for_tensorflow()
    import logging

    from fer.fer import FER

    logging.disable(logging.INFO)
    tight, usual = FER(offsets=(0, 0), use_tflite=lite), FER(use_tflite=lite)

    def predicted(detections: list) -> int:
        emotions = detections[0]["emotions"]
        return EMOTIONS.index(max(emotions, key=emotions.get))

    def one(face: np.ndarray) -> int:
        return predicted(tight.detect_emotions(np.stack([face] * 3, -1), [(0, 0, 48, 48)]))

    def photo(rgb: np.ndarray) -> bool:
        return bool(usual.detect_emotions(np.ascontiguousarray(rgb[..., ::-1])))

    return Contender(one, None, photo)


def pyemotion() -> Contender:
    """`PyEmotion`; its detector (facenet-pytorch) needs torchvision's compiled parts."""
    stand_in_for_torchvision()
    module("facenet_pytorch", MTCNN=lambda **_: None)
    import torch
    from PyEmotion import DetectFace

    peer = DetectFace(device="cpu")
    words = [word.lower() for word in peer.emotions.values()]

    @torch.no_grad()
    def one(face: np.ndarray) -> int:
        return EMOTIONS.index(peer._predict(face).lower())

    @torch.no_grad()
    def batch(faces: np.ndarray) -> list[int]:
        x = (torch.from_numpy(faces[:, None].copy()).float() / 255 - 0.5) / 0.5
        return [EMOTIONS.index(words[i]) for i in peer.network(x).argmax(1).tolist()]

    return Contender(one, batch, None)


def what_the_face() -> Contender:
    """`what-the-face-classification`; for crops its network and transform, without its cascade."""
    stand_in_for_torchvision()
    import torch
    from PIL import Image
    from what_the_face_classification.inference import Image_classifier

    peer = Image_classifier()
    peer.net.eval()

    @torch.no_grad()
    def one(face: np.ndarray) -> int:
        return int(peer.net(peer.transform(Image.fromarray(face)).float()).argmax())

    @torch.no_grad()
    def batch(faces: np.ndarray) -> list[int]:
        return peer.net(torch.from_numpy(faces[:, None].copy()).float() / 255).argmax(1).tolist()

    def photo(rgb: np.ndarray) -> bool:
        return peer.predict(Image.fromarray(rgb))[0] in EMOTIONS

    return Contender(one, batch, photo)


def ours(name: str) -> Contender:
    """A checkpoint of this project."""
    from PIL import Image

    import fermodels
    from fermodels.data.photos.crop import faces_of

    net = fermodels.load(name)

    def photo(rgb: np.ndarray) -> bool:
        faces = faces_of(Image.fromarray(rgb))
        return bool(faces) and net.predict(faces[0].image).shape == (1, 7)

    return Contender(
        lambda face: int(net.predict(face)[0].argmax()),
        lambda faces: net.predict(faces).argmax(1).tolist(),
        photo,
    )


CONTENDERS: dict[str, Callable[[], Contender]] = {
    "fer-tflite": fer,
    "fer-keras": lambda: fer(lite=False),
    "pyemotion": pyemotion,
    "what-the-face": what_the_face,
}


def seconds(work: Callable[[], object]) -> float:
    """Return how long the work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(contender: Contender, faces: np.ndarray, photos: list[np.ndarray]) -> dict:
    """Return predictions by the single-face way, and the times of all ways."""
    for face in faces[:WARM]:
        contender.one(face)
    timed = [seconds(lambda f=face: contender.one(f)) for face in faces[:TIMED]]
    predicted = [contender.one(face) for face in faces]
    has_face = [contender.photo(photo) for photo in photos] if contender.photo else []
    taken = [seconds(lambda p=photo: contender.photo(p)) for photo in photos] if has_face else []
    return {
        "predicted": predicted,
        "face_ms": 1000 * median(timed),
        "faces_per_second": _throughput(contender, faces, timed),
        "batched": contender.batch is not None,
        "agreement": _agreement(contender, faces, predicted),
        "photo_ms": 1000 * median(taken) if taken else None,
        "photos_with_a_face": sum(has_face) if has_face else None,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _throughput(contender: Contender, faces: np.ndarray, timed: list[float]) -> float:
    if contender.batch is None:
        return 1 / (sum(timed) / len(timed))
    many = np.resize(faces, (BATCH, 48, 48))
    contender.batch(many[:8])
    return BATCH / median(seconds(lambda: contender.batch(many)) for _ in range(5))


def _agreement(contender: Contender, faces: np.ndarray, predicted: list[int]) -> float | None:
    """Return the share of faces on which batch and single answers agree."""
    if contender.batch is None:
        return None
    many = contender.batch(faces[:500])
    return float(np.mean(np.array(many) == predicted[: len(many)]))


def main() -> None:
    """Measure one contender and write its JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("arrays")
    parser.add_argument("out")
    args = parser.parse_args()
    with np.load(args.arrays, allow_pickle=False) as stored:
        faces = stored["faces"]
        photos = [stored[key] for key in stored.files if key.startswith("photo")]
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    import cv2

    cv2.setNumThreads(threads)
    if args.name.startswith("ours:"):
        contender = ours(args.name.removeprefix("ours:"))
    else:
        contender = CONTENDERS[args.name]()
    with open(args.out, "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(measure(contender, faces, photos), file)


if __name__ == "__main__":
    main()
