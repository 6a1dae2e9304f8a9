"""Trained networks on disk: weights in safetensors, everything else readable; read strictly."""

from __future__ import annotations

import os
import shutil
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_bytes
from safetensors.torch import load_file, save_file

from fermodels.data.emotions import EMOTIONS
from fermodels.errors import CheckpointError, ConfigError
from fermodels.files import (
    REMEDY,
    Objection,
    called,
    check_output,
    parse_json,
    put_beside,
    read_json,
    remove_files,
    why_unreadable,
    write_atomically,
    write_json,
)
from fermodels.nets.catalog import (
    CARD,
    CONFIG,
    FILES,
    HISTORY,
    METRICS,
    PREDICTIONS,
    WEIGHTS,
    History,
    find,
)
from fermodels.nets.config import NetConfig
from fermodels.nets.fernet import FERNet

FORMAT = "fermodels-1"
CLASS_NAMES = {str(index): name for index, name in enumerate(EMOTIONS)}
"""What the outputs mean, as ``id2label``: the key under which the Hub's readers look for it."""
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""Types in which weights may be stored."""
MAX_HEADER_BYTES = 1_000_000
"""Of uploaded weights: a million empty tensors take their reader seconds and gigabytes."""
LEAST_BYTES = 2
"""Of one stored weight."""


def not_a_checkpoint(folder: Path) -> str | None:
    """Object to replacing all but an empty folder, or one of our checkpoints and nothing else."""
    if not folder.is_dir():
        return "is no folder"
    if os.path.ismount(folder):
        return "is where a disk is mounted, which cannot be replaced (a folder inside it can)"
    inside = sorted(folder.iterdir())
    for path in inside:
        if path.name not in FILES or path.is_symlink() or not path.is_file():
            return f"holds {path.name!r}, which is no part of a checkpoint"
    if inside and not_of_format(folder / CONFIG):
        return f"holds {inside[0].name!r} but no checkpoint of ours"
    return None


def any_checkpoint(folder: Path) -> str | None:
    """Object to replacing all but an empty folder: it is not known whose checkpoint it is."""
    if why := not_a_checkpoint(folder):
        return why
    return "holds a checkpoint already" if any(folder.iterdir()) else None


def not_of_format(config: Path) -> str | None:
    """Object to all but the ``config.json`` of a checkpoint of ours."""
    try:
        number = read_json(config).get("format") if config.is_file() else None
    except CheckpointError:
        number = None
    return None if number == FORMAT else "is not the config.json of a checkpoint of ours"


def save(
    folder: Path,
    net: FERNet,
    identity: dict[str, Any],
    metrics: dict[str, Any],
    history: History,
    predictions: pd.DataFrame,
    card: str,
    objection: Objection = any_checkpoint,
) -> None:
    """Write a whole checkpoint; `folder` is replaced only when every file is complete.

    Args:
        folder: where it goes.
        net: the network; floating weights are stored as float16.
        identity: variant, recipe and whatever else ``config.json`` should say besides layers.
        metrics: see `fermodels.evaluation.metrics.score` and `train.export`.
        history: the training history.
        predictions: split, sample_id, label and seven probabilities per face.
        card: the model card, Markdown.
        objection: whether what is there may be replaced; only an empty folder unless told.
            Whatever it says, nothing but a checkpoint's own files is ever removed.

    Raises:
        ConfigError: something else is there; the finished checkpoint is then beside it.
        CheckpointError: the folder could not be put in place; what was there still is, and the
            finished checkpoint is beside it.
        OSError: the disk refused a file; what was there still is.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    fresh = place / "new"
    try:
        fresh.mkdir()
        save_file(half_weights(net), fresh / WEIGHTS, metadata={"format": "pt"})
        (fresh / WEIGHTS).chmod(0o644)  # safetensors makes it private to its owner
        config = {
            "format": FORMAT, **identity, "id2label": CLASS_NAMES, "network": net.config.to_dict()
        }  # fmt: skip
        write_json(fresh / CONFIG, config)
        write_json(fresh / METRICS, metrics)
        write_history(fresh / HISTORY, history)
        predictions.to_parquet(fresh / PREDICTIONS, index=False, compression="zstd")
        write_atomically(fresh / CARD, lambda path: path.write_text(card, encoding="utf-8"))
    except BaseException:
        shutil.rmtree(place)
        raise
    _put_in_place(fresh, folder, objection)
    if not any(place.iterdir()):
        place.rmdir()


