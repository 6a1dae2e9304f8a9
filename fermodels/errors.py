"""Errors a program can catch: what was wrong, the value seen and the next step, in a sentence."""


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
