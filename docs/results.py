"""Write what README and docs/api.md say in figures: ``python -m docs.results``.

No figure in them is typed: ours are read from the records of runs by the paper's recipe and from
the checkpoints' metrics.json, the paper's from `fermodels.evaluation.paper`, copies and FER+ from
``results``, those of other packages from ``results/peers.json`` (`benchmarks.peers`). The API's
example is what the best network says to the tab's own example photo.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from fermodels import results
from fermodels.errors import ConfigError, exit_status
from fermodels.evaluation import paper
from fermodels.files import Objection, check_output, write_atomically
from fermodels.nets import catalog
from fermodels.nets.variants import VARIANTS

ROOT = Path(__file__).resolve().parents[1]
README, API = ROOT / "README.md", ROOT / "docs" / "api.md"
COMMON = (
    "test without copies", "ten views, validation", "ten views, test", "epoch kept", "seed",
    "training",
)  # fmt: skip
PAPER_COLUMNS = (
    "network", "parameters", "validation (95% interval)", "paper's", "test (95% interval)",
    "paper's", *COMMON,
)  # fmt: skip
COLUMNS = (
    "network", "recipe", "parameters", "validation (95% interval)", "test (95% interval)", *COMMON,
)  # fmt: skip
PEER_COLUMNS = (
    "package", "PrivateTest (95% interval)", "ms a face", "ms a photo", "faces/s in a batch",
    "MB of memory", "MB installed",
)  # fmt: skip
SPLITS = ("validation", "test")
PAPERS = "paper"
"""The recipe that follows the paper."""
EXAMPLE_PHOTO = "astronaut"
"""The API's example is of this one of `sample_photos`."""


def _head(columns: tuple[str, ...]) -> str:
    return f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


PEERS_HEAD = _head(PEER_COLUMNS)


def _with_interval(figures: Mapping[str, Any]) -> str:
    low, high = figures["interval"]
    return f"{figures.get('accuracy', figures.get('share')):.1%} ({low:.1%} to {high:.1%})"


def _common(key: str, folder: Path, metrics: dict[str, Any]) -> list[str]:
    """Return the cells that networks of every recipe have."""
    counted = catalog.accuracy_without_copies(key, catalog.read_predictions(folder))
    viewed = metrics.get("views")
    views = [_with_interval(viewed["ten"][s]) for s in SPLITS] if viewed else []
    return [
        _with_interval(counted["test"]) if counted else "not computed",
        *(views or ["not computed"] * 2),
        f"{metrics['best_epoch']} of {metrics['epochs']}",
        str(metrics["provenance"]["seed"]),
        f"{metrics['training_seconds'] / 60:.0f} min",
    ]


def _millions(metrics: dict[str, Any]) -> str:
    return f"{metrics['parameters'] / 1e6:.1f} M"


def paper_runs() -> dict[str, tuple[str, Path]]:
    """Return the runs by the paper's recipe: variant -> name in ``duplicates``, folder."""
    found = {name: folder for name in VARIANTS if (folder := catalog.paper_run(name))}
    filed = catalog.paper_runs_dir()
    return {n: (f"{filed.name}/{n}" if f.parent == filed else n, f) for n, f in found.items()}


def shipped() -> dict[str, Path]:
    """Return the bundled networks of other recipes than the paper's."""
    return {
        name: folder
        for name, folder in catalog.available().items()
        if catalog.read_metrics(folder)["recipe"] != PAPERS
    }


def paper_table() -> str:
    """Return the runs by the paper's recipe beside the paper's figures, as Markdown."""
    lines = [_head(PAPER_COLUMNS)]
    for name, (key, folder) in paper_runs().items():
        metrics = catalog.read_metrics(folder)
        splits = []
        for split in SPLITS:
            quoted = paper.reported(name, split)
            splits += [_with_interval(metrics[split]), f"{quoted:.0%}" if quoted else "none given"]
        cells = [name, _millions(metrics), *splits, *_common(key, folder, metrics)]
        lines.append(_line(cells))
    return "".join(lines)