def _put_in_place(fresh: Path, folder: Path, objection: Objection) -> None:
    """Move a finished checkpoint to `folder`; if that fails, what was there is put back.

    A process that is killed between the two steps leaves both, as ``.NAME.*/old`` and ``new``.
    """
    old = fresh.with_name("old")
    try:
        check_output(folder, objection)
    except ConfigError as error:
        beside = put_beside(fresh, folder)
        fresh.parent.rmdir()
        raise ConfigError(f"{error}; the finished checkpoint is {beside}") from error
    try:
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
    except BaseException as error:
        previous = folder
        if old.exists():  # unless somebody was quicker, it goes back where it was
            previous = put_beside(old, folder) if folder.exists() else old.rename(folder)
        if not isinstance(error, OSError) or not fresh.exists():
            raise
        beside = put_beside(fresh, folder)
        fresh.parent.rmdir()
        raise CheckpointError(
            f"cannot put a checkpoint in {folder} ({error.strerror}): what was there is "
            f"{previous}, the finished checkpoint is {beside}; rename them as you wish"
        ) from error
    if old.exists():
        remove_files(old, FILES)


def half_weights(net: FERNet) -> dict[str, torch.Tensor]:
    """Return the state as it is stored: float16 but for integers, contiguous, on the CPU."""
    state = {}
    for key, value in net.state_dict().items():
        stored = value.detach().cpu()
        stored = stored.half() if stored.is_floating_point() else stored
        state[key] = stored.contiguous()
    return state


def write_history(path: Path, history: History) -> None:
    """Put steps and epochs into one table, told apart by the column ``kind``."""
    steps = history.steps.assign(kind="step")
    epochs = history.epochs.assign(kind="epoch")
    pd.concat([steps, epochs], ignore_index=True).to_parquet(path, index=False, compression="zstd")


def read_config(folder: Path) -> tuple[dict[str, Any], NetConfig]:
    """Read what a checkpoint is: its identity (variant, recipe, ...) and its layers.

    Raises:
        CheckpointError: missing, of another format, or no network of this family.
    """
    raw = read_json(folder / CONFIG)
    return raw, _network_config(raw, called(folder / CONFIG))


def _network_config(raw: dict[str, Any], source: str) -> NetConfig:
    """Return the layers that a ``config.json`` describes; `source` is named in errors."""
    if raw.get("format") != FORMAT or "network" not in raw:
        raise CheckpointError(
            f"{source} has format {repr(raw.get('format'))[:60]}: expected {FORMAT!r} with a "
            "'network'; it was written by another program or version"
        )
    # files from before it was written have none; another order would name every answer wrongly
    if raw.get("id2label", CLASS_NAMES) != CLASS_NAMES:
        raise CheckpointError(
            f"{source} has id2label {str(raw['id2label'])[:120]}: expected the classes "
            f"{', '.join(EMOTIONS)} as '0' to '6', in this order; export it again in this order"
        )
    try:
        return NetConfig.from_dict(raw["network"])
    except ConfigError as error:
        raise CheckpointError(f"{source}: {str(error)[:400]}") from error


def load(
    name: str | Path, *, revision: str | None = None, device: str | torch.device = "cpu"
) -> FERNet:
    """Load a trained network, in eval mode and float32; anything amiss is an error.

    Args:
        name: a bundled checkpoint's name, a folder, or ``hub:owner/repo``.
        revision: branch, tag or commit; for ``hub:`` only.
        device: where to put it.

    Raises:
        CheckpointError: missing, altered, or weights that do not fit the config.
        HubError: the Hub refused or could not be reached.
    """
    if str(name).startswith("hub:"):
        from fermodels.hub import pull

        folder = pull(str(name).removeprefix("hub:"), revision)
    elif revision is not None:
        raise CheckpointError(f"revision {revision!r} goes with hub:owner/repo, not with {name!r}")
    else:
        folder = find(name)
    _, config = read_config(folder)
    weights = folder / WEIGHTS
    if weights.is_file():
        _check_size(called(weights), config, weights.stat().st_size)
    return load_weights(weights, FERNet(config)).to(device)


