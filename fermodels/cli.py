"""Command-line flags made from a dataclass: field -> flag, docstring below it -> help."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Sequence
from typing import Any, get_args, get_type_hints


def field_docs(kind: type) -> dict[str, str]:
    """Return the docstring under each field of a dataclass, read from its source."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(tree, ast.ClassDef)
    docs = {}
    for line, following in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            doc = following.value if isinstance(following, ast.Expr) else None
            docs[line.target.id] = doc.value if isinstance(doc, ast.Constant) else ""
    return {name: str(doc) for name, doc in docs.items()}


def add_flags(
    parser: argparse.ArgumentParser, kind: type, title: str, but: Sequence[str] = ()
) -> None:
    """Add ``--field-name`` for every field; a flag not given leaves the field as it is.

    Args:
        parser: gets a group of flags.
        kind: a dataclass; a field's metadata may hold another ``flag`` and a ``metavar``.
        title: of the group.
        but: fields that get no flag.
    """
    group, docs, types = parser.add_argument_group(title), field_docs(kind), get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if field.name in but:
            continue
        flag = field.metadata.get("flag", f"--{field.name.replace('_', '-')}")
        options: dict[str, Any] = {"dest": field.name, "default": argparse.SUPPRESS}
        options["help"] = docs[field.name].replace("%", "%%")
        if isinstance(field.default, bool):
            group.add_argument(flag, action=argparse.BooleanOptionalAction, **options)
            continue
        options["metavar"] = field.metadata.get("metavar", "X")
        if isinstance(field.default, tuple):
            item = get_args(types[field.name])[0]
            group.add_argument(flag, nargs="+", type=item, **options)
        else:
            group.add_argument(flag, type=type(field.default), **options)


def given(args: argparse.Namespace, kind: type) -> dict[str, Any]:
    """Return the fields of `kind` that the command line set, lists as tuples."""
    names = {field.name for field in dataclasses.fields(kind)}
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in vars(args).items()
        if name in names
    }
