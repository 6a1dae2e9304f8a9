"""Write the README's tables of results: ``python -m docs.results``.

No figure in them is typed: ours are read from the checkpoints' metrics.json, the paper's from
`fermodels.nets.paper`, those of other packages from ``results/peers.json`` (`benchmarks.peers`).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from fermodels.errors import ConfigError, exit_status
from fermodels.nets import checkpoint, paper, shelf
from fermodels.nets.files import check_output, write_atomically

README = Path(__file__).resolve().parents[1] / "README.md"
COLUMNS = (
    "network", "recipe", "parameters", "validation (95% interval)", "test (95% interval)",
    "ten views", "paper's test", "training",
)  # fmt: skip
PEER_COLUMNS = (
    "package", "PrivateTest (95% interval)", "ms a face", "ms a photo", "faces/s in a batch",
    "MB of memory", "MB installed",
)  # fmt: skip


def _head(columns: tuple[str, ...]) -> str:
    return f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n"


HEAD, PEERS_HEAD = _head(COLUMNS), _head(PEER_COLUMNS)


def _with_interval(figures: dict[str, Any]) -> str:
    low, high = figures["interval"]
    return f"{figures['accuracy']:.1%} ({low:.1%} to {high:.1%})"


def row(name: str, metrics: dict[str, Any]) -> str:
    """Return one checkpoint's line."""
    viewed = metrics.get("views")
    quoted = paper.REPORTED[name].test if name in paper.REPORTED else None
    return (
        f"| {name} | {metrics['recipe']} | {metrics['parameters'] / 1e6:.1f} M | "
        f"{_with_interval(metrics['validation'])} | {_with_interval(metrics['test'])} | "
        f"{_with_interval(viewed['ten']['test']) if viewed else 'not computed'} | "
        f"{f'{quoted:.0%}' if quoted else 'none given'} | {metrics['epochs']} epochs, "
        f"{metrics['training_seconds'] / 60:.0f} min |\n"
    )


def table() -> str:
    """Return the whole table as Markdown."""
    folders = checkpoint.available()
    return HEAD + "".join(row(n, checkpoint.read_metrics(f)) for n, f in folders.items())


def peers_table() -> str:
    """Return other packages beside ours as Markdown, the most accurate first.

    A row of ours that was measured on earlier weights is left out.
    """
    measured = shelf.read_result("peers")
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
    folder = checkpoint.available().get(network)
    if folder is None:
        return False
    accuracy: float = checkpoint.read_metrics(folder)["test"]["accuracy"]
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


TABLES = {"results": table, "peers": peers_table}
"""Name of a pair of marks in the README -> what stands between them."""


def marks(name: str) -> tuple[str, str]:
    """Return what stands before and after a table."""
    return f"<!-- {name}: python -m docs.results -->", f"<!-- end of {name} -->"


def without_marks(path: Path) -> str | None:
    """Object to a README in which a table's place is not marked, once and in order."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    for begin, end in map(marks, TABLES):
        if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
            return f"does not hold {begin} and {end} once and in this order"
    return None


def refreshed(text: str) -> str:
    """Return the README with its tables replaced by today's."""
    for name, write in TABLES.items():
        begin, end = marks(name)
        before, rest = text.split(begin)
        _, after = rest.split(end)
        text = f"{before}{begin}\n{write()}{end}{after}"
    return text


def main() -> int:
    """Rewrite the tables in place; an error of ours is one sentence and exit status 2."""

    def work() -> None:
        if not README.is_file():
            raise ConfigError(f"there is no {README}: run this in a whole checkout")
        check_output(README, without_marks)
        text = refreshed(README.read_bytes().decode())  # line ends stay as they are
        write_atomically(README, lambda path: path.write_bytes(text.encode()), without_marks)

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
