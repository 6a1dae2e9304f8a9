"""Checkpoints on the Hugging Face Hub: pulled once, checked, then read from the cache.

Nothing but the files of a checkpoint is fetched, each of a bounded size and with the hash that
the Hub lists for it. huggingface_hub itself is imported at the first use.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fermodels.errors import HubError, HubUnreachableError, hub_errors
from fermodels.files import MAX_JSON_BYTES
from fermodels.nets.catalog import CARD, CONFIG, FILES, HISTORY, METRICS, PREDICTIONS, WEIGHTS

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

MAX_BYTES = {
    WEIGHTS: 2_000_000_000,
    CONFIG: MAX_JSON_BYTES,
    METRICS: MAX_JSON_BYTES,
    HISTORY: 200_000_000,
    PREDICTIONS: 200_000_000,
    CARD: 1_000_000,
}
"""Largest size of each file; more is refused before a byte of it is fetched."""

DEFAULT_REVISION = "main"
TIMEOUT = 10.0
"""Seconds to wait for the Hub's first answer before the cache is tried."""

_NAME = r"[A-Za-z0-9](?:[\w.-]{0,94}[A-Za-z0-9_])?"
_REPO = re.compile(rf"{_NAME}/{_NAME}", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)*", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class _Listed:
    """What the Hub says of one file."""

    size: int
    """Bytes."""
    digest: str
    """SHA-256 of a file in LFS, else git's SHA-1 of the blob; hexadecimal."""


def check_repo_id(repo: str) -> str:
    """Return `repo` if it is ``owner/name`` as the Hub spells it.

    Raises:
        HubError: it is anything else, such as a URL or a path.
    """
    if not _REPO.fullmatch(repo) or ".." in repo or "--" in repo or repo.endswith(".git"):
        raise HubError(
            f"{repo[:120]!r} is not the name of a Hub repository: give owner/name, letters, "
            "digits, '-', '_' and '.'"
        )
    return repo


def check_revision(revision: str) -> str:
    """Return `revision` if it can be a branch, a tag or a commit.

    Raises:
        HubError: it cannot; the cache would take it for a path.
    """
    if not _REVISION.fullmatch(revision) or ".." in revision or len(revision) > 200:
        raise HubError(
            f"{revision[:120]!r} is not a revision: give a branch, a tag or a 40-digit commit"
        )
    return revision


def pull(repo: str, revision: str | None = None) -> Path:
    """Return the local folder of a checkpoint on the Hub, downloading what is not cached.

    A commit that is cached is returned without asking the network; a branch or tag is looked up,
    and read from the cache when the Hub cannot be reached.

    Args:
        repo: ``owner/name`` of a model repository.
        revision: branch, tag or commit; the default branch when None.

    Raises:
        HubError: no such repository, revision or file, no right to it, no network and nothing
            cached, or files that are not what the Hub lists.
    """
    wanted = check_revision(revision or DEFAULT_REVISION)
    check_repo_id(repo)
    if _COMMIT.fullmatch(wanted) and (folder := _cached(repo, wanted)):
        return folder
    try:
        with hub_errors(repo, wanted):
            return _download(repo, wanted)
    except HubUnreachableError as error:
        if folder := _cached(repo, wanted):
            return folder
        raise HubUnreachableError(f"{error}; {wanted!r} of {repo} is not in the cache") from error


def _download(repo: str, revision: str) -> Path:
    """List the repository, fetch what is missing and compare it with the list."""
    import huggingface_hub as hub

    info = hub.HfApi().model_info(repo, revision=revision, files_metadata=True, timeout=TIMEOUT)
    listed = _listing(repo, info.siblings or [])
    wrong: list[str] = []
    for _ in range(2):  # once more if the cache held a damaged file
        folder = Path(
            hub.snapshot_download(
                repo, revision=revision, allow_patterns=list(FILES), etag_timeout=TIMEOUT
            )
        )
        if folder.name != info.sha:
            raise HubError(f"{revision!r} of {repo} was changed while it was pulled: pull it again")
        wrong = [name for name in FILES if not _is_as_listed(folder / name, listed[name])]
        if not wrong:
            return folder
        for name in wrong:
            _drop(folder / name)
    raise HubError(
        f"{', '.join(wrong)} of {repo} came twice with other bytes than the Hub lists: nothing "
        "was kept; pull again later, or tell the repository's owner"
    )


def _listing(repo: str, siblings: list[RepoSibling]) -> dict[str, _Listed]:
    """Return size and hash of each file of a checkpoint, as the Hub states them."""
    by_name = {entry.rfilename: entry for entry in siblings}
    missing = [name for name in FILES if name not in by_name]
    if missing:
        raise HubError(
            f"{repo} has no {', '.join(missing)}: it holds no fermodels checkpoint; push one with "
            "python -m train.push"
        )
    listed = {}
    for name in FILES:
        entry = by_name[name]
        size, digest = entry.size, entry.lfs.sha256 if entry.lfs else entry.blob_id
        if size is None or digest is None or size > MAX_BYTES[name]:
            raise HubError(
                f"{repo} lists {name} with {size} bytes and hash {digest}: expected a hash and at "
                f"most {MAX_BYTES[name]:,} bytes; it is no checkpoint of ours"
            )
        listed[name] = _Listed(size, digest)
    return listed


def _is_as_listed(path: Path, listed: _Listed) -> bool:
    digest = _digest(path, len(listed.digest))
    return path.stat().st_size == listed.size and digest == listed.digest


def _digest(path: Path, length: int) -> str:
    """Return a file's SHA-256 (64 digits) or, for 40 digits, its SHA-1 as a git blob."""
    with path.open("rb") as stream:
        if length == 64:
            return hashlib.file_digest(stream, "sha256").hexdigest()
        header = f"blob {path.stat().st_size}\0".encode()
        blob = hashlib.sha1(header, usedforsecurity=False)
        return hashlib.file_digest(stream, lambda: blob).hexdigest()


def _drop(path: Path) -> None:
    """Delete a cached file, ``REPO/snapshots/COMMIT/NAME``, and the blob of the cache behind it."""
    blob, blobs = path.resolve(), path.parents[2].resolve() / "blobs"
    path.unlink(missing_ok=True)
    if blob.parent == blobs:  # a link may lead anywhere: what is not the cache's stays
        blob.unlink(missing_ok=True)


def _cached(repo: str, revision: str) -> Path | None:
    """Return a snapshot that is whole in the cache, without any network; None if it is not.

    The cache names its blobs by their hashes, so damaged ones are noticed, dropped and count as
    missing. Where a file system has no symbolic links there is no such name to compare.
    """
    import huggingface_hub as hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(
            hub.snapshot_download(
                repo, revision=revision, allow_patterns=list(FILES), local_files_only=True
            )
        )
    except LocalEntryNotFoundError:  # its subclass IncompleteSnapshotError too
        return None
    damaged = [folder / name for name in FILES if _is_damaged(folder / name)]
    for path in damaged:
        _drop(path)
    return None if damaged else folder


def _is_damaged(path: Path) -> bool:
    if not path.is_file():
        return True
    name = path.resolve().name
    return path.is_symlink() and _digest(path, len(name)) != name
