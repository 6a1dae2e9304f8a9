"""Classify tables of pictures: ``python -m fermodels.classify.shards IN.parquet... --out FOLDER``.

Each input table, with a column ``image`` of ``{bytes, path}`` as on the Hugging Face Hub, becomes
a table of answers. Without Ray the shards are done one after the other and finished ones are
skipped; with ``--ray`` the same `classify_batch` runs on every machine of a Ray cluster.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from fermodels.classify import table as classify_table
from fermodels.classify.pictures import Settings, find_faces, network, predict_rows
from fermodels.classify.sources import Source, SourceFrame, photo_frames
from fermodels.classify.table import COLUMNS
from fermodels.cli import add_flags, given
from fermodels.errors import ConfigError, DataError, PhotoError, exit_status
from fermodels.files import check_output, not_a_table_with, write_atomically

if TYPE_CHECKING:
    import pyarrow as pa

Batch = Mapping[str, NDArray[Any] | list[Any]]
BATCH_ROWS = 64
"""Pictures handed over at a time."""
NOT_PREDICTIONS = not_a_table_with(*COLUMNS)


def classify_batch(
    batch: Batch,
    models: Sequence[str] = (),
    all_faces: bool = False,
    whole_picture: bool = False,
) -> dict[str, list[Any]]:
    """Return the answers for a batch of pictures, one row per face and network.

    Made for ``ray.data.Dataset.map_batches``; any table of encoded pictures will do.

    Args:
        batch: column ``image`` of ``{"bytes": ..., "path": ...}`` or plain bytes, length N.
        models: see `Settings.models`.
        all_faces: see `Settings.all_faces`.
        whole_picture: see `Settings.whole_picture`.

    Returns:
        The columns of `fermodels.classify.table.COLUMNS`, None where there is nothing to say. A
        picture that cannot be read gives a row with its error. ``file`` is the picture's path, or
        its row in the batch.

    Raises:
        DataError: there is no column ``image``.
        FerError: a network cannot be loaded.
    """
    if "image" not in batch:
        raise DataError(f"the table has the columns {', '.join(batch)}: expected one named image")
    settings = Settings(tuple(models), all_faces, whole_picture).resolved()
    nets = {name: network(name) for name in settings.models}
    sources = [_source(cell, number) for number, cell in enumerate(batch["image"])]
    rows = predict_rows(
        [picture for source in sources for picture in find_faces(source, settings)], nets
    )
    return {name: [row[name] for row in rows] for name in COLUMNS}


def _source(cell: Any, number: int) -> Source:
    """Return one cell of the column ``image`` as something to look at."""
    data, path = (cell.get("bytes"), cell.get("path")) if isinstance(cell, dict) else (cell, None)

    def frames() -> Iterator[SourceFrame]:
        if not isinstance(data, bytes):
            raise PhotoError(f"the image is {type(data).__name__}: expected an encoded picture")
        yield from photo_frames(data)

    return Source(str(path or f"row {number}"), frames)


def answer_table(batch: Batch, **settings: Any) -> pa.Table:
    """Return what `classify_batch` does as an Arrow table: empty columns keep their type."""
    columns = classify_batch(batch, **settings)
    return classify_table.arrow_table(
        dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)
    )


def classify_parquet(source: Path, out: Path, **settings: Any) -> pa.Table:
    """Classify a parquet table of pictures batch by batch, and write the answers atomically.

    Args:
        source: a table with the column ``image``.
        out: a parquet file; earlier answers of ours there are replaced.
        **settings: the settings of `classify_batch`.

    Raises:
        ConfigError: something else is at `out`.
        DataError: the table cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_output(out, NOT_PREDICTIONS)
    tables: list[pa.Table] = []
    try:
        file = pq.ParquetFile(source)
        if "image" not in file.schema_arrow.names:
            raise DataError(
                f"{source} has the columns {', '.join(file.schema_arrow.names)}: expected one "
                "named image"
            )
        for batch in file.iter_batches(BATCH_ROWS, columns=["image"]):
            first = len(tables) * BATCH_ROWS
            cells = [_named(c, first + i) for i, c in enumerate(batch["image"].to_pylist())]
            tables.append(answer_table({"image": cells}, **settings))
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())[:120]
        raise DataError(f"cannot read {source} ({reason}): give a parquet table") from error
    if not tables:
        raise DataError(f"{source} has no rows: there is nothing to classify")
    whole = pa.concat_tables(tables)
    write_atomically(
        out, lambda path: pq.write_table(whole, path, compression="zstd"), NOT_PREDICTIONS
    )
    return whole


def _named(cell: Any, row: int) -> dict[str, Any]:
    """Return a picture with a name: its own path, or its row in the table."""
    picture = cell if isinstance(cell, dict) else {"bytes": cell}
    return {"bytes": picture.get("bytes"), "path": picture.get("path") or f"row {row}"}


def classify_with_ray(
    sources: Sequence[Path], out: Path, address: str | None = None, **settings: Any
) -> None:
    """Classify tables on a Ray cluster, or on this machine's cores, into a folder of parquet.

    Every machine needs this package and the networks; ``hub:`` networks come by themselves.

    Args:
        sources: parquet tables with the column ``image``, at paths that every machine sees.
        out: a new folder.
        address: the cluster's, ``auto`` for the one this machine belongs to; None starts one here.
        **settings: the settings of `classify_batch`.

    Raises:
        ConfigError: Ray is not installed, or `out` exists.
    """
    if out.exists() or out.is_symlink():
        raise ConfigError(f"{out} exists: give a new folder for Ray to write into")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise ConfigError("--ray needs Ray: run pip install 'fer-studio[ray]'") from error
    ray.init(address, include_dashboard=False, ignore_reinit_error=True, log_to_driver=False)
    tables = ray.data.read_parquet([str(path.resolve()) for path in sources])
    tables.select_columns(["image"]).map_batches(
        answer_table, batch_size=BATCH_ROWS, batch_format="numpy", fn_kwargs=settings
    ).write_parquet(str(out.resolve()))


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's settings."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser("fermodels.classify.shards", description=about)
    parser.add_argument("tables", nargs="+", type=Path, metavar="IN.parquet")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for the answers")
    parser.add_argument(
        "--ray", nargs="?", const="", metavar="ADDRESS", help="use Ray, here or at an address"
    )
    add_flags(parser, Settings, "what to ask", but=["every"])
    return parser.parse_args(words)


def run(args: argparse.Namespace) -> None:
    """Do what the command line asks.

    Raises:
        ConfigError: two tables of one name, something else is where answers should go, or Ray is
            missing.
        DataError: a table cannot be read.
    """
    settings = asdict(Settings(**given(args, Settings)).resolved())
    del settings["every"]
    if args.ray is not None:
        classify_with_ray(args.tables, args.out, args.ray or None, **settings)
        return
    names = [path.name for path in args.tables]
    if len(set(names)) < len(names):
        raise ConfigError(f"two tables have one name ({', '.join(sorted(names))}): rename one")
    for name in names:
        check_output(args.out / name, NOT_PREDICTIONS)
    for table in args.tables:
        out = args.out / table.name
        if out.exists():
            print(f"skipped: {out} exists")
            continue
        print(f"{classify_parquet(table, out, **settings).num_rows} answers: {out}", flush=True)


def main(words: Sequence[str] | None = None) -> int:
    """Run; an error of ours is one sentence and exit status 2."""
    args = parse(words)
    return exit_status(lambda: run(args))


if __name__ == "__main__":
    sys.exit(main())
