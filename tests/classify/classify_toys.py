"""The classify command called in this process, and the names of the networks it asks."""

from __future__ import annotations

from fermodels.classify import __main__ as classify_command

NAMES = ("shallow", "deep")


def run(*words: object) -> int:
    return classify_command.main([str(word) for word in words])
