"""How a walk opens a room and waits for it."""

from __future__ import annotations


def settle(page, seconds: float = 90) -> None:  # type: ignore[no-untyped-def]
    """Wait as the pictures do; loaded here, since without playwright the walks are skipped."""
    from docs import screenshots

    screenshots.settle(page, seconds)


def open_room(page, address: str) -> None:  # type: ignore[no-untyped-def]
    page.goto(address)
    settle(page)
