"""Write the README's results table from the bundled checkpoints: ``python -m docs.results``.

No figure in the table is typed: each is read from a checkpoint's metrics.json, the paper's from
`fermodels.nets.paper`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from fermodels.nets import checkpoint, paper

README = Path(__file__).resolve().parents[1] / "README.md"
BEGIN, END = "<!-- results: python -m docs.results -->", "<!-- end of results -->"
COLUMNS = (
    "network", "recipe", "parameters", "validation (95% interval)", "test (95% interval)",
    "ten views", "paper's test", "training",
)  # fmt: skip
HEAD = f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n"


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


def refreshed(text: str) -> str:
    """Return the README with its table replaced by today's."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{table()}{END}{after}"


def main() -> int:
    """Rewrite the table in place."""
    README.write_text(refreshed(README.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
