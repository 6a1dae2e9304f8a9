"""How a walk opens a room and waits for it."""

from __future__ import annotations


def settle(page, seconds: float = 90) -> None:  # type: ignore[no-untyped-def]
    """Wait until the script has run and every part is drawn, for a quarter of a second.

    A part whose code the browser still fetches stands as a skeleton after the script has ended.
    """
    page.wait_for_selector(
        "[data-testid=stMain] [data-testid=stElementContainer]", timeout=seconds * 1e3
    )
    quiet = """() => {
        const app = document.querySelector('[data-testid=stApp]');
        const still = app && app.getAttribute('data-test-script-state') === 'notRunning'
            && !document.querySelector('[data-testid=stMain] [data-testid=stSkeleton]');
        if (!still) { window.stillSince = null; return false; }
        window.stillSince = window.stillSince || Date.now();
        return Date.now() - window.stillSince > 250;
    }"""
    page.wait_for_function(quiet, timeout=seconds * 1e3)


def open_room(page, address: str) -> None:  # type: ignore[no-untyped-def]
    page.goto(address)
    settle(page)
