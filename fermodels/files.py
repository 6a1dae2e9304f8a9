"""Files: written in one step, never over what is not ours; JSON and tables read within bounds.

The rule of every output path: it is free, or what is there was written by us as the same kind of
output (an `Objection` tells). A symbolic link is refused, so that neither link nor target is lost;
folders above the last name may be links. Long commands ask `check_output` before they begin; it is
asked again at the end, and what was finished meanwhile is then put beside, under a free name.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fermodels.data.readers.bounded_parquet import BoundedTable, Limit
from fermodels.errors import CheckpointError, ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from PIL.PngImagePlugin import PngInfo

Objection = Callable[[Path], str | None]
"""Why what is at a path must not be replaced, as the end of a sentence about it; None if it may."""

MARK = "fermodels"
"""What pictures of ours carry: PNG's text ``Software``, GIF's comment."""
MOST_JSON_BYTES = 100_000_000
"""A larger JSON file is none that we wrote."""


def anything(_path: Path) -> str:
    """Object to whatever is there: the output must be new."""
    return "is there already"


def not_json_with(*keys: str) -> Objection:
    """Object to all but a JSON object that holds these keys."""

    def objection(path: Path) -> str | None:
        content = _json_of(path)
        whole = isinstance(content, dict) and content.keys() >= set(keys)
        return None if whole else f"is no file of ours (JSON with {', '.join(keys[:3])})"

    return objection


def not_a_result(path: Path) -> str | None:
    """Object to all but JSON that says where its figures came from, as every result of ours."""
    content = _json_of(path)
    origin = content.get("provenance") if isinstance(content, dict) else None
    if isinstance(origin, dict) and origin.keys() >= {"data_name", "data_hash"}:
        return None
    return "is no result of ours (JSON with a provenance)"


def _json_of(path: Path) -> Any:
    """Return what a regular file of bearable size holds as JSON; None for anything else."""
    try:
        bearable = path.is_file() and path.stat().st_size < MOST_JSON_BYTES
        return json.loads(path.read_text(encoding="utf-8")) if bearable else None
    except (OSError, ValueError, RecursionError):
        return None


def not_a_table_with(*columns: str) -> Objection:
    """Object to all but a parquet table that has these columns."""

    def objection(path: Path) -> str | None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            names = pq.read_schema(path).names if path.is_file() else []
        except (OSError, ValueError, pa.ArrowException):
            names = []
        whole = set(columns) <= set(names)
        return None if whole else f"is no table of ours (parquet with {', '.join(columns[:3])})"

    return objection


def not_our_picture(path: Path) -> str | None:
    """Object to all but a picture that carries MARK."""
    from PIL import Image, UnidentifiedImageError

    info: dict[str | tuple[int, int], Any] = {}
    try:
        if path.is_file():
            with Image.open(path) as picture:
                info = picture.info
    except (OSError, ValueError, UnidentifiedImageError):
        info = {}
    ours = info.get("Software") == MARK or info.get("comment") == MARK.encode()
    return None if ours else "is no picture that we drew"


def png_mark() -> PngInfo:
    """Return what to save a PNG with, so that `not_our_picture` knows it again."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Software", MARK)
    return info


def check_output(path: Path, objection: Objection) -> None:
    """Refuse an output path that is not free and holds nothing of ours; cheap.

    Raises:
        ConfigError: something else is there, it is a link, or nothing can be written there.
    """
    if why := _why_not(path, objection):
        raise ConfigError(f"{path} {why}: move it away, or choose another place")


def _why_not(path: Path, objection: Objection) -> str | None:
    if path.is_symlink():
        return f"is a link (to {path.readlink()}), and links are not replaced"
    if path.exists() and (why := objection(path)):
        return why
    # the nearest parent that is there must take the others
    above = next(p for p in path.absolute().parents if p.exists() or p.is_symlink())
    if not above.is_dir():
        return f"cannot be made, since {above} is no folder"
    if not os.access(above, os.W_OK | os.X_OK):
        return f"cannot be written, since {above} may not be written to"
    return None


def put_beside(finished: Path, path: Path) -> Path:
    """Move a finished file or folder to a free name beside `path`, and return that."""
    names = (path.with_name(f"{path.stem}-{n}{path.suffix}") for n in count(1))
    beside = next(name for name in names if not (name.exists() or name.is_symlink()))
    return finished.rename(beside)


