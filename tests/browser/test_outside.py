"""Words from outside are shown as they are: no link, no picture, no request to where they point."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.browser.conftest import served
from tests.browser.steps import open_room
from tests.browser.test_every_room import OPEN
from tests.toys import ROOT

pytestmark = pytest.mark.browser

HOSTILE = (
    "![x](http://evil.example/a.png) [log in](http://evil.example/) www.evil.example "
    "<img src=http://evil.example/b.png><a href=http://evil.example>c</a> :red[d] $e$"
)
WORDS = [
    HOSTILE,
    "http://evil.example/a www.evil.example me@evil.example HTTPS://EVIL.EXAMPLE",
    "(www.evil.example) <http://evil.example> [a]: http://evil.example mailto:a@evil.example",
    "a`b`http://evil.example/` [a](javascript:alert(1)) !\\[x\\](http://evil.example) \\",
    "<script>alert(1)</script> &lt;b&gt; &#60; &amp;",
    ":red[loud] :smile: :blue-badge[x] ::leaf[a] :::note",
    "$$\\frac{1}{2}$$ and $x$, $a `b$ c` d$", "# head", "- item", "1. one", "5) x", "> quote",
    "+ x", "===", "- - -", "* * *", "```py", "~~~", "`", "`tick` ``two`` `", "| a | b |", "=",
    "**b** _i_ ~~s~~ a_b_c _a_ *b*", "a -> b -- c <- d >= e", "[^1] [[a]](b)", "1.5 > 2",
    "line\none\r\n# two\u2028three\u202efour", "hub:owner/name",
]  # fmt: skip
ADORNED = "a, img, script, .katex, blockquote, del, em, h1, h2, li, table, hr, pre"
"""What Markdown makes of such words."""


@pytest.fixture(scope="module")
def words() -> Iterator[str]:
    """A page that shows WORDS in every kind of element; gives its address."""
    page = str(ROOT / "tests" / "browser" / "words_from_outside.py")
    with served(page, WORDS=json.dumps(WORDS), PYTHONPATH=str(ROOT)) as address:
        yield address


def asked_of(page) -> list[str]:  # type: ignore[no-untyped-def]
    """Return the addresses that a page asks for from now on."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    return asked


def elsewhere(asked: list[str], address: str) -> list[str]:
    """Return what was asked of any other host."""
    own = (address, address.replace("http:", "ws:"), "data:", "blob:")
    return [url for url in asked if not url.startswith(own)]


def test_words_from_outside_are_shown_as_the_characters_they_are(words: str, page) -> None:  # type: ignore[no-untyped-def]
    asked = asked_of(page)
    open_room(page, words)
    assert page.locator(".st-key-control a").count() == 1, "else links would not be seen below"
    for number, word in enumerate(WORDS):
        visible = "".join(c if c.isprintable() else " " for c in word)
        for key, before, after in (
            ("word", "", ""),
            ("code", "Code: ", "."),
            ("bold", "Its name is ", ": so it is"),
        ):
            place = page.locator(f".st-key-{key}-{number}")
            assert place.text_content().strip() == before + " ".join(visible.split()) + after
            assert place.locator(ADORNED).count() == 0, word
    foreign = "[...document.querySelectorAll('a, img, iframe')].map(e => e.href || e.src)"
    assert [url for url in page.evaluate(foreign) if "evil" in url.lower()] == [
        "http://evil.example/control"
    ]
    assert page.locator("[data-testid=stMain] :is(.katex, script)").count() == 0
    assert elsewhere(asked, words) == []


@pytest.mark.parametrize("room", OPEN)
def test_a_hostile_link_to_a_room_adds_no_link_picture_or_request(  # type: ignore[no-untyped-def]
    studio: str, page, room: str
) -> None:
    keys = (
        "face", "model", "models", "data", "own", "methods", "target", "layer", "edits", "split",
        "asked", "preset", "runs", "sweep", "of", "map", "verdict", "unit", "slice", "page",
    )  # fmt: skip
    asked = asked_of(page)
    open_room(page, f"{studio}/{room}?" + "&".join(f"{key}={quote(HOSTILE)}" for key in keys))
    found = page.evaluate(
        "[...document.querySelectorAll('a, img, iframe')].map(e => e.outerHTML.slice(0, 300))"
    )
    assert [html for html in found if "evil" in html] == []
    assert page.locator("[data-testid=stMain] .katex").count() == 0
    assert elsewhere(asked, studio) == []
    assert page.locator("[data-testid=stException]").count() == 0
