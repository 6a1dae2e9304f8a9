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
