"""Running a published model by its own code, from a folder that the user keeps."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """The top-level modules of `folder` modules can be imported while this lasts, and are forgotten afterwards.

    They have names (models, helpers, config) that must not stand in anybody else's way.
    """
    before = set(sys.modules)
    sys.path.insert(0, str(folder.resolve()))
    try:
        yield
    finally:
        sys.path.remove(str(folder.resolve()))
        # All names before the first goes: the path of a package without an __init__.py is looked up in its parent.
        theirs = [
            name
            for name in set(sys.modules) - before
            if any(Path(place).is_relative_to(folder.resolve()) for place in _places(sys.modules[name]))
        ]
        for name in theirs:
            del sys.modules[name]


def _places(module: ModuleType) -> list[str]:
    """Where a module lies; folders without an __init__.py have no file."""
    file = getattr(module, "__file__", None)
    return [file] if file is not None else list(getattr(module, "__path__", ()))