def write_atomically(
    path: Path, write: Callable[[Path], object], objection: Objection = anything
) -> None:
    """Let `write` fill a temporary neighbour of `path`, then put it in place in one step.

    Args:
        path: where it goes.
        write: fills the path that it is given.
        objection: whether an earlier file may be replaced; none may unless told.

    Raises:
        ConfigError: something that is not ours is there; the new file is then beside it.
        OSError: the disk refused; `path` is then what it was before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        if why := _why_not(path, objection):
            raise ConfigError(f"{path} {why}: the new file is {put_beside(temporary, path)}")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Any, objection: Objection = not_a_result) -> None:
    """Write `content` as readable JSON, atomically; NaN is refused.

    Args:
        path: where it goes.
        content: JSON types.
        objection: see `write_atomically`; a result of ours may be replaced unless told.
    """
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    write_atomically(
        path, lambda temporary: temporary.write_text(text, encoding="utf-8"), objection
    )


def remove_files(folder: Path, names: tuple[str, ...]) -> None:
    """Remove these files and what a crash left of writing them, then the folder if it is empty."""
    for name in names:
        for path in [folder / name, *folder.glob(f".{name}.*")]:
            path.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


ROOT = Path(__file__).resolve().parents[1]

MAX_JSON_BYTES = 5_000_000
MOST_DIGITS = 19
"""Of a whole number in JSON: 64 bits."""
REMEDY = "restore or re-export the checkpoint"


def read_table(
    path: Path, limit: Limit, choose: Callable[[pa.Schema, str], list[str]] | None = None
) -> pd.DataFrame:
    """Read a parquet table within a limit.

    Args:
        path: the file.
        limit: of rows and bytes.
        choose: gets the schema and what errors call the table, and returns the columns to read;
            it refuses types that it did not expect. All columns by default.

    Raises:
        CheckpointError: missing, damaged, too large, or refused by `choose`.
    """
    import pyarrow as pa

    try:
        with BoundedTable(path, called(path), limit) as table:
            names = choose(table.schema, called(path)) if choose else table.schema.names
            batches = list(table.batches(names))
            schema = pa.schema([table.schema.field(name) for name in names])
            return pa.Table.from_batches(batches, schema).to_pandas()
    except CheckpointError:
        raise
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{why_unreadable(path, error)}; {REMEDY}") from error


def called(path: Path) -> str:
    """Return what an error calls a checkpoint's file: its name and whose it is, no folders."""
    folder = path.parent
    if folder.parent.name == "snapshots":  # the Hub's cache: models--owner--name/snapshots/commit
        repo = folder.parent.parent.name.removeprefix("models--").replace("--", "/")
        return f"{path.name} of {repo}"
    return f"{path.name} of {folder.name}"


def why_unreadable(path: Path, error: Exception) -> str:
    """Return why a file cannot be read; the system's own words repeat the whole path."""
    if isinstance(error, DataError):
        return str(error)
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    words = words.replace(str(path), path.name)
    return f"cannot read {called(path)}: {' '.join(words.split())[:200]}"


def read_json(path: Path) -> dict[str, Any]:
    """Read a small JSON object.

    Raises:
        CheckpointError: missing, too large, or not a JSON object.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_JSON_BYTES + 1)
    except OSError as error:
        raise CheckpointError(f"{why_unreadable(path, error)}; {REMEDY}") from error
    return parse_json(content, called(path))


def parse_json(content: bytes, called: str) -> dict[str, Any]:
    """Return a JSON object; numbers must be finite and keys unique.

    Args:
        content: UTF-8.
        called: what errors call it.

    Raises:
        CheckpointError: it is anything else.
    """
    if len(content) > MAX_JSON_BYTES:
        raise CheckpointError(
            f"{called} has more than {MAX_JSON_BYTES:,} bytes: too large to be ours"
        )
    try:
        content_json = json.loads(
            content.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite,
            parse_int=_short_int, object_pairs_hook=_unique,
        )  # fmt: skip
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"cannot read {called}: {str(error)[:200]}; {REMEDY}") from error
    if not isinstance(content_json, dict):
        raise CheckpointError(f"{called} holds a {type(content_json).__name__}: expected an object")
    return content_json


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


def _short_int(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"a whole number has {len(text):,} digits: at most {MOST_DIGITS}")
    return int(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:60]!r} stands there twice")
    return content
