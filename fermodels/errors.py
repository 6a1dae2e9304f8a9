"""Errors a program can catch: what was wrong, the value seen and the next step, in a sentence."""

from __future__ import annotations

import sys
from collections.abc import Callable


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


class ConfigError(FerError, ValueError):
    """A network, recipe or command-line setting outside its range."""


def exit_status(work: Callable[[], object]) -> int:
    """Do a command's work and return its exit status: 0, or 2 after an error of ours.

    The error is said in its one sentence; any other exception is a fault and passes.
    """
    try:
        work()
    except FerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
