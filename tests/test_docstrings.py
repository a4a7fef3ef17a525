"""What `help()` shows: numpydoc sections that say of each field and parameter what it is."""

import doctest
import importlib
import inspect
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import avsync

DOCUMENTED = (
    *("batch", "faces", "media", "model", "pipeline", "remux", "sync", "system", "training"),
    *("words", "errors", "estimates", "findings", "metrics", "prose", "report", "schema"),
    *("scoring", "speech", "timebase", "tolerance", "tracks"),
)
UNDERLINED = re.compile(r"^(\w[\w ]*)\n-{3,}$", re.MULTILINE)
ENTRY = re.compile(r"^(\*{0,2}\w[\w, *]*) : \S", re.MULTILINE)


def _modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(avsync.__path__, "avsync."):
        name = found.name
        if name.split(".")[1] in DOCUMENTED:
            yield importlib.import_module(name)


def _public(module: ModuleType) -> Iterator[Any]:
    """What a module defines, and says it does."""
    for name, value in vars(module).items():
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__:
            yield inspect.unwrap(value) if callable(value) else value


MODULES = list(_modules())
DEFINED = [value for module in MODULES for value in _public(module)]
FUNCTIONS = [value for value in DEFINED if inspect.isfunction(value)]
CLASSES = [value for value in DEFINED if inspect.isclass(value)]
METHODS = [
    method
    for owner in CLASSES
    for name, value in vars(owner).items()
    if not name.startswith("_")
    and inspect.isfunction(method := inspect.unwrap(getattr(value, "__func__", value)))
]
EXPORTED = [getattr(avsync, name) for name in avsync.__all__]
DATACLASSES = {c for c in (*CLASSES, *EXPORTED) if isinstance(c, type) and is_dataclass(c)}


def _name(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"


def _sections(value: Any) -> dict[str, str]:
    """The sections of a docstring, by their headings."""
    parts = UNDERLINED.split(inspect.getdoc(value) or "")
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _entries(section: str) -> list[str]:
    """What a section describes, in order: `a, b : int` are two."""
    return [name.strip() for names in ENTRY.findall(section) for name in names.split(",")]


def _parameters(function: Any) -> list[str]:
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    known = inspect.signature(function).parameters.values()
    return [f"{stars.get(p.kind, '')}{p.name}" for p in known if p.name not in ("self", "cls")]


def test_there_is_something_to_look_at() -> None:
    assert {len(MODULES) > 60, len(FUNCTIONS) > 150, len(DATACLASSES) > 60} == {True}


@pytest.mark.parametrize("dataclass", sorted(DATACLASSES, key=_name), ids=_name)
def test_every_field_is_described(dataclass: type) -> None:
    sections = _sections(dataclass)
    described = _entries(sections.get("Attributes", "") + sections.get("Parameters", ""))
    shown = {field.name for field in fields(dataclass) if not field.name.startswith("_")}
    assert set(described) >= shown
    assert all(hasattr(dataclass, name) or name in dataclass.__annotations__ for name in described)


@pytest.mark.parametrize("function", FUNCTIONS, ids=_name)
def test_every_function_is_described(function: Any) -> None:
    assert inspect.getdoc(function)


@pytest.mark.parametrize("function", [*FUNCTIONS, *METHODS], ids=_name)
def test_parameters_are_those_of_the_signature(function: Any) -> None:
    section = _sections(function).get("Parameters")
    assert section is None or _entries(section) == _parameters(function)


@pytest.mark.parametrize("owner", [c for c in CLASSES if "Parameters" in _sections(c)], ids=_name)
def test_parameters_are_those_of_the_constructor(owner: type) -> None:
    assert _entries(_sections(owner)["Parameters"]) == _parameters(owner)


def test_each_stage_has_a_number_of_its_own() -> None:
    sources = Path(avsync.__file__).parent.rglob("*.py")
    heads = (re.match(r'"""Stage (\w+):', source.read_text()) for source in sources)
    stages = Counter(head[1] for head in heads if head)
    assert len(stages) > 10 and set(stages.values()) == {1}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_say_what_happens(module: ModuleType) -> None:
    assert not doctest.testmod(module).failed
