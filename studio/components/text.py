"""Text from outside (an address, a file, a card on the Hub), shown as the characters it is.

Streamlit renders most text as Markdown, labels, tooltips and tables included: a link in a visitor's
word would become a link. Names, errors and such words go through here before they are put into it.
"""

from __future__ import annotations

import re
import unicodedata

import streamlit as st

_AS_CODE = re.compile(r":\S|@|www\.|--|->|<-|[<>~]=", re.IGNORECASE)
"""Addresses, emoji, icons, colours, arrows: looked for in escaped text as well, but not in code."""

_SPECIAL = re.compile(r"([\\`*\[\]<~$&#|]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")
"""Within a word an underscore stands for itself."""

_LIST_OR_QUOTATION = re.compile(r"^(\d*)([-+=>.)])")


def plain(text: object, limit: int = 400) -> str:
    """Return Markdown that shows a text as it is, on one line: no link, picture, icon or formula.

    Args:
        text: anything; its `str` is shown.
        limit: characters shown; the rest is cut off.
    """
    words = _one_line(text, limit).split(" ")
    shown = " ".join(
        _in_backticks(word) if _AS_CODE.search(word) else _SPECIAL.sub(r"\\\1", word)
        for word in words
    )
    return _LIST_OR_QUOTATION.sub(r"\1\\\2", shown)


def code(text: object, limit: int = 400) -> str:
    """Return Markdown that shows a text as it is, as code; see `plain`."""
    return _in_backticks(_one_line(text, limit))


def say_error(error: object) -> None:
    """Show what is wrong, in the words of an error and none of its Markdown."""
    st.error(plain(error), icon=":material/error:")


def _one_line(text: object, limit: int) -> str:
    """Return a text without line ends, control characters or marks that turn its direction."""
    visible = "".join(
        " " if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp") else character
        for character in str(text)[: 4 * limit]
    )
    line = " ".join(visible.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _in_backticks(text: str) -> str:
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    room = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{room}{text}{room}{fence}" if text else ""
