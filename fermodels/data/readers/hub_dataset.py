"""A dataset on the Hugging Face Hub -> a local folder that the other readers understand."""

from __future__ import annotations

from pathlib import Path

from fermodels.data.readers.ferplus import FILE_NAME
from fermodels.errors import HubError, hub_errors

CONVERTED = "refs/convert/parquet"
"""The branch where the Hub keeps its own parquet copy of datasets in other forms."""


def download(name: str) -> Path:
    """Return the folder that holds a Hub dataset's parquet (or else CSV) files.

    What was downloaded before is used without asking the network.

    Args:
        name: ``owner/name``, or ``owner/name@revision``.

    Raises:
        HubError: no such dataset or revision, no access, no network, or no files of a known form.
    """
    repo, _, revision = name.partition("@")
    attempts = [(revision or None, "parquet"), (revision or None, "csv")]
    if not revision:
        attempts.insert(1, (CONVERTED, "parquet"))
    for local_only in (True, False):
        for branch, suffix in attempts:
            folder = _snapshot(repo, branch, suffix, local_only)
            if folder is not None:
                return folder
    raise HubError(
        f"the Hub dataset {name!r} holds no parquet and no CSV files: expected FER-2013 as "
        "image and label columns; download it and give its folder instead"
    )


def _snapshot(repo: str, revision: str | None, suffix: str, local_only: bool) -> Path | None:
    """Return the folder of one attempt, or None if it has no such files.

    Raises:
        HubError: the Hub refused, or could not be reached.
    """
    from huggingface_hub import errors, snapshot_download

    with hub_errors(repo, revision or "main", "dataset"):
        try:
            place = snapshot_download(
                repo,
                repo_type="dataset",
                revision=revision,
                allow_patterns=[f"*.{suffix}", f"*{FILE_NAME}"],
                local_files_only=local_only,
            )
        except errors.LocalEntryNotFoundError:
            if local_only:
                return None
            raise
        except errors.RevisionNotFoundError:
            if revision == CONVERTED:
                return None
            raise
    files = [path for path in Path(place).rglob(f"*.{suffix}") if path.name.lower() != FILE_NAME]
    return Path(place) if files else None
