"""Python that makes a room's numbers again with `fermodels`; every snippet runs as it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fermodels.data.edits import Step, write
from studio import networks
from studio.explanations import MapRequest
from studio.state import SelectedFace, source


def face(selected: SelectedFace) -> str:
    """Return lines that put the selected face, uint8 ``(48, 48)``, into ``face``."""
    if selected.split == "upload":
        return (
            "import fermodels\n\n"
            'face = fermodels.read_photo("YOUR-PHOTO")[0].image  # uint8 (48, 48)\n'
        )
    return (
        "import fermodels\n\n"
        f"faces = fermodels.read_faces({source()!r})\n"
        f"face = faces.images[faces.ids == {selected.sample_id!r}][0]  # uint8 (48, 48)\n"
    )


def edited(
    names: Sequence[str], selected: SelectedFace, steps: Sequence[Step], donors: Mapping[str, str]
) -> str:
    """Return code that edits the face and asks networks about it.

    Args:
        names: the networks.
        selected: the face.
        steps: the edits, in order.
        donors: expression -> id of the face that is pasted from.
    """
    given = ", ".join(f"{k!r}: faces.images[faces.ids == {v!r}][0]" for k, v in donors.items())
    loads = [networks.address(name) for name in names]
    return (
        f"{face(selected)}"
        "from fermodels.data import edits\n\n"
        f"changed = edits.apply(face, edits.read({write(steps)!r}), {{{given}}})\n"
        "predictions = {\n    name: fermodels.load(name).predict(changed[None])[0]\n"
        f"    for name in {loads!r}\n}}\n"
    )


def net(name: str) -> str:
    """Return a line that loads a network into ``net``."""
    return f"net = fermodels.load({networks.address(name)!r})\n"


def attribution_code(name: str, selected: SelectedFace, request: MapRequest) -> str:
    """Return code that makes one method's map of one face."""
    words = {
        "target_class": request.target_class,
        "baseline": request.baseline,
        "contrast_class": request.contrast_class,
        "layer": request.layer,
        **dict(request.settings),
    }
    given = "".join(f"    {key}={value!r},\n" for key, value in words.items() if value is not None)
    return (
        f"{face(selected)}{net(name)}"
        f"why = fermodels.explain(\n    net,\n    face,\n    {request.method!r},\n{given})\n"
        "why.attribution[0]       # (48, 48)\nwhy.completeness_error   # None where no sum is due\n"
    )


def probabilities_code(names: Sequence[str], selected: SelectedFace) -> str:
    """Return code that asks networks for their seven probabilities of a face."""
    loads = [networks.address(name) for name in names]
    return (
        f"{face(selected)}"
        "predictions = {\n    name: fermodels.load(name).predict(face[None])[0]\n"
        f"    for name in {loads!r}\n}}\n"
    )


def activations_code(name: str, selected: SelectedFace, layer: str) -> str:
    """Return code that makes one layer's maps of a face."""
    return (
        f"{face(selected)}{net(name)}"
        "from fermodels.xai.inspect.activations import activations\n\n"
        f"maps = activations(net, face)[{layer!r}]  # (channels, height, width)\n"
    )


def similarity_code(name: str, first: SelectedFace, second: SelectedFace) -> str:
    """Return code that compares what every layer makes of two faces."""
    return (
        f"{face(second)}other = face\n{face(first)}{net(name)}"
        "from fermodels.xai.inspect.channels import face_against_face\n\n"
        "similarities = face_against_face(net, face, other)  # cosine and correlation per layer\n"
    )


def history(name: str) -> str:
    """Return code that reads a network's training history."""
    return (
        "from fermodels.nets import catalog\n\n"
        f"history = catalog.read_history(catalog.find({networks.address(name)!r}))\n"
        "history.steps   # one row per training step\n"
        "history.epochs  # one row per epoch\n"
    )


def run_history(folder: str) -> str:
    """Return code that reads the history of a training run."""
    return (
        "from fermodels.nets import catalog, training_runs\n\n"
        f"history = catalog.read_history(training_runs.runs_dir() / {folder!r})\n"
    )


def evidence_code(name: str, epoch: int, lines: str | None = None) -> str:
    """Return code that reads what was recorded after one epoch.

    Args:
        name: one of `networks.choices()`.
        epoch: which one.
        lines: code that reads the history, if it is not that checkpoint's.
    """
    return (
        f"{lines or history(name)}"
        f"row = history.epochs.set_index('epoch').loc[{epoch}]\n"
        "confusion_matrix = row['confusion_matrix'].reshape(7, 7)  # rows true, columns predicted\n"
        "filters = row['filters'].reshape([int(n) for n in row['filters_shape']])\n"
        "row['layers'], row['sparsity'], row['entropy']\n"
    )


def dream_code(
    name: str, selected: SelectedFace, start: str | None, keywords: dict[str, object]
) -> str:
    """Return code that dreams the same dream; `start` names a start that is not the face."""
    first = "face" if start is None else repr(start)
    given = "".join(f"    {key}={value!r},\n" for key, value in keywords.items())
    return (
        f"{face(selected)}{net(name)}"
        f"film = fermodels.dream(\n    net,\n    {first},\n{given})\n"
        "film.frames[-1]  # uint8 (48, 48)\n"
    )


def channel_code(name: str, layer: str, number: int, split: str | None) -> str:
    """Return code that finds the faces exciting one channel most, of a split or (None) of all."""
    part = "" if split is None else f".split({split!r})"
    return (
        "import fermodels\n"
        "from fermodels.xai.inspect.channels import as_table, channel_census\n\n"
        f"faces = fermodels.read_faces({source()!r}){part}\n{net(name)}"
        f"census = channel_census(net, faces, [{layer!r}])[{layer!r}]\n"
        f"table = as_table(census).query('channel == {number}')  # strongest first\n"
        f"census.active[{number}]  # share of the faces in which it is above 0\n"
    )


def channel_dream_code(name: str, layer: str, number: int, seed: int) -> str:
    """Return code that dreams what one channel wants to see."""
    return (
        "import fermodels\n"
        "from fermodels.xai.inspect.channels import channel_dream\n\n"
        f"{net(name)}"
        f"film = channel_dream(net, {layer!r}, {number}, seed={seed})\n"
        "film.frames[-1]  # (48, 48)\n"
    )


def neighbours(name: str, selected: SelectedFace, split: str, count: int) -> str:
    """Return code that finds the faces of a split which a network takes for most like this one."""
    besides = None if selected.split == "upload" else selected.sample_id
    return (
        f"{face(selected)}{net(name)}"
        "from fermodels.xai.inspect.neighbours import feature_bank, nearest\n\n"
        f"bank = feature_bank(net, fermodels.read_faces({source()!r}).split({split!r}))\n"
        f"nearest_faces = nearest(bank, net, face, {count}, besides={besides!r})\n"
        "nearest_faces.ids, nearest_faces.labels, nearest_faces.distances  # nearest first\n"
    )
