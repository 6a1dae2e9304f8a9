"""Errors a program can catch: what was wrong, the value seen and the next step, in a sentence.

Also what turns errors into a command's exit status, and the Hub's errors into one of ours.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class FerError(Exception):
    """Base of every error that this project raises on purpose."""


class DataError(FerError, ValueError):
    """A dataset file, folder or row that cannot be read as faces."""


class PhotoError(FerError, ValueError):
    """A picture that cannot be decoded or holds nothing usable."""


class CheckpointError(FerError, ValueError):
    """A checkpoint that is missing, incomplete, altered or of another shape."""


class HubError(FerError, RuntimeError):
    """The Hugging Face Hub refused, or could not be reached."""


class HubUnreachableError(HubError):
    """The Hub did not answer, or not in working order; the same call may work later."""


class ConfigError(FerError, ValueError):
    """A network, recipe or command-line setting outside its range."""


def exit_status(work: Callable[[], object], to_go_on: str = "") -> int:
    """Do a command's work and return its exit status.

    That is 2 after an error of ours, which is printed as one sentence, and 130 after Ctrl-C; else
    the number that `work` returns, or 0. Any other exception is a fault and passes.

    Args:
        work: everything after the command line is parsed.
        to_go_on: what to tell somebody who pressed Ctrl-C.
    """
    try:
        status = work()
    except FerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"stopped: {to_go_on}" if to_go_on else "stopped", file=sys.stderr)
        return 130
    return status if isinstance(status, int) else 0


@contextmanager
def hub_errors(repo: str, revision: str = "main", kind: str = "model") -> Iterator[None]:
    """Turn whatever huggingface_hub raises within into one sentence.

    Args:
        repo: ``owner/name``.
        revision: branch, tag or commit.
        kind: ``model``, ``dataset`` or ``space``, for the sentence.

    Raises:
        HubError: what was refused, and the next step.
        HubUnreachableError: no connection, or the Hub is out of order.
    """
    import httpx2
    from huggingface_hub import errors

    try:
        yield
    except HubError:
        raise
    except errors.LocalEntryNotFoundError as error:
        raise _unreachable(error.__cause__ or error) from error
    except errors.HfHubHTTPError as error:
        raise _refused(error, repo, revision, kind) from error
    except (httpx2.TransportError, errors.OfflineModeIsEnabled) as error:
        raise _unreachable(error) from error
    except (OSError, RuntimeError, ValueError) as error:
        # huggingface_hub wraps a failed upload in RuntimeError and a cut download in OSError.
        if isinstance(error.__cause__, errors.HfHubHTTPError):
            raise _refused(error.__cause__, repo, revision, kind) from error
        if isinstance(error.__cause__, httpx2.TransportError):
            raise _unreachable(error.__cause__) from error
        raise HubError(f"the exchange with {repo} on the Hub failed: {_short(error)}") from error


def _short(error: BaseException) -> str:
    """Return the first line of an error, at most 200 characters."""
    return (" ".join(str(error).split()) or type(error).__name__)[:200]


def _unreachable(error: BaseException) -> HubUnreachableError:
    from huggingface_hub import constants

    return HubUnreachableError(
        f"cannot reach the Hub at {constants.ENDPOINT} ({_short(error)}): check the network, "
        "or HF_HUB_OFFLINE and HF_ENDPOINT"
    )


def _refused(error: Exception, repo: str, revision: str, kind: str) -> HubError:
    """Say why the Hub answered with an error status."""
    from huggingface_hub import errors, get_token

    response = getattr(error, "response", None)
    status = 0 if response is None else int(response.status_code)
    token = "the token given may not see it" if get_token() else "no token is set (HF_TOKEN)"
    if isinstance(error, errors.GatedRepoError):
        return HubError(f"{repo} is gated: accept its terms on the Hub and set HF_TOKEN")
    if isinstance(error, errors.RepositoryNotFoundError):
        return HubError(f"the Hub shows no {kind} repository {repo}: the name is wrong, or {token}")
    if isinstance(error, errors.RevisionNotFoundError):
        return HubError(f"{repo} has no revision {revision!r}: give one of its branches or commits")
    if isinstance(error, errors.EntryNotFoundError):
        return HubError(f"{repo} lacks a file at {revision!r}: {_short(error)}")
    if status == 401:
        return HubError(
            "the Hub does not accept the token (401): set HF_TOKEN to a valid one from "
            "huggingface.co/settings/tokens, or unset it for public models"
        )
    if status == 403:
        return HubError(
            f"the token has no right to do this with {repo} (403): use one with write access to "
            f"{repo.split('/', maxsplit=1)[0]}"
        )
    if status == 429 or status >= 500:
        return HubUnreachableError(f"the Hub answered {status} for {repo}: try again in a minute")
    return HubError(f"the Hub refused {repo} ({status}): {_short(error)}")