def _check_size(weights: str, config: NetConfig, size: int) -> None:
    """Refuse a config that describes more values than its weights can hold, before building it.

    Args:
        weights: what the error calls their file.
        config: the layers.
        size: bytes of the file.
    """
    widths = [1, *(spec.filters for spec in config.conv)]
    sides = [spec.kernel**2 for spec in config.conv]
    units = [config.conv_features, *(spec.units for spec in config.fc)]
    values = sum(a * b * k for a, b, k in zip(widths, widths[1:], sides, strict=False))
    values += sum(a * b for a, b in pairwise(units))
    if values * LEAST_BYTES > size:
        raise CheckpointError(
            f"{weights} has {size:,} bytes, but its config describes {values:,} weights: the two "
            "do not belong together; restore or re-export the checkpoint"
        )


def load_weights(path: Path, net: FERNet) -> FERNet:
    """Put stored weights into a network, in eval mode: every tensor, no other, read strictly.

    Raises:
        CheckpointError: the file is damaged or does not fit the network.
    """
    try:
        state = load_file(path)
    except (OSError, SafetensorError, ValueError) as error:
        raise CheckpointError(f"{why_unreadable(path, error)}; {REMEDY}") from error
    return _fit(state, net, called(path))


def load_uploaded(config: bytes, weights: bytes) -> tuple[dict[str, Any], FERNet]:
    """Load a checkpoint that came as two files in memory; nothing is written to disk.

    Args:
        config: the content of ``config.json``.
        weights: the content of ``model.safetensors``.

    Returns:
        Its identity, and the network in eval mode and float32.

    Raises:
        CheckpointError: either file is damaged, of another format, or they do not fit.
    """
    raw = parse_json(config, CONFIG)
    layers = _network_config(raw, CONFIG)
    if MAX_HEADER_BYTES < int.from_bytes(weights[:8], "little") <= len(weights):
        raise CheckpointError(
            f"{WEIGHTS} has a header of more than {MAX_HEADER_BYTES:,} bytes: expected names of "
            "a network's few tensors; give the file of a checkpoint of this project"
        )
    try:
        state = load_bytes(weights)
    except (ValueError, SafetensorError) as error:
        raise CheckpointError(
            f"cannot read {WEIGHTS}: {str(error)[:200]}; give the {CONFIG} and {WEIGHTS} of one "
            "checkpoint"
        ) from error
    _check_size(WEIGHTS, layers, len(weights))
    return raw, _fit(state, FERNet(layers), WEIGHTS)


def _fit(state: dict[str, torch.Tensor], net: FERNet, source: str) -> FERNet:
    """Put a state into a network that it fits in every tensor; return it in eval mode.

    Raises:
        CheckpointError: names, shapes, types or values are not what the network's own would be.
    """
    own = net.state_dict()
    if set(state) != set(own):
        missing, extra = sorted(set(own) - set(state)), sorted(set(state) - set(own))
        raise CheckpointError(
            f"{source} lacks tensors {str(missing)[:300]} and has unknown ones {str(extra)[:300]}"
        )
    net.load_state_dict({key: _as_own(f"{source}: {key}", state[key], own[key]) for key in own})
    return _require_finite_predictions(net.eval(), source)


def _as_own(source: str, value: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """Return a stored tensor in the type that the network computes in.

    Raises:
        CheckpointError: of another shape or kind, or not finite once it is in that type.
    """
    if value.shape != own.shape:
        raise CheckpointError(
            f"{source} has shape {tuple(value.shape)}: expected {tuple(own.shape)}"
        )
    wanted = FLOATS if own.is_floating_point() else (own.dtype,)
    if value.dtype not in wanted:
        raise CheckpointError(
            f"{source} is stored as {value.dtype}: expected {', '.join(map(str, wanted))}"
        )
    value = value.to(own.dtype)
    if not bool(torch.isfinite(value).all()):
        raise CheckpointError(f"{source} holds values that are not finite as {own.dtype}")
    if source.endswith(("running_var", "num_batches_tracked")) and bool((value < 0).any()):
        raise CheckpointError(f"{source} is {float(value.min()):g}: expected no negative value")
    return value


def _require_finite_predictions(net: FERNet, source: str) -> FERNet:
    """Return a network that answers three plain faces with finite numbers.

    Raises:
        CheckpointError: its weights are finite, but so large that what it computes is not.
    """
    noise = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)
    faces = np.stack([noise, np.zeros_like(noise), np.full_like(noise, 255)])
    if not np.isfinite(net.predict(faces)).all():
        raise CheckpointError(
            f"{source} holds weights with which the network answers nothing finite; {REMEDY}"
        )
    return net