def table() -> str:
    """Return the bundled networks of other recipes, as Markdown."""
    lines = [_head(COLUMNS)]
    for name, folder in shipped().items():
        metrics = catalog.read_metrics(folder)
        splits = [_with_interval(metrics[split]) for split in SPLITS]
        cells = [name, metrics["recipe"], _millions(metrics), *splits]
        lines.append(_line([*cells, *_common(name, folder, metrics)]))
    return "".join(lines)


def notes() -> str:
    """Return what the tables must not be read without."""
    theirs = [(f"{n} by the paper's recipe", folder) for n, (_, folder) in paper_runs().items()]
    ours = shipped()
    every = {n: catalog.read_metrics(folder) for n, folder in [*theirs, *ours.items()]}
    sizes = {(m["validation"]["n"], m["test"]["n"]) for m in every.values()}
    faces = " or ".join(f"{v:,} validation and {t:,} test" for v, t in sorted(sizes))
    last = [name for name, m in every.items() if m["best_epoch"] == m["epochs"]]
    told = [
        "One network and one seed a row: the intervals (Wilson's) are over faces, and another "
        "seed's network can differ by more.",
        "The epoch was chosen on validation (PublicTest); test (PrivateTest) was scored once, with "
        f"the stored weights, on one view of each face ({faces} faces).",
    ]
    told += [
        f"The epoch kept of {n} is its last: it may not have been done learning." for n in last
    ]
    told += [_views_note(name, every[name]) for name in ours if every[name].get("views")]
    return "\n".join(told) + "\n"


def _views_note(name: str, metrics: dict[str, Any]) -> str:
    gains = {s: metrics["views"]["ten"][s]["correct"] - metrics[s]["correct"] for s in SPLITS}
    found = [f"{abs(n)} {split} faces {'more' if n > 0 else 'fewer'}" for split, n in gains.items()]
    return f"Averaged over ten views {name} is right on {' and '.join(found)}."


def raters() -> str:
    """Return how often FER+'s raters side with FER-2013's label, and by which definition."""
    return (sentence_of_raters() or "Other raters dispute many of its labels.") + "\n"


def sentence_of_raters() -> str | None:
    """Return the same without an end of line; None before `train.labels` counted it."""
    votes = results.read_result("label_votes")
    if votes is None:
        return None
    with results.complete("results/label_votes.json", "python -m train.labels --data PATH"):
        found = votes["test"]
        return (
            f"On {found['with_majority']:,} of the {found['faces']:,} test faces more than half of "
            "FER+'s ten raters name the same expression; FER-2013's label is that expression on "
            f"{found['labels']['share']:.1%} of them."
        )


def peers_table() -> str:
    """Return other packages beside ours as Markdown, the most accurate first.

    A row of ours that was measured on earlier weights is left out.
    """
    measured = results.read_result("peers")
    if measured is None:
        return "Not measured yet: `make bench-peers` measures.\n"
    contenders = {n: row for n, row in measured["contenders"].items() if is_current(n, row)}
    ranked = sorted(contenders, key=lambda name: -contenders[name]["accuracy"])
    return PEERS_HEAD + "".join(peer_row(name, contenders[name]) for name in ranked)


def is_current(name: str, figures: dict[str, Any]) -> bool:
    """Whether a contender is a peer, or ours with the weights whose accuracy is on record."""
    network = name.removeprefix("ours:")
    if network == name:
        return True
    folder = catalog.available().get(network)
    if folder is None:
        return False
    accuracy: float = catalog.read_metrics(folder)["test"]["accuracy"]
    return accuracy == figures["accuracy"]


def peer_row(name: str, figures: dict[str, Any]) -> str:
    """Return one package's line; ours are called ``ours:NETWORK``."""
    title = f"**ours, {name.removeprefix('ours:')}**" if name.startswith("ours:") else name
    photo = figures["photo_ms"]
    return (
        f"| {title} | {_with_interval(figures)} | {figures['face_ms']:.1f} | "
        f"{'cannot here' if photo is None else f'{photo:.0f}'} | "
        f"{figures['faces_per_second']:,.0f} | {figures['peak_memory_mb']:,.0f} | "
        f"{figures['installed_mb']:,.0f} |\n"
    )


