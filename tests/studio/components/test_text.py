"""Words from outside become Markdown that shows them, and no page forgets to make them so."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from fermodels.data.dataset import FaceDataset
from fermodels.data.readers import discover
from studio.components import epoch_slider
from studio.components.text import code, plain
from studio.figures import history
from studio.rooms.activations import channels
from studio.rooms.puppet import concepts
from tests.studio.toy_studio import EPOCHS
from tests.toys import ROOT

SHOWN = {
    "shallow": "shallow",
    "hybrid-deep (yours)": "hybrid-deep (yours)",
    "cannot read 'a' (3 bytes): give 2.5 or more, not 7": "cannot read 'a' (3 bytes): give 2.5 or "
    "more, not 7",
    "[log in](http://evil.example)": "`[log in](http://evil.example)`",
    "![x](y)": r"!\[x\](y)",
    "**b** _i_ ~~s~~ <i> $x$ &lt; a|b": r"\*\*b\*\* \_i\_ \~\~s\~\~ \<i> \$x\$ \&lt; a\|b",
    "a_b_c _d_ e_": r"a_b_c \_d\_ e\_",
    "www.evil.example": "`www.evil.example`",
    "me@evil.example": "`me@evil.example`",
    ":material/delete: :smile: a: b": "`:material/delete:` `:smile:` a: b",
    "run it --out F": "run it `--out` F",
    "# head": r"\# head",
    "- item": r"\- item",
    "12. one": r"12\. one",
    "12.5 > 3": "12\\.5 > 3",
    "one\r\n# two\u2028\u202ethree\0": r"one \# two three",
    "`:x`": "`` `:x` ``",
    "": "",
}  # fmt: skip


@pytest.mark.parametrize("word", SHOWN)
def test_a_word_is_escaped_and_what_stays_dangerous_then_is_code(word: str) -> None:
    if "log in" in word:  # two words: each on its own
        assert plain(word) == "\\[log `in](http://evil.example)`"
    else:
        assert plain(word) == SHOWN[word]


def test_long_words_are_cut_before_they_are_escaped() -> None:
    assert plain("*" * 1000, 10) == r"\*" * 9 + "…"
    assert len(plain("x" * 10**7)) == 400
    assert code("a`b", 3) == "``a`b``"


TEXT = {
    "markdown", "info", "error", "warning", "success", "caption", "toast", "write", "title",
    "header", "subheader", "expander", "button", "spinner", "progress", "metric", "selectbox",
    "pills", "segmented_control", "radio", "toggle", "checkbox", "slider", "number_input",
    "text_input", "file_uploader", "page_link", "popover", "tabs", "multiselect", "status", "table",
}  # fmt: skip
"""Streamlit's calls whose words, labels and tooltips are Markdown."""
QUIET = {"key", "on_click", "args", "on_change", "icon", "alt", "options", "format_func", "default"}
OUTSIDE = {"name", "names", "error", "why", "note", "model", "sample_id", "source", "notes"}
"""What variables and attributes are called that hold a visitor's, a file's or a card's words."""
PLAIN = {"plain", "code", "len"}


def words_of(call: ast.Call) -> Iterator[ast.expr]:
    """Yield what a call shows."""
    yield from call.args
    yield from (keyword.value for keyword in call.keywords if keyword.arg not in QUIET)


def from_outside(node: ast.AST) -> Iterator[str]:
    """Yield what is put into text as it came: f-strings' values, and whole words."""
    if isinstance(node, ast.Call):
        called = node.func.id if isinstance(node.func, ast.Name) else ""
        if called in PLAIN:
            return
    if isinstance(node, ast.FormattedValue) and node.format_spec is None:
        value = node.value
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.args:
            value = value.args[0] if value.func.id == "str" else value
        if isinstance(value, ast.Name) and value.id in OUTSIDE:
            yield value.id
        if isinstance(value, ast.Attribute) and value.attr in OUTSIDE:
            yield ast.unparse(value)
    for child in ast.iter_child_nodes(node):
        yield from from_outside(child)


def faults_of(path: Path) -> list[str]:
    """Return the calls of a file that show a word from outside as Markdown."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr not in TEXT:
            continue
        if node.func.attr == "error" and path.name != "plain.py":
            found.append(f"{path.name}:{node.lineno} say_error says it in plain words")
        for word in words_of(node):
            bare = (
                [word.id] if isinstance(word, ast.Name) and word.id in OUTSIDE - {"names"} else []
            )
            if isinstance(word, ast.Call) and ast.unparse(word).startswith("str("):
                bare += [ast.unparse(word)] if "error" in ast.unparse(word) else []
            found += [f"{path.name}:{node.lineno} {what}" for what in (*bare, *from_outside(word))]
    return found


PAGES = sorted([*(ROOT / "studio").glob("*.py"), *(ROOT / "pages").glob("*.py")])


def test_no_page_puts_a_word_from_outside_into_markdown_as_it_came() -> None:
    assert [fault for path in PAGES for fault in faults_of(path)] == []


@pytest.mark.parametrize(
    "line",
    [
        "st.error(str(error), icon='x')", "st.markdown(f'**{name}**')", "st.caption(note)",
        "st.info(f'{faces.name}: none')", "place.progress(0.5, f'Asking {model}')",
        "st.button('x', help=f'Let {name} go')", "st.markdown('a' + f'{face.sample_id}')",
        "st.warning(f'{str(error)}')",
    ],
)  # fmt: skip
def test_the_rule_above_sees_a_fault(line: str, tmp_path: Path) -> None:
    (tmp_path / "room.py").write_text(line)
    assert faults_of(tmp_path / "room.py")


HOSTILE = "![x](http://evil.example/a.png) [log in](http://evil.example/)"


def has_link(markdown: str) -> bool:
    """Tell whether a link or picture is left outside of code."""
    return bool(re.search(r"(?<!\\)\]\(|://|www\.", re.sub(r"(`+).+?\1", "", markdown)))


def test_sentences_that_other_modules_make_carry_names_in_plain_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faces = discover.read_faces("samples")
    named = FaceDataset(faces.images, faces.labels, faces.splits, HOSTILE)
    assert has_link(HOSTILE)
    assert not has_link(channels.whose(None, named))
    assert not has_link(channels.remedy("[a](http://b.example)", named))
    said = concepts.scores_of("[a](http://b.example)")
    assert isinstance(said, str) and not has_link(said)


def test_layers_of_a_visitors_network_draw_no_tag() -> None:
    link = "<a href='http://evil.example'>conv1</a>"
    epochs = pd.DataFrame(
        [
            {"epoch": n, "layers": [link, "conv2"], "sparsity": [0.1, 0.2], "entropy": [0.9, 0.8]}
            for n in range(EPOCHS)
        ]
    )
    assert "<" not in "".join(epoch_slider.of_epochs(epochs).layers)
    drawn = history.lines_per_layer(epochs, "sparsity", "zeros").to_json()
    assert "<a" not in drawn and "\\u003ca" not in drawn
