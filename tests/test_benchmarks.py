"""Benchmarks are run by hand and seldom: what they import of avsync must still be there."""

import ast
import importlib
from pathlib import Path

import pytest
from conftest import REPOSITORY

BENCHMARKS = sorted((REPOSITORY / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_what_is_imported_is_there(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("avsync"):
            continue
        module = importlib.import_module(node.module or "")
        for name in (alias.name for alias in node.names):
            if not hasattr(module, name):
                importlib.import_module(f"{node.module}.{name}")