def best() -> str:
    """Return the bundled network that is best on validation: the API's example is its own."""
    scores = {
        name: catalog.read_metrics(folder)["validation"]["accuracy"]
        for name, folder in catalog.available().items()
    }
    if not scores:
        raise ConfigError("no checkpoint is bundled: the API's example needs one")
    return max(scores, key=lambda name: scores[name])


def call_example() -> str:
    """Return how the API is called, with the accuracy that it answers."""
    name = best()
    accuracy = catalog.read_metrics(catalog.available()[name])["test"]["accuracy"]
    return f'''```python
from gradio_client import Client, handle_file

client = Client("http://127.0.0.1:7860")              # the studio: "http://127.0.0.1:8501/gradio/"
client.predict(api_name="/networks")  # {{"{name}": {accuracy:.4f}, ...}}: accuracy on test faces
found = client.predict(photo=handle_file("me.jpg"), api_name="/classify")
found["faces"][0]["models"]["{name}"]["expression"]
```
'''


def answer_example() -> str:
    """Return what ``/classify`` gives for the example photo, rounded, as a block of JSON."""
    from PIL import Image

    from fermodels.data.samples import sample_photos
    from studio.classify_tab.reading import as_json, read

    buffer = BytesIO()
    Image.fromarray(sample_photos()[EXAMPLE_PHOTO]).save(buffer, "PNG")
    found = as_json(read(buffer.getvalue(), model=best()))
    text = re.sub(r"\[\s+([-\d,\s]+?)\s+\]", _on_one_line, json.dumps(_rounded(found), indent=1))
    return f"```json\n{text}\n```\n"


def _on_one_line(numbers: re.Match[str]) -> str:
    return f"[{' '.join(numbers[1].split())}]"


def _rounded(value: Any) -> Any:
    """Round every float to two places: as exact as another machine's arithmetic repeats."""
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return round(value, 2) if isinstance(value, float) else value


TABLES: dict[str, Callable[[], str]] = {
    "paper": paper_table, "results": table, "notes": notes, "peers": peers_table, "raters": raters,
}  # fmt: skip
"""Name of a pair of marks in the README -> what stands between them."""

API_TABLES: dict[str, Callable[[], str]] = {"call": call_example, "answer": answer_example}
"""The same for docs/api.md."""


def pages() -> dict[Path, dict[str, Callable[[], str]]]:
    """Return every page with figures, and what is written into it."""
    return {README: TABLES, API: API_TABLES}


def marks(name: str) -> tuple[str, str]:
    """Return what stands before and after a table."""
    return f"<!-- {name}: python -m docs.results -->", f"<!-- end of {name} -->"


def without_marks_of(tables: Mapping[str, Callable[[], str]]) -> Objection:
    """Object to a page in which a table's place is not marked, once and in order."""

    def objection(path: Path) -> str | None:
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        for begin, end in map(marks, tables):
            once = text.count(begin) == 1 and text.count(end) == 1
            if not once or text.index(begin) > text.index(end):
                return f"does not hold {begin} and {end} once and in this order"
        return None

    return objection


def refreshed(text: str, tables: Mapping[str, Callable[[], str]] = TABLES) -> str:
    """Return a page with its tables replaced by today's."""
    for name, write in tables.items():
        begin, end = marks(name)
        before, rest = text.split(begin)
        _, after = rest.split(end)
        text = f"{before}{begin}\n{write()}{end}{after}"
    return text


def main() -> int:
    """Rewrite the tables in place; an error of ours is one sentence and exit status 2."""

    def work() -> None:
        for page, tables in pages().items():
            if not page.is_file():
                raise ConfigError(f"there is no {page}: run this in a whole checkout")
            check_output(page, without_marks_of(tables))
        for page, tables in pages().items():
            text = refreshed(page.read_bytes().decode(), tables)  # line ends stay as they are
            put = text.encode()
            write_atomically(
                page, lambda path, put=put: path.write_bytes(put), without_marks_of(tables)
            )

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
