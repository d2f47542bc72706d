"""The members of the families, found in their unions: what the contract tests run over.

A backend whose weights do not come with the base install is tested with tiny ones: `tests/annotators/<family>/tiny.py`
may define a function of the backend's `kind` that takes a folder, makes a model there and returns the backend. It skips
where a library it needs is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from soundseam.annotators.base import BackendUnavailableError, Model
from soundseam.pipeline.doctor import FAMILIES, members_of

MEMBERS: dict[str, tuple[str, type[Model]]] = {
    f"{family}/{member.model_fields['kind'].default}": (family, member)
    for family, union in FAMILIES.items()
    for member in members_of(union)
}
BRANCH_MEMBERS = [name for name, (family, _) in MEMBERS.items() if family != "detection"]
DETECTION_MEMBERS = [name for name, (family, _) in MEMBERS.items() if family == "detection"]


def tiny_maker(name: str) -> Callable[[Path], Model] | None:
    family, kind = name.split("/")
    module = f"tests.annotators.{family}.tiny"
    if find_spec(f"tests.annotators.{family}") is None or find_spec(module) is None:
        return None
    return getattr(import_module(module), kind, None)


def a_member(name: str, folder: Path) -> Any:
    """The backend `name`: with a tiny model where the tests make one, else as an empty line of YAML gives it."""
    maker = tiny_maker(name)
    return maker(folder) if maker else MEMBERS[name][1]()


def load_or_skip(backend: Any) -> Any:
    """The annotator or detector; skips, with the backend's own words, where it cannot load here."""
    try:
        return backend.load()
    except BackendUnavailableError as error:
        pytest.skip(str(error))
