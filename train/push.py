"""Push a checkpoint to the Hugging Face Hub: ``python -m train.push deep --repo owner/name``.

One commit with exactly a checkpoint's files; its card gains the results as ``model-index``
metadata, taken from its metrics. The repository is made, private unless told otherwise.
"""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from huggingface_hub import (
    CommitOperationAdd,
    EvalResult,
    HfApi,
    ModelCard,
    ModelCardData,
    get_token,
    hf_hub_download,
)
from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

from fermodels.errors import HubError, exit_status, hub_errors
from fermodels.hub import (
    DEFAULT_REVISION,
    MAX_BYTES,
    TIMEOUT,
    check_repo_id,
    check_revision,
)
from fermodels.nets import catalog, checkpoint

SPLIT_TITLES = {"validation": "validation (PublicTest)", "test": "test (PrivateTest)"}
METRIC_TITLES = {"accuracy": "Accuracy", "f1": "Macro F1"}
RESULT_KEYS = ("model-index", "metrics")
"""Metadata of an earlier push, written afresh."""


def push(
    folder: str | Path,
    repo: str,
    private: bool = True,
    revision: str | None = None,
    message: str | None = None,
    overwrite: bool = False,
) -> str:
    """Push a checkpoint and return the address of the commit's files on the Hub.

    Nothing is sent unless the checkpoint loads strictly. An unchanged checkpoint makes no new
    commit. A repository that exists keeps its visibility.

    Args:
        folder: the name of a bundled checkpoint, or its folder.
        repo: ``owner/name``; made if there is none.
        private: visibility of a repository made here.
        revision: branch to commit to, made if there is none; the default branch when None.
        message: title of the commit.
        overwrite: push into a repository that holds something else, see `check_target`.

    Raises:
        CheckpointError: the checkpoint is incomplete or does not load.
        HubError: no token, no right, no network, or a repository that holds something else.
    """
    source = catalog.find(folder)
    branch = check_revision(revision or DEFAULT_REVISION)
    identity, metrics = validate(source)
    card = hub_card((source / catalog.CARD).read_text(encoding="utf-8"), repo, identity, metrics)
    check_target(repo, branch, overwrite)
    with hub_errors(repo, branch):
        return _send(source, repo, private, branch, message or _title(identity, metrics), card)


def check_target(repo: str, branch: str = DEFAULT_REVISION, overwrite: bool = False) -> None:
    """See that a push could be tried: a good name, a token, a Hub that knows it, room for it.

    Cheap enough to ask before hours of training. A push removes nothing, but its files would hide
    others of the same names; so a branch must be empty or hold a checkpoint of ours.

    Args:
        repo: ``owner/name``.
        branch: where the commit will go.
        overwrite: do not ask what the branch holds.

    Raises:
        HubError: what is missing.
    """
    check_repo_id(repo)
    if get_token() is None:
        raise HubError(
            f"no token to push {repo} with: set HF_TOKEN to one with write access "
            "(huggingface.co/settings/tokens), or run hf auth login"
        )
    # A dead network or a bad token ends here, not after the retries of an upload; a missing
    # repository is what the push will make.
    with hub_errors(repo), suppress(RepositoryNotFoundError, RevisionNotFoundError):
        info = HfApi().model_info(repo, revision=branch, files_metadata=True, timeout=TIMEOUT)
        sizes = {entry.rfilename: entry.size for entry in info.siblings or []}
        present = sorted(set(sizes) - {".gitattributes"})
        if present and not overwrite and not _is_ours(repo, info.sha, sizes.get(catalog.CONFIG)):
            raise HubError(
                f"{repo} holds {', '.join(present)[:200]} but no checkpoint of ours: choose "
                "another repository, or add --overwrite to put a checkpoint's files among them"
            )


def _is_ours(repo: str, commit: str | None, size: int | None) -> bool:
    """Whether the ``config.json`` of this size at a commit is that of a checkpoint of ours."""
    if size is None or size > MAX_BYTES[catalog.CONFIG]:
        return False
    config = hf_hub_download(repo, catalog.CONFIG, revision=commit, etag_timeout=TIMEOUT)
    return checkpoint.not_of_format(Path(config)) is None


