"""Command-line flags made from a dataclass: field -> flag, docstring below it -> help."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import textwrap
from typing import Any


def field_docs(kind: type) -> dict[str, str]:
    """Return the docstring under each field of a dataclass, read from its source."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(tree, ast.ClassDef)
    docs = {}
    for line, below in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            doc = below.value if isinstance(below, ast.Expr) else None
            docs[line.target.id] = doc.value if isinstance(doc, ast.Constant) else ""
    return {name: str(doc) for name, doc in docs.items()}


def add_flags(parser: argparse.ArgumentParser, kind: type, title: str) -> None:
    """Add ``--field-name`` for every field; a flag not given leaves the field as it is."""
    group, docs = parser.add_argument_group(title), field_docs(kind)
    for field in dataclasses.fields(kind):
        flag, text = f"--{field.name.replace('_', '-')}", docs[field.name].replace("%", "%%")
        default = field.default
        if isinstance(default, bool):
            action = argparse.BooleanOptionalAction
            group.add_argument(flag, action=action, default=argparse.SUPPRESS, help=text)
        elif isinstance(default, tuple):
            one = type(default[0]) if default else float
            group.add_argument(
                flag, nargs="+", type=one, default=argparse.SUPPRESS, help=text, metavar="X"
            )
        else:
            group.add_argument(
                flag, type=type(default), default=argparse.SUPPRESS, help=text, metavar="X"
            )


def given(args: argparse.Namespace, kind: type) -> dict[str, Any]:
    """Return the fields of `kind` that the command line set."""
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in vars(args).items() if name in names}
