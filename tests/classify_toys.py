"""The classify command called in this process, and the names of the networks it asks."""

from __future__ import annotations

from fermodels import classify

NAMES = ("shallow", "deep")


def run(*words: object) -> int:
    return classify.main([str(word) for word in words])