def validate(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a checkpoint's identity and metrics once all of it has been read.

    Raises:
        CheckpointError: any of its files is missing, damaged or does not fit the others.
    """
    checkpoint.load(folder)
    catalog.read_history(folder)
    catalog.read_predictions(folder)
    identity, _ = checkpoint.read_config(folder)
    return identity, catalog.read_metrics(folder)


def _send(source: Path, repo: str, private: bool, branch: str, message: str, card: str) -> str:
    """Make what is missing on the Hub and commit; huggingface_hub's errors pass through."""
    api = HfApi()
    api.create_repo(repo, private=private, exist_ok=True)
    if branch != DEFAULT_REVISION:
        api.create_branch(repo, branch=branch, exist_ok=True)
    content: dict[str, str | bytes] = {name: str(source / name) for name in catalog.FILES}
    content[catalog.CARD] = card.encode()
    with warnings.catch_warnings():
        # History and predictions belong to the model: no data set is meant by these parquets.
        warnings.filterwarnings("ignore", message="It seems that you are about to commit a data")
        commit = api.create_commit(
            repo,
            [CommitOperationAdd(name, value) for name, value in content.items()],
            commit_message=message,
            revision=branch,
        )
    return f"{api.endpoint}/{repo}/tree/{commit.oid}"


def _title(identity: dict[str, Any], metrics: dict[str, Any]) -> str:
    test = metrics["test"]
    return f"{identity['variant']}, {identity['recipe']} recipe: {test['accuracy']:.2%} on test"


def hub_card(text: str, repo: str, identity: dict[str, Any], metrics: dict[str, Any]) -> str:
    """Return the card as the Hub should have it: results as metadata, and its own address.

    Args:
        text: the checkpoint's README.md.
        repo: ``owner/name``.
        identity: from config.json.
        metrics: from metrics.json.
    """
    text = re.sub(r'fermodels\.load\(".*', f'fermodels.load("hub:{repo}")', text)
    card = ModelCard(text, ignore_metadata_errors=False)
    metadata: dict[str, Any] = card.data.to_dict()  # type: ignore[no-untyped-call]
    other_metadata = {key: value for key, value in metadata.items() if key not in RESULT_KEYS}
    card.data = ModelCardData(
        model_name=identity.get("name", identity["variant"]),
        eval_results=eval_results(metrics),
        metrics=list(METRIC_TITLES),
        **other_metadata,
    )
    return str(card)


def eval_results(metrics: dict[str, Any]) -> list[EvalResult]:
    """Return accuracy and macro-F1 on test and validation, as `model-index` wants them."""
    data_name = metrics["provenance"]["data_name"]
    return [
        EvalResult(
            task_type="image-classification",
            task_name="Facial expression recognition",
            dataset_type=data_name,
            dataset_name=f"{data_name}, {SPLIT_TITLES[split]}, {metrics[split]['n']:,} faces",
            dataset_split=split,
            metric_type=kind,
            metric_name=title,
            metric_value=metrics[split]["accuracy" if kind == "accuracy" else "macro_f1"],
        )
        for split in ("test", "validation")
        for kind, title in METRIC_TITLES.items()
    ]


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser("train.push", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoint", help="name of a bundled checkpoint, or its folder")
    parser.add_argument("--repo", required=True, metavar="OWNER/NAME", help="where it goes")
    parser.add_argument("--public", action="store_true", help="make a new repository public")
    parser.add_argument("--revision", help="branch to commit to; made if there is none")
    parser.add_argument("--message", help="title of the commit")
    parser.add_argument(
        "--overwrite", action="store_true", help="push even where something else is"
    )
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Push; an error of ours is one sentence and exit status 2."""
    args = parse(words)

    def work() -> None:
        url = push(
            args.checkpoint, args.repo, not args.public, args.revision, args.message, args.overwrite
        )
        print(f"pushed: {url}")
        print(f'load:   fermodels.load("hub:{args.repo}", revision="{url.rsplit("/", 1)[-1]}")')

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
